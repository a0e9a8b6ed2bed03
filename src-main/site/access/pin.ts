// A PIN at rest and its check (RFC 7914). The salt is fresh for each PIN, so equal ones do not show.
import { equalInConstantTime, deriveKeyFromPassphrase, fromHex, PASSPHRASE_COST, toHex } from '#main/base/index.ts'
import type { Random, ScryptCost } from '#main/base/index.ts'
import type { PinRecord } from './types.ts'

const HASH_BYTES = 32
const SALT_BYTES = 16

export async function sealPin(pin: string, random: Random, cost: ScryptCost = PASSPHRASE_COST): Promise<PinRecord> {
  const salt = random.bytes(SALT_BYTES)
  return { ...cost, salt: toHex(salt), hash: toHex(await deriveKeyFromPassphrase(pin, salt, HASH_BYTES, cost)) }
}

/** Whether it is that PIN; a record that cannot be read fits none. */
export async function fitsPin({ n, r, p, salt, hash }: PinRecord, pin: string): Promise<boolean> {
  const saltBytes = fromHex(salt)
  const expected = fromHex(hash)
  if (saltBytes === undefined || expected?.length !== HASH_BYTES) return false
  return equalInConstantTime(await deriveKeyFromPassphrase(pin, saltBytes, HASH_BYTES, { n, r, p }), expected)
}
