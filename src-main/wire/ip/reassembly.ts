// Reassembly of fragmented packets within fixed bounds (RFC 8200 §4.5, RFC 5722, RFC 6946, RFC 7112).
import type { Clock, Timer } from '#main/base/index.ts'
import { ERRONEOUS_FIELD, INCOMPLETE_HEADER_CHAIN, readChainFrom } from './extension-headers.ts'
import { IPV6_HEADER_BYTES } from './ipv6-header.ts'

export interface ReassemblyLimits {
  /** Packets that are put together at one time; a further one displaces the oldest. */
  readonly maxPackets: number
  /** Of one packet, when whole. A host must take 1500 (RFC 8200 §5). */
  readonly maxPacketBytes: number
  /** Of all fragments that wait. */
  readonly maxTotalBytes: number
  readonly timeoutMs: number
}

export const REASSEMBLY_LIMITS: ReassemblyLimits = { maxPackets: 16, maxPacketBytes: 8192, maxTotalBytes: 65_536, timeoutMs: 60_000 }

export type FragmentVerdict =
  | { readonly kind: 'whole'; readonly packet: Uint8Array }
  /** It is whole by itself: what follows its Fragment header can be read where it stands. */
  | { readonly kind: 'atomic' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'dropped'; readonly reason: 'fragment-overlap' | 'fragment-limit' | 'fragment-duplicate' }
  | { readonly kind: 'problem'; readonly code: number; readonly pointer: number }

interface Piece {
  readonly start: number
  readonly bytes: Uint8Array
}

interface Assembly {
  readonly key: string
  readonly timer: Timer
  pieces: Piece[]
  bytes: number
  /** Where the last fragment ends, once it has come. */
  end: number | undefined
  /** Everything before the first fragment's header, and the whole packet for the error message. */
  first: { readonly packet: Uint8Array; readonly at: number; readonly namedAt: number } | undefined
  /** An overlap was seen: what still comes goes the same way (RFC 5722 §3). */
  poisoned: boolean
}

export class Reassembler {
  readonly #clock: Clock
  readonly #limits: ReassemblyLimits
  readonly #onTimeout: (firstFragment: Uint8Array | undefined) => void
  readonly #assemblies = new Map<string, Assembly>()
  #bytes = 0

  /** `onTimeout` gets the first fragment where it had come: then a Time Exceeded is due. */
  constructor(clock: Clock, limits: ReassemblyLimits, onTimeout: (firstFragment: Uint8Array | undefined) => void) {
    this.#clock = clock
    this.#limits = limits
    this.#onTimeout = onTimeout
  }

  get waitingBytes(): number {
    return this.#bytes
  }

  get waitingPackets(): number {
    return this.#assemblies.size
  }

  /**
   * A packet whose Fragment header is at `at` and named at `namedAt`; its payload ends at `end`.
   *
   *    |  Next Header  |   Reserved    |      Fragment Offset    |Res|M|
   *    |                         Identification                        |
   */
  add(packet: Uint8Array, at: number, namedAt: number, end: number): FragmentVerdict {
    const field = ((packet[at + 2] ?? 0) << 8) | (packet[at + 3] ?? 0)
    const start = field & 0xfff8
    const more = (field & 1) === 1
    const body = packet.subarray(at + 8, end)
    // Both fields of an atomic fragment are zero: it is whole by itself and meets no other (RFC 6946 §4).
    if (start === 0 && !more) return { kind: 'atomic' }
    // The length of all but the last is a multiple of 8; the pointer is at the Payload Length.
    if (more && body.length % 8 !== 0) return { kind: 'problem', code: ERRONEOUS_FIELD, pointer: 4 }
    if (at - IPV6_HEADER_BYTES + start + body.length > 0xffff) return { kind: 'problem', code: ERRONEOUS_FIELD, pointer: at + 2 }
    if (start === 0 && !isChainWhole(packet, at, end)) return { kind: 'problem', code: INCOMPLETE_HEADER_CHAIN, pointer: 0 }

    const assembly = this.#assemblyOf(keyOf(packet, at))
    if (assembly.poisoned) return { kind: 'dropped', reason: 'fragment-overlap' }
    const piece = { start, bytes: body }
    const clash = this.#clash(assembly, piece, more)
    if (clash === 'duplicate') return { kind: 'dropped', reason: 'fragment-duplicate' }
    if (clash === 'overlap') {
      this.#poison(assembly)
      return { kind: 'dropped', reason: 'fragment-overlap' }
    }
    if (IPV6_HEADER_BYTES + start + body.length > this.#limits.maxPacketBytes) {
      this.#poison(assembly)
      return { kind: 'dropped', reason: 'fragment-limit' }
    }
    return this.#keep(assembly, piece, more, { packet, at, namedAt })
  }

  /** Forgets everything, without a word to anybody. */
  clear(): void {
    for (const assembly of [...this.#assemblies.values()]) this.#forget(assembly)
  }

  #keep(assembly: Assembly, piece: Piece, more: boolean, place: NonNullable<Assembly['first']>): FragmentVerdict {
    // A copy: the small view would hold the whole packet, and the link may use its buffer again.
    const bytes = piece.bytes.slice()
    assembly.pieces.push({ start: piece.start, bytes })
    assembly.bytes += bytes.length
    this.#bytes += bytes.length
    if (piece.start === 0) {
      assembly.first = { ...place, packet: place.packet.slice() }
      assembly.bytes += place.packet.length
      this.#bytes += place.packet.length
    }
    if (!more) assembly.end = piece.start + bytes.length
    if (assembly.first !== undefined && assembly.end !== undefined) {
      const held = assembly.pieces.reduce((sum, one) => sum + one.bytes.length, 0)
      // Nothing overlaps, so that as many bytes as the end says are all of them.
      if (held === assembly.end) {
        this.#forget(assembly)
        return { kind: 'whole', packet: join(assembly.first, assembly.pieces, assembly.end) }
      }
    }
    while (this.#bytes > this.#limits.maxTotalBytes) {
      const oldest = this.#oldest()
      if (oldest === undefined) break
      this.#forget(oldest)
      if (oldest === assembly) return { kind: 'dropped', reason: 'fragment-limit' }
    }
    return { kind: 'waiting' }
  }

  #clash(assembly: Assembly, piece: Piece, more: boolean): 'duplicate' | 'overlap' | undefined {
    const end = piece.start + piece.bytes.length
    const known = assembly.end
    for (const other of assembly.pieces) {
      const otherEnd = other.start + other.bytes.length
      if (other.start === piece.start && otherEnd === end && (more ? known !== end : known === end)) {
        // The same fragment once more is a copy that the network made, not an attack (RFC 8200 §4.5).
        return other.bytes.every((byte, index) => byte === piece.bytes[index]) ? 'duplicate' : 'overlap'
      }
      if (piece.start < otherEnd && other.start < end) return 'overlap'
      if (!more && otherEnd > end) return 'overlap'
    }
    if (known !== undefined && (end > known || !more)) return 'overlap'
    // An empty fragment that is not the last would lie anywhere and never end.
    return more && piece.bytes.length === 0 ? 'overlap' : undefined
  }

  #assemblyOf(key: string): Assembly {
    const known = this.#assemblies.get(key)
    if (known !== undefined) return known
    while (this.#assemblies.size >= this.#limits.maxPackets) {
      const oldest = this.#oldest()
      if (oldest === undefined) break
      this.#forget(oldest)
    }
    const assembly: Assembly = {
      key,
      timer: this.#clock.setTimer(this.#limits.timeoutMs, () => {
        this.#forget(assembly)
        if (!assembly.poisoned) this.#onTimeout(assembly.first?.packet)
      }),
      pieces: [],
      bytes: 0,
      end: undefined,
      first: undefined,
      poisoned: false,
    }
    this.#assemblies.set(key, assembly)
    return assembly
  }

  #oldest(): Assembly | undefined {
    return this.#assemblies.values().next().value
  }

  /** Lets go of the bytes and keeps the name until the time is up. */
  #poison(assembly: Assembly): void {
    assembly.poisoned = true
    this.#release(assembly)
  }

  #forget(assembly: Assembly): void {
    assembly.timer.cancel()
    this.#assemblies.delete(assembly.key)
    this.#bytes -= assembly.bytes
    assembly.bytes = 0
  }

  #release(assembly: Assembly): void {
    this.#bytes -= assembly.bytes
    assembly.bytes = 0
    assembly.pieces = []
    assembly.first = undefined
  }
}

/** Source, destination and identification tell packets apart (§4.5). */
function keyOf(packet: Uint8Array, at: number): string {
  return String.fromCharCode(...packet.subarray(8, 40), ...packet.subarray(at + 4, at + 8))
}

/** Whether a first fragment names the protocol above and holds at least the start of its header (RFC 8200 §4.5, RFC 7112 §5). */
function isChainWhole(packet: Uint8Array, at: number, end: number): boolean {
  const chain = readChainFrom(packet, end, { protocol: packet[at] ?? 0, at: at + 8, namedAt: at })
  if (chain.kind === 'cut-off') return false
  return chain.kind !== 'upper' || chain.at + 8 <= end
}

/** The packet as it was before it was cut: what preceded the Fragment header, then the pieces. */
function join(first: NonNullable<Assembly['first']>, pieces: readonly Piece[], length: number): Uint8Array {
  const whole = new Uint8Array(first.at + length)
  whole.set(first.packet.subarray(0, first.at))
  for (const piece of pieces) whole.set(piece.bytes, first.at + piece.start)
  whole[first.namedAt] = first.packet[first.at] ?? 0
  const payloadLength = whole.length - IPV6_HEADER_BYTES
  whole[4] = payloadLength >> 8
  whole[5] = payloadLength
  return whole
}
