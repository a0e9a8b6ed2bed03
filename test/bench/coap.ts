// CoAP: GETs against a bare dgram echo and against the npm package `coap`; the cost of a request as tables fill; responses to a group
// request; a large body against libcoap. Rates depend on what else the machine does: the server's CPU time for a request says more.
import { fileURLToPath } from 'node:url'
import { benchGroup } from './coap-group.ts'
import { observe, startServer, type BenchServer, type Round, type ServerKind } from './coap-load.ts'
import { benchCoapScale } from './coap-scale.ts'
import { benchTransfer } from './coap-transfer.ts'
import { median } from './measure.ts'
import type { BenchResult } from './types.ts'

const REQUESTS = 60_000
const WARM_UP = 60_000
const ROUNDS = 3
const FEW = 1
const OBSERVATIONS = 10_000
const DEDUP_ENTRIES = 100_000

export async function benchCoap(): Promise<BenchResult[]> {
  return [
    ...(await benchRates()),
    ...(await benchObservations()),
    ...(await benchCoapScale()),
    ...(await benchDedup()),
    ...(await benchGroup()),
    ...(await benchTransfer()),
  ]
}

async function benchRates(): Promise<BenchResult[]> {
  const rounds = { echo: [] as Round[], coap: [] as Round[], 'node-coap': [] as Round[] }
  // In turns, so that whatever else the machine does hits all alike.
  for (let round = 0; round < ROUNDS; round++) {
    for (const kind of ['echo', 'coap', 'node-coap'] as const) {
      rounds[kind].push(await withServer(kind, (server) => server.measure(REQUESTS)))
    }
  }
  type Contestant = keyof typeof rounds
  const rate = (kind: Contestant): number => median(rounds[kind].map((round) => round.perSecond))
  const cpu = (kind: Contestant): number => median(rounds[kind].map((round) => round.cpuUsPerRequest))
  const perCpuSecond = (kind: Contestant): number => 1e6 / cpu(kind)
  return [
    result('GET rate, 16 outstanding, against a dgram echo', 'req/s', rate('coap'), rate('echo')),
    result('GET rate, 16 outstanding, against node-coap', 'req/s', rate('coap'), rate('node-coap')),
    result('GETs in a second of server CPU, against a dgram echo', 'req', perCpuSecond('coap'), perCpuSecond('echo')),
    result('GETs in a second of server CPU, against node-coap', 'req', perCpuSecond('coap'), perCpuSecond('node-coap')),
    result('GET, server CPU, against a dgram echo', 'us/req', cpu('coap'), cpu('echo')),
  ]
}

async function benchObservations(): Promise<BenchResult[]> {
  const few: number[] = []
  const many: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const [count, into] of [
      [FEW, few],
      [OBSERVATIONS, many],
    ] as const) {
      const measured = await withServer('coap', async (server) => {
        const observers = await observe(server.port, count)
        const { cpuUsPerRequest } = await server.measure(REQUESTS)
        observers.close()
        return cpuUsPerRequest
      })
      into.push(measured)
    }
  }
  return [result('GET, server CPU, with 10 000 observations outstanding, against 1', 'us/req', median(many), median(few))]
}

async function benchDedup(): Promise<BenchResult[]> {
  const few: number[] = []
  const many: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, into] of [
      ['coap-forgetful', few],
      ['coap', many],
    ] as const) {
      const measured = await withServer(kind, async (server) => {
        await server.measure(DEDUP_ENTRIES - WARM_UP)
        return (await server.measure(20_000)).cpuUsPerRequest
      })
      into.push(measured)
    }
  }
  return [result('GET, server CPU, with 100 000 Message IDs remembered, against 1', 'us/req', median(many), median(few))]
}

async function withServer<Result>(kind: ServerKind, work: (server: BenchServer) => Promise<Result>): Promise<Result> {
  const server = await startServer(kind)
  try {
    await server.measure(WARM_UP)
    return await work(server)
  } finally {
    server.stop()
  }
}

function result(name: string, unit: string, value: number, baseline: number): BenchResult {
  return { area: 'coap', name, value, unit, baseline, ratio: value / baseline }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const line of await benchCoap())
    console.log(
      `${line.name}: ${line.value.toFixed(1)} ${line.unit}, baseline ${line.baseline?.toFixed(1) ?? '-'}, ratio ${line.ratio?.toFixed(2) ?? '-'}`,
    )
}
