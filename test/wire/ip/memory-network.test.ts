import { describe, expect, it } from 'vitest'
import { seededRandom, systemClock, utf8, type Datagram, type DatagramChannel } from '#main/base/index.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from '#main/wire/ip/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

function setUp(options: Partial<MemoryNetworkOptions> = {}): { clock: VirtualClock; network: MemoryNetwork } {
  const clock = new VirtualClock()
  return { clock, network: new MemoryNetwork({ clock, random: seededRandom(1), ...options }) }
}

function heard(channel: DatagramChannel): Datagram[] {
  const datagrams: Datagram[] = []
  channel.subscribe((event) => {
    if (event.kind === 'datagram') datagrams.push(event.datagram)
  })
  return datagrams
}

describe('network in memory', () => {
  it('carries a datagram with source and destination after the delay', async () => {
    const { clock, network } = setUp({ delayMs: { min: 20, max: 20 } })
    const a = network.channel({ address: 'fd00::a', port: 5683 })
    const b = network.channel({ address: 'fd00::b', port: 5683 })
    const inbox = heard(b)
    a.send(utf8('hello'), b.local)
    await clock.advance(19)
    expect(inbox).toEqual([])
    await clock.advance(1)
    expect(inbox).toEqual([{ payload: utf8('hello'), source: a.local, destination: b.local, multicast: false }])
  })

  it('delivers multicast to those who joined at that port, and not to the sender', async () => {
    const { clock, network } = setUp()
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((host) => network.channel({ address: `fd00::${host}`, port: 5683 }))
    const other = network.channel({ address: 'fd00::b', port: 61_616 })
    for (const channel of [a!, b!, c!, other]) channel.joinGroup('ff05::fd')
    c!.leaveGroup('ff05::fd')
    const inboxes = [a!, b!, c!, d!, other].map(heard)
    a!.send(utf8('x'), { address: 'ff05::fd', port: 5683 })
    await clock.advance(5)
    expect(inboxes.map((inbox) => inbox.length)).toEqual([0, 1, 0, 0, 0])
    expect(inboxes[1]![0]).toMatchObject({ multicast: true, destination: { address: 'ff05::fd', port: 5683 } })
  })

  it('loses what the loss rate says, for each receiver by itself, and may be changed as it runs', async () => {
    const { clock, network } = setUp({ lossRate: 0.25, maxInFlight: 5000 })
    const a = network.channel({ address: 'fd00::a', port: 1 })
    const b = network.channel({ address: 'fd00::b', port: 1 })
    const inbox = heard(b)
    for (let index = 0; index < 4000; index++) a.send(utf8('x'), b.local)
    await clock.advance(5)
    expect(inbox.length / 4000).toBeGreaterThan(0.72)
    expect(inbox.length / 4000).toBeLessThan(0.78)
    network.setLossRate(1)
    inbox.length = 0
    a.send(utf8('x'), b.local)
    await clock.advance(5)
    expect(inbox).toEqual([])
  })

  it('keeps the order of a sender whatever the delays, but for the share that is reordered', async () => {
    const order = async (reorderRate: number): Promise<number[]> => {
      const { clock, network } = setUp({ delayMs: { min: 1, max: 50 }, reorderRate })
      const a = network.channel({ address: 'fd00::a', port: 1 })
      const b = network.channel({ address: 'fd00::b', port: 1 })
      const inbox = heard(b)
      for (let index = 0; index < 100; index++) a.send(Uint8Array.of(index), b.local)
      await clock.advance(500)
      return inbox.map((datagram) => datagram.payload[0]!)
    }
    const ascending = Array.from({ length: 100 }, (_, index) => index)
    expect(await order(0)).toEqual(ascending)
    const mixed = await order(0.3)
    expect(mixed).not.toEqual(ascending)
    expect([...mixed].sort((x, y) => x - y)).toEqual(ascending)
  })

  it('duplicates', async () => {
    const { clock, network } = setUp({ duplicateRate: 1 })
    const a = network.channel({ address: 'fd00::a', port: 1 })
    const b = network.channel({ address: 'fd00::b', port: 1 })
    const inbox = heard(b)
    a.send(utf8('x'), b.local)
    await clock.advance(5)
    expect(inbox).toHaveLength(2)
  })

  it('gives a node without power neither ear nor voice', async () => {
    const { clock, network } = setUp()
    const a = network.channel({ address: 'fd00::a', port: 1 })
    const b = network.channel({ address: 'fd00::b', port: 1 })
    const inbox = { a: heard(a), b: heard(b) }
    b.setPower(false)
    a.send(utf8('x'), b.local)
    b.send(utf8('x'), a.local)
    await clock.advance(5)
    expect([inbox.a.length, inbox.b.length]).toEqual([0, 0])
    b.setPower(true)
    a.send(utf8('x'), b.local)
    await clock.advance(5)
    expect(inbox.b).toHaveLength(1)
  })

  it('holds no more in flight to one receiver than its bound', async () => {
    const { clock, network } = setUp({ maxInFlight: 10 })
    const a = network.channel({ address: 'fd00::a', port: 1 })
    const b = network.channel({ address: 'fd00::b', port: 1 })
    const inbox = heard(b)
    for (let index = 0; index < 50; index++) a.send(utf8('x'), b.local)
    await clock.advance(5)
    expect(inbox).toHaveLength(10)
    expect(b.counters()).toEqual({ sent: 0, received: 10, sendErrors: 0, dropped: 40 })
  })

  it('refuses a second channel at an address, and frees it when the first closes', async () => {
    const { network } = setUp()
    const first = network.channel({ address: 'fd00::a', port: 5683 })
    expect(() => network.channel({ address: 'fd00::a', port: 5683 })).toThrow(expect.objectContaining({ code: 'network.address-in-use' }))
    await first.close()
    expect(network.channel({ address: 'fd00::a', port: 5683 }).local.port).toBe(5683)
    expect(network.channel({ address: 'fd00::a', port: 0 }).local.port).toBeGreaterThan(49_151)
  })

  it('never throws when sending: too large, nobody there, closed', async () => {
    const { clock, network } = setUp()
    const a = network.channel({ address: 'fd00::a', port: 1 })
    const failures: string[] = []
    a.subscribe((event) => failures.push(event.kind))
    a.send(new Uint8Array(70_000), { address: 'fd00::b', port: 1 })
    a.send(utf8('x'), { address: 'fd00::b', port: 1 })
    await clock.advance(5)
    expect(failures).toEqual(['send-failed'])
    await a.close()
    a.send(utf8('x'), { address: 'fd00::b', port: 1 })
    expect(a.counters().sendErrors).toBe(2)
  })

  it('hands a copy on, so that the sender may use its bytes again', async () => {
    const { clock, network } = setUp()
    const a = network.channel({ address: 'fd00::a', port: 1 })
    const b = network.channel({ address: 'fd00::b', port: 1 })
    const inbox = heard(b)
    const bytes = utf8('x')
    a.send(bytes, b.local)
    bytes[0] = 0
    await clock.advance(5)
    expect(inbox[0]?.payload).toEqual(utf8('x'))
  })

  it('runs on the system clock too', async () => {
    const network = new MemoryNetwork({ clock: systemClock, random: seededRandom(1), delayMs: { min: 0, max: 2 } })
    const a = network.channel({ address: 'fd00::a', port: 1 })
    const b = network.channel({ address: 'fd00::b', port: 1 })
    const arrived = new Promise<void>((resolve) => b.subscribe(() => resolve()))
    a.send(utf8('x'), b.local)
    await arrived
  })
})
