// What a take-over takes along: the rows behind contexts with devices, security groups and the registration authority. Sealed columns are
// opened on the way out and sealed anew on the way in; in between they are the caller's to protect.
import { AppError, decodeCbor, encodeCbor, type CborValue } from '#main/base/index.ts'
import type { Database } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

interface Sealer {
  seal(plain: Uint8Array): Uint8Array
  open(sealed: Uint8Array): Uint8Array
}

/** In the order in which rows refer to each other, with their sealed columns. */
const TABLES: ReadonlyArray<readonly [name: string, sealed: readonly string[]]> = [
  ['device_enrolment', ['sealed']],
  ['security_member', []],
  ['gm_group', ['sealed_keys']],
  ['gm_member', []],
  ['gm_authorisation', []],
  ['ra_authority', ['sealed_key', 'signer_key']],
  ['ra_certificate', []],
  ['ra_crl', []],
  ['ra_pre_registration', ['sealed_secret']],
  ['ra_identity', []],
  ['ra_history', []],
]
const VERSION = 1
const MAX_BYTES = 64 * 1024 * 1024
/** Beyond what the other side may have given out since: serial numbers never come twice. */
const SERIAL_LEAP = 1_000_000

type Cell = string | number | Uint8Array | null
type Row = Readonly<Record<string, Cell>>

/** `roles`: those of the site as JSON, so that its PINs go where its keys go. Throws `security.locked` where the keyring is not the one that sealed them. */
export function takeSecurity(database: Database, sealer: Sealer, roles = 'null'): Uint8Array {
  const tables = guarded(() =>
    TABLES.map(([name, sealed]): [string, CborValue] => {
      const rows = database.prepare<[], Row>(`SELECT * FROM ${name}`).all()
      return [
        name,
        rows.map((row) => new Map(Object.entries(row).map(([column, cell]) => [column, opened(cell, sealed.includes(column), sealer)]))),
      ]
    }),
  )
  const { next } = guarded(() => database.prepare<[], { readonly next: number }>('SELECT next FROM ra_serial WHERE id = 1').get()) ?? {
    next: 1,
  }
  return encodeCbor(new Map<string, CborValue>([...tables, ['version', VERSION], ['serial', next], ['access', roles]]))
}

/** Into the file of a new site, all of it or nothing; answers the roles that came along. Throws `bundle.invalid` for what did not come from `takeSecurity`. */
export function bringSecurity(database: Database, bytes: Uint8Array, sealer: Sealer): string {
  const value = decodeCbor(bytes, { maxBytes: MAX_BYTES })
  if (!(value instanceof Map)) throw invalid()
  const carried: ReadonlyMap<unknown, unknown> = value
  if (carried.get('version') !== VERSION) throw invalid()
  const serial = carried.get('serial')
  const roles = carried.get('access') ?? 'null'
  if (typeof roles !== 'string') throw invalid()
  guarded(() =>
    database.transaction(() => {
      for (const [name, sealed] of TABLES) {
        const rows = carried.get(name)
        if (!Array.isArray(rows)) throw invalid()
        const columns = database
          .prepare<[], { readonly name: string }>(`PRAGMA table_info(${name})`)
          .all()
          .map((column) => column.name)
        const insert = database.prepare<Cell[]>(
          `INSERT OR REPLACE INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
        )
        for (const row of rows) insert.run(...cellsOf(row, columns, sealed, sealer))
      }
      if (typeof serial !== 'number' || !Number.isSafeInteger(serial)) throw invalid()
      database.prepare<[number]>('UPDATE ra_serial SET next = max(next, ?) WHERE id = 1').run(serial + SERIAL_LEAP)
    })(),
  )
  return roles
}

function opened(cell: Cell, isSealed: boolean, sealer: Sealer): CborValue {
  // What SQLite gives is a Buffer.
  const plain = cell instanceof Uint8Array ? Uint8Array.from(cell) : cell
  return isSealed && plain instanceof Uint8Array ? sealer.open(plain) : plain
}

/** A column that the other side did not know has no value there. */
function cellsOf(row: unknown, columns: readonly string[], sealed: readonly string[], sealer: Sealer): Cell[] {
  if (!(row instanceof Map)) throw invalid()
  const cells: ReadonlyMap<unknown, unknown> = row
  return columns.map((column): Cell => {
    const cell = cells.get(column) ?? null
    if (cell instanceof Uint8Array) return sealed.includes(column) ? sealer.seal(cell) : cell
    if (cell !== null && typeof cell !== 'string' && typeof cell !== 'number') throw invalid()
    return cell
  })
}

function invalid(): AppError {
  return new AppError('bundle.invalid', 'The secrets of the bundle cannot be read')
}
