// Where a pledge is: a link-local address, a port, and the link, in the few bytes that a JPY header has for it
// (draft-ietf-anima-constrained-join-proxy-20 §4.5.6; draft -01 §5.3).
import type { SocketAddress } from '#main/base/index.ts'
import { formatIpv4, formatIpv6, parseAddress } from '#main/wire/ip/index.ts'
import { decodePlainHeader, encodePlainHeader } from '../jpy/index.ts'

/** Family, link, port, IID or IPv4 address. */
export const PACKED_BYTES = 12

const MAX_LINKS = 255
const LINK_LOCAL_PREFIX = [0xfe, 0x80, 0, 0, 0, 0, 0, 0]
/** As on Linux, and as in the example of draft -01. */
const FAMILY = { ipv4: 2, ipv6: 10 }

/** Gives the links numbers, in the order in which they are first heard of. */
export class LinkNumbers {
  readonly #zones: Array<string | undefined> = []

  /** Undefined where there are more links than a header can tell apart. */
  numberOf(zone: string | undefined): number | undefined {
    const known = this.#zones.indexOf(zone)
    if (known >= 0) return known
    return this.#zones.length < MAX_LINKS ? this.#zones.push(zone) - 1 : undefined
  }

  has(number: number): boolean {
    return number < this.#zones.length
  }

  zoneOf(number: number): string | undefined {
    return this.#zones[number]
  }
}

/** Undefined for what is no link-local unicast address: nobody else needs a proxy (draft -20 §4.3). */
export function linkLocalBytes(address: string): Uint8Array | undefined {
  const bytes = parseAddress(address)
  if (bytes === undefined) return undefined
  if (bytes.length === 4) return bytes[0] === 169 && bytes[1] === 254 ? bytes : undefined
  return LINK_LOCAL_PREFIX.every((byte, index) => bytes[index] === byte) ? bytes : undefined
}

export function packPledge(pledge: SocketAddress, links: LinkNumbers): Uint8Array | undefined {
  const bytes = linkLocalBytes(pledge.address)
  const link = links.numberOf(pledge.zone)
  if (bytes === undefined || link === undefined) return undefined
  const packed = new Uint8Array(PACKED_BYTES)
  packed.set([bytes.length === 4 ? 0 : 1, link, pledge.port >> 8, pledge.port & 0xff])
  packed.set(bytes.length === 4 ? bytes : bytes.subarray(8), 4)
  return packed
}

export function unpackPledge(packed: Uint8Array, links: LinkNumbers): SocketAddress | undefined {
  const [family = 0, link = 0, high = 0, low = 0] = packed
  const port = high * 256 + low
  if (packed.length !== PACKED_BYTES || family > 1 || !links.has(link) || port === 0) return undefined
  const bytes = family === 0 ? packed.subarray(4, 8) : Uint8Array.from([...LINK_LOCAL_PREFIX, ...packed.subarray(4)])
  return at(bytes, port, links.zoneOf(link))
}

/** The header of draft -01, in clear. */
export function plainHeaderOf(pledge: SocketAddress, links: LinkNumbers): Uint8Array | undefined {
  const bytes = linkLocalBytes(pledge.address)
  const index = links.numberOf(pledge.zone)
  if (bytes === undefined || index === undefined) return undefined
  return encodePlainHeader({ address: bytes, port: pledge.port, family: bytes.length === 4 ? FAMILY.ipv4 : FAMILY.ipv6, index })
}

/** Undefined for anything but a neighbour: a header that was changed must not make the proxy send elsewhere (draft -01 §8). */
export function pledgeOfPlainHeader(header: Uint8Array, links: LinkNumbers): SocketAddress | undefined {
  const plain = decodePlainHeader(header)
  if (plain === undefined || !links.has(plain.index)) return undefined
  if (plain.family !== (plain.address.length === 4 ? FAMILY.ipv4 : FAMILY.ipv6)) return undefined
  const text = plain.address.length === 4 ? formatIpv4(plain.address) : formatIpv6(plain.address)
  return linkLocalBytes(text) === undefined ? undefined : at(plain.address, plain.port, links.zoneOf(plain.index))
}

function at(bytes: Uint8Array, port: number, zone: string | undefined): SocketAddress {
  const address = bytes.length === 4 ? formatIpv4(bytes) : formatIpv6(bytes)
  return zone === undefined ? { address, port } : { address, port, zone }
}

/** Whether the address is one that only neighbours use. */
export function isNeighbour({ address }: SocketAddress): boolean {
  return linkLocalBytes(address) !== undefined
}
