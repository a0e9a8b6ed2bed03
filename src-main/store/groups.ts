// Groups, memberships and test evidence at rest: implements the GroupStore port of site/groups.
import type { ApplicationGroupRecord, CoapGroupRecord, GroupStore, MembershipRecord } from '#main/site/groups/index.ts'
import { canonicalJson, fromJson, knownWord } from './json.ts'
import { isFailure, isTestRun } from './shapes.ts'
import type { SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'
import { factSources, outcomes } from './words.ts'

interface CoapGroupColumns {
  id: string
  name: string
  address: string
  port: number
  allocated: number
}

interface ApplicationGroupColumns {
  id: string
  name: string
  coap_group_id: string
  room_id: string | null
  comment: string
  retired: number
}

export interface MembershipColumns {
  device_id: string
  group_id: string
  desired: number
  outcome: string
  at: number
  source: string
  failure: string | null
  applied_name: string | null
  applied_address: string | null
  applied_port: number | null
}

const MEMBERSHIP_COLUMNS = [
  ...['device_id', 'group_id', 'desired', 'outcome', 'at', 'source', 'failure'],
  ...['applied_name', 'applied_address', 'applied_port'],
] as const

export function createGroupStore(database: SiteDatabase): GroupStore {
  const { raw } = database
  const selectCoapGroups = raw.prepare<[], CoapGroupColumns>('SELECT id, name, address, port, allocated FROM coap_group ORDER BY rowid')
  const upsertCoapGroup = raw.prepare<[CoapGroupColumns]>(`
    INSERT INTO coap_group (id, name, address, port, allocated) VALUES (@id, @name, @address, @port, @allocated)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, address = excluded.address, port = excluded.port, allocated = excluded.allocated`)
  const deleteCoapGroup = raw.prepare<[string]>('DELETE FROM coap_group WHERE id = ?')
  const selectGroups = raw.prepare<[], ApplicationGroupColumns>(
    'SELECT id, name, coap_group_id, room_id, comment, retired FROM application_group ORDER BY rowid',
  )
  const upsertGroup = raw.prepare<[ApplicationGroupColumns]>(`
    INSERT INTO application_group (id, name, coap_group_id, room_id, comment, retired)
    VALUES (@id, @name, @coap_group_id, @room_id, @comment, @retired)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, coap_group_id = excluded.coap_group_id, room_id = excluded.room_id,
      comment = excluded.comment, retired = excluded.retired`)
  const deleteGroup = raw.prepare<[string]>('DELETE FROM application_group WHERE id = ?')
  const selectMemberships = raw.prepare<[], MembershipColumns>(
    `SELECT ${MEMBERSHIP_COLUMNS.join(', ')} FROM membership ORDER BY group_id, device_id`,
  )
  const upsertMembership = raw.prepare<[MembershipColumns]>(`
    INSERT INTO membership (${MEMBERSHIP_COLUMNS.join(', ')}) VALUES (${MEMBERSHIP_COLUMNS.map((column) => `@${column}`).join(', ')})
    ON CONFLICT (device_id, group_id) DO UPDATE SET
      ${MEMBERSHIP_COLUMNS.slice(2)
        .map((column) => `${column} = excluded.${column}`)
        .join(', ')}`)
  const deleteMembership = raw.prepare<[string, string]>('DELETE FROM membership WHERE device_id = ? AND group_id = ?')
  const selectRuns = raw.prepare<
    [number],
    { body: string }
  >(`SELECT body FROM test_run WHERE id IN (SELECT id FROM test_run ORDER BY started_at DESC, id LIMIT ?)
       OR started_at = (SELECT MAX(other.started_at) FROM test_run AS other WHERE other.group_id = test_run.group_id)
     ORDER BY started_at DESC, id`)
  const upsertRun = raw.prepare<[string, string, number, string]>(`
    INSERT INTO test_run (id, group_id, started_at, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET group_id = excluded.group_id, started_at = excluded.started_at, body = excluded.body`)

  return {
    coapGroups: () => guarded(() => selectCoapGroups.all()).map((row) => ({ ...row, allocated: row.allocated !== 0 })),
    saveCoapGroup: (group) =>
      database.transaction(() => {
        upsertCoapGroup.run(fromCoapGroup(group))
      }),
    removeCoapGroup: (id) =>
      database.transaction(() => {
        deleteCoapGroup.run(id)
      }),
    applicationGroups: () => guarded(() => selectGroups.all()).map(toApplicationGroup),
    saveApplicationGroup: (group) =>
      database.transaction(() => {
        upsertGroup.run(fromApplicationGroup(group))
      }),
    removeApplicationGroup: (id) =>
      database.transaction(() => {
        deleteGroup.run(id)
      }),
    memberships: () => guarded(() => selectMemberships.all()).map(toMembership),
    saveMemberships: (memberships) =>
      database.transaction(() => {
        for (const membership of memberships) upsertMembership.run(fromMembership(membership))
      }),
    removeMemberships: (keys) =>
      database.transaction(() => {
        for (const key of keys) deleteMembership.run(key.deviceId, key.groupId)
      }),
    testRuns: (limit) => guarded(() => selectRuns.all(Math.max(0, limit))).map((row) => fromJson(row.body, isTestRun)),
    saveTestRun: (run) =>
      database.transaction(() => {
        upsertRun.run(run.id, run.groupId, run.startedAt, canonicalJson(run))
      }),
    transaction: (work) => database.transaction(work),
  }
}

function fromCoapGroup(group: CoapGroupRecord): CoapGroupColumns {
  return { id: group.id, name: group.name, address: group.address, port: group.port, allocated: group.allocated ? 1 : 0 }
}

function fromApplicationGroup(group: ApplicationGroupRecord): ApplicationGroupColumns {
  const { id, name, coapGroupId, roomId, comment, retired } = group
  return { id, name, coap_group_id: coapGroupId, room_id: roomId, comment, retired: retired ? 1 : 0 }
}

function toApplicationGroup(row: ApplicationGroupColumns): ApplicationGroupRecord {
  const { id, name, comment } = row
  return { id, name, coapGroupId: row.coap_group_id, roomId: row.room_id, comment, retired: row.retired !== 0 }
}

export function fromMembership(membership: MembershipRecord): MembershipColumns {
  const { deviceId, groupId, desired, outcome, at, source, failure, applied } = membership
  return {
    device_id: deviceId,
    group_id: groupId,
    desired: desired ? 1 : 0,
    outcome,
    at,
    source,
    failure: failure === null ? null : canonicalJson(failure),
    applied_name: applied?.name ?? null,
    applied_address: applied?.address ?? null,
    applied_port: applied?.port ?? null,
  }
}

export function toMembership(row: MembershipColumns): MembershipRecord {
  const { applied_name: name, applied_address: address, applied_port: port } = row
  return {
    deviceId: row.device_id,
    groupId: row.group_id,
    desired: row.desired !== 0,
    outcome: knownWord(outcomes, row.outcome),
    at: row.at,
    source: knownWord(factSources, row.source),
    failure: row.failure === null ? null : fromJson(row.failure, isFailure),
    applied: name === null || address === null || port === null ? null : { name, address, port },
  }
}
