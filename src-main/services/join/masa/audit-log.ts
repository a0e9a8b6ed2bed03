// The maker's log of a device in JSON (RFC 8995 §5.8.1), written and read. Reading is total: numbers may be texts, as in the RFC's example.
import { AppError, fromHex, toHex, utf8, utf8ToText } from '#main/base/index.ts'
import { fromBase64, toBase64 } from '../voucher/base64.ts'
import { fromDateAndTime, toDateAndTime } from '../voucher/date-and-time.ts'
import type { AuditEvent, AuditLog } from '../voucher/index.ts'

const MAX_EVENTS = 10_000
const MAX_BYTES = 2 * 1024 * 1024

export function encodeAuditLog({ version, events, truncation }: AuditLog): Uint8Array {
  const lines = events.map(({ atMs, domainId, nonce, assertion, truncated }) => ({
    date: toDateAndTime(atMs),
    domainID: toBase64(fromHex(domainId) ?? new Uint8Array(0)),
    nonce: nonce ?? null,
    assertion,
    ...(truncated === 0 ? {} : { truncated }),
  }))
  const counters = { 'nonced duplicates': truncation.nonced, 'nonceless duplicates': truncation.nonceless, arbitrary: truncation.arbitrary }
  return utf8(JSON.stringify({ version, events: lines, truncation: counters }))
}

/** Fails with `voucher.masa-refused` for what is no log. */
export function decodeAuditLog(bytes: Uint8Array): AuditLog {
  if (bytes.length > MAX_BYTES) throw notOne('it is too large')
  const log = objectOf(parse(bytes))
  const events = log.events
  if (!Array.isArray(events) || events.length > MAX_EVENTS) throw notOne('it has no events')
  const truncation = log.truncation === undefined ? {} : objectOf(log.truncation)
  return {
    version: countOf(log.version),
    events: events.map(readEvent),
    truncation: {
      nonced: countOf(truncation['nonced duplicates']),
      nonceless: countOf(truncation['nonceless duplicates']),
      arbitrary: countOf(truncation.arbitrary),
    },
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8ToText(bytes) ?? '')
  } catch (cause) {
    throw notOne('it is no JSON', cause)
  }
}

function readEvent(value: unknown): AuditEvent {
  const { date, domainID, nonce, assertion, truncated } = objectOf(value)
  const atMs = typeof date === 'string' ? fromDateAndTime(date) : undefined
  const domainId = typeof domainID === 'string' ? fromBase64(domainID) : undefined
  if (atMs === undefined || domainId === undefined || typeof assertion !== 'string') throw notOne('an event cannot be read')
  return {
    atMs,
    domainId: toHex(domainId),
    nonce: typeof nonce === 'string' ? nonce.slice(0, 100) : undefined,
    assertion: assertion.slice(0, 40),
    truncated: countOf(truncated),
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notOne('it is no object')
  return { ...value }
}

function countOf(value: unknown): number {
  const count = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : 0
}

function notOne(why: string, cause?: unknown): AppError {
  return new AppError('voucher.masa-refused', `The server's answer is no audit log: ${why}`, { details: { why }, cause })
}
