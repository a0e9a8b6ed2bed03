// The flat tables of a site (RFC 4180): devices, groups, memberships. The device table has the columns that the import of a device
// list knows, so it can be edited and read again. Cells never become formulas in a spreadsheet.
import { utf8 } from '#main/base/index.ts'
import type { SiteDocument } from './document.ts'

export interface CsvTables {
  readonly devices: Uint8Array
  readonly groups: Uint8Array
  readonly memberships: Uint8Array
  readonly securityGroups: Uint8Array
}

type Cell = string | number | boolean | null

export function csvTables(document: SiteDocument): CsvTables {
  const rooms = new Map(document.rooms.map((room) => [room.id, room.name]))
  const devices = new Map(document.devices.map((device) => [device.id, device]))
  const groups = new Map(document.applicationGroups.map((group) => [group.id, group]))
  const coapGroups = new Map(document.coapGroups.map((group) => [group.id, group]))
  const desired = document.memberships.filter((cell) => cell.desired)
  const groupsOf = Map.groupBy(desired, (cell) => cell.deviceId)
  const membersOf = Map.groupBy(desired, (cell) => cell.groupId)
  const protections = new Map(document.protections.map((protection) => [protection.groupId, protection]))
  const securityNames = new Map(document.securityGroups.map((group) => [group.id, group.name]))
  const roomOf = (id: string | null): string => (id === null ? '' : (rooms.get(id) ?? ''))
  return {
    devices: table(
      ['name', 'type', 'room', 'eui64', 'serial', 'groups', 'comment', 'state', 'stateAt', 'model', 'profile', 'endpoint', 'address'],
      document.devices.map((device) => [
        device.name,
        device.type,
        roomOf(device.roomId),
        hyphenated(device.eui64),
        device.serial,
        (groupsOf.get(device.id) ?? []).map((cell) => groups.get(cell.groupId)?.name ?? '').join('; '),
        device.comment,
        device.state,
        device.stateAt,
        device.model,
        device.profileId,
        device.endpointName,
        device.address === null ? null : `[${device.address.address}]:${device.address.port}`,
      ]),
    ),
    groups: table(
      ['group', 'room', 'coapGroup', 'address', 'port', 'members', 'confirmed', 'protection', 'noSecReason', 'comment'],
      document.applicationGroups
        .filter((group) => !group.retired)
        .map((group) => {
          const coap = coapGroups.get(group.coapGroupId)
          const members = membersOf.get(group.id) ?? []
          const confirmed = members.filter((cell) => cell.outcome === 'confirmed').length
          const at: Cell[] = [coap?.name ?? '', coap?.address ?? '', coap?.port ?? null]
          const protection = protections.get(group.id)
          const words = protectionOf(protection?.securityGroupIds.map((id) => securityNames.get(id) ?? id))
          return [group.name, roomOf(group.roomId), ...at, members.length, confirmed, words, protection?.reason ?? null, group.comment]
        }),
    ),
    memberships: table(
      ['device', 'eui64', 'group', 'desired', 'outcome', 'at', 'source', 'failure'],
      document.memberships.map((cell) => [
        devices.get(cell.deviceId)?.name ?? '',
        hyphenated(devices.get(cell.deviceId)?.eui64 ?? null),
        groups.get(cell.groupId)?.name ?? '',
        cell.desired,
        cell.outcome,
        cell.at,
        cell.source,
        cell.failure?.code ?? null,
      ]),
    ),
    securityGroups: table(
      ['securityGroup', 'suite', 'room', 'keyVersion', 'gid', 'rekeyedAt', 'members', 'withNewestKeys', 'groups'],
      document.securityGroups.map(({ id, name, suite, roomId, keys, members }) => [
        name,
        suite,
        roomOf(roomId),
        keys?.generation ?? null,
        hyphenated(keys?.gid ?? null),
        keys?.rekeyedAt ?? null,
        members.length,
        members.filter((member) => member.generation !== null && member.generation === keys?.generation).length,
        document.protections
          .filter(({ securityGroupIds }) => securityGroupIds.includes(id))
          .map(({ groupId }) => groups.get(groupId)?.name ?? '')
          .join('; '),
      ]),
    ),
  }
}

/** `open`: nobody has chosen; `NoSec`: unprotected by choice. */
function protectionOf(names: readonly string[] | undefined): string {
  if (names === undefined) return 'open'
  return names.length === 0 ? 'NoSec' : names.join('; ')
}

/** Sixteen digits in a row would be read as a number by a spreadsheet, and rounded. */
function hyphenated(eui64: string | null): string {
  return eui64 === null ? '' : (eui64.match(/../g) ?? []).join('-')
}

function table(header: readonly string[], rows: ReadonlyArray<readonly Cell[]>): Uint8Array {
  const lines = [header, ...rows].map((row) => row.map(csvCell).join(','))
  // The byte order mark tells spreadsheets that this is UTF-8.
  return utf8(`\uFEFF${lines.join('\r\n')}\r\n`)
}

/** Text that would begin a formula gets an apostrophe in front, which spreadsheets take for "this is text". */
function csvCell(value: Cell): string {
  if (value === null) return ''
  if (typeof value !== 'string') return String(value)
  const safe = /^[=+\-@\t\r\n＝＋－＠]/u.test(value) ? `'${value}` : value
  return /[",;\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
