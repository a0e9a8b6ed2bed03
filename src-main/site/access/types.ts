// What is kept of roles with a site, and what the rest of the program asks of them.
import type { KeyedFeed, ScryptCost } from '#main/base/index.ts'
import type { AccessRow, LockableRole, Role } from '#contract/model.ts'

/** A PIN at rest: what scrypt made of it (RFC 7914). Bytes in hex. */
export interface PinRecord extends ScryptCost {
  readonly salt: string
  readonly hash: string
}

export interface AccessRecord {
  readonly pins: Readonly<Partial<Record<LockableRole, PinRecord>>>
  /** Wrong PINs of each role since its last right one: the right PIN of another role forgives none of them. */
  readonly failures: Readonly<Partial<Record<LockableRole, WrongPins>>>
}

export interface WrongPins {
  readonly count: number
  /** When the newest came. */
  readonly at: number
}

/** Port: durable when `save` returns. */
export interface AccessStore {
  load(): AccessRecord | undefined
  save(record: AccessRecord): void
}

export interface Access {
  readonly feed: KeyedFeed<AccessRow>
  /** Whether the role is held now, by PIN or because it has none. */
  holds(role: Role): boolean
  /** Something was done: roles taken up are kept for another while. */
  touch(): void
  /** Who acts, for the audit; undefined: nobody gave a name. */
  readonly person: string | undefined
  /** Throws `access.pin-wrong`, `access.wait`, `access.no-pin`. */
  unlock(role: LockableRole, pin: string, person: string): Promise<void>
  lock(): void
  /** Throws `access.role-needed` unless the role is held, `access.engineer-first` where the engineer has no PIN yet. */
  setPin(role: LockableRole, pin: string | null): Promise<void>
  close(): void
}
