// The modelled mesh: what one shared channel bears, what hops and loss cost, how answers collide, how sleepers delay, how multicast spreads.
import { describe, expect, it } from 'vitest'
import { seededRandom } from '#main/base/index.ts'
import { airtimeUs, linksOf, type MeshNode, type Transmission } from '../../../src-main/simulator/radio/index.ts'
import { address, ALL_COAP_NODES, cell, hidden, mains, meshBench, row, udp } from './support.ts'

describe('one shared channel', () => {
  it('never carries more than 250 kbit/s, however much is sent at once', async () => {
    const flights: Transmission[] = []
    const { clock, mesh } = meshBench(mains(11), cell(11), { observe: (transmission) => flights.push(transmission) })
    for (let count = 0; count < 20; count++) for (let node = 1; node <= 10; node++) mesh.send(node, udp(address(node), address(0), 70))
    await clock.advance(10_000)
    // Bits whose transmission nobody overlapped, in the time from the first to the last of them.
    const clean = flights.filter((one) =>
      flights.every((other) => other === one || other.endUs <= one.startUs || other.startUs >= one.endUs),
    )
    const bits = clean.reduce((sum, { bytes }) => sum + (bytes + 6) * 8, 0)
    const lastUs = Math.max(...flights.map(({ endUs }) => endUs))
    const rate = (bits / (lastUs - flights[0]!.startUs)) * 1e6
    expect(rate).toBeLessThan(250_000)
    expect(rate).toBeGreaterThan(50_000)
    expect(mesh.counters().busyMs).toBeLessThanOrEqual((lastUs - flights[0]!.startUs) / 1000)
    for (const { startUs, endUs, bytes } of flights) expect(endUs - startUs).toBeCloseTo(airtimeUs(bytes), 6)
  })

  it('gives each node the pause between frames and the time of the acknowledgement', async () => {
    const flights: Transmission[] = []
    const { clock, mesh, arrivals } = meshBench(mains(2), cell(2), { observe: (transmission) => flights.push(transmission) })
    mesh.send(1, udp(address(1), address(0), 250))
    await clock.advance(1000)
    expect(arrivals).toHaveLength(1)
    const frames = flights.filter(({ isAck }) => !isAck)
    const acks = flights.filter(({ isAck }) => isAck)
    expect([frames.length, acks.length]).toEqual([3, 3])
    for (const [index, ack] of acks.entries()) expect(ack.startUs - frames[index]!.endUs).toBeCloseTo(192, 6)
    // macMinLIFSPeriod, then at least the channel assessment and the turnaround.
    for (let next = 1; next < 3; next++)
      expect(frames[next]!.startUs - acks[next - 1]!.endUs).toBeGreaterThanOrEqual(640 + 128 + 192 - 1e-6)
  })

  it('drops what a node cannot queue, and remembers nothing of it', async () => {
    const { clock, mesh, arrivals } = meshBench(mains(2), cell(2))
    const taken = Array.from({ length: 100 }, () => mesh.send(1, udp(address(1), address(0), 1000)))
    expect(taken.filter(Boolean).length).toBeLessThanOrEqual(5)
    await clock.advance(5000)
    expect(arrivals).toHaveLength(taken.filter(Boolean).length)
    expect(mesh.counters().packetsLost).toBe(100 - arrivals.length)
  })
})

describe('hops', () => {
  it('cost a frame’s time each, and a fragmented packet overlaps itself on the way (mesh-under)', async () => {
    const delays: number[] = []
    for (const hops of [1, 2, 4]) {
      const { clock, mesh, arrivals } = meshBench(mains(hops + 1), row(hops + 1))
      expect(mesh.hops(0, hops)).toBe(hops)
      mesh.send(0, udp(address(0), address(hops), 60))
      await clock.advance(1000)
      delays.push(arrivals[0]!.atMs)
    }
    const [one = 0, two = 0, four = 0] = delays
    // One frame of about 110 bytes is 3.7 ms; backoff adds 0 to 2.2 ms.
    expect(one).toBeGreaterThan(3)
    expect(one).toBeLessThan(8)
    expect(two).toBeGreaterThan(one + 3)
    expect(four).toBeGreaterThan(two + 6)
  })

  it('a node that is switched off takes its part of the mesh with it until there is another way', async () => {
    const { clock, mesh, arrivals } = meshBench(mains(3), row(3))
    mesh.setPower(1, false)
    mesh.send(0, udp(address(0), address(2), 20))
    await clock.advance(1000)
    expect(arrivals).toEqual([])
    mesh.setPower(1, true)
    mesh.send(0, udp(address(0), address(2), 20))
    await clock.advance(1000)
    expect(arrivals.map(({ node }) => node)).toEqual([2])
  })
})

describe('loss', () => {
  it('is repaired by retries as far as there are any: with p lost each way, n retries lose (1-(1-p)²)ⁿ⁺¹ at the sender', async () => {
    const deliveredWith = async (maxFrameRetries: number): Promise<number> => {
      const { clock, mesh, arrivals } = meshBench(mains(2), cell(2), { lossPercent: 40, maxFrameRetries })
      for (let count = 0; count < 400; count++) {
        mesh.send(1, udp(address(1), address(0), 20))
        await clock.advance(100)
      }
      return arrivals.length / 400
    }
    // The packet itself arrives unless every transmission of it is lost: 1 - 0.4ⁿ⁺¹, a little less where an ACK came through falsely never.
    expect(await deliveredWith(0)).toBeCloseTo(0.6, 1)
    expect(await deliveredWith(1)).toBeGreaterThan(0.74)
    expect(await deliveredWith(15)).toBeGreaterThan(0.995)
  })

  it('of 100 % lets nothing through, and ends', async () => {
    const { clock, mesh, arrivals } = meshBench(mains(2), cell(2), { lossPercent: 100 })
    mesh.send(1, udp(address(1), address(0), 20))
    await clock.advance(10_000)
    expect(arrivals).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  it('of an acknowledgement makes no packet arrive twice', async () => {
    const { clock, mesh, arrivals } = meshBench(mains(2), cell(2), { lossPercent: 50 })
    for (let count = 0; count < 200; count++) {
      mesh.send(1, udp(address(1), address(0), 20))
      await clock.advance(300)
    }
    expect(arrivals.length).toBeLessThanOrEqual(200)
    expect(mesh.counters().retries).toBeGreaterThan(200)
  })
})

describe('collisions', () => {
  it('of answers that all come at once are many where the senders do not hear each other, and fewer where they do', async () => {
    const collisionsOn = async (links: Parameters<typeof meshBench>[1]): Promise<{ collisions: number; arrived: number }> => {
      const { clock, mesh, arrivals } = meshBench(mains(41), links)
      for (let node = 1; node <= 40; node++) mesh.send(node, udp(address(node), address(0), 70))
      await clock.advance(20_000)
      return { collisions: mesh.counters().collisions, arrived: arrivals.length }
    }
    const deaf = await collisionsOn(hidden(41))
    const hearing = await collisionsOn(cell(41))
    expect(deaf.collisions).toBeGreaterThan(2 * hearing.collisions)
    expect(hearing.collisions).toBeGreaterThan(0)
    expect(hearing.arrived).toBeGreaterThan(deaf.arrived)
  })

  it('become rare when the same answers are spread', async () => {
    const arrivedOver = async (spreadMs: number): Promise<number> => {
      const { clock, mesh, arrivals } = meshBench(mains(61), hidden(61))
      const random = seededRandom(8)
      for (let node = 1; node <= 60; node++)
        clock.setTimer(random.fraction() * spreadMs, () => mesh.send(node, udp(address(node), address(0), 200)))
      await clock.advance(spreadMs + 20_000)
      return arrivals.length
    }
    const [atOnce, spread] = [await arrivedOver(50), await arrivedOver(12_000)]
    expect(spread).toBeGreaterThan(atOnce)
    expect(spread).toBeGreaterThanOrEqual(58)
  })

  it('spare the stronger frame (capture)', async () => {
    // Node 1 is 30 dB louder at the dongle than node 2; they do not hear each other.
    const links = linksOf(3, (a, b) => (a + b === 1 ? -50 : a + b === 2 && a !== b ? -80 : -120))
    const { clock, mesh, arrivals } = meshBench(mains(3), links, { maxFrameRetries: 0 })
    for (let count = 0; count < 50; count++) {
      mesh.send(1, udp(address(1), address(0), 75))
      mesh.send(2, udp(address(2), address(0), 75))
      await clock.advance(100)
    }
    expect(arrivals.length).toBeGreaterThanOrEqual(50)
    expect(arrivals.length).toBeLessThan(75)
  })
})

describe('sleeping leaves', () => {
  const nodes: readonly MeshNode[] = [{ isMains: true }, { isMains: false, pollMs: 1000 }]

  it('get what is for them at their next poll: half the interval on average, never more than one and a transmission', async () => {
    const { clock, mesh, arrivals } = meshBench(nodes, cell(2))
    const random = seededRandom(5)
    const delays: number[] = []
    for (let count = 0; count < 60; count++) {
      await clock.advance(3000 + random.fraction() * 1000)
      const sentMs = clock.monotonicMs()
      mesh.send(0, udp(address(0), address(1), 20))
      await clock.advance(1500)
      delays.push(arrivals.at(-1)!.atMs - sentMs)
    }
    expect(arrivals).toHaveLength(60)
    expect(Math.max(...delays)).toBeLessThan(1030)
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length
    expect(mean).toBeGreaterThan(350)
    expect(mean).toBeLessThan(650)
  })

  it('send when they like and then ask more often for the answer', async () => {
    const { clock, mesh, arrivals } = meshBench(nodes, cell(2))
    await clock.advance(5000)
    mesh.send(1, udp(address(1), address(0), 20))
    await clock.advance(20)
    expect(arrivals.map(({ node }) => node)).toEqual([0])
    const sentMs = clock.monotonicMs()
    mesh.send(0, udp(address(0), address(1), 20))
    await clock.advance(1000)
    expect(arrivals.at(-1)!.atMs - sentMs).toBeLessThan(220)
  })

  it('get multicast of their groups from their parent, and no other', async () => {
    const { clock, mesh, arrivals } = meshBench(nodes, cell(2))
    mesh.send(0, udp(address(0), ALL_COAP_NODES, 20))
    await clock.advance(1500)
    expect(arrivals.map(({ node }) => node)).toEqual([1])
    mesh.unlisten(1, ALL_COAP_NODES)
    mesh.send(0, udp(address(0), ALL_COAP_NODES, 20))
    await clock.advance(1500)
    expect(arrivals).toHaveLength(1)
  })
})

describe('multicast (RFC 7731)', () => {
  it('of realm scope reaches every hop, link scope the next one alone, each node once', async () => {
    const { clock, mesh, arrivals } = meshBench(mains(5), row(5))
    mesh.send(0, udp(address(0), ALL_COAP_NODES, 20))
    await clock.advance(2000)
    expect(arrivals.map(({ node }) => node).sort()).toEqual([1, 2, 3, 4])
    const linkScope = ALL_COAP_NODES.slice()
    linkScope[1] = 2
    for (let node = 0; node < 5; node++) mesh.listen(node, linkScope)
    arrivals.length = 0
    mesh.send(0, udp(address(0), linkScope, 20))
    await clock.advance(2000)
    expect(arrivals.map(({ node }) => node)).toEqual([1])
  })

  it('is repeated as often as there are timer expirations, and less where copies were heard', async () => {
    const framesWith = async (redundancy: number): Promise<number> => {
      const mpl = { minIntervalMs: 64, doublings: 1, redundancy, expirations: 3 }
      const { clock, mesh } = meshBench(mains(3), row(3), { mpl })
      mesh.send(0, udp(address(0), ALL_COAP_NODES, 20))
      await clock.advance(3000)
      return mesh.counters().frames
    }
    // The dongle and the node in the middle forward; the last one is no router.
    expect(await framesWith(Infinity)).toBe(6)
    expect(await framesWith(1)).toBeLessThan(6)
  })
})
