// Lookups at the Resource Directory without a network: what they cost among few endpoints and among many.
import { RdHarness } from '../services/rd/harness.ts'
import { contest } from './measure.ts'
import { HITS, linksOf } from './rd-load.ts'
import type { BenchResult } from './types.ts'

const FEW = 1000
const ROUND = 500

export async function benchDirectory(): Promise<readonly BenchResult[]> {
  const few = directoryOf(FEW)
  const results: BenchResult[] = []
  for (const endpoints of [10_000, 100_000]) {
    const many = directoryOf(endpoints)
    for (const [name, queryOf] of Object.entries(queries)) {
      const {
        value,
        baseline = Number.NaN,
        ...rest
      } = await contest({
        area: 'rd',
        name: `a lookup by ${name} among ${endpoints.toLocaleString('en')} endpoints with 8 links (baseline: among ${FEW.toLocaleString('en')})`,
        unit: 'ms',
        measure: () => lookUp(many, endpoints, queryOf),
        baseline: () => lookUp(few, FEW, queryOf),
      })
      results.push({ ...rest, value: value / ROUND, baseline: baseline / ROUND })
    }
  }
  return results
}

const queries: Readonly<Record<string, (endpoint: number) => string>> = {
  ep: (endpoint) => `ep?ep=node${endpoint}`,
  'rt with 10 hits': (endpoint) => `res?rt=g.${Math.floor(endpoint / HITS)}`,
  'rt with all hits, count=10': () => 'res?rt=x.lamp&count=10',
  href: (endpoint) => `res?href=coap://[fd00::${endpoint.toString(16)}]/s/0`,
}

async function lookUp(rd: RdHarness, endpoints: number, queryOf: (endpoint: number) => string): Promise<void> {
  for (let index = 0; index < ROUND; index++) await rd.lookup(queryOf((index * 7919) % endpoints))
}

function directoryOf(endpoints: number): RdHarness {
  const rd = new RdHarness()
  for (let endpoint = 0; endpoint < endpoints; endpoint++)
    rd.directory.registerText({
      endpointName: `node${endpoint}`,
      base: `coap://[fd00::${endpoint.toString(16)}]`,
      links: linksOf(endpoint),
    })
  return rd
}
