// A house and a stateless join proxy on its network: pledges on a link of their own reach the registrar's join port through it
// (draft-ietf-anima-constrained-join-proxy-20 §4).
import { onTestFinished } from 'vitest'
import { seededRandom, silentLogger, type SocketAddress } from '#main/base/index.ts'
import {
  createJoinPort,
  createJoinProxy,
  type JoinPort,
  type JoinProxy,
  type JoinProxyLimits,
  type PledgeOptions,
} from '#main/services/join/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openHouse, type House, type HouseOptions } from './house.ts'

const JPY: SocketAddress = { address: '2001:db8::1', port: 5685 }
export const PROXY_SIDE: SocketAddress = { address: '2001:db8::77', port: 61_000 }
const PLEDGE_SIDE: SocketAddress = { address: 'fe80::77', port: 8485 }

export interface LaneOptions extends HouseOptions {
  readonly proxyLimits?: Partial<JoinProxyLimits>
}

export interface Lane {
  readonly house: House
  readonly joinPort: JoinPort
  readonly proxy: JoinProxy
  readonly pledgeOptions: (index: number) => Pick<PledgeOptions, 'channel' | 'to'>
}

export async function openLane(version: '01' | '20', options: LaneOptions = {}): Promise<Lane> {
  const house = await openHouse(options)
  const ports = { clock: house.whole, random: seededRandom(3), logger: silentLogger }
  const joinPort = createJoinPort({
    ...ports,
    channel: house.net.channel(JPY),
    server: house.registrar.dtls,
    onEvent: (event) => house.registrar.watchJoinPort(event),
  })
  const endpoint = new CoapEndpoint({ ...ports, channel: joinPort, tree: house.tree })
  const proxy = createJoinProxy({
    ...ports,
    mode: 'stateless',
    version,
    pledges: house.net.channel(PLEDGE_SIDE),
    uplink: house.net.channel(PROXY_SIDE),
    registrar: () => JPY,
    limits: options.proxyLimits ?? {},
  })
  const { atEnd = onTestFinished } = options
  atEnd(() => {
    endpoint.close()
    void proxy.close()
    void joinPort.close()
  })
  return {
    house,
    joinPort,
    proxy,
    pledgeOptions: (index) => ({
      channel: house.net.channel({ address: `fe80::1:${(index + 1).toString(16)}`, port: 5700 }),
      to: PLEDGE_SIDE,
    }),
  }
}
