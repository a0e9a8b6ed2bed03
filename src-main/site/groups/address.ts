// Which IP multicast addresses a CoAP group may have: RFC 4291 §2.7, RFC 3306 §4, RFC 3956 §4, RFC 5771 §4, RFC 7252 §12.8.
import { AppError } from '#main/base/index.ts'
import { formatIpv6, multicastScopeOf, normaliseAddress, parseIpv4, parseIpv6 } from '#main/wire/ip/index.ts'
import type { MulticastScope } from '#contract/model.ts'

/** The address in canonical text whatever its notation; text that is no address comes back in lower case. */
export function canonicalAddress(text: string): string {
  return normaliseAddress(text) ?? text.toLowerCase()
}

/** The scope of an address that is in use already; `site-local` where it cannot be told. */
export function scopeOf(address: string): MulticastScope {
  return multicastScopeOf(address) ?? 'site-local'
}

/** Checks an address that a person chose and gives its canonical text. Throws `group.address-invalid` with the reason in its details. */
export function readGroupAddress(text: string): string {
  const trimmed = text.trim().replace(/^\[(.*)\]$/, '$1')
  const ip6 = parseIpv6(trimmed)
  if (ip6 !== undefined) return readIp6Group(ip6)
  const ip4 = parseIpv4(trimmed)
  if (ip4 !== undefined) return readIp4Group(ip4, trimmed)
  throw invalid(text.slice(0, 64), 'not-an-address')
}

function readIp6Group(bytes: Uint8Array): string {
  const address = formatIpv6(bytes)
  if (bytes[0] !== 0xff) throw invalid(address, 'not-multicast')
  if (multicastScopeOf(address) === undefined) throw invalid(address, 'scope')
  const flags = (bytes[1] ?? 0) >> 4
  const [reserved, embedded, prefixBased, transient] = [(flags & 8) !== 0, (flags & 4) !== 0, (flags & 2) !== 0, (flags & 1) !== 0]
  // RFC 4291 §2.7: the high flag is zero; RFC 3306 §4: P needs T; RFC 3956 §4: R needs P.
  if (reserved || (prefixBased && !transient) || (embedded && !prefixBased)) throw invalid(address, 'flags')
  if (prefixBased && !embedded && ((bytes[2] ?? 0) !== 0 || (bytes[3] ?? 0) > 64)) throw invalid(address, 'prefix')
  // ff0X::0 to ff0X::ff are assigned by IANA, among them All CoAP Nodes (::fd): others listen there already.
  if (!transient && bytes.subarray(2, 15).every((byte) => byte === 0)) throw invalid(address, 'well-known')
  return address
}

function readIp4Group(bytes: Uint8Array, address: string): string {
  if (multicastScopeOf(address) === undefined) throw invalid(address, 'not-multicast')
  const [a, b, c, d] = bytes
  // 224.0.0.0/24 is local network control; 224.0.1.187 is All CoAP Nodes.
  if (a === 224 && b === 0 && (c === 0 || (c === 1 && d === 187))) throw invalid(address, 'well-known')
  return address
}

function invalid(address: string, reason: 'not-an-address' | 'not-multicast' | 'scope' | 'flags' | 'prefix' | 'well-known'): AppError {
  return new AppError('group.address-invalid', `${address} cannot be the address of a CoAP group: ${reason}`, {
    details: { address, reason },
  })
}
