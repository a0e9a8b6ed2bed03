// What can be followed: each feed is a set of rows by key. A subscriber gets a snapshot, then deltas, at most ten a second.
import type { z } from 'zod'
import {
  accessRow,
  admissionRow,
  applicationGroupRow,
  checklistRow,
  checkRow,
  coapGroupRow,
  deviceRow,
  directoryRow,
  discoveryRow,
  driftRow,
  exportRow,
  findingRow,
  groupProtectionRow,
  groupSettingsRow,
  historyRow,
  maintenanceRow,
  jobItemRow,
  jobRow,
  joiningRow,
  linkRow,
  membershipRow,
  planLine,
  pledgeRow,
  preferencesRow,
  problemRow,
  progressRow,
  pushTargetRow,
  raRow,
  roomRow,
  securityDeviceRow,
  securityFindingRow,
  securityGroupRow,
  securityMemberRow,
  securityPlanLine,
  securityStateRow,
  sessionRow,
  surveyRow,
  templateRow,
  templateUseRow,
  testRunRow,
  traceRow,
  walkRow,
  writerRow,
} from './model.ts'

export const feeds = {
  session: { key: 'key', row: sessionRow },
  access: { key: 'key', row: accessRow },
  preferences: { key: 'key', row: preferencesRow },
  progress: { key: 'step', row: progressRow },
  checks: { key: 'check', row: checkRow },
  problems: { key: 'id', row: problemRow },
  rooms: { key: 'id', row: roomRow },
  devices: { key: 'id', row: deviceRow },
  discovery: { key: 'key', row: discoveryRow },
  coapGroups: { key: 'id', row: coapGroupRow },
  applicationGroups: { key: 'id', row: applicationGroupRow },
  memberships: { key: 'key', row: membershipRow },
  plan: { key: 'id', row: planLine },
  templates: { key: 'id', row: templateRow },
  templateUses: { key: 'roomId', row: templateUseRow },
  walk: { key: 'key', row: walkRow },
  jobs: { key: 'id', row: jobRow },
  /** Items of unfinished jobs and of the newest finished job of each kind. */
  jobItems: { key: 'key', row: jobItemRow },
  testRuns: { key: 'id', row: testRunRow },
  /** The newest entries of the journal; older ones are asked for in pages. */
  history: { key: 'key', row: historyRow },
  /** Maintenance of groups that has not reached every device yet. */
  maintenance: { key: 'id', row: maintenanceRow },
  checklist: { key: 'item', row: checklistRow },
  exports: { key: 'handle', row: exportRow },
  pushTargets: { key: 'id', row: pushTargetRow },
  writer: { key: 'key', row: writerRow },
  directory: { key: 'key', row: directoryRow },
  links: { key: 'id', row: linkRow },
  security: { key: 'key', row: securityStateRow },
  securityGroups: { key: 'id', row: securityGroupRow },
  protections: { key: 'groupId', row: groupProtectionRow },
  securityMembers: { key: 'key', row: securityMemberRow },
  securityDevices: { key: 'deviceId', row: securityDeviceRow },
  securityPlan: { key: 'id', row: securityPlanLine },
  securityFindings: { key: 'id', row: securityFindingRow },
  /** What all checks say, those of security groups among them. */
  findings: { key: 'id', row: findingRow },
  groupSettings: { key: 'key', row: groupSettingsRow },
  ra: { key: 'key', row: raRow },
  admission: { key: 'key', row: admissionRow },
  /** Devices that have asked to join; their timelines are pulled. */
  pledges: { key: 'key', row: pledgeRow },
  joining: { key: 'key', row: joiningRow },
  /** What has passed; entries are pulled in pages. */
  /** Devices against what was applied to them. */
  drift: { key: 'deviceId', row: driftRow },
  survey: { key: 'key', row: surveyRow },
  trace: { key: 'key', row: traceRow },
} as const

export type FeedName = keyof typeof feeds
export type FeedRow<Name extends FeedName> = z.infer<(typeof feeds)[Name]['row']>

/** The rows as they are (`snapshot`), or what changed since the version before (`delta`). A gap in versions asks for a new subscription. */
export type FeedMessage<Name extends FeedName = FeedName> =
  | { readonly kind: 'snapshot'; readonly version: number; readonly rows: ReadonlyArray<FeedRow<Name>> }
  | { readonly kind: 'delta'; readonly version: number; readonly upsert: ReadonlyArray<FeedRow<Name>>; readonly remove: readonly string[] }

export const feedNames = Object.keys(feeds) as readonly FeedName[]
