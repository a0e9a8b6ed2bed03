// What is still open when a site is handed over, as the report lists it.
import { isProven } from '#main/site/groups/index.ts'
import type { SiteDocument } from './document.ts'
import { groupProofs } from './report-proof.ts'
import type { ReportText } from './report-text.ts'

export interface OpenIssue {
  readonly title: string
  readonly subjects: readonly string[]
}

type Member = SiteDocument['testRuns'][number]['members'][number]

export function openIssues(document: SiteDocument, text: ReportText): readonly OpenIssue[] {
  const { devices, applicationGroups, memberships, protections } = document
  const kinds = text.issueKinds
  const deviceName = new Map(devices.map((device) => [device.id, device.name]))
  const groupName = new Map(applicationGroups.map((group) => [group.id, group.name]))
  const groups = applicationGroups.filter((group) => !group.retired)
  const populated = new Set(memberships.filter((cell) => cell.desired).map((cell) => cell.groupId))
  const cellName = (cell: SiteDocument['memberships'][number]): string => {
    const failure = cell.failure === null ? '' : `, ${cell.failure.code}`
    return `${deviceName.get(cell.deviceId) ?? cell.deviceId} – ${groupName.get(cell.groupId) ?? cell.groupId} (${text.outcomes[cell.outcome]}${failure})`
  }
  const proofs = groupProofs(document)
  const failed = proofs.flatMap(({ group, standing, run, latest }) => {
    if (standing === 'untested') return latest === undefined ? [] : [`${group.name} (${latest.failure?.code ?? latest.state})`]
    if (standing !== 'failed' || run === undefined) return []
    return run.members
      .filter((member) => !isProven(member))
      .map((member) => `${group.name}: ${deviceName.get(member.deviceId) ?? member.deviceId} (${verdictOf(member, text)})`)
  })
  const untested = proofs.flatMap(({ group, latest }) => (latest === undefined ? [group] : []))
  const outdated = proofs.flatMap(({ group, standing }) => (standing === 'outdated' ? [group] : []))
  const protectionOf = new Map(protections.map((protection) => [protection.groupId, protection]))
  const open = groups.filter((group) => populated.has(group.id) && !protectionOf.has(group.id))
  const chosen = groups.flatMap((group) => {
    const protection = populated.has(group.id) ? protectionOf.get(group.id) : undefined
    return protection?.securityGroupIds.length === 0 ? [`${group.name} (${protection.reason ?? ''})`] : []
  })
  const behind = document.securityGroups.flatMap((group) =>
    group.members.filter(({ keys }) => keys === 'behind').map(({ deviceId }) => `${group.name}: ${deviceName.get(deviceId) ?? deviceId}`),
  )
  const named = (rows: ReadonlyArray<{ readonly name: string }>): readonly string[] => rows.map((row) => row.name)
  const all: readonly OpenIssue[] = [
    { title: kinds.deviceFaulty, subjects: named(devices.filter((device) => device.state === 'faulty')) },
    { title: kinds.deviceMissing, subjects: named(devices.filter((device) => device.state === 'planned' || device.state === 'expected')) },
    { title: kinds.deviceWithoutRoom, subjects: named(devices.filter((device) => device.roomId === null)) },
    { title: kinds.groupWithoutMembers, subjects: named(groups.filter((group) => !populated.has(group.id))) },
    { title: kinds.membership, subjects: memberships.filter((cell) => cell.desired && cell.outcome !== 'confirmed').map(cellName) },
    { title: kinds.removal, subjects: memberships.filter((cell) => !cell.desired).map(cellName) },
    { title: kinds.groupOpen, subjects: named(open) },
    { title: kinds.groupNoSec, subjects: chosen },
    { title: kinds.keysBehind, subjects: behind },
    { title: kinds.groupNotTested, subjects: named(untested) },
    { title: kinds.groupOutdated, subjects: named(outdated) },
    { title: kinds.testFailed, subjects: failed },
  ]
  return all.filter((issue) => issue.subjects.length > 0)
}

function verdictOf({ verdict, seen }: Member, text: ReportText): string {
  return seen === false ? `${text.verdicts[verdict]}, ${text.seenOtherwise}` : text.verdicts[verdict]
}
