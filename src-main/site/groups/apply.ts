// The runner of `apply` jobs: brings one membership about on its device. It reads the device's group table first, writes only the
// difference, and reads back: what was sent is never shown as done, and an item that is run again does nothing twice.
import { AppError, isAbort, toAppError, type Clock, type DeviceId, type GroupId, type Logger } from '#main/base/index.ts'
import type { DeviceContact, DeviceDirectory, DeviceProfile, GroupTableEntry, GroupTarget } from '#main/site/devices/index.ts'
import type { ItemContext, ItemResult, JobRunner } from '#main/site/jobs/index.ts'
import type { GroupBook } from './book.ts'
import { toFailure, type FaultTracker } from './faults.ts'
import type { KeyedLock } from './keyed-lock.ts'
import { holds, isDoubtful, membershipKey, readMembershipKey } from './plan.ts'
import { openEntry, viewTable } from './table.ts'
import type { TableListener } from './take-in.ts'
import type { MembershipRecord } from './types.ts'

export interface ApplyOptions {
  readonly book: GroupBook
  readonly devices: DeviceDirectory
  readonly clock: Clock
  readonly locks: KeyedLock
  readonly faults: FaultTracker
  readonly logger: Logger
  readonly onTable?: TableListener | undefined
}

/** Devices worked on at once: enough to hide round-trip times, few enough for a low-rate radio. */
const CONCURRENCY = 4
/** The device has answered, and its table can be read to learn what came of it. */
const ANSWERED: ReadonlySet<string> = new Set(['coap.response-error', 'coap.reset', 'profile.reply-unexpected'])

interface Line {
  readonly cell: MembershipRecord
  readonly target: GroupTarget
  readonly contact: DeviceContact
  readonly profile: DeviceProfile
  readonly signal: AbortSignal
}

export function createApplyRunner(options: ApplyOptions): JobRunner {
  const { book, devices, clock, locks, faults } = options

  /** A person may have changed the wish, or removed the device, while the network was busy: facts do not bring a wish back. */
  function keep(line: Pick<Line, 'cell'>, change: Partial<MembershipRecord>): void {
    const now = book.cell(line.cell.deviceId, line.cell.groupId)
    if (now !== undefined) book.commit({ cells: [{ ...now, at: clock.now(), source: 'apply', ...change }] })
  }

  /** The table as it was read shows what was wished. */
  function confirm(line: Line, applied: GroupTableEntry | null): void {
    const now = book.cell(line.cell.deviceId, line.cell.groupId)
    if (now !== undefined && applied === null && !now.desired) book.commit({ removedCells: [now] })
    else keep(line, { applied, outcome: applied === null ? 'planned' : 'confirmed', failure: null })
  }

  /** The line as it stands now: the wish may have changed while the table was read. */
  function asOfNow(line: Line): Line | undefined {
    const cell = book.cell(line.cell.deviceId, line.cell.groupId)
    const target = book.target(line.cell.groupId)
    return cell === undefined || target === undefined ? undefined : { ...line, cell, target }
  }

  async function bringAbout(started: Line): Promise<void> {
    const before = await started.profile.readMemberships(started.contact, started.signal)
    const line = asOfNow(started)
    if (line === undefined) return
    const { cell, target, contact, profile, signal } = line
    const { entry, unwanted } = viewTable(book, cell, target, before)
    const missing = cell.desired && !holds(entry, target)
    if (missing || unwanted.length > 0) {
      signal.throwIfAborted()
      keep(line, { outcome: 'sent', failure: null, applied: entry })
      if (missing) await write(line, unwanted)
      for (const leftover of unwanted) await profile.removeMembership(contact, leftover, signal)
      await readBack(line)
      return
    }
    confirm(line, cell.desired ? entry : null)
    options.onTable?.(cell.deviceId, before)
  }

  /** The new entry comes first, so that the device keeps listening; a full table needs the old one gone before. */
  async function write({ contact, profile, target, signal }: Line, unwanted: readonly GroupTableEntry[]): Promise<void> {
    try {
      await profile.writeMembership(contact, target, signal)
    } catch (thrown) {
      if (unwanted.length === 0 || toAppError(thrown).code !== 'coap.response-error') throw thrown
      for (const leftover of unwanted) await profile.removeMembership(contact, leftover, signal)
      await profile.writeMembership(contact, target, signal)
    }
  }

  async function readBack(line: Line): Promise<void> {
    const after = await line.profile.readMemberships(line.contact, line.signal)
    const view = viewTable(book, line.cell, line.target, after)
    const { entry, unwanted } = view
    const asWished = unwanted.length === 0 && (!line.cell.desired || holds(entry, line.target))
    if (asWished) confirm(line, line.cell.desired ? entry : null)
    else keep(line, { outcome: 'failed', applied: openEntry(view, line.target) })
    options.onTable?.(line.cell.deviceId, after)
    if (asWished) return
    throw new AppError('profile.not-confirmed', `The device does not show what was written for ${line.target.name}`, {
      retryable: true,
      details: { group: line.target.name, read: entry === null ? null : { name: entry.name, address: entry.address, port: entry.port } },
    })
  }

  /** Records what the failure means for the membership. An attempt that sent nothing takes no doubt away. */
  async function noteFailure(cell: MembershipRecord, error: AppError, line: Line | undefined): Promise<void> {
    const now = book.cell(cell.deviceId, cell.groupId)
    if (now === undefined) return
    const failure = toFailure(error)
    if (now.outcome === 'sent' && line !== undefined) {
      const table = ANSWERED.has(error.code)
        ? await line.profile.readMemberships(line.contact, line.signal).catch(() => undefined)
        : undefined
      if (table === undefined) keep({ cell }, { outcome: 'unknown', failure: isAbort(error) ? null : failure })
      else keep({ cell }, { outcome: 'failed', failure, applied: openEntry(viewTable(book, cell, line.target, table), line.target) })
    } else if (!isAbort(error)) {
      keep({ cell }, isDoubtful(now) ? { failure } : { outcome: 'failed', failure })
    }
  }

  async function runLine(cell: MembershipRecord, target: GroupTarget, context: ItemContext): Promise<ItemResult> {
    const { deviceId } = cell
    const silent = faults.recent(deviceId, context.jobId)
    let line: Line | undefined
    try {
      if (silent !== undefined) throw silent
      line = { cell, target, ...devices.contact(deviceId), signal: context.signal }
      await bringAbout(line)
    } catch (thrown) {
      const error = toAppError(thrown)
      await noteFailure(cell, error, line)
      if (!isAbort(error) && silent === undefined) {
        options.logger.warn({ device: deviceId, group: cell.groupId, code: error.code }, 'Membership not applied')
        devices.record(deviceId, { source: 'apply', event: 'apply-failed', params: { group: target.name }, failure: toFailure(error) })
        faults.failed(deviceId, context.jobId, error)
      }
      throw error
    }
    faults.succeeded(deviceId)
    settle(deviceId)
    return { state: 'ok' }
  }

  /** The device moves on once nothing of its memberships is open. */
  function settle(deviceId: DeviceId): void {
    const device = devices.get(deviceId)
    if (device === undefined || !book.isSettled(deviceId)) return
    const groups = book.cellsOfDevice(deviceId).length
    if (groups > 0 && device.state !== 'configured') {
      devices.setState(deviceId, 'configured', { source: 'apply', event: 'configured', params: { groups } })
    } else if (groups === 0 && ['configured', 'verified', 'faulty'].includes(device.state)) {
      devices.setState(deviceId, 'seen', { source: 'apply', event: 'groups-removed' })
    }
  }

  function runSubject(deviceId: DeviceId, groupId: GroupId, context: ItemContext): Promise<ItemResult> {
    const cell = book.cell(deviceId, groupId)
    const target = book.target(groupId)
    const open = cell !== undefined && book.planFeed.get(membershipKey(cell)) !== undefined
    if (open && target !== undefined) return runLine(cell, target, context)
    // After a crash the confirmation may be on record before the item is: then there is nothing left to do.
    return Promise.resolve({ state: context.attempt > 1 ? 'ok' : 'skipped' })
  }

  return {
    kind: 'apply',
    concurrency: CONCURRENCY,
    async run(subject, context) {
      const key = readMembershipKey(subject)
      if (key === undefined) return { state: 'skipped' }
      return locks.run(key.deviceId, () => {
        context.signal.throwIfAborted()
        return runSubject(key.deviceId, key.groupId, context)
      })
    },
  }
}
