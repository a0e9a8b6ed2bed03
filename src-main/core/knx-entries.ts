// What a site keeps of each KNX device: in memory, with a row of its own in the site file, so that a change writes that device alone.
import type { JsonValue } from '#main/base/index.ts'
import type { KnxBinding, SerialNumber } from '#main/site/devices/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { knxBindings } from '#contract/model.ts'

export interface KnxEntry {
  readonly address: number | undefined
  readonly bindings: ReadonlyMap<number, readonly KnxBinding[]>
}

const ROW = 'knx-entry-'
/** Where earlier versions kept all devices in one row; rows of their own come before it. */
const ALL_IN_ONE = 'knx-devices'
const NOTHING: KnxEntry = { address: undefined, bindings: new Map() }

export class KnxEntries {
  readonly #file: Pick<SiteFile, 'getMeta' | 'setMeta' | 'metaUnder'>
  readonly #entries = new Map<SerialNumber, KnxEntry>()
  readonly #holders = new Map<number, SerialNumber>()

  constructor(file: Pick<SiteFile, 'getMeta' | 'setMeta' | 'metaUnder'>) {
    this.#file = file
    for (const [serialNumber, value] of Object.entries(record(file.getMeta(ALL_IN_ONE)))) this.#keep(serialNumber, read(value))
    for (const [key, value] of file.metaUnder(ROW)) this.#keep(key.slice(ROW.length), read(value))
  }

  get(serialNumber: SerialNumber): KnxEntry {
    return this.#entries.get(serialNumber) ?? NOTHING
  }

  /** Who has the individual address. */
  holderOf(address: number): SerialNumber | undefined {
    return this.#holders.get(address)
  }

  put(serialNumber: SerialNumber, patch: Partial<KnxEntry>): void {
    const entry = { ...this.get(serialNumber), ...patch }
    const { address, bindings } = entry
    this.#file.setMeta(`${ROW}${serialNumber}`, {
      ...(address === undefined ? {} : { address }),
      bindings: Object.fromEntries([...bindings].map(([groupAddress, each]) => [String(groupAddress), each.map(plain)])),
    })
    this.#keep(serialNumber, entry)
  }

  #keep(serialNumber: SerialNumber, entry: KnxEntry): void {
    const before = this.get(serialNumber).address
    if (before !== undefined && this.#holders.get(before) === serialNumber) this.#holders.delete(before)
    this.#entries.set(serialNumber, entry)
    if (entry.address !== undefined) this.#holders.set(entry.address, serialNumber)
  }
}

function read(value: JsonValue): KnxEntry {
  const { address, bindings } = record(value)
  const decided = Object.entries(record(bindings)).flatMap(([groupAddress, each]) => {
    const known = knxBindings.safeParse(each)
    return known.success ? [[Number(groupAddress), known.data] as const] : []
  })
  return { address: typeof address === 'number' ? address : undefined, bindings: new Map(decided) }
}

function plain({ href, flags }: KnxBinding): { readonly href: string; readonly flags: string[] } {
  return { href, flags: [...flags] }
}

export function record(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, JsonValue>>) : {}
}
