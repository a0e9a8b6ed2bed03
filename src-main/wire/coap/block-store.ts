// What a server keeps between the blocks of a transfer: bounded in bytes, in all and for each peer, and in time.
import type { Clock, Timer } from '#main/base/index.ts'

export interface BlockStoreLimits {
  /** From the last access. */
  readonly lifetimeMs: number
  readonly maxBytes: number
  readonly maxBytesPerPeer: number
}

interface Entry<Value> {
  readonly value: Value
  readonly peer: string
  readonly bytes: number
  expiresMs: number
}

/** An entry's share of keys and objects: it makes many small ones count. */
const ENTRY_BYTES = 256

export class BlockStore<Value> {
  readonly #clock: Clock
  readonly #limits: BlockStoreLimits
  /** The longest unused first. */
  readonly #entries = new Map<string, Entry<Value>>()
  readonly #bytesOfPeer = new Map<string, number>()
  #bytes = 0
  #sweeper: Timer | undefined

  constructor(clock: Clock, limits: BlockStoreLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    entry.expiresMs = this.#clock.monotonicMs() + this.#limits.lifetimeMs
    return entry.value
  }

  /** Keeps the value; makes room by dropping the longest unused, the peer's own first. False where it can never fit. */
  set(key: string, peer: string, value: Value, payloadBytes: number): boolean {
    this.delete(key)
    const bytes = payloadBytes + ENTRY_BYTES
    if (bytes > this.#limits.maxBytesPerPeer || bytes > this.#limits.maxBytes) return false
    this.#makeRoom(peer, bytes)
    const expiresMs = this.#clock.monotonicMs() + this.#limits.lifetimeMs
    this.#entries.set(key, { value, peer, bytes, expiresMs })
    this.#bytes += bytes
    this.#bytesOfPeer.set(peer, (this.#bytesOfPeer.get(peer) ?? 0) + bytes)
    this.#sweeper ??= this.#clock.setTimer(this.#limits.lifetimeMs, () => this.#sweep())
    return true
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
    const left = (this.#bytesOfPeer.get(entry.peer) ?? 0) - entry.bytes
    if (left > 0) this.#bytesOfPeer.set(entry.peer, left)
    else this.#bytesOfPeer.delete(entry.peer)
  }

  clear(): void {
    this.#sweeper?.cancel()
    this.#sweeper = undefined
    this.#entries.clear()
    this.#bytesOfPeer.clear()
    this.#bytes = 0
  }

  #makeRoom(peer: string, bytes: number): void {
    if ((this.#bytesOfPeer.get(peer) ?? 0) + bytes > this.#limits.maxBytesPerPeer) {
      for (const [key, entry] of this.#entries) {
        if ((this.#bytesOfPeer.get(peer) ?? 0) + bytes <= this.#limits.maxBytesPerPeer) break
        if (entry.peer === peer) this.delete(key)
      }
    }
    for (const key of this.#entries.keys()) {
      if (this.#bytes + bytes <= this.#limits.maxBytes) break
      this.delete(key)
    }
  }

  #sweep(): void {
    this.#sweeper = undefined
    const nowMs = this.#clock.monotonicMs()
    for (const [key, entry] of this.#entries) {
      if (entry.expiresMs > nowMs) {
        // Entries are in the order of their last use, so the rest is younger still.
        this.#sweeper = this.#clock.setTimer(entry.expiresMs - nowMs, () => this.#sweep())
        return
      }
      this.delete(key)
    }
  }
}
