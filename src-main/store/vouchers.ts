// Vouchers at rest: one row each, found by serial number or by their end.
import type { VoucherRecord, VoucherSource, VoucherStore } from '#main/services/join/index.ts'
import { knownWord } from './json.ts'
import type { Database } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

const formats = { cose: true, cms: true } as const
const sources: Readonly<Record<VoucherSource, true>> = { masa: true, file: true }
const signers = { trusted: true, unknown: true } as const
const assertions = { verified: true, logged: true, proximity: true, 'agent-proximity': true } as const

interface Row {
  readonly id: string
  readonly serial_number: string
  readonly idevid_issuer: Uint8Array | null
  readonly format: string
  readonly bytes: Uint8Array
  readonly nonce: string | null
  readonly assertion: string | null
  readonly created_on: number | null
  readonly expires_on: number | null
  readonly last_renewal_date: number | null
  readonly source: string
  readonly signer: string
  readonly maker_id: string | null
  readonly masa_url: string | null
  readonly stored_at: number
  readonly used_at: number | null
}

const COLUMNS = [
  'id',
  'serial_number',
  'idevid_issuer',
  'format',
  'bytes',
  'nonce',
  'assertion',
  'created_on',
  'expires_on',
  'last_renewal_date',
  'source',
  'signer',
  'maker_id',
  'masa_url',
  'stored_at',
  'used_at',
] as const

/** Of one device: more are of no use, and a flood of them costs time. */
const MOST_OF_ONE_DEVICE = 200

export function createVoucherStore(database: Database): VoucherStore {
  const columns = COLUMNS.join(', ')
  const one = database.prepare<[string], Row>(`SELECT ${columns} FROM voucher WHERE id = ?`)
  const ofSerial = database.prepare<[string, number], Row>(
    `SELECT ${columns} FROM voucher WHERE serial_number = ? ORDER BY nonce IS NOT NULL, stored_at DESC, rowid DESC LIMIT ?`,
  )
  const page = database.prepare<[string, number, number], Row>(
    `SELECT ${columns} FROM voucher WHERE instr(lower(serial_number), ?) > 0 ORDER BY stored_at DESC, rowid DESC LIMIT ? OFFSET ?`,
  )
  const ending = database.prepare<[number, number], Row>(
    `SELECT ${columns} FROM voucher WHERE nonce IS NULL AND expires_on < ? ORDER BY expires_on, rowid LIMIT ?`,
  )
  const count = database.prepare<[], { n: number }>('SELECT count(*) AS n FROM voucher')
  const upsert = database.prepare<Row>(
    `INSERT INTO voucher (${columns}) VALUES (${COLUMNS.map((column) => `@${column}`).join(', ')})
     ON CONFLICT (id) DO UPDATE SET ${COLUMNS.filter((column) => column !== 'id')
       .map((column) => `${column} = excluded.${column}`)
       .join(', ')}`,
  )
  const markUsed = database.prepare<[number, string]>('UPDATE voucher SET used_at = ? WHERE id = ?')
  const remove = database.prepare<[string]>('DELETE FROM voucher WHERE id = ?')
  const prune = database.prepare<[number]>(
    `DELETE FROM voucher WHERE rowid IN
       (SELECT rowid FROM voucher WHERE nonce IS NOT NULL ORDER BY stored_at DESC, rowid DESC LIMIT -1 OFFSET ?)`,
  )
  const replace = database.transaction((oldId: string, record: VoucherRecord) => {
    remove.run(oldId)
    upsert.run(toRow(record))
  })
  return {
    voucher: (id) => {
      const row = guarded(() => one.get(id))
      return row === undefined ? undefined : toRecord(row)
    },
    ofSerialNumber: (serialNumber) => guarded(() => ofSerial.all(serialNumber, MOST_OF_ONE_DEVICE)).map(toRecord),
    list: ({ text = '', offset = 0, limit }) => guarded(() => page.all(text.toLowerCase(), limit, offset)).map(toRecord),
    endingBefore: (timeMs, limit) => guarded(() => ending.all(timeMs, limit)).map(toRecord),
    count: () => guarded(() => count.get()?.n ?? 0),
    save: (record) => {
      guarded(() => upsert.run(toRow(record)))
    },
    replace: (oldId, record) => {
      guarded(() => {
        if (database.inTransaction) replace(oldId, record)
        else replace.immediate(oldId, record)
      })
    },
    markUsed: (id, atMs) => {
      guarded(() => markUsed.run(atMs, id))
    },
    remove: (id) => {
      guarded(() => remove.run(id))
    },
    pruneAnswered: (keep) => {
      guarded(() => prune.run(keep))
    },
  }
}

function toRow(record: VoucherRecord): Row {
  return {
    id: record.id,
    serial_number: record.serialNumber,
    idevid_issuer: record.idevidIssuer ?? null,
    format: record.format,
    bytes: record.bytes,
    nonce: record.nonce ?? null,
    assertion: record.assertion ?? null,
    created_on: record.createdOn ?? null,
    expires_on: record.expiresOn ?? null,
    last_renewal_date: record.lastRenewalDate ?? null,
    source: record.source,
    signer: record.signer,
    maker_id: record.makerId ?? null,
    masa_url: record.masaUrl ?? null,
    stored_at: record.storedAt,
    used_at: record.usedAt ?? null,
  }
}

function toRecord(row: Row): VoucherRecord {
  return {
    id: row.id,
    serialNumber: row.serial_number,
    idevidIssuer: row.idevid_issuer === null ? undefined : Uint8Array.from(row.idevid_issuer),
    format: knownWord(formats, row.format),
    bytes: Uint8Array.from(row.bytes),
    nonce: row.nonce ?? undefined,
    assertion: row.assertion === null ? undefined : knownWord(assertions, row.assertion),
    createdOn: row.created_on ?? undefined,
    expiresOn: row.expires_on ?? undefined,
    lastRenewalDate: row.last_renewal_date ?? undefined,
    source: knownWord(sources, row.source),
    signer: knownWord(signers, row.signer),
    makerId: row.maker_id ?? undefined,
    masaUrl: row.masa_url ?? undefined,
    storedAt: row.stored_at,
    usedAt: row.used_at ?? undefined,
  }
}
