// Voucher data as JSON (RFC 7951), which CMS signs (draft-ietf-anima-rfc8366bis §8.3).
import { utf8, utf8ToText } from '#main/base/index.ts'
import { fromBase64, toBase64 } from './base64.ts'
import { DataBuilder, leafByName, leafValues, type Leaf, type LeafValue, type Module } from './leaves.ts'
import { invalidVoucher, readingVoucher, type VoucherRequestData } from './types.ts'

export function encodeJsonData(data: VoucherRequestData, module: Module): Uint8Array {
  const members = leafValues(data, module).map(([leaf, value]) => [leaf.name, toJson(value)] as const)
  return utf8(JSON.stringify({ [`${module.name}:voucher`]: Object.fromEntries(members) }))
}

function toJson(value: LeafValue): unknown {
  if (value instanceof Uint8Array) return toBase64(value)
  // SIDs are of CBOR; whole numbers of 64 bits are texts here (RFC 7951 §6.1).
  if (typeof value === 'bigint') return String(value)
  return typeof value === 'object' ? value.map(toJson) : value
}

/** Total; `voucher.invalid` for anything but data of that module. */
export function decodeJsonData(bytes: Uint8Array, module: Module): VoucherRequestData {
  return readingVoucher(() => {
    const parsed: unknown = JSON.parse(utf8ToText(bytes) ?? '')
    const [container, ...others] = membersOf(parsed)
    if (container?.[0] !== `${module.name}:voucher` || others.length > 0) throw invalidVoucher(`it is no container of ${module.name}`)
    const builder = new DataBuilder()
    for (const [name, value] of membersOf(container[1])) {
      const leaf = leafByName(name, module)
      if (leaf === undefined) builder.skip(name)
      else builder.put(leaf, readValue(leaf, value))
    }
    return builder.finish()
  })
}

function membersOf(value: unknown): ReadonlyArray<[string, unknown]> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalidVoucher('it is no JSON object')
  return Object.entries(value)
}

function readValue(leaf: Leaf, value: unknown): unknown {
  if (leaf.kind === 'binary') return typeof value === 'string' ? fromBase64(value) : undefined
  return value
}
