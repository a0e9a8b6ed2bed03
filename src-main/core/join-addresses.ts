// Where the registrar is reached, as it is told to join proxies and to pledges: the ports of the very place that was asked, and an address of ours that
// leads there (draft-ietf-anima-constrained-join-proxy-20 §5.1, RFC 6724 §5).
import { isLinkLocalAddress, parseAddress } from '#main/wire/ip/index.ts'
import type { NetworkInterface } from './interfaces.ts'
import type { SiteNetwork } from './network.ts'

export interface JoinAddressesPorts {
  readonly network: Pick<SiteNetwork, 'listening' | 'channels'>
  readonly interfaces: () => readonly NetworkInterface[]
}

/** Who asked, where that is known. */
interface Asker {
  readonly address: string
  readonly zone?: string
}

export interface JoinAddresses {
  /** Of the place that the channel belongs to, secured or not. */
  portOf(scheme: 'coaps' | 'jpy', channelId: string): number | undefined
  /** Undefined where nobody beyond the link can reach us there. */
  routable(channelId: string, asker?: Asker): string | undefined
  /** For whoever asks without a place of his own: behind a dongle first. */
  first(): { readonly channelId: string; readonly address: string } | undefined
}

const SAME_NETWORK_BYTES = { IPv6: 8, IPv4: 3 }

export function createJoinAddresses({ network, interfaces }: JoinAddressesPorts): JoinAddresses {
  const routable = (channelId: string, asker?: Asker): string | undefined => {
    const beside = besideAny(channelId)
    const address = network.channels().find(({ client }) => client.channelId === beside)?.local.address
    if (address === undefined) return undefined
    if (address === '::' || address === '0.0.0.0') return ownFor(asker, address === '::' ? 'IPv6' : 'IPv4', interfaces())
    return isLinkLocalAddress(address) ? undefined : address
  }
  return {
    portOf(scheme, channelId) {
      const wanted = `${scheme}:${besideAny(channelId)}`
      return network.listening.find((at) => at.scheme === scheme && at.channel === wanted)?.port
    },
    routable,
    first() {
      const places = network.channels()
      for (const { client } of [...places.filter(({ kind }) => kind === 'mesh'), ...places]) {
        const address = routable(client.channelId)
        if (address !== undefined) return { channelId: client.channelId, address }
      }
      return undefined
    },
  }
}

/** The channel of plain CoAP beside which that one is, or itself. */
function besideAny(channelId: string): string {
  return channelId.replace(/^(?:coaps|jpy):/, '')
}

/** Of a socket that is bound to all addresses: one on the asker's link, or in his network, else any. */
function ownFor(asker: Asker | undefined, family: 'IPv4' | 'IPv6', interfaces: readonly NetworkInterface[]): string | undefined {
  const own = interfaces
    .filter((each) => each.family === family && !each.internal)
    .map(({ name, address }) => ({ name, address: address.split('%')[0] ?? address }))
    .filter(({ address }) => !isLinkLocalAddress(address))
  const theirs = asker === undefined ? undefined : parseAddress(asker.address)
  const bytes = SAME_NETWORK_BYTES[family]
  const isNear = (address: string): boolean => {
    const ours = parseAddress(address)
    return theirs?.length === ours?.length && ours?.slice(0, bytes).every((byte, index) => byte === theirs?.[index]) === true
  }
  const found =
    own.find(({ name }) => asker?.zone !== undefined && name === asker.zone) ?? own.find(({ address }) => isNear(address)) ?? own[0]
  return found?.address
}
