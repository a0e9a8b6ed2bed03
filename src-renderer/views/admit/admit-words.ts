// How states of certificates look, and how names and fingerprints are read. Pure.
import { Ban, Check, CircleDashed, Clock, History, TriangleAlert } from '@lucide/vue'
import type { Component } from 'vue'
import type { RaCertificateRow, RaRow } from '#contract/model.ts'
import type { Tone } from '../../components/ui/index.ts'

export const lenses = ['joining', 'requests', 'certificates', 'expected', 'authority'] as const
export type Lens = (typeof lenses)[number]

export const certificateLooks: Readonly<Record<RaCertificateRow['state'], { readonly tone: Tone; readonly icon: Component }>> = {
  unconfirmed: { tone: 'sent', icon: CircleDashed },
  valid: { tone: 'confirmed', icon: Check },
  expiring: { tone: 'sent', icon: Clock },
  expired: { tone: 'failed', icon: TriangleAlert },
  replaced: { tone: 'planned', icon: History },
  revoked: { tone: 'failed', icon: Ban },
}

/** The part of a distinguished name that people call the thing by: its common name, else its serial number, else all of it. */
export function shortName(subject: string): string {
  const attributes = splitName(subject)
  const found = attributes.find((text) => /^CN=/i.test(text)) ?? attributes.find((text) => /^serialNumber=/i.test(text))
  return found === undefined ? subject : found.slice(found.indexOf('=') + 1).replaceAll(/\\(.)/g, '$1')
}

/** Commas that are escaped belong to a value (RFC 4514 §2.4). */
function splitName(subject: string): readonly string[] {
  return subject.split(/(?<!\\),\s*/)
}

/** In groups of four, as it is read out. */
export function spacedHex(hex: string): string {
  return hex.replaceAll(/(.{4})(?=.)/g, '$1 ')
}

/** `CN=…, O=…` from what was typed; characters that part names are escaped. */
export function nameOf(commonName: string, organisation: string): string {
  const escape = (text: string): string => text.trim().replaceAll(/[\\,+"<>;=#]/g, String.raw`\$&`)
  return [`CN=${escape(commonName)}`, ...(organisation.trim() === '' ? [] : [`O=${escape(organisation)}`])].join(', ')
}

export function activeAuthority(row: RaRow | null): RaRow['authorities'][number] | null {
  return row?.authorities.findLast(({ state }) => state === 'active') ?? null
}

/** Whole days until then, and no fewer than none. */
export function daysUntil(at: number, now: number): number {
  return Math.max(0, Math.floor((at - now) / 86_400_000))
}
