// Undo, history and maintenance from the command line, on a demo site with simulated devices.
import { describe, expect, it } from 'vitest'
import { cli, type CliResult } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

async function ok(home: string, ...words: readonly string[]): Promise<string> {
  const result: CliResult = await cli(home, ...words)
  expect(result, `${words.join(' ')}: ${result.stderr}`).toMatchObject({ exitCode: 0 })
  return result.stdout
}

const json = (text: string): never => JSON.parse(text.trim().split('\n').at(-1) ?? '') as never

describe('groupwright groups …, undo, redo, history', () => {
  it('previews and runs a split, takes it back and does it again', async () => {
    const home = temporaryFolder()
    const site = ['--site', 'office', '--json'] as const
    await ok(home, 'site', 'create', 'office', '--demo', '6')
    await ok(home, ...site, 'discover', '--seconds', '5')
    const devices: ReadonlyArray<{ name: string; type: string }> = json(await ok(home, ...site, 'devices', 'ls'))
    const lamps = devices.filter(({ type }) => type === 'luminaire').map(({ name }) => name)
    expect(lamps.length).toBeGreaterThan(1)
    await ok(home, ...site, 'groups', 'create', 'hall')
    await ok(home, ...site, 'groups', 'add', 'hall', ...lamps)
    const plan: { steps: ReadonlyArray<{ phase: string; change: string }> } = json(
      await ok(home, ...site, 'groups', 'split', 'hall', 'window', lamps[0]!, '--dry-run'),
    )
    expect(plan.steps.map(({ change }) => change)).toContain('add')
    const split = await cli(home, ...site, 'groups', 'split', 'hall', 'window', lamps[0]!)
    expect([0, 3]).toContain(split.exitCode)
    const groups: ReadonlyArray<{ name: string; members: number }> = json(await ok(home, ...site, 'groups', 'ls'))
    expect(groups.find(({ name }) => name === 'window')?.members).toBe(1)
    const history: ReadonlyArray<{ entry: number; op: string; state: string }> = json(await ok(home, ...site, 'history'))
    expect(history[0]).toMatchObject({ op: 'maintenance.split', state: 'done' })
    const undone: { entries: ReadonlyArray<{ op: string }> } = json(await ok(home, ...site, 'undo'))
    expect(undone.entries.map(({ op }) => op)).toEqual(['maintenance.split'])
    const after: ReadonlyArray<{ name: string; members: number }> = json(await ok(home, ...site, 'groups', 'ls'))
    expect(after.find(({ name }) => name === 'window')).toBeUndefined()
    expect(after.find(({ name }) => name === 'hall')?.members).toBe(lamps.length)
    await ok(home, ...site, 'redo')
    expect((await cli(home, ...site, 'redo')).stderr + (await cli(home, ...site, 'redo')).stdout).toContain('history.nothing')
  }, 240_000)
})
