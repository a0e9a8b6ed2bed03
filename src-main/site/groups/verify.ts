// The runners of `verify` jobs, which compare group tables with the project and write nothing, and of `identify` jobs.
import { isAbort, toAppError, type Clock, type DeviceId } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { ItemContext, ItemResult, JobRunner } from '#main/site/jobs/index.ts'
import type { GroupBook } from './book.ts'
import { toFailure, type FaultTracker } from './faults.ts'
import type { KeyedLock } from './keyed-lock.ts'
import { driftFailure, takeIn, type TableListener } from './take-in.ts'

export interface VerifyOptions {
  readonly book: GroupBook
  readonly devices: DeviceDirectory
  readonly clock: Clock
  readonly locks: KeyedLock
  readonly faults: FaultTracker
  readonly onTable?: TableListener | undefined
}

const CONCURRENCY = 4

export function createVerifyRunner(options: VerifyOptions): JobRunner {
  const { book, devices, clock, locks, faults } = options

  async function verify(deviceId: DeviceId, { signal }: ItemContext): Promise<ItemResult> {
    const { contact, profile } = devices.contact(deviceId)
    if (profile.groupTable === 'none') return { state: 'skipped' }
    const table = await profile.readMemberships(contact, signal)
    const { memberships, differing: groups } = takeIn(book, deviceId, table, { at: clock.now(), source: 'verify' }, { always: true })
    options.onTable?.(deviceId, table)
    if (groups.length > 0) {
      const failure = driftFailure(groups)
      devices.record(deviceId, { source: 'verify', event: 'verify-differs', params: { groups: groups.join(', ').slice(0, 200) }, failure })
      return { state: 'warning', failure }
    }
    if (memberships > 0 && devices.get(deviceId)?.state !== 'verified') {
      devices.setState(deviceId, 'verified', { source: 'verify', event: 'verified', params: { groups: memberships } })
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
