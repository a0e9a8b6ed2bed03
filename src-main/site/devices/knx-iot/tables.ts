// Group objects, recipients, publishers and access tokens of a KNX IoT device: CBOR maps with the integer keys of KNX 3/10/5.
// Written to what the older and the newer public stack both take.
import { AppError, decodeCbor, encodeCbor, type CborKey, type CborValue } from '#main/base/index.ts'

/** Keys of all maps of the interface. */
export const KEY = {
  id: 0,
  value: 1,
  command: 2,
  status: 3,
  oscore: 4,
  salt: 5,
  contextId: 6,
  groupAddresses: 7,
  flags: 8,
  scope: 9,
  share: 10,
  href: 11,
  individualAddress: 12,
  groupId: 13,
  token: 14,
  random: 15,
  iterations: 16,
  fabricId: 25,
  installationId: 26,
  profile: 38,
} as const

export type GroupObjectFlag = 'communicate' | 'read' | 'write' | 'initialise' | 'transmit' | 'update'

const FLAGS: Readonly<Record<GroupObjectFlag, number>> = { communicate: 4, read: 8, write: 16, initialise: 32, transmit: 64, update: 128 }

/** Binds a datapoint to group addresses; the first is the one it sends to. */
export interface GroupObject {
  readonly id: number
  /** Path of the datapoint, e.g. `/p/o_1_1`. */
  readonly href: string
  readonly groupAddresses: readonly number[]
  readonly flags: readonly GroupObjectFlag[]
}

/** Where messages of these group addresses go to (recipient) or come from (publisher): one multicast group. */
export interface GroupRoute {
  readonly id: number
  readonly groupAddresses: readonly number[]
  readonly groupId: number
}

export interface UnicastToken {
  readonly id: string
  /** Interfaces, e.g. `if.c`. */
  readonly scope: readonly string[]
  readonly senderId: Uint8Array
  readonly masterSecret: Uint8Array
}

export interface GroupToken {
  readonly id: string
  readonly groupAddresses: readonly number[]
  readonly senderId: Uint8Array
  readonly masterSecret: Uint8Array
  /** Each sender's own: with the same one, two would use a nonce twice. */
  readonly contextId: Uint8Array
}

const LONGEST_HREF = 30
const MOST_ADDRESSES = 256
const OSCORE_PROFILE = 2

/** For POST to /fp/g. */
export function encodeGroupObjects(objects: readonly GroupObject[]): Uint8Array {
  return encodeCbor(
    objects.map(({ id, href, groupAddresses, flags }) => {
      if (href.length > LONGEST_HREF || groupAddresses.length === 0 || flags.length === 0)
        throw new AppError('input.invalid', 'A group object needs a short path, group addresses and flags')
      return mapOf([
        [KEY.id, id],
        [KEY.groupAddresses, [...groupAddresses]],
        [KEY.flags, flags.reduce((sum, flag) => sum | FLAGS[flag], 0)],
        [KEY.href, href],
      ])
    }),
  )
}

/** For POST to /fp/r and /fp/p. */
export function encodeGroupRoutes(routes: readonly GroupRoute[]): Uint8Array {
  return encodeCbor(
    routes.map(({ id, groupAddresses, groupId }) =>
      mapOf([
        [KEY.id, id],
        [KEY.groupAddresses, [...groupAddresses]],
        [KEY.groupId, groupId],
      ]),
    ),
  )
}

/** A map with its id alone deletes that entry. */
export function encodeDeletions(ids: readonly number[]): Uint8Array {
  return encodeCbor(ids.map((id) => mapOf([[KEY.id, id]])))
}

/** For POST to /auth/at. The algorithm is left out: both stacks refuse it, though they use the one that is meant. */
export function encodeTokens(tokens: ReadonlyArray<UnicastToken | GroupToken>): Uint8Array {
  return encodeCbor(
    tokens.map((token) => {
      const oscore: Array<[number, CborValue]> = [
        [KEY.id, token.senderId],
        [KEY.command, token.masterSecret],
      ]
      if ('contextId' in token) oscore.push([KEY.contextId, token.contextId])
      return mapOf([
        [KEY.id, token.id],
        [KEY.flags, mapOf([[KEY.oscore, mapOf(oscore)]])],
        [KEY.scope, 'scope' in token ? [...token.scope] : [...token.groupAddresses]],
        [KEY.profile, OSCORE_PROFILE],
      ])
    }),
  )
}

export function mapOf(entries: ReadonlyArray<readonly [number, CborValue]>): ReadonlyMap<CborKey, CborValue> {
  return new Map<CborKey, CborValue>(entries)
}

export function encodeMap(entries: ReadonlyArray<readonly [number, CborValue]>): Uint8Array {
  return encodeCbor(mapOf(entries))
}

/** The map of an answer, of definite or indefinite length. Throws `profile.reply-unexpected`. */
export function decodeMap(payload: Uint8Array): ReadonlyMap<CborKey, CborValue> {
  let value: CborValue
  try {
    value = decodeCbor(payload, { maxBytes: 64 * 1024, maxDepth: 8 })
  } catch (cause) {
    throw unexpected('is not CBOR', cause)
  }
  if (!(value instanceof Map)) throw unexpected('is no map')
  return value
}

export function decodeGroupObject(payload: Uint8Array): GroupObject {
  const map = decodeMap(payload)
  const flags = numberIn(map, KEY.flags)
  const href = map.get(KEY.href)
  if (typeof href !== 'string') throw unexpected('has no path')
  return {
    id: numberIn(map, KEY.id),
    href,
    groupAddresses: addressesIn(map),
    flags: flagNames.filter((name) => (flags & FLAGS[name]) !== 0),
  }
}

/** Undefined for an entry that is not of a multicast group. */
export function decodeGroupRoute(payload: Uint8Array): GroupRoute | undefined {
  const map = decodeMap(payload)
  const groupId = map.get(KEY.groupId)
  if (typeof groupId !== 'number' || groupId === 0) return undefined
  return { id: numberIn(map, KEY.id), groupAddresses: addressesIn(map), groupId }
}

const flagNames: readonly GroupObjectFlag[] = ['communicate', 'read', 'write', 'initialise', 'transmit', 'update']

function addressesIn(map: ReadonlyMap<CborKey, CborValue>): readonly number[] {
  const value = map.get(KEY.groupAddresses)
  const items: readonly unknown[] = Array.isArray(value) ? value : []
  const addresses = items.filter((item): item is number => typeof item === 'number' && Number.isInteger(item) && item >= 0)
  if (addresses.length !== items.length || items.length > MOST_ADDRESSES) throw unexpected('has strange group addresses')
  return addresses
}

export function numberIn(map: ReadonlyMap<CborKey, CborValue>, key: number): number {
  const value = map.get(key)
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw unexpected(`has no number under ${key}`)
  return value
}

export function bytesIn(map: ReadonlyMap<CborKey, CborValue>, key: number, length: number): Uint8Array {
  const value = map.get(key)
  if (!(value instanceof Uint8Array) || value.length !== length) throw unexpected(`has no ${length} bytes under ${key}`)
  return value
}

export function unexpected(what: string, cause?: unknown): AppError {
  return new AppError('profile.reply-unexpected', `The device's answer ${what}`, {
    details: { text: what },
    ...(cause === undefined ? {} : { cause }),
  })
}
