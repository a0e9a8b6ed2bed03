// Carries CMP over HTTP to CMP over CoAP, for clients that speak HTTP only: each POST becomes a Confirmable CoAP POST.
import { createServer, type Server } from 'node:http'
import { silentLogger, systemClock, systemRandom, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, type ClientResponse } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'

const PKIXCMP = 259

export interface Bridge {
  readonly port: number
  /** Of the CoAP responses, in order. */
  readonly codes: string[]
  close(): Promise<void>
}

export interface BridgeOptions {
  readonly to: SocketAddress
  readonly blockBytes?: number
}

export async function openBridge({ to, blockBytes = 1024 }: BridgeOptions): Promise<Bridge> {
  const channel = await openUdpChannel({ bindAddress: '127.0.0.1', port: 0, logger: silentLogger })
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger })
  const codes: string[] = []
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const segments = (request.url ?? '/').split('/').filter((segment) => segment !== '' && segment !== 'pkix')
      const path = segments[0] === '.well-known' ? segments : ['.well-known', 'cmp', ...segments]
      endpoint
        .request(to, { method: 'POST', path, payload: new Uint8Array(Buffer.concat(chunks)), contentFormat: PKIXCMP }, { blockBytes })
        .then((answer: ClientResponse) => {
          codes.push(answer.code)
          // A PKIMessage says itself what went wrong (RFC 9811 §3.4).
          const status = answer.contentFormat === PKIXCMP ? 200 : 500
          response.writeHead(status, { 'Content-Type': 'application/pkixcmp', 'Content-Length': answer.payload.length })
          response.end(answer.payload)
        })
        .catch((error: unknown) => {
          codes.push(String(error))
          response.writeHead(502)
          response.end()
        })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    codes,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      endpoint.close()
      await channel.close()
    },
  }
}
