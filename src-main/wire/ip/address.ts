// IP addresses as text and bytes: parsing, the canonical form of RFC 5952, and multicast scopes (RFC 4291 §2.7, RFC 7346 §2).
import type { SocketAddress } from '#main/base/index.ts'
import type { MulticastScope } from '#contract/model.ts'

/** The four bytes of a dotted quad, or undefined. Leading zeros are refused: some readers take them for octal. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (const [index, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part)) return undefined
    const value = Number(part)
    if (value > 255) return undefined
    bytes[index] = value
  }
  return bytes
}

export function formatIpv4(bytes: Uint8Array): string {
  return bytes.join('.')
}

/** The sixteen bytes of an IPv6 address in any of the forms of RFC 4291 §2.2, without zone; or undefined. */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : []
  if (head === undefined || tail === undefined) return undefined
  const length = head.length + tail.length
  if (halves.length === 1 ? length !== 16 : length > 14) return undefined
  const bytes = new Uint8Array(16)
  bytes.set(head, 0)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  const bytes: number[] = []
  if (text === '') return bytes
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
      continue
    }
    const quad = mayEndInIpv4 && index === groups.length - 1 ? parseIpv4(group) : undefined
    if (quad === undefined) return undefined
    bytes.push(...quad)
  }
  return bytes
}

/** The canonical text of sixteen bytes (RFC 5952 §4; IPv4-mapped addresses in mixed notation, §5). */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0))
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return `::ffff:${formatIpv4(bytes.subarray(12, 16))}`
  const run = longestZeroRun(groups)
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  return run.length < 2 ? hex(groups) : `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`
}

/** The first of the longest runs of zero groups (RFC 5952 §4.2.3). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let start = 0
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === 0) continue
    if (index - start > best.length) best = { start, length: index - start }
    start = index + 1
  }
  return best
}

/** The bytes of an IPv4 or IPv6 address without zone, or undefined. */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** The address in canonical text form, or undefined where it is none. A zone is kept. */
export function normaliseAddress(text: string): string | undefined {
  const percent = text.indexOf('%')
  if (percent >= 0) {
    const zone = text.slice(percent + 1)
    const bytes = isZone(zone) ? parseIpv6(text.slice(0, percent)) : undefined
    return bytes === undefined ? undefined : `${formatIpv6(bytes)}%${zone}`
  }
  const bytes = parseAddress(text)
  if (bytes === undefined) return undefined
  return bytes.length === 4 ? formatIpv4(bytes) : formatIpv6(bytes)
}

/** The scope of a multicast address; undefined for unicast and for scopes that nothing may be routed in (0, 1, F, unassigned). */
export function multicastScopeOf(address: string): MulticastScope | undefined {
  const bytes = parseAddress(address)
  if (bytes === undefined) return undefined
  if (bytes.length === 4) return (bytes[0] ?? 0) >> 4 === 0xe ? 'ipv4' : undefined
  if (bytes[0] !== 0xff) return undefined
  switch ((bytes[1] ?? 0) & 0x0f) {
    case 2:
      return 'link-local'
    case 3:
      return 'realm-local'
    case 4:
      return 'admin-local'
    case 5:
      return 'site-local'
    case 8:
      return 'organization-local'
    case 14:
      return 'global'
    default:
      return undefined
  }
}

/** Whether the address is IPv6 link-local unicast (fe80::/10), which needs a zone. */
export function isLinkLocalAddress(address: string): boolean {
  const bytes = address.includes(':') ? parseIpv6(address) : undefined
  return bytes?.[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80
}

/**
 * A socket address from `[2001:db8::1]:5683`, `[fe80::1%eth0]:5683`, `192.0.2.1:5683`, or, where a default port is
 * given, an address alone (with or without brackets). Undefined where it is none. The address comes back in canonical form.
 */
export function parseSocketAddress(text: string, defaultPort?: number): SocketAddress | undefined {
  const match = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]*)(?::(\d{1,5}))?$/.exec(text) ?? /^([^[\]]*)$/.exec(text)
  if (match === null) return undefined
  const host = match[1] ?? ''
  const bracketed = text.startsWith('[')
  const port = match[2] === undefined ? defaultPort : Number(match[2])
  if (port === undefined || port > 65_535) return undefined
  const canonical = normaliseAddress(host)
  if (canonical === undefined || (bracketed && !canonical.includes(':'))) return undefined
  const at = splitZone(canonical)
  return at.zone === undefined ? { address: at.address, port } : { address: at.address, port, zone: at.zone }
}

/** Takes `fe80::1%eth0` apart. */
export function splitZone(text: string): { address: string; zone: string | undefined } {
  const percent = text.indexOf('%')
  return percent < 0 ? { address: text, zone: undefined } : { address: text.slice(0, percent), zone: text.slice(percent + 1) }
}

function isZone(text: string): boolean {
  // A colon stands in the names of dongles, such as `dongle:E2A0C5`.
  return /^[A-Za-z0-9._~:-]{1,64}$/.test(text)
}
