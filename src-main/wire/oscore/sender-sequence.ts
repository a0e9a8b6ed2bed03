// Sender Sequence Numbers that never repeat, whatever happens to the process or to its files (RFC 8613 §7.2.1, Appendix B.1;
// draft-ietf-core-oscore-groupcomm-28 §2.6.1): a number is used only after the block that it is from has been reserved for good.
import { AppError, sha256, toHex } from '#main/base/index.ts'
import { MAX_SEQUENCE_NUMBER } from './nonce.ts'

/**
 * Keeps how far each Sender Context has come. Implementations must be durable when they return, and must refuse what was established
 * before the store was copied or restored from a backup: then nobody knows what the lost part has used.
 */
export interface SequenceStore {
  /**
   * For key material that was made or received just now. Whether the store had not heard of it before: only then is it as fresh as it is
   * said to be, and nothing can have been received or answered with it.
   */
  establish(context: string): boolean
  /** The first of `count` numbers that nobody will ever be given again. Fails with `oscore.sender-stale`. */
  reserve(context: string, count: number): number
  /** The key material is deleted. */
  forget(context: string): void
}

/** So many are lost with a crash, and so many messages leave for each commit. */
export const RESERVED_AT_ONCE = 512

/** Names a Sender Context by what must not meet a nonce twice: two contexts with one key have one number space. */
export function sequenceKey(senderKey: Uint8Array, commonIv: Uint8Array): string {
  return toHex(sha256(Uint8Array.of(senderKey.length), senderKey, commonIv).subarray(0, 16))
}

/** For key material that lives no longer than the process. */
export function volatileSequences(): SequenceStore {
  const next = new Map<string, number>()
  return {
    establish: (context) => {
      if (next.has(context)) return false
      next.set(context, 0)
      return true
    },
    reserve: (context, count) => {
      const first = next.get(context)
      if (first === undefined) throw staleSender()
      next.set(context, first + count)
      return first
    },
    // Invariant: what was used stays used, also where the same material comes back.
    forget: () => undefined,
  }
}

export function staleSender(): AppError {
  return new AppError('oscore.sender-stale', 'The sender state is lost: a new Sender ID or new keys are needed')
}

export class SenderSequence {
  readonly #store: SequenceStore
  readonly #context: string
  #next = 0
  #end = 0

  constructor(store: SequenceStore, context: string) {
    this.#store = store
    this.#context = context
  }

  /** The next number. Fails with `oscore.sender-stale` or `oscore.sequence-exhausted`. */
  take(): number {
    if (this.#next >= this.#end) this.#reserve()
    return this.#next++
  }

  /** Whether there are numbers left that nobody has used. */
  get usable(): boolean {
    if (this.#next < this.#end) return true
    try {
      this.#reserve()
      return true
    } catch (thrown) {
      if (thrown instanceof AppError && (thrown.code === 'oscore.sender-stale' || thrown.code === 'oscore.sequence-exhausted')) return false
      throw thrown
    }
  }

  /** The keys are not used any more. */
  forget(): void {
    this.#store.forget(this.#context)
  }

  #reserve(): void {
    const first = this.#store.reserve(this.#context, RESERVED_AT_ONCE)
    if (!Number.isSafeInteger(first) || first < this.#end || first + RESERVED_AT_ONCE - 1 > MAX_SEQUENCE_NUMBER) {
      throw new AppError('oscore.sequence-exhausted', 'The sender context has no sequence numbers left')
    }
    this.#next = first
    this.#end = first + RESERVED_AT_ONCE
  }
}
