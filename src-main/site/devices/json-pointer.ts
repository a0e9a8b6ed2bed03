// JSON Pointer (RFC 6901) and equality of JSON values, for what profiles read from a device's answers.
import type { JsonValue } from '#main/base/index.ts'

/** Whether the text is a JSON Pointer: empty, or `/`-led tokens with `~0` and `~1` as the only escapes (§3). */
export function isJsonPointer(text: string): boolean {
  return /^(\/([^~/]|~[01])*)*$/.test(text)
}

/** The value that the pointer names, or undefined where there is none (§4). */
export function atPointer(value: JsonValue, pointer: string): JsonValue | undefined {
  let here: JsonValue | undefined = value
  for (const raw of pointer.split('/').slice(1)) {
    // The order matters: `~01` is `~1`, not `/` (§4).
    const token = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    if (isJsonArray(here)) here = /^(0|[1-9]\d*)$/.test(token) ? here[Number(token)] : undefined
    else if (typeof here === 'object' && here !== null && Object.hasOwn(here, token)) here = here[token]
    else return undefined
  }
  return here
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

/** Deep equality; the order of members does not count. */
export function equalJson(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (isJsonArray(a) || isJsonArray(b)) {
    return isJsonArray(a) && isJsonArray(b) && a.length === b.length && a.every((item, index) => equalJson(item, b[index]))
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && equalJson(a[name], b[name]))
}

/** What JSON.parse gives is JSON by definition; this tells the compiler. */
function isJson(value: unknown): value is JsonValue {
  return value !== undefined
}

/** The JSON value that the text writes, or undefined where it is none. */
export function parseJson(text: string): JsonValue | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJson(value) ? value : undefined
  } catch {
    return undefined
  }
}
