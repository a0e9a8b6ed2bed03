// The site as a Resource Directory would show it: endpoints and groups in link format, as an endpoint lookup answers (RFC 9176 §6.2, Appendix A).
import { formatLinkFormat, type Link, type LinkAttribute } from '#main/wire/coap/index.ts'
import type { SiteDocument } from '../document.ts'
import { authority } from './ids.ts'

/** Devices that have not been heard have no base, so no directory could know them: they are left out. */
export function rdLinks(document: SiteDocument): string {
  const coapGroups = new Map(document.coapGroups.map((group) => [group.id, group]))
  const endpoints = document.devices.flatMap((device, index): readonly Link[] =>
    device.address === null
      ? []
      : [
          link(`/rd/d${index + 1}`, [
            ['ep', device.endpointName ?? device.eui64 ?? device.id],
            ['base', authority(device.address.address, device.address.port)],
            ['et', `gw.${device.type}`],
          ]),
        ],
  )
  const groups = document.applicationGroups.flatMap((group, index): readonly Link[] => {
    const coap = coapGroups.get(group.coapGroupId)
    if (group.retired || coap === undefined) return []
    return [
      link(`/rd/g${index + 1}`, [
        ['ep', group.name],
        ['base', authority(coap.address, coap.port)],
        ['et', 'core.rd-group'],
      ]),
    ]
  })
  return formatLinkFormat([...endpoints, ...groups])
}

function link(href: string, attributes: ReadonlyArray<readonly [string, string]>): Link {
  const all: readonly LinkAttribute[] = [...attributes, ['rt', 'core.rd-ep'] as const].map(([name, value]) => ({ name, value }))
  return { href, attributes: [...all] }
}
