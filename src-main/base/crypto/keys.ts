// Key handles: they hold a cached KeyObject and never show their bytes, neither to a log nor to JSON.
import { createSecretKey, type KeyObject } from 'node:crypto'
import { AppError } from '../errors.ts'

const keyObjects = new WeakMap<object, KeyObject>()

/** Something that stands for key material. */
abstract class KeyHandle {
  constructor(keyObject: KeyObject) {
    keyObjects.set(this, keyObject)
  }

  toJSON(): string {
    return '[key]'
  }
}

/** An AES key of 16, 24 or 32 bytes. */
export class AesKey extends KeyHandle {
  readonly lengthBytes: number

  constructor(keyObject: KeyObject, lengthBytes: number) {
    super(keyObject)
    this.lengthBytes = lengthBytes
  }
}

/** A secret that keys are derived from again and again. */
export class SecretKey extends KeyHandle {}

/** P-256 is secp256r1 (FIPS 186-5), Ed25519 is RFC 8032, X25519 is RFC 7748. */
export type Curve = 'P-256' | 'Ed25519' | 'X25519'

export class PublicKey extends KeyHandle {
  readonly curve: Curve

  constructor(keyObject: KeyObject, curve: Curve) {
    super(keyObject)
    this.curve = curve
  }
}

export class PrivateKey extends KeyHandle {
  readonly curve: Curve

  constructor(keyObject: KeyObject, curve: Curve) {
    super(keyObject)
    this.curve = curve
  }
}

/** For the files of this folder only. */
export function keyObjectOf(key: AesKey | SecretKey | PublicKey | PrivateKey): KeyObject {
  const keyObject = keyObjects.get(key)
  if (keyObject === undefined) throw new AppError('crypto.parameter-invalid', 'This is not a key')
  return keyObject
}

/** Import once, use often: the handle keeps what the library prepared. */
export function importAesKey(bytes: Uint8Array): AesKey {
  if (![16, 24, 32].includes(bytes.length)) {
    throw new AppError('crypto.parameter-invalid', 'An AES key has 16, 24 or 32 bytes', { details: { length: bytes.length } })
  }
  return new AesKey(createSecretKey(bytes), bytes.length)
}

export function importSecretKey(bytes: Uint8Array): SecretKey {
  return new SecretKey(createSecretKey(bytes))
}
