// The text of addresses that packets carry, remembered: writing RFC 5952 text anew for each packet costs more than all else.
import { formatIpv6 } from './address.ts'
import { sameAddress } from './ipv6-header.ts'

/** A power of two. An address that falls on another one's place replaces it, so that memory is bounded. */
const PLACES = 1024

export class AddressBook {
  readonly #bytes = new Uint8Array(PLACES * 16)
  readonly #texts = new Array<string | undefined>(PLACES)

  /** The canonical text of the sixteen bytes at `at`. */
  textAt(packet: Uint8Array, at: number): string {
    const place = placeOf(packet, at)
    const known = this.#texts[place]
    const start = place * 16
    if (known !== undefined && sameAddress(this.#bytes, start, packet, at)) return known
    const address = packet.subarray(at, at + 16)
    const text = formatIpv6(address)
    this.#bytes.set(address, start)
    this.#texts[place] = text
    return text
  }
}

function placeOf(packet: Uint8Array, at: number): number {
  let hash = 0
  for (let index = 0; index < 16; index++) hash = Math.imul(hash, 31) + (packet[at + index] ?? 0)
  return (hash ^ (hash >>> 13)) & (PLACES - 1)
}
