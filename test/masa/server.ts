// A maker's server on loopback: HTTPS around the MASA's logic (RFC 8995 §5.4 to §5.8), nothing else.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Masa } from '#main/services/join/index.ts'
import { extensionOf } from '#main/services/ra/index.ts'
import { chainPem, keyPem, makeParty, type Party } from './pki.ts'

const MAX_BODY_BYTES = 65_536
const OPERATIONS = ['requestvoucher', 'requestauditlog'] as const

export interface MasaServer {
  /** `https://127.0.0.1:PORT` */
  readonly url: string
  close(): Promise<void>
}

export interface MasaServerOptions {
  readonly masa: Masa
  readonly tls: Party
  readonly port?: number
  /** Told of each request: operation, status, and whether a client certificate was shown. */
  readonly onAnswer?: (operation: string, status: number, showedCertificate: boolean) => void
}

/** A certificate for loopback below that authority. */
export function loopbackTls(authority: Party): Party {
  const names = extensionOf.subjectAltName([
    { kind: 'dns', value: 'localhost' },
    { kind: 'ip', address: Uint8Array.of(127, 0, 0, 1) },
  ])
  return makeParty({ name: 'CN=localhost', issuer: authority, extensions: [names] })
}

export async function startMasaServer({ masa, tls, port = 0, onAnswer }: MasaServerOptions): Promise<MasaServer> {
  const options = {
    key: keyPem(tls.key),
    cert: chainPem(tls.chain),
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
  } as const
  const server = createServer(options, (request, response) => {
    void respond(masa, request, response, onAnswer).catch(() => response.destroy())
  })
  return listening(server, port)
}

export async function listening(server: Server, port = 0): Promise<MasaServer> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const { port: chosen } = server.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${chosen}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function respond(
  masa: Masa,
  request: IncomingMessage,
  response: ServerResponse,
  onAnswer: MasaServerOptions['onAnswer'],
): Promise<void> {
  const operation = OPERATIONS.find((known) => request.url === `/.well-known/brski/${known}`)
  const body = await bodyOf(request)
  if (operation === undefined || request.method !== 'POST' || body === undefined) {
    const status = operation === undefined ? 404 : body === undefined ? 413 : 405
    response.writeHead(status, { 'Content-Type': 'text/plain' }).end('Not here')
    return
  }
  const { 'content-type': contentType = '', accept = '' } = request.headers
  const answer = await masa.answer({ operation, contentType, accept, body })
  const showed =
    'getPeerCertificate' in request.socket &&
    Object.keys((request.socket as { getPeerCertificate(): object }).getPeerCertificate()).length > 0
  onAnswer?.(operation, answer.status, showed)
  response.writeHead(answer.status, { 'Content-Type': answer.contentType }).end(answer.body)
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}
