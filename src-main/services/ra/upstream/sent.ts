// What has gone to a server under this authority's own signature, for a while: the same request of a device goes there in the same bytes, whatever was lost
// or killed in between, so that the server knows it again (RFC 9483 §3.5). Another signature over it would be another message under a known identifier.
import type { Clock, Timer } from '#main/base/index.ts'
import type { BodyType } from '../cmp/body.ts'
import type { Kept, UpstreamKeeper } from './keeper.ts'

export interface SentRequest {
  /** Name of the server. */
  readonly server: string
  readonly operation: BodyType
  readonly requester: string
  /** SHA-256 of the device's message, hex. */
  readonly requestHash: string
}

/** Servers take messages of a few minutes' age (messageTime). */
const GOOD_MS = 240_000
const MOST = 1024
const PREFIX = 'sent:'

export class SentMessages {
  readonly #clock: Clock
  readonly #keeper: UpstreamKeeper
  /** By the name of the record, oldest first. */
  readonly #sent = new Map<string, { readonly bytes: Uint8Array; readonly untilAt: number }>()

  #timer: Timer | undefined

  constructor(clock: Clock, keeper: UpstreamKeeper) {
    this.#clock = clock
    this.#keeper = keeper
  }

  /** The message as it went there before, or a new one; durable before it goes. */
  async of({ server, operation, requester, requestHash }: SentRequest, make: () => Promise<Uint8Array>): Promise<Uint8Array> {
    this.#prune()
    const id = `${PREFIX}${server}:${requestHash}`
    const known = this.#sent.get(id)
    if (known !== undefined) return known.bytes
    const bytes = await make()
    const untilAt = this.#clock.now() + GOOD_MS
    this.#sent.set(id, { bytes, untilAt })
    this.#arm()
    await this.#keeper.save({ id, server, operation, requester, requestHash, state: 'sent', failInfo: undefined, why: '', untilAt }, bytes)
    return bytes
  }

  /** After a restart. */
  takeUp({ record, bytes }: Kept): void {
    if (bytes === undefined) return
    this.#sent.set(record.id, { bytes, untilAt: record.untilAt })
    this.#arm()
  }

  /** What is kept stays kept. */
  close(): void {
    this.#timer?.cancel()
    this.#sent.clear()
  }

  #arm(): void {
    this.#timer ??= this.#clock.setTimer(GOOD_MS, () => {
      this.#timer = undefined
      this.#prune()
      if (this.#sent.size > 0) this.#arm()
    })
  }

  #prune(): void {
    const now = this.#clock.now()
    for (const [id, { untilAt }] of this.#sent) {
      if (untilAt > now && this.#sent.size < MOST) break
      this.#sent.delete(id)
      this.#keeper.remove(id)
    }
  }
}
