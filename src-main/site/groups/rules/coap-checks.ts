// Checks of one CoAP group: its port, its address and how far that reaches (draft-ietf-core-groupcomm-bis-18 §2.2.2, §3.4, §3.9;
// RFC 3307 §2, RFC 7346 §2).
import { toAppError } from '#main/base/index.ts'
import { GROUP_SCOPES } from '#main/wire/coap/index.ts'
import type { FindingRow, MulticastScope } from '#contract/model.ts'
import { readGroupAddress, scopeOf } from '../address.ts'
import { isDynamicPort } from '../allocation.ts'
import { groupFinding, listed } from './catalogue.ts'
import type { CheckedCoapGroup, CheckedSite } from './types.ts'

const COAPS_PORT = 5684
const WIDE: ReadonlySet<MulticastScope> = new Set<MulticastScope>(['organization-local', 'global'])

export function checkCoapGroup(coap: CheckedCoapGroup, site: CheckedSite): readonly FindingRow[] {
  const subject = { kind: 'coap-group' as const, id: coap.id, name: coap.name }
  if (coap.groups.length === 0) {
    return [groupFinding('coap-group-unused', subject, { remedies: [{ id: 'remove-coap-group', params: { name: coap.name } }] })]
  }
  return [...checkPort(coap, site, subject), ...checkAddress(coap, site, subject), ...checkReach(coap, site, subject)]
}

function checkPort(coap: CheckedCoapGroup, site: CheckedSite, subject: FindingRow['subject']): readonly FindingRow[] {
  const found: FindingRow[] = []
  const { port, address } = coap
  if (port === COAPS_PORT) {
    found.push(
      groupFinding('port-coaps', subject, {
        params: { port },
        remedies: [coap.usualPortFree ? { id: 'default-port', params: { port: 5683 } } : { id: 'own-address' }],
      }),
    )
  } else if (site.naming.method === 'port' && !isDynamicPort(port)) {
    found.push(groupFinding('port-not-dynamic', subject, { params: { port }, remedies: [{ id: 'own-port' }] }))
  }
  if (coap.sameAddress.length > 0) {
    found.push(
      groupFinding('ports-on-one-address', subject, {
        params: { address, names: listed(coap.sameAddress), count: coap.sameAddress.length },
        remedies: [{ id: 'own-address' }],
      }),
    )
  }
  const elsewhere = coap.members.filter(({ applied }) => applied === 'elsewhere')
  // As long as all of them are elsewhere the group works as it did; when some have moved it is torn.
  if (elsewhere.length > 0 && coap.members.some(({ applied }) => applied === 'as-wished')) {
    found.push(
      groupFinding('members-elsewhere', subject, {
        params: { count: elsewhere.length, names: listed(elsewhere.map(({ name }) => name)) },
        remedies: [{ id: 'apply', params: { count: elsewhere.length } }],
      }),
    )
  }
  return found
}

function checkAddress(coap: CheckedCoapGroup, site: CheckedSite, subject: FindingRow['subject']): readonly FindingRow[] {
  const { address } = coap
  const reason = faultOf(address)
  if (reason !== undefined) {
    return [groupFinding('address-invalid', subject, { params: { address, reason }, remedies: [{ id: 'own-address' }] })]
  }
  const found: FindingRow[] = []
  const clash = (rule: 'address-on-link' | 'address-on-mesh', names: readonly string[]): void => {
    if (names.length === 0) return
    found.push(
      groupFinding(rule, subject, {
        params: { address, names: listed(names), count: names.length },
        remedies: [{ id: 'own-address' }],
      }),
    )
  }
  clash('address-on-link', coap.sameEthernet)
  if (site.hasMesh) clash('address-on-mesh', coap.sameMesh)
  if (coap.allocated && !coap.fitsPolicy) {
    found.push(groupFinding('address-outside-policy', subject, { params: { address }, remedies: [{ id: 'own-address' }] }))
  }
  return found
}

function checkReach(coap: CheckedCoapGroup, site: CheckedSite, subject: FindingRow['subject']): readonly FindingRow[] {
  const { address, members } = coap
  const scope = scopeOf(address)
  const onMesh = members.filter(({ channelId }) => channelId !== null && site.isMesh(channelId))
  if (scope === 'ipv4') {
    if (onMesh.length === 0) return []
    return [
      groupFinding('address-ipv4-mesh', subject, {
        params: { address, count: onMesh.length },
        remedies: [{ id: site.allocation.policy === 'ipv4' ? 'allocate-by-prefix' : 'own-address' }],
      }),
    ]
  }
  const channels = new Set(members.flatMap(({ channelId }) => channelId ?? []))
  const tooNarrow = (scope === 'link-local' && onMesh.length > 0) || (rankOf(scope) <= rankOf('realm-local') && channels.size > 1)
  const needed = coap.neededScope
  if (tooNarrow) {
    return [
      groupFinding('scope-narrow', subject, {
        params: { address, scope, count: channels.size },
        // Over one mesh link-local reaches the neighbours at least.
        ...(channels.size > 1 ? {} : { severity: 'warning' as const }),
        remedies: [reaches(site, needed) && { id: 'own-address' }],
      }),
    ]
  }
  if (needed === undefined || rankOf(scope) <= rankOf(needed)) return []
  const chosen = site.allocation.scope
  const isNarrower = chosen === 'auto' || rankOf(chosen) < rankOf(scope)
  return [
    groupFinding('scope-wide', subject, {
      params: { address, scope, needed },
      ...(WIDE.has(scope) ? { severity: 'warning' as const } : {}),
      remedies: [isNarrower && site.allocation.policy !== 'list' && { id: 'own-address' }],
    }),
  ]
}

/** Whether another address of the site's policy would reach that far. */
function reaches({ allocation }: CheckedSite, needed: MulticastScope | undefined): boolean {
  return allocation.policy !== 'list' && (allocation.scope === 'auto' || needed === undefined || rankOf(allocation.scope) >= rankOf(needed))
}

function rankOf(scope: MulticastScope): number {
  return scope === 'ipv4' ? GROUP_SCOPES.length : GROUP_SCOPES.indexOf(scope)
}

function faultOf(address: string): string | undefined {
  try {
    readGroupAddress(address)
    return undefined
  } catch (thrown) {
    const { reason } = toAppError(thrown).details
    return typeof reason === 'string' ? reason : 'not-an-address'
  }
}
