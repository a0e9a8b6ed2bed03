// What joining means for the device list: a device moves to joining and enrolled, and a pledge that nobody planned gets a row of its own.
import { newId, type Clock, type DeviceId, type Random } from '#main/base/index.ts'
import type { DeviceEventRecord, DeviceRecord, Inventory } from '#main/site/devices/index.ts'
import type { DeviceState } from '#contract/model.ts'
import { nameKey } from './names.ts'
import type { PledgeRecord } from './types.ts'

export type DeviceList = Pick<Inventory, 'feed' | 'all' | 'get' | 'setState' | 'record' | 'commit' | 'onRemoved'>

interface Names {
  readonly serial: string | null
  readonly eui64: string | null
}

export type Draft = Pick<DeviceRecord, 'name' | 'type' | 'roomId'> & { readonly state: 'joining' | 'expected' }

/** A device that works already does not fall back because it asks for another certificate. */
const BEFORE_JOINING: ReadonlySet<DeviceState> = new Set(['planned', 'expected', 'seen', 'faulty'])
const BEFORE_ENROLLED: ReadonlySet<DeviceState> = new Set([...BEFORE_JOINING, 'joining'])
const LONGEST_NAME = 120

export class DeviceLink {
  readonly #devices: DeviceList
  readonly #clock: Clock
  readonly #random: Random
  /** The failure told last, so that a device that tries all night does not fill its history. */
  readonly #toldFailures = new Map<DeviceId, string>()

  constructor(devices: DeviceList, clock: Clock, random: Random) {
    this.#devices = devices
    this.#clock = clock
    this.#random = random
  }

  /** The pledge is let in: its device joins. Gives the device, made where there is none. */
  joining(pledge: PledgeRecord, matched: DeviceId | null): DeviceId {
    const known = [pledge.deviceId, matched].find((id) => id !== null && this.#devices.get(id) !== undefined) ?? this.#bearer(pledge)?.id
    if (known === undefined) {
      const serial = pledge.serialNumber
      return this.create({ serial, eui64: pledge.eui64 }, `Device ${serial ?? pledge.eui64 ?? pledge.key.slice(0, 8)}`)
    }
    const device = this.#devices.get(known)
    if (device !== undefined && BEFORE_JOINING.has(device.state))
      this.#devices.setState(known, 'joining', { source: 'admission', event: 'joining' })
    return known
  }

  enrolled(id: DeviceId, certificateSerial: string | null): void {
    const device = this.#devices.get(id)
    if (device === undefined) return
    this.#toldFailures.delete(id)
    // Its certificate alone may have made it one already.
    if (!BEFORE_ENROLLED.has(device.state)) return
    this.#devices.setState(id, 'enrolled', { source: 'admission', event: 'enrolled', params: { certificate: certificateSerial ?? '' } })
  }

  secured(id: DeviceId): void {
    if (this.#devices.get(id) !== undefined) this.#devices.record(id, { source: 'admission', event: 'secured' })
  }

  failed(id: DeviceId, step: string, code: string): void {
    if (this.#devices.get(id) === undefined || this.#toldFailures.get(id) === code) return
    this.#toldFailures.set(id, code)
    const failure = { code, message: `Joining failed at ${step}`, retryable: true, details: { step } }
    this.#devices.record(id, { source: 'admission', event: 'join-failed', params: { step }, failure })
  }

  forget(id: DeviceId): void {
    this.#toldFailures.delete(id)
  }

  /** A new row of the device list. Names that another device has are left out. */
  create(names: Names, name: string): DeviceId {
    const { device, event } = this.draft(names, { name, state: 'joining', type: 'unknown', roomId: null })
    this.#devices.commit({ devices: [device], events: [event] })
    return device.id
  }

  /** The same, still to be committed. */
  draft(names: Names, { name, ...draft }: Draft): { readonly device: DeviceRecord; readonly event: DeviceEventRecord } {
    const id = newId('dev', this.#random)
    const at = this.#clock.now()
    const source = draft.state === 'joining' ? 'admission' : 'operator'
    const unheard = { model: null, profileId: null, endpointName: null, at: null, channelId: null, lastHeardAt: null }
    return {
      device: {
        id,
        name: name.slice(0, LONGEST_NAME),
        ...draft,
        stateAt: at,
        stateSource: source,
        ...this.#free(names),
        comment: '',
        ...unheard,
      },
      event: { deviceId: id, at, source, event: draft.state === 'joining' ? 'joined-unplanned' : 'created', params: {}, failure: null },
    }
  }

  /** The device bears these names from now on, whatever it bore; a device that was joined has to join again. */
  rename(id: DeviceId, names: Names, replace: boolean): void {
    const device = this.#devices.get(id)
    if (device === undefined) return
    const free = this.#free(names, id)
    const at = this.#clock.now()
    const serial = replace ? free.serial : (device.serial ?? free.serial)
    const eui64 = replace ? free.eui64 : (device.eui64 ?? free.eui64)
    const state: DeviceState = replace || device.state === 'planned' ? 'expected' : device.state
    const changed = state !== device.state
    const next: DeviceRecord = { ...device, serial, eui64, state, ...(changed ? { stateAt: at, stateSource: 'operator' } : {}) }
    const event = replace ? 'replaced' : 'labelled'
    const params = { serial: serial ?? '', eui64: eui64 ?? '' }
    this.#devices.commit({ devices: [next], events: [{ deviceId: id, at, source: 'operator', event, params, failure: null }] })
  }

  /** The device of the list, planned or only heard, that bears one of the pledge's names. */
  #bearer({ serialKeys, eui64s }: PledgeRecord): DeviceRecord | undefined {
    if (serialKeys.length + eui64s.length === 0) return undefined
    return this.#devices
      .all()
      .find(({ serial, eui64 }) => (eui64 !== null && eui64s.includes(eui64)) || (serial !== null && serialKeys.includes(nameKey(serial))))
  }

  #free({ serial, eui64 }: Names, except?: DeviceId): Names {
    const others = this.#devices.all().filter(({ id }) => id !== except)
    const key = serial === null ? null : serial.trim().toLowerCase()
    return {
      serial: key !== null && others.some((other) => other.serial !== null && other.serial.trim().toLowerCase() === key) ? null : serial,
      eui64: eui64 !== null && others.some((other) => other.eui64 === eui64) ? null : eui64,
    }
  }
}
