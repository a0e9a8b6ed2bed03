import { describe, expect, it } from 'vitest'
import { AppError, seededRandom, silentLogger } from '#main/base/index.ts'
import {
  DongleLink,
  driverFor,
  PortWatch,
  type DongleDriver,
  type DongleOptions,
  type DongleState,
  type DriverStart,
  type LinkDriver,
  type PacketLinkEvent,
  type PortSystem,
} from '#main/wire/links/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bytesOf, MemoryPorts, pass, passUntil, RouterDouble, udpPacket, type DongleFirmware } from './support.ts'

const elsewhere: PortSystem = {
  platform: 'other',
  pid: 1,
  names: () => Promise.resolve([]),
  resolve: () => Promise.resolve(undefined),
  link: () => Promise.resolve(undefined),
  text: () => Promise.resolve(undefined),
  access: () => Promise.resolve('open'),
  groupId: () => Promise.resolve(undefined),
}

interface Bench<Driver extends LinkDriver> {
  readonly clock: VirtualClock
  readonly ports: MemoryPorts
  readonly dongle: DongleLink<Driver>
  readonly events: PacketLinkEvent[]
  readonly states: DongleState[]
}

const listing = { path: '/dev/ttyACM0', vendorId: '0451', productId: '16c8', serialNumber: 'A' }
const key = 'usb:0451:16c8:A'

function bench<Driver extends LinkDriver>(
  createDriver: DongleOptions<Driver>['createDriver'],
  options: Partial<DongleOptions<Driver>> = {},
  clock = new VirtualClock(),
  ports = new MemoryPorts(),
): Bench<Driver> {
  const watch = options.watch ?? new PortWatch({ clock, binding: ports, system: elsewhere })
  const dongle = new DongleLink<Driver>({
    id: 'dongle:A',
    target: { path: '/dev/ttyACM0', key },
    clock,
    random: seededRandom(1),
    watch,
    binding: ports,
    system: elsewhere,
    createDriver,
    ...options,
  })
  const events: PacketLinkEvent[] = []
  const states: DongleState[] = []
  dongle.subscribe((event) => events.push(event))
  dongle.onState((state) => states.push(state))
  return { clock, ports, dongle, events, states }
}

const slip = (options: Partial<DongleOptions<DongleDriver>> = {}): Bench<DongleDriver> => bench(driverFor(), options)

function kinds(list: ReadonlyArray<{ readonly kind: string }>): readonly string[] {
  return list.map((entry) => entry.kind)
}

describe('the life of a dongle', () => {
  it('is absent until it is plugged in, and then comes up by itself', async () => {
    const { clock, ports, dongle, states, events } = slip()
    dongle.open()
    await pass(clock, 10_000)
    expect(kinds(states)).toEqual(['absent'])
    ports.plug(listing, new RouterDouble())
    await pass(clock, 5_000)
    expect(kinds(states)).toEqual(['absent', 'opening', 'probing', 'starting', 'up'])
    expect(dongle.up).toBe(true)
    expect(dongle.addresses.map((entry) => entry.address)).toEqual(['fd00::1'])
    expect(kinds(events)).toEqual(['up', 'addresses'])
    expect(dongle.state).toMatchObject({ kind: 'up', path: '/dev/ttyACM0', report: { firmware: 'slip-router', eui64: '00124b0000000001' } })
    await passUntil(clock, dongle.close())
  })

  it('survives being unplugged in the middle of traffic, and is found again under another path by its serial number', async () => {
    const { clock, ports, dongle, states, events } = slip()
    const router = new RouterDouble()
    ports.plug(listing, router)
    dongle.open()
    await pass(clock, 5_000)
    for (let index = 0; index < 5; index++) dongle.send(udpPacket(100, index))
    ports.unplug(listing.path)
    await pass(clock, 1)
    expect(dongle.up).toBe(false)
    expect(dongle.addresses).toEqual([])
    dongle.send(udpPacket(100, 9))
    await pass(clock, 20_000)
    expect(dongle.state.kind).toBe('absent')
    const failed = events.filter((event) => event.kind === 'send-failed')
    expect(failed.length + router.packets.length).toBe(6)
    states.length = 0
    router.prefix = undefined
    ports.plug({ ...listing, path: '/dev/ttyACM7' }, router)
    await pass(clock, 6_000)
    expect(kinds(states)).toEqual(['opening', 'probing', 'starting', 'up'])
    expect(dongle.state).toMatchObject({ kind: 'up', path: '/dev/ttyACM7' })
    dongle.send(udpPacket(100, 7))
    await pass(clock, 100)
    expect(router.packets.at(-1)?.[60]).toBe(7)
    expect(dongle.counters()).toMatchObject({ sessions: 2, losses: 1 })
    expect(kinds(events).filter((kind) => kind === 'up' || kind === 'down')).toEqual(['up', 'down', 'up'])
    await passUntil(clock, dongle.close())
  })

  it('takes no other dongle for its own', async () => {
    const { clock, ports, dongle } = slip()
    ports.plug({ ...listing, serialNumber: 'B' }, new RouterDouble())
    dongle.open()
    await pass(clock, 20_000)
    expect(dongle.state.kind).toBe('absent')
    expect(ports.opened).toEqual([])
    await passUntil(clock, dongle.close())
  })

  it('runs two dongles at once, each with its own traffic', async () => {
    const clock = new VirtualClock()
    const ports = new MemoryPorts()
    const watch = new PortWatch({ clock, binding: ports, system: elsewhere })
    const routers = [new RouterDouble('00124b0000000001'), new RouterDouble('00124b0000000002')]
    const dongles = routers.map((router, index) => {
      ports.plug({ ...listing, path: `/dev/ttyACM${index}`, serialNumber: `S${index}` }, router)
      const target = { path: `/dev/ttyACM${index}`, key: `usb:0451:16c8:S${index}` }
      return bench(driverFor({ slipPrefix: `fd0${index}::` }), { watch, target, id: `dongle:${index}` }, clock, ports).dongle
    })
    for (const dongle of dongles) dongle.open()
    await pass(clock, 5_000)
    expect(dongles.map((dongle) => dongle.addresses.map((entry) => entry.address))).toEqual([['fd00::1'], ['fd01::1']])
    dongles[1]?.send(udpPacket(60, 5))
    await pass(clock, 50)
    expect(routers.map((router) => router.packets.length)).toEqual([0, 1])
    ports.unplug('/dev/ttyACM0')
    await pass(clock, 5_000)
    expect(dongles.map((dongle) => dongle.up)).toEqual([false, true])
    await Promise.all(dongles.map((dongle) => passUntil(clock, dongle.close())))
    await pass(clock, 60_000)
    expect(clock.pendingTimers).toBe(0)
  })

  it('waits longer and longer where a port stays busy, within 30 s', async () => {
    const { clock, ports, dongle, states } = slip()
    ports.plug(listing, new RouterDouble())
    ports.openFailure = new Error('Error Resource temporarily unavailable Cannot lock port')
    dongle.open()
    await pass(clock, 300_000)
    const waits = states.flatMap((state) => (state.kind === 'retrying' ? [state] : []))
    expect(waits[0]?.error.code).toBe('link.port-busy')
    expect(waits.slice(0, 8).map((state, index) => Math.abs(state.waitMs / Math.min(30_000, 500 * 2 ** index) - 1) <= 0.2)).toEqual(
      Array.from({ length: 8 }, () => true),
    )
    expect(waits.length).toBeLessThan(18)
    ports.openFailure = undefined
    dongle.retry()
    await pass(clock, 5_000)
    expect(dongle.up).toBe(true)
    await passUntil(clock, dongle.close())
  })

  it('refuses an RCP with a reason, leaves the port alone, and looks again when it was unplugged', async () => {
    const { clock, ports, dongle, states } = slip()
    ports.plug(listing, answering('7e830605050c182281044041e38d7e'))
    dongle.open()
    await pass(clock, 60_000)
    const last = states.at(-1)
    expect(last).toMatchObject({ kind: 'refused', path: '/dev/ttyACM0', report: { firmware: 'spinel-rcp' } })
    expect(last?.kind === 'refused' && [last.error.code, last.error.details.reason]).toEqual(['link.wrong-firmware', 'spinel-rcp'])
    expect(ports.opened.length).toBe(1)
    expect(ports.isOpen(listing.path)).toBe(false)
    ports.unplug(listing.path)
    await pass(clock, 5_000)
    expect(dongle.state.kind).toBe('absent')
    ports.plug(listing, new RouterDouble())
    await pass(clock, 5_000)
    expect(dongle.up).toBe(true)
    await passUntil(clock, dongle.close())
  })

  it('tries a path typed by hand, again and again while there is nothing', async () => {
    const { clock, ports, dongle, states } = slip({ target: { path: '/dev/pts/7' } })
    dongle.open()
    await pass(clock, 9_000)
    expect(new Set(kinds(states))).toEqual(new Set(['opening', 'absent']))
    ports.plug({ path: '/dev/pts/7' }, new RouterDouble())
    await pass(clock, 5_000)
    expect(dongle.up).toBe(true)
    await passUntil(clock, dongle.close())
  })

  it('closes clean: the port is free, no timer is left, and nothing is told afterwards', async () => {
    for (const afterMs of [0, 100, 250, 600, 2_000, 40_000]) {
      const { clock, ports, dongle, events, states } = slip()
      ports.plug(listing, new RouterDouble())
      dongle.open()
      await pass(clock, afterMs)
      const before = states.at(-1)?.kind
      await passUntil(clock, dongle.close())
      expect(ports.isOpen(listing.path)).toBe(false)
      expect(kinds(states).slice(-2)).toEqual(before === undefined ? ['closed'] : [before, 'closed'])
      const told = events.length
      await pass(clock, 60_000)
      expect(clock.pendingTimers).toBe(0)
      expect(events.length).toBe(told)
    }
  })

  it('counts bytes both ways and shows them, as frames too once the firmware is known', async () => {
    let seen = 0
    const frames: string[] = []
    const { clock, ports, dongle } = slip({
      tap: (_direction, bytes) => void (seen += bytes.length),
      onFrame: (frame) => frames.push(`${frame.direction} ${frame.kind} ${frame.label}`),
    })
    ports.plug(listing, new RouterDouble())
    dongle.open()
    await pass(clock, 5_000)
    const { bytesIn, bytesOut } = dongle.counters()
    expect(bytesIn + bytesOut).toBe(seen)
    expect(bytesIn).toBeGreaterThan(20)
    expect(bytesOut).toBeGreaterThan(20)
    expect(frames).toContain('out control !P')
    expect(frames.slice(-2)).toEqual(['out packet ', 'in packet '])
    await passUntil(clock, dongle.close())
  })

  it('opens anew a dongle that no longer answers', async () => {
    const { clock, ports, dongle, states } = slip()
    const router = new RouterDouble()
    ports.plug(listing, router)
    dongle.open()
    await pass(clock, 5_000)
    router.silent = true
    await pass(clock, 60_000)
    expect(states.some((state) => state.kind === 'retrying' && state.error.code === 'link.no-answer')).toBe(true)
    router.silent = false
    await pass(clock, 60_000)
    expect(dongle.up).toBe(true)
    await passUntil(clock, dongle.close())
  })
})

/** A driver that the test holds in its hand. */
class HandDriver implements LinkDriver {
  readonly id = 'hand'
  readonly mtuBytes = 1280
  readonly addresses = []
  readonly carries = { multicast: true, linkLocal: true }
  readonly groups: string[] = []
  up = false
  startedWith: DriverStart | undefined
  starting = Promise.withResolvers<undefined>()
  listener: (event: PacketLinkEvent) => void = () => undefined

  start(options: DriverStart): Promise<void> {
    this.startedWith = options
    options.signal.addEventListener('abort', () => this.starting.reject(new DOMException('stopped', 'AbortError')))
    return this.starting.promise
  }
  send(): void {
    this.listener({ kind: 'packet', packet: new Uint8Array(1) })
  }
  joinGroup(address: string): void {
    this.groups.push(address)
  }
  leaveGroup(address: string): void {
    this.groups.splice(this.groups.indexOf(address), 1)
  }
  subscribe(listener: (event: PacketLinkEvent) => void): () => void {
    this.listener = listener
    return () => undefined
  }
  counters() {
    const none = { framesIn: 1, framesOut: 0, damagedFrames: 0, packetsIn: 0, packetsOut: 0, packetsFailed: 0, queuedPackets: 0 }
    return { ...none, retries: 0, roundTripMs: undefined }
  }
  stop(): Promise<void> {
    return Promise.resolve()
  }
}

/** Firmware that gives the same answer to whatever it gets. */
function answering(hex: string): DongleFirmware {
  let send: (bytes: Uint8Array) => void = () => undefined
  return {
    opened: (toHost) => {
      send = toHost
    },
    received: () => send(bytesOf(hex)),
  }
}

const NCP_CAPS = '7e830605050c182035360e8004880484048a048b04303180088308840885088e04d44c7e'

describe('the life of a dongle, seen from its driver', () => {
  function handBench(): Bench<HandDriver> & { readonly drivers: HandDriver[] } {
    const drivers: HandDriver[] = []
    const all = bench<HandDriver>(() => {
      const driver = new HandDriver()
      drivers.push(driver)
      return driver
    })
    all.ports.plug(listing, answering(NCP_CAPS))
    return { ...all, drivers }
  }

  it('is told the groups on each start, and goes attaching, up, attaching with the role', async () => {
    const { clock, dongle, drivers, states, ports } = handBench()
    dongle.joinGroup('ff03::fd')
    dongle.joinGroup('ff05::fd')
    dongle.leaveGroup('ff05::fd')
    dongle.open()
    await pass(clock, 1_000)
    drivers[0]?.starting.resolve(undefined)
    await pass(clock, 1)
    expect(dongle.state.kind).toBe('attaching')
    drivers[0]?.listener({ kind: 'up' })
    expect(dongle.carries).toEqual({ multicast: true, linkLocal: true })
    drivers[0]?.listener({ kind: 'down' })
    expect(kinds(states).slice(-3)).toEqual(['attaching', 'up', 'attaching'])
    expect(drivers[0]?.groups).toEqual(['ff03::fd'])
    dongle.joinGroup('ff02::fd')
    ports.unplug(listing.path)
    await pass(clock, 3_000)
    ports.plug(listing, answering(NCP_CAPS))
    await pass(clock, 5_000)
    expect(drivers[1]?.groups).toEqual(['ff03::fd', 'ff02::fd'])
    await passUntil(clock, dongle.close())
  })

  it('may not reset again where the port vanished over its reset, and may the next time', async () => {
    const { clock, dongle, drivers, ports } = handBench()
    dongle.open()
    await pass(clock, 500)
    expect(drivers[0]?.startedWith?.mayReset).toBe(true)
    ports.unplug(listing.path)
    await pass(clock, 3_000)
    ports.plug(listing, answering(NCP_CAPS))
    await pass(clock, 5_000)
    expect(drivers[1]?.startedWith?.mayReset).toBe(false)
    drivers[1]?.starting.resolve(undefined)
    await pass(clock, 20_000)
    dongle.retry()
    await pass(clock, 5_000)
    expect(drivers[2]?.startedWith?.mayReset).toBe(true)
    await passUntil(clock, dongle.close())
  })

  it('is stopped and made anew after a down with an error; its counts stay in the sum', async () => {
    const { clock, dongle, drivers } = handBench()
    dongle.open()
    await pass(clock, 500)
    drivers[0]?.starting.resolve(undefined)
    await pass(clock, 1)
    drivers[0]?.listener({ kind: 'up' })
    drivers[0]?.listener({ kind: 'down', error: new AppError('link.no-answer', 'dead', { retryable: true }) })
    await pass(clock, 5_000)
    expect(drivers.length).toBe(2)
    expect(dongle.counters()).toMatchObject({ framesIn: 2, sessions: 2, losses: 0 })
    await passUntil(clock, dongle.close())
  })

  it('is refused for good when its start says that nothing helps, until retry', async () => {
    const { clock, dongle, drivers } = handBench()
    dongle.open()
    await pass(clock, 500)
    drivers[0]?.starting.reject(new AppError('link.wrong-firmware', 'too old'))
    await pass(clock, 100_000)
    expect(dongle.state.kind).toBe('refused')
    expect(drivers.length).toBe(1)
    dongle.retry()
    await pass(clock, 1_000)
    expect(drivers.length).toBe(2)
    await passUntil(clock, dongle.close())
  })

  it('never leaves logger secrets: what it logs are codes and reasons', async () => {
    const lines: string[] = []
    const logger = { ...silentLogger, child: () => logger, info: (fields: object) => void lines.push(JSON.stringify(fields)) }
    const { clock, dongle } = slip({ logger, target: { path: '/dev/x' } })
    dongle.open()
    await pass(clock, 5_000)
    for (const line of lines) expect(line).not.toMatch(/[0-9a-f]{32}/)
    await passUntil(clock, dongle.close())
  })
})
