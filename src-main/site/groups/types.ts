// Groups at rest, and the ports of the group configuration engine.
import type { CoapGroupId, DeviceId, GroupId } from '#main/base/index.ts'
import type { FactSource, Failure, Outcome, TestRunRow } from '#contract/model.ts'
import type { GroupTableEntry } from '../devices/index.ts'

export interface CoapGroupRecord {
  readonly id: CoapGroupId
  readonly name: string
  readonly address: string
  readonly port: number
  readonly allocated: boolean
}

export interface ApplicationGroupRecord {
  readonly id: GroupId
  readonly name: string
  readonly coapGroupId: CoapGroupId
  readonly roomId: string | null
  readonly comment: string
  /** Removed from the project, but some devices still have it: kept until the last one has let go. */
  readonly retired: boolean
}

export interface MembershipRecord {
  readonly deviceId: DeviceId
  readonly groupId: GroupId
  readonly desired: boolean
  readonly outcome: Outcome
  readonly at: number
  readonly source: FactSource
  readonly failure: Failure | null
  /** What the device's group table held when it was last read or written with confirmation; null: no such entry. */
  readonly applied: GroupTableEntry | null
}

/** Port: groups, memberships and test evidence at rest. Every write is durable when the call returns. */
export interface GroupStore {
  coapGroups(): readonly CoapGroupRecord[]
  saveCoapGroup(group: CoapGroupRecord): void
  removeCoapGroup(id: CoapGroupId): void
  applicationGroups(): readonly ApplicationGroupRecord[]
  saveApplicationGroup(group: ApplicationGroupRecord): void
  removeApplicationGroup(id: GroupId): void
  memberships(): readonly MembershipRecord[]
  saveMemberships(memberships: readonly MembershipRecord[]): void
  removeMemberships(keys: ReadonlyArray<{ readonly deviceId: DeviceId; readonly groupId: GroupId }>): void
  /** The newest ones, and the newest of each group besides: what proves a group is not pushed out by tests of others. */
  testRuns(limit: number): readonly TestRunRow[]
  saveTestRun(run: TestRunRow): void
  transaction<Result>(work: () => Result): Result
}
