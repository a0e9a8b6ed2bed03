// Whom the list expects: devices as they were planned and scanned labels, by serial number and EUI-64; and which of them a pledge is.
import type { DeviceId, Eui64 } from '#main/base/index.ts'
import type { PledgeMatch } from '#contract/model.ts'
import { eui64OfMac, nameKey } from './names.ts'
import type { EntryRecord, ListedDevice, PledgeRecord } from './types.ts'

export interface Match extends PledgeMatch {
  /** The only device that it can be. */
  readonly deviceId: DeviceId | null
  readonly entryId: string | null
  readonly listed: 'device' | 'label' | 'no'
}

export interface Expectation {
  readonly deviceId: DeviceId | null
  readonly entryId: string | null
  readonly serial: string | null
  readonly eui64: Eui64 | null
}

type Named = Pick<PledgeRecord, 'key' | 'serialKeys' | 'eui64s' | 'eui64' | 'deviceId'>

/** Indexes by name; the same name may stand on the list twice. */
export class ExpectedNames {
  readonly #devices = new Map<DeviceId, ListedDevice>()
  readonly #entries = new Map<string, EntryRecord>()
  readonly #bySerial = new Map<string, Set<string>>()
  readonly #byEui64 = new Map<Eui64, Set<string>>()

  get devices(): ReadonlyMap<DeviceId, ListedDevice> {
    return this.#devices
  }

  get entries(): ReadonlyMap<string, EntryRecord> {
    return this.#entries
  }

  putDevice(device: ListedDevice): void {
    this.removeDevice(device.deviceId)
    this.#devices.set(device.deviceId, device)
    this.#index(deviceKey(device.deviceId), device, true)
  }

  removeDevice(id: DeviceId): boolean {
    const device = this.#devices.get(id)
    if (device === undefined) return false
    this.#devices.delete(id)
    this.#index(deviceKey(id), device, false)
    return true
  }

  putEntry(entry: EntryRecord): void {
    this.removeEntry(entry.id)
    this.#entries.set(entry.id, entry)
    this.#index(entryKey(entry.id), entry.facts, true)
  }

  removeEntry(id: string): EntryRecord | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    this.#entries.delete(id)
    this.#index(entryKey(id), entry.facts, false)
    return entry
  }

  /** Those that bear one of the names. */
  bearing(serialKeys: readonly string[], eui64s: readonly Eui64[]): readonly Expectation[] {
    const keys = new Set<string>()
    for (const serial of serialKeys) for (const key of this.#bySerial.get(serial) ?? []) keys.add(key)
    for (const eui64 of eui64s) for (const key of this.#byEui64.get(eui64) ?? []) keys.add(key)
    return [...keys].map((key) => this.#expectation(key)).filter((found) => found !== undefined)
  }

  /** Which expected device the pledge is. `joinedBy` tells the pledge that a device has joined as. */
  match(pledge: Named, joinedBy: (id: DeviceId) => string | undefined): Match {
    // Who was let in as a device, or named as one by a person, stays that device whatever the list says later.
    const named = this.bearing(pledge.serialKeys, pledge.eui64s)
    const own = named.filter(({ deviceId }) => deviceId !== null && deviceId === pledge.deviceId)
    const found = own.length > 0 ? own : named
    const deviceIds = [...new Set(found.flatMap(({ deviceId }) => (deviceId === null ? [] : [deviceId])))]
    const [deviceId = null] = deviceIds
    const base: Omit<Match, 'verdict'> = { deviceIds, differences: [], deviceId: null, entryId: null, listed: 'no' }
    if (found.length === 0) return { ...base, verdict: 'unlisted' }
    if (deviceIds.length > 1) return { ...base, verdict: sharesSerial(found, pledge) ? 'duplicate-in-list' : 'names-two-devices' }
    const differences = own.length > 0 ? [] : found.flatMap((each) => differencesOf(each, pledge))
    if (differences.length > 0) return { ...base, verdict: 'name-differs', differences }
    const other = deviceId === null ? undefined : joinedBy(deviceId)
    if (other !== undefined && other !== pledge.key) return { ...base, verdict: 'joined-already' }
    const entryId = found.find((each) => each.entryId !== null)?.entryId ?? null
    return { ...base, verdict: 'matched', deviceId, entryId, listed: deviceId === null ? 'label' : 'device' }
  }

  #expectation(key: string): Expectation | undefined {
    const id = key.slice(2)
    if (key.startsWith('d:')) {
      const device = this.#devices.get(id)
      return device === undefined ? undefined : { ...device, entryId: null }
    }
    const entry = this.#entries.get(id)
    return entry === undefined ? undefined : { deviceId: entry.deviceId, entryId: id, serial: entry.facts.serial, eui64: entry.facts.eui64 }
  }

  #index(key: string, { serial, eui64 }: { readonly serial: string | null; readonly eui64: Eui64 | null }, isThere: boolean): void {
    if (serial !== null) change(this.#bySerial, nameKey(serial), key, isThere)
    if (eui64 !== null) change(this.#byEui64, eui64, key, isThere)
  }
}

function deviceKey(id: DeviceId): string {
  return `d:${id}`
}

function entryKey(id: string): string {
  return `e:${id}`
}

function change(index: Map<string, Set<string>>, name: string, key: string, isThere: boolean): void {
  const keys = index.get(name)
  if (isThere) {
    if (keys === undefined) index.set(name, new Set([key]))
    else keys.add(key)
    return
  }
  keys?.delete(key)
  if (keys?.size === 0) index.delete(name)
}

function sharesSerial(found: readonly Expectation[], pledge: Named): boolean {
  const named = found.filter(({ serial }) => serial !== null && pledge.serialKeys.includes(nameKey(serial)))
  return new Set(named.map(({ deviceId }) => deviceId)).size > 1
}

/** Where one name fits and the other contradicts. A name that is only the other one in another form is no contradiction. */
function differencesOf({ serial, eui64 }: Expectation, { serialKeys, eui64s, eui64: said }: Named): PledgeMatch['differences'] {
  const differences: Array<PledgeMatch['differences'][number]> = []
  const isAddress = eui64 !== null && serialKeys.some((key) => key === eui64 || eui64OfMac(key) === eui64)
  if (serial !== null && serialKeys.length > 0 && !serialKeys.includes(nameKey(serial)) && !isAddress)
    differences.push({ field: 'serial', listed: serial, said: serialKeys[0] ?? '' })
  if (eui64 !== null && said !== null && !eui64s.includes(eui64) && !serialKeys.includes(said))
    differences.push({ field: 'eui64', listed: eui64, said })
  return differences
}
