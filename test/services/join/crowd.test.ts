// Many pledges at once, floods, and a bad network, through proxies to a registrar.
import { describe, expect, it } from 'vitest'
import { concatBytes, seededRandom, type SocketAddress } from '#main/base/index.ts'
import { decodeJpy, encodeJpy, isJpyFault } from '#main/services/join/index.ts'
import { DtlsEngine } from '#main/wire/dtls/index.ts'
import {
  byCertificate,
  hearing,
  JOIN_PORT,
  pledge,
  registrar,
  REGISTRAR,
  stateful,
  stateless,
  world,
  type Pledge,
  type World,
} from './port-harness.ts'

const MANY = 500
/** What a building's own wires bear; the defaults are for a radio. */
const WIDE = { totalRate: { perSecond: 2000, burst: 4000 } }
/** A pledge that failed tries again, as RFC 8995 §4.1 wants it. */
const PATIENCE_MS = 300_000

async function sayUntilHeard(of: World, one: Pledge, text: string): Promise<string> {
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      return await one.say(text)
    } catch {
      await new Promise<void>((resolve) => of.clock.setTimer(2000 + of.common.random.below(3000), resolve))
    }
  }
  return 'gave up'
}

async function joinAll(of: World, count: number): Promise<number> {
  const pledges = Array.from({ length: count }, (_, index) => pledge(of, index + 1))
  const said = await of.clock.until(Promise.all(pledges.map((one, index) => sayUntilHeard(of, one, `pledge ${index}`))), PATIENCE_MS)
  return said.filter((text, index) => text === `2.04 pledge ${index}`).length
}

describe('a network that loses a tenth, doubles and overtakes', () => {
  const bad = { lossRate: 0.1, duplicateRate: 0.02, reorderRate: 0.05, delayMs: { min: 2, max: 30 } }

  it.each(['20', '01'] as const)(
    `${MANY} pledges at once through one stateless proxy of version %s all get in`,
    { timeout: 120_000 },
    async (version) => {
      const of = world(bad)
      const { port, requests } = registrar(of)
      const proxy = stateless(of, { version, limits: WIDE })
      expect(await joinAll(of, MANY)).toBe(MANY)
      // Each said one thing, and each was heard by its own words.
      expect(new Set(requests.map(({ payload }) => Buffer.from(payload).toString())).size).toBe(MANY)
      expect(port.holdings()).toMatchObject({ halfOpen: 0, sessions: MANY, proxies: 1 })
      expect(proxy.counters()).toMatchObject({ badHeaders: 0, withheld: 0 })
      await of.clock.advance(40 * 60_000)
      expect(port.holdings()).toEqual({ halfOpen: 0, sessions: 0, proxies: 0 })
    },
  )

  it('100 pledges at once through one stateful proxy with ten places all get in, ten by ten', { timeout: 120_000 }, async () => {
    const of = world(bad)
    const { requests } = registrar(of)
    const proxy = stateful(of, { limits: { ...WIDE, mappingMs: 5000 } })
    let most = 0
    const watch = (): void => {
      most = Math.max(most, proxy.holdings().mappings)
      of.clock.setTimer(50, watch)
    }
    watch()
    expect(await joinAll(of, 100)).toBe(100)
    expect(new Set(requests.map(({ payload }) => Buffer.from(payload).toString())).size).toBe(100)
    expect(most).toBe(10)
    expect(proxy.counters().noPlace).toBeGreaterThan(0)
  })

  it('pledges at three proxies of both kinds and versions share one registrar', { timeout: 60_000 }, async () => {
    const of = world(bad)
    const { requests } = registrar(of)
    const ports: SocketAddress[] = [1, 2, 3].map((number) => ({ address: `fe80::${number}`, port: 8485 }))
    stateless(of, {}, ports[0], '2001:db8::2')
    stateless(of, { version: '01' }, ports[1], '2001:db8::3')
    stateful(of, { limits: { maxMappingsPerLink: 50 } }, ports[2], '2001:db8::4')
    const said = await of.clock.until(
      Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          const one = pledge(of, index + 1)
          for (let attempt = 0; ; attempt++) {
            try {
              return await one.say(`pledge ${index}`, ports[index % 3])
            } catch (thrown) {
              if (attempt === 5) throw thrown
            }
          }
        }),
      ),
      PATIENCE_MS,
    )
    expect(said).toEqual(Array.from({ length: 60 }, (_, index) => `2.04 pledge ${index}`))
    expect(new Set(requests.map(({ source }) => source.address)).size).toBe(3)
  })
})

describe('a flood of first flights', () => {
  /** The first hello of a client, as it leaves. */
  function firstFlight(of: World, number: number): Uint8Array {
    const flights: Uint8Array[] = []
    const engine = new DtlsEngine<{ readonly key: string }>({
      ...of.common,
      random: seededRandom(number),
      client: () => byCertificate,
      maxDatagramBytes: 976,
      output: (output) => {
        if (output.kind === 'datagram') flights.push(output.payload)
      },
    })
    engine.connect({ key: 'x' })
    engine.close()
    return flights[0] ?? new Uint8Array(0)
  }

  it.each(['stateless', 'stateful'] as const)(
    'through a %s proxy brings victims three times what was sent at most, and takes nothing from the honest',
    async (mode) => {
      const of = world()
      const { port, coaps } = registrar(of)
      const wide = { limits: { ...WIDE, maxMappingsPerLink: 400 } }
      const proxy = mode === 'stateless' ? stateless(of, wide) : stateful(of, wide)
      const flight = firstFlight(of, 1)
      let heardBytes = 0
      for (let victim = 0; victim < 300; victim++) {
        const channel = of.link.channel({ address: `fe80::bad:${(victim + 1).toString(16)}`, port: 5683 })
        channel.subscribe((event) => {
          if (event.kind === 'datagram') heardBytes += event.datagram.payload.length
        })
        for (let copy = 0; copy < 4; copy++) channel.send(flight, JOIN_PORT)
      }
      const one = pledge(of, 1)
      expect(await of.clock.until(one.say('let me in'))).toBe('2.04 let me in')
      await of.clock.advance(5000)
      expect(heardBytes).toBeGreaterThan(0)
      expect(heardBytes).toBeLessThanOrEqual(3 * flight.length * 4 * 300)
      // Far less in fact: cookies are smaller than hellos.
      expect(heardBytes).toBeLessThan(flight.length * 4 * 300)
      const holding = mode === 'stateless' ? port.holdings() : coaps.holdings()
      expect([holding.halfOpen, holding.sessions]).toEqual([0, 1])
      expect(proxy.counters().fromPledges).toBeGreaterThan(1000)
    },
  )

  it('at a registrar without cookies, which answers with kilobytes, is stopped by the proxy itself', async () => {
    const of = world()
    const generous = of.routed.channel(REGISTRAR)
    generous.subscribe((event) => {
      if (event.kind !== 'datagram') return
      const message = decodeJpy(event.datagram.payload)
      if (isJpyFault(message)) return
      for (let count = 0; count < 5; count++) generous.send(encodeJpy({ ...message, content: new Uint8Array(900) }), event.datagram.source)
    })
    const proxy = stateless(of, { limits: WIDE })
    const flight = firstFlight(of, 1)
    const victims = Array.from({ length: 100 }, (_, index) =>
      of.link.channel({ address: `fe80::bad:${(index + 1).toString(16)}`, port: 9 }),
    )
    const heard = victims.map((victim) => hearing(victim))
    for (const victim of victims) victim.send(flight, JOIN_PORT)
    await of.clock.advance(1000)
    for (const datagrams of heard)
      expect(datagrams.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThanOrEqual(3 * flight.length)
    expect(proxy.counters().withheld).toBe(500)
  })
})

describe('noise', () => {
  it(
    'on the link and behind it ends nothing: garbage, replayed answers and replayed hellos between honest words',
    { timeout: 60_000 },
    async () => {
      const of = world()
      const { port, requests } = registrar(of)
      const proxy = stateless(of, { limits: WIDE })
      const random = seededRandom(8)
      const uplink = { address: '2001:db8::2', port: 49_152 }
      const noisy = of.link.channel({ address: 'fe80::666', port: 666 })
      const stranger = of.routed.channel({ address: '2001:db8::666', port: 666 })
      const honest = Array.from({ length: 20 }, (_, index) => pledge(of, index + 1))
      const said = Promise.all(honest.map((one, index) => sayUntilHeard(of, one, `pledge ${index}`)))
      for (let round = 0; round < 200; round++) {
        const bytes = random.bytes(random.below(300))
        noisy.send(bytes, JOIN_PORT)
        noisy.send(concatBytes(Uint8Array.of(22, 0xfe, 0xfd), bytes), JOIN_PORT)
        stranger.send(encodeJpy({ version: '20', header: random.bytes(29), content: bytes }), uplink)
        stranger.send(encodeJpy({ version: '20', header: random.bytes(29), content: bytes }), REGISTRAR)
        await of.clock.advance(10)
      }
      expect(await of.clock.until(said, PATIENCE_MS)).toEqual(honest.map((_, index) => `2.04 pledge ${index}`))
      expect(requests).toHaveLength(20)
      expect(proxy.counters().fromStrangers).toBe(200)
      expect(port.holdings().sessions).toBe(20)
    },
  )

  it('of replayed answers reaches the pledge that it was for, which knows them for old', async () => {
    const of = world()
    registrar(of)
    const overheard: Uint8Array[] = []
    const inner = of.routed.channel({ address: '2001:db8::2', port: 0 })
    let repeat: ((payload: Uint8Array) => void) | undefined
    const uplink = {
      ...channelOf(inner),
      subscribe: (listener: Parameters<typeof inner.subscribe>[0]) => {
        repeat = (payload) =>
          listener({ kind: 'datagram', datagram: { payload, source: REGISTRAR, destination: undefined, multicast: false } })
        return inner.subscribe((event) => {
          if (event.kind === 'datagram') overheard.push(event.datagram.payload)
          listener(event)
        })
      },
    }
    const proxy = stateless(of, { uplink })
    const one = pledge(of, 1)
    expect(await of.clock.until(one.say('first'))).toBe('2.04 first')
    const received = one.dtls.counters().received
    for (const payload of overheard.slice()) repeat?.(payload)
    await of.clock.advance(100)
    expect(one.dtls.counters().received).toBe(received)
    expect(await of.clock.until(one.say('second'))).toBe('2.04 second')
    expect(proxy.counters().badHeaders).toBe(0)
  })
})

function channelOf(channel: ReturnType<World['routed']['channel']>): ReturnType<World['routed']['channel']> {
  return {
    id: channel.id,
    local: channel.local,
    maxPayloadBytes: channel.maxPayloadBytes,
    powered: true,
    setPower: () => undefined,
    send: (payload, to) => channel.send(payload, to),
    subscribe: (listener) => channel.subscribe(listener),
    joinGroup: () => undefined,
    leaveGroup: () => undefined,
    counters: () => channel.counters(),
    close: () => channel.close(),
  }
}
