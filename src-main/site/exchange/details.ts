// Details of failures in an export: canonical JSON, and without what looks like a secret unless it was asked for.
import { redactFields } from '#main/base/index.ts'
import type { SiteDocument } from './document.ts'

type FailureRow = SiteDocument['memberships'][number]['failure']
type Details = NonNullable<FailureRow>['details']
type Json = Details[string]

/** The details as JSON with the members of every object in the order of their names. */
export function canonicalDetails(details: Readonly<Record<string, unknown>>): Details {
  return members(details)
}

function members(fields: object): Record<string, Json> {
  // Readers leave out a member of the name `__proto__`, so it is not written either.
  const entries = Object.entries(fields).filter(([key, value]) => value !== undefined && key !== '__proto__')
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([key, value]) => [key, canonical(value)]))
}

function canonical(value: unknown): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value === 'object') return members(value)
  // Nothing else is JSON; the type of it says enough.
  return typeof value
}

/** The document without values that look like secrets. Nothing else of a site export can hold one. */
export function redactDocument(document: SiteDocument): SiteDocument {
  const redacted = (failure: FailureRow): FailureRow =>
    failure === null ? null : { ...failure, details: canonicalDetails(redactFields(failure.details)) }
  return {
    ...document,
    memberships: document.memberships.map((cell) => ({ ...cell, failure: redacted(cell.failure) })),
    testRuns: document.testRuns.map((run) => ({ ...run, failure: redacted(run.failure) })),
  }
}
