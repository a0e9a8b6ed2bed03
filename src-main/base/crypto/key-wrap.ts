// AES key wrap (RFC 3394), by the library where it has it and from single AES blocks where it has not (BoringSSL).
import { createCipheriv, createDecipheriv, getCiphers } from 'node:crypto'
import { concatBytes } from '../bytes.ts'
import { AppError } from '../errors.ts'
import { equalInConstantTime } from './hash.ts'
import { keyObjectOf, type AesKey } from './keys.ts'

export interface KeyWrap {
  /** Wraps key material of 16, 24, 32, … bytes; the result is 8 bytes longer. */
  wrap(key: AesKey, material: Uint8Array): Uint8Array
  /** Throws `crypto.authentication-failed` when the key is another one or anything was changed. */
  unwrap(key: AesKey, wrapped: Uint8Array): Uint8Array
}

/** RFC 3394 §2.2.3.1. */
const INITIAL_VALUE = new Uint8Array(8).fill(0xa6)
const HALF_BYTES = 8
const LONGEST_BYTES = 4096

function checkLength(length: number, least: number): void {
  if (length >= least && length % HALF_BYTES === 0 && length <= LONGEST_BYTES) return
  throw new AppError('crypto.parameter-invalid', 'Key material for AES key wrap has a wrong length', { details: { length } })
}

function authenticationFailed(): AppError {
  return new AppError('crypto.authentication-failed', 'The wrapped key is not authentic')
}

export const portableKeyWrap: KeyWrap = {
  wrap(key, material) {
    checkLength(material.length, 16)
    const whole = concatBytes(INITIAL_VALUE, material)
    const count = material.length / HALF_BYTES
    const cipher = createCipheriv(ecbName(key), keyObjectOf(key), null)
    cipher.setAutoPadding(false)
    for (let round = 0; round < 6; round++) {
      for (let index = 1; index <= count; index++) {
        const block = cipher.update(concatBytes(whole.subarray(0, HALF_BYTES), half(whole, index)))
        xorCounter(block, count * round + index)
        whole.set(block.subarray(0, HALF_BYTES))
        whole.set(block.subarray(HALF_BYTES), index * HALF_BYTES)
      }
    }
    return whole
  },
  unwrap(key, wrapped) {
    checkLength(wrapped.length, 24)
    const whole = Uint8Array.from(wrapped)
    const count = wrapped.length / HALF_BYTES - 1
    const decipher = createDecipheriv(ecbName(key), keyObjectOf(key), null)
    decipher.setAutoPadding(false)
    for (let round = 5; round >= 0; round--) {
      for (let index = count; index >= 1; index--) {
        const input = concatBytes(whole.subarray(0, HALF_BYTES), half(whole, index))
        xorCounter(input, count * round + index)
        const block = decipher.update(input)
        whole.set(block.subarray(0, HALF_BYTES))
        whole.set(block.subarray(HALF_BYTES), index * HALF_BYTES)
      }
    }
    if (!equalInConstantTime(whole.subarray(0, HALF_BYTES), INITIAL_VALUE)) throw authenticationFailed()
    return whole.slice(HALF_BYTES)
  },
}

function half(whole: Uint8Array, index: number): Uint8Array {
  return whole.subarray(index * HALF_BYTES, (index + 1) * HALF_BYTES)
}

/** The step number, big-endian, into the first 64 bits; it stays below 2^32. */
function xorCounter(block: Uint8Array, step: number): void {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  view.setUint32(4, view.getUint32(4) ^ step)
}

function ecbName(key: AesKey): string {
  return `aes-${8 * key.lengthBytes}-ecb`
}

const libraryKeyWrap: KeyWrap = {
  wrap(key, material) {
    checkLength(material.length, 16)
    const cipher = createCipheriv(wrapName(key), keyObjectOf(key), INITIAL_VALUE)
    return concatBytes(cipher.update(material), cipher.final())
  },
  unwrap(key, wrapped) {
    checkLength(wrapped.length, 24)
    const decipher = createDecipheriv(wrapName(key), keyObjectOf(key), INITIAL_VALUE)
    try {
      return concatBytes(decipher.update(wrapped), decipher.final())
    } catch {
      throw authenticationFailed()
    }
  },
}

function wrapName(key: AesKey): string {
  return `aes${8 * key.lengthBytes}-wrap`
}

/** The library's own key wrap; undefined where it has none. */
export const nativeKeyWrap: KeyWrap | undefined = ['aes128-wrap', 'aes192-wrap', 'aes256-wrap'].every((name) => getCiphers().includes(name))
  ? libraryKeyWrap
  : undefined

const chosen = nativeKeyWrap ?? portableKeyWrap

export function wrapKey(key: AesKey, material: Uint8Array): Uint8Array {
  return chosen.wrap(key, material)
}

export function unwrapKey(key: AesKey, wrapped: Uint8Array): Uint8Array {
  return chosen.unwrap(key, wrapped)
}
