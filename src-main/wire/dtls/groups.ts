// Ephemeral key agreement on named groups: X25519 and P-256 (RFC 8422 §5.1.1, §5.11).
import { AppError, generateAgreementKey, type AgreementKey } from '#main/base/index.ts'
import { AlertFailure } from './alert.ts'

export type GroupName = 'X25519' | 'P-256'

const IDS: Readonly<Record<GroupName, number>> = { X25519: 29, 'P-256': 23 }
/** P-256 first: RFC 7925 §4.4 makes every device have it. */
export const GROUP_NAMES: readonly GroupName[] = ['P-256', 'X25519']

export function groupId(name: GroupName): number {
  return IDS[name]
}

export function groupById(id: number): GroupName | undefined {
  return GROUP_NAMES.find((name) => IDS[name] === id)
}

/** Serves one handshake. */
export class EphemeralKey {
  readonly group: GroupName
  readonly #key: AgreementKey

  constructor(group: GroupName) {
    this.group = group
    this.#key = generateAgreementKey(group)
  }

  get point(): Uint8Array {
    return this.#key.point
  }

  /** The premaster secret. A point that is not on the curve, or of low order, is an `illegal_parameter` (RFC 8422 §5.11). */
  agree(peerPoint: Uint8Array): Uint8Array {
    try {
      return this.#key.agree(peerPoint)
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'crypto.parameter-invalid')
        throw new AlertFailure('illegal_parameter', 'The peer’s point is not on the curve')
      throw thrown
    }
  }
}
