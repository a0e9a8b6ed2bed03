// When a change is sent: keys before those that need them, listeners before senders where a group grows, senders before listeners where it
// shrinks, so that nobody sends to where nobody listens.
import type { DeviceType, MaintenancePhase, PlanLine, SecurityPlanLine } from '#contract/model.ts'
import { rolesOfType } from '../security/wishes.ts'

export const PHASES: readonly MaintenancePhase[] = ['keys', 'members', 'clients', 'clients-stop', 'members-stop', 'keys-stop']
/** From here on something is taken away: what replaces it has to be there. */
export const FIRST_STOP = PHASES.indexOf('clients-stop')

/** Whether devices of the type send to groups of their own accord. */
export function roleOf(type: DeviceType | undefined): 'member' | 'client' {
  return type !== undefined && rolesOfType(type).requester ? 'client' : 'member'
}

export function phaseOf(change: PlanLine['change'] | SecurityPlanLine['change'], role: 'member' | 'client'): number {
  if (change === 'leave') return PHASES.indexOf('keys-stop')
  if (change === 'join') return PHASES.indexOf('keys')
  if (change === 'remove') return PHASES.indexOf(role === 'client' ? 'clients-stop' : 'members-stop')
  return PHASES.indexOf(role === 'client' ? 'clients' : 'members')
}

/** A request and its answer with headers, fragments and acknowledgements, in bytes on the air. */
const EXCHANGE_BYTES = 260
/** 250 kbit/s (IEEE 802.15.4 at 2.4 GHz), with back-off, acknowledgements and pauses about half of it. */
const BYTES_PER_MS = 15.6
const HOPS = 2.5
/** Reading the table, writing, reading back; joining asks the Group Manager as well, which is what takes longest. */
const EXCHANGES: Readonly<Record<PlanLine['change'] | SecurityPlanLine['change'], number>> = {
  add: 3,
  update: 3,
  remove: 3,
  join: 7,
  leave: 1,
}

export function exchangesOf(change: PlanLine['change'] | SecurityPlanLine['change']): number {
  return EXCHANGES[change]
}

/** For how long the air is busy with so many exchanges. */
export function airTimeOf(exchanges: number): number {
  return Math.round((exchanges * EXCHANGE_BYTES * HOPS) / BYTES_PER_MS)
}
