// The runners of `verify` jobs, which compare group tables with the project and write nothing, and of `identify` jobs.
import { AppError, isAbort, toAppError, type Clock, type DeviceId } from '#main/base/index.ts'
import type { DeviceDirectory, GroupTableEntry } from '#main/site/devices/index.ts'
import type { ItemContext, ItemResult, JobRunner } from '#main/site/jobs/index.ts'
import type { GroupBook } from './book.ts'
import { toFailure, type FaultTracker } from './faults.ts'
import type { KeyedLock } from './keyed-lock.ts'
import { holds, isDoubtful } from './plan.ts'
import { viewTable } from './table.ts'
import type { MembershipRecord } from './types.ts'

export interface VerifyOptions {
  readonly book: GroupBook
  readonly devices: DeviceDirectory
  readonly clock: Clock
  readonly locks: KeyedLock
  readonly faults: FaultTracker
}

const CONCURRENCY = 4

export function createVerifyRunner(options: VerifyOptions): JobRunner {
  const { book, devices, clock, locks, faults } = options

  /** What the table says of one membership: the cell to keep, or undefined where the device has let go as wished. */
  function observed(cell: MembershipRecord, table: readonly GroupTableEntry[]): MembershipRecord | undefined {
    const target = book.target(cell.groupId)
    if (target === undefined) return cell
    const view = viewTable(book, cell, target, table)
    const applied = view.entry
    const fact = { ...cell, applied, at: clock.now(), source: 'verify' as const }
    if (!cell.desired) return applied === null ? undefined : { ...fact, outcome: 'confirmed', failure: null }
    // The write has arrived, but what it was to replace is there still.
    const leftover = isDoubtful(cell) ? view.unwanted[0] : view.unwanted.find(({ name }) => name === cell.applied?.name)
    if (holds(applied, target) && leftover !== undefined)
      return { ...fact, applied: leftover, outcome: cell.outcome === 'failed' ? 'failed' : 'planned' }
    if (holds(applied, target)) return { ...fact, outcome: 'confirmed', failure: null }
    const drifted = cell.outcome === 'confirmed' && holds(cell.applied, target)
    if (drifted) return { ...fact, outcome: 'failed', failure: toFailure(driftError([target.name])) }
    // A write in doubt has been answered by the table: it has not arrived.
    return { ...fact, outcome: isDoubtful(cell) || cell.outcome === 'confirmed' ? 'planned' : cell.outcome }
  }

  async function verify(deviceId: DeviceId, { signal }: ItemContext): Promise<ItemResult> {
    const { contact, profile } = devices.contact(deviceId)
    const table = await profile.readMemberships(contact, signal)
    const cells: MembershipRecord[] = []
    const removedCells: MembershipRecord[] = []
    for (const cell of book.cellsOfDevice(deviceId)) {
      const after = observed(cell, table)
      if (after === undefined) removedCells.push(cell)
      else cells.push(after)
    }
    book.commit({ cells, removedCells })
    const differing = cells.filter((cell) => book.planFeed.get(`${cell.deviceId} ${cell.groupId}`) !== undefined)
    const groups = differing.map((cell) => book.target(cell.groupId)?.name ?? cell.groupId)
    if (groups.length > 0) {
      const failure = toFailure(driftError(groups))
      devices.record(deviceId, { source: 'verify', event: 'verify-differs', params: { groups: groups.join(', ').slice(0, 200) }, failure })
      return { state: 'warning', failure }
    }
    if (cells.length > 0 && devices.get(deviceId)?.state !== 'verified') {
      devices.setState(deviceId, 'verified', { source: 'verify', event: 'verified', params: { groups: cells.length } })
    }
    return { state: 'ok' }
  }

  return {
    kind: 'verify',
    concurrency: CONCURRENCY,
    run: (deviceId, context) =>
      locks.run(deviceId, async () => {
        context.signal.throwIfAborted()
        if (devices.get(deviceId) === undefined) return { state: 'skipped' }
        try {
          const result = await verify(deviceId, context)
          faults.succeeded(deviceId)
          return result
        } catch (thrown) {
          const error = toAppError(thrown)
          if (!isAbort(error)) {
            devices.record(deviceId, { source: 'verify', event: 'verify-failed', failure: toFailure(error) })
            faults.failed(deviceId, context.jobId, error)
          }
          throw error
        }
      }),
  }
}

function driftError(groups: readonly string[]): AppError {
  return new AppError('profile.not-confirmed', 'The group table of the device is not what the project wants', {
    retryable: true,
    details: { groups: groups.slice(0, 20) },
  })
}

export interface IdentifyOptions {
  readonly devices: DeviceDirectory
  readonly locks: KeyedLock
  readonly seconds: () => number
}

export function createIdentifyRunner({ devices, locks, seconds }: IdentifyOptions): JobRunner {
  return {
    kind: 'identify',
    concurrency: CONCURRENCY,
    run: (deviceId, { signal }) =>
      locks.run(deviceId, async () => {
        signal.throwIfAborted()
        if (devices.get(deviceId) === undefined) return { state: 'skipped' }
        const { contact, profile } = devices.contact(deviceId)
        await profile.identify(contact, seconds(), signal)
        devices.record(deviceId, { source: 'operator', event: 'identified', params: { seconds: seconds() } })
        return { state: 'ok' }
      }),
  }
}
