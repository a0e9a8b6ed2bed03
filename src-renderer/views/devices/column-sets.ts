// Which columns the device table shows, and the sets that a person saved. Pure.
import type { DataSort } from '../../components/ui/data-table.ts'

export const deviceColumns = [
  'name',
  'room',
  'type',
  'state',
  'eui64',
  'serial',
  'address',
  'groups',
  'heard',
  'model',
  'endpoint',
  'comment',
] as const
export type DeviceColumn = (typeof deviceColumns)[number]

export interface ColumnSet {
  readonly name: string
  readonly columns: readonly DeviceColumn[]
  readonly sort: DataSort | null
}

export interface ColumnSettings {
  readonly columns: readonly DeviceColumn[]
  readonly sort: DataSort | null
  readonly sets: readonly ColumnSet[]
}

export const defaultColumns: ColumnSettings = {
  columns: ['name', 'room', 'type', 'state', 'eui64', 'address', 'groups', 'heard'],
  sort: { id: 'name', desc: false },
  sets: [],
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readColumns(value: unknown): readonly DeviceColumn[] {
  const wanted: readonly unknown[] = Array.isArray(value) ? value : []
  // In the order of the table's own list, so that a set written by hand cannot show a column twice.
  const found = deviceColumns.filter((column) => wanted.includes(column))
  return found.length > 0 ? found : defaultColumns.columns
}

function readSort(value: unknown): DataSort | null {
  if (!isRecord(value) || typeof value.id !== 'string') return null
  return deviceColumns.some((column) => column === value.id) ? { id: value.id, desc: value.desc === true } : null
}

/** Reads remembered settings; whatever cannot be read is as if it had not been there. */
export function readColumnSettings(value: unknown): ColumnSettings {
  if (!isRecord(value)) return defaultColumns
  const sets = Array.isArray(value.sets) ? value.sets : []
  return {
    columns: readColumns(value.columns),
    sort: readSort(value.sort),
    sets: sets
      .filter(isRecord)
      .flatMap((set) =>
        typeof set.name === 'string' && set.name !== ''
          ? [{ name: set.name, columns: readColumns(set.columns), sort: readSort(set.sort) }]
          : [],
      )
      .slice(0, 20),
  }
}

export function toggleColumn(columns: readonly DeviceColumn[], column: DeviceColumn): readonly DeviceColumn[] {
  const next = deviceColumns.filter((each) => (each === column ? !columns.includes(each) : columns.includes(each)))
  return next.length === 0 ? columns : next
}

export function saveSet(settings: ColumnSettings, name: string): ColumnSettings {
  const set = { name, columns: settings.columns, sort: settings.sort }
  return { ...settings, sets: [...settings.sets.filter((each) => each.name !== name), set] }
}
