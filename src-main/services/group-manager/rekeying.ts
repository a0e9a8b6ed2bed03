// Brings new keys to the members: point to point, to each until it has confirmed them or is no member any more
// (key-groupcomm-oscore-21 §11.1; RFC 9594 §6.1). Tells whoever was evicted.
import { toAppError, type Clock, type Logger, type Random, type Timer } from '#main/base/index.ts'
import { isSuccess, type ClientRequest, type CoapClient, type RequestSecurity } from '#main/wire/coap/index.ts'
import type { GroupBook } from './book.ts'
import type { GroupState } from './group-state.ts'
import { AceFormat } from './labels.ts'
import { deletionMessage, rekeyingMessage } from './payloads.ts'
import type { ControlPoint, StoredMember } from './store.ts'

export interface DeliveryPorts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Who speaks to a member on its channel; undefined while nobody does. */
  readonly clientFor: (member: StoredMember) => CoapClient | undefined
  readonly securityOf: (context: string) => RequestSecurity
  /** Messages that are on their way to members at a time. */
  readonly parallel: number
}

interface Delivery {
  readonly group: string
  readonly identity: string
  failures: number
  timer: Timer | undefined
  state: 'queued' | 'sending' | 'waiting'
}

const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 600_000
const FAREWELL_TRIES = 3
/** Farewells that wait for their turn; more go untold and find out when they ask. */
const MAX_FAREWELLS = 4096

export class KeyDelivery {
  readonly #book: GroupBook
  readonly #ports: DeliveryPorts
  readonly #deliveries = new Map<string, Delivery>()
  readonly #queue: Array<() => Promise<void>> = []
  #running = 0
  #closed = false
  #farewells = 0
  readonly #abort = new AbortController()
  readonly #timers = new Set<Timer>()

  constructor(book: GroupBook, ports: DeliveryPorts) {
    this.#book = book
    this.#ports = ports
  }

  /** Starts whatever the members of a group still lack. */
  start({ stored, members }: GroupState): void {
    for (const member of members.values()) {
      if (member.control !== undefined && member.generation < stored.generation) this.#want(member)
    }
  }

  failuresOf(group: string, identity: string): number {
    return this.#deliveries.get(keyOf(group, identity))?.failures ?? 0
  }

  /** Nothing waits to be delivered. */
  get idle(): boolean {
    return this.#deliveries.size === 0
  }

  /** The member has been heard: what is waiting for it goes at once. */
  nudge(group: string, identity: string): void {
    const delivery = this.#deliveries.get(keyOf(group, identity))
    if (delivery?.state !== 'waiting') return
    delivery.timer?.cancel()
    this.#enqueue(delivery)
  }

  /** Tells one that is no member any more (§10), a few times at most. */
  farewell(member: StoredMember): void {
    this.#tell(member, 'DELETE', undefined, FAREWELL_TRIES)
  }

  /** Tells that the group is gone (gm-admin-17 §6.8.1). */
  announceDeletion(member: StoredMember): void {
    this.#tell(member, 'POST', deletionMessage(), FAREWELL_TRIES)
  }

  close(): void {
    this.#closed = true
    this.#abort.abort()
    for (const { timer } of this.#deliveries.values()) timer?.cancel()
    for (const timer of this.#timers) timer.cancel()
    this.#deliveries.clear()
    this.#queue.length = 0
  }

  #want({ group, identity }: StoredMember): void {
    const key = keyOf(group, identity)
    const known = this.#deliveries.get(key)
    if (known !== undefined) {
      // What is on its way is old: the newest follows. What waits goes now.
      known.failures = 0
      this.nudge(group, identity)
      return
    }
    const delivery: Delivery = { group, identity, failures: 0, timer: undefined, state: 'queued' }
    this.#deliveries.set(key, delivery)
    this.#enqueue(delivery)
  }

  #enqueue(delivery: Delivery): void {
    delivery.state = 'queued'
    this.#schedule(() => this.#deliver(delivery))
  }

  #schedule(work: () => Promise<void>): void {
    this.#queue.push(work)
    this.#pump()
  }

  #pump(): void {
    while (!this.#closed && this.#running < this.#ports.parallel) {
      const work = this.#queue.shift()
      if (work === undefined) return
      this.#running++
      // In a turn of its own: whoever starts this may be in the middle of a transaction, in which no sequence number can be reserved.
      void Promise.resolve()
        .then(work)
        .catch((thrown: unknown) => {
          this.#ports.logger.error({ err: toAppError(thrown) }, 'Bringing keys to a member failed')
        })
        .finally(() => {
          this.#running--
          this.#pump()
        })
    }
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const { group, identity } = delivery
    const state = this.#book.get(group)
    const member = state?.members.get(identity)
    if (state === undefined || member?.control === undefined || member.generation >= state.stored.generation) {
      this.#done(delivery)
      return
    }
    delivery.state = 'sending'
    const { generation } = state.stored
    const payload = rekeyingMessage(state, member.generation, this.#ports.clock.now())
    const confirmed = await this.#send(member, member.control, { method: 'POST', payload, contentFormat: AceFormat.GROUPCOMM })
    if (this.#closed) return
    if (confirmed) this.#confirm(group, identity, generation)
    else delivery.failures++
    const now = this.#book.get(group)
    const left = now?.members.get(identity)
    if (now === undefined || left === undefined || left.generation >= now.stored.generation) {
      this.#done(delivery)
    } else if (confirmed) this.#enqueue(delivery)
    else this.#pause(delivery)
  }

  #confirm(group: string, identity: string, generation: number): void {
    const state = this.#book.get(group)
    const member = state?.members.get(identity)
    if (state === undefined || member === undefined || member.generation > generation) return
    this.#book.note(state, { ...member, generation, keys: 'current' })
    this.#book.tell('delivered', state, identity)
  }

  #pause(delivery: Delivery): void {
    delivery.state = 'waiting'
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(delivery.failures - 1, 10), LONGEST_PAUSE_MS)
    delivery.timer = this.#ports.clock.setTimer(pauseMs * (0.75 + this.#ports.random.fraction() / 2), () => this.#enqueue(delivery))
  }

  #done(delivery: Delivery): void {
    delivery.timer?.cancel()
    this.#deliveries.delete(keyOf(delivery.group, delivery.identity))
  }

  #tell(member: StoredMember, method: 'POST' | 'DELETE', payload: Uint8Array | undefined, tries: number): void {
    const { control } = member
    if (control === undefined || this.#closed || this.#farewells >= MAX_FAREWELLS) return
    this.#farewells++
    this.#schedule(async () => {
      const request = payload === undefined ? { method } : { method, payload, contentFormat: AceFormat.GROUPCOMM }
      const done = await this.#send(member, control, request)
      this.#farewells--
      if (done || tries <= 1 || this.#closed) return
      const timer = this.#ports.clock.setTimer(FIRST_PAUSE_MS, () => {
        this.#timers.delete(timer)
        this.#tell(member, method, payload, tries - 1)
      })
      this.#timers.add(timer)
    })
  }

  /** Whether the member has said that it took it. */
  async #send(
    member: StoredMember,
    control: ControlPoint,
    request: Pick<ClientRequest, 'method' | 'payload' | 'contentFormat'>,
  ): Promise<boolean> {
    const client = this.#ports.clientFor(member)
    if (client === undefined) return false
    try {
      const security = this.#ports.securityOf(member.context)
      const whole: ClientRequest = { ...request, path: control.path, query: control.query, security }
      const to = { ...member.address, port: control.port }
      const response = await client.request(to, whole, { signal: this.#abort.signal })
      // What nobody has protected may have been said by anybody.
      return response.peer !== undefined && isSuccess(response.code)
    } catch (thrown) {
      const { code } = toAppError(thrown)
      if (!this.#closed) this.#ports.logger.debug({ group: member.group, member: member.identity, code }, 'A member could not be told')
      return false
    }
  }
}

function keyOf(group: string, identity: string): string {
  return `${group}\n${identity}`
}
