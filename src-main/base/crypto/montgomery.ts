// Ed25519 keys as X25519 keys, for ECDH with the keys that sign: the map between the curves (RFC 7748 §4.1) and the scalar of RFC 8032 §5.1.5.
import { AppError } from '../errors.ts'
import { exportPrivateKey, exportPublicKey, importPrivateKey, importPublicKey } from './curves.ts'
import { hash } from './hash.ts'
import type { PrivateKey, PublicKey } from './keys.ts'

const P = 2n ** 255n - 19n
const KEY_BYTES = 32

/** u of the points whose order divides 8: whoever has such a key has proven nothing by it, and agrees on nothing (RFC 7748 §6.1). */
const LOW_ORDER = new Set([
  0n,
  1n,
  P - 1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
])

/** u = (1 + y) / (1 - y). Throws for points of low order. */
export function toX25519PublicKey(key: PublicKey): PublicKey {
  if (key.curve !== 'Ed25519') throw new AppError('crypto.parameter-invalid', 'Only an Ed25519 key has an X25519 form')
  const bytes = exportPublicKey(key)
  bytes[KEY_BYTES - 1] = (bytes[KEY_BYTES - 1] ?? 0) & 0x7f
  const y = fromLittleEndian(bytes) % P
  if (y === 1n || y === P - 1n) throw new AppError('crypto.parameter-invalid', 'The key is of low order')
  const u = ((1n + y) * inverse(P + 1n - y)) % P
  if (LOW_ORDER.has(u)) throw new AppError('crypto.parameter-invalid', 'The key is of low order')
  return importPublicKey('X25519', toLittleEndian(u))
}

export function toX25519PrivateKey(key: PrivateKey): PrivateKey {
  if (key.curve !== 'Ed25519') throw new AppError('crypto.parameter-invalid', 'Only an Ed25519 key has an X25519 form')
  // The library clamps the scalar as both documents demand.
  return importPrivateKey('X25519', hash('sha512', exportPrivateKey(key)).slice(0, KEY_BYTES))
}

/** By Fermat's theorem: value^(p-2). */
function inverse(value: bigint): bigint {
  let result = 1n
  let base = value % P
  for (let exponent = P - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * base) % P
    base = (base * base) % P
  }
  return result
}

function fromLittleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let index = bytes.length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index] ?? 0)
  return value
}

function toLittleEndian(value: bigint): Uint8Array {
  let rest = value
  return Uint8Array.from({ length: KEY_BYTES }, () => {
    const byte = Number(rest & 0xffn)
    rest >>= 8n
    return byte
  })
}
