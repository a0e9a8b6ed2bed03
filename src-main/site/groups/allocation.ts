// Choice of multicast addresses and ports for CoAP groups by the site's policy: unicast-prefix-based (RFC 3306 §4) on a unique local
// prefix of the site (RFC 4193 §3.2) or on a prefix of the network's, transient (RFC 4291 §2.7), from a list, as KNX IoT does, or IPv4
// (RFC 2365 §6). Group ids are of the dynamic range (RFC 3307 §4.3).
import { AppError, equalBytes, fromHex, sha256, type DeviceId, type Random, utf8 } from '#main/base/index.ts'
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '#main/wire/ip/index.ts'
import { allocationSettings, type AllocationSettings, type MulticastScope } from '#contract/model.ts'
import { listAt, listSize, parseList, parsePrefix, parseRange, type ListPart } from './address-ranges.ts'
import type { AddressHolds } from './holds.ts'

const SCOP = { 'link-local': 2, 'realm-local': 3, 'admin-local': 4, 'site-local': 5, 'organization-local': 8, global: 14 } as const
/** Group ids of dynamic allocation are 0x80000000 to 0xffffffff. */
const DYNAMIC_RANGE = 0x8000_0000
/** A /48 is what RFC 4193 gives to one site. */
const PREFIX_LENGTH = 48
/** Ports that nobody is given for good (RFC 6335 §6): one for each group where the port is its name. */
const DYNAMIC_PORTS = { first: 49_152, count: 16_384 } as const
/** So often an address is drawn that no other group's frames go to; then one that is merely free will do. */
const DRAWS = 64

export type Ip6Scope = Exclude<MulticastScope, 'ipv4'>

export interface AllocationPolicy {
  /** What the site's prefix is derived from: the site's id, so that two sites in one network do not meet. */
  readonly prefixId: string
  readonly scope?: Ip6Scope
  /** The smallest scope that reaches these members; `scope` where it is not told. */
  readonly scopeFor?: (members: readonly DeviceId[]) => Ip6Scope
  readonly settings?: AllocationSettings
  /** Port of new groups; `own`: one of the dynamic ports for each. */
  readonly port?: number | 'own'
  /** Addresses that a device may still listen to though the project knows no group there. */
  readonly holds?: AddressHolds | undefined
}

export interface AddressQuestions {
  /** Answers for every address that a group has or that a device may still listen to. */
  readonly isInUse: (address: string) => boolean
  /** Whether frames to another group go to the same link-layer address. */
  readonly isCrowded?: (address: string) => boolean
  readonly members?: readonly DeviceId[]
}

export const DEFAULT_ALLOCATION: AllocationSettings = allocationSettings.parse({})

/** The site's unique local /48: `fd` and 40 bits of the hash of its id. */
export function sitePrefix(prefixId: string): Uint8Array {
  const digest = sha256(utf8(`groupwright group prefix ${prefixId}`))
  return Uint8Array.from([0xfd, ...digest.subarray(0, 5)])
}

/**
 * A free address. Ids are drawn, not counted: the range is so wide that an address given up long ago, by a device that nobody can ask
 * any more, does not come again. Lists are taken in their order. Throws `group.address-taken` where none is left, `group.address-invalid` where the policy makes none.
 */
export function allocateAddress(
  policy: AllocationPolicy,
  random: Random,
  asked: AddressQuestions | ((address: string) => boolean),
): string {
  const questions = typeof asked === 'function' ? { isInUse: asked } : asked
  const { isInUse, isCrowded = () => false } = questions
  const range = rangeOf(policy, questions.members ?? [])
  for (let draw = 0; draw < Math.min(DRAWS, range.size); draw++) {
    const address = range.at(range.drawn ? random.below(range.size) : draw)
    if (!isInUse(address) && !isCrowded(address)) return address
  }
  const first = range.drawn ? random.below(range.size) : 0
  // Successive ones after the drawn one: finds a free one for certain, also with a poor source of chance.
  for (let step = 0; step < range.size; step++) {
    const address = range.at((first + step) % range.size)
    if (!isInUse(address)) return address
  }
  throw new AppError('group.address-taken', 'Every group address of the site is in use', { details: { prefixId: policy.prefixId } })
}

/** The port of a new CoAP group: the same for all of its members and clients (groupcomm-bis §3.4). */
export function allocatePort(policy: AllocationPolicy, random: Random, isTaken: (port: number) => boolean, fallback: number): number {
  if (policy.port !== 'own') return policy.port ?? fallback
  const first = random.below(DYNAMIC_PORTS.count)
  for (let step = 0; step < DYNAMIC_PORTS.count; step++) {
    const port = DYNAMIC_PORTS.first + ((first + step) % DYNAMIC_PORTS.count)
    if (!isTaken(port)) return port
  }
  throw new AppError('group.address-taken', 'Every dynamic port is that of a group', { details: { ports: DYNAMIC_PORTS.count } })
}

export function isDynamicPort(port: number): boolean {
  return port >= DYNAMIC_PORTS.first
}

/** Whether the address lies in the site's own range, so that nobody but this tool can have given it to a device. */
export function isOwnAddress(policy: AllocationPolicy, address: string): boolean {
  const bytes = parseIpv6(address)
  if (bytes?.[0] !== 0xff || (bytes[1] ?? 0) >> 4 !== 3 || bytes[2] !== 0 || bytes[3] !== PREFIX_LENGTH) return false
  return equalBytes(bytes.subarray(4, 10), sitePrefix(policy.prefixId)) && (bytes[12] ?? 0) >= 0x80
}

/** Whether the policy as it is now could have chosen the address, whatever its scope. */
export function fitsPolicy(policy: AllocationPolicy, address: string): boolean {
  const settings = policy.settings ?? DEFAULT_ALLOCATION
  const ip6 = parseIpv6(address)
  const flags = ip6 === undefined ? undefined : (ip6[1] ?? 0) >> 4
  switch (settings.policy) {
    case 'transient':
      return flags === 1
    case 'list':
      return parseList(settings.list).some((part) => part.contains(address))
    case 'ipv4':
      return parseRange(settings.range).contains(address)
    case 'prefix':
    case 'knx': {
      if (ip6 === undefined || flags !== 3) return false
      const { bytes, length } = prefixOf(policy, settings)
      return ip6[3] === length && equalBytes(ip6.subarray(4, 4 + bytes.length), bytes)
    }
  }
}

/** Throws `group.address-invalid` where the settings make no group addresses. */
export function checkAllocation(settings: AllocationSettings): void {
  rangeOf({ prefixId: 'check', settings }, [])
}

interface AddressRange {
  readonly size: number
  /** By chance, or in order. */
  readonly drawn: boolean
  at(index: number): string
}

function rangeOf(policy: AllocationPolicy, members: readonly DeviceId[]): AddressRange {
  const settings = policy.settings ?? DEFAULT_ALLOCATION
  const scope =
    settings.scope === 'auto'
      ? ((members.length === 0 ? undefined : policy.scopeFor?.(members)) ?? policy.scope ?? 'site-local')
      : settings.scope
  switch (settings.policy) {
    case 'list':
      return listRange(parseList(settings.list))
    case 'ipv4':
      return ip4Range(parseRange(settings.range))
    case 'transient':
      return transientRange(scope, policy.prefixId)
    case 'prefix':
    case 'knx':
      return prefixRange(scope, prefixOf(policy, settings))
  }
}

function prefixOf(policy: AllocationPolicy, settings: AllocationSettings): { readonly bytes: Uint8Array; readonly length: number } {
  if (settings.policy === 'knx' && settings.installation !== '') {
    // The installation identifier stands where a unique local prefix has its global id.
    const id = fromHex(settings.installation.toLowerCase().padStart(10, '0')) ?? new Uint8Array(5)
    return { bytes: Uint8Array.from([0xfd, ...id]), length: PREFIX_LENGTH }
  }
  if (settings.policy === 'prefix' && settings.prefix !== '') return parsePrefix(settings.prefix)
  return { bytes: sitePrefix(policy.prefixId), length: PREFIX_LENGTH }
}

function prefixRange(scope: Ip6Scope, { bytes, length }: { readonly bytes: Uint8Array; readonly length: number }): AddressRange {
  const address = new Uint8Array(16)
  address.set([0xff, 0x30 | SCOP[scope], 0, length])
  address.set(bytes, 4)
  return { size: DYNAMIC_RANGE, drawn: true, at: (index) => withGroupId(address, index) }
}

/** T alone: nothing tells whose it is, so all bits before the group id are the site's by hash. */
function transientRange(scope: Ip6Scope, prefixId: string): AddressRange {
  const address = new Uint8Array(16)
  address.set([0xff, 0x10 | SCOP[scope]])
  address.set(sha256(utf8(`groupwright transient groups ${prefixId}`)).subarray(0, 10), 2)
  return { size: DYNAMIC_RANGE, drawn: true, at: (index) => withGroupId(address, index) }
}

function withGroupId(address: Uint8Array, index: number): string {
  new DataView(address.buffer).setUint32(12, DYNAMIC_RANGE + index)
  return formatIpv6(address)
}

function listRange(parts: readonly ListPart[]): AddressRange {
  return { size: listSize(parts), drawn: false, at: (index) => listAt(parts, index) }
}

function ip4Range({ first, size }: { readonly first: string; readonly size: number }): AddressRange {
  const start = new DataView((parseIpv4(first) ?? new Uint8Array(4)).buffer).getUint32(0)
  return {
    size,
    drawn: true,
    at(index) {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, start + index)
      return formatIpv4(bytes)
    },
  }
}
