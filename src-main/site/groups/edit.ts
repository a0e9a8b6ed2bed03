// An edit of the book: what becomes durable and visible together.
import type { CoapGroupId, GroupId } from '#main/base/index.ts'
import type { ApplicationGroupRecord, CoapGroupRecord, MembershipRecord } from './types.ts'

export type CellRef = Pick<MembershipRecord, 'deviceId' | 'groupId'>

/** Changes that become durable and visible together. */
export interface Edit {
  readonly coap?: readonly CoapGroupRecord[]
  readonly removedCoap?: readonly CoapGroupId[]
  readonly groups?: readonly ApplicationGroupRecord[]
  readonly removedGroups?: readonly GroupId[]
  readonly cells?: readonly MembershipRecord[]
  readonly removedCells?: readonly CellRef[]
}
