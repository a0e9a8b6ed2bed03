// Import of a device list: a dry run with a verdict for each row, and the import of the rows that are right.
import { AppError, newId, parseEui64, type Clock, type DeviceId, type Random, type RoomId } from '#main/base/index.ts'
import type { ImportEdit, ImportField, ImportMapping, ImportPreview, ImportReason, ImportRow } from '#contract/model.ts'
import type { Inventory } from '../inventory-types.ts'
import type { DeviceEventRecord, DeviceRecord, RoomRecord } from '../types.ts'
import { serialKey } from '../device-index.ts'
import { Draft, isPlanned } from './draft.ts'
import { mappingFor } from './headers.ts'
import { readTable, type Table } from './read-table.ts'
import { readRow, type Edits, type ReadRow } from './row-values.ts'

export interface ImportInput {
  readonly text: string
  readonly delimiter?: string | undefined
  readonly mapping?: ImportMapping | undefined
  readonly edits?: readonly ImportEdit[] | undefined
}

/** What rows are compared with. */
export interface ImportState {
  readonly devices: readonly DeviceRecord[]
  readonly rooms: readonly RoomRecord[]
  /** Names of the application groups that a device shall be in. */
  groupNames(id: DeviceId): readonly string[]
  /** The name as the groups keep it. Throws `group.name-invalid`. */
  checkGroupName(name: string): string
}

export interface GroupAssignment {
  readonly deviceId: DeviceId
  /** Names of groups that it shall be in as well. */
  readonly names: readonly string[]
}

/** What a row says of a device that was heard before the list named it; null for what it does not say. */
export interface NamedDevice {
  readonly deviceId: DeviceId
  readonly serial: string | null
  readonly eui64: string | null
}

export interface ImportPorts extends Pick<ImportState, 'groupNames' | 'checkGroupName'> {
  readonly clock: Clock
  readonly random: Random
  /** Called before anything is imported, with the groups that devices shall be in; may throw. */
  checkAssignments?(assignments: readonly GroupAssignment[]): void
  /** Called once, after the devices are durable, when there is anything to assign. */
  assignGroups(assignments: readonly GroupAssignment[]): void
  /** Called once, after the devices are durable, with those that the list names by number although they were heard already. */
  named?(devices: readonly NamedDevice[]): void
}

export interface ImportResult {
  readonly created: number
  readonly updated: number
  readonly skipped: number
}

const SAMPLE_ROWS = 5
const SHOWN_CELL = 200

/** Throws `import.empty`, `import.unreadable`. Without enough of a mapping there are columns and a sample, and no rows. */
export function previewImport(state: ImportState, input: ImportInput): ImportPreview {
  let made = 0
  const plan = planImport(state, input, 0, (prefix) => `${prefix}-new-${(made += 1)}`)
  const counts = { new: 0, changed: 0, unchanged: 0, duplicate: 0, invalid: 0 }
  for (const { verdict } of plan.rows) counts[verdict] += 1
  const { table, columns, mapping, body } = plan
  const sample = body.slice(0, SAMPLE_ROWS).map(({ cells }) => cells.map((cell) => cell.slice(0, SHOWN_CELL)))
  return { delimiter: table.delimiter, columns: [...columns], sample, mapping, rows: [...plan.rows], counts }
}

/** Imports the new and changed rows as one transaction. Throws as the dry run does, and `import.mapping-incomplete`. */
export function applyImport(inventory: Inventory, ports: ImportPorts, input: ImportInput): ImportResult {
  const { groupNames, checkGroupName } = ports
  const state: ImportState = {
    devices: inventory.all(),
    rooms: inventory.rooms(),
    groupNames: (id) => groupNames(id),
    checkGroupName: (name) => checkGroupName(name),
  }
  const plan = planImport(state, input, ports.clock.now(), (prefix) => newId(prefix, ports.random))
  if (!isEnough(plan.mapping)) {
    throw new AppError('import.mapping-incomplete', 'A column with names, EUI-64s or serial numbers is needed', {
      details: { columns: [...plan.columns] },
    })
  }
  ports.checkAssignments?.(plan.assignments)
  inventory.commit({ rooms: plan.draft.rooms, devices: plan.draft.devices, events: plan.events })
  if (plan.assignments.length > 0) ports.assignGroups(plan.assignments)
  if (plan.named.length > 0) ports.named?.(plan.named)
  const count = (verdict: ImportRow['verdict']): number => plan.rows.filter((row) => row.verdict === verdict).length
  return { created: count('new'), updated: count('changed'), skipped: plan.rows.length - count('new') - count('changed') }
}

interface ImportPlan {
  readonly table: Table
  readonly columns: readonly string[]
  readonly body: Table['rows']
  readonly mapping: ImportMapping
  readonly rows: readonly ImportRow[]
  readonly draft: Draft
  readonly events: readonly DeviceEventRecord[]
  readonly assignments: readonly GroupAssignment[]
  readonly named: readonly NamedDevice[]
}

function planImport(state: ImportState, input: ImportInput, now: number, makeId: (prefix: string) => string): ImportPlan {
  const table = readTable(input.text, input.delimiter)
  const { columns, body, guessed } = columnsOf(table)
  const mapping = input.mapping ?? guessed
  const draft = new Draft(state.devices, state.rooms, (): RoomId => makeId('room'))
  const planner = new RowPlanner(state, draft, now, () => makeId('dev'))
  const edits = editsByLine(input.edits ?? [])
  const read = isEnough(mapping) ? body.map((row) => readRow(row, mapping, edits, (name) => state.checkGroupName(name))) : []
  const rows = planner.planAll(read)
  const { events, assignments, named } = planner
  return { table, columns, body, mapping, rows, draft, events, assignments, named }
}

/** The first row is the heading, unless it has an EUI-64 in it: then the file begins with a device. */
function columnsOf(table: Table): { readonly columns: readonly string[]; readonly body: Table['rows']; readonly guessed: ImportMapping } {
  const first = table.rows[0]?.cells ?? []
  const eui64 = first.findIndex((cell) => parseEui64(cell) !== undefined)
  if (eui64 >= 0) return { columns: first.map((_, index) => String(index + 1)), body: table.rows, guessed: { eui64 } }
  return { columns: first.map((cell) => cell.trim().slice(0, SHOWN_CELL)), body: table.rows.slice(1), guessed: mappingFor(first) }
}

function isEnough(mapping: ImportMapping): boolean {
  return mapping.name !== undefined || mapping.eui64 !== undefined || mapping.serial !== undefined
}

function editsByLine(edits: readonly ImportEdit[]): Edits {
  const byLine = new Map<number, Map<ImportField, string>>()
  for (const { line, field, value } of edits) byLine.set(line, (byLine.get(line) ?? new Map<ImportField, string>()).set(field, value))
  return byLine
}

/** Takes the rows in order; each is compared with the inventory as the rows before it leave it, so importing again changes nothing. */
class RowPlanner {
  readonly events: DeviceEventRecord[] = []
  readonly assignments: GroupAssignment[] = []
  readonly named: NamedDevice[] = []
  readonly #state: ImportState
  readonly #draft: Draft
  readonly #now: number
  readonly #makeId: () => DeviceId
  /** The line that each device was named in first. */
  readonly #lineOf = new Map<DeviceId, number>()
  /** Identifiers of rows that were left out as duplicates, with the line that they repeat: a later row with them repeats it too. */
  readonly #leftOut = new Map<string, number>()

  constructor(state: ImportState, draft: Draft, now: number, makeId: () => DeviceId) {
    this.#state = state
    this.#draft = draft
    this.#now = now
    this.#makeId = makeId
  }

  /** Rows without a name come last: they cannot add a device, but may be about one that a later row adds. */
  planAll(rows: readonly ReadRow[]): readonly ImportRow[] {
    const planned = new Map<ReadRow, ImportRow>()
    for (const row of rows) if (row.facts.name !== undefined) planned.set(row, this.#plan(row))
    return rows.map((row) => planned.get(row) ?? this.#plan(row))
  }

  #plan(row: ReadRow): ImportRow {
    if (row.reasons.length > 0) return verdict(row, 'invalid', row.reasons)
    const found = this.#draft.find(row.facts)
    if (found === 'ambiguous') return verdict(row, 'invalid', [{ field: null, reason: 'ambiguous', params: {} }])
    const names = identifierNames(row.facts)
    const firstLine =
      found === undefined ? names.map((name) => this.#leftOut.get(name)).find((line) => line !== undefined) : this.#lineOf.get(found.id)
    if (firstLine !== undefined) {
      for (const name of names) this.#leftOut.set(name, firstLine)
      return verdict(row, 'duplicate', [{ field: null, reason: 'duplicate-in-file', params: { line: firstLine } }])
    }
    if (found === undefined) return this.#planNew(row)
    this.#lineOf.set(found.id, row.line)
    return this.#planChange(row, found)
  }

  #planNew(row: ReadRow): ImportRow {
    const { name, type, roomNames, eui64, serial, comment, groups } = row.facts
    if (name === undefined) return verdict(row, 'invalid', [{ field: 'name', reason: 'missing', params: {} }])
    const id = this.#makeId()
    this.#lineOf.set(id, row.line)
    this.#draft.save({
      id,
      name,
      type: type ?? 'unknown',
      roomId: roomNames === undefined ? null : this.#draft.room(roomNames),
      state: eui64 === undefined && serial === undefined ? 'planned' : 'expected',
      stateAt: this.#now,
      stateSource: 'import',
      eui64: eui64 ?? null,
      serial: serial ?? null,
      model: null,
      profileId: null,
      endpointName: null,
      at: null,
      channelId: null,
      lastHeardAt: null,
      comment: comment ?? '',
    })
    this.#tell(id, 'imported', { line: row.line })
    if (groups.length > 0) this.assignments.push({ deviceId: id, names: groups })
    return verdict(row, 'new', [])
  }

  #planChange(row: ReadRow, before: DeviceRecord): ImportRow {
    const { facts } = row
    const { serial: said = null, eui64: bears = null } = facts
    if (!isPlanned(before) && (said !== null || bears !== null)) this.named.push({ deviceId: before.id, serial: said, eui64: bears })
    const changes = this.#changes(row, before)
    const current = this.#state.groupNames(before.id)
    const missing = facts.groups.filter((name) => !current.includes(name))
    if (missing.length > 0) {
      this.assignments.push({ deviceId: before.id, names: missing })
      changes.push({ field: 'groups', from: current.join(', '), to: [...current, ...missing].join(', ') })
    }
    if (changes.length === 0) return verdict(row, 'unchanged', [])
    const eui64 = facts.eui64 ?? before.eui64
    const serial = facts.serial ?? before.serial
    const becomesExpected = before.state === 'planned' && (eui64 !== null || serial !== null)
    this.#draft.save({
      ...before,
      name: facts.name ?? before.name,
      type: facts.type ?? before.type,
      roomId: changes.some(({ field }) => field === 'room') ? this.#draft.room(facts.roomNames ?? []) : before.roomId,
      eui64,
      serial: changes.some(({ field }) => field === 'serial') ? serial : before.serial,
      comment: facts.comment ?? before.comment,
      ...(becomesExpected ? { state: 'expected', stateAt: this.#now, stateSource: 'import' } : {}),
    })
    this.#tell(before.id, 'import-changed', { line: row.line, fields: changes.map(({ field }) => field).join(', ') })
    return { ...verdict(row, 'changed', []), changes }
  }

  #changes({ facts }: ReadRow, before: DeviceRecord): ImportRow['changes'] {
    const changes: ImportRow['changes'] = []
    const compare = (field: ImportField, from: string, to: string | undefined): void => {
      if (to !== undefined && to !== from) changes.push({ field, from, to })
    }
    compare('name', before.name, facts.name)
    compare('type', before.type, facts.type)
    compare('room', this.#draft.pathOf(before.roomId), facts.roomNames?.join('/'))
    compare('eui64', before.eui64 ?? '', facts.eui64)
    // A heard device has the serial number as it wrote it; another spelling of the same is no change.
    const respelled = !isPlanned(before) && before.serial !== null
    compare('serial', before.serial ?? '', respelled ? undefined : facts.serial)
    compare('comment', before.comment, facts.comment)
    return changes
  }

  #tell(deviceId: DeviceId, event: string, params: DeviceEventRecord['params']): void {
    this.events.push({ deviceId, at: this.#now, source: 'import', event, params, failure: null })
  }
}

function identifierNames({ eui64, serial }: ReadRow['facts']): readonly string[] {
  return [...(eui64 === undefined ? [] : [`eui64 ${eui64}`]), ...(serial === undefined ? [] : [`serial ${serialKey(serial)}`])]
}

function verdict(row: ReadRow, is: ImportRow['verdict'], reasons: readonly ImportReason[]): ImportRow {
  return { line: row.line, verdict: is, values: row.values, reasons: [...reasons], changes: [] }
}
