// Drift at 10 000 devices: what taking in one device's table costs beside 1 000 devices, and adopting a whole installation that was read.
import { createSurveyBench, put, type SurveyBench } from '../site/survey/doubles.ts'
import { median, timed } from './measure.ts'
import type { BenchResult } from './types.ts'

const SMALL = 1000
const LARGE = 10_000
const MEMBERS = 33
const ROUNDS = 201
const TABLES = { servers: false, directory: false, tables: true, directories: [], types: [] }

interface Measured {
  readonly takeInMs: number
  readonly readMs: number
  readonly adoptMs: number
  readonly heapMb: number
}

export async function benchSurvey(): Promise<readonly BenchResult[]> {
  const small = await measure(SMALL)
  const large = await measure(LARGE)
  const line = (name: string, unit: string, value: number, baseline: number): BenchResult => ({
    area: 'groups',
    name,
    value,
    unit,
    baseline,
    ratio: value / baseline,
  })
  return [
    line(`take in one device's table at ${LARGE} devices (baseline: ${SMALL} devices)`, 'ms', large.takeInMs, small.takeInMs),
    line(
      `read and sort ${LARGE} group tables into groups, without the air, by device (baseline: ${SMALL} devices)`,
      'ms',
      large.readMs / LARGE,
      small.readMs / SMALL,
    ),
    line(
      `adopt ${LARGE * 3} memberships, each (baseline: ${SMALL * 3} memberships)`,
      'ms',
      large.adoptMs / LARGE / 3,
      small.adoptMs / SMALL / 3,
    ),
    // Of few devices it drowns in what else is collected meanwhile: no baseline.
    {
      area: 'groups',
      name: `heap of what was read of ${LARGE} devices, by device`,
      value: (large.heapMb * 1024) / LARGE,
      unit: 'kB',
      baseline: undefined,
      ratio: undefined,
    },
  ]
}

async function measure(devices: number): Promise<Measured> {
  const bench = createSurveyBench(devices)
  // The double's transaction copies everything that it holds, so as to take it back; here that would be all that is measured.
  bench.store.transaction = (work) => work()
  const groups = Math.ceil(devices / MEMBERS)
  for (let device = 1; device <= devices; device++) {
    for (let layer = 0; layer < 3; layer++) {
      const number = Math.floor(((device + layer * 7919) % devices) / MEMBERS) + layer * groups
      put(bench, `d${device}`, { name: `g${number}`, address: `ff05::db8:${(number + 1).toString(16)}`, port: 5683 })
    }
  }
  const before = heapMb()
  const readMs = await timed(async () => {
    bench.survey.read(TABLES)
    await bench.clock.until(bench.survey.idle())
  })
  const used = heapMb() - before
  const adoptMs = await timed(() => bench.survey.adopt())
  const takeInMs = await takeIn(bench, devices)
  await bench.survey.close()
  return { takeInMs, readMs, adoptMs, heapMb: Math.max(0.01, used) }
}

/** Every other time an entry is gone, so that there is something to find. */
async function takeIn(bench: SurveyBench, devices: number): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const id = `d${1 + ((round * 37) % devices)}`
    const table = [...bench.devices.fake(id).table.values()]
    const held = round % 2 === 0 ? table : table.slice(1)
    times.push(
      await timed(() => {
        bench.engine.takeIn(id, held, 'verify')
        bench.survey.tableRead(id, held)
      }),
    )
  }
  return median(times)
}

function heapMb(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 2 ** 20
}
