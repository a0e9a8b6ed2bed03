// Who may send to the devices of a site: one program at a time. Each take-over raises the epoch; a copy that has seen a higher one sends nothing.
import type { WriterRow } from '#contract/model.ts'

export interface StoredLease {
  readonly epoch: number
  /** Thumbprint of the holder's receiver key. */
  readonly holder: string
  readonly since: number
  /** `reader`: taken in to be looked at; `taken-over`: somebody else writes now. */
  readonly state: WriterRow['state']
}

/** Port: the lease in the site file. */
export interface LeaseStore {
  lease(): StoredLease | undefined
  saveLease(lease: StoredLease): void
}

/** The highest epoch of a site that this program has seen anywhere, and whose it was. */
export interface SeenWriter {
  readonly epoch: number
  readonly holder: string
}

/** The higher epoch; where two programs took the same one without knowing of each other, the greater name: both come to the same answer. */
export function outranks(one: SeenWriter, other: SeenWriter): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.holder > other.holder)
}

/**
 * The lease with which a site file is opened. A file of another program, or one that was put back from before, is taken over by who opens it,
 * as its sender contexts are (they begin anew by themselves); one that was taken over, or was taken in for reading, stays so.
 */
export function leaseAtOpening(stored: StoredLease | undefined, seen: SeenWriter | undefined, self: string, now: number): StoredLease {
  if (stored === undefined) {
    const begun = { epoch: (seen?.epoch ?? 0) + 1, holder: self, since: now, state: 'writer' } as const
    return seen === undefined || seen.holder === self ? begun : takenOver(begun, seen)
  }
  const isBehind = seen !== undefined && outranks(seen, stored)
  if (isBehind && seen.holder !== self) return takenOver(stored, seen)
  if (stored.state !== 'writer') return stored
  if (stored.holder === self && !isBehind) return stored
  return { epoch: Math.max(stored.epoch, seen?.epoch ?? 0) + 1, holder: self, since: now, state: 'writer' }
}

/** What is left of a lease once somebody else is known who outranks it; undefined where it stays as it is. */
export function leaseAfter(lease: StoredLease, seen: SeenWriter, self: string): StoredLease | undefined {
  return outranks(seen, lease) && seen.holder !== self && lease.state === 'writer' ? takenOver(lease, seen) : undefined
}

export function takeOver(lease: StoredLease, seen: SeenWriter | undefined, self: string, now: number): StoredLease {
  return { epoch: Math.max(lease.epoch, seen?.epoch ?? 0) + 1, holder: self, since: now, state: 'writer' }
}

function takenOver(lease: StoredLease, { epoch, holder }: SeenWriter): StoredLease {
  return { ...lease, epoch, holder, state: lease.state === 'reader' ? 'reader' : 'taken-over' }
}
