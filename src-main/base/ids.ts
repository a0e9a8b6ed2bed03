// Branded identifiers, so that a room's id cannot be taken for a device's.
import type { Random } from './random.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]?: Name }

export type SiteId = Branded<'SiteId'>
export type DeviceId = Branded<'DeviceId'>
export type RoomId = Branded<'RoomId'>
/** An application group's id. */
export type GroupId = Branded<'GroupId'>
export type CoapGroupId = Branded<'CoapGroupId'>
export type JobId = Branded<'JobId'>
/** EUI-64, 16 lower-case hex digits without separators. */
export type Eui64 = Branded<'Eui64'>

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** A new identifier: the prefix, a hyphen and 16 Crockford base-32 characters (80 random bits). */
export function newId(prefix: string, random: Random): string {
  return `${prefix}-${Array.from(random.bytes(16), (byte) => ALPHABET[byte & 31]).join('')}`
}

/** The EUI-64 that the text writes (separators `-`, `:`, `.` or none), or undefined when it is not one. */
export function parseEui64(text: string): Eui64 | undefined {
  const digits = text
    .trim()
    .toLowerCase()
    .replace(/[-:.\s]/g, '')
  return /^[0-9a-f]{16}$/.test(digits) ? digits : undefined
}
