// Who did what: append-only, each entry bound to the one before by SHA-256, so that a changed or removed entry shows.
import type { AuditEntry } from '#contract/model.ts'
import type { Clock } from '#main/base/index.ts'
import { redactFields, sha256, toHex, utf8 } from '#main/base/index.ts'
import { canonicalJson, fromJson } from './json.ts'
import { isMembers } from './shapes.ts'
import type { SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

export interface AuditLog {
  /** Durable when it returns. Secrets are taken out of the details by the names of their members. */
  append(actor: string, action: string, details?: Readonly<Record<string, unknown>>): AuditEntry
  /** Newest first; entries before the sequence number `before`, or the newest ones; with `search` those that hold it anywhere. */
  page(before: number | undefined, limit: number, search?: string): readonly AuditEntry[]
  /** Recomputes the whole chain; `brokenAt` is the first entry that does not fit. */
  verify(): AuditVerdict
}

export type AuditVerdict = { readonly ok: true; readonly entries: number } | { readonly ok: false; readonly brokenAt: number }

interface AuditColumns {
  sequence: number
  at: number
  actor: string
  action: string
  details: string
  previous_hash: string
  hash: string
}

/** What the first entry is bound to. */
const BEFORE_FIRST = '0'.repeat(64)
/** Meta key of the newest entry's number and hash: shows that entries at the end are missing. */
const HEAD_KEY = 'auditHead'
const LONGEST_DETAILS = 20_000

export function createAuditLog(database: SiteDatabase, clock: Clock): AuditLog {
  const { raw } = database
  const selectNewest = raw.prepare<[], AuditColumns>('SELECT * FROM audit ORDER BY sequence DESC LIMIT 1')
  const insert = raw.prepare<[AuditColumns]>(`
    INSERT INTO audit (sequence, at, actor, action, details, previous_hash, hash)
    VALUES (@sequence, @at, @actor, @action, @details, @previous_hash, @hash)`)
  const saveHead = raw.prepare<[string, string]>(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  )
  const selectHead = raw.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?')
  // instr takes what was typed as it is: no character of it means anything else.
  const selectPage = raw.prepare<[{ before: number; limit: number; search: string }], AuditColumns>(`
    SELECT * FROM audit WHERE sequence < @before AND instr(lower(actor || ' ' || action || ' ' || details), @search) > 0
    ORDER BY sequence DESC LIMIT @limit`)
  const selectAll = raw.prepare<[], AuditColumns>('SELECT * FROM audit ORDER BY sequence')

  return {
    append: (actor, action, details = {}) =>
      database.transaction(() => {
        const newest = selectNewest.get()
        const sequence = (newest?.sequence ?? 0) + 1
        const entry = { sequence, at: clock.now(), actor, action, details: detailsText(details) }
        const previous = newest?.hash ?? BEFORE_FIRST
        const hash = chainHash(previous, entry)
        insert.run({ ...entry, previous_hash: previous, hash })
        saveHead.run(HEAD_KEY, canonicalJson({ sequence, hash }))
        return { sequence, at: entry.at, actor, action, details: fromJson(entry.details, isMembers), hash }
      }),
    page: (before = Number.MAX_SAFE_INTEGER, limit, search = '') =>
      guarded(() => selectPage.all({ before, limit: Math.max(0, limit), search: search.trim().toLowerCase() })).map(toEntry),
    verify: () =>
      guarded(() => {
        let previous = BEFORE_FIRST
        let sequence = 0
        for (const row of selectAll.iterate()) {
          sequence++
          if (row.sequence !== sequence || row.previous_hash !== previous || row.hash !== chainHash(previous, row)) {
            return { ok: false, brokenAt: sequence }
          }
          previous = row.hash
        }
        const head = selectHead.get(HEAD_KEY)?.value
        const expected = sequence === 0 ? undefined : canonicalJson({ sequence, hash: previous })
        return head === expected ? { ok: true, entries: sequence } : { ok: false, brokenAt: sequence + 1 }
      }),
  }
}

function detailsText(details: Readonly<Record<string, unknown>>): string {
  const text = canonicalJson(redactFields(details))
  return text.length <= LONGEST_DETAILS ? text : canonicalJson({ omitted: 'too long', characters: text.length })
}

function chainHash(previous: string, entry: Omit<AuditColumns, 'previous_hash' | 'hash'>): string {
  const { sequence, at, actor, action, details } = entry
  return toHex(sha256(utf8(previous), utf8(canonicalJson({ sequence, at, actor, action, details }))))
}

function toEntry(row: AuditColumns): AuditEntry {
  const { sequence, at, actor, action, hash } = row
  return { sequence, at, actor, action, details: fromJson(row.details, isMembers), hash }
}
