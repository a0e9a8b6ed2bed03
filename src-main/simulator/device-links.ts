// A demo device's /.well-known/core (RFC 6690 §4): its links, and the one query filter a small device has.
import type { DemoDeviceType } from './floor-plan.ts'
import { PLACES } from './secure/types.ts'

interface DeviceLink {
  readonly href: string
  readonly rt: string
  /** Content-format, where the resource can be read. */
  readonly ct: string | undefined
  /** How many security groups fit. */
  readonly places?: string
}

function linksOf(type: DemoDeviceType, takesKeys: boolean): readonly DeviceLink[] {
  return [
    { href: '/dev', rt: 'gw.device', ct: '50' },
    { href: '/groups', rt: 'gw.groups', ct: '50' },
    { href: '/identify', rt: 'gw.identify', ct: undefined },
    ...(takesKeys ? [{ href: '/sec', rt: 'gw.security', ct: undefined, places: String(PLACES) }] : []),
    { href: '/state', rt: `gw.${type}`, ct: '50' },
  ]
}

/** The links that pass every `name=value` of the query, as application/link-format. */
export function filterLinks(type: DemoDeviceType, query: readonly string[], takesKeys: boolean): string {
  return linksOf(type, takesKeys)
    .filter((link) => query.every((part) => passes(link, part)))
    .map(
      (link) =>
        `<${link.href}>;rt="${link.rt}"` +
        (link.ct === undefined ? '' : `;ct=${link.ct}`) +
        (link.places === undefined ? '' : `;places=${link.places}`),
    )
    .join(',')
}

function passes(link: DeviceLink, part: string): boolean {
  const equals = part.indexOf('=')
  const name = part.slice(0, equals)
  const wanted = part.slice(equals + 1)
  const actual =
    name === 'href' ? link.href : name === 'rt' ? link.rt : name === 'ct' ? link.ct : name === 'places' ? link.places : undefined
  if (actual === undefined) return false
  return wanted.endsWith('*') ? actual.startsWith(wanted.slice(0, -1)) : actual === wanted
}
