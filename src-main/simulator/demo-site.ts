// The demo site: devices from the plan on a simulated radio. Who wants it without a dongle gets the laptop's channel at once.
import {
  AppError,
  Schedule,
  seededRandom,
  type Clock,
  type DatagramChannel,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import type { MasaClient } from '#main/services/join/index.ts'
import { DemoDevice, type DemoMemory } from './demo-device.ts'
import { DeviceHost, type GroupAddress } from './device-host.ts'
import type { GroupEntry } from './device-memory.ts'
import type { DeviceState } from './device-state.ts'
import { formatDeviceList, planFloor, type DemoDeviceType, type PlannedDevice } from './floor-plan.ts'
import { addressOf, COAP_PORT, LAPTOP_ADDRESS, linkLocalOf } from './net/addresses.ts'
import { DeviceNet } from './net/device-net.ts'
import { DirectChannel } from './net/direct-channel.ts'
import { DONGLE, type Mesh, type MeshCounters } from './radio/index.ts'
import { JoinProxies } from './join-proxies.ts'
import { PLEDGE_PORT, PledgeHost } from './pledge-host.ts'
import { Registrar } from './registrar.ts'
import { SecurityHost } from './secure/security-host.ts'
import type { DeviceEnrolment, DeviceSecurityView } from './secure/types.ts'
import { createSiteRadio, isMains } from './site-radio.ts'
import { WriteBehindMemory } from './write-behind.ts'

export interface DemoSiteOptions {
  readonly devices: number
  readonly lossPercent: number
  readonly seed: number
  readonly clock: Clock
  /** Chance on the radio; the plan grows from the seed alone. */
  readonly random: Random
  readonly logger: Logger
  readonly memory: DemoMemory
  /** `real` models frames on a shared channel; `ideal`, the default, is quick whatever is sent. */
  readonly radio?: 'real' | 'ideal'
  /** How devices get their first certificate of the site: as pledges behind join proxies, or by CMP from their own addresses, the default. */
  readonly joining?: 'proxy' | 'direct'
  /** Devices that cannot take part in security groups; none by default. */
  readonly withoutSecurity?: readonly DemoDeviceType[]
}

export interface DemoDeviceView {
  readonly plan: PlannedDevice
  readonly address: SocketAddress
  readonly powered: boolean
  readonly identifying: boolean
  readonly state: DeviceState
  readonly groups: readonly GroupEntry[]
  readonly security: DeviceSecurityView
}

/** The devices and what one can do to them. */
export interface DemoDevices {
  readonly plan: readonly PlannedDevice[]
  /** Devices that are registered at the directory, as they see it. */
  readonly registered: number
  /** The plan as CSV. */
  deviceList(): string
  /** Powers all devices up. */
  start(): void
  close(): Promise<void>
  setLoss(percent: number): void
  powerOff(endpointName: string): void
  powerOn(endpointName: string): void
  /** Throws `device.not-found`. */
  stateOf(endpointName: string): DemoDeviceView
  radioCounters(): MeshCounters
  /** Gives a device an OSCORE context with the tool, in place of the one it had; false for no such device and for one that takes none. */
  enrol(eui64: string, enrolment: DeviceEnrolment): boolean
  /** Root of the maker of all devices, in DER: what their birth certificates lead to. */
  readonly manufacturer: Uint8Array
  /** The maker's server for vouchers, within this process. */
  readonly masa: MasaClient
  /** Devices that have a certificate of the site. */
  readonly certified: number
  /** Tells the devices whom to trust (roots in DER), as a voucher would: they ask for certificates from then on. None: nobody to ask. */
  admit(anchors: readonly Uint8Array[]): void
}

export interface DemoSite extends DemoDevices {
  /** The laptop's end of the radio. */
  readonly channel: DatagramChannel
}

/** What stands at the laptop's end of the radio. */
export interface LaptopEnd {
  receive(packet: Uint8Array): void
  close(): unknown
}

export interface SiteParts {
  readonly devices: DemoDevices
  readonly mesh: Mesh
  readonly schedule: Schedule
  readonly random: Random
  readonly logger: Logger
}

const LIFETIME_S = 3600
/** Registrations come at about 400 a second on the ideal radio and at some 20 on the real one, and not before some seconds have passed. */
const SPREAD_MS_A_DEVICE = { ideal: 2.5, real: 50 }
const SHORTEST_SPREAD_MS = 2000
/** Joining a security group takes some 30 frames of the channel beside all registrations, and some milliseconds of the Group Manager's disk. */
const JOIN_INTERVAL_MS = { ideal: 10, real: 200 }
/** Devices that ask for certificates at the same time. */
const PLEDGES_AT_ONCE = { ideal: 32, real: 3 }
/** The registrar's, behind the dongle. */
const COAPS_PORT = 5684
const REGISTRAR_JOIN_PORT = 5685
/** Nine seconds where flights take some dozen frames of a channel that everybody shares (RFC 7925 §11). */
const PLEDGE_DTLS = { ideal: {}, real: { retransmitMs: 9000, handshakeMs: 180_000 } }
/** Answers to a multicast request spread over this time (RFC 7252 §8.2). */
const LEISURE_MS = 1000
/** Where all devices are asked, they leave each other the time that one channel needs for all answers. */
const LEISURE_MS_A_DEVICE = { ideal: 0, real: 40 }
const ALL_NODES_PREFIX = /^ff0[235]::fd$/

export function createDemoSite(options: DemoSiteOptions): DemoSite {
  const direct: { channel?: DirectChannel } = {}
  const parts = assembleSite(options, 'thread', () => direct.channel)
  const channel = new DirectChannel(parts.mesh, parts.schedule, parts.logger)
  direct.channel = channel
  return {
    ...parts.devices,
    get registered() {
      return parts.devices.registered
    },
    get certified() {
      return parts.devices.certified
    },
    channel,
  }
}

/** Builds devices and radio; `laptop` is asked for the other end whenever something arrives there. */
export function assembleSite(
  options: DemoSiteOptions,
  protocol: 'thread' | 'rpl',
  laptop: () => LaptopEnd | undefined,
  /** By which neighbours of the dongle reach the laptop, where it has such an address. */
  linkLocalLaptop?: string,
): SiteParts {
  const { clock } = options
  // The radio draws several numbers for each datagram; they need to be cheap, not unpredictable.
  const random = seededRandom(options.random.below(0x1_0000_0000))
  const logger = options.logger.child({ part: 'demo' })
  const schedule = new Schedule(clock)
  const plan = planFloor(options.devices, options.seed)
  const memory = new WriteBehindMemory(options.memory, schedule, logger)
  const surroundings = { memory, monotonicMs: () => clock.monotonicMs(), withoutSecurity: new Set<string>(options.withoutSecurity) }
  const devices = plan.map((planned) => new DemoDevice(planned, surroundings))
  const indexOf = new Map(plan.map((planned, index) => [planned.eui64, index]))
  const powered = new Set<number>()
  /** The groups that each device listens to now, as its net knows them. */
  const listening = new Map<number, readonly GroupEntry[]>()
  const kind = options.radio ?? 'ideal'
  const allNodesLeisureMs = Math.max(LEISURE_MS, plan.length * LEISURE_MS_A_DEVICE[kind])

  const mesh = createSiteRadio({
    kind,
    protocol,
    plan,
    seed: options.seed,
    lossPercent: options.lossPercent,
    clock,
    schedule,
    random,
    arrive: (node, packet) => (node === DONGLE ? laptop()?.receive(packet) : net.receive(node, packet)),
  })
  const net = new DeviceNet({
    eui64s: plan.map(({ eui64 }) => eui64),
    mesh,
    schedule,
    arrive: (index, payload, from, group) => host.receive(index, payload, from, group),
    arriveElsewhere: (index, port, payload, from) => {
      if (port === PLEDGE_PORT) pledges.receive(index, payload, from)
      else proxies.receive(index, port, payload, from)
    },
  })
  const host = new DeviceHost({
    devices,
    random,
    logger,
    leisureMs: (group: GroupAddress) => (ALL_NODES_PREFIX.test(group.address) ? allNodesLeisureMs : LEISURE_MS),
    send: (index, payload, to, holdMs) => net.send(index, payload, to, holdMs),
    onAnswer: (index, packet, from, payload) => {
      if (!registrar.receive(index, packet, from)) security.receiveAnswer(index, payload, from)
    },
    onProtected: (index, payload, from, group) => security.receive(index, payload, from, group),
    onServed: (index) => tune(index),
  })
  const spreadMs = Math.max(SHORTEST_SPREAD_MS, plan.length * SPREAD_MS_A_DEVICE[kind])
  const deviceClock: Clock = {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, callback) => schedule.setTimer(delayMs, callback),
  }
  const security = new SecurityHost({
    devices,
    addressOf: (index) => ({ address: addressOf(plan[index]?.eui64 ?? ''), port: COAP_PORT }),
    send: (index, payload, to) => net.send(index, payload, to, 0),
    onServed: (index) => tune(index),
    leisureMs: LEISURE_MS,
    joinIntervalMs: JOIN_INTERVAL_MS[kind],
    clock: deviceClock,
    random,
    logger,
  })
  const linkLocal = (index: number): string => linkLocalOf(plan[index]?.eui64 ?? '')
  const proxies = new JoinProxies({
    mains: plan.flatMap(({ type }, index) => (isMains(type) ? index : [])),
    mesh,
    addressOf: (index) => addressOf(plan[index]?.eui64 ?? ''),
    linkLocalOf: linkLocal,
    registrar: { address: LAPTOP_ADDRESS, port: REGISTRAR_JOIN_PORT },
    onLink: linkLocalLaptop === undefined ? undefined : { address: linkLocalLaptop, port: COAPS_PORT },
    clock: deviceClock,
    random,
    logger,
    send: (index, port, payload, to) => net.send(index, payload, to, 0, port),
  })
  const pledges = new PledgeHost({
    plan,
    addressOf: (index) => addressOf(plan[index]?.eui64 ?? ''),
    authority: { address: LAPTOP_ADDRESS, port: COAP_PORT },
    memory,
    parallel: PLEDGES_AT_ONCE[kind],
    clock: deviceClock,
    random,
    logger,
    send: (index, payload, to) => net.send(index, payload, to, 0, PLEDGE_PORT),
    ...(options.joining === 'proxy'
      ? {
          joining: {
            linkLocalOf: linkLocal,
            wayOf: (index: number) => proxies.wayOf(index),
            dtls: PLEDGE_DTLS[kind],
            onContext: (index: number, enrolment: DeviceEnrolment) => void security.enrol(index, enrolment),
          },
        }
      : {}),
  })
  const registrar = new Registrar({
    devices,
    directory: { address: LAPTOP_ADDRESS, port: COAP_PORT },
    lifetimeS: LIFETIME_S,
    spreadMs,
    schedule,
    random,
    send: (index, payload, to) => net.send(index, payload, to, 0),
  })

  /** Lets the device hear exactly what its group table says. */
  function tune(index: number): void {
    const before = listening.get(index) ?? []
    const after = powered.has(index) ? (devices[index]?.groups ?? []) : []
    if (before === after) return
    for (const entry of before) net.unlisten(index, { address: entry.a, port: entry.p })
    for (const entry of after) net.listen(index, { address: entry.a, port: entry.p })
    if (after.length === 0) listening.delete(index)
    else listening.set(index, after)
  }

  function setPower(index: number, on: boolean): void {
    if (powered.has(index) === on) return
    if (on) {
      devices[index]?.restart()
      powered.add(index)
      registrar.powerOn(index)
      security.powerOn(index)
      pledges.powerOn(index)
    } else {
      powered.delete(index)
      registrar.powerOff(index)
      security.powerOff(index)
      pledges.powerOff(index)
      proxies.powerOff(index)
    }
    net.setPower(index, on)
    tune(index)
  }

  function find(endpointName: string): number {
    const index = indexOf.get(endpointName)
    if (index === undefined) throw new AppError('device.not-found', 'The demo site has no such device', { details: { endpointName } })
    return index
  }

  const site: DemoDevices = {
    plan,
    get registered() {
      return registrar.registered
    },
    deviceList: () => formatDeviceList(plan),
    start: () => {
      for (const index of devices.keys()) setPower(index, true)
      logger.info({ devices: plan.length, lossPercent: options.lossPercent, radio: kind }, 'demo site started')
    },
    close: async () => {
      registrar.close()
      security.close()
      pledges.close()
      proxies.close()
      await laptop()?.close()
      mesh.close()
      memory.flush()
      schedule.clear()
      host.close()
    },
    setLoss: (percent) => mesh.setLoss(percent),
    powerOff: (endpointName) => setPower(find(endpointName), false),
    powerOn: (endpointName) => setPower(find(endpointName), true),
    stateOf: (endpointName) => {
      const index = find(endpointName)
      const device = devices[index]
      if (device === undefined) throw new AppError('device.not-found', 'The demo site has no such device')
      return {
        plan: device.plan,
        address: { address: addressOf(device.plan.eui64), port: COAP_PORT },
        powered: powered.has(index),
        identifying: device.identifying,
        state: device.state,
        groups: device.groups,
        security: security.viewOf(index),
      }
    },
    radioCounters: () => mesh.counters(),
    get manufacturer() {
      return pledges.anchor
    },
    get masa() {
      return pledges.masa
    },
    get certified() {
      return pledges.count
    },
    admit: (anchors) => pledges.admit(anchors),
    enrol: (eui64, enrolment) => {
      const index = indexOf.get(eui64)
      return index !== undefined && security.enrol(index, enrolment)
    },
  }
  return { devices: site, mesh, schedule, random, logger }
}
