// What the overview looks at, and the port of the machine it runs on.
import type { KeyedFeed } from '#main/base/index.ts'
import type {
  AdmissionRow,
  ApplicationGroupRow,
  CheckRow,
  ChecklistRow,
  DeviceRow,
  ExportRow,
  FindingRow,
  MembershipRow,
  PlanLine,
  ProblemRow,
  ProgressRow,
  RaRow,
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
  /** Of all checks, those of security groups among them. */
  readonly findings?: KeyedFeed<FindingRow>
  readonly testRuns: KeyedFeed<TestRunRow>
  readonly exports: KeyedFeed<ExportRow>
  readonly checks: KeyedFeed<CheckRow>
  readonly admission?: KeyedFeed<AdmissionRow>
  readonly authority?: KeyedFeed<RaRow>
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
  readonly findings?: readonly FindingRow[]
  readonly testRuns: readonly TestRunRow[]
  readonly exports: readonly ExportRow[]
  readonly checks: readonly CheckRow[]
  readonly admission?: Pick<AdmissionRow, 'counts'> | undefined
  readonly authority?: Pick<RaRow, 'pending' | 'valid' | 'expiring'> | undefined
  readonly revision: number
}

export interface GroupEvidence {
  readonly group: ApplicationGroupRow
  /** The newest run, where the group is still as it was then; undefined: to be tested (again). */
  readonly run: TestRunRow | undefined
  readonly passed: boolean
}

export interface Overview {
  readonly progress: KeyedFeed<ProgressRow>
  readonly problems: KeyedFeed<ProblemRow>
  readonly checklist: KeyedFeed<ChecklistRow>
  /** What is proven of groups that have members, as of now. */
  evidence(): readonly GroupEvidence[]
  /** For changes that no feed tells, such as a new revision. */
  refreshSoon(): void
  close(): void
}
