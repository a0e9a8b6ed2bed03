// One row of a device list, read: its values by field, and what is wrong with them.
import { AppError, parseEui64, type Eui64 } from '#main/base/index.ts'
import type { DeviceType, ImportField, ImportMapping, ImportReason, ImportRow } from '#contract/model.ts'
import { ROOM_PATH_SEPARATOR } from '../rooms.ts'
import { typeFor } from './headers.ts'
import type { TableRow } from './read-table.ts'

/** What a row says; what it does not say is undefined, and an import never erases with an empty cell. */
export interface RowFacts {
  readonly name: string | undefined
  readonly type: DeviceType | undefined
  readonly roomNames: readonly string[] | undefined
  readonly eui64: Eui64 | undefined
  readonly serial: string | undefined
  readonly groups: readonly string[]
  readonly comment: string | undefined
}

export interface ReadRow {
  readonly line: number
  readonly values: ImportRow['values']
  readonly facts: RowFacts
  readonly reasons: readonly ImportReason[]
}

export type Edits = ReadonlyMap<number, ReadonlyMap<ImportField, string>>

const FIELDS = ['name', 'type', 'room', 'eui64', 'serial', 'groups', 'comment'] as const satisfies readonly ImportField[]
const LONGEST = { name: 120, type: 80, room: 1000, eui64: 80, serial: 80, groups: 2000, comment: 500 } as const
const LONGEST_ROOM_NAME = 120
const DEEPEST_ROOM = 8
/** Longest piece of a bad value that goes into a reason. */
const SHOWN = 80

export function readRow(row: TableRow, mapping: ImportMapping, edits: Edits, checkGroupName: (name: string) => string): ReadRow {
  const reasons: ImportReason[] = []
  const refuse: Refuse = (field, reason, params = {}) => {
    reasons.push({ field, reason, params })
  }
  const values = valuesOf(row, mapping, edits.get(row.line))
  if (row.badQuotes) refuse(null, 'bad-quotes')
  const text = (field: ImportField): string | undefined => {
    const value = values[field]
    if (value === undefined || value === '') return undefined
    if (value.length <= LONGEST[field]) return value
    refuse(field, 'too-long', { limit: LONGEST[field] })
    return undefined
  }
  const eui64Text = text('eui64')
  const eui64 = eui64Text === undefined ? undefined : parseEui64(eui64Text)
  if (eui64Text !== undefined && eui64 === undefined) refuse('eui64', 'not-an-eui64', { value: eui64Text })
  const typeText = text('type')
  const type = typeText === undefined ? undefined : typeFor(typeText)
  if (typeText !== undefined && type === undefined) refuse('type', 'unknown-type', { value: typeText })
  const facts: RowFacts = {
    name: text('name'),
    type,
    roomNames: roomNames(text('room'), refuse),
    eui64,
    serial: text('serial'),
    groups: groupNames(text('groups'), checkGroupName, refuse),
    comment: text('comment'),
  }
  if (reasons.length === 0 && facts.name === undefined && eui64 === undefined && facts.serial === undefined) refuse(null, 'no-identifier')
  return { line: row.line, values, facts, reasons }
}

type Refuse = (field: ImportField | null, reason: ImportReason['reason'], params?: ImportReason['params']) => void

/** Cells as text on one line, corrected ones in place of those of the file. Values are taken literally, formulas included. */
function valuesOf(row: TableRow, mapping: ImportMapping, edits: ReadonlyMap<ImportField, string> | undefined): ImportRow['values'] {
  const values: Partial<Record<ImportField, string>> = {}
  for (const field of FIELDS) {
    const column = mapping[field]
    const value = edits?.get(field) ?? (column === undefined ? undefined : (row.cells[column] ?? ''))
    // Cut well above every limit, so that a broken row does not carry the rest of the file with it.
    if (value !== undefined) values[field] = value.normalize('NFC').slice(0, 4000).replace(/\s+/g, ' ').trim()
  }
  return values
}

function roomNames(text: string | undefined, refuse: Refuse): readonly string[] | undefined {
  if (text === undefined) return undefined
  const names = text
    .split(ROOM_PATH_SEPARATOR)
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (names.length > DEEPEST_ROOM || names.some((name) => name.length > LONGEST_ROOM_NAME)) {
    refuse('room', 'too-long', { limit: names.length > DEEPEST_ROOM ? DEEPEST_ROOM : LONGEST_ROOM_NAME })
    return
  }
  return names.length === 0 ? undefined : names
}

function groupNames(text: string | undefined, check: (name: string) => string, refuse: Refuse): readonly string[] {
  const names = new Set<string>()
  for (const part of (text ?? '').split(/[,;|]/)) {
    if (part.trim() === '') continue
    try {
      names.add(check(part.trim()))
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown
      refuse('groups', 'group-name-invalid', { value: part.trim().slice(0, SHOWN) })
    }
  }
  return [...names]
}
