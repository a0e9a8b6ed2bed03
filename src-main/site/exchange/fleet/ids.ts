// Names that other systems know devices and groups by: the same at each export, and on every machine.
import { sha256, toHex, utf8 } from '#main/base/index.ts'

/** `urn:dev:mac:…` (RFC 9039 §4.1) where the device has an EUI-64, else a UUID of version 8 (RFC 9562 §5.8) of site and id. */
export function deviceUrn(siteId: string, device: { readonly id: string; readonly eui64: string | null }): string {
  return device.eui64 === null ? uuidUrn(siteId, device.id) : `urn:dev:mac:${device.eui64}`
}

export function uuidUrn(siteId: string, id: string): string {
  const bytes = sha256(utf8(`${siteId}/${id}`)).slice(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = toHex(bytes)
  return `urn:uuid:${[hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')}`
}

export function authority(address: string, port: number): string {
  const host = address.includes(':') ? `[${address}]` : address
  return port === 5683 ? `coap://${host}` : `coap://${host}:${port}`
}
