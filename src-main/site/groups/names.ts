// Names of groups, and the group URIs that carry them: draft-ietf-core-groupcomm-bis §2.2.1, Appendix B.1.
import { AppError, utf8 } from '#main/base/index.ts'
import type { DeviceType, NamingSettings, RoomKind } from '#contract/model.ts'
import { DEFAULT_NAMING, groupUriOf, renderName } from './naming/index.ts'

/** A name is one Uri-Path segment of a short request, and the key of a device's group table. */
export const MAX_NAME_BYTES = 63
export const DEFAULT_PORT = 5683
/** DTLS-secured unicast CoAP; never a group's port (groupcomm-bis §3.4). */
const COAPS_PORT = 5684
/** Characters that would need escaping in a URI path, in link format or in a list of names. */
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}/\\?#%&;"<>|]/u

/** The name as it is kept. Throws `group.name-invalid` with the reason. */
export function checkGroupName(text: string): string {
  const name = text.trim().normalize('NFC')
  if (name === '') throw invalid(text, 'empty')
  if (!name.isWellFormed()) throw invalid('', 'not-utf-8')
  if (utf8(name).length > MAX_NAME_BYTES) throw invalid(name, 'too-long')
  if (FORBIDDEN.test(name) || name === '.' || name === '..') throw invalid(name, 'character')
  // A name that says "no security" must not stand for a group (groupcomm-bis §2.2.1.3).
  if (name.toLowerCase() === 'nosec') throw invalid(name, 'nosec')
  return name
}

function invalid(name: string, reason: 'empty' | 'not-utf-8' | 'too-long' | 'character' | 'nosec'): AppError {
  return new AppError('group.name-invalid', `Not a group name: ${reason}`, { details: { name: name.slice(0, 120), reason } })
}

/** Throws `group.port-reserved` for ports that no group may use. */
export function checkGroupPort(port: number): number {
  if (port === COAPS_PORT) throw new AppError('group.port-reserved', 'Port 5684 is for DTLS-secured unicast CoAP', { details: { port } })
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new AppError('input.invalid', 'Not a UDP port', { details: { port } })
  return port
}

/** `coap://[address]:port`, without the default port. */
export function coapGroupUri(at: { readonly address: string; readonly port: number }): string {
  const host = at.address.includes(':') ? `[${at.address}]` : at.address
  return at.port === DEFAULT_PORT ? `coap://${host}` : `coap://${host}:${at.port}`
}

/** The group URI with the application group named as the site wishes, in its path unless told (Appendix B.1). */
export function applicationGroupUri(
  { address, port }: { readonly address: string; readonly port: number },
  name: string,
  naming: NamingSettings = DEFAULT_NAMING,
): string {
  return groupUriOf(naming, { name, address, port })
}

const TYPE_SHORT: Readonly<Record<DeviceType, string>> = {
  luminaire: 'light',
  switch: 'switch',
  'presence-sensor': 'presence',
  blind: 'blind',
  thermostat: 'thermo',
  sensor: 'sensor',
  actuator: 'actuator',
  unknown: 'device',
}
/** Bytes of a room's part of a name: leaves room for path, options and security in one 127-byte frame. */
const ROOM_PART_BYTES = 24

/**
 * Names for the group of one device type in a room, the shortest first: `2.14-light` of the number that the room's name begins with,
 * then with its whole name, then with the rooms above it, for rooms of the same name. `rooms` goes from the room upwards. A template of
 * the site's comes before all of them.
 */
export function roomGroupNames(
  rooms: ReadonlyArray<{ readonly name: string; readonly kind: RoomKind }>,
  type: DeviceType,
  template = '',
): readonly string[] {
  const roomNames = rooms.map((room) => room.name)
  const wished = renderName(template, { rooms, function: TYPE_SHORT[type] }, (text) => shorten(text, ROOM_PART_BYTES))
  const number = /^\S*\d\S*(?=\s)/.exec(roomNames[0]?.trim() ?? '')?.[0]
  const byNumber = number === undefined ? [] : [`${shorten(number, ROOM_PART_BYTES)}-${TYPE_SHORT[type]}`]
  const byName = roomNames.map((_, above) => {
    const part = roomNames
      .slice(0, above + 1)
      .reverse()
      .map((name) => shorten(name, above === 0 ? ROOM_PART_BYTES : 12))
      .join('-')
    return `${shorten(part, 48)}-${TYPE_SHORT[type]}`
  })
  const isUsable = wished !== undefined && !FORBIDDEN.test(wished) && utf8(wished).length <= MAX_NAME_BYTES
  return [...(isUsable ? [wished] : []), ...byNumber, ...byName]
}

function shorten(text: string, limitBytes: number): string {
  const clean = text.toWellFormed().normalize('NFC').replace(new RegExp(FORBIDDEN, 'gu'), ' ').trim().replace(/\s+/g, '-')
  let short = ''
  let bytes = 0
  for (const character of clean) {
    bytes += utf8(character).length
    if (bytes > limitBytes) break
    short += character
  }
  return short.replace(/-+$/, '') || 'room'
}
