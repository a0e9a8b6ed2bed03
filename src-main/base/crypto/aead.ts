// AEAD algorithms as COSE names them: RFC 9053 §4.1 (AES-GCM) and §4.2 (AES-CCM), also those of OSCORE and of DTLS.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { concatBytes } from '../bytes.ts'
import { AppError } from '../errors.ts'
import { ccm } from './aes-ccm.ts'
import { keyObjectOf, type AesKey } from './keys.ts'

export interface Aead {
  /** As in the IANA registry, e.g. `AES-CCM-16-64-128`. */
  readonly name: string
  readonly coseId: number
  readonly keyBytes: number
  readonly nonceBytes: number
  readonly tagBytes: number
  /** The ciphertext with the tag behind it. A nonce must never serve one key twice. */
  seal(key: AesKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** The plaintext; `crypto.authentication-failed` when anything was changed. */
  open(key: AesKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array
}

type Parameters = Omit<Aead, 'seal' | 'open'>

function aesCcm(coseId: number, lengthFieldBits: 16 | 64, tagBits: 64 | 128, keyBits: 128 | 256): Aead {
  const name = `AES-CCM-${lengthFieldBits}-${tagBits}-${keyBits}`
  const parameters: Parameters = { name, coseId, keyBytes: keyBits / 8, nonceBytes: 15 - lengthFieldBits / 8, tagBytes: tagBits / 8 }
  return {
    ...parameters,
    seal(key, nonce, aad, plaintext) {
      check(parameters, key, nonce)
      return ccm.seal(key, nonce, aad, plaintext, parameters.tagBytes)
    },
    open(key, nonce, aad, sealed) {
      check(parameters, key, nonce)
      return ccm.open(key, nonce, aad, sealed, parameters.tagBytes)
    },
  }
}

function aesGcm(coseId: number, keyBits: 128 | 192 | 256): Aead {
  const parameters: Parameters = { name: `A${keyBits}GCM`, coseId, keyBytes: keyBits / 8, nonceBytes: 12, tagBytes: 16 }
  const cipherName = `aes-${keyBits}-gcm` as const
  return {
    ...parameters,
    seal(key, nonce, aad, plaintext) {
      check(parameters, key, nonce)
      const cipher = createCipheriv(cipherName, keyObjectOf(key), nonce, { authTagLength: parameters.tagBytes })
      cipher.setAAD(aad)
      return concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
    },
    open(key, nonce, aad, sealed) {
      check(parameters, key, nonce)
      const border = sealed.length - parameters.tagBytes
      if (border < 0) throw new AppError('crypto.authentication-failed', 'The message is shorter than its tag')
      const decipher = createDecipheriv(cipherName, keyObjectOf(key), nonce, { authTagLength: parameters.tagBytes })
      decipher.setAAD(aad)
      decipher.setAuthTag(sealed.subarray(border))
      try {
        return concatBytes(decipher.update(sealed.subarray(0, border)), decipher.final())
      } catch {
        throw new AppError('crypto.authentication-failed', 'The message is not authentic')
      }
    },
  }
}

function check(parameters: Parameters, key: AesKey, nonce: Uint8Array): void {
  if (key.lengthBytes === parameters.keyBytes && nonce.length === parameters.nonceBytes) return
  throw new AppError('crypto.parameter-invalid', 'Key or nonce has a wrong length', {
    details: { algorithm: parameters.name, keyBytes: key.lengthBytes, nonceBytes: nonce.length },
  })
}

export const aeads: readonly Aead[] = [
  aesGcm(1, 128),
  aesGcm(2, 192),
  aesGcm(3, 256),
  aesCcm(10, 16, 64, 128),
  aesCcm(11, 16, 64, 256),
  aesCcm(12, 64, 64, 128),
  aesCcm(13, 64, 64, 256),
  aesCcm(30, 16, 128, 128),
  aesCcm(31, 16, 128, 256),
  aesCcm(32, 64, 128, 128),
  aesCcm(33, 64, 128, 256),
]

const byCoseId = new Map(aeads.map((aead) => [aead.coseId, aead]))

/** The algorithm of that COSE number; `crypto.unsupported` where there is none. */
export function aeadByCoseId(coseId: number): Aead {
  const aead = byCoseId.get(coseId)
  if (aead === undefined) throw new AppError('crypto.unsupported', 'Unknown AEAD algorithm', { details: { coseId } })
  return aead
}
