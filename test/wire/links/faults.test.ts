// A line that loses, flips and doubles bytes, and cuts frames in the middle: what the SLIP link makes of it.
import { describe, expect, it } from 'vitest'
import { seededRandom, toHex, type Random } from '#main/base/index.ts'
import { DongleLink, driverFor, encodeSlipFrame, PortWatch, type BindingPort, type SerialBinding } from '#main/wire/links/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { MemoryPorts, pass, passUntil, RouterDouble, udpPacket } from './support.ts'

type Fault = (bytes: Uint8Array, random: Random) => Uint8Array

const faults: ReadonlyArray<readonly [string, Fault]> = [
  ['one byte in 500 flipped', (bytes, random) => bytes.map((byte) => (random.below(500) === 0 ? byte ^ (1 << random.below(8)) : byte))],
  ['one byte in 500 lost', (bytes, random) => bytes.filter(() => random.below(500) !== 0)],
  ['one write in ten lost', (bytes, random) => (random.below(10) === 0 ? new Uint8Array() : bytes)],
  [
    'one write in ten cut in the middle',
    (bytes, random) => (random.below(10) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes),
  ],
]

/** The ports with a fault on every wire, both ways. */
function faulty(ports: MemoryPorts, fault: Fault, random: Random): SerialBinding {
  return {
    list: () => ports.list(),
    async open(options): Promise<BindingPort> {
      const port = await ports.open(options)
      return {
        get isOpen() {
          return port.isOpen
        },
        async read(buffer, offset, length) {
          for (;;) {
            const { bytesRead } = await port.read(buffer, offset, length)
            const left = fault(new Uint8Array(buffer.subarray(offset, offset + bytesRead)), random)
            buffer.set(left, offset)
            if (left.length > 0) return { bytesRead: left.length }
          }
        },
        write: (buffer) => port.write(Buffer.from(fault(new Uint8Array(buffer), random))),
        set: (options) => port.set(options),
        flush: () => port.flush(),
        drain: () => port.drain(),
        close: () => port.close(),
      }
    },
  }
}

describe('a SLIP dongle on a bad line', () => {
  it.each(faults)('%s: comes up, passes what was not hit, and keeps nothing', async (_name, fault) => {
    const clock = new VirtualClock()
    const random = seededRandom(7)
    const ports = new MemoryPorts()
    const router = new RouterDouble()
    ports.plug({ path: '/dev/a' }, router)
    const watch = new PortWatch({ clock, binding: ports })
    const binding = faulty(ports, fault, random)
    const dongle = new DongleLink({ id: 'dongle:a', target: { path: '/dev/a' }, clock, random, watch, binding, createDriver: driverFor() })
    const received: string[] = []
    dongle.subscribe((event) => {
      if (event.kind === 'packet') received.push(toHex(event.packet))
    })
    dongle.open()
    await pass(clock, 60_000)
    expect(dongle.up).toBe(true)
    const sent = Array.from({ length: 200 }, (_, index) => udpPacket(60 + index, index))
    for (const packet of sent) {
      dongle.send(packet)
      router.send(encodeSlipFrame(packet))
      await pass(clock, 20)
    }
    const known = new Set(sent.map(toHex))
    const whole = (list: readonly string[]): number => new Set(list.filter((hex) => known.has(hex))).size
    expect(whole(received)).toBeGreaterThan(100)
    expect(whole(router.packets.map(toHex))).toBeGreaterThan(100)
    expect(whole(received)).toBeLessThan(200)
    expect(dongle.counters()).toMatchObject({ queuedBytes: 0, queuedPackets: 0 })
    // The line is idle: nothing but the next look at the router is left to do, minutes long.
    await pass(clock, 120_000)
    expect(dongle.up).toBe(true)
    expect(clock.pendingTimers).toBeLessThanOrEqual(2)
    await passUntil(clock, dongle.close())
    await pass(clock, 5_000)
    expect(clock.pendingTimers).toBe(0)
  })

  it('comes through noise at another speed without a failure', async () => {
    const clock = new VirtualClock()
    const random = seededRandom(3)
    const ports = new MemoryPorts()
    ports.plug({ path: '/dev/a' }, { opened: (send) => send(random.bytes(4_000)), received: () => undefined })
    const watch = new PortWatch({ clock, binding: ports })
    const dongle = new DongleLink({
      id: 'dongle:a',
      target: { path: '/dev/a' },
      clock,
      random,
      watch,
      binding: ports,
      createDriver: driverFor(),
    })
    dongle.open()
    await pass(clock, 120_000)
    expect(['retrying', 'opening', 'probing']).toContain(dongle.state.kind)
    expect(new Set(ports.opened.map((entry) => entry.baudRate))).toEqual(new Set([115_200, 460_800, 1_000_000]))
    await passUntil(clock, dongle.close())
  })
})
