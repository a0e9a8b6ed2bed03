// What is wrong, or worth knowing, about the relations between application groups, CoAP groups and security groups: pure, each check
// with the section that it stands on. draft-ietf-core-groupcomm-bis §2.1.4 (Figure 1: each relation is 1..N on both ends), §4, §5.1.
import type { SecurityFindingRow, SecurityRule } from '#contract/model.ts'
import { scopeOf } from '../address.ts'

export interface RuleMember {
  readonly deviceId: string
  readonly name: string
  /** Null: nobody has heard yet what it offers. */
  readonly supported: boolean | null
}

export interface RuleGroup {
  readonly id: string
  readonly name: string
  readonly coapGroupId: string
  readonly mode: 'secured' | 'nosec' | 'open'
  readonly securityGroupIds: readonly string[]
  readonly reason: string | null
  readonly members: readonly RuleMember[]
}

export interface RuleSecurityGroup {
  readonly id: string
  readonly name: string
  readonly suite: string
  readonly requesters: number
  readonly responders: number
  readonly joined: number
  readonly behind: number
  readonly leavesWaiting: number
}

export interface RuleCoapGroup {
  readonly id: string
  readonly name: string
  readonly address: string
}

export interface RuleDevice {
  readonly id: string
  readonly name: string
  readonly places: number | null
  readonly needed: number
}

export interface Relations {
  readonly groups: readonly RuleGroup[]
  readonly securityGroups: readonly RuleSecurityGroup[]
  readonly coapGroups: readonly RuleCoapGroup[]
  readonly devices: readonly RuleDevice[]
}

const GROUPCOMM = 'draft-ietf-core-groupcomm-bis-18'
const GROUP_OSCORE = 'draft-ietf-core-oscore-groupcomm-28'
const KEY_GROUPCOMM = 'draft-ietf-ace-key-groupcomm-oscore-21'
/** Names of devices that a finding lists; the rest is counted. */
const LISTED = 5

const RULES: Readonly<Record<SecurityRule, { readonly severity: SecurityFindingRow['severity']; readonly section: string }>> = {
  'nosec-open': { severity: 'error', section: `${GROUPCOMM} §4` },
  'nosec-chosen': { severity: 'warning', section: `${GROUPCOMM} §6.1` },
  'nosec-global': { severity: 'error', section: `${GROUPCOMM} §4` },
  'nosec-beside-secured': { severity: 'warning', section: `${GROUPCOMM} §5.1` },
  'name-nosec': { severity: 'error', section: `${GROUPCOMM} §2.2.1.3` },
  'several-for-access': { severity: 'warning', section: `${GROUPCOMM} §2.1.4` },
  'several-algorithms': { severity: 'info', section: `${GROUPCOMM} §2.1.4` },
  'shared-by-groups': { severity: 'info', section: `${GROUPCOMM} §2.1.4` },
  'shared-address': { severity: 'info', section: `${GROUPCOMM} §2.1.4` },
  unused: { severity: 'warning', section: `${GROUPCOMM} §2.1.4` },
  'member-cannot-join': { severity: 'error', section: `${GROUPCOMM} §5.1` },
  'capacity-exceeded': { severity: 'error', section: `${GROUPCOMM} §2.2.2` },
  'no-requester': { severity: 'info', section: `${GROUPCOMM} §5.1` },
  'no-responder': { severity: 'warning', section: `${GROUPCOMM} §5.1` },
  'members-behind': { severity: 'warning', section: `${KEY_GROUPCOMM} §11` },
  'leaves-waiting': { severity: 'warning', section: `${GROUP_OSCORE} §12.2` },
}

export function ruleSection(rule: SecurityRule): string {
  return RULES[rule].section
}

export function findingsOf(relations: Relations): readonly SecurityFindingRow[] {
  const coap = new Map(relations.coapGroups.map((group) => [group.id, group]))
  const security = new Map(relations.securityGroups.map((group) => [group.id, group]))
  const onAddress = Map.groupBy(relations.groups, (group) => group.coapGroupId)
  const protectedBy = new Map<string, RuleGroup[]>()
  for (const group of relations.groups) {
    for (const id of group.securityGroupIds) protectedBy.set(id, [...(protectedBy.get(id) ?? []), group])
  }
  return [
    ...relations.groups.flatMap((group) => groupFindings(group, coap.get(group.coapGroupId), security)),
    ...relations.coapGroups.flatMap((group) => addressFindings(group, onAddress.get(group.id) ?? [])),
    ...relations.securityGroups.flatMap((group) => securityFindings(group, protectedBy.get(group.id) ?? [])),
    ...relations.devices.flatMap(deviceFindings),
  ]
}

function groupFindings(
  group: RuleGroup,
  coap: RuleCoapGroup | undefined,
  security: ReadonlyMap<string, RuleSecurityGroup>,
): readonly SecurityFindingRow[] {
  const found: SecurityFindingRow[] = []
  const add = (rule: SecurityRule, params: SecurityFindingRow['params'] = {}): number =>
    found.push(finding(rule, { kind: 'group', id: group.id, name: group.name }, params))
  if (group.mode === 'open' && group.members.length > 0) add('nosec-open')
  if (group.mode === 'nosec') add('nosec-chosen', { reason: group.reason ?? '' })
  // A server must not be accessible for unprotected group requests through the public Internet.
  if (group.mode !== 'secured' && coap !== undefined && isPublic(coap.address)) add('nosec-global', { address: coap.address })
  if (group.mode !== 'secured') return found
  const used = group.securityGroupIds.flatMap((id) => security.get(id) ?? [])
  if (used.length > 1) {
    const names = used.map(({ name }) => name).join(', ')
    const suites = new Set(used.map(({ suite }) => suite))
    // Several groups are there for clients of different algorithms, not as a way to say who may do what.
    add(suites.size < used.length ? 'several-for-access' : 'several-algorithms', { count: used.length, names })
  }
  const unable = group.members.filter(({ supported }) => supported === false)
  if (unable.length > 0) add('member-cannot-join', { count: unable.length, names: listed(unable) })
  return found
}

function addressFindings(coap: RuleCoapGroup, groups: readonly RuleGroup[]): readonly SecurityFindingRow[] {
  const subject = { kind: 'coap-group' as const, id: coap.id, name: coap.name }
  const used = new Set(groups.flatMap((group) => group.securityGroupIds))
  const bare = groups.filter(({ mode }) => mode !== 'secured')
  const found: SecurityFindingRow[] = []
  if (used.size > 1) found.push(finding('shared-address', subject, { count: used.size, address: coap.address }))
  if (used.size > 0 && bare.length > 0) found.push(finding('nosec-beside-secured', subject, { names: listed(bare) }))
  return found
}

function securityFindings(group: RuleSecurityGroup, groups: readonly RuleGroup[]): readonly SecurityFindingRow[] {
  const found: SecurityFindingRow[] = []
  const add = (rule: SecurityRule, params: SecurityFindingRow['params'] = {}): number =>
    found.push(finding(rule, { kind: 'security-group', id: group.id, name: group.name }, params))
  if (saysNoSec(group.name)) add('name-nosec')
  if (groups.length === 0) add('unused')
  const members = new Set(groups.flatMap((each) => each.members.map(({ deviceId }) => deviceId)))
  // Whoever has the keys can send to all of the groups: what it may do there has to be ruled elsewhere.
  if (groups.some((each) => each.members.length < members.size)) add('shared-by-groups', { count: groups.length, names: listed(groups) })
  if (members.size > 0 && group.requesters === 0) add('no-requester')
  if (members.size > 0 && group.responders === 0) add('no-responder')
  if (group.behind > 0) add('members-behind', { count: group.behind, joined: group.joined })
  if (group.leavesWaiting > 0) add('leaves-waiting', { count: group.leavesWaiting })
  return found
}

function deviceFindings({ id, name, places, needed }: RuleDevice): readonly SecurityFindingRow[] {
  if (places === null || needed <= places) return []
  return [finding('capacity-exceeded', { kind: 'device', id, name }, { needed, places })]
}

function finding(rule: SecurityRule, subject: SecurityFindingRow['subject'], params: SecurityFindingRow['params']): SecurityFindingRow {
  return { id: `${rule} ${subject.id}`, rule, ...RULES[rule], subject, params }
}

/** In any mixture of letters, and however it is spaced. */
export function saysNoSec(name: string): boolean {
  return name.toLowerCase().replace(/[^a-z]/g, '') === 'nosec'
}

function isPublic(address: string): boolean {
  const scope = scopeOf(address)
  // IPv4 multicast outside 239/8 (RFC 2365) may be routed anywhere.
  return scope === 'global' || (scope === 'ipv4' && !address.startsWith('239.') && !address.startsWith('224.0.0.'))
}

function listed(things: ReadonlyArray<{ readonly name: string }>): string {
  const names = things.slice(0, LISTED).map(({ name }) => name)
  return things.length > LISTED ? `${names.join(', ')}, …` : names.join(', ')
}
