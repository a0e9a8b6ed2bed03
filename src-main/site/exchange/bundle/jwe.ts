// Secrets for one receiver: a JWE in flattened JSON serialisation (RFC 7516 §7.2.2). EC receivers by ECDH-ES+A256KW on P-256 (RFC 7518 §4.6),
// on this program's own cryptography, because not every host's has the key wrap; RSA receivers by RSA-OAEP-256 (§4.3), which is jose's.
import {
  aeadByCoseId,
  AppError,
  concatBytes,
  exportPublicKey,
  generateKeyPair,
  importAesKey,
  importPublicKey,
  sha256,
  sharedSecret,
  unwrapKey,
  utf8,
  utf8ToText,
  wrapKey,
  type PrivateKey,
  type Random,
} from '#main/base/index.ts'
import { fromBase64Url, toBase64Url } from './canonical.ts'
import type { ReceiverKey } from './receiver.ts'

export interface FlattenedJwe {
  readonly protected: string
  readonly encrypted_key: string
  readonly iv: string
  readonly ciphertext: string
  readonly tag: string
}

const A256GCM = aeadByCoseId(3)
const KEY_BYTES = 32
const FIELD_BYTES = 32
const AGREEMENT = 'ECDH-ES+A256KW'

export async function encryptFor(receiver: ReceiverKey, plain: Uint8Array, random: Random): Promise<FlattenedJwe> {
  if (receiver.kind === 'RSA') return byRsa(receiver, plain)
  const ephemeral = generateKeyPair('P-256')
  const agreed = sharedSecret(ephemeral.privateKey, importPublicKey('P-256', receiver.point))
  const contentKey = random.bytes(KEY_BYTES)
  const wrapped = wrapKey(importAesKey(derived(agreed)), contentKey)
  const header = { alg: AGREEMENT, enc: 'A256GCM', kid: receiver.thumbprint, epk: jwkOf(exportPublicKey(ephemeral.publicKey)) }
  const head = toBase64Url(utf8(JSON.stringify(header)))
  const iv = random.bytes(A256GCM.nonceBytes)
  const sealed = A256GCM.seal(importAesKey(contentKey), iv, utf8(head), plain)
  const border = sealed.length - A256GCM.tagBytes
  return {
    protected: head,
    encrypted_key: toBase64Url(wrapped),
    iv: toBase64Url(iv),
    ciphertext: toBase64Url(sealed.subarray(0, border)),
    tag: toBase64Url(sealed.subarray(border)),
  }
}

/** Throws `bundle.not-for-us` where this key does not open it, whatever the reason: one answer for all of them. */
export function decryptWith(privateKey: PrivateKey, jwe: FlattenedJwe): Uint8Array {
  try {
    const header: unknown = JSON.parse(utf8ToText(bytesOf(jwe.protected)) ?? '')
    const members = new Map<string, unknown>(typeof header === 'object' && header !== null ? Object.entries(header) : [])
    if (members.get('alg') !== AGREEMENT || members.get('enc') !== 'A256GCM') throw notForUs()
    const agreed = sharedSecret(privateKey, importPublicKey('P-256', pointOf(members.get('epk'))))
    const contentKey = unwrapKey(importAesKey(derived(agreed)), bytesOf(jwe.encrypted_key))
    const sealed = concatBytes(bytesOf(jwe.ciphertext), bytesOf(jwe.tag))
    return A256GCM.open(importAesKey(contentKey), bytesOf(jwe.iv), utf8(jwe.protected), sealed)
  } catch (cause) {
    throw notForUs(cause)
  }
}

/** Who shall read it: `kid`, the thumbprint of the receiver's key. */
export function receiverOf(jwe: FlattenedJwe): string | undefined {
  try {
    const header: unknown = JSON.parse(utf8ToText(bytesOf(jwe.protected)) ?? '')
    return typeof header === 'object' && header !== null && 'kid' in header && typeof header.kid === 'string' ? header.kid : undefined
  } catch {
    return undefined
  }
}

async function byRsa(receiver: Extract<ReceiverKey, { kind: 'RSA' }>, plain: Uint8Array): Promise<FlattenedJwe> {
  const { FlattenedEncrypt, importJWK } = await import('jose')
  const key = await importJWK({ kty: 'RSA', n: receiver.n, e: receiver.e }, 'RSA-OAEP-256')
  const made = await new FlattenedEncrypt(plain)
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: receiver.thumbprint })
    .encrypt(key)
  const { protected: head = '', encrypted_key = '', iv = '', tag = '' } = made
  return { protected: head, encrypted_key, iv, ciphertext: made.ciphertext, tag }
}

/** Concat KDF of one round (RFC 7518 §4.6.2): nobody is named in it, as there is no `apu` and no `apv`. */
function derived(agreed: Uint8Array): Uint8Array {
  const algorithm = utf8(AGREEMENT)
  const words = (value: number): Uint8Array => Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
  return sha256(words(1), agreed, words(algorithm.length), algorithm, words(0), words(0), words(KEY_BYTES * 8))
}

function jwkOf(point: Uint8Array): { readonly kty: string; readonly crv: string; readonly x: string; readonly y: string } {
  return {
    kty: 'EC',
    crv: 'P-256',
    x: toBase64Url(point.subarray(1, 1 + FIELD_BYTES)),
    y: toBase64Url(point.subarray(1 + FIELD_BYTES)),
  }
}

/** Throws where the value is no public JWK on P-256. */
function pointOf(value: unknown): Uint8Array {
  if (typeof value !== 'object' || value === null || !('x' in value) || !('y' in value) || !('crv' in value) || value.crv !== 'P-256')
    throw notForUs()
  if (typeof value.x !== 'string' || typeof value.y !== 'string') throw notForUs()
  return concatBytes(Uint8Array.of(4), bytesOf(value.x), bytesOf(value.y))
}

function bytesOf(text: string): Uint8Array {
  const bytes = fromBase64Url(text)
  if (bytes === undefined) throw notForUs()
  return bytes
}

function notForUs(cause?: unknown): AppError {
  return new AppError('bundle.not-for-us', 'The secrets are not for the key of this program', { cause })
}
