// Reads what comes in: CBOR maps of application/ace-groupcomm+cbor and application/ace+cbor, field by field, total on any bytes.
import { decodeCbor, isCborMap, type CborKey, type CborValue } from '#main/base/index.ts'
import { I_REGEXP_TAG, listOf } from './scope.ts'

export type Fields = ReadonlyMap<CborKey, CborValue>

const MAX_BYTES = 64 * 1024

/** The map that a payload holds, undefined for anything else. */
export function readFields(payload: Uint8Array): Fields | undefined {
  const value = readItem(payload)
  return isCborMap(value) ? value : undefined
}

/** The item, undefined for what is none. */
export function readItem(payload: Uint8Array): CborValue {
  try {
    return decodeCbor(payload, { maxBytes: MAX_BYTES, tags: [I_REGEXP_TAG] })
  } catch {
    return undefined
  }
}

export function bytesOf(value: CborValue): Uint8Array | undefined {
  return value instanceof Uint8Array ? value : undefined
}

export function textOf(value: CborValue): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** A whole number from 0 on. */
export function uintOf(value: CborValue): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

/** All elements as byte strings, undefined where one is none or it is no array. */
export function byteStringsOf(value: CborValue): readonly Uint8Array[] | undefined {
  if (!Array.isArray(value)) return undefined
  const strings = listOf(value).flatMap((element) => (element instanceof Uint8Array ? [element] : []))
  return strings.length === value.length ? strings : undefined
}

export function textsOf(value: CborValue): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined
  const texts = listOf(value).flatMap((element) => (typeof element === 'string' ? [element] : []))
  return texts.length === value.length ? texts : undefined
}

export function uintsOf(value: CborValue): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined
  const numbers = listOf(value).flatMap((element) => uintOf(element) ?? [])
  return numbers.length === value.length ? numbers : undefined
}

/** Which credentials are asked for (RFC 9594 §4.3.1). */
export interface CredentialFilter {
  /** Whether those are wanted that match, or those that do not. */
  readonly inclusive: boolean
  /** Sums of roles, each to be had whole. */
  readonly roles: readonly number[]
  readonly senderIds: readonly Uint8Array[]
}

/** get_creds: null for all, a filter, or undefined where it is malformed. */
export function readGetCreds(value: CborValue): CredentialFilter | null | undefined {
  if (value === null) return null
  const [inclusive, roleFilter, idFilter, ...more] = listOf(value)
  const roles = uintsOf(roleFilter)
  const senderIds = byteStringsOf(idFilter)
  if (typeof inclusive !== 'boolean' || roles === undefined || senderIds === undefined || more.length > 0) return undefined
  return { inclusive, roles, senderIds }
}
