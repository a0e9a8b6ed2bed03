// What of the transactions with servers above survives a restart: one sealed record each. Messages under a shared secret let everybody who
// has them try secrets at leisure, so none lies open in the file.
import { toAppError, type Logger } from '#main/base/index.ts'
import type { KeyVault } from '../types.ts'
import type { UpstreamRecord, UpstreamStore } from './types.ts'

export interface KeeperOptions {
  /** Absent: nothing survives. */
  readonly store: UpstreamStore | undefined
  readonly vault: KeyVault
  readonly logger: Logger
}

export interface Kept {
  readonly record: UpstreamRecord
  /** What was sealed. */
  readonly bytes: Uint8Array | undefined
}

export class UpstreamKeeper {
  readonly #options: KeeperOptions
  /** Sealing takes its time: what was removed or saved anew meanwhile is not written over. */
  readonly #versions = new Map<string, number>()
  #next = 0

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** Durable when it resolves. A site file that cannot be written costs what a restart then forgets, not the transaction. */
  async save(record: Omit<UpstreamRecord, 'sealed'>, bytes?: Uint8Array): Promise<void> {
    const { store, vault, logger } = this.#options
    if (store === undefined) return
    const version = this.#next++
    this.#versions.set(record.id, version)
    try {
      const sealed = bytes === undefined ? undefined : await vault.seal(purposeOf(record.id), bytes)
      if (this.#versions.get(record.id) === version) store.saveUpstream({ ...record, sealed })
    } catch (thrown) {
      logger.error({ code: toAppError(thrown).code }, 'a transaction with a server above could not be kept')
    }
  }

  remove(id: string): void {
    const { store, logger } = this.#options
    if (store === undefined || !this.#versions.delete(id)) return
    try {
      store.removeUpstream(id)
    } catch (thrown) {
      logger.error({ code: toAppError(thrown).code }, 'a transaction with a server above could not be removed')
    }
  }

  /** Oldest first; what is over or sealed by another keyring is gone. */
  async restore(now: number): Promise<readonly Kept[]> {
    const { store, vault, logger } = this.#options
    const kept: Kept[] = []
    for (const record of store?.upstreamRecords() ?? []) {
      this.#versions.set(record.id, this.#next++)
      try {
        const bytes = record.sealed === undefined ? undefined : await vault.open(purposeOf(record.id), record.sealed)
        if (record.untilAt > now) kept.push({ record, bytes })
        else this.remove(record.id)
      } catch (thrown) {
        logger.error({ code: toAppError(thrown).code }, 'a transaction with a server above could not be taken up again')
        this.remove(record.id)
      }
    }
    return kept
  }
}

function purposeOf(id: string): string {
  // A transaction identifier may be longer than a purpose.
  return `ra:transaction:${id.slice(0, 128)}`
}
