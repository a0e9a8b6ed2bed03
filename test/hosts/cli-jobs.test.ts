// Jobs from the command line: each command a process of its own.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { JobRow } from '#contract/model.ts'
import { cli } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

describe('groupwright jobs', () => {
  it('lists them, newest first, and tries again what failed in the newest or in the one that is named', async () => {
    const home = temporaryFolder()
    const run = async (...words: readonly string[]): Promise<{ exitCode: number | null; value: unknown }> => {
      const { exitCode, stdout } = await cli(home, '--json', '--site', 'office', '--bind', '::1', '--coap-port', '0', ...words)
      return { exitCode, value: stdout === '' ? undefined : (JSON.parse(stdout) as unknown) }
    }
    const jobs = async (): Promise<readonly JobRow[]> => (await run('jobs', 'ls')).value as readonly JobRow[]
    writeFileSync(join(home, 'list.csv'), 'name,type,room,eui64\nL1,luminaire,2.14 Office,0200000000000001\n')
    expect((await cli(home, 'site', 'create', 'office', '--bind', '::1', '--coap-port', '0')).exitCode).toBe(0)
    expect((await run('devices', 'import', 'list.csv')).exitCode).toBe(0)
    expect((await run('groups', 'create', 'hall')).exitCode).toBe(0)
    expect((await run('groups', 'add', 'hall', 'L1')).exitCode).toBe(0)
    expect(await jobs()).toEqual([])
    expect(await run('jobs', 'retry')).toMatchObject({ exitCode: 1, value: { error: { code: 'job.nothing-to-do' } } })

    // A device that was never heard cannot be read.
    expect((await run('verify', 'hall')).exitCode).toBe(3)
    expect(await run('jobs', 'retry')).toMatchObject({
      exitCode: 3,
      value: { kind: 'verify', title: 'hall', failed: [{ label: 'L1', failure: { code: 'device.no-address' } }] },
    })
    const [second, first, ...others] = await jobs()
    expect(others).toEqual([])
    expect(second).toMatchObject({ retryOf: first?.id, counts: { failed: 1 } })
    expect((await run('jobs', 'retry')).value).toMatchObject({ retryOf: second?.id })
    expect((await run('jobs', 'retry', first!.id)).value).toMatchObject({ retryOf: first?.id })
    expect(await run('jobs', 'retry', 'job-x')).toMatchObject({ exitCode: 1, value: { error: { code: 'job.not-found' } } })
  }, 120_000)
})
