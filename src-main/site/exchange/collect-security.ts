// The security layer in a site's document: who can read what is sent to a group, and what is unprotected for which reason. The Gid stands
// in every message (draft-ietf-core-oscore-groupcomm-28 §3.2) and is no secret; key material is not known here.
import { suites, type SecurityStore } from '#main/site/groups/index.ts'
import type { SecurityGroupRow, SecurityMemberRow } from '#contract/model.ts'
import type { SiteDocument } from './document.ts'

export interface LiveSecurity {
  readonly groups: readonly SecurityGroupRow[]
  readonly members: readonly SecurityMemberRow[]
}

export interface SecuritySource extends Pick<SecurityStore, 'securityGroups' | 'protections'> {
  /** What the Group Manager knows of them; absent where it is not there. */
  readonly live?: () => LiveSecurity
}

export interface KnownIds {
  readonly devices: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
  readonly inRoom: (roomId: string | null) => string | null
}

type Rows = Pick<SiteDocument, 'securityGroups' | 'protections'>

/** Not in order yet. */
export function securityRows(source: SecuritySource, known: KnownIds): Rows {
  const live = source.live?.()
  const rows = new Map(live?.groups.map((row) => [row.id, row]))
  const members = Map.groupBy(live?.members ?? [], ({ securityGroupId }) => securityGroupId)
  const groups = source.securityGroups()
  const ids = new Set(groups.map(({ id }) => id))
  return {
    securityGroups: groups.map(({ id, name, comment, roomId, suite, policy, automatic }) => {
      const { groupEncryption, signature, aead, hkdf } = suites[suite]
      return {
        id,
        name,
        comment,
        roomId: known.inRoom(roomId),
        suite,
        algorithms: { groupEncryption, signature, pairwise: aead, hkdf },
        policy: {
          rekeyOnJoin: policy.rekeyOnJoin,
          rekeyAfterLeaves: policy.rekeyAfterLeaves,
          rekeyWithinMinutes: policy.rekeyWithinMinutes,
          lifetimeDays: policy.lifetimeDays,
        },
        automatic,
        keys: keysOf(rows.get(id)),
        members: (members.get(id) ?? []).flatMap((row) => (known.devices.has(row.deviceId) ? [memberOf(row)] : [])).sort(byDevice),
      }
    }),
    protections: source.protections().flatMap(({ groupId, securityGroupIds, reason, automatic }) => {
      const there = securityGroupIds.filter((id) => ids.has(id)).toSorted()
      // A protection by groups that are gone is none that anybody has chosen.
      if (!known.groups.has(groupId) || there.length !== securityGroupIds.length) return []
      return [{ groupId, securityGroupIds: there, reason, automatic }]
    }),
  }
}

function keysOf(row: SecurityGroupRow | undefined): SiteDocument['securityGroups'][number]['keys'] {
  if (row === undefined || row.generation === null || row.gid === null || row.rekeyedAt === null || row.expiresAt === null) return null
  const { generation, gid, rekeyedAt, expiresAt } = row
  return { generation, gid, rekeyedAt: new Date(rekeyedAt).toISOString(), expiresAt: new Date(expiresAt).toISOString() }
}

function memberOf({ deviceId, requester, responder, outcome, keys, generation }: SecurityMemberRow) {
  return { deviceId, requester, responder, outcome: outcome === 'sent' ? ('unknown' as const) : outcome, keys, generation }
}

function byDevice(a: { readonly deviceId: string }, b: { readonly deviceId: string }): number {
  return a.deviceId < b.deviceId ? -1 : a.deviceId > b.deviceId ? 1 : 0
}
