// The demo site: devices from the plan, on a simulated radio, with the laptop at the other end.
import {
  AppError,
  fromHex,
  Schedule,
  seededRandom,
  type Clock,
  type DatagramChannel,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { formatIpv6 } from '#main/wire/ip/index.ts'
import { DemoDevice, type DemoMemory } from './demo-device.ts'
import { DeviceHost } from './device-host.ts'
import type { GroupEntry } from './device-memory.ts'
import type { DeviceState } from './device-state.ts'
import { formatDeviceList, planFloor, type PlannedDevice } from './floor-plan.ts'
import { COAP_PORT, Radio } from './radio.ts'
import { Registrar } from './registrar.ts'
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
}

export interface DemoDeviceView {
  readonly plan: PlannedDevice
  readonly address: SocketAddress
  readonly powered: boolean
  readonly identifying: boolean
  readonly state: DeviceState
  readonly groups: readonly GroupEntry[]
}

export interface DemoSite {
  /** The laptop's end of the radio. */
  readonly channel: DatagramChannel
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
}

const LIFETIME_S = 3600
/** Registrations come at about 400 a second, and not before some seconds have passed. */
const SPREAD_MS_A_DEVICE = 2.5
const SHORTEST_SPREAD_MS = 2000

export function createDemoSite(options: DemoSiteOptions): DemoSite {
  const { clock } = options
  // The radio draws several numbers for each datagram; they need to be cheap, not unpredictable.
  const random = seededRandom(options.random.below(0x1_0000_0000))
  const logger = options.logger.child({ part: 'demo' })
  const schedule = new Schedule(clock)
  const plan = planFloor(options.devices, options.seed)
  const memory = new WriteBehindMemory(options.memory, schedule, logger)
  const surroundings = { memory, monotonicMs: () => clock.monotonicMs() }
  const devices = plan.map((planned) => new DemoDevice(planned, surroundings))
  const addresses = plan.map((planned) => addressOf(planned.eui64))
  const indexOf = new Map(plan.map((planned, index) => [planned.eui64, index]))
  const powered = new Set<number>()
  /** The groups that each device listens to now, as the radio knows them. */
  const listening = new Map<number, readonly GroupEntry[]>()

  const radio = new Radio({
    addresses,
    lossPercent: options.lossPercent,
    schedule,
    random,
    logger,
    arrive: (index, payload, from, group) => host.receive(index, payload, from, group),
  })
  const host = new DeviceHost({
    devices,
    random,
    logger,
    send: (index, payload, to, holdMs) => radio.sendFromDevice(index, payload, to, holdMs),
    onAnswer: (index, packet, from) => registrar.receive(index, packet, from),
    onServed: (index) => tune(index),
  })
  const registrar = new Registrar({
    devices,
    directory: radio.channel.local,
    lifetimeS: LIFETIME_S,
    spreadMs: Math.max(SHORTEST_SPREAD_MS, plan.length * SPREAD_MS_A_DEVICE),
    schedule,
    random,
    send: (index, payload, to) => radio.sendFromDevice(index, payload, to, 0),
  })

  /** Lets the radio hear exactly what the device's group table says. */
  function tune(index: number): void {
    const before = listening.get(index) ?? []
    const after = powered.has(index) ? (devices[index]?.groups ?? []) : []
    if (before === after) return
    for (const entry of before) radio.unlisten(index, { address: entry.a, port: entry.p })
    for (const entry of after) radio.listen(index, { address: entry.a, port: entry.p })
    if (after.length === 0) listening.delete(index)
    else listening.set(index, after)
  }

  function setPower(index: number, on: boolean): void {
    if (powered.has(index) === on) return
    if (on) {
      devices[index]?.restart()
      powered.add(index)
      registrar.powerOn(index)
    } else {
      powered.delete(index)
      registrar.powerOff(index)
    }
    radio.setPower(index, on)
    tune(index)
  }

  function find(endpointName: string): number {
    const index = indexOf.get(endpointName)
    if (index === undefined) throw new AppError('device.not-found', 'The demo site has no such device', { details: { endpointName } })
    return index
  }

  return {
    channel: radio.channel,
    plan,
    get registered() {
      return registrar.registered
    },
    deviceList: () => formatDeviceList(plan),
    start: () => {
      for (const index of devices.keys()) setPower(index, true)
      logger.info({ devices: plan.length, lossPercent: options.lossPercent }, 'demo site started')
    },
    close: async () => {
      registrar.close()
      await radio.close()
      memory.flush()
      schedule.clear()
      host.close()
    },
    setLoss: (percent) => radio.setLoss(percent),
    powerOff: (endpointName) => setPower(find(endpointName), false),
    powerOn: (endpointName) => setPower(find(endpointName), true),
    stateOf: (endpointName) => {
      const index = find(endpointName)
      const device = devices[index]
      const address = addresses[index]
      if (device === undefined || address === undefined) throw new AppError('device.not-found', 'The demo site has no such device')
      return {
        plan: device.plan,
        address: { address, port: COAP_PORT },
        powered: powered.has(index),
        identifying: device.identifying,
        state: device.state,
        groups: device.groups,
      }
    },
  }
}

/** The device's address in the site's prefix, from its EUI-64 with the universal bit turned (RFC 4291 appendix A). */
export function addressOf(eui64: string): string {
  const bytes = new Uint8Array(16)
  bytes[0] = 0xfd
  bytes.set(fromHex(eui64) ?? new Uint8Array(8), 8)
  bytes[8] = (bytes[8] ?? 0) ^ 0x02
  return formatIpv6(bytes)
}
