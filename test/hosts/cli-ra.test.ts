// The registration authority from the command line: each command a process of its own; secrets are never arguments.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createManufacturer, toPem } from '../services/ra/harness.ts'
import { cli } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

interface Outcome {
  readonly exitCode: number | null
  readonly value: unknown
  readonly text: string
}

async function site(): Promise<{ readonly home: string; readonly run: (...words: readonly string[]) => Promise<Outcome> }> {
  const home = temporaryFolder()
  expect((await cli(home, 'site', 'create', 'office', '--bind', '::1', '--coap-port', '0')).exitCode).toBe(0)
  const run = async (...words: readonly string[]): Promise<Outcome> => {
    const { exitCode, stdout, stderr } = await cli(home, '--json', '--site', 'office', '--bind', '::1', '--coap-port', '0', ...words)
    return { exitCode, value: stdout === '' ? undefined : (JSON.parse(stdout) as unknown), text: stderr }
  }
  return { home, run }
}

describe('groupwright ra', () => {
  it('creates the authority, writes chain and CRL that other programs read, and rolls over', async () => {
    const { home, run } = await site()
    expect((await run('ra', 'status')).value).toMatchObject({ state: 'none', protection: 'unprotected' })
    expect((await run('ra', 'create')).exitCode).toBe(2)
    expect((await run('ra', 'create', '--subject', 'CN=Office CA', '--algorithm', 'RSA')).exitCode).toBe(2)
    expect((await run('ra', 'create', '--subject', 'CN=Office CA, O=Blue Quay', '--days', '3650')).value).toMatchObject({
      state: 'active',
      kind: 'root',
    })
    expect((await run('ra', 'chain', '--out', 'ca.pem')).exitCode).toBe(0)
    expect((await run('ra', 'crl', '--refresh', '--out', 'ca.crl')).exitCode).toBe(0)
    const openssl = (...words: readonly string[]): string => execFileSync('openssl', words, { cwd: home, encoding: 'utf8' })
    expect(openssl('verify', '-CAfile', 'ca.pem', 'ca.pem')).toContain('OK')
    expect(openssl('crl', '-in', 'ca.crl', '-noout', '-crlnumber')).toMatch(/crlNumber=0x0?2/)
    expect((await run('ra', 'chain', '--p7c', '--out', 'ca.p7c')).exitCode).toBe(0)
    expect(openssl('pkcs7', '-inform', 'DER', '-in', 'ca.p7c', '-print_certs', '-noout')).toContain('Office CA')
    expect((await run('ra', 'crl', '--der', '--out', 'ca.der')).exitCode).toBe(0)
    expect(openssl('crl', '-inform', 'DER', '-in', 'ca.der', '-noout', '-crlnumber')).toMatch(/crlNumber=0x0?2/)
    expect((await run('ra', 'start-over')).exitCode).toBe(2)
    expect((await run('ra', 'start-over', '--yes')).value).toMatchObject({ error: { code: 'ra.state-invalid' } })
    expect((await run('ra', 'rollover', '--algorithm', 'Ed25519')).value).toMatchObject({ algorithm: 'Ed25519', generation: 2 })
    expect((await run('ra', 'status')).value).toMatchObject({ state: 'ready', authorities: [{ state: 'retired' }, { state: 'active' }] })
  }, 180_000)

  it('asks for a certificate of the customer’s authority and takes it up', async () => {
    const { home, run } = await site()
    expect((await run('ra', 'csr')).value).toMatchObject({ error: { code: 'ra.not-found' } })
    expect((await run('ra', 'csr', '--subject', 'CN=Office CA', '--out', 'office.csr')).exitCode).toBe(0)
    const openssl = (...words: readonly string[]): string => execFileSync('openssl', words, { cwd: home, encoding: 'utf8', stdio: 'pipe' })
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'root.key',
      '-out',
      'root.pem',
      '-subj',
      '/CN=Customer',
      '-days',
      '30',
    )
    openssl(
      'x509',
      '-req',
      '-in',
      'office.csr',
      '-CA',
      'root.pem',
      '-CAkey',
      'root.key',
      '-copy_extensions',
      'copy',
      '-days',
      '20',
      '-out',
      'office.pem',
    )
    writeFileSync(join(home, 'both.pem'), readFileSync(join(home, 'office.pem'), 'utf8') + readFileSync(join(home, 'root.pem'), 'utf8'))
    expect((await run('ra', 'install', 'root.pem')).exitCode).toBe(2)
    expect((await run('ra', 'install', 'both.pem')).value).toMatchObject({ state: 'active', kind: 'subordinate' })
  }, 180_000)

  it('expects devices; secrets come from a file or are drawn and told once', async () => {
    const { home, run } = await site()
    await run('ra', 'create', '--subject', 'CN=Office CA')
    writeFileSync(join(home, 'secret'), 'from the label\n')
    expect((await run('ra', 'preregister', 'lamp-1', '--secret-file', 'secret', '--names', 'lamp-1.example')).value).toEqual({
      count: 1,
      secrets: [],
    })
    expect((await run('ra', 'preregister', 'lamp-2', '--secret', 'typed')).exitCode).toBe(2)
    const drawn = (await run('ra', 'preregister', 'lamp-2', '--draw')).value as {
      readonly secrets: ReadonlyArray<{ readonly secret: string }>
    }
    expect(drawn.secrets).toHaveLength(1)
    expect((await run('ra', 'preregister', 'lamp-3')).exitCode).toBe(2)
    writeFileSync(join(home, 'more.json'), JSON.stringify([{ reference: 'lamp-4', identities: ['LW-0004'] }]))
    expect((await run('ra', 'preregister', '--file', 'more.json')).value).toMatchObject({ count: 1 })
    const listed = await run('ra', 'preregister')
    expect(listed.value).toMatchObject([
      { reference: 'lamp-1', hasSecret: true },
      { reference: 'lamp-2', hasSecret: true },
      { reference: 'lamp-4', hasSecret: false, identities: ['lw-0004'] },
    ])
    const everything = JSON.stringify([listed.value, (await run('audit')).value])
    expect(everything).not.toContain('from the label')
    expect(everything).not.toContain(drawn.secrets[0]?.secret)
    expect((await run('ra', 'withdraw', 'lamp-4')).exitCode).toBe(0)
    writeFileSync(join(home, 'maker.pem'), toPem('CERTIFICATE', createManufacturer(Date.now(), 'Lumen').root.certificate.bytes))
    const [anchor] = (await run('ra', 'anchors', 'add', 'maker.pem')).value as ReadonlyArray<{ readonly fingerprint: string }>
    const known = ['ra', 'preregister', 'lamp-5', '--identity', 'LW-0004', '--maker']
    expect((await run(...known, 'f'.repeat(64))).value).toMatchObject({ error: { code: 'ra.not-found' } })
    expect((await run(...known, anchor?.fingerprint ?? '')).exitCode).toBe(0)
    expect((await run('ra', 'preregister')).value).toContainEqual(
      expect.objectContaining({ reference: 'lamp-5', identities: ['lw-0004'], maker: 'O=Lumen, CN=Lumen Root' }),
    )
  }, 180_000)

  it('keeps policy, profiles, trust and servers', async () => {
    const { home, run } = await site()
    expect((await run('ra', 'policy', 'manual', '--secrets', 'approve', '--unlisted', 'refuse')).value).toEqual({
      mode: 'manual',
      secretsApprove: true,
      unlistedMayWait: false,
      perDevice: 8,
      perRequester: 8,
    })
    const limited = await run('ra', 'policy', '--per-device', '3', '--per-requester', '2')
    expect(limited.value).toMatchObject({ mode: 'manual', perDevice: 3, perRequester: 2 })
    expect((await run('ra', 'policy', '--per-device', '0')).exitCode).toBe(2)
    expect((await run('ra', 'policy')).value).toMatchObject({ mode: 'manual' })
    expect((await run('ra', 'policy', 'sometimes')).exitCode).toBe(2)
    const [profile] = (await run('ra', 'profiles')).value as ReadonlyArray<Readonly<Record<string, unknown>>>
    writeFileSync(join(home, 'profiles.json'), JSON.stringify([{ ...profile, lifetimeDays: 90 }]))
    expect((await run('ra', 'profiles', '--set', 'profiles.json')).value).toMatchObject([{ name: 'device', lifetimeDays: 90 }])
    writeFileSync(join(home, 'maker.pem'), toPem('CERTIFICATE', createManufacturer(Date.now()).root.certificate.bytes))
    const [anchor] = (await run('ra', 'anchors', 'add', 'maker.pem')).value as ReadonlyArray<{ readonly fingerprint: string }>
    expect((await run('ra', 'anchors', 'rm', anchor?.fingerprint ?? '')).value).toEqual([])
    const set = ['ra', 'upstream', 'set', 'office', '--url', 'http://127.0.0.1:9/pkix/', '--for-profile', 'gateway', '--no-chunked']
    expect((await run(...set)).value).toMatchObject([{ name: 'office', mode: 'forward', chunked: false, select: { by: 'profile' } }])
    expect((await run('ra', 'upstream', 'enrol', 'office', '--reference', 'r', '--subject', 'CN=RA')).exitCode).toBe(2)
    expect((await run('ra', 'upstream')).value).toMatchObject([{ listening: { state: 'off' } }])
    expect((await run('ra', 'upstream', 'rm', 'office')).value).toEqual([])
    expect((await run('ra', 'news')).value).toEqual([])
    expect((await run('ra', 'news', 'take', 'nothing')).value).toMatchObject({ error: { code: 'ra.not-found' } })
    expect((await run('ra', 'news', 'burn', 'nothing')).exitCode).toBe(2)
    expect((await run('ra', 'approve')).exitCode).toBe(2)
    expect((await run('ra', 'approve', '--all')).value).toMatchObject({ error: { code: 'ra.not-found' } })
    expect((await run('ra', 'pending')).value).toEqual([])
    expect((await run('ra', 'certificates')).value).toEqual([])
    expect((await run('ra', 'show', '01')).value).toMatchObject({ error: { code: 'ra.not-found' } })
  }, 180_000)
})
