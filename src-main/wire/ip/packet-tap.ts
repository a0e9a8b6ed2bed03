// Every IPv6 packet of a host with a number, for the trace; and which packet some bytes belong to, so that serial frames below and CoAP
// exchanges above are joined to it without the seams between the rooms knowing of it.
import { equalBytes, type Clock, type Logger } from '#main/base/index.ts'
import { Fanout } from './fanout.ts'

export interface PacketEvent {
  /** Counts up from 1 for each host. */
  readonly id: number
  readonly linkId: string
  readonly direction: 'sent' | 'received'
  /** As it goes over the link; not to be written to. */
  readonly packet: Uint8Array
  /** Wall clock. */
  readonly atMs: number
}

const RECENT_PACKETS = 256

export class PacketTap {
  readonly #clock: Clock
  readonly #linkId: string
  readonly #listeners: Fanout<PacketEvent>
  readonly #ids = new WeakMap<Uint8Array, number>()
  /** The latest packets, for those who have a copy; a ring. */
  readonly #recent: Array<{ readonly id: number; readonly packet: Uint8Array } | undefined> = new Array<undefined>(RECENT_PACKETS)
  #last = 0

  constructor(linkId: string, clock: Clock, logger: Logger) {
    this.#linkId = linkId
    this.#clock = clock
    this.#listeners = new Fanout(logger)
  }

  subscribe(listener: (event: PacketEvent) => void): () => void {
    return this.#listeners.add(listener)
  }

  /** Numbers the packet while somebody listens; `payload` is what goes up or came from above. */
  note(direction: PacketEvent['direction'], packet: Uint8Array, payload?: Uint8Array): void {
    if (this.#listeners.size === 0) return
    const id = ++this.#last
    this.#recent[id % RECENT_PACKETS] = { id, packet }
    this.#ids.set(packet, id)
    if (payload !== undefined) this.#ids.set(payload, id)
    this.#listeners.tell({ id, linkId: this.#linkId, direction, packet, atMs: this.#clock.now() })
  }

  /** Bytes that were taken from a numbered packet carry its number on. */
  inherit(from: Uint8Array, to: Uint8Array): void {
    if (this.#listeners.size === 0) return
    const id = this.#ids.get(from)
    if (id !== undefined) this.#ids.set(to, id)
  }

  /**
   * The number of the packet that these very bytes (the object) are, or came or went in; else of the newest among the last packets that
   * equals them, for serial frames are decoded into copies.
   */
  idOf(bytes: Uint8Array): number | undefined {
    const known = this.#ids.get(bytes)
    if (known !== undefined) return known
    for (let id = this.#last; id > Math.max(0, this.#last - RECENT_PACKETS); id--) {
      const recent = this.#recent[id % RECENT_PACKETS]
      if (recent !== undefined && equalBytes(recent.packet, bytes)) return recent.id
    }
    return undefined
  }
}
