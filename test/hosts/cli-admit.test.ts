// Admission from the command line: each command a process of its own, the window and the lists kept with the site.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cli } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

it('opens the window, reads labels, lists, refuses, and says by its exit code what could not be done', async () => {
  const home = temporaryFolder()
  expect((await cli(home, 'site', 'create', 'office', '--bind', '::1', '--coap-port', '0')).exitCode).toBe(0)
  const run = async (...words: readonly string[]): Promise<{ readonly exitCode: number | null; readonly value: unknown }> => {
    const { exitCode, stdout } = await cli(home, '--json', '--site', 'office', '--bind', '::1', '--coap-port', '0', 'admit', ...words)
    return { exitCode, value: stdout === '' ? undefined : (JSON.parse(stdout) as unknown) }
  }
  expect(await run('status')).toMatchObject({ exitCode: 0, value: { window: 'closed', counts: { listed: 0 } } })
  expect(await run('open', '--minutes', '0')).toMatchObject({ exitCode: 2 })
  expect(await run('open', '--minutes', '30')).toMatchObject({ exitCode: 0, value: { window: 'open' } })
  // A process of its own: the window is still open.
  expect(await run('status')).toMatchObject({ value: { window: 'open' } })
  expect(await run('policy', 'ask', '--unlisted', 'refuse', '--minutes', '5')).toMatchObject({
    exitCode: 0,
    value: { mode: 'ask', unlistedMayWait: false, windowMinutes: 5 },
  })
  expect(await run('policy', 'everybody')).toMatchObject({ exitCode: 2 })
  writeFileSync(join(home, 'labels.txt'), 'KNX:S:00FA10010400;P:LETTUCE\r\n8C-F6-81-FF-FE-00-00-01\r\nKNX:S:12\r\n')
  expect(await run('scan', 'labels.txt')).toMatchObject({
    exitCode: 3,
    value: [
      { outcome: 'listed-unplanned', label: { serial: '00FA10010400', secrets: ['password'] }, secretsKept: true },
      { outcome: 'listed-unplanned', label: { eui64: '8cf681fffe000001' } },
      { outcome: 'unreadable', problem: { reason: 'wrong-length' } },
    ],
  })
  expect(await run('scan', '--label', 'SN: LAMP-7', '--unknown', 'create', '--type', 'luminaire')).toMatchObject({
    exitCode: 0,
    value: [{ outcome: 'created' }],
  })
  expect(await run('scan')).toMatchObject({ exitCode: 2 })
  expect(await run('labels')).toMatchObject({ exitCode: 0, value: { length: 3 } })
  expect(await run('unlist', '00fa10010400')).toMatchObject({ exitCode: 0, value: { count: 1 } })
  expect(await run('unlist', 'nothing')).toMatchObject({ exitCode: 3, value: { count: 0 } })
  expect(await run('deny', 'STOLEN-1', '--reason', 'stolen')).toMatchObject({ exitCode: 0 })
  expect(await run('deny', 'STOLEN-1')).toMatchObject({ exitCode: 2 })
  expect(await run('denied')).toMatchObject({ value: [{ subject: 'stolen-1', reason: 'stolen' }] })
  expect(await run('undeny', 'STOLEN-1')).toMatchObject({ exitCode: 0 })
  expect(await run('list')).toMatchObject({ exitCode: 0, value: [] })
  expect(await run('show', 'SN-1')).toMatchObject({ exitCode: 1, value: { error: { code: 'join.pledge-unknown' } } })
  expect(await run('allow')).toMatchObject({ exitCode: 2 })
  expect(await run('allow', '--all')).toMatchObject({ exitCode: 0, value: [] })
  expect(await run('vouchers')).toMatchObject({ exitCode: 1, value: { error: { code: 'join.registrar-absent' } } })
  expect(await run('close')).toMatchObject({ exitCode: 0, value: { window: 'closed' } })
  const text = await cli(home, '--site', 'office', '--bind', '::1', '--coap-port', '0', 'admit', 'status')
  expect(text.stdout).toContain('expected   2, 2 of them have not joined')
}, 300_000)
