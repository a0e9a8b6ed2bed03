// The program's own key, which seals all keys that site files hold: a site file that is copied or stolen without it gives none away.
// It is kept by the system's key store where there is one, else under a passphrase, else by file permissions alone, and that is told.
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
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
import type { SecretSealer } from '#main/services/group-manager/index.ts'
import type { SecurityStateRow } from '#contract/model.ts'

export type KeyringProtection = NonNullable<SecurityStateRow['protection']>

/** The system's key store, where the host has one (Electron's safeStorage). */
export interface SystemKeyStore {
  /** Whether it protects anything here; absent: it does. */
  isAvailable?(): Promise<boolean>
  wrap(plain: Uint8Array): Uint8Array | Promise<Uint8Array>
  unwrap(wrapped: Uint8Array): Uint8Array | Promise<Uint8Array>
}

export interface KeyringOptions {
  readonly path: string
  readonly random: Random
  readonly passphrase?: string | undefined
  readonly system?: SystemKeyStore | undefined
  readonly cost?: ScryptCost
}

export interface Keyring {
  readonly protection: KeyringProtection
  readonly sealer: SecretSealer
}

/** A256GCM (RFC 9053 §4.1). */
const GCM = aeadByCoseId(3)
const AAD = utf8('groupwright-site-keys-1')
const WRAP_AAD = 'groupwright-program-key-1'
const MAX_FILE_BYTES = 4096

const hex = z.string().regex(/^(?:[0-9a-f]{2})+$/)
const fileSchema = z.discriminatedUnion('protection', [
  z.object({ version: z.literal(1), protection: z.literal('system'), wrapped: hex }),
  z.object({ version: z.literal(1), protection: z.literal('file'), key: hex.length(64) }),
  z.object({
    version: z.literal(1),
    protection: z.literal('passphrase'),
    wrapped: hex,
    salt: hex,
    n: z.number().int(),
    r: z.number().int(),
    p: z.number().int(),
  }),
])
type KeyringFile = z.infer<typeof fileSchema>

/** Opens the keyring or makes one. Fails with `security.locked` where it cannot be opened, `store.corrupt`, `store.io`. */
export async function openProgramKeyring(options: KeyringOptions): Promise<Keyring> {
  if (!existsSync(options.path)) writeOnce(options.path, await newFile(options))
  const file = read(options.path)
  const key = importAesKey(await unwrap(file, options))
  return { protection: file.protection, sealer: sealerOf(key, options.random) }
}

/** Seals with a fresh random nonce each time: one key seals far fewer than 2^32 secrets. */
export function sealerOf(key: AesKey, random: Random): SecretSealer {
  return {
    seal: (plain) => sealWith(key, random, AAD, plain),
    open: (sealed) => openWith(key, AAD, sealed),
  }
}

async function newFile({ random, passphrase, system, cost = PASSPHRASE_COST }: KeyringOptions): Promise<KeyringFile> {
  const key = random.bytes(GCM.keyBytes)
  if (system !== undefined && (await (system.isAvailable?.() ?? true)))
    return { version: 1, protection: 'system', wrapped: toHex(await system.wrap(key)) }
  if (passphrase === undefined || passphrase === '') return { version: 1, protection: 'file', key: toHex(key) }
  const salt = random.bytes(16)
  const wrapping = importAesKey(await deriveKeyFromPassphrase(passphrase, salt, GCM.keyBytes, cost))
  return {
    version: 1,
    protection: 'passphrase',
    wrapped: toHex(sealWith(wrapping, random, wrapAad(cost, salt), key)),
    salt: toHex(salt),
    ...cost,
  }
}

async function unwrap(file: KeyringFile, { passphrase, system }: KeyringOptions): Promise<Uint8Array> {
  try {
    switch (file.protection) {
      case 'file':
        return bytesOf(file.key)
      case 'system':
        if (system === undefined)
          throw new AppError('security.locked', 'The key is in the key store of the system, which this host does not reach')
        return await system.unwrap(bytesOf(file.wrapped))
      case 'passphrase': {
        if (passphrase === undefined) throw new AppError('security.locked', 'The keyring needs its passphrase')
        const { n, r, p } = file
        const salt = bytesOf(file.salt)
        const wrapping = importAesKey(await deriveKeyFromPassphrase(passphrase, salt, GCM.keyBytes, { n, r, p }))
        return openWith(wrapping, wrapAad({ n, r, p }, salt), bytesOf(file.wrapped))
      }
    }
  } catch (cause) {
    if (cause instanceof AppError && cause.code === 'security.locked') throw cause
    throw new AppError('security.locked', 'The keyring cannot be opened', { cause })
  }
}

/** Bound to the wrapped key: nobody can make guessing cheap. */
function wrapAad({ n, r, p }: ScryptCost, salt: Uint8Array): Uint8Array {
  return utf8(`${WRAP_AAD}:${n}:${r}:${p}:${toHex(salt)}`)
}

function read(path: string): KeyringFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AppError('store.io', 'The keyring cannot be read', { cause })
  }
  try {
    return fileSchema.parse(JSON.parse(text.length > MAX_FILE_BYTES ? '' : text))
  } catch (cause) {
    throw new AppError('store.corrupt', 'The file is not a keyring', { cause })
  }
}

/** Another process may make one at the same moment: the first one counts. */
function writeOnce(path: string, file: KeyringFile): void {
  const partial = `${path}.${process.pid}.partial`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const handle = openSync(partial, 'w', 0o600)
    try {
      writeSync(handle, `${JSON.stringify(file)}\n`)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    linkSync(partial, path)
  } catch (cause) {
    if (!existsSync(path)) throw new AppError('store.io', 'The keyring cannot be written', { cause })
  } finally {
    rmSync(partial, { force: true })
  }
}

function bytesOf(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array(0)
}

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
