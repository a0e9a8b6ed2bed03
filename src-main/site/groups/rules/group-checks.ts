// Checks of one application group: its members, its clients, its name (draft-ietf-core-groupcomm-bis-18 §2.1.2, §2.2.1.2, §2.2.2, §5.1).
import type { DeviceType, FindingRow } from '#contract/model.ts'
import { framesOf, labelOf, namingFault, usesHostNames, wireNameOf } from '../naming/index.ts'
import { saysNoSec } from '../security/rules.ts'
import { rolesOfType } from '../security/wishes.ts'
import { groupFinding, listed } from './catalogue.ts'
import type { CheckedGroup, CheckedSite } from './types.ts'

/** Devices that do something when a group request comes, rather than send one. */
export const REACTING: ReadonlySet<DeviceType> = new Set<DeviceType>(['luminaire', 'blind', 'thermostat', 'actuator'])
const SHORT_NAME_CHARACTERS = 6

export function isClient(type: DeviceType): boolean {
  return rolesOfType(type).requester
}

export function checkGroup(group: CheckedGroup, site: CheckedSite): readonly FindingRow[] {
  const subject = { kind: 'group' as const, id: group.id, name: group.name }
  const found: FindingRow[] = []
  if (group.members.length === 0) {
    found.push(
      groupFinding('group-without-members', subject, {
        remedies: [
          group.roomMembers > 0 && { id: 'fill-from-room', params: { count: group.roomMembers } },
          { id: 'remove-group', params: { name: group.name } },
        ],
      }),
    )
  } else {
    found.push(...checkMembers(group, subject))
  }
  found.push(...checkName(group, site, subject))
  return found
}

function checkMembers(group: CheckedGroup, subject: FindingRow['subject']): readonly FindingRow[] {
  const found: FindingRow[] = []
  if (!group.members.some(({ type }) => isClient(type))) {
    found.push(
      groupFinding('group-without-clients', subject, {
        remedies: [group.roomClients > 0 && { id: 'add-room-clients', params: { count: group.roomClients } }],
      }),
    )
  }
  const types = new Set(group.members.map(({ type }) => type).filter((type) => REACTING.has(type)))
  if (types.size > 1) found.push(groupFinding('members-differ', subject, { params: { types: [...types].sort().join(', ') } }))
  const keyless = group.members.filter((member) => member.keyless)
  if (keyless.length > 0) {
    found.push(
      groupFinding('member-without-key', subject, {
        params: { count: keyless.length, names: listed(keyless.map(({ name }) => name)) },
        remedies: [{ id: 'apply', params: { count: keyless.length } }],
      }),
    )
  }
  return found
}

function checkName(group: CheckedGroup, site: CheckedSite, subject: FindingRow['subject']): readonly FindingRow[] {
  const { naming } = site
  const found: FindingRow[] = []
  if (saysNoSec(group.name)) found.push(groupFinding('name-nosec', subject, { remedies: [{ id: 'other-name' }] }))
  const fault = namingFault(naming, group)
  const label = labelOf(group.name)
  if (fault !== undefined) {
    found.push(
      groupFinding('name-not-carried', subject, {
        params: { why: fault },
        remedies: [
          label !== group.name && namingFault(naming, { ...group, name: label }) === undefined && { id: 'label-name', params: { label } },
          naming.method !== 'path' && { id: 'name-by-path' },
        ],
      }),
    )
  }
  if (group.namesakes.length > 0) {
    found.push(
      groupFinding('name-ambiguous', subject, {
        params: { names: listed(group.namesakes), count: group.namesakes.length, wireName: wireNameOf(naming, group) },
        // Where no name travels, the resource may still tell them apart (§2.2.1.2).
        ...(naming.method === 'none' ? { severity: 'warning' as const } : {}),
        remedies: [separating(site), naming.method !== 'path' && { id: 'name-by-path' as const }],
      }),
    )
  }
  if (site.hasMesh && fault === undefined) {
    const { now, best } = framesOf(naming, group, group.secured)
    if (now > best) {
      found.push(
        groupFinding('name-long', subject, {
          params: { frames: now, best },
          ...(best === 1 ? { severity: 'warning' as const } : {}),
          remedies: [
            framesOf(naming, { ...group, name: shortNameOf(group.name) }, group.secured).now === best && {
              id: 'short-name',
              params: { short: shortNameOf(group.name) },
            },
          ],
        }),
      )
    }
  }
  return found
}

/** What gives the group a name of its own, by the method: a port, an address, or other letters. */
function separating({ naming }: CheckedSite): { readonly id: 'own-port' | 'own-coap-group' | 'other-name' } {
  if (naming.method === 'port') return { id: 'own-port' }
  const byAddress = naming.method === 'none' || ((naming.method === 'authority' || naming.method === 'host') && !usesHostNames(naming))
  return { id: byAddress ? 'own-coap-group' : 'other-name' }
}

/** The first letters of a name, as they fit into a host label too; the engine makes it free. */
export function shortNameOf(name: string): string {
  return labelOf(name).slice(0, SHORT_NAME_CHARACTERS).replace(/-+$/, '') || 'g'
}
