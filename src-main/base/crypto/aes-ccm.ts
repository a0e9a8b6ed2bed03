// AES-CCM (RFC 3610) with every tag and nonce length, twice: by the library where it has the mode, and from CBC and CTR where
// it has not (BoringSSL). Both are tested against the same vectors and against each other.
import { createCipheriv, createDecipheriv, getCiphers } from 'node:crypto'
import { concatBytes } from '../bytes.ts'
import { AppError } from '../errors.ts'
import { equalInConstantTime } from './hash.ts'
import { keyObjectOf, type AesKey } from './keys.ts'

export interface Ccm {
  /** The ciphertext with the tag behind it. */
  seal(key: AesKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, tagBytes: number): Uint8Array
  /** The plaintext. Throws `crypto.authentication-failed` and gives nothing away otherwise. */
  open(key: AesKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, tagBytes: number): Uint8Array
}

const BLOCK_BYTES = 16
const NO_IV = new Uint8Array(BLOCK_BYTES)
const NO_BYTES = new Uint8Array(0)

/** RFC 3610 §2: M in 4, 6, … 16; L = 15 - nonce length in 2 … 8; the message length fits into L bytes. */
function checkParameters(nonce: Uint8Array, tagBytes: number, messageBytes: number): void {
  const lengthBytes = 15 - nonce.length
  const fits = lengthBytes >= 2 && lengthBytes <= 8 && messageBytes < 2 ** Math.min(8 * lengthBytes, 31)
  if (fits && tagBytes >= 4 && tagBytes <= 16 && tagBytes % 2 === 0) return
  throw new AppError('crypto.parameter-invalid', 'CCM parameters are out of range', {
    details: { nonceBytes: nonce.length, tagBytes, messageBytes },
  })
}

function splitSealed(sealed: Uint8Array, tagBytes: number): { readonly ciphertext: Uint8Array; readonly tag: Uint8Array } {
  if (sealed.length < tagBytes) throw authenticationFailed()
  const border = sealed.length - tagBytes
  return { ciphertext: sealed.subarray(0, border), tag: sealed.subarray(border) }
}

function authenticationFailed(): AppError {
  return new AppError('crypto.authentication-failed', 'The message is not authentic')
}

export const portableCcm: Ccm = {
  seal(key, nonce, aad, plaintext, tagBytes) {
    checkParameters(nonce, tagBytes, plaintext.length)
    const tag = cbcMac(key, nonce, aad, plaintext, tagBytes)
    const blocks = counterMode(key, nonce, concatBytes(tag, plaintext))
    return concatBytes(blocks.subarray(BLOCK_BYTES), blocks.subarray(0, tagBytes))
  },
  open(key, nonce, aad, sealed, tagBytes) {
    const { ciphertext, tag } = splitSealed(sealed, tagBytes)
    checkParameters(nonce, tagBytes, ciphertext.length)
    const first = new Uint8Array(BLOCK_BYTES)
    first.set(tag)
    const blocks = counterMode(key, nonce, concatBytes(first, ciphertext))
    const plaintext = blocks.slice(BLOCK_BYTES)
    const expected = cbcMac(key, nonce, aad, plaintext, tagBytes)
    if (!equalInConstantTime(expected.subarray(0, tagBytes), blocks.subarray(0, tagBytes))) throw authenticationFailed()
    return plaintext
  },
}

/** RFC 3610 §2.2: the whole last block of CBC-MAC over B_0, the associated data and the message. */
function cbcMac(key: AesKey, nonce: Uint8Array, aad: Uint8Array, message: Uint8Array, tagBytes: number): Uint8Array {
  const aadLength = lengthOfAad(aad.length)
  const messageAt = BLOCK_BYTES + wholeBlocks(aadLength.length + aad.length)
  const blocks = new Uint8Array(messageAt + wholeBlocks(message.length))
  blocks[0] = (aad.length > 0 ? 0x40 : 0) | (((tagBytes - 2) / 2) << 3) | (14 - nonce.length)
  blocks.set(nonce, 1)
  // Message lengths are below 2^31, so the upper bytes of the field stay zero.
  for (let index = 15, rest = message.length; index > nonce.length; index--, rest = Math.floor(rest / 256)) blocks[index] = rest % 256
  blocks.set(aadLength, BLOCK_BYTES)
  blocks.set(aad, BLOCK_BYTES + aadLength.length)
  blocks.set(message, messageAt)
  const cipher = createCipheriv(`aes-${8 * key.lengthBytes}-cbc`, keyObjectOf(key), NO_IV)
  cipher.setAutoPadding(false)
  return new Uint8Array(cipher.update(blocks).subarray(-BLOCK_BYTES))
}

/** RFC 3610 §2.2: without associated data there is no length of it either. */
function lengthOfAad(length: number): Uint8Array {
  if (length === 0) return NO_BYTES
  if (length < 0xff00) return Uint8Array.of(length >> 8, length & 255)
  const field = new Uint8Array(6)
  new DataView(field.buffer).setUint16(0, 0xfffe)
  new DataView(field.buffer).setUint32(2, length)
  return field
}

function wholeBlocks(length: number): number {
  return Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES
}

/** RFC 3610 §2.3: block 0 of the key stream covers the tag, the blocks from 1 on the message. */
function counterMode(key: AesKey, nonce: Uint8Array, blocks: Uint8Array): Uint8Array {
  const counter = new Uint8Array(BLOCK_BYTES)
  counter[0] = 14 - nonce.length
  counter.set(nonce, 1)
  return new Uint8Array(createCipheriv(`aes-${8 * key.lengthBytes}-ctr`, keyObjectOf(key), counter).update(blocks))
}

const libraryCcm: Ccm = {
  seal(key, nonce, aad, plaintext, tagBytes) {
    checkParameters(nonce, tagBytes, plaintext.length)
    const cipher = createCipheriv(ccmName(key), keyObjectOf(key), nonce, { authTagLength: tagBytes })
    cipher.setAAD(aad, { plaintextLength: plaintext.length })
    const sealed = new Uint8Array(plaintext.length + tagBytes)
    sealed.set(cipher.update(plaintext))
    cipher.final()
    sealed.set(cipher.getAuthTag(), plaintext.length)
    return sealed
  },
  open(key, nonce, aad, sealed, tagBytes) {
    const { ciphertext, tag } = splitSealed(sealed, tagBytes)
    checkParameters(nonce, tagBytes, ciphertext.length)
    const decipher = createDecipheriv(ccmName(key), keyObjectOf(key), nonce, { authTagLength: tagBytes })
    decipher.setAuthTag(tag)
    decipher.setAAD(aad, { plaintextLength: ciphertext.length })
    try {
      const plaintext = decipher.update(ciphertext)
      decipher.final()
      return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length)
    } catch {
      throw authenticationFailed()
    }
  },
}

function ccmName(key: AesKey): 'aes-128-ccm' | 'aes-192-ccm' | 'aes-256-ccm' {
  return key.lengthBytes === 16 ? 'aes-128-ccm' : key.lengthBytes === 24 ? 'aes-192-ccm' : 'aes-256-ccm'
}

/** The library's own CCM; undefined where it has none. */
export const nativeCcm: Ccm | undefined = ['aes-128-ccm', 'aes-192-ccm', 'aes-256-ccm'].every((name) => getCiphers().includes(name))
  ? libraryCcm
  : undefined

export const ccm: Ccm = nativeCcm ?? portableCcm
