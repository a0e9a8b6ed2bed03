// Roles taken up and laid down: by PIN, by hand, and by a while without use.
import { AppError, KeyedFeed } from '#main/base/index.ts'
import type { Clock, Random, ScryptCost, Timer } from '#main/base/index.ts'
import { lockableRole } from '#contract/model.ts'
import type { AccessRow, LockableRole, Role } from '#contract/model.ts'
import { fitsPin, sealPin } from './pin.ts'
import type { Access, AccessRecord, AccessStore } from './types.ts'
import { Waiting } from './waiting.ts'

/** Long enough for a ladder, too short for a lunch break. */
const LAID_DOWN_AFTER_MS = 20 * 60_000
const NOTHING_KEPT: AccessRecord = { pins: {}, failures: {} }
/** What a role can do as well. */
const includes: Readonly<Record<Role, readonly Role[]>> = {
  viewer: ['viewer'],
  installer: ['installer', 'viewer'],
  engineer: ['engineer', 'installer', 'viewer'],
  operator: ['operator', 'viewer'],
}

export interface AccessOptions {
  readonly store: AccessStore
  readonly clock: Clock
  readonly random: Random
  /** What a PIN costs to check. */
  readonly cost?: ScryptCost
}

export function createAccess({ store, clock, random, cost }: AccessOptions): Access {
  const feed = new KeyedFeed<AccessRow>((row) => row.key)
  const taken = new Set<LockableRole>()
  let record = store.load() ?? NOTHING_KEPT
  const waiting = new Waiting(clock, record.failures)
  let person = ''
  let idle: Timer | undefined
  let locksAt: number | null = null
  let retry: Timer | undefined
  /** PINs are looked at one after the other: guesses side by side would all go before the first one's wait. */
  let turn: Promise<unknown> = Promise.resolve()

  const held = (): ReadonlySet<Role> => {
    const open = lockableRole.options.filter((role) => record.pins[role] === undefined)
    return new Set<Role>(['viewer', ...[...open, ...taken].flatMap((role) => includes[role])])
  }
  const show = (): void => {
    const holding = held()
    const waitMs = waiting.leftMs
    retry?.cancel()
    retry = waitMs === 0 ? undefined : clock.setTimer(waitMs, show)
    feed.set({
      key: 'access',
      roles: lockableRole.options.map((role) => ({ role, hasPin: record.pins[role] !== undefined, held: holding.has(role) })),
      person,
      locksAt,
      retryAt: waitMs === 0 ? null : clock.now() + waitMs,
    })
  }
  const keep = (next: AccessRecord): void => {
    store.save(next)
    record = next
  }
  const lock = (): void => {
    idle?.cancel()
    idle = undefined
    locksAt = null
    person = ''
    taken.clear()
    show()
  }
  const touch = (): void => {
    if (taken.size === 0) return
    idle?.cancel()
    locksAt = clock.now() + LAID_DOWN_AFTER_MS
    idle = clock.setTimer(LAID_DOWN_AFTER_MS, lock)
    show()
  }
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const next = turn.then(work, work)
    turn = next.catch(() => undefined)
    return next
  }
  const requireRole = (role: Role): void => {
    if (!held().has(role)) throw new AppError('access.role-needed', `The role ${role} is needed`, { details: { role } })
  }

  show()
  return {
    feed,
    holds: (role) => held().has(role),
    touch,
    get person() {
      return person === '' ? undefined : person
    },
    unlock: (role, pin, name) =>
      inTurn(async () => {
        const pinRecord = record.pins[role]
        if (pinRecord === undefined) throw new AppError('access.no-pin', `The role ${role} has no PIN`, { details: { role } })
        const waitMs = waiting.leftMs
        if (waitMs > 0)
          throw new AppError('access.wait', 'After wrong PINs the next one has to wait', {
            details: { reason: 'seconds', seconds: Math.ceil(waitMs / 1000) },
          })
        // Counted before it is looked at: whoever ends the program during the check has had a guess.
        const count = (record.failures[role]?.count ?? 0) + 1
        keep({ ...record, failures: { ...record.failures, [role]: { count, at: clock.now() } } })
        if (!(await fitsPin(pinRecord, pin))) {
          waiting.failed(count)
          show()
          throw new AppError('access.pin-wrong', 'That is not the PIN', { details: { role } })
        }
        keep({ ...record, failures: without(record.failures, role) })
        taken.add(role)
        person = name
        touch()
      }),
    lock,
    setPin: (role, pin) =>
      inTurn(async () => {
        requireRole(role)
        // Engineers can do what installers can: with an open engineer's role the installer's PIN would keep nobody out.
        if (role === 'installer' && pin !== null && record.pins.engineer === undefined)
          throw new AppError('access.engineer-first', 'The engineer needs a PIN before the installer')
        const others = without(record.pins, role)
        if (pin === null) {
          if (role === 'engineer' && record.pins.installer !== undefined)
            throw new AppError('access.engineer-first', 'The installer has a PIN that the engineer would be without')
          keep({ ...record, pins: others })
          taken.delete(role)
        } else {
          keep({ ...record, pins: { ...others, [role]: await sealPin(pin, random, cost) } })
          taken.add(role)
        }
        touch()
        show()
      }),
    close() {
      idle?.cancel()
      retry?.cancel()
    },
  }
}

function without<Value>(roles: Readonly<Partial<Record<LockableRole, Value>>>, role: LockableRole): Partial<Record<LockableRole, Value>> {
  return Object.fromEntries(Object.entries(roles).filter(([other]) => other !== role))
}
