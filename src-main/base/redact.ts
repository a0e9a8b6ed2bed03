// Takes secrets out of values on their way to a log, the audit or a report: by the names of their keys, at any depth.
import type { JsonValue } from './errors.ts'
import { toHex } from './bytes.ts'

const REDACTED = '[redacted]'
const DEEPEST = 12
const MOST_ENTRIES = 1000
const LONGEST_BYTES = 64

/** Parts of a name that give a secret away wherever they stand, however the name is written. */
const TELLING_PARTS =
  /secret|password|passwd|passphrase|passcode|token|credential|psk|privatekey|apikey|accesskey|authorization|cookie|setupcode/

/** Whether a property of this name should never leave the process in the clear: `psk`, `networkKey`, `master_secret`, `apiToken`, … */
export function isSecretName(name: string): boolean {
  const squashed = name.toLowerCase().replace(/[^a-z0-9]/g, '')
  if (TELLING_PARTS.test(squashed)) return true
  return /keys?$/.test(squashed) && !squashed.includes('public')
}

/** The value as JSON, with `[redacted]` in place of secrets. Takes anything: cycles, errors, bytes and getters that throw. */
export function redact(value: unknown): JsonValue {
  return plain(value, DEEPEST, new Set())
}

/** The same for the members of one object. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, JsonValue> {
  return members(fields, DEEPEST, new Set([fields]))
}

function plain(value: unknown, depth: number, path: Set<object>): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return value.toString()
    case 'object':
      return value === null ? null : plainObject(value, depth, path)
    case 'undefined':
      return null
    case 'symbol':
    case 'function':
      return `[${typeof value}]`
  }
}

function plainObject(value: object, depth: number, path: Set<object>): JsonValue {
  if (path.has(value)) return '[circular]'
  if (depth === 0) return '[deep]'
  if (value instanceof Uint8Array) return toHex(value.subarray(0, LONGEST_BYTES)) + (value.length > LONGEST_BYTES ? '…' : '')
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  path.add(value)
  try {
    if (value instanceof Error) return plainError(value, depth, path)
    if (value instanceof Map) return [...value].slice(0, MOST_ENTRIES).map(([key, entry]) => namedEntry(key, entry, depth, path))
    if (Array.isArray(value) || value instanceof Set)
      return Array.from(value)
        .slice(0, MOST_ENTRIES)
        .map((entry) => plain(entry, depth - 1, path))
    return members(value, depth, path)
  } finally {
    path.delete(value)
  }
}

function namedEntry(key: unknown, entry: unknown, depth: number, path: Set<object>): JsonValue {
  return [plain(key, depth - 1, path), typeof key === 'string' && isSecretName(key) ? REDACTED : plain(entry, depth - 1, path)]
}

function plainError(error: Error, depth: number, path: Set<object>): JsonValue {
  const facts: Record<string, JsonValue> = { name: error.name, message: error.message, ...members(error, depth, path) }
  if (error.stack !== undefined) facts.stack = error.stack
  if (error.cause !== undefined) facts.cause = plain(error.cause, depth - 1, path)
  return facts
}

function members(value: object, depth: number, path: Set<object>): Record<string, JsonValue> {
  const copy: Record<string, JsonValue> = {}
  for (const name of Object.keys(value).slice(0, MOST_ENTRIES)) {
    const entry = isSecretName(name) ? REDACTED : readMember(value, name, depth, path)
    if (entry !== undefined) Object.defineProperty(copy, name, { value: entry, enumerable: true, writable: true, configurable: true })
  }
  return copy
}

function readMember(value: object, name: string, depth: number, path: Set<object>): JsonValue | undefined {
  try {
    const member: unknown = Reflect.get(value, name)
    return member === undefined ? undefined : plain(member, depth - 1, path)
  } catch {
    return '[unreadable]'
  }
}
