// What a site knows of its KNX installation beside keys: its id, the fabric, individual addresses, and which datapoints a person chose.
import { AppError, toHex, type Random } from '#main/base/index.ts'
import {
  LARGEST_INSTALLATION_ID,
  SMALLEST_INSTALLATION_ID,
  type InstallationId,
  type KnxBinding,
  type SerialNumber,
} from '#main/site/devices/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { KnxSettings } from '#contract/model.ts'
import { KnxEntries, record } from './knx-entries.ts'

export type KnxMeta = Pick<SiteFile, 'getMeta' | 'setMeta' | 'metaUnder'>

/** The tool's own place in the installation: the last of the last line. */
export const TOOL_ADDRESS = 0xfffe
/** 1.1.1, from which addresses are given out. */
const FIRST_ADDRESS = 0x1101
const LARGEST_FABRIC_ID = 0xffff_ffff

export class KnxBook {
  readonly #file: KnxMeta
  readonly #random: Random
  readonly #preferred: (() => Uint8Array) | undefined
  #known: KnxEntries | undefined
  /** No address below it is free. */
  #lowestFree = FIRST_ADDRESS

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

  /**
   * The address of the device; what it has already is kept where it is free, else the next free one is its own from now on, also when the
   * project forgets the device: it has that address until somebody resets it. Throws `knx.addresses-used-up`.
   */
  individualAddress(serialNumber: SerialNumber, current?: number): number {
    const own = this.#entries.get(serialNumber).address
    if (own !== undefined) return own
    const isFree = (address: number): boolean => this.#entries.holderOf(address) === undefined && (address & 0xff) !== 0
    const keepsCurrent = current !== undefined && current > 0 && current < TOOL_ADDRESS && isFree(current)
    let address = keepsCurrent ? current : this.#lowestFree
    while (address < TOOL_ADDRESS && !isFree(address)) address++
    if (address >= TOOL_ADDRESS)
      throw new AppError('knx.addresses-used-up', 'All individual addresses from 1.1.1 on are given out', { details: { serialNumber } })
    this.#entries.put(serialNumber, { address })
    if (!keepsCurrent) this.#lowestFree = address + 1
    return address
  }

  /** Undefined until it was given one. */
  knownAddress(serialNumber: SerialNumber): number | undefined {
    return this.#entries.get(serialNumber).address
  }

  /** Throws `input.invalid` where another device has it. */
  setAddress(serialNumber: SerialNumber, address: number): void {
    const other = this.#entries.holderOf(address)
    if (other !== undefined && other !== serialNumber)
      throw new AppError('input.invalid', `The device ${other} has this individual address`, { details: { field: 'individualAddress' } })
    const before = this.#entries.get(serialNumber).address ?? FIRST_ADDRESS
    this.#entries.put(serialNumber, { address })
    this.#lowestFree = Math.max(FIRST_ADDRESS, Math.min(this.#lowestFree, before))
  }

  bindings(serialNumber: SerialNumber, groupAddress: number): readonly KnxBinding[] | undefined {
    return this.#entries.get(serialNumber).bindings.get(groupAddress)
  }

  /** An empty list takes the decision back. */
  setBindings(serialNumber: SerialNumber, groupAddress: number, bindings: readonly KnxBinding[]): void {
    const all = new Map(this.#entries.get(serialNumber).bindings)
    if (bindings.length === 0) all.delete(groupAddress)
    else all.set(groupAddress, bindings)
    this.#entries.put(serialNumber, { bindings: all })
  }

  /** Read when a KNX device is first asked about: most sites have none. */
  get #entries(): KnxEntries {
    return (this.#known ??= new KnxEntries(this.#file))
  }
}
