// What is open, drawn from the rows of the site: pure, so that every sentence of the window can be checked.
import type {
  ApplicationGroupRow,
  ChecklistRow,
  DeviceRow,
  ProblemKind,
  ProblemRow,
  ProgressRow,
  SecurityFindingRow,
} from '#contract/model.ts'
import { findingProblems, withRemedies } from './finding-problems.ts'
import { isProven, proofOf } from '#main/site/groups/index.ts'
import type { GroupEvidence, SiteSnapshot } from './types.ts'

/** More problems of one kind than this are told as one: a list of thousands helps nobody. */
export const LISTED_PER_KIND = 200

const NOT_FOUND_YET = new Set<DeviceRow['state']>(['planned', 'expected'])
/** Devices that react to a group's requests; switches and sensors send them. */
const REACTING = new Set<DeviceRow['type']>(['luminaire', 'blind', 'thermostat', 'actuator'])

/** What the tests of each group that has members prove of it as it is now. */
export function testEvidence(site: SiteSnapshot): readonly GroupEvidence[] {
  const cells = Map.groupBy(site.memberships, ({ groupId }) => groupId)
  const runs = Map.groupBy(site.testRuns, ({ groupId }) => groupId)
  const types = new Map(site.devices.map(({ id, type }) => [id, type]))
  return site.applicationGroups
    .filter((group) => group.members > 0)
    .map((group) => {
      const subject = { uri: group.uri, cells: cells.get(group.id) ?? [], typeOf: (id: string) => types.get(id) }
      const { standing, run } = proofOf(runs.get(group.id) ?? [], subject)
      return { group, run, passed: standing === 'proven' }
    })
}

export function progressOf(site: SiteSnapshot): readonly ProgressRow[] {
  const evidence = testEvidence(site)
  const checklist = checklistFrom(site, evidence)
  const reacting = site.devices.filter((device) => REACTING.has(device.type))
  const ungrouped = reacting.filter((device) => device.groups === 0).length
  const emptyGroups = site.applicationGroups.filter((group) => group.members === 0).length
  return [
    { step: 'site', open: site.checks.filter((check) => check.verdict === 'failed').length, total: site.checks.length },
    { step: 'devices', open: site.devices.filter((device) => NOT_FOUND_YET.has(device.state)).length, total: site.devices.length },
    admitProgress(site),
    { step: 'groups', open: ungrouped + emptyGroups, total: reacting.length },
    { step: 'apply', open: openChanges(site), total: site.memberships.length },
    { step: 'test', open: evidence.filter((entry) => !entry.passed).length, total: evidence.length },
    { step: 'handover', open: checklist.filter((row) => row.open > 0).length, total: site.devices.length === 0 ? 0 : checklist.length },
  ]
}

/** Who waits for a person or has failed, and requests for certificates that wait. Nothing is done while somebody who is expected has not come. */
function admitProgress({ admission, authority }: SiteSnapshot): ProgressRow {
  const { waiting, failed, enrolled, missing } = admission?.counts ?? { waiting: 0, failed: 0, enrolled: 0, missing: 0 }
  const open = waiting + failed + (authority?.pending ?? 0)
  const joined = Math.max(enrolled, authority?.valid ?? 0)
  return { step: 'admit', open, total: missing > 0 ? open : open + joined }
}

/** Changes of group tables, and of security groups that devices are in. */
function openChanges(site: SiteSnapshot): number {
  return site.plan.length + (site.securityPlan?.length ?? 0)
}

export function checklistOf(site: SiteSnapshot): readonly ChecklistRow[] {
  return checklistFrom(site, testEvidence(site))
}

function checklistFrom(site: SiteSnapshot, evidence: readonly GroupEvidence[]): readonly ChecklistRow[] {
  const devices = site.devices.length
  return [
    {
      item: 'devices-found',
      step: 'devices',
      open: site.devices.filter((device) => NOT_FOUND_YET.has(device.state)).length,
      total: devices,
    },
    { item: 'devices-placed', step: 'groups', open: site.devices.filter((device) => device.roomId === null).length, total: devices },
    {
      item: 'groups-have-members',
      step: 'groups',
      open: site.applicationGroups.filter((group) => group.members === 0).length,
      total: site.applicationGroups.length,
    },
    { item: 'changes-applied', step: 'apply', open: openChanges(site), total: site.memberships.length },
    { item: 'groups-tested', step: 'test', open: evidence.filter((entry) => !entry.passed).length, total: evidence.length },
    { item: 'no-failures', step: 'devices', open: site.devices.filter((device) => device.state === 'faulty').length, total: devices },
    { item: 'exported', step: 'handover', open: isExported(site) ? 0 : 1, total: 1 },
  ]
}

/** Whether a full export (JSON) of the project as it is now has been made. */
function isExported(site: SiteSnapshot): boolean {
  return site.exports.some((entry) => entry.format === 'json' && entry.revision === site.revision)
}

export function problemsOf(site: SiteSnapshot): readonly ProblemRow[] {
  const roomNames = new Map(site.rooms.map((room) => [room.id, room.name]))
  const problems = [
    ...site.devices.flatMap((device) => deviceProblems(device, site)),
    ...duplicateNames(site.devices, roomNames),
    ...site.applicationGroups
      .filter((group) => group.members === 0)
      .map((group) => groupProblem('group-without-members', 'warning', 'groups', group)),
    ...site.plan.flatMap((line) =>
      line.failure === null ? [] : [applyProblem(line.id, line.deviceId, line.deviceName, line.groupName, line.failure.code)],
    ),
    ...(site.securityFindings ?? []).flatMap(unprotectedProblem),
    ...testEvidence(site).flatMap((entry) => testProblems(entry)),
    ...site.checks.filter((check) => check.verdict === 'failed').map(checkProblem),
    ...expiringProblem(site),
    ...findingProblems(site),
  ]
  return condense(withRemedies(problems, site.findings ?? []))
}

function deviceProblems(device: DeviceRow, site: SiteSnapshot): readonly ProblemRow[] {
  const found: ProblemRow[] = []
  const add = (kind: ProblemKind, severity: ProblemRow['severity'], step: ProblemRow['step']): void => {
    found.push({
      id: `${kind} ${device.id}`,
      kind,
      severity,
      step,
      subject: { kind: 'device', id: device.id, name: device.name },
      params: {},
    })
  }
  // Before the first device was heard nothing is missing: the installer has not begun.
  const begun = site.devices.some((other) => !NOT_FOUND_YET.has(other.state))
  if (begun && NOT_FOUND_YET.has(device.state)) add('device-missing', 'warning', 'devices')
  if (device.state === 'faulty') add('device-faulty', 'error', 'devices')
  if (device.profileId === null && device.lastHeardAt !== null) add('device-without-profile', 'warning', 'devices')
  if (device.roomId === null) add('device-without-room', 'info', 'devices')
  if (device.groups === 0 && REACTING.has(device.type) && site.applicationGroups.length > 0 && device.profileId !== null)
    add('device-without-group', 'info', 'groups')
  return found
}

function duplicateNames(devices: readonly DeviceRow[], roomNames: ReadonlyMap<string, string>): readonly ProblemRow[] {
  const first = new Map<string, DeviceRow>()
  return devices.flatMap((device) => {
    const key = `${device.roomId ?? ''}\n${device.name}`
    const other = first.get(key)
    if (other === undefined) {
      first.set(key, device)
      return []
    }
    return [
      {
        id: `duplicate-name ${device.id}`,
        kind: 'duplicate-name' as const,
        severity: 'warning' as const,
        step: 'devices' as const,
        subject: { kind: 'device' as const, id: device.id, name: device.name },
        params: { room: roomNames.get(device.roomId ?? '') ?? '' },
      },
    ]
  })
}

function groupProblem(
  kind: ProblemKind,
  severity: ProblemRow['severity'],
  step: ProblemRow['step'],
  group: ApplicationGroupRow,
): ProblemRow {
  return { id: `${kind} ${group.id}`, kind, severity, step, subject: { kind: 'group', id: group.id, name: group.name }, params: {} }
}

function applyProblem(lineId: string, deviceId: string, deviceName: string, group: string, code: string): ProblemRow {
  return {
    id: `apply-failed ${lineId}`,
    kind: 'apply-failed',
    severity: 'error',
    step: 'apply',
    subject: { kind: 'device', id: deviceId, name: deviceName },
    params: { group, code },
  }
}

function testProblems(entry: GroupEvidence): readonly ProblemRow[] {
  if (entry.run === undefined || entry.passed) return []
  const failing = entry.run.members.filter((member) => !isProven(member)).length
  return [{ ...groupProblem('test-failed', 'error', 'test', entry.group), params: { members: failing } }]
}

/** Groups that anybody can switch, though nobody has chosen that. */
function unprotectedProblem({ rule, subject }: SecurityFindingRow): readonly ProblemRow[] {
  if (rule !== 'nosec-open') return []
  const { id, name } = subject
  return [
    {
      id: `group-unprotected ${id}`,
      kind: 'group-unprotected',
      severity: 'error',
      step: 'groups',
      subject: { kind: 'group', id, name },
      params: {},
    },
  ]
}

function checkProblem(check: SiteSnapshot['checks'][number]): ProblemRow {
  return {
    id: `check-failed ${check.check}`,
    kind: 'check-failed',
    severity: 'error',
    step: 'site',
    subject: { kind: 'check', id: check.check, name: check.check },
    params: { finding: check.finding },
  }
}

/** Devices renew in good time: a certificate that still ends soon is of one that did not. */
function expiringProblem({ authority }: SiteSnapshot): readonly ProblemRow[] {
  if (authority === undefined || authority.expiring === 0) return []
  return [
    {
      id: 'certificate-expiring *',
      kind: 'certificate-expiring',
      severity: 'warning',
      step: 'admit',
      subject: { kind: 'site', id: '*', name: '' },
      params: { count: authority.expiring },
    },
  ]
}

/** One row for a kind that has more than `LISTED_PER_KIND`; errors come first, then warnings. */
function condense(problems: readonly ProblemRow[]): readonly ProblemRow[] {
  const byKind = Map.groupBy(problems, (problem) => (problem.kind === 'rule' ? `rule ${problem.finding?.rule ?? ''}` : problem.kind))
  const rank = { error: 0, warning: 1, info: 2 }
  return [...byKind]
    .flatMap(([kind, rows]) => {
      const first = rows[0]
      if (rows.length <= LISTED_PER_KIND || first === undefined) return rows
      return [{ ...first, id: `${kind} *`, subject: { kind: 'site' as const, id: '*', name: '' }, params: { count: rows.length } }]
    })
    .sort((a, b) => rank[a.severity] - rank[b.severity])
}
