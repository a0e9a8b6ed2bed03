// The set of cached responses that answers a group request as a whole, and its entity-tag (draft-ietf-core-groupcomm-proxy-07 §7.1, §7.3).
import { formatSocketAddress, type Random, type SocketAddress } from '#main/base/index.ts'
import type { OutgoingResponse } from '#main/wire/coap/index.ts'
import type { ResponseCache } from './cache.ts'

export interface CompleteSet {
  readonly tag: Uint8Array
  readonly responses: ReadonlyArray<{ readonly server: string; readonly response: OutgoingResponse }>
  /** How long all of it stays fresh. */
  readonly residualMs: number
}

interface Tagged {
  /** Which stored responses the tag stands for. */
  readonly content: string
  readonly tag: Uint8Array
}

const MAX_SETS = 1000

export class GroupSets {
  readonly #cache: ResponseCache
  readonly #random: Random
  readonly #members: (group: SocketAddress) => readonly SocketAddress[] | undefined
  readonly #tags = new Map<string, Tagged>()

  /** `members` says who is in a group now, where that is known at all. */
  constructor(cache: ResponseCache, random: Random, members: (group: SocketAddress) => readonly SocketAddress[] | undefined) {
    this.#cache = cache
    this.#random = random
    this.#members = members
  }

  /** Undefined unless every current member is known and a fresh response of each is stored. */
  complete(group: SocketAddress, resource: string): CompleteSet | undefined {
    const members = this.#members(group)
    if (members === undefined || members.length === 0) return undefined
    const responses: Array<{ server: string; response: OutgoingResponse }> = []
    const content: string[] = []
    let residualMs = Infinity
    for (const member of members) {
      const server = formatSocketAddress(member)
      const entry = this.#cache.get(resource, server)
      if (entry === undefined || !this.#cache.isFresh(entry)) return undefined
      responses.push({ server, response: this.#cache.served(entry) })
      content.push(`${server} ${entry.serial}`)
      residualMs = Math.min(residualMs, this.#cache.residualMs(entry))
    }
    return { tag: this.#tagOf(`${formatSocketAddress(group)} ${resource}`, content.sort().join(',')), responses, residualMs }
  }

  /** A new tag whenever a response of the set has been replaced or renewed. */
  #tagOf(key: string, content: string): Uint8Array {
    const before = this.#tags.get(key)
    this.#tags.delete(key)
    const tagged = before?.content === content ? before : { content, tag: this.#random.bytes(8) }
    this.#tags.set(key, tagged)
    for (const oldest of this.#tags.keys()) {
      if (this.#tags.size <= MAX_SETS) break
      this.#tags.delete(oldest)
    }
    return tagged.tag
  }
}
