// What a site knows of its KNX installation beside keys: its id, the fabric, individual addresses, and which datapoints a person chose.
import { AppError, toHex, type JsonValue, type Random } from '#main/base/index.ts'
import {
  LARGEST_INSTALLATION_ID,
  SMALLEST_INSTALLATION_ID,
  type InstallationId,
  type KnxBinding,
  type SerialNumber,
} from '#main/site/devices/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { knxBindings, type KnxSettings } from '#contract/model.ts'

export type KnxMeta = Pick<SiteFile, 'getMeta' | 'setMeta'>

/** The tool's own place in the installation: the last of the last line. */
export const TOOL_ADDRESS = 0xfffe
/** 1.1.1, from which addresses are given out. */
const FIRST_ADDRESS = 0x1101
const LARGEST_FABRIC_ID = 0xffff_ffff

interface Entry {
  readonly address: number | undefined
  readonly bindings: ReadonlyMap<number, readonly KnxBinding[]>
}

export class KnxBook {
  readonly #file: KnxMeta
  readonly #random: Random
  readonly #preferred: (() => Uint8Array) | undefined

  /** `preferred`: five bytes that the site's group addresses have where a KNX installation has its id. */
  constructor(file: KnxMeta, random: Random, preferred?: () => Uint8Array) {
    this.#file = file
    this.#random = random
    this.#preferred = preferred
  }

  /** One for the whole site: that of its group addresses where it can be one, else drawn when it is first needed. */
  installation(): InstallationId {
    const known = this.#file.getMeta('knx-installation')
    if (typeof known === 'string' && /^[0-9a-f]{10}$/.test(known)) return BigInt(`0x${known}`)
    const preferred = BigInt(`0x0${toHex(this.#preferred?.() ?? new Uint8Array(0))}`)
    const drawn = BigInt(`0x${toHex(this.#random.bytes(8))}`)
    const isUsable = preferred >= SMALLEST_INSTALLATION_ID && preferred <= LARGEST_INSTALLATION_ID
    const installation = isUsable ? preferred : SMALLEST_INSTALLATION_ID + (drawn % (LARGEST_INSTALLATION_ID - SMALLEST_INSTALLATION_ID))
    this.#file.setMeta('knx-installation', installation.toString(16))
    return installation
  }

  settings(): KnxSettings {
    const kept = record(this.#file.getMeta('knx-settings'))
    const { fabricId, unsecured } = kept
    return {
      installation: this.installation().toString(16),
      fabricId: typeof fabricId === 'number' ? fabricId : null,
      unsecured: unsecured === true,
    }
  }

  /** Devices that have the old installation id get the new one with their next change. Throws `input.invalid`. */
  change({ installation, fabricId, unsecured }: Partial<KnxSettings>): void {
    if (installation !== undefined) {
      const id = /^[0-9a-f]{10}$/.test(installation) ? BigInt(`0x${installation}`) : 0n
      if (id < SMALLEST_INSTALLATION_ID || id > LARGEST_INSTALLATION_ID)
        throw new AppError('input.invalid', 'An installation id has ten hex digits, the first of them not 0', {
          details: { field: 'installation' },
        })
      this.#file.setMeta('knx-installation', installation)
    }
    if (fabricId !== undefined && fabricId !== null && fabricId > LARGEST_FABRIC_ID)
      throw new AppError('input.invalid', 'A fabric id has 32 bits', { details: { field: 'fabricId' } })
    const before = this.settings()
    this.#file.setMeta('knx-settings', { fabricId: fabricId ?? before.fabricId, unsecured: unsecured ?? before.unsecured })
  }

  /** The address of the device; what it has already is kept where it is free, else the next free one is its own from now on. */
  individualAddress(serialNumber: SerialNumber, current?: number): number {
    const entries = this.#entries()
    const own = entries.get(serialNumber)
    if (own?.address !== undefined) return own.address
    const taken = new Set([...entries.values()].map(({ address }) => address))
    const isFree = (address: number): boolean => !taken.has(address) && (address & 0xff) !== 0 && address < TOOL_ADDRESS
    let address = current !== undefined && current > 0 && isFree(current) ? current : FIRST_ADDRESS
    while (!isFree(address)) address++
    this.#put(entries, serialNumber, { address, bindings: own?.bindings ?? new Map() })
    return address
  }

  /** Undefined until it was given one. */
  knownAddress(serialNumber: SerialNumber): number | undefined {
    return this.#entries().get(serialNumber)?.address
  }

  /** Throws `input.invalid` where another device has it. */
  setAddress(serialNumber: SerialNumber, address: number): void {
    const entries = this.#entries()
    for (const [other, entry] of entries)
      if (other !== serialNumber && entry.address === address)
        throw new AppError('input.invalid', `The device ${other} has this individual address`, { details: { field: 'individualAddress' } })
    this.#put(entries, serialNumber, { address, bindings: entries.get(serialNumber)?.bindings ?? new Map() })
  }

  bindings(serialNumber: SerialNumber, groupAddress: number): readonly KnxBinding[] | undefined {
    return this.#entries().get(serialNumber)?.bindings.get(groupAddress)
  }

  /** An empty list takes the decision back. */
  setBindings(serialNumber: SerialNumber, groupAddress: number, bindings: readonly KnxBinding[]): void {
    const entries = this.#entries()
    const own = entries.get(serialNumber)
    const all = new Map(own?.bindings)
    if (bindings.length === 0) all.delete(groupAddress)
    else all.set(groupAddress, bindings)
    this.#put(entries, serialNumber, { address: own?.address, bindings: all })
  }

  #entries(): Map<SerialNumber, Entry> {
    return new Map(
      Object.entries(record(this.#file.getMeta('knx-devices'))).map(([serialNumber, value]) => {
        const { address, bindings } = record(value)
        const decided = Object.entries(record(bindings)).flatMap(([groupAddress, each]) => {
          const read = knxBindings.safeParse(each)
          return read.success ? [[Number(groupAddress), read.data] as const] : []
        })
        return [serialNumber, { address: typeof address === 'number' ? address : undefined, bindings: new Map(decided) }]
      }),
    )
  }

  #put(entries: Map<SerialNumber, Entry>, serialNumber: SerialNumber, entry: Entry): void {
    entries.set(serialNumber, entry)
    const kept = [...entries].map(([name, { address, bindings }]) => [
      name,
      {
        ...(address === undefined ? {} : { address }),
        bindings: Object.fromEntries([...bindings].map(([groupAddress, each]) => [String(groupAddress), each.map(plain)])),
      },
    ])
    this.#file.setMeta('knx-devices', Object.fromEntries(kept) as JsonValue)
  }
}

function plain({ href, flags }: KnxBinding): { readonly href: string; readonly flags: string[] } {
  return { href, flags: [...flags] }
}

function record(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, JsonValue>>) : {}
}
