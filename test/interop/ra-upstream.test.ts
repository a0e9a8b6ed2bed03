// The reverse proxy before somebody else's authority: OpenSSL's mock server behind it, OpenSSL's client before it (RFC 9482 §3, RFC 9483 §5.2).
import { spawn, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { exportSigningKey, seededRandom, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { CmpClient, CmpProxy, createHttpTransport, type UpstreamServer } from '#main/services/ra/index.ts'
import { Oid } from '../../src-main/services/ra/der/index.ts'
import { createManufacturer, nameOf, SECRET, signedBy, toPem, type Issued, type Manufacturer } from '../services/ra/harness.ts'
import { describeWithPeer } from '../support/peers.ts'
import { OpensslDevice, serveAuthority, type Served } from './ra-openssl.ts'

/** `openssl cmp -port`: it always gives the same certificate, so requests must be for its key. */
class MockAuthority {
  readonly port: number
  #child: ChildProcess | undefined
  readonly #program: string
  readonly #args: readonly string[]

  constructor(program: string, port: number, args: readonly string[]) {
    this.#program = program
    this.port = port
    this.#args = args
  }

  async start(...further: readonly string[]): Promise<void> {
    await this.stop()
    this.#child = spawn(this.#program, ['cmp', '-config', '', '-port', String(this.port), ...this.#args, ...further], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    await new Promise<void>((resolve, reject) => {
      let said = ''
      const hear = (chunk: Buffer): void => {
        said += chunk.toString()
        if (/ACCEPT|waiting|listening/i.test(said)) resolve()
      }
      this.#child?.stdout?.on('data', hear)
      this.#child?.stderr?.on('data', hear)
      this.#child?.once('exit', () => reject(new Error(`the mock server ended: ${said}`)))
      setTimeout(resolve, 700)
    })
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child?.exitCode !== null) return
    child.removeAllListeners('exit')
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await ended
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof bound === 'object' && bound !== null ? bound.port : 0
}

describeWithPeer('the reverse proxy before OpenSSL’s mock server', ['openssl'], (openssl) => {
  let served: Served
  let mock: MockAuthority
  let proxy: CmpProxy
  let operator: Manufacturer
  let issued: Issued
  let signer: Issued
  let localRa: Issued

  beforeAll(async () => {
    operator = createManufacturer(Date.now(), 'Operator')
    signer = operator.device('O=Operator, CN=Operator RA', [], 'P-256', [Oid.cmcRa, Oid.cmcCa])
    localRa = operator.device('O=Operator, CN=Local RA', [], 'P-256', [Oid.cmcRa])
    issued = operator.device('O=Operator, CN=device-0001')
    const port = await freePort()
    const server = (name: string, mode: UpstreamServer['mode'], more: Partial<UpstreamServer> = {}): UpstreamServer => ({
      name,
      connect: () => createHttpTransport({ url: `http://127.0.0.1:${port}/pkix/`, clock: systemClock, chunked: false, timeoutMs: 5000 }),
      select: { profile: name },
      mode,
      anchors: [operator.root.certificate.bytes],
      ...more,
    })
    served = await serveAuthority({
      upstream: (site) => {
        proxy = new CmpProxy({
          authority: site.authority,
          clock: systemClock,
          random: systemRandom,
          logger: silentLogger,
          limits: { retryS: 1, checkAfterS: 1 },
          servers: [
            server('forward', 'forward', { passSecrets: true }),
            server('replace', 'replace', { protector: signedBy(localRa) }),
            server('vouch', 'replace', { protector: signedBy(localRa), popo: 'raVerified' }),
          ],
        })
        return proxy
      },
    })
    const file = (name: string, label: string, der: Uint8Array): string => {
      const path = join(served.folder, name)
      writeFileSync(path, toPem(label, der))
      return path
    }
    const roots = join(served.folder, 'mock-trusted.pem')
    writeFileSync(
      roots,
      toPem('CERTIFICATE', operator.root.certificate.bytes) + toPem('CERTIFICATE', served.manufacturer.root.certificate.bytes),
    )
    file('operator-root.pem', 'CERTIFICATE', operator.root.certificate.bytes)
    const issuing = file('operator-sub.pem', 'CERTIFICATE', operator.issuing.certificate.bytes)
    mock = new MockAuthority(openssl, port, [
      ...[
        '-srv_cert',
        file('mock-ra.pem', 'CERTIFICATE', signer.certificate.bytes),
        '-srv_key',
        file('mock-ra-key.pem', 'PRIVATE KEY', exportSigningKey(signer.key)),
      ],
      ...['-srv_untrusted', issuing, '-srv_trusted', roots, '-srv_secret', `pass:${SECRET}`, '-srv_ref', 'ra'],
      ...['-rsp_cert', file('mock-cert.pem', 'CERTIFICATE', issued.certificate.bytes), '-rsp_extracerts', issuing],
      ...['-rsp_capubs', join(served.folder, 'operator-root.pem')],
    ])
    await mock.start()
  })
  afterAll(async () => {
    proxy.close()
    await mock.stop()
    await served.close()
  })

  const wish = (it: OpensslDevice): string[] => [
    ...['-newkey', it.writeKey('new.pem', issued.key), '-subject', '/O=Operator/CN=device-0001', '-certout', it.file('cert.pem')],
    ...['-out_trusted', join(served.folder, 'operator-root.pem')],
  ]
  const trustingOperator = (args: readonly string[], it: OpensslDevice): string[] =>
    args.map((value) => (value === it.root ? join(served.folder, 'operator-root.pem') : value))

  it('our own client gets its certificate from the mock over HTTP', async () => {
    const client = new CmpClient({
      transport: createHttpTransport({ url: `http://127.0.0.1:${mock.port}/pkix/`, clock: systemClock, chunked: false }),
      clock: systemClock,
      random: seededRandom(3),
      protector: signedBy(served.manufacturer.device('CN=device-0001')),
      anchors: [operator.root.certificate.bytes],
    })
    const { certificate } = await client.enrol('ir', { key: issued.key, subject: nameOf('O=Operator, CN=device-0001') })
    expect(certificate.bytes).toEqual(issued.certificate.bytes)
  })

  it('forwards an enrolment by signature unchanged, on one connection for the whole transaction', async () => {
    const it = new OpensslDevice(openssl, served, 'forward-1')
    const idevid = served.manufacturer.device('CN=device-0001')
    const out = await it.cmp('ir', '/.well-known/cmp/p/forward', ...trustingOperator(it.signedBy(idevid), it), ...wish(it))
    // The mock takes the certConf on the connection of the request only.
    expect(out.said).toContain('received PKICONF')
    expect(it.certificate().bytes).toEqual(issued.certificate.bytes)
    expect(proxy.holdings).toEqual({ running: 0, queued: 0 })
  })

  it('forwards an enrolment under a secret that only the server knows, where that is allowed', async () => {
    const it = new OpensslDevice(openssl, served, 'forward-2')
    const out = await it.cmp('ir', '/.well-known/cmp/p/forward', ...it.bySecret('device-0001'), ...wish(it))
    expect(out.said).toContain('received PKICONF')
  })

  it('forwards a certificate’s own requests: kur and rr', async () => {
    const it = new OpensslDevice(openssl, served, 'forward-3')
    const own = trustingOperator(it.signedBy(issued), it)
    const update = await it.cmp(
      'kur',
      '/.well-known/cmp/p/forward',
      ...own,
      '-newkey',
      it.writeKey('new.pem', issued.key),
      '-certout',
      it.file('cert.pem'),
    )
    expect(update.said).toContain('received KUP')
    const revocation = await it.cmp('rr', '/.well-known/cmp/p/forward', ...own, '-oldcert', it.file('idevid.pem'))
    expect(revocation.said).toContain('received RP')
  })

  it.each(['replace', 'vouch'])('mode %s: the server sees the authority, the device hears it', async (profile) => {
    const it = new OpensslDevice(openssl, served, `${profile}-1`)
    await served.site.desk.preRegister([{ reference: 'device-0001', secret: SECRET }], 'test')
    if (profile === 'vouch') await mock.start('-accept_raverified')
    const out = await it.cmp('ir', `/.well-known/cmp/p/${profile}`, ...it.bySecret('device-0001'), ...wish(it))
    expect(out.said).toContain('received PKICONF')
    expect(it.certificate().bytes).toEqual(issued.certificate.bytes)
    const signed = await it.cmp(
      'ir',
      `/.well-known/cmp/p/${profile}`,
      ...it.signedBy(served.manufacturer.device('CN=device-0001')),
      ...wish(it),
    )
    expect(signed.said).toContain('received PKICONF')
  })

  it('stops what is wrong before it reaches the server', async () => {
    const it = new OpensslDevice(openssl, served, 'wrong-1')
    const forwarded = (): number => served.site.audit.filter(({ action }) => action === 'ra.forwarded').length
    const before = forwarded()
    const rogue = createManufacturer(Date.now(), 'Rogue').device('CN=device-0001')
    const stranger = await it.cmp('ir', '/.well-known/cmp/p/forward', ...it.signedBy(rogue), ...wish(it), '-unprotected_errors')
    expect(stranger.said).toContain('signerNotTrusted')
    const bare = await it.cmp('ir', '/.well-known/cmp/p/forward', '-unprotected_requests', '-unprotected_errors', ...wish(it))
    expect(bare.said).toContain('wrongIntegrity')
    const popo = await it.cmp(
      'ir',
      '/.well-known/cmp/p/forward',
      ...it.signedBy(served.manufacturer.device('CN=x')),
      ...wish(it),
      '-popo',
      '-1',
      '-unprotected_errors',
    )
    expect(popo.said).toContain('badPOP')
    expect(forwarded()).toBe(before)
  })

  it('carries polls when the server delays', async () => {
    await mock.start('-poll_count', '2', '-check_after', '1')
    const it = new OpensslDevice(openssl, served, 'delayed-1')
    const out = await it.cmp('ir', '/.well-known/cmp/p/forward', ...it.bySecret('device-0001'), ...wish(it))
    expect(out.said).toContain('received POLLREP')
    expect(out.said).toContain('received PKICONF')
    await mock.start()
  })

  it(
    'keeps a request while the server is down, tells the device to poll, and goes on when the server is back',
    { timeout: 60_000 },
    async () => {
      await mock.stop()
      const it = new OpensslDevice(openssl, served, 'down-1')
      await served.site.desk.preRegister([{ reference: 'device-0001', secret: SECRET }], 'test')
      const running = it.cmp('ir', '/.well-known/cmp/p/replace', ...it.bySecret('device-0001'), ...wish(it))
      for (let tries = 0; tries < 100 && proxy.holdings.queued === 0; tries++) await new Promise((resolve) => setTimeout(resolve, 20))
      expect(proxy.holdings.queued).toBe(1)
      await mock.start()
      const out = await running
      expect(out.said).toContain("received 'waiting' PKIStatus")
      expect(out.said).toContain('received PKICONF')
      expect(it.certificate().bytes).toEqual(issued.certificate.bytes)
      expect(proxy.holdings).toEqual({ running: 0, queued: 0 })
    },
  )

  it('answers at once that a server is down where nothing can wait', async () => {
    await mock.stop()
    const it = new OpensslDevice(openssl, served, 'down-2')
    const own = trustingOperator(it.signedBy(issued), it)
    const out = await it.cmp('rr', '/.well-known/cmp/p/forward', ...own, '-oldcert', it.file('idevid.pem'), '-unprotected_errors')
    expect(out.said).toContain('systemUnavail')
    expect(served.bridge.codes.at(-1)).toBe('5.03')
  })
})
