// The allow list: devices as they were planned, and scanned labels with their sealed secrets. Every change is durable first.
import { utf8, utf8ToText, type DeviceId, type Eui64, type Logger } from '#main/base/index.ts'
import { toAppError } from '#main/base/index.ts'
import type { LabelFacts } from '#contract/model.ts'
import type { DeviceList } from './device-link.ts'
import { ExpectedNames } from './matching.ts'
import { nameKey } from './names.ts'
import type { AdmissionStore, EntryRecord, LabelSecrets, LabelVault, ListedDevice } from './types.ts'

export interface AllowListPorts {
  readonly store: AdmissionStore
  readonly devices: DeviceList
  readonly vault: LabelVault | undefined
  readonly logger: Logger
  readonly onChange: () => void
}

/** Labels without a device that one site may expect. */
export const MOST_ENTRIES = 20_000

export class AllowList {
  readonly names = new ExpectedNames()
  readonly #ports: AllowListPorts
  readonly #ends: ReadonlyArray<() => void>

  constructor(ports: AllowListPorts) {
    this.#ports = ports
    const { store, devices } = ports
    for (const device of store.listed()) this.names.putDevice(device)
    for (const entry of store.entries()) this.names.putEntry(entry)
    this.#note(devices.all().map(({ id }) => id))
    // Removed while nobody looked.
    this.#forget([...this.names.devices.keys()].filter((id) => devices.get(id) === undefined))
    this.#ends = [devices.feed.subscribe((ids) => this.#note(ids)), devices.onRemoved((ids) => this.#forget(ids))]
  }

  /** Labels of devices that were not planned. */
  get labelsApart(): readonly EntryRecord[] {
    return [...this.names.entries.values()].filter(({ deviceId }) => deviceId === null || !this.names.devices.has(deviceId))
  }

  /** The entry that has all of these names. */
  entryOf({ serial, eui64 }: Pick<LabelFacts, 'serial' | 'eui64'>): EntryRecord | undefined {
    const found = this.names.bearing(serial === null ? [] : [nameKey(serial)], eui64 === null ? [] : [eui64])
    const ids = found.flatMap(({ entryId }) => (entryId === null ? [] : [entryId]))
    return ids.map((id) => this.names.entries.get(id)).find((entry) => entry !== undefined)
  }

  save(entries: readonly EntryRecord[]): void {
    if (entries.length === 0) return
    this.#ports.store.saveEntries(entries)
    for (const entry of entries) this.names.putEntry(entry)
    this.#ports.onChange()
  }

  /** Takes back what was put into memory alone. */
  restore(before: ReadonlyMap<string, EntryRecord | undefined>): void {
    for (const [id, entry] of before) {
      if (entry === undefined) this.names.removeEntry(id)
      else this.names.putEntry(entry)
    }
  }

  /** A label that stood for no device stands for this one now; who is expected stays the same. */
  claim(id: string, deviceId: DeviceId): void {
    const entry = this.names.entries.get(id)
    if (entry?.deviceId !== null) return
    const claimed = { ...entry, deviceId }
    this.#ports.store.saveEntries([claimed])
    this.names.putEntry(claimed)
  }

  remove(ids: readonly string[]): readonly EntryRecord[] {
    const there = ids.filter((id) => this.names.entries.has(id))
    if (there.length === 0) return []
    this.#ports.store.removeEntries(there)
    const gone = there.map((id) => this.names.removeEntry(id)).filter((entry) => entry !== undefined)
    this.#ports.onChange()
    return gone
  }

  /** The device is expected under these names, in place of those that it was planned with. */
  relist(device: ListedDevice): void {
    this.#ports.store.saveListed([device])
    this.names.putDevice(device)
    this.#ports.onChange()
  }

  /** The same for many that a list names; what it does not say stays. */
  expect(devices: readonly ListedDevice[]): void {
    const fresh = devices.flatMap(({ deviceId, serial, eui64 }) => {
      const known = this.names.devices.get(deviceId)
      const next = { deviceId, serial: serial ?? known?.serial ?? null, eui64: eui64 ?? known?.eui64 ?? null }
      return known?.serial === next.serial && known.eui64 === next.eui64 ? [] : [next]
    })
    if (fresh.length === 0) return
    this.#ports.store.saveListed(fresh)
    for (const device of fresh) this.names.putDevice(device)
    this.#ports.onChange()
  }

  /** Null where there are none, or nobody can keep them. */
  sealed(id: string, secrets: LabelSecrets): Uint8Array | null {
    const { vault, logger } = this.#ports
    if (vault === undefined || Object.keys(secrets).length === 0) return null
    try {
      return vault.seal(purposeOf(id), utf8(JSON.stringify(secrets)))
    } catch (thrown) {
      logger.warn({ code: toAppError(thrown).code }, 'the secrets of a label could not be sealed')
      return null
    }
  }

  /** The secrets of the label with one of the names. */
  secretsOf(serial: string | undefined, eui64: Eui64 | undefined): LabelSecrets | undefined {
    const { vault, logger } = this.#ports
    const entry = this.entryOf({ serial: serial ?? null, eui64: eui64 ?? null })
    if (entry === undefined || entry.sealed === null || vault === undefined) return undefined
    try {
      return readSecrets(utf8ToText(vault.open(purposeOf(entry.id), entry.sealed)) ?? '')
    } catch (thrown) {
      logger.warn({ code: toAppError(thrown).code }, 'the secrets of a label cannot be opened')
      return undefined
    }
  }

  close(): void {
    for (const end of this.#ends) end()
  }

  /** Only what was planned counts: what a device says of itself over an unprotected network must not make it an expected one. */
  #note(ids: readonly DeviceId[]): void {
    const fresh: ListedDevice[] = []
    for (const id of ids) {
      const device = this.#ports.devices.get(id)
      if (device === undefined || (device.state !== 'planned' && device.state !== 'expected')) continue
      const { serial, eui64 } = device
      if (serial === null && eui64 === null) continue
      const known = this.names.devices.get(id)
      if (known?.serial !== serial || known.eui64 !== eui64) fresh.push({ deviceId: id, serial, eui64 })
    }
    if (fresh.length === 0) return
    // The device list has it already, and is looked at again at the next start.
    this.#quietly(() => this.#ports.store.saveListed(fresh))
    for (const device of fresh) this.names.putDevice(device)
    this.#ports.onChange()
  }

  #forget(ids: readonly DeviceId[]): void {
    const gone = new Set(ids)
    const there = ids.filter((id) => this.names.devices.has(id))
    const entries = [...this.names.entries.values()].filter(({ deviceId }) => deviceId !== null && gone.has(deviceId)).map(({ id }) => id)
    if (there.length + entries.length === 0) return
    const { store } = this.#ports
    this.#quietly(() =>
      store.transaction(() => {
        store.removeListed(there)
        store.removeEntries(entries)
      }),
    )
    for (const id of there) this.names.removeDevice(id)
    for (const id of entries) this.names.removeEntry(id)
    this.#ports.onChange()
  }

  #quietly(work: () => void): void {
    try {
      work()
    } catch (thrown) {
      this.#ports.logger.error({ code: toAppError(thrown).code }, 'the allow list could not be written')
    }
  }
}

/** Bound to the entry: a sealed secret that is moved to another label does not open. */
function purposeOf(id: string): string {
  return `label ${id}`
}

function readSecrets(text: string): LabelSecrets {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) return {}
  const of = (name: keyof LabelSecrets): LabelSecrets => {
    const found: unknown = Reflect.get(value, name)
    return typeof found === 'string' ? { [name]: found } : {}
  }
  return { ...of('password'), ...of('joiningCredential'), ...of('passcode') }
}
