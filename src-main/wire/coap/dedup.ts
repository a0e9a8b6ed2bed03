// Message IDs of peers that were seen, and what was answered (RFC 7252 §4.5). One entry costs no object of its own: numbers stand in
// rings that overwrite the oldest, replies in a ring of bytes, so that a high rate neither grows memory nor feeds the garbage collector.

export interface DedupLimits {
  readonly maxEntries: number
  readonly maxBytes: number
}

/** The entries of one peer. Most have a single one, which therefore stands in the record itself. */
interface PeerRecord {
  readonly peer: string
  messageId: number
  slot: number
  more: Map<number, number> | undefined
}

const FIRST_SLOTS = 256
const FIRST_BYTES = 16 * 1024
const NOBODY = -1
/** No reply was remembered. */
const NOTHING = -1

export class DedupStore {
  readonly #limits: DedupLimits
  readonly #peers = new Map<string, PeerRecord>()
  /** By slot: whose it is, and the entry itself. */
  #owners: Array<PeerRecord | undefined> = []
  #messageIds = new Uint16Array(0)
  #expiresMs = new Float64Array(0)
  /** Where the reply starts, counted in all bytes ever written to the ring. */
  #replyAt = new Float64Array(0)
  #replyLength = new Uint32Array(0)
  #nextSlot = 0
  #used = 0
  #replies = new Uint8Array(0)
  #written = 0

  constructor(limits: DedupLimits) {
    this.#limits = limits
    this.#resize(Math.max(1, Math.min(FIRST_SLOTS, limits.maxEntries)))
  }

  /** Entries held, ended ones included. */
  get size(): number {
    return this.#used
  }

  get replyBytes(): number {
    return this.#replies.length
  }

  /** The slot of a Message ID that was seen and has not ended. */
  find(peer: string, messageId: number, nowMs: number): number | undefined {
    const record = this.#peers.get(peer)
    if (record === undefined) return undefined
    const slot = record.messageId === messageId ? record.slot : record.more?.get(messageId)
    return slot !== undefined && (this.#expiresMs[slot] ?? 0) > nowMs ? slot : undefined
  }

  /** Remembers a Message ID; the slot is where its reply goes. */
  add(peer: string, messageId: number, lifetimeMs: number, nowMs: number): number {
    this.#forget(peer, messageId)
    const slot = this.#takeSlot(nowMs)
    let record = this.#peers.get(peer)
    if (record === undefined) {
      record = { peer, messageId, slot, more: undefined }
      this.#peers.set(peer, record)
    } else if (record.messageId === NOBODY) {
      record.messageId = messageId
      record.slot = slot
    } else {
      record.more ??= new Map()
      record.more.set(messageId, slot)
    }
    this.#owners[slot] = record
    this.#messageIds[slot] = messageId
    this.#expiresMs[slot] = nowMs + lifetimeMs
    this.#replyAt[slot] = NOTHING
    this.#used++
    return slot
  }

  /** Remembers what was answered, if the entry has not been overwritten meanwhile. */
  setReply(slot: number, peer: string, messageId: number, reply: Uint8Array): void {
    if (this.#owners[slot]?.peer !== peer || this.#messageIds[slot] !== messageId) return
    if (reply.length > this.#limits.maxBytes) return
    this.#makeRoom(reply.length)
    let at = this.#written % this.#replies.length
    if (at + reply.length > this.#replies.length) {
      // No reply is split at the ring's end.
      this.#written += this.#replies.length - at
      at = 0
    }
    this.#replies.set(reply, at)
    this.#replyAt[slot] = this.#written
    this.#replyLength[slot] = reply.length
    this.#written += reply.length
  }

  /** A copy of the reply; undefined where there was none yet, or where later ones took its place. */
  reply(slot: number): Uint8Array | undefined {
    const start = this.#replyAt[slot] ?? NOTHING
    if (start === NOTHING || start < this.#written - this.#replies.length) return undefined
    const at = start % this.#replies.length
    return this.#replies.slice(at, at + (this.#replyLength[slot] ?? 0))
  }

  clear(): void {
    this.#peers.clear()
    this.#owners.fill(undefined)
    this.#used = 0
  }

  #takeSlot(nowMs: number): number {
    if (this.#nextSlot === this.#owners.length) {
      // Once around: grow while the oldest is still needed and the bound allows, else begin again at the oldest.
      const needed = this.#owners[0] !== undefined && (this.#expiresMs[0] ?? 0) > nowMs
      if (needed && this.#owners.length < this.#limits.maxEntries) this.#resize(Math.min(this.#owners.length * 2, this.#limits.maxEntries))
      else this.#nextSlot = 0
    }
    const slot = this.#nextSlot++
    const owner = this.#owners[slot]
    if (owner !== undefined) this.#release(owner, this.#messageIds[slot] ?? 0, slot)
    return slot
  }

  #forget(peer: string, messageId: number): void {
    const record = this.#peers.get(peer)
    if (record === undefined) return
    const slot = record.messageId === messageId ? record.slot : record.more?.get(messageId)
    if (slot !== undefined) this.#release(record, messageId, slot)
  }

  #release(record: PeerRecord, messageId: number, slot: number): void {
    if (record.messageId === messageId && record.slot === slot) record.messageId = NOBODY
    else record.more?.delete(messageId)
    this.#owners[slot] = undefined
    this.#used--
    if (record.messageId === NOBODY && (record.more === undefined || record.more.size === 0)) this.#peers.delete(record.peer)
  }

  #resize(slots: number): void {
    const widen = <Ring extends { set(from: Ring): void }>(ring: Ring, wider: Ring): Ring => {
      wider.set(ring)
      return wider
    }
    this.#owners.length = slots
    this.#messageIds = widen(this.#messageIds, new Uint16Array(slots))
    this.#expiresMs = widen(this.#expiresMs, new Float64Array(slots))
    this.#replyAt = widen(this.#replyAt, new Float64Array(slots))
    this.#replyLength = widen(this.#replyLength, new Uint32Array(slots))
  }

  /** Until the bound is reached, the ring of replies grows instead of beginning again at its start. */
  #makeRoom(bytes: number): void {
    const size = this.#replies.length
    const at = size === 0 ? 0 : this.#written % size
    const beginsAgain = at + bytes > size || (at === 0 && this.#written > 0)
    if (!beginsAgain || size >= this.#limits.maxBytes) return
    // Invariant: while it grows nothing has been overwritten, so positions are indices and stay as they are.
    const wanted = Math.max(FIRST_BYTES, size * 2, at + bytes, this.#written + bytes)
    const wider = new Uint8Array(Math.min(wanted, this.#limits.maxBytes))
    wider.set(this.#replies)
    this.#replies = wider
  }
}
