// A host's own addresses on its link, as bytes, and the one it is best reached at.
import { parseIpv6 } from './address.ts'
import type { LinkAddress } from '#main/wire/links/index.ts'
import { sameAddress } from './ipv6-header.ts'
import { preferredAddress, type SourceCandidate } from './source-address.ts'

export class OwnAddresses {
  #candidates: readonly SourceCandidate[] = []
  #preferred: LinkAddress | undefined

  get candidates(): readonly SourceCandidate[] {
    return this.#candidates
  }

  get preferred(): LinkAddress | undefined {
    return this.#preferred
  }

  replace(addresses: readonly LinkAddress[]): void {
    this.#candidates = addresses.flatMap((address) => {
      const bytes = parseIpv6(address.address)
      return bytes === undefined || bytes[0] === 0xff ? [] : [{ address, bytes }]
    })
    this.#preferred = preferredAddress(this.#candidates)?.address
  }

  includesAt(packet: Uint8Array, at: number): boolean {
    for (const { bytes } of this.#candidates) if (sameAddress(packet, at, bytes)) return true
    return false
  }
}
