// The journal of project edits at rest: implements the HistoryStore port of site/history.
import { AppError } from '#main/base/index.ts'
import type { EntryState, HistoryEntry, HistoryKind, HistoryStore, Restored } from '#main/site/history/index.ts'
import { createRestorer, type JournalChange } from './history-restore.ts'
import { isKind, journalTables, ProjectJournal, type JournalRow } from './journal.ts'
import { fromJson, knownWord } from './json.ts'
import { isMembers, isText, isWhole } from './shapes.ts'
import type { SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

interface EntryColumns {
  readonly id: number
  readonly at: number
  readonly actor: string
  readonly op: string
  readonly state: string
  readonly counts: string
  readonly name: string | null
}

interface ChangeColumns {
  readonly kind: string
  readonly row_key: string
  readonly before: string | null
  readonly after: string | null
}

const states: Readonly<Record<EntryState, true>> = { done: true, undone: true, final: true }

export function createHistoryStore(database: SiteDatabase): HistoryStore {
  const { raw } = database
  const tables = guarded(() => journalTables(raw))
  const journal = new ProjectJournal(database, tables)
  const restorer = createRestorer(database, tables)
  const selectEntries = raw.prepare<[], EntryColumns>('SELECT id, at, actor, op, state, counts, name FROM history_entry ORDER BY id')
  const selectEntry = raw.prepare<[number], EntryColumns>('SELECT id, at, actor, op, state, counts, name FROM history_entry WHERE id = ?')
  const setState = raw.prepare<[EntryState, number]>('UPDATE history_entry SET state = ? WHERE id = ?')
  const selectChanges = raw.prepare<[number], ChangeColumns>(
    'SELECT kind, row_key, before, after FROM history_change WHERE entry_id = ? ORDER BY position',
  )
  const countChanges = raw.prepare<[], { id: number; changes: number }>(`
    SELECT id, (SELECT COUNT(*) FROM history_change WHERE entry_id = id) AS changes FROM history_entry ORDER BY id DESC`)
  const removeUpTo = raw.prepare<[number]>('DELETE FROM history_entry WHERE id <= ?')

  function changesOf(id: number): readonly JournalChange[] {
    return selectChanges.all(id).flatMap(({ kind, row_key: key, before, after }) => {
      // A newer release may have noted rows of kinds that this one does not know.
      if (!isKind(tables, kind)) return []
      return [{ kind, key, before: rowFrom(before), after: rowFrom(after) }]
    })
  }

  function restore(id: number, from: EntryState, to: EntryState, at: number): Restored {
    return database.transaction(() => {
      const entry = selectEntry.get(id)
      if (entry?.state !== from) throw new AppError('history.nothing', 'There is no such edit', { details: { id } })
      const changes = changesOf(id)
      // Step by step as it went, so that each step meets what it left: names and addresses that must be unique never meet.
      const steps = to === 'undone' ? changes.toReversed().map(turned) : changes
      setState.run(to, id)
      const restored = restorer.run(steps, at, to === 'undone')
      // The site's details stand in no table that counts by itself.
      if (restored.touched.has('details')) database.bumpRevision()
      return restored
    })
  }

  return {
    entries: () => guarded(() => selectEntries.all()).map(toEntry),
    begin: (action) => journal.begin(action),
    end(succeeded) {
      const id = journal.end(database, succeeded)
      const entry = id === undefined ? undefined : guarded(() => selectEntry.get(id))
      return entry === undefined ? undefined : toEntry(entry)
    },
    undo: (id, at) => restore(id, 'done', 'undone', at),
    redo: (id, at) => restore(id, 'undone', 'done', at),
    trim({ entries, changes }) {
      database.transaction(() => {
        let sum = 0
        for (const [place, entry] of countChanges.all().entries()) {
          sum += entry.changes
          if (place < entries && sum <= changes) continue
          removeUpTo.run(entry.id)
          return
        }
      })
    },
  }
}

function turned({ kind, key, before, after }: JournalChange): JournalChange {
  return { kind, key, before: after, after: before }
}

function toEntry({ id, at, actor, op, state, counts, name }: EntryColumns): HistoryEntry {
  return { id, at, actor, op, state: knownWord(states, state), counts: fromJson(counts, isCounts), name }
}

function rowFrom(text: string | null): JournalRow | null {
  return text === null ? null : fromJson(text, isRow)
}

function isRow(value: unknown): value is JournalRow {
  return isMembers(value) && Object.values(value).every((member) => member === null || isText(member) || typeof member === 'number')
}

function isCounts(value: unknown): value is Readonly<Partial<Record<HistoryKind, number>>> & Readonly<Record<string, number>> {
  return isMembers(value) && Object.values(value).every(isWhole)
}
