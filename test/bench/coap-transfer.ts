// A body of 1 MB to libcoap's server and back, block by block, against libcoap's own client doing the same.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { equalBytes, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { COAP_CLIENT, COAP_SERVER, findPeer, run, start } from '../support/peers.ts'
import { contest } from './measure.ts'
import type { BenchResult } from './types.ts'

const BODY = Uint8Array.from({ length: 1 << 20 }, (_, index) => 32 + ((index * 7 + (index >> 8)) % 90))
const ROUNDS = 7

export async function benchTransfer(): Promise<BenchResult[]> {
  const clientProgram = findPeer(COAP_CLIENT)
  const serverProgram = findPeer(COAP_SERVER)
  if (clientProgram === undefined || serverProgram === undefined) {
    console.error('coap: no libcoap here, so no transfer against it')
    return []
  }
  const folder = await mkdtemp(join(tmpdir(), 'coap-bench-'))
  const file = join(folder, 'body')
  await writeFile(file, BODY)
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  const free = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const there = free.local
  await free.close()
  const server = start(serverProgram, ['-A', '::1', '-p', String(there.port), '-d', '10', '-v', '0'])
  const uri = `coap://[::1]:${there.port}/body`
  const theirs = async (...args: string[]): Promise<void> => {
    const { exitCode } = await run(clientProgram, ['-v', '0', '-B', '30', ...args, uri], 60_000)
    if (exitCode !== 0) throw new Error(`libcoap's client ended with ${exitCode}`)
  }
  try {
    await endpoint.request(there, { method: 'GET', path: [] }, { timeoutMs: 10_000 })
    const common = { area: 'coap', unit: 'ms', rounds: ROUNDS } as const
    return [
      await contest({
        ...common,
        name: '1 MB to libcoap’s server in blocks of 1024, against libcoap’s client',
        measure: () => endpoint.request(there, { method: 'PUT', path: ['body'], payload: BODY, contentFormat: 0 }),
        baseline: () => theirs('-m', 'put', '-b', '1024', '-f', file),
      }),
      await contest({
        ...common,
        name: '1 MB from libcoap’s server in blocks of 1024, against libcoap’s client',
        measure: async () => {
          const { payload } = await endpoint.request(there, { method: 'GET', path: ['body'] })
          if (!equalBytes(payload, BODY)) throw new Error('the body came back changed')
        },
        baseline: () => theirs('-m', 'get', '-b', '1024', '-o', join(folder, 'got')),
      }),
    ]
  } finally {
    endpoint.close()
    await channel.close()
    await server.stop()
    await rm(folder, { recursive: true })
  }
}
