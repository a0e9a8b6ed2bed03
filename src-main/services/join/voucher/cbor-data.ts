// Voucher data as YANG-CBOR (RFC 9254): SIDs as differences to the container's, or names (constrained-voucher-31 §9.1.2).
import { decodeCbor, encodeCbor, type CborKey, type CborValue } from '#main/base/index.ts'
import { headAt, mapParts } from './cbor-parts.ts'
import { DataBuilder, leafByName, leafBySid, leafValues, sidOf, type Leaf, type LeafValue, type Module } from './leaves.ts'
import { ASSERTIONS, invalidVoucher, readingVoucher, type VoucherRequestData } from './types.ts'

export interface CborDataOptions {
  /** `names` where size does not count and people may read along; `sids` unless told. */
  readonly keys?: 'sids' | 'names'
}

export function encodeCborData(data: VoucherRequestData, module: Module, { keys = 'sids' }: CborDataOptions = {}): Uint8Array {
  const entries = leafValues(data, module).map(([leaf, value]): [CborKey, CborValue] => [
    keys === 'sids' ? sidOf(leaf, module) - module.sid : leaf.name,
    leaf.kind === 'assertion' ? ASSERTIONS.findIndex((known) => known === value) : toCbor(value),
  ])
  return encodeCbor(new Map<CborKey, CborValue>([[keys === 'sids' ? module.sid : `${module.name}:voucher`, new Map(entries)]]))
}

function toCbor(value: LeafValue): CborValue {
  return typeof value === 'object' && !(value instanceof Uint8Array) ? value.map(toCbor) : value
}

/** Total; `voucher.invalid` for anything but data of that module. */
export function decodeCborData(bytes: Uint8Array, module: Module): VoucherRequestData {
  return readingVoucher(() => {
    const [container, ...others] = mapParts(bytes)
    if (container === undefined || others.length > 0) throw invalidVoucher('it is not one container')
    const key = readKey(container.key)
    if (key.id !== module.sid && key.id !== `${module.name}:voucher`) throw invalidVoucher(`it is no container of ${module.name}`)
    const builder = new DataBuilder()
    for (const entry of mapParts(container.value)) {
      const member = readKey(entry.key)
      const leaf = leafOf(member, module)
      if (leaf === undefined) builder.skip(nameOf(member, module))
      else builder.put(leaf, readValue(leaf, entry.value))
    }
    return builder.finish()
  })
}

interface Key {
  readonly id: number | bigint | string
  /** Tagged 47: the SID itself, not the difference to the container's (RFC 9254 §4.2.1). */
  readonly absolute: boolean
}

const SID_TAG = 47

function readKey(bytes: Uint8Array): Key {
  const head = headAt(bytes, 0)
  const absolute = head.major === 6 && head.argument === SID_TAG
  const id = decodeCbor(absolute ? bytes.subarray(head.next) : bytes)
  if (typeof id !== 'number' && typeof id !== 'bigint' && typeof id !== 'string') throw invalidVoucher('a key is no SID and no name')
  return { id, absolute }
}

function leafOf({ id, absolute }: Key, module: Module): Leaf | undefined {
  if (typeof id === 'string') return leafByName(id, module)
  return typeof id === 'bigint' ? undefined : leafBySid(absolute ? id : module.sid + id, module)
}

function nameOf({ id, absolute }: Key, module: Module): string {
  return typeof id === 'string' ? id : String(absolute ? BigInt(id) : BigInt(module.sid) + BigInt(id))
}

function readValue(leaf: Leaf, bytes: Uint8Array): unknown {
  const value = decodeCbor(bytes, { maxDepth: 2 })
  // An enumeration is its number (RFC 9254 §6.6).
  if (leaf.kind === 'assertion') return typeof value === 'number' ? ASSERTIONS[value] : undefined
  return value
}
