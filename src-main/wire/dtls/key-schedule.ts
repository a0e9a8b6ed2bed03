// From the premaster secret to the keys (RFC 5246 §6.3, §8.1; RFC 7627 §4; RFC 4279 §2), and the exporter (RFC 5705).
import { concatBytes, sha256, tlsPrf, toHex } from '#main/base/index.ts'
import { uint, vector } from './bytes.ts'
import { AEAD_KEY_BYTES, FIXED_IV_BYTES, RecordProtection } from './protection.ts'
import type { CipherSuite } from './suites.ts'

export const MASTER_SECRET_BYTES = 48
export const VERIFY_DATA_BYTES = 12

export type Role = 'client' | 'server'

export interface Randoms {
  readonly client: Uint8Array
  readonly server: Uint8Array
}

/** RFC 4279 §2: with a plain pre-shared key, the other secret is as many zeros. */
export function pskPremaster(key: Uint8Array): Uint8Array {
  return concatBytes(vector(2, new Uint8Array(key.length)), vector(2, key))
}

/** `sessionHash` is over all messages up to ClientKeyExchange, where both sides have the extended master secret. */
export function masterSecret(premaster: Uint8Array, randoms: Randoms, sessionHash: Uint8Array | undefined): Uint8Array {
  if (sessionHash !== undefined) return tlsPrf(premaster, 'extended master secret', sessionHash, MASTER_SECRET_BYTES)
  return tlsPrf(premaster, 'master secret', concatBytes(randoms.client, randoms.server), MASTER_SECRET_BYTES)
}

export interface ConnectionKeys {
  readonly write: RecordProtection
  readonly read: RecordProtection
}

export interface ConnectionIds {
  /** What records to the peer carry. */
  readonly write: Uint8Array
  /** What records from the peer carry. */
  readonly read: Uint8Array
}

export function connectionKeys(role: Role, suite: CipherSuite, master: Uint8Array, randoms: Randoms, ids: ConnectionIds): ConnectionKeys {
  const length = 2 * (AEAD_KEY_BYTES + FIXED_IV_BYTES)
  const block = tlsPrf(master, 'key expansion', concatBytes(randoms.server, randoms.client), length)
  const ivs = 2 * AEAD_KEY_BYTES
  const keyOf = (index: number): Uint8Array => block.subarray(index * AEAD_KEY_BYTES, (index + 1) * AEAD_KEY_BYTES)
  const ivOf = (index: number): Uint8Array => block.slice(ivs + index * FIXED_IV_BYTES, ivs + (index + 1) * FIXED_IV_BYTES)
  const own = role === 'client' ? 0 : 1
  return {
    write: new RecordProtection(suite, keyOf(own), ivOf(own), ids.write),
    read: new RecordProtection(suite, keyOf(1 - own), ivOf(1 - own), ids.read),
  }
}

/** What that side's Finished says over the messages before it. */
export function verifyData(side: Role, master: Uint8Array, messages: Uint8Array): Uint8Array {
  return tlsPrf(master, `${side} finished`, sha256(messages), VERIFY_DATA_BYTES)
}

/** RFC 5705 §4; a context of no bytes differs from none. */
export function exportKey(
  master: Uint8Array,
  randoms: Randoms,
  label: string,
  context: Uint8Array | undefined,
  length: number,
): Uint8Array {
  const seed = [randoms.client, randoms.server]
  if (context !== undefined) seed.push(uint(2, context.length), context)
  return tlsPrf(master, label, concatBytes(...seed), length)
}

/** The credential's name: the same for the same bytes. */
export function fingerprint(bytes: Uint8Array): string {
  return toHex(sha256(bytes))
}
