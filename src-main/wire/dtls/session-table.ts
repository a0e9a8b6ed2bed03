// The associations by peer and by connection id, in order of their last use.
import type { Clock } from '#main/base/index.ts'
import type { Connection } from './connection.ts'
import type { DtlsPeer } from './types.ts'

export interface Association<Peer extends DtlsPeer> {
  peer: Peer
  /** The session, or the handshake that is to become the first. */
  current: Connection | undefined
  /** A handshake beside a session that stays until the handshake is over (RFC 6347 §4.2.8). */
  pending: Connection | undefined
  /** Payloads that wait for the handshake. */
  readonly queue: Uint8Array[]
  lastUseMs: number
  /** Since when nothing has come in answer to what was sent. */
  unansweredSinceMs: number | undefined
}

interface Identified<Peer extends DtlsPeer> {
  readonly association: Association<Peer>
  readonly connection: Connection
}

export interface Handshaking<Peer extends DtlsPeer> extends Identified<Peer> {
  readonly beganMs: number
}

export class SessionTable<Peer extends DtlsPeer> {
  readonly #clock: Clock
  /** The longest unused first. */
  readonly #byPeer = new Map<string, Association<Peer>>()
  readonly #byConnectionId = new Map<string, Identified<Peer>>()
  readonly #connectionIds = new Map<Connection, string>()
  /** Handshakes that are not over, the oldest first. */
  readonly #handshakes = new Map<Connection, Handshaking<Peer>>()
  #open = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get halfOpen(): number {
    return this.#handshakes.size
  }

  get open(): number {
    return this.#open
  }

  get size(): number {
    return this.#byPeer.size
  }

  all(): Iterable<Association<Peer>> {
    return this.#byPeer.values()
  }

  get(key: string): Association<Peer> | undefined {
    return this.#byPeer.get(key)
  }

  /** The peer's association, made where there is none. */
  at(peer: Peer): Association<Peer> {
    const known = this.#byPeer.get(peer.key)
    if (known !== undefined) return known
    const association: Association<Peer> = {
      peer,
      current: undefined,
      pending: undefined,
      queue: [],
      lastUseMs: this.#clock.monotonicMs(),
      unansweredSinceMs: undefined,
    }
    this.#byPeer.set(peer.key, association)
    return association
  }

  touch(key: string): void {
    const association = this.#byPeer.get(key)
    if (association === undefined) return
    association.lastUseMs = this.#clock.monotonicMs()
    this.#byPeer.delete(key)
    this.#byPeer.set(key, association)
  }

  /** A new handshake. It takes the place of one that is not over, but not of a session. */
  put(association: Association<Peer>, connection: Connection): void {
    const place = association.current?.session === undefined ? 'current' : 'pending'
    const old = association[place]
    if (old !== undefined) {
      old.abandon()
      this.#forget(old)
    }
    association[place] = connection
    this.#handshakes.set(connection, { association, connection, beganMs: this.#clock.monotonicMs() })
    this.touch(association.peer.key)
  }

  /** The handshake is over; the session that it takes the place of comes back. */
  promote(association: Association<Peer>, connection: Connection): Connection | undefined {
    this.#handshakes.delete(connection)
    this.#open++
    this.touch(association.peer.key)
    if (association.pending !== connection) return undefined
    const old = association.current
    association.current = connection
    association.pending = undefined
    if (old !== undefined) {
      this.#open--
      this.#forget(old)
    }
    return old
  }

  remove(association: Association<Peer>, connection: Connection): void {
    if (association.pending === connection) association.pending = undefined
    else if (association.current === connection) {
      association.current = association.pending
      association.pending = undefined
    } else return
    this.#forget(connection)
    if (connection.session !== undefined) this.#open--
    if (association.current === undefined && this.#byPeer.get(association.peer.key) === association)
      this.#byPeer.delete(association.peer.key)
  }

  identify(association: Association<Peer>, connection: Connection, connectionId: string): void {
    this.#byConnectionId.set(connectionId, { association, connection })
    this.#connectionIds.set(connection, connectionId)
  }

  byConnectionId(connectionId: string): Identified<Peer> | undefined {
    return this.#byConnectionId.get(connectionId)
  }

  /** False where somebody else is known at that address. */
  move(association: Association<Peer>, peer: Peer): boolean {
    if (this.#byPeer.has(peer.key)) return false
    this.#byPeer.delete(association.peer.key)
    association.peer = peer
    this.#byPeer.set(peer.key, association)
    return true
  }

  /** Handshakes have a time-out of their own. */
  longestUnused(): Association<Peer> | undefined {
    for (const association of this.#byPeer.values()) if (association.current?.session !== undefined) return association
    return undefined
  }

  unusedFor(idleMs: number): ReadonlyArray<Association<Peer>> {
    const before = this.#clock.monotonicMs() - idleMs
    const found: Array<Association<Peer>> = []
    for (const association of this.#byPeer.values()) {
      if (association.lastUseMs > before) break
      if (association.current?.session !== undefined) found.push(association)
    }
    return found
  }

  oldestHandshake(): Handshaking<Peer> | undefined {
    for (const handshaking of this.#handshakes.values()) return handshaking
    return undefined
  }

  #forget(connection: Connection): void {
    this.#handshakes.delete(connection)
    const connectionId = this.#connectionIds.get(connection)
    if (connectionId === undefined) return
    this.#connectionIds.delete(connection)
    this.#byConnectionId.delete(connectionId)
  }
}
