// How devices of the KNX IoT Point API are named and where their groups listen (KNX 3/10/5 as the public stack implements it).
import { fromHex, toHex } from '#main/base/index.ts'
import { formatIpv6, parseIpv6 } from '#main/wire/ip/index.ts'

/** Twelve hex digits: two bytes of the maker, four of the device. */
export type SerialNumber = string
/** 40 bits that all devices of an installation share. */
export type InstallationId = bigint

const SERIAL = /^[0-9a-f]{12}$/
/** An installation id below this has fewer than ten hex digits, which the older stack cannot be asked for. */
export const SMALLEST_INSTALLATION_ID = 1n << 36n
export const LARGEST_INSTALLATION_ID = (1n << 40n) - 1n
/** Group ids with the top bit set are given out dynamically (RFC 3307 §4.3). */
export const SMALLEST_GROUP_ID = 0x8000_0000
/** No individual address yet. */
export const NO_INDIVIDUAL_ADDRESS = 0xffff
export const KNX_PORT = 5683

export type MulticastScope = 'link-local' | 'realm-local' | 'site-local'

const SCOPES: Readonly<Record<MulticastScope, number>> = { 'link-local': 2, 'realm-local': 3, 'site-local': 5 }

/** In lower case, as devices write it; undefined where it is no serial number. */
export function parseSerialNumber(text: string): SerialNumber | undefined {
  const digits = text.trim().toLowerCase().replace(/[-: ]/g, '')
  return SERIAL.test(digits) ? digits : undefined
}

/** `1.1.1` for 0x1101: four bits of area, four of line, eight of device. */
export function formatIndividualAddress(address: number): string {
  return `${address >> 12}.${(address >> 8) & 0xf}.${address & 0xff}`
}

export function parseIndividualAddress(text: string): number | undefined {
  const parts = /^(\d{1,2})\.(\d{1,2})\.(\d{1,3})$/.exec(text.trim())?.slice(1).map(Number)
  const [area = 16, line = 16, device = 256] = parts ?? []
  return area > 15 || line > 15 || device > 255 ? undefined : (area << 12) | (line << 8) | device
}

/** Main, middle and sub group (5, 3 and 8 bits): `1/0/17`. */
export function formatGroupAddress(address: number): string {
  return address > 0xffff ? String(address) : `${address >> 11}/${(address >> 8) & 7}/${address & 0xff}`
}

/** Three levels, two levels, or the plain number. */
export function parseGroupAddress(text: string): number | undefined {
  const trimmed = text.trim()
  if (/^\d{1,10}$/.test(trimmed)) return inRange(Number(trimmed), 0xffff_ffff)
  const [main = 32, middle = 0, sub] = /^(\d{1,2})\/(\d{1,4})(?:\/(\d{1,3}))?$/.exec(trimmed)?.slice(1).map(Number) ?? []
  if (main > 31) return undefined
  if (sub === undefined || Number.isNaN(sub)) return middle > 2047 ? undefined : inRange((main << 11) | middle, 0xffff)
  return middle > 7 || sub > 255 ? undefined : inRange((main << 11) | (middle << 8) | sub, 0xffff)
}

function inRange(value: number, most: number): number | undefined {
  return value >= 1 && value <= most ? value : undefined
}

/** ff3S:30:fdII:IIII:IIII:0:GGGG:GGGG: unicast-prefix-based (RFC 3306), its prefix the installation's ULA. */
export function groupMulticastAddress(installation: InstallationId, groupId: number, scope: MulticastScope): string {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  bytes.set([0xff, 0x30 + SCOPES[scope], 0, 0x30, 0xfd])
  bytes.set(installationBytes(installation), 5)
  view.setUint32(12, groupId)
  return formatIpv6(bytes)
}

/** Five bytes, the most significant first. */
export function installationBytes(installation: InstallationId): Uint8Array {
  return fromHex(installation.toString(16).padStart(10, '0').slice(-10)) ?? new Uint8Array(5)
}

/** A sender's own context id: no two devices of an installation have the same individual address. */
export function senderContextId(installation: InstallationId, individualAddress: number): Uint8Array {
  return Uint8Array.of(...installationBytes(installation), individualAddress >> 8, individualAddress & 0xff)
}

export function formatInstallationId(installation: InstallationId): string {
  return toHex(installationBytes(installation))
}

/** One multicast group for each group address, so that a device hears no more than it has to. */
export function groupIdOf(groupAddress: number): number {
  return (SMALLEST_GROUP_ID | (groupAddress & 0x7fff_ffff)) >>> 0
}

/**
 * The group address whose messages go to a multicast address; undefined where that is none of the installation. Those of more than 16 bits
 * are for devices of this interface alone: other tools of KNX cannot write them. Site-local alone: both public stacks listen there.
 */
export function groupAddressIn(multicastAddress: string, installation: InstallationId): number | undefined {
  const bytes = parseIpv6(multicastAddress)
  if (bytes === undefined) return undefined
  const address = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(12) & 0x7fff_ffff
  return address > 0 && formatIpv6(bytes) === multicastAddressOf(installation, address) ? address : undefined
}

/** Where messages of a group address go to by this program's rule, in every network of an installation. */
export function multicastAddressOf(installation: InstallationId, groupAddress: number): string {
  return groupMulticastAddress(installation, groupIdOf(groupAddress), 'site-local')
}
