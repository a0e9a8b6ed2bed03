// What the dongle's page works out by itself: looks of states, short names, forms of numbers. Pure.
import { CircleDashed, CircleX, LoaderCircle, PlugZap, Power, RefreshCw, TriangleAlert, Unplug } from '@lucide/vue'
import type { Component } from 'vue'
import type { LinkNeighbour, LinkRow, LinkState } from '#contract/model.ts'
import type { Tone } from '../../components/ui/index.ts'

export interface LinkLook {
  readonly tone: Tone
  readonly icon: Component
  readonly spin?: boolean
}

export const linkLooks: Readonly<Record<LinkState, LinkLook>> = {
  absent: { tone: 'unknown', icon: Unplug },
  opening: { tone: 'working', icon: LoaderCircle, spin: true },
  probing: { tone: 'working', icon: LoaderCircle, spin: true },
  refused: { tone: 'failed', icon: CircleX },
  starting: { tone: 'working', icon: LoaderCircle, spin: true },
  attaching: { tone: 'sent', icon: CircleDashed },
  up: { tone: 'confirmed', icon: PlugZap },
  retrying: { tone: 'sent', icon: RefreshCw },
  closed: { tone: 'planned', icon: Power },
}

export const warningIcon: Component = TriangleAlert

/** `ttyACM0` of `/dev/ttyACM0`; a network address as it is. */
export function portName(path: string): string {
  return path.startsWith('/') ? path.slice(path.lastIndexOf('/') + 1) : path
}

export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}

/** Radios that are heard directly. */
export function inReach(neighbours: readonly LinkNeighbour[]): number {
  return neighbours.filter(({ kind }) => kind !== 'router').length
}

/** From 0 (hardly) to 4 (next to it), as bars show it. */
export function bars(rssiDbm: number): 0 | 1 | 2 | 3 | 4 {
  if (rssiDbm >= -55) return 4
  if (rssiDbm >= -67) return 3
  if (rssiDbm >= -78) return 2
  return rssiDbm >= -88 ? 1 : 0
}

/** The strongest first; those known by name alone last. */
export function byStrength(neighbours: readonly LinkNeighbour[]): readonly LinkNeighbour[] {
  const rank = ({ rssiDbm }: LinkNeighbour): number => rssiDbm ?? -1000
  return [...neighbours].sort((a, b) => rank(b) - rank(a) || a.eui64.localeCompare(b.eui64))
}

/** The key of the sentence below the state; an NCP without saved network needs a person. */
export function holdKey(row: LinkRow): string | null {
  if (row.state === 'attaching') return row.network?.saved === true ? 'attaching-saved' : 'attaching'
  return row.state === 'absent' || row.state === 'closed' ? row.state : null
}

/** Undefined where the text is no PAN id; null where it is left to chance. */
export function panIdOf(text: string): number | null | undefined {
  const digits = text.trim().replace(/^0x/i, '')
  if (digits === '') return null
  const value = /^[0-9a-f]{1,4}$/i.test(digits) ? Number.parseInt(digits, 16) : 0xffff
  return value <= 0xfffe ? value : undefined
}

export function isNetworkName(text: string): boolean {
  const { length } = new TextEncoder().encode(text.trim())
  return length > 0 && length <= 16
}
