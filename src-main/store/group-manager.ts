// What the Group Manager keeps: groups with their sealed keys, members, authorisations, access tokens.
import type { Database } from 'better-sqlite3'
import type { GroupManagerStore } from '#main/services/group-manager/index.ts'
import {
  authorisationFromRow,
  authorisationToRow,
  grantFromRow,
  grantToRow,
  groupFromRow,
  groupToRow,
  memberFromRow,
  memberToRow,
  type AuthorisationRow,
  type GrantRow,
  type GroupRow,
  type MemberRow,
} from './group-manager-rows.ts'
import { guarded } from './sqlite-failure.ts'

const GROUP =
  'name, configuration, gid, generation, sealed_keys, credential, stale_sets, rekeyed_at, expires_at, algorithms_since, leaves_waiting, first_leave_at, newcomers'
const MEMBER =
  'group_name, identity, node, sender_id, credential, roles, scope, client_nonce, control, context, address, port, zone, channel, joined_at, generation, keys'
const AUTHORISATION = 'identity, groups, admin, proven, not_after'
const GRANT = 'id, identity, scope, expires_at, sealed_material'

/** `INSERT … ON CONFLICT DO UPDATE` of all columns. */
function upsert(table: string, key: string, columns: string): string {
  const names = columns.split(', ')
  const keys = new Set(key.split(', '))
  const updates = names.filter((name) => !keys.has(name)).map((name) => `${name} = excluded.${name}`)
  return `INSERT INTO ${table} (${columns}) VALUES (${names.map((name) => `@${name}`).join(', ')}) ON CONFLICT (${key}) DO UPDATE SET ${updates.join(', ')}`
}

export function createGroupManagerStore(database: Database): GroupManagerStore {
  const allGroups = database.prepare<[], GroupRow>(`SELECT ${GROUP} FROM gm_group ORDER BY name`)
  const saveGroup = database.prepare<GroupRow>(upsert('gm_group', 'name', GROUP))
  const removeGroup = database.prepare<[string]>('DELETE FROM gm_group WHERE name = ?')
  const removeMembers = database.prepare<[string]>('DELETE FROM gm_member WHERE group_name = ?')
  const allMembers = database.prepare<[], MemberRow>(`SELECT ${MEMBER} FROM gm_member ORDER BY group_name, joined_at, identity`)
  const saveMember = database.prepare<MemberRow>(upsert('gm_member', 'group_name, identity', MEMBER))
  const removeMember = database.prepare<[string, string]>('DELETE FROM gm_member WHERE group_name = ? AND identity = ?')
  const allAuthorisations = database.prepare<[], AuthorisationRow>(`SELECT ${AUTHORISATION} FROM gm_authorisation ORDER BY identity`)
  const saveAuthorisation = database.prepare<AuthorisationRow>(upsert('gm_authorisation', 'identity', AUTHORISATION))
  const removeAuthorisation = database.prepare<[string]>('DELETE FROM gm_authorisation WHERE identity = ?')
  const allGrants = database.prepare<[], GrantRow>(`SELECT ${GRANT} FROM gm_grant ORDER BY expires_at`)
  const saveGrant = database.prepare<GrantRow>(upsert('gm_grant', 'id', GRANT))
  const removeGrant = database.prepare<[Uint8Array]>('DELETE FROM gm_grant WHERE id = ?')
  const tokenKey = database.prepare<[], { readonly sealed_key: Uint8Array }>('SELECT sealed_key FROM gm_token_key WHERE id = 1')
  const saveTokenKey = database.prepare<[Uint8Array]>(
    'INSERT INTO gm_token_key (id, sealed_key) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET sealed_key = excluded.sealed_key',
  )

  const transaction = <Result>(work: () => Result): Result => {
    // Inner transactions belong to the outermost one.
    if (database.inTransaction) return guarded(work)
    return guarded(() => database.transaction(work).immediate())
  }
  return {
    transaction,
    groups: () => guarded(() => allGroups.all().map(groupFromRow)),
    saveGroup: (group) => {
      guarded(() => saveGroup.run(groupToRow(group)))
    },
    removeGroup: (name) => {
      transaction(() => {
        removeMembers.run(name)
        removeGroup.run(name)
      })
    },
    members: () => guarded(() => allMembers.all().map(memberFromRow)),
    saveMember: (member) => {
      guarded(() => saveMember.run(memberToRow(member)))
    },
    removeMember: (group, identity) => {
      guarded(() => removeMember.run(group, identity))
    },
    authorisations: () => guarded(() => allAuthorisations.all().map(authorisationFromRow)),
    saveAuthorisation: (record) => {
      guarded(() => saveAuthorisation.run(authorisationToRow(record)))
    },
    removeAuthorisation: (identity) => {
      guarded(() => removeAuthorisation.run(identity))
    },
    grants: () => guarded(() => allGrants.all().map(grantFromRow)),
    saveGrant: (grant) => {
      guarded(() => saveGrant.run(grantToRow(grant)))
    },
    removeGrant: (id) => {
      guarded(() => removeGrant.run(id))
    },
    tokenKey: () => {
      const row = guarded(() => tokenKey.get())
      return row === undefined ? undefined : new Uint8Array(row.sealed_key)
    },
    saveTokenKey: (sealed) => {
      guarded(() => saveTokenKey.run(sealed))
    },
  }
}
