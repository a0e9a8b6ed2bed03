// Prefixes, lists and ranges of multicast addresses as a person writes them (RFC 3306 §4, RFC 2365 §6), and the link-layer groups that
// addresses fall into (RFC 2464 §7, RFC 1112 §6.4, RFC 4944 §9).
import { AppError } from '#main/base/index.ts'
import { formatIpv4, formatIpv6, parseAddress, parseIpv4, parseIpv6 } from '#main/wire/ip/index.ts'
import { canonicalAddress, readGroupAddress } from './address.ts'

/** A unicast prefix, such as `2001:db8:1::/48`, of at most 64 bits: the bytes that hold it and its length. Throws `group.address-invalid`. */
export function parsePrefix(text: string): { readonly bytes: Uint8Array; readonly length: number } {
  const [address = '', bits = '', ...more] = text.trim().split('/')
  const bytes = parseIpv6(address)
  const length = /^\d{1,2}$/.test(bits) ? Number(bits) : Number.NaN
  // RFC 3306 §4: plen is at most 64, and what lies beyond it is zero.
  if (bytes === undefined || more.length > 0 || !(length >= 1 && length <= 64) || bytes[0] === 0xff) throw invalid(text, 'prefix')
  if (bytes.some((byte, index) => (byte & ~maskOf(length, index)) !== 0)) throw invalid(text, 'prefix')
  return { bytes: bytes.slice(0, 8), length }
}

function maskOf(length: number, index: number): number {
  const bits = Math.min(8, Math.max(0, length - index * 8))
  return (0xff << (8 - bits)) & 0xff
}

export interface ListPart {
  readonly first: bigint
  readonly size: number
  readonly bytes: 4 | 16
  contains(address: string): boolean
}

/** More addresses than any site has groups; a longer range is cut. */
const LONGEST_RANGE = 65_536

/** Addresses and ranges `first-last`, each of them fit for a CoAP group. Throws `group.address-invalid`, also for an empty list. */
export function parseList(list: readonly string[]): readonly ListPart[] {
  const parts = list
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map(parsePart)
  if (parts.length === 0) throw invalid('', 'list')
  return parts
}

function parsePart(text: string): ListPart {
  const [from = '', to = from, ...more] = text.split('-').map((end) => readGroupAddress(end))
  const [first, last] = [parseAddress(from), parseAddress(to)]
  if (first === undefined || first.length !== last?.length || more.length > 0) throw invalid(text, 'list')
  const [start, end] = [numberOf(first), numberOf(last)]
  if (end < start) throw invalid(text, 'list')
  const span = end - start + 1n
  const size = span > BigInt(LONGEST_RANGE) ? LONGEST_RANGE : Number(span)
  return {
    first: start,
    size,
    bytes: first.length === 4 ? 4 : 16,
    contains(address) {
      const bytes = parseAddress(address)
      if (bytes?.length !== first.length) return false
      const value = numberOf(bytes)
      return value >= start && value <= end
    },
  }
}

export function listSize(parts: readonly ListPart[]): number {
  return parts.reduce((sum, part) => sum + part.size, 0)
}

export function listAt(parts: readonly ListPart[], index: number): string {
  let left = index
  for (const part of parts) {
    if (left < part.size) return textOf(part.first + BigInt(left), part.bytes)
    left -= part.size
  }
  throw new AppError('internal', 'An index beyond the list of addresses')
}

/** An IPv4 range `239.192.0.0/14` of multicast addresses. Throws `group.address-invalid`. */
export function parseRange(text: string): { readonly first: string; readonly size: number; contains(address: string): boolean } {
  const [address = '', bits = '', ...more] = text.trim().split('/')
  const bytes = parseIpv4(address)
  const length = /^\d{1,2}$/.test(bits) ? Number(bits) : Number.NaN
  if (bytes === undefined || more.length > 0 || !(length >= 8 && length <= 32)) throw invalid(text, 'range')
  // 239/8 is administratively scoped; below it addresses are assigned to somebody (RFC 2365 §6, RFC 5771).
  if (bytes[0] !== 239 || bytes.some((byte, index) => (byte & ~maskOf(length, index)) !== 0)) throw invalid(text, 'range')
  const size = 2 ** (32 - length)
  const start = numberOf(bytes)
  return {
    first: formatIpv4(bytes),
    size,
    contains(candidate) {
      const value = parseIpv4(candidate)
      return value !== undefined && numberOf(value) >= start && numberOf(value) < start + BigInt(size)
    },
  }
}

/** The Ethernet group that frames to the address go to: the last 32 bits of IPv6, the last 23 of IPv4. */
export function ethernetGroupOf(address: string): string {
  const bytes = parseAddress(address)
  if (bytes === undefined) return canonicalAddress(address)
  if (bytes.length === 4) return `01:00:5e:${[(bytes[1] ?? 0) & 0x7f, bytes[2] ?? 0, bytes[3] ?? 0].map(hex).join(':')}`
  return `33:33:${[...bytes.subarray(12)].map(hex).join(':')}`
}

/** The 16-bit IEEE 802.15.4 group of mesh-under multicast: three bits 100 and the last 13 of the address. Undefined for IPv4. */
export function meshGroupOf(address: string): string | undefined {
  const bytes = parseIpv6(address)
  return bytes === undefined ? undefined : (0x8000 | (((bytes[14] ?? 0) & 0x1f) << 8) | (bytes[15] ?? 0)).toString(16)
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

function textOf(value: bigint, length: 4 | 16): string {
  const bytes = new Uint8Array(length)
  let left = value
  for (let index = length - 1; index >= 0; index--) {
    bytes[index] = Number(left & 0xffn)
    left >>= 8n
  }
  return length === 4 ? formatIpv4(bytes) : formatIpv6(bytes)
}

function invalid(address: string, reason: 'prefix' | 'list' | 'range'): AppError {
  return new AppError('group.address-invalid', `${address.slice(0, 100)} makes no group addresses: ${reason}`, {
    details: { address: address.slice(0, 100), reason },
  })
}
