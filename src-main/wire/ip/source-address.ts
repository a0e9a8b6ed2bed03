// Which of its own addresses a host sends from (RFC 6724 §5), for one interface and without home or temporary addresses.
import type { LinkAddress } from '#main/wire/links/index.ts'
import { isLinkLocalUnicastAt } from './ipv6-header.ts'

export interface SourceCandidate {
  readonly address: LinkAddress
  readonly bytes: Uint8Array
}

/** The default policy table (§2.1): prefix, its length, label. Longest first. */
const LABELS: ReadonlyArray<readonly [readonly number[], number, number]> = [
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128, 0],
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 96, 4],
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 96, 3],
  [[0x20, 0x01, 0, 0], 32, 5],
  [[0x20, 0x02], 16, 2],
  [[0x3f, 0xfe], 16, 12],
  [[0xfe, 0xc0], 10, 11],
  [[0xfc], 7, 13],
  [[], 0, 1],
]
const LINK_LOCAL_SCOPE = 2
const REALM_LOCAL_SCOPE = 3
const SITE_LOCAL_SCOPE = 5
const GLOBAL_SCOPE = 14

/** The candidate to send from; undefined where there is none. */
export function selectSource(candidates: readonly SourceCandidate[], destination: Uint8Array): SourceCandidate | undefined {
  let best: SourceCandidate | undefined
  for (const candidate of candidates) if (best === undefined || compareSources(candidate, best, destination) < 0) best = candidate
  return best
}

/** Negative where `a` is the better source. The rules in their order; 4, 5, 5.5 and 7 know no difference here. */
function compareSources(a: SourceCandidate, b: SourceCandidate, destination: Uint8Array): number {
  const rule1 = Number(isSame(b.bytes, destination)) - Number(isSame(a.bytes, destination))
  if (rule1 !== 0) return rule1
  const [scopeA, scopeB, scope] = [scopeOf(a.bytes), scopeOf(b.bytes), scopeOf(destination)]
  if (scopeA < scopeB) return scopeA < scope ? 1 : -1
  if (scopeB < scopeA) return scopeB < scope ? -1 : 1
  const rule3 = Number(isToAvoid(a)) - Number(isToAvoid(b))
  if (rule3 !== 0) return rule3
  const label = labelOf(destination)
  const rule6 = Number(labelOf(b.bytes) === label) - Number(labelOf(a.bytes) === label)
  if (rule6 !== 0) return rule6
  // A prefix in common with a group says nothing about nearness.
  if (destination[0] !== 0xff) {
    const rule8 = commonPrefixLength(b, destination) - commonPrefixLength(a, destination)
    if (rule8 !== 0) return rule8
  }
  return rankOf(a.address.origin, scope) - rankOf(b.address.origin, scope)
}

/** Scopes of unicast are compared with those of multicast (§3.1); unique local addresses are of global scope. */
function scopeOf(address: Uint8Array): number {
  if (address[0] === 0xff) return (address[1] ?? 0) & 0x0f
  if (isLinkLocalUnicastAt(address, 0) || isLoopback(address)) return LINK_LOCAL_SCOPE
  return address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0xc0 ? SITE_LOCAL_SCOPE : GLOBAL_SCOPE
}

/** Deprecated addresses, and locators: those of a Thread router name its place in the mesh and change with it. */
function isToAvoid(candidate: SourceCandidate): boolean {
  return candidate.address.deprecated === true || isLocator(candidate.bytes)
}

/** Whether the interface identifier is 0000:00ff:fe00:xxxx, made of a 16-bit address (RFC 4944 §6). */
export function isLocator(address: Uint8Array): boolean {
  return [0, 0, 0, 0xff, 0xfe, 0].every((byte, index) => address[8 + index] === byte)
}

/** Among equals: the mesh's own prefix inside the mesh, one that is routed beyond it for wider groups. */
function rankOf(origin: LinkAddress['origin'], scope: number): number {
  const order = scope <= REALM_LOCAL_SCOPE ? INNER : OUTER
  return order.indexOf(origin)
}
const INNER: ReadonlyArray<LinkAddress['origin']> = ['mesh-local', 'on-mesh', 'assigned', 'link-local']
const OUTER: ReadonlyArray<LinkAddress['origin']> = ['on-mesh', 'assigned', 'mesh-local', 'link-local']

/** The address that peers in the mesh are told, where the host has several. */
export function preferredAddress(candidates: readonly SourceCandidate[]): SourceCandidate | undefined {
  return candidates.toSorted(
    (a, b) => Number(isToAvoid(a)) - Number(isToAvoid(b)) || INNER.indexOf(a.address.origin) - INNER.indexOf(b.address.origin),
  )[0]
}

function labelOf(address: Uint8Array): number {
  return LABELS.find(([prefix, length]) => sharedBits(Uint8Array.from(prefix), address, length) >= length)?.[2] ?? 1
}

/** At most the length of the source's own prefix (§2.2). */
function commonPrefixLength(source: SourceCandidate, destination: Uint8Array): number {
  return sharedBits(source.bytes, destination, source.address.prefixLength)
}

function sharedBits(a: Uint8Array, b: Uint8Array, most: number): number {
  for (let index = 0; index * 8 < most; index++) {
    const difference = (a[index] ?? 0) ^ (b[index] ?? 0)
    if (difference !== 0) return Math.min(most, index * 8 + Math.clz32(difference) - 24)
  }
  return most
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, index) => byte === b[index])
}

function isLoopback(address: Uint8Array): boolean {
  return address.every((byte, index) => byte === (index === 15 ? 1 : 0))
}
