// A thousand responders to one group request over IPv4 multicast on the loopback interface: how many of their responses are collected.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import type { BenchResult } from './types.ts'

const RESPONDERS = 1000
/** From all at once to a tenth of DEFAULT_LEISURE. */
const SPREADS_MS = [0, 100, 500]

export async function benchGroup(): Promise<BenchResult[]> {
  const child = fork(fileURLToPath(new URL('./coap-responders.ts', import.meta.url)), [String(RESPONDERS)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [{ port, group }] = (await once(child, 'message')) as [{ port: number; group: string }]
  const channel = await openUdpChannel({ bindAddress: '127.0.0.1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  const results: BenchResult[] = []
  try {
    for (const spreadMs of SPREADS_MS) {
      child.send(spreadMs)
      await once(child, 'message')
      const started = performance.now()
      const sources = new Set<number>()
      const request = { method: 'GET', path: ['sensors', 'temperature'] } as const
      const responses = endpoint.groupRequest({ address: group, port }, request, { deadlineMs: 3000, expected: RESPONDERS })
      for await (const response of responses) sources.add(response.source.port)
      const name = `responses of ${RESPONDERS} servers within ${spreadMs} ms, collected in ${Math.round(performance.now() - started)} ms`
      results.push({ area: 'coap', name, value: sources.size, unit: 'servers', baseline: RESPONDERS, ratio: sources.size / RESPONDERS })
    }
  } finally {
    endpoint.close()
    await channel.close()
    child.disconnect()
  }
  return results
}
