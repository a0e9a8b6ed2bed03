// What the registration authority keeps: authorities, certificates, transactions, pre-registrations, CRLs, and the serial numbers that are given out.
import type { Database } from 'better-sqlite3'
import { AppError } from '#main/base/index.ts'
import type { CertificateFilter, CertificateRecord, RaStore, SerialStore } from '#main/services/ra/index.ts'
import {
  authorityFromRow,
  authorityToRow,
  certificateFromRow,
  certificateToRow,
  historyFromRow,
  preRegistrationFromRow,
  preRegistrationToRow,
  transactionFromRow,
  transactionToRow,
  type AuthorityRow,
  type CertificateRow,
  type HistoryRow,
  type PreRegistrationRow,
  type TransactionRow,
} from './ra-rows.ts'
import { guarded } from './sqlite-failure.ts'

const AUTHORITY =
  'id, generation, state, kind, subject, algorithm, sealed_key, certificate, chain, request, signer_certificate, signer_key, new_with_old, old_with_new, created_at'
const CERTIFICATE =
  'serial, authority_id, der, subject, profile, state, requester, holder, reference, device_id, transaction_id, not_before, not_after, issued_at, revoked_at, reason, replaced_by, replaces'
const TRANSACTION =
  'id, kind, state, requester, protection, reference, device_id, profile, request_hash, request, response, nonce, first_nonce, serial, cert_req_id, implicit, subject, key_type, remark, opened_at, deadline_at'
const PRE_REGISTRATION = 'reference, sealed_secret, identities, names, profile, device_id, created_at, expires_at, used_at'

/** `INSERT … ON CONFLICT DO UPDATE` of all columns. */
function upsert(table: string, key: string, columns: string): string {
  const names = columns.split(', ')
  const updates = names.filter((name) => name !== key).map((name) => `${name} = excluded.${name}`)
  return `INSERT INTO ${table} (${columns}) VALUES (${names.map((name) => `@${name}`).join(', ')}) ON CONFLICT (${key}) DO UPDATE SET ${updates.join(', ')}`
}

export function createRaStore(database: Database): RaStore {
  const allAuthorities = database.prepare<[], AuthorityRow>(`SELECT ${AUTHORITY} FROM ra_authority ORDER BY generation`)
  const saveAuthority = database.prepare<AuthorityRow>(upsert('ra_authority', 'id', AUTHORITY))
  const oneCertificate = database.prepare<[string], CertificateRow>(`SELECT ${CERTIFICATE} FROM ra_certificate WHERE serial = ?`)
  const saveCertificate = database.prepare<CertificateRow>(upsert('ra_certificate', 'serial', CERTIFICATE))
  const ofTransaction = database.prepare<[string], { serial: string }>('SELECT serial FROM ra_certificate WHERE transaction_id = ?')
  // The signs keep SQLite from going by state: most certificates of a site are valid, and few are somebody's.
  const LIVE = `+state IN ('valid', 'unconfirmed') AND replaced_by IS NULL AND +not_after >= @now AND serial <> @except`
  const countLive = (column: 'holder' | 'device_id') =>
    database
      .prepare<{ whose: string; now: number; except: string }, number>(
        `SELECT count(*) FROM ra_certificate WHERE ${column} = @whose AND ${LIVE}`,
      )
      .pluck()
  const issuedSince = database
    .prepare<[string, number], number>('SELECT count(*) FROM ra_certificate WHERE holder = ? AND issued_at >= ?')
    .pluck()
  const liveOfHolder = countLive('holder')
  const liveOfDevice = countLive('device_id')
  const revoked = database.prepare<[string, number], CertificateRow>(
    `SELECT ${CERTIFICATE} FROM ra_certificate WHERE state = 'revoked' AND authority_id = ? AND not_after >= ? ORDER BY revoked_at, serial`,
  )
  const oneTransaction = database.prepare<[string], TransactionRow>(`SELECT ${TRANSACTION} FROM ra_transaction WHERE id = ?`)
  const saveTransaction = database.prepare<TransactionRow>(upsert('ra_transaction', 'id', TRANSACTION))
  const open = database.prepare<[], TransactionRow>(
    `SELECT ${TRANSACTION} FROM ra_transaction WHERE state IN ('waiting', 'issued') ORDER BY opened_at, id`,
  )
  const forget = database.prepare<[number]>(
    `UPDATE ra_transaction SET response = NULL WHERE response IS NOT NULL AND deadline_at < ? AND state NOT IN ('waiting', 'issued')`,
  )
  const pruneOld = database.prepare<[number]>(`DELETE FROM ra_transaction WHERE opened_at < ? AND state NOT IN ('waiting', 'issued')`)
  const pruneMany = database.prepare<[number]>(
    `DELETE FROM ra_transaction WHERE state NOT IN ('waiting', 'issued') AND id IN
       (SELECT id FROM ra_transaction ORDER BY opened_at DESC LIMIT -1 OFFSET ?)`,
  )
  const onePre = database.prepare<[string], PreRegistrationRow>(`SELECT ${PRE_REGISTRATION} FROM ra_pre_registration WHERE reference = ?`)
  const allPre = database.prepare<[], PreRegistrationRow>(`SELECT ${PRE_REGISTRATION} FROM ra_pre_registration ORDER BY reference`)
  // In two steps: several rows of many columns cost the driver more than one row each.
  const referencesOf = database.prepare<[string], string>('SELECT reference FROM ra_identity WHERE identity = ? ORDER BY reference').pluck()
  const savePre = database.prepare<PreRegistrationRow>(upsert('ra_pre_registration', 'reference', PRE_REGISTRATION))
  const dropIdentities = database.prepare<[string]>('DELETE FROM ra_identity WHERE reference = ?')
  const addIdentity = database.prepare<[string, string]>('INSERT INTO ra_identity (identity, reference) VALUES (?, ?)')
  const dropPre = database.prepare<[string]>('DELETE FROM ra_pre_registration WHERE reference = ?')
  const oneCrl = database.prepare<[string], { number: number; der: Uint8Array; this_update: number; next_update: number }>(
    'SELECT number, der, this_update, next_update FROM ra_crl WHERE authority_id = ?',
  )
  const saveCrl = database.prepare<[string, number, Uint8Array, number, number]>(
    `INSERT INTO ra_crl (authority_id, number, der, this_update, next_update) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (authority_id) DO UPDATE SET number = excluded.number, der = excluded.der, this_update = excluded.this_update, next_update = excluded.next_update`,
  )
  const addHistory = database.prepare<HistoryRow>(
    'INSERT INTO ra_history (serial, at, event, actor, remark) VALUES (@serial, @at, @event, @actor, @remark)',
  )
  const historyOf = database.prepare<[string], HistoryRow>(
    'SELECT serial, at, event, actor, remark FROM ra_history WHERE serial = ? ORDER BY id',
  )

  // An inner one is a savepoint: what it throws takes back its own writes alone.
  const inTransaction = database.transaction((work: () => void) => work())
  const transaction = <Result>(work: () => Result): Result => {
    let result: { readonly value: Result } | undefined
    guarded(() =>
      inTransaction.immediate(() => {
        result = { value: work() }
      }),
    )
    if (result === undefined) throw new AppError('internal', 'The transaction has not done its work')
    return result.value
  }
  return {
    transaction,
    authorities: () => guarded(() => allAuthorities.all().map(authorityFromRow)),
    saveAuthority: (record) => {
      guarded(() => saveAuthority.run(authorityToRow(record)))
    },
    certificate: (serial) => {
      const row = guarded(() => oneCertificate.get(serial))
      return row === undefined ? undefined : certificateFromRow(row)
    },
    saveCertificate: (record) => {
      guarded(() => saveCertificate.run(certificateToRow(record)))
    },
    isTransactionSpent: (id) => guarded(() => ofTransaction.get(id)) !== undefined,
    certificates: (filter) => guarded(() => findCertificates(database, filter)),
    countIssued: (holder, since) => guarded(() => issuedSince.get(holder, since)) ?? 0,
    countLive: (whose, now, except = '') =>
      guarded(
        () =>
          ('holder' in whose
            ? liveOfHolder.get({ whose: whose.holder, now, except })
            : liveOfDevice.get({ whose: whose.deviceId, now, except })) ?? 0,
      ),
    revoked: (authorityId, endsAfter) => guarded(() => revoked.all(authorityId, endsAfter).map(certificateFromRow)),
    transactionRecord: (id) => {
      const row = guarded(() => oneTransaction.get(id))
      return row === undefined ? undefined : transactionFromRow(row)
    },
    saveTransaction: (record) => {
      guarded(() => saveTransaction.run(transactionToRow(record)))
    },
    openTransactions: () => guarded(() => open.all().map(transactionFromRow)),
    pruneTransactions: (now, openedBefore, keep) => {
      transaction(() => {
        forget.run(now)
        pruneOld.run(openedBefore)
        pruneMany.run(keep)
      })
    },
    preRegistration: (reference) => {
      const row = guarded(() => onePre.get(reference))
      return row === undefined ? undefined : preRegistrationFromRow(row)
    },
    preRegistrations: () => guarded(() => allPre.all().map(preRegistrationFromRow)),
    preRegistrationsOf: (identity) =>
      guarded(() =>
        referencesOf.all(identity).flatMap((reference) => {
          const row = onePre.get(reference)
          return row === undefined ? [] : [preRegistrationFromRow(row)]
        }),
      ),
    savePreRegistrations: (records) => {
      transaction(() => {
        for (const record of records) {
          savePre.run(preRegistrationToRow(record))
          dropIdentities.run(record.reference)
          for (const identity of new Set(record.identities)) addIdentity.run(identity, record.reference)
        }
      })
    },
    removePreRegistration: (reference) => {
      guarded(() => dropPre.run(reference))
    },
    crl: (authorityId) => {
      const row = guarded(() => oneCrl.get(authorityId))
      if (row === undefined) return undefined
      return { authorityId, number: row.number, der: new Uint8Array(row.der), thisUpdate: row.this_update, nextUpdate: row.next_update }
    },
    saveCrl: ({ authorityId, number, der, thisUpdate, nextUpdate }) => {
      guarded(() => saveCrl.run(authorityId, number, der, thisUpdate, nextUpdate))
    },
    addHistory: (entry) => {
      guarded(() => addHistory.run(entry))
    },
    history: (serial) => guarded(() => historyOf.all(serial).map(historyFromRow)),
  }
}

function findCertificates(database: Database, filter: CertificateFilter): readonly CertificateRecord[] {
  const conditions: string[] = []
  const values: Array<string | number> = []
  const add = (condition: string, ...parameters: Array<string | number>): void => {
    conditions.push(condition)
    values.push(...parameters)
  }
  if (filter.state !== undefined) add('state = ?', filter.state)
  if (filter.deviceId !== undefined) add('device_id = ?', filter.deviceId)
  if (filter.endsBefore !== undefined) add('not_after < ?', filter.endsBefore)
  if (filter.text !== undefined)
    add('(instr(lower(subject), ?) > 0 OR instr(serial, ?) > 0)', filter.text.toLowerCase(), filter.text.toLowerCase())
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  const page = database.prepare<Array<string | number>, CertificateRow>(
    `SELECT ${CERTIFICATE} FROM ra_certificate ${where} ORDER BY issued_at DESC, serial DESC LIMIT ? OFFSET ?`,
  )
  return page.all(...values, filter.limit, filter.offset ?? 0).map(certificateFromRow)
}

/** Serial numbers of one site file; several authorities share them. */
export function createSerialStore(database: Database): SerialStore {
  const take = database.prepare<[number], { next: number }>('UPDATE ra_serial SET next = next + ? WHERE id = 1 RETURNING next')
  return {
    reserve: (count) => {
      // Rolled back with somebody else's failure, the same numbers would be given again.
      if (database.inTransaction) throw new AppError('internal', 'Serial numbers are reserved outside of transactions')
      const row = guarded(() => take.get(count))
      if (row === undefined) throw new AppError('store.corrupt', 'The site file has no serial numbers')
      return row.next - count
    },
  }
}
