// What the frame and the first two views conclude from rows.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { DeviceEvent, ImportPreview, JobRow, MembershipRow, ProblemRow, RoomRow } from '#contract/model.ts'
import { finishedItems, itemStateIn, newestJob } from '../../src-renderer/components/frame/job-facts.ts'
import { placeOfProblem, shownProblems } from '../../src-renderer/components/frame/problem-facts.ts'
import { stepCommands } from '../../src-renderer/components/frame/step-commands.ts'
import { searchPalette } from '../../src-renderer/components/palette/palette-search.ts'
import { roomAndBelow, roomsInOrder } from '../../src-renderer/lib/rooms.ts'
import { defaultColumns, readColumnSettings, saveSet, toggleColumn } from '../../src-renderer/views/devices/column-sets.ts'
import {
  headerSignature,
  importable,
  mapColumn,
  rememberedMapping,
  withEdit,
  withMapping,
} from '../../src-renderer/views/devices/import/import-model.ts'
import { eventCount } from '../../src-renderer/views/devices/history-words.ts'
import { memberCounts, membershipChanges, tickOf } from '../../src-renderer/views/devices/membership-ticks.ts'

const room = (id: string, parentId: string | null, name = id, position = 0): RoomRow => ({ id, parentId, kind: 'room', name, position })

describe('rooms', () => {
  it('come parents first, siblings by position and natural name', () => {
    const rooms = [room('r10', 'f', '2.10'), room('r9', 'f', '2.9'), room('f', 'b'), room('b', null), room('x', 'gone')]
    expect(roomsInOrder(rooms).map(({ room: each, depth }) => `${depth} ${each.id}`)).toEqual(['0 b', '1 f', '2 r9', '2 r10', '0 x'])
  })

  it('do not hang on a circle', () => {
    const circle = [room('a', 'b'), room('b', 'a')]
    expect(roomsInOrder(circle)).toEqual([])
    expect([...roomAndBelow(circle, 'a')].sort()).toEqual(['a', 'b'])
  })

  it('include what is inside', () => {
    expect([...roomAndBelow([room('c', 'b'), room('b', 'a'), room('a', null), room('z', null)], 'a')].sort()).toEqual(['a', 'b', 'c'])
  })
})

describe('column settings', () => {
  it('are the default when nothing readable is remembered', () => {
    for (const value of [null, 3, 'x', [], { columns: 'name' }, { columns: [] }])
      expect(readColumnSettings(value).columns).toEqual(defaultColumns.columns)
  })

  it('leave out columns that do not exist and keep their order', () => {
    expect(readColumnSettings({ columns: ['heard', 'nonsense', 'name'], sort: { id: 'nonsense' } })).toEqual({
      columns: ['name', 'heard'],
      sort: null,
      sets: [],
    })
  })

  it('never show no column at all', () => {
    expect(toggleColumn(['name'], 'name')).toEqual(['name'])
    expect(toggleColumn(['name'], 'room')).toEqual(['name', 'room'])
  })

  it('replace a set of the same name, and survive being written and read', () => {
    const first = saveSet({ ...defaultColumns, columns: ['name'] }, 'short')
    const second = saveSet({ ...first, columns: ['name', 'state'], sort: { id: 'state', desc: true } }, 'short')
    expect(readColumnSettings(JSON.parse(JSON.stringify(second)))).toEqual(second)
    expect(second.sets).toHaveLength(1)
  })
})

describe('import', () => {
  it('remembers a mapping by the header, whatever its case', () => {
    const view = withMapping(null, ['Name', ' EUI-64 '], { name: 0, eui64: 1 })
    expect(rememberedMapping(view, ['name', 'eui-64'])).toEqual({ name: 0, eui64: 1 })
    expect(rememberedMapping(view, ['name'])).toBeNull()
  })

  it('does not take columns from memory that the file does not have', () => {
    const columns = ['a', 'b']
    expect(rememberedMapping({ [headerSignature(columns)]: { name: 0, room: 7, type: -1, serial: 'x' } }, columns)).toEqual({ name: 0 })
  })

  it('keeps the newest twenty headers', () => {
    let view: unknown = null
    for (let index = 0; index < 30; index += 1) view = withMapping(view, [`column ${index}`], { name: 0 })
    expect(Object.keys(view as object)).toHaveLength(20)
    expect(rememberedMapping(view, ['column 29'])).toEqual({ name: 0 })
    expect(rememberedMapping(view, ['column 3'])).toBeNull()
  })

  it('gives a column to one field at a time', () => {
    expect(mapColumn({ name: 0, room: 1 }, 'comment', 1)).toEqual({ name: 0, comment: 1 })
    expect(mapColumn({ name: 0, room: 1 }, 'room', null)).toEqual({ name: 0 })
  })

  it('replaces an earlier correction of the same cell', () => {
    const edits = withEdit(withEdit([], { line: 3, field: 'name', value: 'a' }), { line: 3, field: 'name', value: 'b' })
    expect(edits).toEqual([{ line: 3, field: 'name', value: 'b' }])
  })

  it('counts new and changed rows as importable', () => {
    const preview: ImportPreview = {
      delimiter: ';',
      columns: [],
      sample: [],
      mapping: {},
      rows: [],
      counts: { new: 3, changed: 2, unchanged: 9, duplicate: 1, invalid: 1 },
    }
    expect(importable(preview)).toBe(5)
  })
})

describe('ticks of groups', () => {
  const member = (deviceId: string, groupId: string, desired = true): MembershipRow => ({
    key: `${deviceId} ${groupId}`,
    deviceId,
    groupId,
    desired,
    outcome: 'planned',
    at: 0,
    source: 'operator',
    failure: null,
  })
  const memberships = [member('a', 'g'), member('b', 'g'), member('a', 'h'), member('b', 'h', false)]

  it('tell all, some and none', () => {
    const counts = memberCounts(memberships, new Set(['a', 'b']))
    expect(tickOf(counts.get('g') ?? 0, 2)).toBe('all')
    expect(tickOf(counts.get('h') ?? 0, 2)).toBe('some')
    expect(tickOf(counts.get('x') ?? 0, 2)).toBe('none')
  })

  it('ask for what differs only, and bring back what was to leave', () => {
    expect(
      membershipChanges(
        new Map([
          ['g', false],
          ['h', true],
        ]),
        ['a', 'b'],
        memberships,
      ),
    ).toEqual([
      { deviceId: 'a', groupId: 'g', desired: false },
      { deviceId: 'b', groupId: 'g', desired: false },
      { deviceId: 'b', groupId: 'h', desired: true },
    ])
  })
})

describe('jobs', () => {
  const job = (id: string, createdAt: number, finishedAt: number | null): JobRow => ({
    id,
    kind: 'apply',
    title: id,
    state: finishedAt === null ? 'running' : 'done',
    counts: { pending: 1, running: 1, ok: 2, warning: 1, failed: 1, skipped: 1 },
    total: 7,
    createdAt,
    finishedAt,
    remainingMs: null,
    retryOf: null,
    failure: null,
  })

  it('show the one that is not finished before a newer finished one', () => {
    expect(newestJob([job('old', 1, null), job('new', 2, 3)])?.id).toBe('old')
    expect(newestJob([])).toBeNull()
  })

  it('count everything that will not run any more as finished', () => {
    expect(finishedItems(job('a', 0, null))).toBe(5)
  })

  it('do not count as finished what a cancelled job left out', () => {
    expect(finishedItems({ ...job('a', 0, 1), state: 'cancelled' })).toBe(4)
  })

  it('have no item at work while they are paused', () => {
    expect(itemStateIn({ state: 'paused' }, 'running')).toBe('pending')
    expect(itemStateIn({ state: 'paused' }, 'failed')).toBe('failed')
    expect(itemStateIn({ state: 'running' }, 'running')).toBe('running')
  })
})

describe('problems', () => {
  const problem = (
    id: string,
    severity: ProblemRow['severity'],
    name: string,
    kind: ProblemRow['subject']['kind'] = 'device',
  ): ProblemRow => ({ id, kind: 'device-faulty', severity, step: 'groups', subject: { kind, id, name }, params: {} })
  const all = [problem('1', 'info', 'Lamp 10'), problem('2', 'error', 'Lamp 2'), problem('3', 'info', 'Lamp 9')]

  it('come worst first, then in natural order of names', () => {
    expect(shownProblems(all, { text: '', severity: 'all', step: 'all' }).map((each) => each.id)).toEqual(['2', '3', '1'])
    expect(shownProblems(all, { text: 'lamp 2', severity: 'all', step: 'all' }).map((each) => each.id)).toEqual(['2'])
    expect(shownProblems(all, { text: '', severity: 'info', step: 'test' })).toEqual([])
  })

  it('lead to the device, to the step, or to the step without a subject when many are summed up', () => {
    expect(placeOfProblem(problem('d', 'info', ''))).toEqual({ path: '/devices', query: { focus: 'd' } })
    expect(placeOfProblem(problem('g', 'info', '', 'group'))).toEqual({ path: '/groups', query: { focus: 'g' } })
    expect(placeOfProblem(problem('*', 'info', '', 'site'))).toEqual({ path: '/groups', query: {} })
  })
})

describe('the palette', () => {
  const entry = (label: string, words = ''): { id: string; label: string; hint: string; words: string } => ({
    id: label,
    label,
    hint: '',
    words: `${label} ${words}`.toLowerCase(),
  })

  it('wants every word and prefers labels that begin with the text', () => {
    const entries = [entry('Blind 2.1', 'go'), entry('Go to Devices'), entry('Gone'), entry('Test')]
    expect(searchPalette(entries, 'go', 9).map((each) => each.label)).toEqual(['Go to Devices', 'Gone', 'Blind 2.1'])
    expect(searchPalette(entries, 'dev go', 9).map((each) => each.label)).toEqual(['Go to Devices'])
    expect(searchPalette(entries, '', 2)).toHaveLength(2)
  })

  it.each([
    ['en', ['import', 'discover', 'groups from rooms', 'apply', 'check', 'write files']],
    ['de', ['einlesen', 'suchen', 'gruppen aus räumen', 'übertragen', 'prüfen', 'schreiben']],
  ] as const)('finds what the steps can do in every view (%s)', (language, wanted) => {
    const words = (key: string): string => {
      const [file = '', ...path] = key.split('.')
      let value: unknown = JSON.parse(readFileSync(new URL(`../../src-renderer/locales/${language}/${file}.json`, import.meta.url), 'utf8'))
      for (const part of path) value = Reflect.get(value as object, part)
      return value as string
    }
    const entries = stepCommands.map((command) => entry(words(command.label), words(`common.step.${command.step}`)))
    for (const text of wanted) expect([text, searchPalette(entries, text, 9).length > 0]).toEqual([text, true])
  })

  it('leads to the step, which opens the thing', () => {
    expect(stepCommands.map((command) => command.to)).toContainEqual({ path: '/devices', query: { open: 'import' } })
    expect(stepCommands.map((command) => command.to)).toContainEqual({ path: '/apply', query: {} })
    for (const { step, to } of stepCommands) expect(to.path).toBe(`/${step}`)
  })
})

describe('the history of a device', () => {
  const event = (name: string, params: DeviceEvent['params']): DeviceEvent => ({
    at: 0,
    source: 'apply',
    event: name,
    params,
    failure: null,
  })

  it('has singular and plural where it counts', () => {
    expect(eventCount(event('configured', { groups: 1 }))).toBe(1)
    expect(eventCount(event('faulty', { failures: 3 }))).toBe(3)
    expect(eventCount(event('verify-differs', { groups: '2.01-light, 2.02-light' }))).toBeNull()
    expect(eventCount(event('constructor', { groups: 1 }))).toBeNull()
  })
})
