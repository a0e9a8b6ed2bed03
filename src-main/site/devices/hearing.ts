// What it means for the inventory that a device was heard: pure, so that every case can be tried without a network.
import { formatSocketAddress, type DeviceId, type SocketAddress } from '#main/base/index.ts'
import type { DeviceType, Failure } from '#contract/model.ts'
import { serialKey, type DeviceIndex, type HeardNames } from './device-index.ts'
import type { DeviceIdentity } from './profile.ts'
import type { DeviceEventRecord, DeviceRecord } from './types.ts'

/** A device was heard: what is known of it from there. */
export interface Hearing {
  readonly source: 'discovery' | 'registration'
  readonly at: SocketAddress | null
  readonly channelId: string | null
  readonly endpointName: string | null
  /** Undefined where no profile recognised it, or it could not be read. */
  readonly identity: DeviceIdentity | undefined
  readonly profileId: string | null
  /** Link-format text, when it was received. */
  readonly links: string | undefined
  /** Why the identity is missing, if it should be there. */
  readonly failure: Failure | undefined
}

export interface HearingResult {
  readonly id: DeviceId
  readonly added: boolean
  /** The heard device first, then those that lost a name to it. Empty when only the time is new. */
  readonly devices: readonly DeviceRecord[]
  /** Unknown devices that turned out to be this one. */
  readonly absorbed: readonly DeviceId[]
  readonly events: readonly DeviceEventRecord[]
}

/** While a device was heard this recently, another address of its does not replace the one in use (multihomed devices answer from each). */
const ADDRESS_HOLD_MS = 60_000
const LONGEST_NAME = 120

export function hear(index: DeviceIndex, hearing: Hearing, now: number, makeId: () => DeviceId): HearingResult {
  const names = namesOf(hearing)
  const before = index.match(names)
  const events: DeviceEventRecord[] = []
  const id = before?.id ?? makeId()
  const tell = (event: string, params: DeviceEventRecord['params'] = {}, failure: Failure | null = null, deviceId = id): void => {
    events.push({ deviceId, at: now, source: hearing.source, event, params, failure })
  }
  const after = before === undefined ? newRecord(index, hearing, names, id, now) : merged(index, before, hearing, names, now, tell)
  if (before === undefined) tell('appeared', { address: after.at === null ? '' : formatSocketAddress(after.at), name: after.name })
  else if (after.state !== before.state) tell('heard-first', { address: after.at === null ? '' : formatSocketAddress(after.at) })
  else if (after.at !== null && after.at !== before.at) tell('address-changed', { address: formatSocketAddress(after.at) })

  const others = losers(index, after)
  const absorbed = others.filter((other) => isUnknown(other)).map((other) => other.id)
  const robbed = others.filter((other) => !isUnknown(other)).map((other) => without(other, after))
  for (const other of robbed) if (other.at === null) tell('address-lost', { to: after.name }, null, other.id)
  if (hearing.failure !== undefined) tell('identity-unread', {}, hearing.failure)
  const changed = before === undefined || differs(before, after) || robbed.length > 0 || absorbed.length > 0
  return { id, added: before === undefined, devices: changed ? [after, ...robbed] : [], absorbed, events }
}

function namesOf(hearing: Hearing): HeardNames {
  return {
    eui64: hearing.identity?.eui64 ?? null,
    serial: hearing.identity?.serial ?? null,
    endpointName: hearing.endpointName,
    at: hearing.at,
    channelId: hearing.channelId,
  }
}

function newRecord(index: DeviceIndex, hearing: Hearing, names: HeardNames, id: DeviceId, now: number): DeviceRecord {
  const type = hearing.identity?.type ?? 'unknown'
  const model = hearing.identity?.model ?? null
  return {
    id,
    name: unplannedName(names, model, type),
    type,
    roomId: null,
    state: 'seen',
    stateAt: now,
    stateSource: hearing.source,
    eui64: names.eui64,
    serial: names.serial !== null && index.bySerial(names.serial) === undefined ? names.serial : null,
    model,
    profileId: hearing.profileId,
    endpointName: hearing.endpointName,
    at: hearing.at,
    channelId: hearing.channelId,
    lastHeardAt: now,
    comment: '',
  }
}

type Tell = (event: string, params?: DeviceEventRecord['params']) => void

/** The record with what was heard. What the plan says wins over what the device says; the difference is told. */
function merged(index: DeviceIndex, before: DeviceRecord, hearing: Hearing, names: HeardNames, now: number, tell: Tell): DeviceRecord {
  const first = before.state === 'planned' || before.state === 'expected'
  const said = hearing.identity?.type ?? 'unknown'
  if (before.type !== 'unknown' && said !== 'unknown' && said !== before.type && first)
    tell('type-differs', { planned: before.type, heard: said })
  if (names.serial !== null && before.serial !== null && serialKey(before.serial) !== serialKey(names.serial) && first) {
    tell('serial-differs', { planned: before.serial, heard: names.serial })
  }
  const serialFree = names.serial !== null && index.bySerial(names.serial) === undefined
  const reach = reachOf(before, hearing, now)
  return {
    ...before,
    type: before.type === 'unknown' ? said : before.type,
    state: first ? 'seen' : before.state,
    stateAt: first ? now : before.stateAt,
    stateSource: first ? hearing.source : before.stateSource,
    eui64: before.eui64 ?? names.eui64,
    serial: before.serial ?? (serialFree ? names.serial : null),
    model: hearing.identity?.model ?? before.model,
    profileId: hearing.profileId ?? before.profileId,
    endpointName: hearing.endpointName ?? before.endpointName,
    at: reach.at,
    channelId: reach.channelId,
    lastHeardAt: now,
  }
}

function reachOf(before: DeviceRecord, hearing: Hearing, now: number): Pick<DeviceRecord, 'at' | 'channelId'> {
  const same = sameReach(before, hearing)
  const held =
    hearing.source === 'discovery' &&
    before.at !== null &&
    before.lastHeardAt !== null &&
    now - before.lastHeardAt < ADDRESS_HOLD_MS &&
    now >= before.lastHeardAt
  if (same || held || hearing.at === null || hearing.channelId === null) return { at: before.at, channelId: before.channelId }
  return { at: hearing.at, channelId: hearing.channelId }
}

function sameReach(a: Pick<DeviceRecord, 'at' | 'channelId'>, b: Pick<DeviceRecord, 'at' | 'channelId'>): boolean {
  if (a.at === null || b.at === null) return a.at === b.at
  return a.channelId === b.channelId && formatSocketAddress(a.at) === formatSocketAddress(b.at)
}

/** Other devices that go by the endpoint name or the address that is now this device's. */
function losers(index: DeviceIndex, after: DeviceRecord): readonly DeviceRecord[] {
  const byName = after.endpointName === null ? undefined : index.byEndpointName(after.endpointName)
  const byAddress = after.at === null || after.channelId === null ? undefined : index.byAddress(after.at, after.channelId)
  return [...new Set([byName, byAddress])]
    .filter((other) => other !== undefined && other.id !== after.id)
    .filter((other) => other !== undefined)
}

function without(other: DeviceRecord, after: DeviceRecord): DeviceRecord {
  const sharesAddress = sameReach(other, after)
  return {
    ...other,
    endpointName: other.endpointName === after.endpointName ? null : other.endpointName,
    at: sharesAddress ? null : other.at,
    channelId: sharesAddress ? null : other.channelId,
  }
}

/** A device that was heard but never identified, and that nobody has placed. */
function isUnknown(record: DeviceRecord): boolean {
  return (
    record.eui64 === null &&
    record.serial === null &&
    record.state === 'seen' &&
    record.type === 'unknown' &&
    record.roomId === null &&
    record.comment === ''
  )
}

function differs(before: DeviceRecord, after: DeviceRecord): boolean {
  return (
    before.type !== after.type ||
    before.state !== after.state ||
    before.eui64 !== after.eui64 ||
    before.serial !== after.serial ||
    before.model !== after.model ||
    before.profileId !== after.profileId ||
    before.endpointName !== after.endpointName ||
    !sameReach(before, after)
  )
}

/** A name to tell an unplanned device by until a person gives it one: its model and the end of its EUI-64. */
function unplannedName(names: HeardNames, model: string | null, type: DeviceType): string {
  const kind = model ?? (type === 'unknown' ? 'Device' : type.charAt(0).toUpperCase() + type.slice(1).replaceAll('-', ' '))
  const tail =
    names.eui64?.slice(-4).toUpperCase() ??
    names.serial?.slice(-4) ??
    names.endpointName ??
    (names.at === null ? '' : formatSocketAddress(names.at))
  return `${kind} ${tail}`.trim().slice(0, LONGEST_NAME)
}
