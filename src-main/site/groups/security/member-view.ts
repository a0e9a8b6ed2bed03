// What is shown of a device in a security group: what was told to it, what is wished, and what the Group Manager knows of it.
import type { SecurityMemberRow, SecurityPlanLine } from '#contract/model.ts'
import { membershipKey } from '../plan.ts'
import type { ManagedMember, SecurityGroupRecord, SecurityMemberRecord, ToldMembership } from './types.ts'
import { sameMembership } from './wishes.ts'

export interface MemberFacts {
  readonly deviceId: string
  readonly group: SecurityGroupRecord
  readonly wish: ToldMembership | undefined
  readonly record: SecurityMemberRecord | undefined
  /** Undefined: the Group Manager does not know it as a member. */
  readonly managed: ManagedMember | undefined
  /** Whether the Group Manager can be asked. */
  readonly managerKnown: boolean
}

export function securityMemberKey(deviceId: string, securityGroupId: string): string {
  return membershipKey({ deviceId, groupId: securityGroupId })
}

/** The outcome to show: the Group Manager's word that it is a member settles what was sent; its silence unsettles what was confirmed. */
export function memberOutcome({ wish, record, managed, managerKnown }: MemberFacts): SecurityMemberRow['outcome'] {
  const asWished = record !== undefined && sameMembership(record.told, wish ?? null)
  if (wish !== undefined && asWished && managed !== undefined) return 'confirmed'
  if (record === undefined) return 'planned'
  if (record.outcome !== 'confirmed') return record.outcome
  return asWished && (!managerKnown || managed !== undefined) ? 'confirmed' : 'planned'
}

export function memberRow(facts: MemberFacts): SecurityMemberRow {
  const { deviceId, group, wish, record, managed } = facts
  const roles = wish?.roles ?? record?.told?.roles ?? { requester: false, responder: false }
  const outcome = memberOutcome(facts)
  return {
    key: securityMemberKey(deviceId, group.id),
    deviceId,
    securityGroupId: group.id,
    desired: wish !== undefined,
    requester: roles.requester,
    responder: roles.responder,
    outcome,
    keys: managed?.keys ?? 'none',
    generation: managed?.generation ?? null,
    failures: managed?.failures ?? 0,
    at: record?.at ?? 0,
    failure: outcome === 'confirmed' ? null : (record?.failure ?? null),
  }
}

/** What has to be done; undefined where everything is as wished. */
export function memberChange(facts: MemberFacts): SecurityPlanLine['change'] | undefined {
  const { wish, record, managed } = facts
  if (wish === undefined)
    return (record?.told ?? null) !== null || record?.outcome === 'unknown' || managed !== undefined ? 'leave' : undefined
  if (memberOutcome(facts) === 'confirmed') return undefined
  return managed !== undefined && (record?.told ?? null) !== null ? 'update' : 'join'
}
