// From a checked document back to the records of a new site.
import type { DeviceRecord, DeviceStore, RoomRecord } from '#main/site/devices/index.ts'
import type { GroupStore, MembershipRecord, SecurityStore } from '#main/site/groups/index.ts'
import type { TestRunRow } from '#contract/model.ts'
import type { SiteDocument } from './document.ts'
import type { SiteFacts } from './types.ts'

/** What the new site is created with; its id is kept, because addresses of groups are derived from it. */
export function siteFactsOf({ site }: SiteDocument): SiteFacts {
  const { id, kind, name, organisation, address, operator, demo } = site
  return { id, kind, details: { name, organisation, address, operator }, createdAt: Date.parse(site.createdAt), demo }
}

export interface ImportTargets {
  readonly devices: Pick<DeviceStore, 'saveRooms' | 'saveDevices' | 'saveLinks' | 'transaction'>
  readonly groups: Pick<GroupStore, 'saveCoapGroup' | 'saveApplicationGroup' | 'saveMemberships' | 'saveTestRun'>
  readonly security: Pick<SecurityStore, 'saveSecurityGroup' | 'saveProtection'>
}

/** Fills the stores of a new, empty site. All of it is durable when the call returns, or none. */
export function importInto(document: SiteDocument, { devices, groups, security }: ImportTargets): void {
  devices.transaction(() => {
    devices.saveRooms(parentsFirst(document.rooms))
    devices.saveDevices(document.devices.map(deviceRecord))
    for (const device of document.devices) if (device.links !== null) devices.saveLinks(device.id, device.links)
    for (const group of document.coapGroups) groups.saveCoapGroup(group)
    for (const group of document.applicationGroups) groups.saveApplicationGroup(group)
    groups.saveMemberships(document.memberships.map(membershipRecord))
    // Keys and members are those of the Group Manager that the file came from: here they are made anew with the next Apply.
    for (const { id, name, comment, roomId, suite, policy, automatic } of document.securityGroups)
      security.saveSecurityGroup({ id, name, comment, roomId, suite, policy, automatic })
    for (const protection of document.protections) security.saveProtection(protection)
    for (const run of document.testRuns) groups.saveTestRun(testRun(run))
  })
}

function parentsFirst(rooms: SiteDocument['rooms']): readonly RoomRecord[] {
  const children = Map.groupBy(rooms, (room) => room.parentId)
  const ordered: RoomRecord[] = [...(children.get(null) ?? [])]
  // The list grows while it is walked: each room brings the rooms within it.
  for (const room of ordered) ordered.push(...(children.get(room.id) ?? []))
  return ordered
}

function deviceRecord(device: SiteDocument['devices'][number]): DeviceRecord {
  const { id, name, type, roomId, state, stateSource, eui64, serial, model, profileId, endpointName, comment, address } = device
  return {
    id,
    name,
    type,
    roomId,
    state,
    stateSource,
    eui64,
    serial,
    model,
    profileId,
    endpointName,
    comment,
    stateAt: Date.parse(device.stateAt),
    at:
      address === null ? null : { address: address.address, port: address.port, ...(address.zone === null ? {} : { zone: address.zone }) },
    // Channels belong to a machine, not to a site.
    channelId: null,
    lastHeardAt: device.lastHeardAt === null ? null : Date.parse(device.lastHeardAt),
  }
}

function membershipRecord(cell: SiteDocument['memberships'][number]): MembershipRecord {
  return { ...cell, at: Date.parse(cell.at) }
}

function testRun(run: SiteDocument['testRuns'][number]): TestRunRow {
  const finishedAt = run.finishedAt === null ? null : Date.parse(run.finishedAt)
  // Strangers are an aid while testing, no evidence: exports leave them out.
  const { protection, ...rest } = run
  return { ...rest, startedAt: Date.parse(run.startedAt), finishedAt, strangers: 0, ...(protection === null ? {} : { protection }) }
}
