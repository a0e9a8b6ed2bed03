// Lookups at the Resource Directory: what they cost among few endpoints and among many.
import { RdHarness } from '../services/rd/harness.ts'
import { contest } from './measure.ts'
import type { BenchResult } from './types.ts'

const FEW = 200
const ROUND = 100

export async function benchDirectory(): Promise<readonly BenchResult[]> {
  const few = directoryOf(FEW)
  const results: BenchResult[] = []
  for (const endpoints of [1000, 10_000, 100_000]) {
    const many = directoryOf(endpoints)
    for (const [name, queryOf] of Object.entries(queries)) {
      results.push(
        await contest({
          area: 'rd',
          name: `${ROUND} lookups by ${name} among ${endpoints} endpoints (baseline: among ${FEW})`,
          unit: 'ms',
          measure: () => lookUp(many, queryOf),
          baseline: () => lookUp(few, queryOf),
        }),
      )
    }
  }
  return results
}

const queries: Readonly<Record<string, (index: number) => string>> = {
  ep: (index) => `ep?ep=node${index}`,
  'rt with one hit': (index) => `res?rt=one.${index}`,
  'rt with all hits, count=10': () => 'res?rt=all&count=10',
  href: (index) => `res?href=coap://[fd00::${index.toString(16)}]/a`,
}

async function lookUp(rd: RdHarness, queryOf: (index: number) => string): Promise<void> {
  for (let index = 0; index < ROUND; index++) await rd.lookup(queryOf(index))
}

function directoryOf(endpoints: number): RdHarness {
  const rd = new RdHarness()
  for (let index = 0; index < endpoints; index++) {
    rd.directory.register({
      endpointName: `node${index}`,
      base: `coap://[fd00::${index.toString(16)}]`,
      links: [
        { href: '/a', attributes: [{ name: 'rt', value: `one.${index}` }] },
        { href: '/b', attributes: [{ name: 'rt', value: 'all' }] },
      ],
    })
  }
  return rd
}
