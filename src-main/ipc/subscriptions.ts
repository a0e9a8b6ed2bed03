// One client's subscriptions, bounded: a client that does not acknowledge gets no more until it has caught up, then a new snapshot.
import type { FeedMessage } from '#contract/feeds.ts'
import type { ContractService } from './types.ts'

/** Messages of one subscription that may be on their way unacknowledged: more than a second of deltas. */
export const UNACKNOWLEDGED_LIMIT = 16
export const SUBSCRIPTION_LIMIT = 64

export type SubscribeOutcome = 'subscribed' | 'unknown-feed' | 'too-many' | 'id-in-use'

interface Subscription {
  readonly feed: unknown
  unacknowledged: number
  /** Undefined while the client catches up. */
  leave: (() => void) | undefined
}

/** The subscriptions of one window or connection, by ids that the client chose. */
export class ClientSubscriptions {
  readonly #service: ContractService
  readonly #send: (id: number, message: FeedMessage) => void
  readonly #subscriptions = new Map<number, Subscription>()

  constructor(service: ContractService, send: (id: number, message: FeedMessage) => void) {
    this.#service = service
    this.#send = send
  }

  get size(): number {
    return this.#subscriptions.size
  }

  subscribe(id: number, feed: unknown): SubscribeOutcome {
    if (this.#subscriptions.has(id)) return 'id-in-use'
    if (this.#subscriptions.size >= SUBSCRIPTION_LIMIT) return 'too-many'
    const subscription: Subscription = { feed, unacknowledged: 0, leave: undefined }
    this.#subscriptions.set(id, subscription)
    if (this.#join(id, subscription)) return 'subscribed'
    this.#subscriptions.delete(id)
    return 'unknown-feed'
  }

  unsubscribe(id: number): void {
    this.#subscriptions.get(id)?.leave?.()
    this.#subscriptions.delete(id)
  }

  /** The client has taken one message in. */
  acknowledge(id: number): void {
    const subscription = this.#subscriptions.get(id)
    if (subscription === undefined || subscription.unacknowledged === 0) return
    subscription.unacknowledged -= 1
    if (subscription.unacknowledged === 0 && subscription.leave === undefined) this.#join(id, subscription)
  }

  /** Ends all of them: the client is gone or starts anew. */
  clear(): void {
    for (const subscription of this.#subscriptions.values()) subscription.leave?.()
    this.#subscriptions.clear()
  }

  #join(id: number, subscription: Subscription): boolean {
    const leave = this.#service.subscribe(subscription.feed, (message) => {
      subscription.unacknowledged += 1
      if (subscription.unacknowledged >= UNACKNOWLEDGED_LIMIT) {
        subscription.leave?.()
        subscription.leave = undefined
      }
      this.#send(id, message)
    })
    subscription.leave = leave
    return leave !== undefined
  }
}
