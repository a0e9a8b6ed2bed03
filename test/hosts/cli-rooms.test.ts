// Room types, roles and the walk from the command line: each command a process of its own.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cli } from '../support/cli.ts'
import { temporaryFolder } from '../support/site-file.ts'

const TEMPLATE = {
  name: 'Office',
  comment: '',
  roles: [
    { key: 'light', name: 'Light', type: 'luminaire', count: 2 },
    { key: 'button', name: 'Button', type: 'switch', count: null },
  ],
  groups: [
    { key: 'light', name: '{number}-light', roles: ['light', 'button'], coapWith: null, security: { mode: 'automatic' }, test: null },
  ],
}
const LIST =
  'name,type,room,eui64\nL1,luminaire,2.14 Office,0200000000000001\nL2,luminaire,2.14 Office,0200000000000002\nS1,switch,2.14 Office,0200000000000003\n'

interface Said {
  readonly exitCode: number | null
  readonly value: unknown
  readonly text: string
}

async function site(): Promise<(words: readonly string[], environment?: Readonly<Record<string, string>>) => Promise<Said>> {
  const home = temporaryFolder()
  expect((await cli(home, 'site', 'create', 'office', '--bind', '::1', '--coap-port', '0')).exitCode).toBe(0)
  writeFileSync(join(home, 'office.json'), JSON.stringify(TEMPLATE))
  writeFileSync(join(home, 'bad.json'), JSON.stringify({ ...TEMPLATE, groups: [] }))
  writeFileSync(join(home, 'list.csv'), LIST)
  writeFileSync(join(home, 'pin'), '4711\n')
  writeFileSync(join(home, 'wrong'), '0000\n')
  return async (words) => {
    const { exitCode, stdout, stderr } = await cli(home, '--json', '--site', 'office', '--bind', '::1', '--coap-port', '0', ...words)
    return { exitCode, value: stdout === '' ? undefined : (JSON.parse(stdout) as unknown), text: stderr }
  }
}

describe('groupwright template', () => {
  it('saves a room type, shows what it would change, applies it, and says what is wrong with a bad one', async () => {
    const run = await site()
    expect((await run(['devices', 'import', 'list.csv'])).exitCode).toBe(0)
    expect((await run(['template', 'save', 'bad.json'])).value).toMatchObject({
      error: { code: 'input.invalid', details: { file: 'bad.json' } },
    })
    expect((await run(['template', 'save', 'office.json'])).exitCode).toBe(0)
    const preview = await run(['template', 'preview', 'Office', '2.14 Office'])
    expect(preview.value).toMatchObject([{ groups: [{ change: 'create', name: '2.14-light', joins: { length: 3 } }], counts: [] }])
    expect((await run(['template', 'apply', 'Office', '2.14 Office'])).value).toEqual({ groups: 1, memberships: 3, undecided: 0 })
    expect((await run(['template', 'list'])).value).toMatchObject([{ name: 'Office', rooms: 1, outdated: 0 }])
    expect((await run(['template', 'show', 'Office'])).value).toEqual(TEMPLATE)
    expect((await run(['template', 'apply', 'Office', '9.99'])).value).toMatchObject({ error: { code: 'room.not-found' } })
  }, 60_000)
})

describe('groupwright access', () => {
  it('keeps engineers’ work from who has no PIN, and names in the audit who had', async () => {
    const run = await site()
    expect((await run(['access', 'set', 'engineer', '--secret-file', 'pin'])).exitCode).toBe(0)
    expect((await run(['access', 'show'])).value).toMatchObject([
      { role: 'installer', held: true },
      { role: 'engineer', hasPin: true, held: false },
      {},
    ])
    expect((await run(['groups', 'create', 'g1'])).value).toMatchObject({
      error: { code: 'access.role-needed', details: { role: 'engineer' } },
    })
    expect((await run(['--role', 'engineer', '--pin-file', 'wrong', 'groups', 'create', 'g1'])).value).toMatchObject({
      error: { code: 'access.pin-wrong' },
    })
    expect((await run(['--role', 'engineer', '--pin-file', 'pin', '--person', 'Anna', 'groups', 'create', 'g1'])).exitCode).toBe(0)
    const { value } = await run(['audit', '--search', 'anna'])
    expect((value as ReadonlyArray<{ actor: string; action: string }>).map(({ actor, action }) => `${actor} ${action}`)).toEqual([
      'Anna groups.createApplication',
      'Anna access.unlock',
    ])
    expect((await run(['audit-check'])).value).toMatchObject({ brokenAt: null })
  }, 60_000)
})

describe('groupwright walk', () => {
  it('has nothing to do where no device without a room is in reach', async () => {
    const run = await site()
    expect((await run(['walk'])).exitCode).toBe(0)
  }, 30_000)
})
