// What the overview looks at, and the port of the machine it runs on.
import type { KeyedFeed } from '#main/base/index.ts'
import type {
  ApplicationGroupRow,
  CheckRow,
  ChecklistRow,
  DeviceRow,
  ExportRow,
  MembershipRow,
  PlanLine,
  ProblemRow,
  ProgressRow,
  RoomRow,
  SecurityFindingRow,
  SecurityPlanLine,
  TestRunRow,
} from '#contract/model.ts'

/** The read models that it draws its conclusions from. */
export interface OverviewSources {
  readonly devices: KeyedFeed<DeviceRow>
  readonly rooms: KeyedFeed<RoomRow>
  readonly applicationGroups: KeyedFeed<ApplicationGroupRow>
  readonly memberships: KeyedFeed<MembershipRow>
  readonly plan: KeyedFeed<PlanLine>
  readonly securityPlan?: KeyedFeed<SecurityPlanLine>
  readonly securityFindings?: KeyedFeed<SecurityFindingRow>
  readonly testRuns: KeyedFeed<TestRunRow>
  readonly exports: KeyedFeed<ExportRow>
  readonly checks: KeyedFeed<CheckRow>
  /** The project's revision now. */
  revision(): number
}

/** The same as plain rows: what the pure functions take. */
export interface SiteSnapshot {
  readonly devices: readonly DeviceRow[]
  readonly rooms: readonly RoomRow[]
  readonly applicationGroups: readonly ApplicationGroupRow[]
  readonly memberships: readonly MembershipRow[]
  readonly plan: readonly PlanLine[]
  readonly securityPlan?: readonly SecurityPlanLine[]
  readonly securityFindings?: readonly SecurityFindingRow[]
  readonly testRuns: readonly TestRunRow[]
  readonly exports: readonly ExportRow[]
  readonly checks: readonly CheckRow[]
  readonly revision: number
}

export interface Overview {
  readonly progress: KeyedFeed<ProgressRow>
  readonly problems: KeyedFeed<ProblemRow>
  readonly checklist: KeyedFeed<ChecklistRow>
  /** For changes that no feed tells, such as a new revision. */
  refreshSoon(): void
  close(): void
}
