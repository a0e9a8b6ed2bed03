// Security groups as the project wants them, and the sealed OSCORE contexts that devices were enrolled with.
import type { DeviceId } from '#main/base/index.ts'
import type { ProtectionRecord, SecurityGroupRecord, SecurityMemberRecord, SecurityStore, ToldMembership } from '#main/site/groups/index.ts'
import type { SecurityPolicy, SecuritySuite } from '#contract/model.ts'
import { canonicalJson, fromJson, knownWord } from './json.ts'
import { isFailure, isMembers, isText, isWhole } from './shapes.ts'
import type { Database, SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'
import { outcomes } from './words.ts'

const suites: Readonly<Record<SecuritySuite, true>> = { standard: true, p256: true, 'long-tag': true, counter: true }

interface GroupColumns {
  readonly id: string
  readonly name: string
  readonly comment: string
  readonly room_id: string | null
  readonly suite: string
  readonly policy: string
  readonly automatic: number
}

interface ProtectionColumns {
  readonly group_id: string
  readonly security_groups: string
  readonly reason: string | null
  readonly automatic: number
}

interface MemberColumns {
  readonly device_id: string
  readonly security_group_id: string
  readonly outcome: string
  readonly at: number
  readonly failure: string | null
  readonly told: string | null
}

export function createSecurityStore(site: SiteDatabase): SecurityStore {
  const { raw } = site
  const selectGroups = raw.prepare<[], GroupColumns>(
    'SELECT id, name, comment, room_id, suite, policy, automatic FROM security_group ORDER BY name',
  )
  const upsertGroup = raw.prepare<GroupColumns>(`
    INSERT INTO security_group (id, name, comment, room_id, suite, policy, automatic)
    VALUES (@id, @name, @comment, @room_id, @suite, @policy, @automatic)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, comment = excluded.comment, room_id = excluded.room_id,
      suite = excluded.suite, policy = excluded.policy, automatic = excluded.automatic`)
  const deleteGroup = raw.prepare<[string]>('DELETE FROM security_group WHERE id = ?')
  const selectProtections = raw.prepare<[], ProtectionColumns>('SELECT group_id, security_groups, reason, automatic FROM group_protection')
  const upsertProtection = raw.prepare<ProtectionColumns>(`
    INSERT INTO group_protection (group_id, security_groups, reason, automatic) VALUES (@group_id, @security_groups, @reason, @automatic)
    ON CONFLICT (group_id) DO UPDATE SET security_groups = excluded.security_groups, reason = excluded.reason, automatic = excluded.automatic`)
  const deleteProtection = raw.prepare<[string]>('DELETE FROM group_protection WHERE group_id = ?')
  const selectMembers = raw.prepare<[], MemberColumns>(
    'SELECT device_id, security_group_id, outcome, at, failure, told FROM security_member',
  )
  const upsertMember = raw.prepare<MemberColumns>(`
    INSERT INTO security_member (device_id, security_group_id, outcome, at, failure, told)
    VALUES (@device_id, @security_group_id, @outcome, @at, @failure, @told)
    ON CONFLICT (device_id, security_group_id) DO UPDATE SET outcome = excluded.outcome, at = excluded.at,
      failure = excluded.failure, told = excluded.told`)
  const deleteMember = raw.prepare<[string, string]>('DELETE FROM security_member WHERE device_id = ? AND security_group_id = ?')

  return {
    securityGroups: () => guarded(() => selectGroups.all()).map(toGroup),
    saveSecurityGroup: (group) =>
      site.transaction(() => {
        upsertGroup.run(fromGroup(group))
      }),
    removeSecurityGroup: (id) =>
      site.transaction(() => {
        deleteGroup.run(id)
      }),
    protections: () => guarded(() => selectProtections.all()).map(toProtection),
    saveProtection: ({ groupId, securityGroupIds, reason, automatic }) =>
      site.transaction(() => {
        upsertProtection.run({ group_id: groupId, security_groups: canonicalJson(securityGroupIds), reason, automatic: automatic ? 1 : 0 })
      }),
    removeProtection: (groupId) =>
      site.transaction(() => {
        deleteProtection.run(groupId)
      }),
    securityMembers: () => guarded(() => selectMembers.all()).map(toMember),
    saveSecurityMembers: (members) =>
      site.transaction(() => {
        for (const member of members) upsertMember.run(fromMember(member))
      }),
    removeSecurityMember: (deviceId, id) =>
      site.transaction(() => {
        deleteMember.run(deviceId, id)
      }),
    transaction: (work) => site.transaction(work),
  }
}

export interface StoredEnrolment {
  readonly deviceId: DeviceId
  /** Names the device's Sender ID; never given twice. */
  readonly number: number
  readonly sealed: Uint8Array
  readonly enrolledAt: number
}

/** Sealed OSCORE contexts of devices at rest. */
export interface EnrolmentStore {
  all(): readonly StoredEnrolment[]
  save(enrolment: StoredEnrolment): void
  remove(deviceId: DeviceId): void
  /** Forgets what nobody can open: contexts, the Group Manager's groups and tokens, and what devices were told. */
  wipe(): void
}

interface EnrolmentColumns {
  readonly device_id: string
  readonly number: number
  readonly sealed: Uint8Array
  readonly enrolled_at: number
}

export function createEnrolmentStore(database: Database): EnrolmentStore {
  const select = database.prepare<[], EnrolmentColumns>(
    'SELECT device_id, number, sealed, enrolled_at FROM device_enrolment ORDER BY number',
  )
  const upsert = database.prepare<[string, number, Uint8Array, number]>(`
    INSERT INTO device_enrolment (device_id, number, sealed, enrolled_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (device_id) DO UPDATE SET number = excluded.number, sealed = excluded.sealed, enrolled_at = excluded.enrolled_at`)
  const remove = database.prepare<[string]>('DELETE FROM device_enrolment WHERE device_id = ?')
  return {
    all: () =>
      guarded(() => select.all()).map(({ device_id: deviceId, number, sealed, enrolled_at: enrolledAt }) => ({
        deviceId,
        number,
        sealed: Uint8Array.from(sealed),
        enrolledAt,
      })),
    save: ({ deviceId, number, sealed, enrolledAt }) => {
      guarded(() => upsert.run(deviceId, number, sealed, enrolledAt))
    },
    remove: (deviceId) => {
      guarded(() => remove.run(deviceId))
    },
    wipe: () => {
      const tables = ['device_enrolment', 'security_member', 'gm_member', 'gm_group', 'gm_authorisation', 'gm_grant', 'gm_token_key']
      guarded(() =>
        database.transaction(() => {
          for (const table of tables) database.exec(`DELETE FROM ${table}`)
        })(),
      )
    },
  }
}

function fromGroup({ id, name, comment, roomId, suite, policy, automatic }: SecurityGroupRecord): GroupColumns {
  return { id, name, comment, room_id: roomId, suite, policy: canonicalJson(policy), automatic: automatic ? 1 : 0 }
}

function toGroup({ id, name, comment, room_id: roomId, suite, policy, automatic }: GroupColumns): SecurityGroupRecord {
  return { id, name, comment, roomId, suite: knownWord(suites, suite), policy: fromJson(policy, isPolicy), automatic: automatic !== 0 }
}

function toProtection({ group_id: groupId, security_groups: ids, reason, automatic }: ProtectionColumns): ProtectionRecord {
  return { groupId, securityGroupIds: fromJson(ids, isTexts), reason, automatic: automatic !== 0 }
}

function fromMember({ deviceId, securityGroupId, outcome, at, failure, told }: SecurityMemberRecord): MemberColumns {
  return {
    device_id: deviceId,
    security_group_id: securityGroupId,
    outcome,
    at,
    failure: failure === null ? null : canonicalJson(failure),
    told: told === null ? null : canonicalJson(told),
  }
}

function toMember({
  device_id: deviceId,
  security_group_id: securityGroupId,
  outcome,
  at,
  failure,
  told,
}: MemberColumns): SecurityMemberRecord {
  return {
    deviceId,
    securityGroupId,
    // What was under way when the program ended may have arrived or not.
    outcome: outcome === 'sent' ? 'unknown' : knownWord(outcomes, outcome),
    at,
    failure: failure === null ? null : fromJson(failure, isFailure),
    told: told === null ? null : fromJson(told, isTold),
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText)
}

function isPolicy(value: unknown): value is SecurityPolicy {
  if (!isMembers(value) || typeof value.rekeyOnJoin !== 'boolean') return false
  return [value.rekeyAfterLeaves, value.rekeyWithinMinutes, value.lifetimeDays].every(isWhole)
}

function isTold(value: unknown): value is ToldMembership {
  if (!isMembers(value) || !isMembers(value.roles) || !isTexts(value.applicationGroups)) return false
  return typeof value.roles.requester === 'boolean' && typeof value.roles.responder === 'boolean'
}
