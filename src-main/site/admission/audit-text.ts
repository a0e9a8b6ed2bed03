// What the audit and searches make of records.
import type { PledgeRecord } from './types.ts'

const LISTED_IN_AUDIT = 20

export function told(pledges: readonly PledgeRecord[]): Readonly<Record<string, unknown>> {
  return { pledges: short(pledges.map(({ key, serialNumber }) => serialNumber ?? key)), count: pledges.length }
}

/** The audit says who did what, not every line of it. */
export function short(texts: readonly string[]): readonly string[] {
  return texts.slice(0, LISTED_IN_AUDIT)
}

export function hasAll(text: string, search: string): boolean {
  const lower = text.toLowerCase()
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => lower.includes(word))
}
