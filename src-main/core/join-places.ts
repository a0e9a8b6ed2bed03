// The links on which pledges can be our neighbours: interfaces of this machine, and dongles (draft-ietf-anima-constrained-join-proxy-20 §4.3).
import type { Logger } from '#main/base/index.ts'
import { isLinkLocalAddress, openUdpChannel } from '#main/wire/ip/index.ts'
import type { JoinPlaceRow, LinkRow } from '#contract/model.ts'
import type { NetworkInterface } from './interfaces.ts'
import type { JoinPlace } from './join-proxy.ts'
import type { SiteNetwork } from './network.ts'

export interface JoinPlacesPorts {
  readonly network: Pick<SiteNetwork, 'channels'>
  readonly interfaces: readonly NetworkInterface[]
  readonly links: readonly LinkRow[]
  readonly logger: Logger
}

const COAP_PORT = 5683
const SYSTEM_CHANNEL = 'udp'
const MOST_SHOWN = 64

/** `served`: undefined where there is no address of ours that neighbours could use. */
export function joinPlaces(ports: JoinPlacesPorts): ReadonlyArray<{ readonly row: JoinPlaceRow; readonly served: JoinPlace | undefined }> {
  return [...lanPlaces(ports), ...linkPlaces(ports)].slice(0, MOST_SHOWN)
}

function lanPlaces({ network, interfaces, logger }: JoinPlacesPorts): ReadonlyArray<{ row: JoinPlaceRow; served: JoinPlace | undefined }> {
  const names = new Set(interfaces.filter(({ internal }) => !internal).map(({ name }) => name))
  const system = network.channels().find(({ client }) => client.channelId === SYSTEM_CHANNEL)?.local
  return [...names].map((name) => {
    const own = interfaces.filter((each) => each.name === name).map(({ address }) => address.split('%')[0] ?? address)
    const linkLocal = own.find((address) => address.includes(':') && isLinkLocalAddress(address))
    const id = `lan:${name}`
    const row: JoinPlaceRow = { id, kind: 'lan', name, linkLocal: linkLocal ?? null }
    if (linkLocal === undefined) return { row, served: undefined }
    // Whoever asks the group must be answered from the address that it can reach.
    const isShared = system?.port === COAP_PORT && (system.address === '::' || (system.address === linkLocal && system.zone === name))
    const served: JoinPlace = {
      id,
      linkLocal,
      zone: name,
      open: (port, channelId) => openUdpChannel({ id: channelId, bindAddress: `${linkLocal}%${name}`, port, logger }),
      sharedChannel: isShared ? SYSTEM_CHANNEL : undefined,
    }
    return { row, served }
  })
}

function linkPlaces({ network, links }: JoinPlacesPorts): ReadonlyArray<{ row: JoinPlaceRow; served: JoinPlace | undefined }> {
  return links.map(({ id, name, addresses }) => {
    const linkLocal = addresses.find(({ origin }) => origin === 'link-local')?.address
    const row: JoinPlaceRow = { id: `link:${id}`, kind: 'link', name, linkLocal: linkLocal ?? null }
    const openPort = network.channels().find(({ client }) => client.channelId === id)?.openPort
    if (linkLocal === undefined || openPort === undefined) return { row, served: undefined }
    return {
      row,
      served: {
        id: row.id,
        linkLocal,
        zone: id,
        open: (port, channelId) => Promise.resolve(openPort(port, channelId)),
        sharedChannel: id,
      },
    }
  })
}
