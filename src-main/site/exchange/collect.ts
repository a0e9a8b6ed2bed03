// From the stores of a site to its document: canonical order, times as text, nothing of this machine, no secrets.
import type { DeviceRecord, DeviceStore } from '#main/site/devices/index.ts'
import type { GroupStore, MembershipRecord } from '#main/site/groups/index.ts'
import type { Failure, TestRunRow } from '#contract/model.ts'
import { canonicalDetails } from './details.ts'
import { securityRows, type SecuritySource } from './collect-security.ts'
import { SITE_FORMAT, SITE_VERSION, type SiteDocument } from './document.ts'
import type { SiteFacts } from './types.ts'

export type DeviceSource = Pick<DeviceStore, 'rooms' | 'devices' | 'links'>
export type GroupSource = Pick<GroupStore, 'coapGroups' | 'applicationGroups' | 'memberships' | 'testRuns'>

const TEST_RUNS = 1000

const NO_SECURITY: SecuritySource = { securityGroups: () => [], protections: () => [] }

export function collectSite(
  site: SiteFacts,
  devices: DeviceSource,
  groups: GroupSource,
  security: SecuritySource = NO_SECURITY,
): SiteDocument {
  const rooms = devices.rooms()
  const roomIds = new Set<string>(rooms.map((room) => room.id))
  const inRoom = (roomId: string | null): string | null => (roomId !== null && roomIds.has(roomId) ? roomId : null)
  const deviceRecords = devices.devices()
  const deviceIds = new Set<string>(deviceRecords.map((device) => device.id))
  const applicationGroups = groups.applicationGroups()
  const groupIds = new Set<string>(applicationGroups.map((group) => group.id))
  const { name, organisation, address, operator } = site.details
  const { securityGroups, protections } = securityRows(security, { devices: deviceIds, groups: groupIds, inRoom })
  return {
    format: SITE_FORMAT,
    version: SITE_VERSION,
    site: { id: site.id, kind: site.kind, name, organisation, address, operator, createdAt: iso(site.createdAt), demo: site.demo },
    rooms: byKey(
      rooms.map((room) => ({ id: room.id, parentId: inRoom(room.parentId), kind: room.kind, name: room.name, position: room.position })),
      (room) => room.id,
    ),
    devices: byKey(
      deviceRecords.map((device) => deviceRow(device, inRoom(device.roomId), devices.links(device.id) ?? null)),
      (device) => device.id,
    ),
    coapGroups: byKey(
      groups
        .coapGroups()
        .map((group) => ({ id: group.id, name: group.name, address: group.address, port: group.port, allocated: group.allocated })),
      (group) => group.id,
    ),
    applicationGroups: byKey(
      applicationGroups.map(({ id, name: groupName, coapGroupId, roomId, comment, retired }) => ({
        id,
        name: groupName,
        coapGroupId,
        roomId: inRoom(roomId),
        comment,
        retired,
      })),
      (group) => group.id,
    ),
    memberships: byKey(
      groups
        .memberships()
        .filter((cell) => deviceIds.has(cell.deviceId) && groupIds.has(cell.groupId))
        .map(membershipRow),
      (cell) => `${cell.deviceId} ${cell.groupId}`,
    ),
    securityGroups: byKey(securityGroups, (group) => group.id),
    protections: byKey(protections, (protection) => protection.groupId),
    testRuns: byKey(groups.testRuns(TEST_RUNS).flatMap(testRow), (run) => `${run.startedAt} ${run.id}`),
  }
}

function deviceRow(device: DeviceRecord, roomId: string | null, links: string | null): SiteDocument['devices'][number] {
  const { id, name, type, state, stateSource, eui64, serial, model, profileId, endpointName, comment } = device
  return {
    id,
    name,
    type,
    roomId,
    state,
    stateAt: iso(device.stateAt),
    stateSource,
    eui64,
    serial,
    model,
    profileId,
    endpointName,
    address: device.at === null ? null : { address: device.at.address, port: device.at.port, zone: device.at.zone ?? null },
    lastHeardAt: device.lastHeardAt === null ? null : iso(device.lastHeardAt),
    comment,
    links,
  }
}

function membershipRow(cell: MembershipRecord): SiteDocument['memberships'][number] {
  const { deviceId, groupId, desired, source, applied } = cell
  return {
    deviceId,
    groupId,
    desired,
    // A write that is under way while the file is written is not known to have arrived.
    outcome: cell.outcome === 'sent' ? 'unknown' : cell.outcome,
    at: iso(cell.at),
    source,
    failure: failureRow(cell.failure),
    applied: applied === null ? null : { name: applied.name, address: applied.address, port: applied.port },
  }
}

function testRow(run: TestRunRow): SiteDocument['testRuns'] {
  const { id, groupId, groupName, action, state, repeats, repeat, uri, messageBytes } = run
  if (state !== 'done' && state !== 'failed') return []
  const members = run.members.map(({ deviceId, verdict, answerMs, heardCount, code, seen }) => ({
    deviceId,
    verdict,
    answerMs: rounded(answerMs),
    heardCount,
    code,
    seen,
  }))
  return [
    {
      id,
      groupId,
      groupName,
      action,
      state,
      startedAt: iso(run.startedAt),
      finishedAt: run.finishedAt === null ? null : iso(run.finishedAt),
      repeats,
      repeat,
      uri,
      messageBytes,
      protection: run.protection ?? null,
      spreadMs: rounded(run.spreadMs),
      medianMs: rounded(run.medianMs),
      members: byKey(members, (member) => member.deviceId),
      failure: failureRow(run.failure),
    },
  ]
}

function failureRow(failure: Failure | null): SiteDocument['memberships'][number]['failure'] {
  if (failure === null) return null
  const { code, message, retryable } = failure
  return { code, message: message.slice(0, 2000), retryable, details: canonicalDetails(failure.details) }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

/** Milliseconds to the thousandth: what a clock can tell. */
function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 1000) / 1000
}

/** By code units: the same on every machine and in every language. */
function byKey<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Row[] {
  return rows
    .map((row) => ({ row, key: keyOf(row) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ row }) => row)
}
