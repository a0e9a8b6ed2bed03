// Hashes, HMAC and the key derivations that stand on them. RFC 2104, RFC 5869 (HKDF), RFC 7914 (scrypt).
import { createHash, createHmac, createSecretKey, hash as nodeHash, hkdfSync, scrypt as nodeScrypt, timingSafeEqual } from 'node:crypto'
import { concatBytes } from '../bytes.ts'
import { AppError } from '../errors.ts'
import { keyObjectOf, SecretKey } from './keys.ts'

export type HashName = 'sha1' | 'sha256' | 'sha384' | 'sha512'

const HASH_BYTES: Readonly<Record<HashName, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }

export function hashLength(name: HashName): number {
  return HASH_BYTES[name]
}

export function hash(name: HashName, ...parts: readonly Uint8Array[]): Uint8Array {
  const [only, ...more] = parts
  // At once and as text, which is the quickest way (see putSha256).
  if (only !== undefined && more.length === 0) return bytesOfText(nodeHash(name, only, 'binary'))
  const running = createHash(name)
  for (const part of parts) running.update(part)
  return new Uint8Array(running.digest())
}

function bytesOfText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let index = 0; index < bytes.length; index++) bytes[index] = text.charCodeAt(index)
  return bytes
}

export const SHA256_BYTES = 32

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const [only, ...more] = parts
  if (only === undefined || more.length > 0) return hash('sha256', ...parts)
  const digest = new Uint8Array(SHA256_BYTES)
  putSha256(only, digest, 0)
  return digest
}

/** The hash into bytes that are there. As text: to make the bytes of its own around a hash takes the library longer than the hash. */
export function putSha256(message: Uint8Array, target: Uint8Array, at: number): void {
  const digest = nodeHash('sha256', message, 'binary')
  for (let index = 0; index < SHA256_BYTES; index++) target[at + index] = digest.charCodeAt(index)
}

export function hmac(name: HashName, key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  // Of plain bytes the library first finds out, dearly, that they are no key object: this is four times as fast.
  const running = createHmac(name, createSecretKey(key))
  for (const part of parts) running.update(part)
  return new Uint8Array(running.digest())
}

/** HKDF-Extract (RFC 5869 §2.2). An empty salt stands for a string of zeros. */
export function hkdfExtract(name: HashName, salt: Uint8Array, inputKey: Uint8Array): Uint8Array {
  return hmac(name, salt.length === 0 ? new Uint8Array(HASH_BYTES[name]) : salt, inputKey)
}

/** HKDF-Expand (RFC 5869 §2.3); `length` in bytes, at most 255 times the hash's length. */
export function hkdfExpand(name: HashName, pseudoRandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  if (!Number.isInteger(length) || length < 0 || length > 255 * HASH_BYTES[name]) {
    throw new AppError('crypto.parameter-invalid', 'HKDF output length is out of range', { details: { length } })
  }
  const output = new Uint8Array(length)
  let block: Uint8Array = new Uint8Array(0)
  for (let offset = 0, counter = 1; offset < length; offset += block.length, counter++) {
    block = hmac(name, pseudoRandomKey, block, info, Uint8Array.of(counter))
    output.set(block.subarray(0, length - offset), offset)
  }
  return output
}

/** The library's own takes no longer info. */
const LONGEST_NATIVE_INFO = 1024

/** Both steps in one: faster than one after the other, and faster still with a key that was imported once. */
export function hkdf(name: HashName, inputKey: Uint8Array | SecretKey, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const key = inputKey instanceof SecretKey ? keyObjectOf(inputKey) : createSecretKey(inputKey)
  const fits = Number.isInteger(length) && length > 0 && length <= 255 * HASH_BYTES[name] && info.length <= LONGEST_NATIVE_INFO
  if (fits) return new Uint8Array(hkdfSync(name, key, salt, info, length))
  return hkdfExpand(name, hkdfExtract(name, salt, new Uint8Array(key.export())), info, length)
}

/** Whether both are the same, in a time that does not tell where they differ. Lengths are no secret. */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

export interface ScryptCost {
  /** CPU and memory cost: a power of two. */
  readonly n: number
  /** Block size. */
  readonly r: number
  /** Parallelisation. */
  readonly p: number
}

/** 64 MiB and some tenths of a second: bearable at every unlock, dear for who guesses. */
export const PASSPHRASE_COST: ScryptCost = { n: 65_536, r: 8, p: 1 }

/** What a crafted file may ask of this machine at most. */
const SCRYPT_MEMORY_LIMIT_BYTES = 256 * 1024 * 1024

/** A key from a passphrase (RFC 7914). Runs off the main thread; the passphrase is taken in its NFC form. */
export function deriveKeyFromPassphrase(
  passphrase: string,
  salt: Uint8Array,
  length: number,
  cost: ScryptCost = PASSPHRASE_COST,
): Promise<Uint8Array> {
  const { n, r, p } = cost
  const whole = [n, r, p, length].every((value) => Number.isInteger(value) && value > 0)
  if (!whole || n < 2 || (n & (n - 1)) !== 0 || p > 16 || length > 1024 || 128 * n * r > SCRYPT_MEMORY_LIMIT_BYTES) {
    return Promise.reject(new AppError('crypto.parameter-invalid', 'Scrypt parameters are out of range', { details: { n, r, p, length } }))
  }
  const options = { N: n, r, p, maxmem: 2 * SCRYPT_MEMORY_LIMIT_BYTES }
  return new Promise((resolve, reject) => {
    nodeScrypt(passphrase.normalize('NFC'), salt, length, options, (error, key) => {
      if (error === null) resolve(concatBytes(key))
      else reject(new AppError('crypto.unsupported', 'The key derivation failed', { cause: error }))
    })
  })
}
