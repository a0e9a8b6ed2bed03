// The command line as people type it: each command a process of its own.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { cli, serve } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

const json = (text: string): unknown => JSON.parse(text)

describe('groupwright', () => {
  it('prints help with examples and exit codes, and refuses what it does not know', async () => {
    const home = temporaryFolder()
    const help = await cli(home, '--help')
    expect(help.exitCode).toBe(0)
    expect(help.stdout).toContain('Examples:')
    expect(help.stdout).toContain('Exit codes:')
    const unknown = await cli(home, 'frobnicate')
    expect([unknown.exitCode, unknown.stderr.split('\n')[0]]).toEqual([2, "error: unknown command 'frobnicate'"])
    expect((await cli(home, 'devices', 'ls', '--json')).exitCode).toBe(2)
  })

  it('tells a missing site file with its code and what to try', async () => {
    const result = await cli(temporaryFolder(), '--site', 'nowhere', 'devices', 'ls')
    expect(result.exitCode).toBe(1)
    expect(result.stderr).toContain('site.not-found')
    expect(result.stderr).toContain('Try:')
  })

  it('does the job command by command on a demo site', async () => {
    const home = temporaryFolder()
    const run = async (...words: readonly string[]): Promise<unknown> => {
      const result = await cli(home, '--json', '--coap-port', '0', '--site', 'office', ...words)
      expect([words[0], result.exitCode, result.stderr.replace(/^\S+ .*\n/gm, '')]).toEqual([words[0], 0, ''])
      return json(result.stdout)
    }
    expect((await cli(home, '--coap-port', '0', 'site', 'create', 'office', '--demo', '8', '--loss', '0')).exitCode).toBe(0)
    expect(await run('discover', '--seconds', '4')).toMatchObject({ heard: 8, failure: null })
    expect(await run('devices', 'ls')).toHaveLength(8)
    const [device] = (await run('devices', 'ls')) as ReadonlyArray<{ readonly eui64: string; readonly id: string; readonly type: string }>
    expect(await run('devices', 'show', device?.eui64 ?? '')).toMatchObject({ id: device?.id })
    const luminaires = ((await run('devices', 'ls')) as ReadonlyArray<{ readonly id: string; readonly type: string }>).filter(
      ({ type }) => type === 'luminaire',
    )
    await run('groups', 'create', 'lights')
    await run('groups', 'add', 'lights', ...luminaires.map(({ id }) => id))
    expect(await run('plan')).toHaveLength(2 * luminaires.length)
    // Each luminaire is told of its group, and joins the security group that protects it.
    expect(await run('apply')).toMatchObject({ state: 'done', counts: { ok: 2 * luminaires.length, failed: 0 } })
    expect(await run('plan')).toEqual([])
    expect(await run('verify', 'lights')).toMatchObject({ state: 'done', counts: { failed: 0 } })
    expect(await run('test', 'lights', 'on')).toMatchObject({ groupName: 'lights', state: 'done' })
    const files = (await run('export', '--format', 'json,yaml', '--out', 'handed')) as ReadonlyArray<{ readonly path: string }>
    expect(files.map(({ path }) => existsSync(path))).toEqual([true, true])
    expect(readFileSync(files[0]?.path ?? '', 'utf8')).toContain('"groupwright-site"')
    const registered = (await run('rd', 'ls')) as ReadonlyArray<{ readonly source: string | null }>
    expect(registered.filter(({ source }) => source !== null)).toHaveLength(8)
    // Of the tool itself: the application group, and the security group that protects it.
    expect(registered).toHaveLength(10)
    const audit = (await run('audit')) as ReadonlyArray<{ readonly action: string; readonly actor: string }>
    expect(audit.map(({ action }) => action)).toEqual([
      'handover.export',
      'test.run',
      'groups.verify',
      'apply.start',
      'groups.setMemberships',
      'groups.createApplication',
    ])
    expect(new Set(audit.map(({ actor }) => actor))).toEqual(new Set(['command line']))
  }, 120_000)

  it('imports a list, tells wrong rows by line, and imports the rest', async () => {
    const home = temporaryFolder()
    await cli(home, 'site', 'create', 'plan', '--bind', '::1', '--coap-port', '0')
    writeFileSync(join(home, 'list.csv'), 'Name;EUI64\nA;0200000000000001\nB;nonsense\nC;0200000000000003\n')
    const result = await cli(home, '--coap-port', '0', '--site', 'plan', 'devices', 'import', 'list.csv')
    expect(result.exitCode).toBe(3)
    expect(result.stdout).toContain('line 3: invalid: eui64 not-an-eui64')
    expect(result.stdout).toContain('2 created, 0 updated, 1 left out')
    const again = await cli(home, '--coap-port', '0', '--site', 'plan', 'devices', 'import', 'list.csv')
    expect(again.stdout).toContain('0 created, 0 updated, 3 left out')
  })

  it('ends with its exit code where it cannot serve', async () => {
    const home = temporaryFolder()
    expect((await cli(home, 'serve', '--site', 'nowhere')).exitCode).toBe(1)
    const serving = await serve(home, '--site', 'office', '--demo', '3', '--coap-port', '0')
    onTestFinished(async () => {
      await serving.stop()
    })
    expect((await cli(home, 'serve', '--site', 'office')).exitCode).toBe(4)
    const port = serving.ready.listening.find(({ channel }) => channel === 'udp')?.port ?? 0
    const busy = await cli(home, 'serve', '--site', 'other', '--demo', '3', '--coap-port', String(port))
    expect([busy.exitCode, busy.stderr.includes('network.address-in-use')]).toEqual([1, true])
  })

  it('serves until it is asked to end, and nobody else writes the site meanwhile', async () => {
    const home = temporaryFolder()
    const serving = await serve(home, '--site', 'office', '--demo', '3', '--coap-port', '0')
    onTestFinished(async () => {
      await serving.stop()
    })
    expect(serving.ready.listening.map(({ channel }) => channel)).toEqual(['demo', 'udp'])
    const other = await cli(home, '--site', 'office', 'devices', 'ls')
    expect([other.exitCode, other.stderr.includes('site.locked')]).toEqual([4, true])
    expect(await serving.stop()).toBe(0)
    expect((await cli(home, '--coap-port', '0', '--site', 'office', 'devices', 'ls')).exitCode).toBe(0)
  })
})
