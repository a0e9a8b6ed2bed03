// groupwright admit joining, offline, makers, join-port, proxy: what is set stays with the site, and what is wrong is told.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createManufacturer, toPem } from '../services/ra/harness.ts'
import { cli, type CliResult } from '../support/cli.ts'

const home = mkdtempSync(join(tmpdir(), 'groupwright-joining-'))
const pem = join(home, 'maker.pem')
const admit = (...words: readonly string[]): Promise<CliResult> => cli(home, '--site', 'office', 'admit', ...words)
const json = async (...words: readonly string[]): Promise<unknown> =>
  JSON.parse((await cli(home, '--json', '--site', 'office', 'admit', ...words)).stdout)

beforeAll(async () => {
  writeFileSync(pem, toPem('CERTIFICATE', createManufacturer(Date.now(), 'Lumen Works').root.certificate.bytes))
  for (const words of [
    ['site', 'create', 'office', '--coap-port', '0'],
    ['--site', 'office', 'ra', 'create', '--subject', 'CN=Office CA'],
    ['--site', 'office', 'ra', 'anchors', 'add', pem],
  ]) {
    const { exitCode, stderr } = await cli(home, ...words)
    if (exitCode !== 0) throw new Error(stderr)
  }
}, 300_000)
afterAll(() => rmSync(home, { recursive: true, force: true }))

it('sets a manufacturer’s server and takes it back', { timeout: 300_000 }, async () => {
  expect(await json('makers', 'lumen', '--url', 'https://masa.example', '--tls', pem, '--key-id', 'sha256')).toMatchObject([
    { masaUrl: 'https://masa.example', tlsAnchors: [{}], keyId: 'sha256', showsCertificate: true },
  ])
  expect(await json('makers', 'lumen', '--url', 'none', '--tls', 'none')).toMatchObject([
    { masaUrl: null, tlsAnchors: [], keyId: 'sha256' },
  ])
  expect((await admit('makers', 'nobody', '--url', 'https://masa.example')).stderr).toContain('join.maker-not-found')
  expect((await admit('makers', 'lumen', '--url', 'http://masa.example')).stderr).toContain('input.invalid')
})

it('keeps what is set of joining with the site', { timeout: 300_000 }, async () => {
  expect(await json('offline', 'on')).toEqual({ offline: true })
  expect(await json('join-port', 'off', '--advertised', 'on')).toMatchObject({ joinPort: false, advertised: true, state: 'off', uris: [] })
  const proxy = { mode: 'stateless', version: '01', places: ['lan:nowhere0'], search: ['dns-sd'], registrar: null }
  expect(await json('proxy', 'stateless', '--at', 'lan:nowhere0', '--find', 'dns-sd', '--jpy-version', '01')).toEqual({
    ...proxy,
    state: 'no-place',
  })
  expect(await json('joining')).toMatchObject({ offline: true, registrar: { joinPort: false }, proxy: { settings: proxy } })
  expect((await admit('proxy', '--at', 'eth0')).stderr).toContain('input.invalid')
  expect((await admit('renew')).stderr).toContain('voucher.offline')
})
