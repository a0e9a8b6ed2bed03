// Whose devices may ask: the manufacturers behind the anchors. Each numbers its devices as it likes, so a number says who a device is only together with its maker.
import { toHex } from '#main/base/index.ts'
import type { Certificate } from '../x509/certificate.ts'
import { nameKey } from '../x509/names.ts'

export class Makers {
  /** Whether a number alone does not say whose it is. */
  readonly areSeveral: boolean
  readonly #names = new Map<string, readonly string[]>()

  constructor(anchors: readonly Certificate[]) {
    const above = (anchor: Certificate): Certificate | undefined => anchors.find((other) => other !== anchor && anchor.isIssuedBy(other))
    // Roots of one name are one maker's: it has rolled its key over.
    const tops = anchors.filter((anchor) => anchor.isSelfIssued || above(anchor) === undefined)
    this.areSeveral = new Set(tops.map(({ subject }) => nameKey(subject))).size > 1
    for (const anchor of anchors) {
      const names = new Set<string>()
      for (let one: Certificate | undefined = anchor; one !== undefined && !names.has(nameOf(one)); one = above(one)) names.add(nameOf(one))
      this.#names.set(nameOf(anchor), [...names])
    }
  }

  /** SHA-256 of the anchor at which a device's path ends, and of those above it that are trusted too; hex. */
  namesOf(anchor: Certificate): readonly string[] {
    return this.#names.get(nameOf(anchor)) ?? []
  }
}

function nameOf(certificate: Certificate): string {
  return toHex(certificate.fingerprint())
}
