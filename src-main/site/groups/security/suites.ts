// Algorithms that go together, so that nobody has to choose COSE numbers one by one (key-groupcomm-oscore-21 §14 gives the defaults).
import { AppError } from '#main/base/index.ts'
import type { SecurityPolicy, SecuritySuite } from '#contract/model.ts'
import { checkGroupName } from '../names.ts'
import { saysNoSec } from './rules.ts'

export interface SuiteAlgorithms {
  /** COSE numbers. */
  readonly groupEncryption: number
  readonly signature: number
  /** Null: no pairwise mode. */
  readonly aead: number | null
  readonly hkdf: number
  /** Ciphertext expansion and signature: what a group request grows by, beside its OSCORE option. */
  readonly overheadBytes: number
}

const AES_CCM_16_64_128 = 10
const AES_CCM_16_128_128 = 30
const A128CTR = -65_534
const EDDSA = -8
const ES256 = -7
const SHA_256 = 5

export const suites: Readonly<Record<SecuritySuite, SuiteAlgorithms>> = {
  /** What Group OSCORE makes mandatory (draft-ietf-core-oscore-groupcomm-28 §16). */
  standard: { groupEncryption: AES_CCM_16_64_128, signature: EDDSA, aead: AES_CCM_16_64_128, hkdf: SHA_256, overheadBytes: 72 },
  /** For devices whose secure element knows P-256 alone. */
  p256: { groupEncryption: AES_CCM_16_64_128, signature: ES256, aead: AES_CCM_16_64_128, hkdf: SHA_256, overheadBytes: 72 },
  /** Tags of 16 bytes. */
  'long-tag': { groupEncryption: AES_CCM_16_128_128, signature: EDDSA, aead: AES_CCM_16_128_128, hkdf: SHA_256, overheadBytes: 80 },
  /** No tag beside the signature: the shortest requests. */
  counter: { groupEncryption: A128CTR, signature: EDDSA, aead: AES_CCM_16_64_128, hkdf: SHA_256, overheadBytes: 64 },
}

export const DEFAULT_POLICY: SecurityPolicy = { rekeyOnJoin: false, rekeyAfterLeaves: 1, rekeyWithinMinutes: 10, lifetimeDays: 30 }

/**
 * The name as it is kept: a path segment at the Group Manager and on the devices. No group is called NoSec, in whichever letters, so that
 * nobody takes it for a sign that none is needed (draft-ietf-core-groupcomm-bis §2.2.1.3). Throws `group.name-invalid`.
 */
export function checkSecurityGroupName(text: string): string {
  const name = checkGroupName(text)
  if (saysNoSec(name)) {
    throw new AppError('group.name-invalid', 'Not a name for a security group: nosec', { details: { name, reason: 'nosec' } })
  }
  return name
}
