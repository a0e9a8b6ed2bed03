// Keys that are made here for devices that cannot (RFC 9148 §4.8): kept in memory only, and only until the device has its answer.
import {
  equalBytes,
  exportSigningKey,
  generateSigningKey,
  importVerifyingKey,
  type Clock,
  type SigningAlgorithm,
  type SigningKey,
} from '#main/base/index.ts'
import { readCertificationRequest } from '#main/services/ra/index.ts'
import { writeRequest } from './request.ts'

interface Made {
  /** What the device sent: the same again asks for the same key. */
  readonly asked: Uint8Array
  /** Our own request for the key that we have made. */
  readonly request: Uint8Array
  readonly key: SigningKey
  readonly untilMs: number
}

const MAX_KEYS = 256
/** As long as somebody may take to approve while the device keeps asking; a lost key costs the device a new request. */
const KEPT_MS = 24 * 3_600_000
/** For an answer that was lost. */
const KEPT_AFTER_ANSWER_MS = 600_000

export class GeneratedKeys {
  readonly #clock: Clock
  readonly #made = new Map<string, Made>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#made.size
  }

  /** A key and a request like the caller's for it; key and signature of that one do not count. Throws `der.invalid`. */
  requestFor(caller: string, asked: Uint8Array): { readonly request: Uint8Array; readonly privateKey: () => Uint8Array } {
    const now = this.#clock.monotonicMs()
    for (const [key, { untilMs }] of this.#made) if (untilMs <= now) this.#made.delete(key)
    const known = this.#made.get(caller)
    const made = known !== undefined && equalBytes(known.asked, asked) ? known : this.#make(asked, now)
    this.#made.delete(caller)
    const [oldest] = this.#made.keys()
    if (this.#made.size >= MAX_KEYS && oldest !== undefined) this.#made.delete(oldest)
    this.#made.set(caller, made)
    return { request: made.request, privateKey: () => exportSigningKey(made.key) }
  }

  /** The device has its answer, as far as is known. */
  delivered(caller: string): void {
    const made = this.#made.get(caller)
    if (made !== undefined)
      this.#made.set(caller, { ...made, untilMs: Math.min(made.untilMs, this.#clock.monotonicMs() + KEPT_AFTER_ANSWER_MS) })
  }

  forget(caller: string): void {
    this.#made.delete(caller)
  }

  #make(asked: Uint8Array, now: number): Made {
    const { subject, extensions, spki } = readCertificationRequest(asked)
    const key = generateSigningKey(kindOf(spki))
    return { asked: asked.slice(), request: writeRequest({ subject, extensions }, key), key, untilMs: now + KEPT_MS }
  }
}

/** Of the same kind as the key in the request, where such a key can be made. */
function kindOf(spki: Uint8Array): SigningAlgorithm {
  try {
    const { algorithm } = importVerifyingKey(spki)
    return algorithm === 'P-384' || algorithm === 'Ed25519' ? algorithm : 'P-256'
  } catch {
    return 'P-256'
  }
}
