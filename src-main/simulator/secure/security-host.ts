// The protected side of all devices: made for a device when it is needed, gone with its power.
import type { Clock, Logger, Random, SocketAddress } from '#main/base/index.ts'
import type { DemoDevice, DeviceReply, DeviceRequest } from '../demo-device.ts'
import type { GroupAddress } from '../device-host.ts'
import { SecuredDevice } from './secured-device.ts'
import type { DeviceEnrolment, DeviceSecurityView } from './types.ts'

export interface SecurityHostOptions {
  readonly devices: readonly DemoDevice[]
  readonly addressOf: (index: number) => SocketAddress
  readonly send: (index: number, payload: Uint8Array, to: SocketAddress) => void
  readonly onServed: (index: number, request: DeviceRequest, reply: DeviceReply) => void
  readonly leisureMs: number
  /** What one device's joining takes of the channel: those whose power comes back together spread over that much each. */
  readonly joinIntervalMs: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export class SecurityHost {
  readonly #options: SecurityHostOptions
  readonly #secured = new Map<number, SecuredDevice>()
  /** Keys that came since power did: nothing was received with them. */
  readonly #fresh = new Set<number>()
  readonly #powered = new Set<number>()
  #nextJoinMs = 0

  constructor(options: SecurityHostOptions) {
    this.#options = options
  }

  /** Gives a device its context with the tool, in place of one that it had; false for a device that takes none. */
  enrol(index: number, enrolment: DeviceEnrolment): boolean {
    const device = this.#options.devices[index]
    if (device?.takesKeys !== true) return false
    this.#drop(index)
    device.enrol(enrolment)
    this.#fresh.add(index)
    if (this.#powered.has(index) && device.bindings.length > 0) this.#of(index)
    return true
  }

  powerOn(index: number): void {
    this.#powered.add(index)
    const isMember = this.#options.devices[index]?.bindings.some(({ evicted }) => !evicted) === true
    if (isMember) this.#of(index)
  }

  powerOff(index: number): void {
    this.#powered.delete(index)
    this.#drop(index)
    this.#fresh.delete(index)
  }

  /** Takes what is protected, or answers something that was; false where the device has no keys for it. */
  receive(index: number, payload: Uint8Array, from: SocketAddress, group: GroupAddress | undefined): boolean {
    const secured = this.#of(index)
    secured?.receive(payload, from, group)
    return secured !== undefined
  }

  /** The same for messages that cannot make a device need its protected side. */
  receiveAnswer(index: number, payload: Uint8Array, from: SocketAddress): void {
    this.#secured.get(index)?.receive(payload, from, undefined)
  }

  viewOf(index: number): DeviceSecurityView {
    const device = this.#options.devices[index]
    return {
      enrolled: device?.enrolled ?? false,
      groups: this.#secured.get(index)?.views ?? [],
      ignored: device?.ignored ?? { unprotected: 0, foreign: 0 },
    }
  }

  /** Devices whose protected side is there. */
  get running(): number {
    return this.#secured.size
  }

  close(): void {
    for (const index of this.#secured.keys()) this.#drop(index)
  }

  #of(index: number): SecuredDevice | undefined {
    const known = this.#secured.get(index)
    if (known !== undefined) return known
    const { devices, addressOf, send, onServed, leisureMs, clock, random, logger } = this.#options
    const device = devices[index]
    const memory = device?.security
    if (device === undefined || memory === undefined) return undefined
    const secured = new SecuredDevice(memory, {
      device,
      local: addressOf(index),
      send: (payload, to) => send(index, payload, to),
      isNew: this.#fresh.has(index),
      leisureMs,
      joinDelayMs: () => this.#joinDelayMs(),
      clock,
      random,
      logger,
      onServed: (request, reply) => onServed(index, request, reply),
    })
    this.#secured.set(index, secured)
    return secured
  }

  #joinDelayMs(): number {
    const { clock, random, joinIntervalMs } = this.#options
    const nowMs = clock.monotonicMs()
    this.#nextJoinMs = Math.max(this.#nextJoinMs, nowMs) + joinIntervalMs
    return this.#nextJoinMs - nowMs + random.fraction() * joinIntervalMs
  }

  #drop(index: number): void {
    this.#secured.get(index)?.close()
    this.#secured.delete(index)
  }
}
