// The addresses of the demo site: one mesh-local prefix, interface identifiers from the EUI-64 (RFC 4291 appendix A).
import { fromHex } from '#main/base/index.ts'
import { formatIpv6, parseIpv6 } from '#main/wire/ip/index.ts'

/** fd00::/64, which is what SLIP hosts announce by custom, too. */
export const SITE_PREFIX = Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0)
/** The laptop behind the dongle. */
export const LAPTOP_IID = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1)
export const LAPTOP_ADDRESS = 'fd00::1'
export const COAP_PORT = 5683

/** The interface identifier of an EUI-64: with the universal bit turned. */
export function iidOf(eui64: string): Uint8Array {
  const bytes = fromHex(eui64) ?? new Uint8Array(8)
  bytes[0] = (bytes[0] ?? 0) ^ 0x02
  return bytes
}

export function addressBytesOf(eui64: string): Uint8Array {
  return joined(SITE_PREFIX, iidOf(eui64))
}

/** The device's address in the site's prefix. */
export function addressOf(eui64: string): string {
  return formatIpv6(addressBytesOf(eui64))
}

export function linkLocalBytesOf(eui64: string): Uint8Array {
  return joined(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0), iidOf(eui64))
}

export function linkLocalOf(eui64: string): string {
  return formatIpv6(linkLocalBytesOf(eui64))
}

/** Sixteen bytes of an address text; undefined where it is no IPv6 address. */
export function bytesOfAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : undefined
}

function joined(prefix: Uint8Array, iid: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes.set(prefix)
  bytes.set(iid, 8)
  return bytes
}
