// What a dongle is to the rooms above and below: a byte stream at the bottom, IPv6 packets at the top. No I/O.
import type { AppError } from '#main/base/index.ts'

/** A byte stream to a dongle: a serial port, a pseudo terminal, a TCP connection or memory. */
export interface SerialLine {
  /** What the system calls it, e.g. `/dev/ttyACM0`, `COM7`, `tcp://192.0.2.7:6638`. */
  readonly path: string
  /** Bytes that were written and have not left yet. */
  readonly queuedBytes: number
  /** Queues the bytes; never throws. What can no longer be written is told by `closed`. */
  write(bytes: Uint8Array): void
  /** Resolves when everything written has left, or the line has closed. */
  drained(): Promise<void>
  subscribe(listener: (event: LineEvent) => void): () => void
  close(): Promise<void>
}

export type LineEvent = { readonly kind: 'bytes'; readonly bytes: Uint8Array } | { readonly kind: 'closed'; readonly error?: AppError }

/** An address of this host on a link. Text in RFC 5952 form. */
export interface LinkAddress {
  readonly address: string
  readonly prefixLength: number
  readonly origin: 'link-local' | 'mesh-local' | 'on-mesh' | 'assigned'
  /** Still answered at, no longer sent from where another address will do (RFC 4862 §5.5.4). */
  readonly deprecated?: boolean
}

/** IPv6 packets to and from a mesh through one dongle. Sending never blocks and never throws. */
export interface PacketLink {
  /** Stable name within the site, e.g. `dongle:E2A0C5`. It is the zone of link-local addresses too. */
  readonly id: string
  /** Largest IPv6 packet in bytes. */
  readonly mtuBytes: number
  /** Whether packets can pass now. */
  readonly up: boolean
  /** The host's own addresses; empty while down. */
  readonly addresses: readonly LinkAddress[]
  /** What the dongle's firmware lets a host do; stock SLIP routers carry unicast to routable addresses alone. */
  readonly carries: { readonly multicast: boolean; readonly linkLocal: boolean }
  /** A whole IPv6 packet; queued within bounds and paced as the dongle can bear. */
  send(packet: Uint8Array): void
  /** Listens to an IPv6 multicast group, also after the dongle was reset. */
  joinGroup(address: string): void
  leaveGroup(address: string): void
  subscribe(listener: (event: PacketLinkEvent) => void): () => void
}

export type PacketLinkEvent =
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  /** The dongle refused the packet, or the queue was full. */
  | { readonly kind: 'send-failed'; readonly packet: Uint8Array; readonly error: AppError }
  | { readonly kind: 'up' }
  | { readonly kind: 'down'; readonly error?: AppError }
  | { readonly kind: 'addresses' }

/** What a driver has counted since it was made. Frames that no checksum covers (SLIP) count as damaged where their shape tells. */
export interface DriverCounters {
  readonly framesIn: number
  readonly framesOut: number
  readonly damagedFrames: number
  readonly packetsIn: number
  readonly packetsOut: number
  readonly packetsFailed: number
  /** Packets that wait for their turn now. */
  readonly queuedPackets: number
  /** Commands or packets that were sent once more. */
  readonly retries: number
  /** From a question to the dongle's answer; undefined until there was one. `smoothed` as in RFC 6298 §2. */
  readonly roundTripMs: { readonly latest: number; readonly smoothed: number } | undefined
}

export interface DriverStart {
  /** False where a reset a moment ago made the port vanish (native USB re-enumerates): take the dongle as it is. */
  readonly mayReset: boolean
  readonly signal: AbortSignal
}

/**
 * Speaks one firmware family's protocol over an open line, from `start` until the line closes. It never closes the line.
 * A `down` event with an error says that the dongle no longer answers: whoever owns the line opens it anew.
 */
export interface LinkDriver extends PacketLink {
  /** Resolves when the dongle is initialised (`up` may come later); rejects with an AppError when it cannot be. */
  start(options: DriverStart): Promise<void>
  counters(): DriverCounters
  /** Leaves the dongle clean within a second and lets go of the line. */
  stop(): Promise<void>
}
