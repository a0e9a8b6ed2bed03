// Sender Sequence Numbers of OSCORE at rest. Each block is committed with synchronous=FULL before a number of it is used. Whether this is
// still the file that the last number came from is told by an anchor outside it: a small database in the program's own folder that goes up
// with each block. A site file that was copied, moved to another machine or put back from a backup finds no anchor, or one ahead of it.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Statement } from 'better-sqlite3'
import { toHex, type Random } from '#main/base/index.ts'
import { staleSender, type SequenceStore } from '#main/wire/oscore/index.ts'
import { connect, type Database } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'

export interface DurableSequences extends SequenceStore {
  /** Another one after the file was copied or restored: keys that it gave out since may be known to others, too. */
  readonly writerEpoch: string
  /** The file was copied or restored since it was last written here: every Sender Context in it is lost. */
  readonly isCopy: boolean
  /** Reserves nothing any more. */
  close(): void
}

export interface SequencePorts {
  readonly random: Random
  /** A file in a folder of the program's, not of the site's: what is copied with the site cannot tell a copy. One for all sites. */
  readonly anchorFile: string
  readonly siteId: string
}

/** Who writes, and how many blocks have been reserved. */
interface Mark {
  readonly epoch: string
  readonly generation: number
}

const EPOCH_BYTES = 16
const ANCHOR_WAIT_MS = 2000

/** Fails with `store.*` where file or anchor cannot be read or written. */
export function createSequenceStore(database: Database, ports: SequencePorts): DurableSequences {
  const file = prepareFile(database)
  const anchor = openAnchor(ports)
  // Invariant: a commit that is reported is on the disk.
  guarded(() => database.pragma('synchronous = FULL'))
  let mark: Mark = { epoch: '', generation: 0 }
  let isCopy = false
  anchor.exclusively(() => {
    const before = file.mark.get()
    const outside = anchor.read()
    const isSame = before !== undefined && outside !== undefined && isOurs(before, outside)
    isCopy = before !== undefined && !isSame
    mark = isSame ? before : { epoch: toHex(ports.random.bytes(EPOCH_BYTES)), generation: 0 }
    file.saveMark.run(mark.epoch, mark.generation)
    anchor.write(mark)
  })

  const reserve = database.transaction((context: string, count: number): number => {
    const row = file.sender.get(context)
    if (row?.epoch !== mark.epoch) throw staleSender()
    file.advance.run(row.next + count, context)
    file.saveMark.run(mark.epoch, mark.generation + 1)
    return row.next
  })
  return {
    writerEpoch: mark.epoch,
    isCopy,
    establish: (context) => guarded(() => file.add.run(context, mark.epoch).changes > 0),
    reserve: (context, count) => {
      // Invariant: not inside a transaction of somebody else, whose failure would take the reservation back.
      if (database.inTransaction) throw staleSender()
      return anchor.exclusively(() => {
        const outside = anchor.read()
        // Somebody has gone on with a copy of this file meanwhile.
        if (outside?.epoch !== mark.epoch || outside.generation !== mark.generation) throw staleSender()
        const first = guarded(() => reserve.immediate(context, count))
        mark = { epoch: mark.epoch, generation: mark.generation + 1 }
        anchor.write(mark)
        return first
      })
    },
    forget: (context) => {
      // A row whose numbers were used stays: the same keys might come back.
      guarded(() => file.removeUnused.run(context))
    },
    close: () => anchor.close(),
  }
}

/** The file may be one block ahead of its anchor: the power went between the two, and nobody has had that block. */
function isOurs(file: Mark, anchor: Mark): boolean {
  return file.epoch === anchor.epoch && (file.generation === anchor.generation || file.generation === anchor.generation + 1)
}

interface FileStatements {
  readonly mark: Statement<[], Mark>
  readonly saveMark: Statement<[string, number]>
  readonly sender: Statement<[string], { readonly epoch: string; readonly next: number }>
  readonly add: Statement<[string, string]>
  readonly advance: Statement<[number, string]>
  readonly removeUnused: Statement<[string]>
}

function prepareFile(database: Database): FileStatements {
  return guarded(() => ({
    mark: database.prepare<[], Mark>('SELECT epoch, generation FROM oscore_writer WHERE id = 1'),
    saveMark: database.prepare<[string, number]>(
      'INSERT INTO oscore_writer (id, epoch, generation) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, generation = excluded.generation',
    ),
    sender: database.prepare<[string], { readonly epoch: string; readonly next: number }>(
      'SELECT epoch, next FROM oscore_sender WHERE context = ?',
    ),
    add: database.prepare<[string, string]>(
      'INSERT INTO oscore_sender (context, epoch, next) VALUES (?, ?, 0) ON CONFLICT (context) DO NOTHING',
    ),
    advance: database.prepare<[number, string]>('UPDATE oscore_sender SET next = ? WHERE context = ?'),
    removeUnused: database.prepare<[string]>('DELETE FROM oscore_sender WHERE context = ? AND next = 0'),
  }))
}

interface AnchorFile {
  /** No other process comes in between, and what was written is on the disk afterwards. */
  exclusively<Result>(work: () => Result): Result
  read(): Mark | undefined
  write(mark: Mark): void
  close(): void
}

function openAnchor({ anchorFile, siteId }: SequencePorts): AnchorFile {
  guarded(() => mkdirSync(dirname(anchorFile), { recursive: true }))
  const raw = connect(anchorFile, { mustExist: false })
  return guarded(() => {
    raw.pragma(`busy_timeout = ${ANCHOR_WAIT_MS}`)
    raw.pragma('synchronous = FULL')
    raw.exec(
      'CREATE TABLE IF NOT EXISTS anchor (site TEXT PRIMARY KEY, epoch TEXT NOT NULL, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID',
    )
    const read = raw.prepare<[string], Mark>('SELECT epoch, generation FROM anchor WHERE site = ?')
    const write = raw.prepare<[string, string, number]>(
      'INSERT INTO anchor (site, epoch, generation) VALUES (?, ?, ?) ON CONFLICT (site) DO UPDATE SET epoch = excluded.epoch, generation = excluded.generation',
    )
    return {
      exclusively: (work) => guarded(() => raw.transaction(work).immediate()),
      read: () => read.get(siteId),
      write: ({ epoch, generation }) => {
        write.run(siteId, epoch, generation)
      },
      close: () => {
        raw.close()
      },
    }
  })
}
