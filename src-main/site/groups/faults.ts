// When a device counts as faulty, and when it is not asked again: failures in a row, by device, in memory.
import type { AppError } from '#main/base/index.ts'
import { toAppError, type Clock, type DeviceId } from '#main/base/index.ts'
import type { DeviceDirectory } from '#main/site/devices/index.ts'
import type { Failure } from '#contract/model.ts'

export function toFailure(thrown: unknown): Failure {
  const { code, message, retryable, details } = toAppError(thrown)
  return { code, message, retryable, details: { ...details } }
}

/** So many failed attempts in a row make a device faulty: one may be an accident of the radio. */
const FAILURES_UNTIL_FAULTY = 2
/** A device that has just been silent through every retransmission is not waited for again by other items of the same job. */
const SILENCE_MS = 60_000
/** Failures that say something of the device, not of the way to it or of this program. */
const DEVICE_FAILURES: ReadonlySet<string> = new Set([
  'coap.timeout',
  'coap.reset',
  'coap.response-error',
  'coap.message-invalid',
  'profile.reply-unexpected',
  'profile.not-confirmed',
])

export interface FaultTracker {
  /** The failure of the device in the same job a moment ago, if it was silence. */
  recent(deviceId: DeviceId, jobId: string): AppError | undefined
  succeeded(deviceId: DeviceId): void
  failed(deviceId: DeviceId, jobId: string, error: AppError): void
}

export function trackFaults(devices: DeviceDirectory, clock: Clock): FaultTracker {
  const inARow = new Map<DeviceId, number>()
  const silent = new Map<DeviceId, { readonly jobId: string; readonly untilMs: number; readonly error: AppError }>()
  return {
    recent(deviceId, jobId) {
      const entry = silent.get(deviceId)
      return entry?.jobId === jobId && clock.monotonicMs() < entry.untilMs ? entry.error : undefined
    },
    succeeded(deviceId) {
      inARow.delete(deviceId)
      silent.delete(deviceId)
    },
    failed(deviceId, jobId, error) {
      if (!DEVICE_FAILURES.has(error.code)) return
      const count = (inARow.get(deviceId) ?? 0) + 1
      inARow.set(deviceId, count)
      if (error.code === 'coap.timeout') silent.set(deviceId, { jobId, untilMs: clock.monotonicMs() + SILENCE_MS, error })
      const device = devices.get(deviceId)
      if (count < FAILURES_UNTIL_FAULTY || device === undefined || device.state === 'faulty') return
      devices.setState(deviceId, 'faulty', { source: 'apply', event: 'faulty', params: { failures: count }, failure: toFailure(error) })
    },
  }
}
