// Makers' servers over real TLS on loopback: what is asked, who is believed, what is tried again, and that an offline site asks nobody.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock, type AppError, type Clock } from '#main/base/index.ts'
import { readPem } from '#main/services/ra/index.ts'
import {
  checkPledgeRequest,
  createHttpsMasaClient,
  judgeVoucher,
  makePledgeRequest,
  VoucherDesk,
  type HttpsMasaOptions,
  type MasaAddress,
} from '#main/services/join/index.ts'
import { importSigningKey } from '#main/base/index.ts'
import { temporaryFolder } from '../../../support/site-file.ts'
import { chainPem, keyPem, makeDomain, makeParty, nonceOf } from '../../../masa/pki.ts'
import { listening, loopbackTls, type MasaServer } from '../../../masa/server.ts'
import { memoryVouchers } from '../voucher/memory-store.ts'

const authority = makeParty({ name: 'CN=TLS root', isAuthority: true })
const domain = makeDomain('Harbour House')
const COSE = 'application/voucher+cose'

/** Time runs a hundred times faster between attempts. */
const hurried: Clock = { ...systemClock, setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / 100, callback) }

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void

async function serve(
  handler: Handler,
  tls = loopbackTls(authority),
  options: ServerOptions = {},
): Promise<MasaServer & { readonly seen: string[] }> {
  const seen: string[] = []
  const server = createServer({ key: keyPem(tls.key), cert: chainPem(tls.chain), ...options }, (request, response) => {
    seen.push(`${request.method ?? ''} ${request.url ?? ''} ${request.headers['content-type'] ?? ''} ${request.headers.accept ?? ''}`)
    request.resume().on('end', () => handler(request, response, seen.length))
  })
  const running = await listening(server)
  onTestFinished(() => running.close())
  return { ...running, seen }
}

function clientFor(changes: Partial<HttpsMasaOptions> = {}) {
  return createHttpsMasaClient({
    clock: hurried,
    registrar: () => domain.registrar,
    isOffline: () => false,
    timeoutMs: 2_000_000,
    ...changes,
  })
}

const at = (server: MasaServer, changes: Partial<MasaAddress> = {}): MasaAddress => ({
  url: `${server.url}/.well-known/brski`,
  tlsAnchors: chainPem([authority.certificate]),
  showsCertificate: true,
  ...changes,
})

const body = Uint8Array.of(1, 2, 3)
const ask = (server: MasaServer, client = clientFor(), to = at(server)): Promise<Uint8Array> => client.requestVoucher(to, body, 'cose')

async function failure(work: Promise<unknown>): Promise<AppError> {
  return work.then(
    () => {
      throw new Error('It should have failed')
    },
    (thrown: unknown) => thrown as AppError,
  )
}

describe('the MASA client', () => {
  test('posts the request as its media type, and asks for the same (constrained-voucher-31 §7.1)', async () => {
    const server = await serve((_, response) => response.writeHead(200, { 'Content-Type': COSE }).end(Buffer.from('voucher')))
    expect(Buffer.from(await ask(server)).toString()).toBe('voucher')
    expect(server.seen).toEqual([`POST /.well-known/brski/requestvoucher ${COSE} ${COSE}`])
  })

  test('shows the registrar’s chain where it is told to, and none where not (§7.4)', async () => {
    const shown: unknown[] = []
    const server = await serve(
      (request, response) => {
        shown.push((request.socket as unknown as { getPeerCertificate(): { subject?: { CN: string } } }).getPeerCertificate().subject?.CN)
        response.writeHead(200, { 'Content-Type': COSE }).end('v')
      },
      undefined,
      { requestCert: true, rejectUnauthorized: false },
    )
    await ask(server)
    await ask(server, undefined, at(server, { showsCertificate: false }))
    const modern = makeParty({ name: 'CN=Modern registrar', algorithm: 'Ed25519' })
    await ask(server, clientFor({ registrar: () => modern }))
    expect(shown).toEqual(['Harbour House registrar', undefined, 'Modern registrar'])
  })

  test('believes nobody whose certificate leads elsewhere, or is for another name', async () => {
    const stranger = await serve((_, response) => response.end(), loopbackTls(makeParty({ name: 'CN=Other', isAuthority: true })))
    expect((await failure(ask(stranger))).code).toBe('voucher.masa-untrusted')
    const nameless = await serve((_, response) => response.end(), makeParty({ name: 'CN=127.0.0.1', issuer: authority }))
    expect((await failure(ask(nameless))).code).toBe('voucher.masa-untrusted')
    const system = await failure(ask(stranger, undefined, { ...at(stranger), tlsAnchors: undefined }))
    expect(system.code).toBe('voucher.masa-untrusted')
    expect([stranger.seen, nameless.seen]).toEqual([[], []])
  })

  test('tells what a server that refuses says, without tricks in it, and does not ask again', async () => {
    const server = await serve((_, response) =>
      response.writeHead(403, { 'Content-Type': 'text/plain' }).end(`Not\u001b[2J yours\n${'x'.repeat(500)}`),
    )
    const { code, details, retryable } = await failure(ask(server))
    expect([code, retryable, details.status]).toEqual(['voucher.masa-refused', false, 403])
    expect(details.why).toBe(`Not [2J yours ${'x'.repeat(186)}`)
    expect(server.seen.length).toBe(1)
  })

  test('does not follow a redirection', async () => {
    const server = await serve((_, response) => response.writeHead(307, { Location: 'https://127.0.0.1:1/' }).end())
    expect((await failure(ask(server))).code).toBe('voucher.masa-refused')
  })

  test('asks a server in trouble three times, with pauses, and takes the answer when it comes', async () => {
    const mended = await serve((_, response, count) => {
      if (count < 3) response.writeHead(503).end()
      else response.writeHead(200, { 'Content-Type': COSE }).end('v')
    })
    expect((await ask(mended)).length).toBe(1)
    const broken = await serve((_, response) => response.writeHead(500).end())
    const { code, retryable } = await failure(ask(broken))
    expect([code, retryable, broken.seen.length]).toEqual(['voucher.masa-unreachable', true, 3])
    const patient = await serve((_, response) => response.writeHead(503, { 'Retry-After': '3600' }).end())
    expect((await failure(ask(patient))).details.retryAfterS).toBe(3600)
    expect(patient.seen.length).toBe(1)
  })

  test('says when a server wants time (202), or answers in another format, or too much', async () => {
    const slow = await serve((_, response) => response.writeHead(202, { 'Retry-After': '60' }).end())
    expect(await failure(ask(slow))).toMatchObject({ code: 'voucher.masa-waiting', retryable: true, details: { retryAfterS: 60 } })
    const other = await serve((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('v'))
    expect((await failure(ask(other))).code).toBe('voucher.format-unsupported')
    const flood = await serve((_, response) => response.writeHead(200, { 'Content-Type': COSE }).end(Buffer.alloc(70_000)))
    expect((await failure(ask(flood))).code).toBe('voucher.masa-refused')
  })

  test('gives up on a server that takes the connection and says nothing, and on one that is not there', async () => {
    const silent = await serve(() => undefined)
    const { code, retryable } = await failure(ask(silent, clientFor({ timeoutMs: 50_000, attempts: 1 })))
    expect([code, retryable]).toEqual(['voucher.masa-unreachable', true])
    const gone = await serve(() => undefined)
    await gone.close()
    expect((await failure(ask(gone))).code).toBe('voucher.masa-unreachable')
  })

  test('ends at once when it is cancelled', async () => {
    const silent = await serve(() => undefined)
    const cancelling = new AbortController()
    const pending = failure(clientFor().requestVoucher(at(silent), body, 'cose', cancelling.signal))
    cancelling.abort()
    expect((await pending).code).toBe('cancelled')
  })

  test('asks nobody where the site is offline', async () => {
    const server = await serve((_, response) => response.end())
    const client = clientFor({ isOffline: () => true })
    expect((await failure(ask(server, client))).code).toBe('voucher.offline')
    expect((await failure(client.requestAuditLog(at(server), body, 'cose'))).code).toBe('voucher.offline')
    expect(server.seen).toEqual([])
  })
})

test('the test MASA serves a pledge’s voucher through the desk, with its log, as a program of its own', async () => {
  const folder = temporaryFolder()
  const program = spawn(process.execPath, [join(import.meta.dirname, '../../../masa/main.ts'), '--folder', folder, '--pledges', '1'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    program.kill('SIGTERM')
  })
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
  const started = JSON.parse(String((await lines.next()).value)) as { url: string; serialNumbers: string[] }
  const pem = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const anchors = readPem('CERTIFICATE', pem('maker.pem'))
  const chain = readPem('CERTIFICATE', pem('pledge-1.chain.pem'))
  const key = importSigningKey(pem('pledge-1.key.pem'))

  const store = memoryVouchers()
  const desk = new VoucherDesk({
    store,
    masa: createHttpsMasaClient({ clock: systemClock, registrar: () => domain.registrar, isOffline: () => false }),
    clock: systemClock,
    registrar: () => domain.registrar,
    makers: () => [{ id: 'tm', name: 'Test Maker', anchors, tlsAnchors: pem('tls.pem') }],
    isOffline: () => false,
  })
  const nonce = nonceOf('fresh')
  const registrarCertificate = domain.registrar.certificate
  const bytes = makePledgeRequest({ key, chain }, { format: 'cose', nonce, registrarCertificate })
  const request = checkPledgeRequest({ bytes, format: 'cose', pledgeChain: chain, registrarCertificate })
  // The server's address is that in the birth certificate.
  const voucher = await desk.obtain(request)
  expect([voucher.from, voucher.record.masaUrl, voucher.record.serialNumber]).toEqual([
    'masa',
    `${started.url}/.well-known/brski`,
    started.serialNumbers[0],
  ])
  const accepted = await judgeVoucher({
    bytes: voucher.bytes,
    format: 'cose',
    idevid: chain[0]!,
    nonce,
    anchors,
    registrarChain: domain.registrar.chain,
    nowMs: systemClock.now(),
  })
  expect(accepted.anchor).toEqual(domain.sub.certificate)
  expect((await desk.auditLog(request.pledgeKey)).events.length).toBe(1)
  const said = [JSON.parse(String((await lines.next()).value)), JSON.parse(String((await lines.next()).value))] as unknown[]
  expect(said).toEqual([
    { operation: 'requestvoucher', status: 200, showedCertificate: true },
    { operation: 'requestauditlog', status: 200, showedCertificate: true },
  ])
})
