// How the ways by which devices come in are read: makers' servers, the join port, the join proxy. Pure.
import type { JoiningRow, JoinMakerRow, JoinPlaceRow, JoinProxySettings } from '#contract/model.ts'
import type { Tone } from '../../../../components/ui/index.ts'

export const settingsParts = ['makers', 'registrar', 'proxy'] as const
export type SettingsPart = (typeof settingsParts)[number]

export const registrarTones: Readonly<Record<JoiningRow['registrar']['state'], Tone>> = {
  off: 'planned',
  'no-authority': 'sent',
  listening: 'confirmed',
  failed: 'failed',
}

export const proxyTones: Readonly<Record<JoiningRow['proxy']['state'], Tone>> = {
  off: 'planned',
  'no-place': 'sent',
  searching: 'working',
  serving: 'confirmed',
  failed: 'failed',
}

export function makerTone({ lastAsked }: Pick<JoinMakerRow, 'lastAsked'>): Tone {
  if (lastAsked === null) return 'unknown'
  return lastAsked.ok ? 'confirmed' : 'failed'
}

/** The places that can be chosen: those of now, and chosen ones that are away, so that nobody loses them by saving. */
export function placesToChoose(
  places: readonly JoinPlaceRow[],
  chosen: readonly string[],
): ReadonlyArray<{ readonly id: string; readonly name: string; readonly linkLocal: string | null; readonly isAway: boolean }> {
  const here = places.map(({ id, name, linkLocal }) => ({ id, name, linkLocal, isAway: false }))
  const known = new Set(here.map(({ id }) => id))
  const away = chosen.filter((id) => !known.has(id))
  return [...here, ...away.map((id) => ({ id, name: id.slice(id.indexOf(':') + 1), linkLocal: null, isAway: true }))]
}

/** Only what differs: another's change in the meantime stays. */
export function proxyChanges(before: JoinProxySettings, after: JoinProxySettings): Partial<JoinProxySettings> {
  const same = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((one) => b.includes(one))
  return {
    ...(after.mode === before.mode ? {} : { mode: after.mode }),
    ...(after.version === before.version ? {} : { version: after.version }),
    ...(same(after.places, before.places) ? {} : { places: after.places }),
    ...(same(after.search, before.search) ? {} : { search: after.search }),
    ...(after.registrar === before.registrar ? {} : { registrar: after.registrar }),
  }
}

/** `jpy://` or `coaps://`, an address and a port; empty for none. Whether somebody answers there, only asking shows. */
export function isRegistrarUri(text: string): boolean {
  return text === '' || /^(jpy|coaps):\/\/(\[[0-9a-f:.%a-z-]+\]|[^\s/[\]:]+)(:\d{1,5})?\/?$/i.test(text)
}

/** Where a server of a maker is: a host, or an `https` address. */
export function isMasaUrl(text: string): boolean {
  return (
    text === '' ||
    /^(https:\/\/)?[^\s/:@]+(:\d{1,5})?(\/\S*)?$/i.test(text) ||
    /^(https:\/\/)?\[[0-9a-f:.]+\](:\d{1,5})?(\/\S*)?$/i.test(text)
  )
}

export function hasCertificate(text: string): boolean {
  return text.includes('-----BEGIN CERTIFICATE-----')
}

/** What somebody has to see without opening anything; undefined while all is as wanted. */
export function joiningTrouble(row: JoiningRow): 'offline' | 'proxy-failed' | 'registrar-failed' | 'vouchers-ending' | undefined {
  if (row.registrar.state === 'failed') return 'registrar-failed'
  if (row.proxy.state === 'failed') return 'proxy-failed'
  if (row.vouchers.ending > 0) return 'vouchers-ending'
  return row.offline ? 'offline' : undefined
}
