// A key vault in a file, for hosts without one of the system: a random key wrapped by scrypt and AES-256-GCM seals all secrets of a site.
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  aeadByCoseId,
  AppError,
  deriveKeyFromPassphrase,
  fromHex,
  importAesKey,
  PASSPHRASE_COST,
  toHex,
  utf8,
  type AesKey,
  type Random,
  type ScryptCost,
} from '#main/base/index.ts'
import type { KeyProtection, KeyVault } from '../types.ts'

/** A256GCM (RFC 9053 §4.1). */
const GCM = aeadByCoseId(3)
const VERSION = 1
const MAX_FILE_BYTES = 4096

interface KeyringFile {
  readonly version: number
  readonly cost: ScryptCost
  readonly salt: Uint8Array
  readonly wrapped: Uint8Array
}

export interface KeyringOptions {
  readonly path: string
  readonly passphrase: string
  readonly random: Random
  /** Of a new keyring; an existing one says itself what it took. */
  readonly cost?: ScryptCost
}

/** Opens the keyring or makes one. Fails with `ra.vault-locked` for a wrong passphrase and `store.corrupt` for what is no keyring. */
export async function openKeyring({ path, passphrase, random, cost = PASSPHRASE_COST }: KeyringOptions): Promise<KeyVault> {
  if (passphrase === '') throw new AppError('input.invalid', 'A keyring needs a passphrase')
  const existing = await readFile(path).catch((thrown: unknown) => {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
    throw new AppError('store.io', 'The keyring cannot be read', { cause: thrown })
  })
  if (existing !== undefined) return new SealingVault(await unwrap(parse(existing), passphrase), random, 'passphrase')
  const key = random.bytes(GCM.keyBytes)
  const salt = random.bytes(16)
  const wrapping = importAesKey(await deriveKeyFromPassphrase(passphrase, salt, GCM.keyBytes, cost))
  const wrapped = sealWith(wrapping, random, headerOf(cost, salt), key)
  await write(path, { version: VERSION, cost, salt, wrapped })
  return new SealingVault(importAesKey(key), random, 'passphrase')
}

/** A vault whose key is given: that of the system's own key store, or one in memory. */
export function vaultOfKey(key: Uint8Array, random: Random, protection: KeyProtection): KeyVault {
  return new SealingVault(importAesKey(key), random, protection)
}

async function unwrap({ cost, salt, wrapped }: KeyringFile, passphrase: string): Promise<AesKey> {
  const wrapping = importAesKey(await deriveKeyFromPassphrase(passphrase, salt, GCM.keyBytes, cost))
  try {
    return importAesKey(openWith(wrapping, headerOf(cost, salt), wrapped))
  } catch (cause) {
    throw new AppError('ra.vault-locked', 'The passphrase does not open the keyring', { cause })
  }
}

/** Bound to the wrapped key: nobody can make the next unlocking cheap. */
function headerOf({ n, r, p }: ScryptCost, salt: Uint8Array): Uint8Array {
  return utf8(`groupwright-keyring-${VERSION}:${n}:${r}:${p}:${toHex(salt)}`)
}

function parse(bytes: Uint8Array): KeyringFile {
  const invalid = new AppError('store.corrupt', 'The file is not a keyring')
  if (bytes.length > MAX_FILE_BYTES) throw invalid
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw invalid
  }
  if (typeof value !== 'object' || value === null) throw invalid
  const { version, n, r, p, salt, wrapped } = value as Record<string, unknown>
  if (version !== VERSION || typeof n !== 'number' || typeof r !== 'number' || typeof p !== 'number') throw invalid
  const saltBytes = typeof salt === 'string' ? fromHex(salt) : undefined
  const wrappedBytes = typeof wrapped === 'string' ? fromHex(wrapped) : undefined
  if (saltBytes === undefined || wrappedBytes === undefined) throw invalid
  return { version, cost: { n, r, p }, salt: saltBytes, wrapped: wrappedBytes }
}

async function write(path: string, { version, cost, salt, wrapped }: KeyringFile): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const partial = `${path}.partial`
    const file = await open(partial, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify({ version, ...cost, salt: toHex(salt), wrapped: toHex(wrapped) })}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(partial, path)
  } catch (cause) {
    throw new AppError('store.io', 'The keyring cannot be written', { cause })
  }
}

class SealingVault implements KeyVault {
  readonly protection: KeyProtection
  readonly #key: AesKey
  readonly #random: Random

  constructor(key: AesKey, random: Random, protection: KeyProtection) {
    this.#key = key
    this.#random = random
    this.protection = protection
  }

  seal(purpose: string, secret: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(sealWith(this.#key, this.#random, utf8(purpose), secret))
  }

  open(purpose: string, sealed: Uint8Array): Promise<Uint8Array> {
    try {
      return Promise.resolve(openWith(this.#key, utf8(purpose), sealed))
    } catch (thrown) {
      return Promise.reject(thrown instanceof Error ? thrown : new AppError('crypto.authentication-failed', 'The secret cannot be opened'))
    }
  }
}

/** The nonce first. Random nonces: one key seals far fewer than 2^32 secrets. */
function sealWith(key: AesKey, random: Random, aad: Uint8Array, secret: Uint8Array): Uint8Array {
  const nonce = random.bytes(GCM.nonceBytes)
  const sealed = GCM.seal(key, nonce, aad, secret)
  const whole = new Uint8Array(nonce.length + sealed.length)
  whole.set(nonce)
  whole.set(sealed, nonce.length)
  return whole
}

function openWith(key: AesKey, aad: Uint8Array, sealed: Uint8Array): Uint8Array {
  return GCM.open(key, sealed.subarray(0, GCM.nonceBytes), aad, sealed.subarray(GCM.nonceBytes))
}
