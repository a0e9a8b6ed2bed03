// Import of device lists: headings, verdicts, corrections, rooms, groups, and texts that are no list.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import {
  applyImport,
  previewImport,
  roomPath,
  type GroupAssignment,
  type ImportInput,
  type ImportPorts,
  type ImportResult,
} from '#main/site/devices/index.ts'
import type { ImportPreview } from '#contract/model.ts'
import { hearingOf, makeSite, type Site } from './fixtures.ts'

interface ImportSite extends Site {
  readonly groups: Map<string, Set<string>>
  readonly preview: (text: string, input?: Partial<ImportInput>) => ImportPreview
  readonly apply: (text: string, input?: Partial<ImportInput>) => ImportResult
  readonly pathOf: (name: string) => string | undefined
}

function makeImportSite(): ImportSite {
  const site = makeSite()
  const { inventory, clock, random } = site
  const groups = new Map<string, Set<string>>()
  const ports: ImportPorts = {
    clock,
    random,
    groupNames: (id) => [...(groups.get(id) ?? [])],
    checkGroupName(name) {
      if (name.includes('#')) throw new AppError('group.name-invalid', 'bad')
      return name
    },
    assignGroups(assignments: readonly GroupAssignment[]) {
      for (const { deviceId, names } of assignments) groups.set(deviceId, new Set([...(groups.get(deviceId) ?? []), ...names]))
    },
  }
  return {
    ...site,
    groups,
    preview: (text, input = {}) => previewImport({ ...ports, devices: inventory.all(), rooms: inventory.rooms() }, { text, ...input }),
    apply: (text, input = {}) => applyImport(inventory, ports, { text, ...input }),
    pathOf(name) {
      const device = inventory.all().find((candidate) => candidate.name === name)
      return device && roomPath(new Map(inventory.rooms().map((room) => [room.id, room])), device.roomId).join('/')
    },
  }
}

const LIST = `Name,Type,Room,EUI64,Serial,Groups,Comment
Light 1,luminaire,House/2/2.14,02-00-00-ff-fe-00-00-01,SN-1,"2.14-light, all",by the door
Blind 1,Jalousie,House/2/2.14,020000fffe000002,,,
Switch,Taster,House/2/2.15,,SN-3,all;wall,
Plan only,Leuchte,House/3,,,,
`

const verdicts = (preview: ImportPreview): readonly string[] => preview.rows.map(({ verdict }) => verdict)
const reasons = (preview: ImportPreview): readonly unknown[] =>
  preview.rows.map((row) => row.reasons.map(({ field, reason }) => `${field ?? ''}:${reason}`).join(' '))
const failureOf = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (thrown) {
    return thrown
  }
}

describe('a device list', () => {
  it('tells which devices it names that were heard already, with what the rows say and nothing else', () => {
    const { inventory, clock, random } = makeSite()
    const named: unknown[] = []
    const ports: ImportPorts = {
      clock,
      random,
      groupNames: () => [],
      checkGroupName: (name) => name,
      assignGroups: () => undefined,
      named: (devices) => named.push(...devices),
    }
    applyImport(inventory, ports, { text: LIST })
    expect(named).toEqual([])
    const id = inventory.all().find(({ name }) => name === 'Light 1')?.id ?? ''
    inventory.setState(id, 'seen', { source: 'discovery', event: 'heard-first' })
    expect(applyImport(inventory, ports, { text: 'EUI64\n020000fffe000001\n020000fffe000002' })).toMatchObject({
      created: 0,
      updated: 0,
    })
    expect(named).toEqual([{ deviceId: id, serial: null, eui64: '020000fffe000001' }])
  })

  it('is previewed without changing anything, then imported, then unchanged', () => {
    const { preview, apply, inventory, groups, pathOf } = makeImportSite()
    const dry = preview(LIST)
    expect(dry).toMatchObject({ delimiter: ',', counts: { new: 4, changed: 0, unchanged: 0, duplicate: 0, invalid: 0 } })
    expect(dry.mapping).toEqual({ name: 0, type: 1, room: 2, eui64: 3, serial: 4, groups: 5, comment: 6 })
    expect(dry.sample[0]?.[6]).toBe('by the door')
    expect(inventory.all()).toEqual([])
    expect(inventory.rooms()).toEqual([])

    expect(apply(LIST)).toEqual({ created: 4, updated: 0, skipped: 0 })
    expect(inventory.all().map(({ name, type, state, eui64, serial, comment }) => [name, type, state, eui64, serial, comment])).toEqual([
      ['Light 1', 'luminaire', 'expected', '020000fffe000001', 'SN-1', 'by the door'],
      ['Blind 1', 'blind', 'expected', '020000fffe000002', null, ''],
      ['Switch', 'switch', 'expected', null, 'SN-3', ''],
      ['Plan only', 'luminaire', 'planned', null, null, ''],
    ])
    expect(inventory.rooms().map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'building House',
      'floor 2',
      'room 2.14',
      'room 2.15',
      'room 3',
    ])
    expect(pathOf('Switch')).toBe('House/2/2.15')
    expect([...groups.values()].map((names) => [...names])).toEqual([
      ['2.14-light', 'all'],
      ['all', 'wall'],
    ])

    expect(preview(LIST).counts).toEqual({ new: 0, changed: 0, unchanged: 4, duplicate: 0, invalid: 0 })
    expect(apply(LIST)).toEqual({ created: 0, updated: 0, skipped: 4 })
    expect(inventory.rooms()).toHaveLength(5)
  })

  it('changes what differs, and never erases with an empty cell', () => {
    const { preview, apply, inventory, pathOf } = makeImportSite()
    apply(LIST)
    const text = 'Name;Raum;EUI-64;Gruppen;Bemerkung\nLight one;House/2/2.15;020000FFFE000001;all|extra;\n;;020000fffe000002;;'
    const dry = preview(text)
    expect(verdicts(dry)).toEqual(['changed', 'unchanged'])
    expect(dry.rows[0]?.changes).toEqual([
      { field: 'name', from: 'Light 1', to: 'Light one' },
      { field: 'room', from: 'House/2/2.14', to: 'House/2/2.15' },
      { field: 'groups', from: '2.14-light, all', to: '2.14-light, all, extra' },
    ])
    expect(apply(text)).toEqual({ created: 0, updated: 1, skipped: 1 })
    expect(pathOf('Light one')).toBe('House/2/2.15')
    expect(inventory.all()[0]).toMatchObject({ comment: 'by the door', type: 'luminaire', serial: 'SN-1' })
    expect(inventory.detail(inventory.all()[0]?.id ?? '').history[0]).toMatchObject({
      event: 'import-changed',
      params: { line: 2, fields: 'name, room, groups' },
    })
  })

  it('gives a planned device its identifiers by name and room', () => {
    const { apply, inventory } = makeImportSite()
    apply(LIST)
    expect(apply('name,room,eui64\nPlan only,House/3,020000fffe000009\nPlan only,House/4,020000fffe00000a')).toEqual({
      created: 1,
      updated: 1,
      skipped: 0,
    })
    expect(inventory.all()[3]).toMatchObject({ name: 'Plan only', state: 'expected', eui64: '020000fffe000009' })
  })

  it('gives an unplanned device that was heard its name and place, and leaves it seen', () => {
    const { apply, inventory, pathOf } = makeImportSite()
    const { id } = inventory.heard(hearingOf(1))
    expect(apply(LIST)).toMatchObject({ created: 3, updated: 1 })
    expect(inventory.get(id)).toMatchObject({ name: 'Light 1', state: 'seen', model: 'Demo Panel 600' })
    expect(pathOf('Light 1')).toBe('House/2/2.14')
  })

  it('tells every fault with its line and field, and imports the other rows', () => {
    const { preview, apply, inventory } = makeImportSite()
    const text = [
      'Name,Type,EUI64,Serial,Groups,Comment',
      '"Two',
      'lines",light,020000fffe000001,,,ok',
      'Bad id,light,0200,,,',
      'Bad type,spaceship,,SN-2,,',
      '',
      ',light,,,,',
      ',light,020000fffe000005,,,',
      `${'x'.repeat(121)},light,,SN-7,,`,
      'Bad group,light,,SN-8,a;b#,',
      'Again,light,020000fffe000001,,,',
      'Last,light,,SN-9,,',
    ].join('\r\n')
    const dry = preview(text)
    expect(dry.rows.map(({ line }) => line)).toEqual([2, 4, 5, 7, 8, 9, 10, 11, 12])
    expect(verdicts(dry)).toEqual(['new', 'invalid', 'invalid', 'invalid', 'invalid', 'invalid', 'invalid', 'duplicate', 'new'])
    expect(reasons(dry)).toEqual([
      '',
      'eui64:not-an-eui64',
      'type:unknown-type',
      ':no-identifier',
      'name:missing',
      'name:too-long',
      'groups:group-name-invalid',
      ':duplicate-in-file',
      '',
    ])
    expect(dry.rows[7]?.reasons[0]?.params).toEqual({ line: 2 })
    expect(apply(text)).toEqual({ created: 2, updated: 0, skipped: 7 })
    expect(inventory.all().map(({ name }) => name)).toEqual(['Two lines', 'Last'])
  })

  it('is corrected by line and field', () => {
    const { preview, apply } = makeImportSite()
    const text = 'Name,Type\nA,spaceship\n,light'
    const edits = [
      { line: 2, field: 'type', value: 'Lampe' },
      { line: 3, field: 'name', value: 'B' },
      { line: 3, field: 'eui64', value: '020000fffe000001' },
      { line: 99, field: 'name', value: 'nobody' },
    ] as const
    expect(preview(text).counts.invalid).toBe(2)
    expect(preview(text, { edits }).rows.map((row) => [row.verdict, row.values])).toEqual([
      ['new', { name: 'A', type: 'Lampe' }],
      ['new', { name: 'B', type: 'light', eui64: '020000fffe000001' }],
    ])
    expect(apply(text, { edits })).toEqual({ created: 2, updated: 0, skipped: 0 })
  })

  it('names more than one device: such a row is ambiguous', () => {
    const { preview, apply, inventory } = makeImportSite()
    apply(LIST)
    inventory.create({
      name: 'Plan only',
      type: 'luminaire',
      roomId: inventory.all()[3]?.roomId ?? null,
      eui64: null,
      serial: null,
      comment: '',
    })
    expect(reasons(preview('name,room,eui64,serial\nX,,020000fffe000001,SN-3\nPlan only,House/3,,'))).toEqual([':ambiguous', ':ambiguous'])
  })

  it('cannot overrule the identifiers of a device that was heard', () => {
    const { preview, inventory } = makeImportSite()
    inventory.heard(hearingOf(1))
    expect(reasons(preview('name,eui64,serial\nX,020000fffe000001,other'))).toEqual([':ambiguous'])
    expect(verdicts(preview('name,eui64,serial\nX,020000fffe000001,sn-1'))).toEqual(['changed'])
  })

  it.each([
    ['comma', ',', 'Name,EUI64,Groups\nA,020000fffe000001,a;b;c\n'],
    ['semicolon', ';', '\uFEFFName;EUI-64;Gruppen\r\nA;020000fffe000001;a,b,c\r\n'],
    ['tab', '\t', 'Bezeichnung\tEUI\tGruppe\nA\t020000fffe000001\ta,b,c'],
    ['bar', '|', 'name|eui64|groups\rA|020000fffe000001|a,b,c\r'],
    ['announced', ';', 'sep=;\nName;EUI64;Groups\nA;020000fffe000001;"a,b";c'],
  ])('finds the delimiter by itself: %s', (_, delimiter, text) => {
    const dry = makeImportSite().preview(text)
    expect(dry.delimiter).toBe(delimiter)
    expect(dry.rows.map(({ values }) => [values.name, values.eui64])).toEqual([['A', '020000fffe000001']])
  })

  it('counts lines from the top of the file', () => {
    expect(makeImportSite().preview('sep=;\n\nName;Type\n\nA;x').rows[0]?.line).toBe(5)
  })

  it('without headings that it knows is shown for mapping, and imported with one', () => {
    const { preview, apply } = makeImportSite()
    const text = 'Foo;Bar\nA;020000fffe000001'
    expect(preview(text)).toMatchObject({ columns: ['Foo', 'Bar'], mapping: {}, rows: [], sample: [['A', '020000fffe000001']] })
    expect(failureOf(() => apply(text))).toMatchObject({ code: 'import.mapping-incomplete' })
    expect(apply(text, { mapping: { name: 0, eui64: 1 } })).toEqual({ created: 1, updated: 0, skipped: 0 })
  })

  it('without a heading at all begins with its first device', () => {
    const dry = makeImportSite().preview('020000fffe000001;A\n020000fffe000002;B', { mapping: { eui64: 0, name: 1 } })
    expect(dry.columns).toEqual(['1', '2'])
    expect(dry.rows.map(({ line, verdict }) => [line, verdict])).toEqual([
      [1, 'new'],
      [2, 'new'],
    ])
  })

  it('is taken literally: a formula is a name like any other', () => {
    const { apply, inventory } = makeImportSite()
    apply('Name,Comment,Serial\n"=HYPERLINK(""http://x"")",@SUM(A1),+1')
    expect(inventory.all()[0]).toMatchObject({ name: '=HYPERLINK("http://x")', comment: '@SUM(A1)', serial: '+1' })
  })

  it('reads what is quoted wrongly as an invalid row, not as the end of the import', () => {
    const dry = makeImportSite().preview('Name,Serial\nA,"1"x\nB,2\nC,"3\nD,4\n')
    expect(dry.rows.map(({ line, verdict, reasons: [first] }) => [line, verdict, first?.reason])).toEqual([
      [2, 'invalid', 'bad-quotes'],
      [3, 'new', undefined],
      [4, 'invalid', 'bad-quotes'],
      [5, 'new', undefined],
    ])
  })

  it('is written whole or not at all', () => {
    const { apply, inventory, store, reopen } = makeImportSite()
    store.failNext = new AppError('store.disk-full', 'full')
    expect(failureOf(() => apply(LIST))).toMatchObject({ code: 'store.disk-full' })
    expect([inventory.all(), inventory.rooms(), reopen().all()]).toEqual([[], [], []])
    const before = store.transactions
    apply(LIST)
    expect(store.transactions - before).toBe(1)
  })

  it('uses a room whose own name has a slash in it', () => {
    const { apply, inventory } = makeImportSite()
    inventory.createRoom({ parentId: null, kind: 'room', name: '2.14/2.15' })
    apply('name,room\nA,2.14/2.15')
    expect(inventory.rooms()).toHaveLength(1)
    expect(inventory.all()[0]?.roomId).toBe(inventory.rooms()[0]?.id)
  })

  it('of 2000 rows is previewed and imported', () => {
    const { preview, apply } = makeImportSite()
    const rows = Array.from(
      { length: 2000 },
      (_, index) =>
        `Light ${index},Leuchte,House/${index % 8}/R ${index % 200},${(0x020000fffe000000n + BigInt(index)).toString(16).padStart(16, '0')},SN-${index},"a,b",`,
    )
    const text = ['Name,Typ,Raum,EUI-64,Seriennummer,Gruppen,Bemerkung', ...rows].join('\n')
    expect(preview(text).counts.new).toBe(2000)
    expect(apply(text).created).toBe(2000)
    expect(preview(text).counts.unchanged).toBe(2000)
  })
})

describe('a text that is no list', () => {
  it.each([
    ['nothing', '', 'import.empty', undefined],
    ['blank lines', '\uFEFF \r\n\n ', 'import.empty', undefined],
    ['delimiters only', ';;;\n;;', 'import.empty', undefined],
    ['NULs', 'Name,Type\nA\0,b', 'import.unreadable', 'binary'],
    ['a picture', '\u0089PNG\r\n\u001A\n\u0000\u0000', 'import.unreadable', 'binary'],
    ['UTF-16 LE read as UTF-8', '\uFFFD\uFFFDN\0a\0m\0e\0,\0', 'import.unreadable', 'utf-16'],
    ['UTF-16 BE read as UTF-8', '\0N\0a\0m\0e\0,', 'import.unreadable', 'utf-16'],
    ['Latin-1 read as UTF-8', 'Name\nB\uFFFDro', 'import.unreadable', 'encoding'],
    ['half a surrogate pair', 'Name\nB\uD83D!', 'import.unreadable', 'encoding'],
    ['an endless line', `Name\n${'x'.repeat(150_000)}`, 'import.unreadable', 'line-too-long'],
    ['a thousand columns', `Name\n${','.repeat(1000)}x`, 'import.unreadable', 'too-many-columns'],
    ['too many rows', `Name\n${'x\n'.repeat(60_000)}`, 'import.unreadable', 'too-many-rows'],
    ['more than 20 MB', 'x\n'.repeat(10_000_001), 'import.unreadable', 'too-large'],
  ])('is refused with its reason: %s', (_, text, code, reason) => {
    const failure = failureOf(() => makeImportSite().preview(text))
    expect(failure).toMatchObject({ code, details: reason === undefined ? {} : { reason } })
  })

  it('is refused at the line of the fault', () => {
    expect(failureOf(() => makeImportSite().preview('Name\r\nA\r\nB\0'))).toMatchObject({ details: { line: 3 } })
  })

  it.each([
    ['quotes', '"'.repeat(99_000)],
    ['an open quote over many lines', `Name\n"${'a,b\n'.repeat(500_000)}`],
    ['quotes in every cell', `Name\n${'"a"b",'.repeat(150)}\n`.repeat(5000)],
  ])('comes to an end with a refusal: %s', (_, text) => {
    const failure = failureOf(() => makeImportSite().preview(text))
    expect(failure instanceof AppError ? failure.code : failure).toMatch(/^import\.(empty|unreadable)$/)
  })
})

describe('any text', () => {
  const cell = fc.constantFrom(
    'A',
    'B',
    'Light 1',
    '',
    '020000fffe000001',
    '020000fffe000002',
    'SN-1',
    'SN-2',
    'light',
    'spaceship',
    'H/1',
    'H',
    'a;b',
    '"x',
    '"y""z"',
    '"1\n2"',
    '=1',
  )
  const row = fc.array(cell, { minLength: 1, maxLength: 8 }).map((cells) => cells.join(','))
  const list = fc.array(row, { maxLength: 12 }).map((rows) => ['Name,EUI64,Serial,Type,Room,Groups,Comment', ...rows].join('\n'))

  it('is previewed, or refused with import.empty or import.unreadable', () => {
    const mapping = fc.option(fc.record({ name: fc.nat(3), eui64: fc.nat(300) }, { requiredKeys: [] }), { nil: undefined })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ unit: fc.constantFrom('"', ',', ';', '\n', '\r', 'a', '\uFEFF', '\0', '=') }),
          list,
        ),
        mapping,
        (text, columns) => {
          const outcome = failureOf(() => makeImportSite().preview(text, { mapping: columns }))
          if (outcome instanceof Error) expect(outcome instanceof AppError ? outcome.code : outcome).toMatch(/^import\.(empty|unreadable)$/)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('takes a row that repeats a left-out row for a repetition too', () => {
    const { preview, apply } = makeImportSite()
    const text = 'Name,EUI64,Serial\nLamp,,\nLamp,020000fffe000001,\nOther,020000fffe000001,SN-1'
    const verdicts = (): readonly string[] => preview(text).rows.map((row) => `${row.verdict} ${row.reasons[0]?.params.line ?? ''}`)
    expect(verdicts()).toEqual(['new ', 'duplicate 2', 'duplicate 2'])
    apply(text)
    expect(verdicts()).toEqual(['unchanged ', 'duplicate 2', 'duplicate 2'])
  })

  it('changes nothing when it is imported a second time', () => {
    fc.assert(
      fc.property(list, (text) => {
        const { preview, apply } = makeImportSite()
        const dry = failureOf(() => preview(text))
        if (dry instanceof AppError) return
        const { created, updated } = apply(text)
        expect(dry).toMatchObject({ counts: { new: created, changed: updated } })
        expect(preview(text).counts).toMatchObject({ new: 0, changed: 0 })
        expect(apply(text)).toMatchObject({ created: 0, updated: 0 })
      }),
      { numRuns: 500 },
    )
  })
})
