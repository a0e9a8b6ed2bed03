// Multicast scopes of group addresses: the smallest that reaches everybody is preferred (groupcomm-bis-18 §3.6, §3.9.1;
// RFC 7346 §2, RFC 2365 §6, RFC 7252 §12.8).
import { AppError } from '#main/base/index.ts'

/** Smallest first. */
export const GROUP_SCOPES = ['link-local', 'realm-local', 'admin-local', 'site-local', 'organization-local', 'global'] as const
export type GroupScope = (typeof GROUP_SCOPES)[number]

const BY_NIBBLE = new Map<string, GroupScope>([
  ['2', 'link-local'],
  ['3', 'realm-local'],
  ['4', 'admin-local'],
  ['5', 'site-local'],
  ['8', 'organization-local'],
  ['e', 'global'],
])

/** IPv4's "All CoAP Nodes" (RFC 7252 §12.8). */
export const ALL_COAP_NODES_IPV4 = '224.0.1.187'

/** The scope that a multicast address has by itself; undefined for unicast, and for scopes that no group may use (0, 1, F, unassigned). */
export function groupScopeOf(address: string): GroupScope | undefined {
  const v6 = /^ff[0-9a-f]([0-9a-f]):/i.exec(address)
  if (v6 !== null) return BY_NIBBLE.get((v6[1] ?? '').toLowerCase())
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$/.exec(address)
  if (v4 === null) return undefined
  const [a, b, c] = [Number(v4[1]), Number(v4[2]), Number(v4[3])]
  if (a < 224 || a > 239) return undefined
  if (a === 224 && b === 0 && c === 0) return 'link-local'
  if (a !== 239) return 'global'
  // Administratively scoped: 239.255/16 is the local scope, 239.192/14 that of an organization, which may grow downwards (RFC 2365 §6).
  if (b === 255) return 'site-local'
  return b > 195 ? undefined : 'organization-local'
}

/** Below 0 where `a` is the smaller. */
export function compareScopes(a: GroupScope, b: GroupScope): number {
  return GROUP_SCOPES.indexOf(a) - GROUP_SCOPES.indexOf(b)
}

/**
 * The address of the smallest scope that is at least `needed`; of several, the first. Where none reaches so far, the widest there is.
 * Fails with `group.address-invalid` where none of them is a group address.
 */
export function chooseGroupAddress(candidates: readonly string[], needed: GroupScope = 'link-local'): string {
  const scoped = candidates.flatMap((address) => {
    const scope = groupScopeOf(address)
    return scope === undefined ? [] : [{ address, scope }]
  })
  const reaching = scoped.filter(({ scope }) => compareScopes(scope, needed) >= 0).sort((a, b) => compareScopes(a.scope, b.scope))
  const widest = [...scoped].sort((a, b) => compareScopes(b.scope, a.scope))
  const chosen = reaching[0] ?? widest[0]
  if (chosen === undefined)
    throw new AppError('group.address-invalid', 'No group address to choose from', { details: { candidates: [...candidates] } })
  return chosen.address
}

/** "All CoAP Nodes" of the scope (RFC 7252 §12.8; groupcomm-bis §3.9.1 adds realm-local). */
export function allCoapNodes(scope: GroupScope): string {
  for (const [nibble, name] of BY_NIBBLE) if (name === scope) return `ff0${nibble}::fd`
  throw new AppError('internal', 'A scope without number', { details: { scope } })
}

/** The scopes in which a CoAP server listens to "All CoAP Nodes" (groupcomm-bis-18 §3.9.1); realm-local on a 6LoWPAN node. */
export function serverScopes(onLowpan: boolean): readonly GroupScope[] {
  return onLowpan ? ['link-local', 'realm-local', 'admin-local', 'site-local'] : ['link-local', 'admin-local', 'site-local']
}
