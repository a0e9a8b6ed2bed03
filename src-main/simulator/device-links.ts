// A demo device's /.well-known/core (RFC 6690 §4): its links, and the one query filter a small device has.
import type { DemoDeviceType } from './floor-plan.ts'

interface DeviceLink {
  readonly href: string
  readonly rt: string
  /** Content-format, where the resource can be read. */
  readonly ct: string | undefined
}

function linksOf(type: DemoDeviceType): readonly DeviceLink[] {
  return [
    { href: '/dev', rt: 'gw.device', ct: '50' },
    { href: '/groups', rt: 'gw.groups', ct: '50' },
    { href: '/identify', rt: 'gw.identify', ct: undefined },
    { href: '/state', rt: `gw.${type}`, ct: '50' },
  ]
}

/** The links that pass every `name=value` of the query, as application/link-format. */
export function filterLinks(type: DemoDeviceType, query: readonly string[]): string {
  return linksOf(type)
    .filter((link) => query.every((part) => passes(link, part)))
    .map((link) => `<${link.href}>;rt="${link.rt}"` + (link.ct === undefined ? '' : `;ct=${link.ct}`))
    .join(',')
}

function passes(link: DeviceLink, part: string): boolean {
  const equals = part.indexOf('=')
  const name = part.slice(0, equals)
  const wanted = part.slice(equals + 1)
  const actual = name === 'href' ? link.href : name === 'rt' ? link.rt : name === 'ct' ? link.ct : undefined
  if (actual === undefined) return false
  return wanted.endsWith('*') ? actual.startsWith(wanted.slice(0, -1)) : actual === wanted
}
