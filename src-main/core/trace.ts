// The trace of an open site: serial frames, IPv6 packets and CoAP messages in one bounded memory, joined where they are one datagram.
import { equalBytes, KeyedFeed } from '#main/base/index.ts'
import type { Clock, Timer } from '#main/base/index.ts'
import type { TraceEvent } from '#main/wire/coap/index.ts'
import type { IpHost } from '#main/wire/ip/index.ts'
import type { LineFrame } from '#main/wire/links/index.ts'
import type { TraceRow } from '#contract/model.ts'
import type { DongleEar } from './dongle.ts'

interface EntryHead {
  readonly seq: number
  readonly atMs: number
  readonly channelId: string
  readonly direction: 'sent' | 'received'
  /** Names the datagram, over all layers; asked for when it is shown, because a message is traced before its packet is made. */
  readonly datagram: () => string | undefined
}

export type TraceEntry =
  | (EntryHead & { readonly kind: 'message'; readonly event: TraceEvent })
  | (EntryHead & { readonly kind: 'packet'; readonly packet: Uint8Array })
  | (EntryHead & { readonly kind: 'frame'; readonly frame: LineFrame })

type Fresh =
  | { readonly kind: 'message'; readonly event: TraceEvent }
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  | { readonly kind: 'frame'; readonly frame: LineFrame }

export interface Trace extends DongleEar {
  readonly feed: KeyedFeed<TraceRow>
  message(channelId: string, event: TraceEvent): void
  setRecording(on: boolean): void
  clear(): void
  /** Entries after that number, oldest first. */
  after(seq: number, limit: number): readonly TraceEntry[]
  get(seq: number): TraceEntry | undefined
  all(): readonly TraceEntry[]
  close(): void
}

const MOST_ENTRIES = 20_000
const MOST_BYTES = 8 * 1024 * 1024
/** What an entry costs beside its bytes. */
const ENTRY_BYTES = 200
const TELL_MS = 250

export function createTrace(clock: Clock): Trace {
  return new SiteTrace(clock)
}

class SiteTrace implements Trace {
  readonly feed = new KeyedFeed<TraceRow>((row) => row.key)
  readonly #clock: Clock
  #entries: TraceEntry[] = []
  /** Entries before this place are forgotten; they are let go of in one piece now and then. */
  #head = 0
  #bytes = 0
  #seq = 0
  #recording = true
  #timer: Timer | undefined
  /** Each opened dongle numbers its packets anew. */
  #openings = 0
  readonly #hosts = new Map<string, { readonly host: IpHost; readonly opening: number }>()
  /** The frame whose packet has not been told yet: an inbound one comes just before it. */
  readonly #waiting = new Map<string, { readonly packet: Uint8Array; id: number | undefined }>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#show()
  }

  opened(id: string, host: IpHost): void {
    const opening = ++this.#openings
    this.#hosts.set(id, { host, opening })
    host.tap((event) => {
      const waiting = this.#waiting.get(id)
      if (event.direction === 'received' && waiting !== undefined && equalBytes(waiting.packet, event.packet)) {
        waiting.id = event.id
        this.#waiting.delete(id)
      }
      const name = `${id}#${opening}.${event.id}`
      this.#add(id, event.direction, { kind: 'packet', packet: event.packet }, () => name, event.packet.length)
    })
  }

  frame(id: string, frame: LineFrame, host: IpHost): void {
    const opening = this.#hosts.get(id)?.opening ?? 0
    const direction = frame.direction === 'in' ? 'received' : 'sent'
    const name = this.#nameOf(id, frame, host, opening)
    this.#add(id, direction, { kind: 'frame', frame }, name, frame.wire.length)
  }

  message(channelId: string, event: TraceEvent): void {
    const place = this.#hosts.get(channelId)
    let name: string | undefined
    const datagram = (): string | undefined => {
      const id = name === undefined ? place?.host.packetIdOf(event.datagram) : undefined
      if (id !== undefined && place !== undefined) name = `${channelId}#${place.opening}.${id}`
      return name
    }
    this.#add(channelId, event.direction, { kind: 'message', event }, datagram, event.bytes)
  }

  setRecording(on: boolean): void {
    this.#recording = on
    this.#show()
  }

  clear(): void {
    this.#entries = []
    this.#head = 0
    this.#bytes = 0
    this.#show()
  }

  after(seq: number, limit: number): readonly TraceEntry[] {
    const first = this.#entries[this.#head]?.seq ?? this.#seq + 1
    const from = this.#head + Math.max(0, seq + 1 - first)
    return this.#entries.slice(from, from + limit)
  }

  get(seq: number): TraceEntry | undefined {
    const [found] = this.after(seq - 1, 1)
    return found?.seq === seq ? found : undefined
  }

  all(): readonly TraceEntry[] {
    return this.#entries.slice(this.#head)
  }

  close(): void {
    this.#timer?.cancel()
    this.#recording = false
  }

  #nameOf(id: string, { packet, direction }: LineFrame, host: IpHost, opening: number): () => string | undefined {
    if (packet === undefined) return () => undefined
    if (direction === 'out') {
      const number = host.packetIdOf(packet)
      return () => (number === undefined ? undefined : `${id}#${opening}.${number}`)
    }
    const waiting: { readonly packet: Uint8Array; id: number | undefined } = { packet, id: undefined }
    this.#waiting.set(id, waiting)
    return () => (waiting.id === undefined ? undefined : `${id}#${opening}.${waiting.id}`)
  }

  #add(channelId: string, direction: EntryHead['direction'], fresh: Fresh, datagram: () => string | undefined, bytes: number): void {
    if (!this.#recording) return
    this.#entries.push({ seq: ++this.#seq, atMs: this.#clock.now(), channelId, direction, datagram, ...fresh })
    this.#bytes += bytes + ENTRY_BYTES
    while (this.#entries.length - this.#head > MOST_ENTRIES || this.#bytes > MOST_BYTES) this.#forgetOldest()
    if (this.#head > MOST_ENTRIES) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    this.#timer ??= this.#clock.setTimer(TELL_MS, () => {
      this.#timer = undefined
      this.#show()
    })
  }

  #forgetOldest(): void {
    const oldest = this.#entries[this.#head]
    this.#head++
    if (oldest !== undefined) this.#bytes -= bytesOf(oldest).length + ENTRY_BYTES
  }

  #show(): void {
    this.feed.set({
      key: 'trace',
      recording: this.#recording,
      firstSeq: this.#entries[this.#head]?.seq ?? 0,
      lastSeq: this.#entries.length > this.#head ? this.#seq : 0,
    })
  }
}

/** The bytes of an entry on its own layer. */
export function bytesOf(entry: TraceEntry): Uint8Array {
  switch (entry.kind) {
    case 'message':
      return entry.event.datagram
    case 'packet':
      return entry.packet
    case 'frame':
      return entry.frame.wire
  }
}
