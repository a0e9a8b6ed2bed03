// The devices in memory, with a way to each by every name that it may be heard under.
import { formatSocketAddress, parseEui64, type DeviceId, type SocketAddress } from '#main/base/index.ts'
import type { DeviceRecord } from './types.ts'

/** The names under which a device is heard. */
export interface HeardNames {
  readonly eui64: string | null
  readonly serial: string | null
  readonly endpointName: string | null
  readonly at: SocketAddress | null
  readonly channelId: string | null
}

export class DeviceIndex {
  readonly #records = new Map<DeviceId, DeviceRecord>()
  readonly #byEui64 = new Map<string, DeviceId>()
  readonly #bySerial = new Map<string, DeviceId>()
  readonly #byEndpointName = new Map<string, DeviceId>()
  readonly #byAddress = new Map<string, DeviceId>()

  get size(): number {
    return this.#records.size
  }

  get(id: DeviceId): DeviceRecord | undefined {
    return this.#records.get(id)
  }

  all(): readonly DeviceRecord[] {
    return [...this.#records.values()]
  }

  put(record: DeviceRecord): void {
    this.delete(record.id, false)
    this.#records.set(record.id, record)
    this.#each(record, (map, key) => map.set(key, record.id))
  }

  delete(id: DeviceId, wholly = true): void {
    const record = this.#records.get(id)
    if (record === undefined) return
    this.#each(record, (map, key) => {
      // Another device may have taken the name over meanwhile.
      if (map.get(key) === id) map.delete(key)
    })
    // A replaced record keeps its place in the order.
    if (wholly) this.#records.delete(id)
  }

  byEui64(eui64: string): DeviceRecord | undefined {
    return this.#found(this.#byEui64.get(eui64))
  }

  bySerial(serial: string): DeviceRecord | undefined {
    return this.#found(this.#bySerial.get(serialKey(serial)))
  }

  byEndpointName(endpointName: string): DeviceRecord | undefined {
    return this.#found(this.#byEndpointName.get(endpointName))
  }

  byAddress(at: SocketAddress, channelId: string): DeviceRecord | undefined {
    return this.#found(this.#byAddress.get(addressKey(at, channelId)))
  }

  /** The device that these names belong to: by EUI-64, then serial, then endpoint name, then address. */
  match(names: HeardNames): DeviceRecord | undefined {
    const byEui64 = names.eui64 === null ? undefined : this.byEui64(names.eui64)
    if (byEui64 !== undefined) return byEui64
    // An endpoint name is often the EUI-64 (as in RFC 9176 §A); it leads to the plan when nothing better was read.
    const named = names.endpointName === null ? undefined : parseEui64(names.endpointName)
    const candidates = [
      names.serial === null ? undefined : this.bySerial(names.serial),
      names.endpointName === null ? undefined : this.byEndpointName(names.endpointName),
      named === undefined ? undefined : this.byEui64(named),
      names.at === null || names.channelId === null ? undefined : this.byAddress(names.at, names.channelId),
    ]
    return candidates.find((candidate) => candidate !== undefined && isCompatible(candidate, names))
  }

  #found(id: DeviceId | undefined): DeviceRecord | undefined {
    return id === undefined ? undefined : this.#records.get(id)
  }

  #each(record: DeviceRecord, visit: (map: Map<string, DeviceId>, key: string) => void): void {
    if (record.eui64 !== null) visit(this.#byEui64, record.eui64)
    if (record.serial !== null) visit(this.#bySerial, serialKey(record.serial))
    if (record.endpointName !== null) visit(this.#byEndpointName, record.endpointName)
    if (record.at !== null && record.channelId !== null) visit(this.#byAddress, addressKey(record.at, record.channelId))
  }
}

/** Serial numbers are copied from labels by hand: case does not tell devices apart. */
export function serialKey(serial: string): string {
  return serial.trim().toLowerCase()
}

function addressKey(at: SocketAddress, channelId: string): string {
  return `${channelId} ${formatSocketAddress(at)}`
}

/** Whether nothing that is known of the device contradicts the names. */
export function isCompatible(record: DeviceRecord, names: Pick<HeardNames, 'eui64' | 'serial'>): boolean {
  if (record.eui64 !== null && names.eui64 !== null && record.eui64 !== names.eui64) return false
  return record.serial === null || names.serial === null || serialKey(record.serial) === serialKey(names.serial)
}
