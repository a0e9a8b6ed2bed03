import { describe, expect, test } from 'vitest'
import { checklistLines, exportLines, nextOpen, sizeParts, splitReport } from '../../../../src-renderer/views/handover/readiness.ts'
import { at, exported } from '../rows.ts'

describe('the checklist', () => {
  const lines = checklistLines([
    { item: 'exported', step: 'handover', open: 1, total: 1 },
    { item: 'no-failures', step: 'apply', open: 0, total: 0 },
    { item: 'devices-found', step: 'devices', open: 0, total: 60 },
    { item: 'groups-tested', step: 'test', open: 0, total: 0 },
  ])
  test('stands in the order of work and tells done from nothing there', () => {
    expect(lines.map((line) => [line.item, line.state])).toEqual([
      ['devices-found', 'done'],
      ['groups-tested', 'idle'],
      ['no-failures', 'done'],
      ['exported', 'open'],
    ])
  })
  test('names the one next thing', () => {
    expect(nextOpen(lines)?.item).toBe('groups-tested')
    expect(nextOpen([])).toBeUndefined()
  })
})

describe('exports', () => {
  test('come newest first and say whether the site changed since', () => {
    const lines = exportLines(
      [
        exported('old', { revision: 3 }),
        exported('new', { revision: 7, at: at + 5 }),
        exported('schema', { format: 'json-schema', revision: 1, at: at - 1 }),
      ],
      7,
    )
    expect(lines.map((line) => [line.handle, line.stale])).toEqual([
      ['new', false],
      ['old', true],
      ['schema', false],
    ])
  })
  test('are not called stale while no site is known', () => {
    expect(exportLines([exported('x')], null)[0]?.stale).toBe(false)
  })
  test('have sizes in the units of file managers', () => {
    expect([sizeParts(999), sizeParts(1500), sizeParts(2_500_000)]).toEqual([
      { value: 999, unit: 'byte' },
      { value: 1.5, unit: 'kilobyte' },
      { value: 2.5, unit: 'megabyte' },
    ])
  })
})

describe('the report', () => {
  test('is parted from its style sheets', () => {
    const parts = splitReport('<html><head><style media="all">a{}</style></head><body>x<STYLE>b{}</STYLE></body></html>')
    expect(parts).toEqual({ html: '<html><head></head><body>x</body></html>', css: 'a{}\nb{}' })
  })
  test('without styles stays as it is', () => {
    expect(splitReport('<p>1 < 2</p>')).toEqual({ html: '<p>1 < 2</p>', css: '' })
  })
})
