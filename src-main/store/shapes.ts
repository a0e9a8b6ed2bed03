// What JSON columns must hold: checked when read, because a site file may come from anywhere.
import type { DemoOptions, Failure, NetworkOptions, SiteDetails, TestRunRow } from '#contract/model.ts'

type Members = Readonly<Record<string, unknown>>
type Params = Readonly<Record<string, string | number>>

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

export function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

export function isFailure(value: unknown): value is Failure {
  return isMembers(value) && isText(value.code) && isText(value.message) && typeof value.retryable === 'boolean' && isMembers(value.details)
}

export function isParams(value: unknown): value is Params {
  return isMembers(value) && Object.values(value).every((member) => isText(member) || typeof member === 'number')
}

export function isSiteDetails(value: unknown): value is SiteDetails {
  return isMembers(value) && [value.name, value.organisation, value.address, value.operator].every(isText)
}

export function isDemoOptions(value: unknown): value is DemoOptions | null {
  return value === null || (isMembers(value) && isWhole(value.devices) && typeof value.lossPercent === 'number' && isWhole(value.seed))
}

export function isNetworkOptions(value: unknown): value is NetworkOptions | null {
  return value === null || (isMembers(value) && isText(value.bindAddress) && isWhole(value.coapPort))
}

/** The frame of a test run; its members are those of the run's own writer. */
export function isTestRun(value: unknown): value is TestRunRow {
  if (!isMembers(value) || !Array.isArray(value.members) || !value.members.every(isMembers)) return false
  const texts = [value.id, value.groupId, value.groupName, value.action, value.state, value.uri]
  return texts.every(isText) && isWhole(value.startedAt) && (value.failure === null || isFailure(value.failure))
}
