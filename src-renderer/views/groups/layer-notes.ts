// What is worth saying about the two layers of a group, each note tied to the line it concerns
// (draft-ietf-core-groupcomm-bis §2.1: application groups and CoAP groups).
import type { ApplicationGroupRow, CoapGroupRow, MembershipRow } from '#contract/model.ts'

export type LayerLine = 'members' | 'name' | 'address' | 'scope' | 'port'
export interface LayerNote {
  readonly line: LayerLine
  readonly severity: 'error' | 'warning' | 'info'
  /** Selects the sentence: `groups.note.<note>`. */
  readonly note:
    | 'no-members'
    | 'members-failed'
    | 'members-open'
    | 'members-leaving'
    | 'address-shared'
    | 'scope-link-local'
    | 'scope-global'
    | 'port-unusual'
  readonly params: Readonly<Record<string, string | number>>
}

export interface MemberTally {
  readonly wanted: number
  readonly confirmed: number
  readonly failed: number
  /** Wanted, but neither confirmed nor failed. */
  readonly open: number
  /** Not wanted any more, but still on the device. */
  readonly leaving: number
}

export function tallyMembers(memberships: Iterable<MembershipRow>): MemberTally {
  const tally = { wanted: 0, confirmed: 0, failed: 0, open: 0, leaving: 0 }
  for (const membership of memberships) {
    if (!membership.desired) {
      if (membership.outcome !== 'confirmed') tally.leaving++
      continue
    }
    tally.wanted++
    if (membership.outcome === 'confirmed') tally.confirmed++
    else if (membership.outcome === 'failed') tally.failed++
    else tally.open++
  }
  return tally
}

const DEFAULT_PORTS: readonly number[] = [5683]

export function layerNotes(
  group: ApplicationGroupRow,
  coapGroup: CoapGroupRow | undefined,
  groups: Iterable<ApplicationGroupRow>,
  tally: MemberTally,
): readonly LayerNote[] {
  const notes: LayerNote[] = []
  if (tally.wanted === 0) notes.push({ line: 'members', severity: 'warning', note: 'no-members', params: {} })
  if (tally.failed > 0) notes.push({ line: 'members', severity: 'error', note: 'members-failed', params: { count: tally.failed } })
  if (tally.open > 0) notes.push({ line: 'members', severity: 'info', note: 'members-open', params: { count: tally.open } })
  if (tally.leaving > 0) notes.push({ line: 'members', severity: 'info', note: 'members-leaving', params: { count: tally.leaving } })
  if (coapGroup === undefined) return notes
  const sharers = [...groups].filter((other) => other.id !== group.id && other.coapGroupId === coapGroup.id)
  const first = sharers[0]
  if (first !== undefined)
    notes.push({ line: 'address', severity: 'info', note: 'address-shared', params: { name: first.name, count: sharers.length } })
  if (coapGroup.scope === 'link-local') notes.push({ line: 'scope', severity: 'warning', note: 'scope-link-local', params: {} })
  if (coapGroup.scope === 'global') notes.push({ line: 'scope', severity: 'warning', note: 'scope-global', params: {} })
  if (!DEFAULT_PORTS.includes(coapGroup.port))
    notes.push({ line: 'port', severity: 'info', note: 'port-unusual', params: { port: coapGroup.port } })
  return notes
}
