// Pledges behind a constrained join proxy: the same registrar by its join port, and the timeline says through whom they came
// (draft-ietf-anima-constrained-join-proxy-20 §4, draft-ietf-anima-constrained-voucher §6.4).
import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom, silentLogger, toHex, type SocketAddress } from '#main/base/index.ts'
import { createJoinPort, createJoinProxy, type JoinPort, type PledgeOptions } from '#main/services/join/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openHouse, type House, type HouseOptions } from './house.ts'

const JPY: SocketAddress = { address: '2001:db8::1', port: 5685 }
const PROXY_SIDE: SocketAddress = { address: '2001:db8::77', port: 61_000 }
const PLEDGE_SIDE: SocketAddress = { address: 'fe80::77', port: 8485 }

interface Lane {
  readonly house: House
  readonly joinPort: JoinPort
  readonly pledgeOptions: (index: number) => Partial<PledgeOptions>
}

async function lane(version: '01' | '20', options: HouseOptions = {}): Promise<Lane> {
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
    limits: { totalRate: { perSecond: 10_000, burst: 10_000 } },
  })
  onTestFinished(() => {
    endpoint.close()
    void proxy.close()
    void joinPort.close()
  })
  return {
    house,
    joinPort,
    pledgeOptions: (index) => ({
      channel: house.net.channel({ address: `fe80::1:${(index + 1).toString(16)}`, port: 5700 }),
      to: PLEDGE_SIDE,
    }),
  }
}

describe('behind a stateless join proxy', () => {
  it.each(['01', '20'] as const)('a pledge joins, with JPY of version %s', async (version) => {
    const { house, pledgeOptions } = await lane(version)
    const device = house.device('LW-1')
    await house.drive(house.pledge(device, { ...pledgeOptions(0), blockBytes: 256 }).join())
    expect(house.story()).toEqual(['seen+', 'connected+', 'admitted+', 'voucher+', 'trusts-us+', 'certificate+', 'enrolled+'])
    expect(new Set(house.steps.map(({ pledge }) => pledge.proxy))).toEqual(new Set([PROXY_SIDE.address]))
    expect(new Set(house.steps.map(({ pledge }) => pledge.key))).toEqual(new Set([toHex(device.certificate.fingerprint())]))
  })

  it('thirty pledges join at once through one proxy with 10 % loss, each by itself', { timeout: 120_000 }, async () => {
    const { house, pledgeOptions } = await lane('20', { net: { lossRate: 0.1, delayMs: { min: 2, max: 60 } } })
    const joining = Array.from({ length: 30 }, (_, index) => {
      const device = house.device(`LW-${index}`)
      const pledge = house.pledge(device, { ...pledgeOptions(index), blockBytes: 512, random: seededRandom(40_000 + index) })
      // Whoever is cut off comes again and goes on.
      const join = async (left: number): ReturnType<typeof pledge.join> =>
        pledge.join().catch((thrown: unknown) => {
          if (left === 0) throw thrown
          return join(left - 1)
        })
      return join(5)
    })
    const joined = await house.drive(Promise.all(joining))
    expect(new Set(joined.map(({ certificate }) => toHex(certificate.serial))).size).toBe(30)
    expect(house.steps.filter(({ step, outcome }) => step === 'enrolled' && outcome === 'done').length).toBeGreaterThanOrEqual(30)
    const issued = house.site.desk.certificates({ limit: 100 }).filter(({ profile }) => profile === 'device')
    expect(issued.length).toBe(30)
    expect(house.errors).toEqual([])
  })

  it('a pledge that waits for somebody’s decision goes on in the session that it has', async () => {
    const { house, joinPort, pledgeOptions } = await lane('20')
    house.gate.verdict = () => ({ kind: 'wait', code: 'join.awaits-decision', retryAfterS: 60 })
    const waiting = house.pledge(house.device('LW-1'), pledgeOptions(1)).join()
    waiting.catch(() => undefined)
    await house.drive(
      (async () => {
        while (!house.story().includes('admitted? join.awaits-decision')) await new Promise((resolve) => setTimeout(resolve, 1))
      })(),
    )
    expect(joinPort.holdings().sessions).toBe(1)
    house.gate.verdict = () => ({ kind: 'admit' })
    await house.drive(waiting)
    expect(house.story().at(-1)).toBe('enrolled+')
  })
})
