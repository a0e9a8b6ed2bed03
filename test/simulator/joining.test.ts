// Ways of simulated pledges to the registrar: who hears the dongle needs nobody, others have a router next to them, which is made a proxy when it is needed.
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger, type SocketAddress } from '#main/base/index.ts'
import { decodeJpy, isJpyFault } from '#main/services/join/index.ts'
import { JOIN_PORT, JoinProxies, type JoinProxiesOptions } from '../../src-main/simulator/join-proxies.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const REGISTRAR: SocketAddress = { address: 'fd00::1', port: 5685 }
const ON_LINK: SocketAddress = { address: 'fe80::d', port: 5684 }

interface Sent {
  readonly index: number
  readonly port: number
  readonly payload: Uint8Array
  readonly to: SocketAddress
}

/** A line of nodes, of which some are routers; one hop for each step, the dongle is node 0. */
function line(
  routers: readonly number[],
  more: Partial<JoinProxiesOptions> = {},
): { readonly proxies: JoinProxies; readonly sent: Sent[] } {
  const sent: Sent[] = []
  const proxies = new JoinProxies({
    mains: [0, 1, 2, 3],
    mesh: { routers: () => [0, ...routers], hops: (from, to) => Math.abs(from - to) },
    addressOf: (index) => `fd00::${index + 16}`,
    linkLocalOf: (index) => `fe80::${index + 16}`,
    registrar: REGISTRAR,
    onLink: ON_LINK,
    clock: new VirtualClock(),
    random: seededRandom(3),
    logger: silentLogger,
    send: (index, port, payload, to) => void sent.push({ index, port, payload, to }),
    ...more,
  })
  return { proxies, sent }
}

describe('a simulated pledge', () => {
  it('speaks to the registrar itself where it hears the dongle (cBRSKI-31 §10), else to the nearest router', () => {
    const { proxies } = line([2, 4])
    expect(proxies.wayOf(0)).toEqual(ON_LINK)
    expect(proxies.wayOf(2)).toEqual({ address: 'fe80::17', port: JOIN_PORT })
    expect(proxies.wayOf(5)).toEqual({ address: 'fe80::19', port: JOIN_PORT })
    expect(line([2], { onLink: undefined }).proxies.wayOf(0)).toEqual({ address: 'fe80::17', port: JOIN_PORT })
  })

  it('is never its own proxy, and finds none where it is alone', () => {
    const { proxies } = line([2], { onLink: undefined })
    expect(proxies.wayOf(1)).toEqual({ address: 'fe80::16', port: JOIN_PORT })
    expect(line([2], { onLink: undefined, mains: [1] }).proxies.wayOf(1)).toBeUndefined()
    expect(line([], { mains: [3] }).proxies.wayOf(3)).toBeUndefined()
  })

  it('is passed on in JPY with a header that leads back to it (draft -20 §4.5), and a proxy without power forgets', () => {
    const { proxies, sent } = line([2])
    const pledge: SocketAddress = { address: 'fe80::18', port: 5688 }
    expect([proxies.count, proxies.receive(1, 5683, Uint8Array.of(1), pledge)]).toEqual([0, false])
    expect(proxies.receive(1, JOIN_PORT, Uint8Array.of(22, 254, 253), pledge)).toBe(true)
    expect(sent).toMatchObject([{ index: 1, to: REGISTRAR }])
    const message = decodeJpy(sent[0]?.payload ?? new Uint8Array(0))
    if (isJpyFault(message)) throw new TypeError('no JPY message')
    expect([message.version, [...message.content]]).toEqual(['20', [22, 254, 253]])
    proxies.receive(1, sent[0]?.port ?? 0, sent[0]?.payload ?? new Uint8Array(0), REGISTRAR)
    expect(sent[1]).toMatchObject({ index: 1, port: JOIN_PORT, to: pledge })
    proxies.powerOff(1)
    expect(proxies.count).toBe(0)
    proxies.receive(1, sent[0]?.port ?? 0, sent[0]?.payload ?? new Uint8Array(0), REGISTRAR)
    expect(sent.length).toBe(2)
  })
})
