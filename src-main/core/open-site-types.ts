// What an open site offers: its services, each with the feeds and calls that hosts reach through the contract.
import type { AppError } from '#main/base/index.ts'
import type { ResourceDirectory } from '#main/services/rd/index.ts'
import type { DongleSite } from '#main/simulator/index.ts'
import type { Discovery, Inventory } from '#main/site/devices/index.ts'
import type { Exchange } from '#main/site/exchange/index.ts'
import type { GroupEngine, Maintenance, TestBench } from '#main/site/groups/index.ts'
import type { History } from '#main/site/history/index.ts'
import type { JobService } from '#main/site/jobs/index.ts'
import type { Overview, Preflight } from '#main/site/overview/index.ts'
import type { Templates } from '#main/site/templates/index.ts'
import type { NetworkOptions } from '#contract/model.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { SiteCoaps } from './coaps.ts'
import type { DirectorySettings } from './directory-settings.ts'
import type { Dongles } from './dongles.ts'
import type { Access } from '#main/site/access/index.ts'
import type { Admission } from '#main/site/admission/index.ts'
import type { SiteEnrolment } from './enrolment.ts'
import type { JoinDesk } from './join-desk.ts'
import type { Retirement } from './join-retirement.ts'
import type { SiteJoining } from './joining.ts'
import type { SiteNetwork } from './network.ts'
import type { KnxDesk } from './knx.ts'
import type { ProfileDesk } from './profile-desk.ts'
import type { SiteFleet } from './fleet.ts'
import type { SiteWriter } from './writer.ts'
import type { ImportGroups } from './site-wiring.ts'
import type { SiteSurvey } from './survey.ts'
import type { SiteRules } from './rules.ts'
import type { SiteSecurity } from './security.ts'
import type { TraceDesk } from './trace-desk.ts'
import type { Walk } from './walk.ts'
import type { Trace } from './trace.ts'

export interface OpenSite {
  readonly file: SiteFile
  /** Who may do what. */
  readonly access: Access
  readonly network: SiteNetwork
  readonly networkFailure: AppError | undefined
  readonly directory: ResourceDirectory
  readonly directorySettings: DirectorySettings
  /** Moves the CoAP endpoint and keeps that with the site. Throws `site.is-a-demo`, `network.*`; then all is as before. */
  moveTo(network: NetworkOptions): Promise<void>
  readonly demo: DongleSite | undefined
  readonly dongles: Dongles
  readonly trace: Trace
  readonly traceDesk: TraceDesk
  readonly knx: KnxDesk
  readonly profiles: ProfileDesk
  /** Calls back when a dongle has come up, gone down, or changed its addresses, and when CoAP over DTLS has come or gone. */
  onReach(listener: () => void): () => void
  readonly inventory: Inventory
  readonly discovery: Discovery
  readonly groups: GroupEngine
  /** What the import of a device list needs of the groups. */
  readonly importGroups: ImportGroups
  readonly bench: TestBench
  readonly security: SiteSecurity
  /** Checks of the groups; their names and addresses. */
  readonly rules: SiteRules
  /** The registration authority. */
  readonly enrolment: SiteEnrolment
  /** Who may join. */
  readonly admission: Admission
  /** CoAP over DTLS. */
  readonly coaps: SiteCoaps
  readonly joining: SiteJoining
  /** How the site takes part in joining. */
  readonly joinDesk: JoinDesk
  readonly replacing: Retirement['replacing']
  readonly jobs: JobService
  readonly templates: Templates
  /** Starts a job that tests groups; without ids those that are not proven yet. Throws `job.nothing-to-do`. */
  readonly prove: (groupIds?: readonly string[]) => string
  readonly walk: Walk
  /** Undo and redo of project edits. */
  readonly history: History
  /** Changes of groups in the order in which rooms keep working. */
  readonly maintenance: Maintenance
  /** Drift, what is there already, and differences to other exports. */
  readonly survey: SiteSurvey
  readonly exchange: Exchange
  /** Who may send to its devices. */
  readonly writer: SiteWriter
  readonly fleet: SiteFleet
  readonly overview: Overview
  readonly preflight: Preflight
  close(): Promise<void>
}
