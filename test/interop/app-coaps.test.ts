// The running program over DTLS, as others see it: OpenSSL judges its certificate, libcoap's client carries OpenSSL's CMP messages and looks devices up
// (RFC 7252 §9.1, RFC 9482 §4).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, afterAll, expect, it } from 'vitest'
import { exportSigningKey, generateSigningKey } from '#main/base/index.ts'
import { fromPem, toPem } from '../services/ra/harness.ts'
import { cli, serve, type Serving } from '../support/cli.ts'
import { describeWithPeer, findPeer, run } from '../support/peers.ts'

const SECRET = 'a-secret-for-lamp-1'
const WAIT_S = '30'

describeWithPeer('the running program over coaps', ['coap-client-openssl'], (coapClient) => {
  const openssl = findPeer(['openssl']) ?? ''
  const home = mkdtempSync(join(tmpdir(), 'groupwright-coaps-'))
  const file = (name: string): string => join(home, name)
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
  let serving: Serving
  let port = 0
  let base = ''

  beforeAll(async () => {
    writeFileSync(file('secret'), `${SECRET}\n`)
    for (const words of [
      ['site', 'create', 'office', '--coap-port', '0'],
      ['--site', 'office', 'ra', 'create', '--subject', 'CN=Office CA, O=Blue Quay'],
      ['--site', 'office', 'ra', 'preregister', 'lamp-1', '--secret-file', file('secret')],
    ]) {
      const { exitCode, stderr } = await cli(home, ...words)
      if (exitCode !== 0) throw new Error(stderr)
    }
    const chain = await cli(home, '--site', 'office', 'ra', 'chain')
    writeFileSync(file('root.pem'), chain.stdout)
    serving = await serve(home, '--site', 'office', '--coap-port', '0')
    port = serving.ready.listening.find(({ channel }) => channel === 'coaps:udp')?.port ?? 0
    base = `coaps://[::1]:${port}`
  }, 90_000)
  afterAll(async () => {
    await serving.stop()
    rmSync(home, { recursive: true, force: true })
  })

  it('shows a certificate of the site for its address, which OpenSSL accepts (RFC 7252 §9.1.3.3)', { timeout: 60_000 }, async () => {
    expect(port).toBeGreaterThan(0)
    const trusting = ['-CAfile', file('root.pem'), '-verify_return_error', '-verify_ip', '::1', '-verify', '3']
    const { stdout, stderr } = await run(openssl, ['s_client', '-dtls1_2', '-connect', `[::1]:${port}`, ...trusting], 30_000)
    const said = `${text(stdout)}${stderr}`
    expect(said).toContain('Verify return code: 0 (ok)')
    expect(said).toContain('CN = Groupwright registrar')
    const strange = ['-CAfile', file('root.pem'), '-verify_return_error', '-verify_ip', '::2', '-verify', '3']
    const refused = await run(openssl, ['s_client', '-dtls1_2', '-connect', `[::1]:${port}`, ...strange], 30_000)
    expect(`${text(refused.stdout)}${refused.stderr}`).toContain('IP address mismatch')
  })

  it('enrols by CMP and registers the device by its new certificate', { timeout: 120_000 }, async () => {
    const key = file('key.pem')
    writeFileSync(key, toPem('PRIVATE KEY', exportSigningKey(generateSigningKey('P-256'))))
    const [q1, r1, q2, r2, empty] = ['q1', 'r1', 'q2', 'r2', 'empty'].map((name) => file(`${name}.der`)) as [
      string,
      string,
      string,
      string,
      string,
    ]
    writeFileSync(empty, '')
    const wish = ['cmp', '-config', '', '-batch', '-cmd', 'ir', '-server', '127.0.0.1:1', '-ref', 'lamp-1', '-secret', `pass:${SECRET}`]
    wish.push('-recipient', '/CN=Office CA/O=Blue Quay', '-newkey', key, '-subject', '/CN=lamp-1', '-certout', file('cert.pem'))
    const trust = ['-R', file('root.pem')]
    const carry = (from: string, to: string): Promise<unknown> =>
      run(
        coapClient,
        ['-B', WAIT_S, '-m', 'post', '-t', '259', '-b', '512', '-f', from, '-o', to, ...trust, `${base}/.well-known/cmp`],
        40_000,
      )
    await run(openssl, [...wish, '-reqout', q1, '-rspin', empty])
    await carry(q1, r1)
    await run(openssl, [...wish, '-reqout', `${file('x.der')},${q2}`, '-rspin', `${r1},${empty}`])
    await carry(q2, r2)
    const done = await run(openssl, [...wish, '-rspin', `${r1},${r2}`])
    expect(`${done.exitCode ?? ''} ${done.stderr}`).toMatch(/^0 /)
    const verified = await run(openssl, ['verify', '-x509_strict', '-CAfile', file('root.pem'), file('cert.pem')])
    expect(text(verified.stdout)).toContain('cert.pem: OK')
    expect(fromPem(text((await run(openssl, ['x509', '-in', file('cert.pem')])).stdout)).length).toBeGreaterThan(200)

    const own = ['-c', file('cert.pem'), '-j', key, ...trust]
    const links = ['-t', '40', '-e', '</light>;rt="light"']
    const registered = await run(
      coapClient,
      ['-v', '6', '-B', WAIT_S, '-m', 'post', ...links, ...own, `${base}/rd?ep=lamp-1&lt=600`],
      40_000,
    )
    expect(text(registered.stdout) + registered.stderr).toContain('2.01')
    const found = await run(coapClient, ['-B', WAIT_S, ...own, `${base}/rd-lookup/res?rt=light`], 40_000)
    expect(text(found.stdout)).toMatch(/<coaps:\/\/\[::1\]:\d+\/light>;rt="light"/)
  })
})
