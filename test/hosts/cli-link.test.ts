// Dongles from the command line: each command a process of its own, with the demo site's dongle or none.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LinkRow } from '#contract/model.ts'
import { cli } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

type Run = (...words: readonly string[]) => Promise<{ readonly exitCode: number | null; readonly value: unknown; readonly text: string }>

function runner(home: string, ...first: readonly string[]): Run {
  return async (...words) => {
    const { exitCode, stdout, stderr } = await cli(home, '--json', ...first, ...words)
    return { exitCode, value: stdout === '' ? undefined : (JSON.parse(stdout) as unknown), text: stderr }
  }
}

async function demo(): Promise<{ readonly run: Run; readonly home: string }> {
  const home = temporaryFolder()
  expect((await cli(home, 'site', 'create', 'office', '--demo', '12', '--coap-port', '0')).exitCode).toBe(0)
  return { home, run: runner(home, '--coap-port', '0', '--site', 'office') }
}

describe('groupwright link', () => {
  it('lists ports without a site, whatever this computer has', async () => {
    const { exitCode, value } = await runner(temporaryFolder())('link', 'ports')
    expect(exitCode).toBe(0)
    expect(Array.isArray(value)).toBe(true)
  }, 30_000)

  it('says why a port cannot be asked', async () => {
    const home = temporaryFolder()
    const { exitCode, value } = await runner(home)('link', 'probe', join(home, 'nothing'))
    expect(exitCode).toBe(1)
    expect(value).toMatchObject({ error: { code: 'link.port-missing' } })
  }, 30_000)

  it('shows the dongle of the demo site, leaves its network, and takes no wrong description of another one', async () => {
    const { run } = await demo()
    const status = await run('link', 'status')
    expect(status.exitCode).toBe(0)
    expect(status.value).toMatchObject([{ id: 'demo', state: 'up', firmware: 'spinel-ncp', network: { channel: 15 } }])
    const left = await run('link', 'leave')
    expect(left).toMatchObject({ exitCode: 0, value: { network: { saved: false } } })
    expect((await run('link', 'form', '--pan-id', 'xyz')).exitCode).toBe(2)
    expect((await run('link', 'attach')).exitCode).toBe(2)
    expect((await run('link', 'attach', '--dataset', '00')).value).toMatchObject({ error: { code: 'link.network-invalid' } })
    expect((await run('link', 'status', 'other')).value).toMatchObject({ error: { code: 'link.port-missing' } })
  }, 90_000)

  it('gives the dataset away only where the keys are asked for by name, and notes that', async () => {
    const { run } = await demo()
    expect((await run('link', 'dataset')).exitCode).toBe(2)
    const { value } = await run('link', 'dataset', '--show-keys')
    expect(value).toEqual({ dataset: expect.stringMatching(/^0e08[0-9a-f]+$/) as unknown })
    const audit = (await run('audit')).value
    expect(JSON.stringify(audit)).toContain('link.dataset')
    expect(JSON.stringify(audit)).not.toContain((value as { readonly dataset: string }).dataset.slice(20, 60))
  }, 60_000)

  it('records what passes into a file that tshark opens', async () => {
    const { run, home } = await demo()
    const { exitCode, value } = await run('link', 'capture', '--seconds', '3', '--out', 'x.pcapng')
    expect(exitCode).toBe(0)
    const path = join(home, 'x.pcapng')
    expect(value).toMatchObject({ file: path })
    expect(existsSync(path)).toBe(true)
    if (spawnSync('tshark', ['--version']).error !== undefined) return
    const lines = execFileSync('tshark', ['-r', path, '-Y', 'coap'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    expect(lines).toContain('/rd')
  }, 60_000)

  it('keeps a dongle with the site, forgets it, and tells what stands in its way', async () => {
    const home = temporaryFolder()
    await cli(home, 'site', 'create', 'office', '--bind', '::1', '--coap-port', '0')
    const run = runner(home, '--bind', '::1', '--coap-port', '0', '--site', 'office')
    const added = (await run('link', 'add', join(home, 'tty'))).value as { readonly id: string }
    const status = await run('link', 'status', '--wait', '1')
    expect(status.exitCode).toBe(1)
    expect(status.value as readonly LinkRow[]).toMatchObject([{ id: added.id, path: join(home, 'tty') }])
    expect((await run('link', 'rm', added.id)).value).toEqual({ removed: added.id })
    expect((await run('link', 'status')).value).toEqual([])
  }, 60_000)
})
