// The site's CA certificates as EST gives them out (RFC 7030 §4.1.3; draft-ietf-anima-constrained-voucher §6.7.5, §6.8).
import type { SiteCa } from '#main/services/ra/index.ts'

/** The authority that issues now. Throws `ra.no-authority`. */
export function issuerOf(ca: SiteCa): Uint8Array {
  return ca.active.certificate.bytes
}

/**
 * In the order of the hierarchy, the issuer of the client's certificate first; after a roll-over the two certificates that link the keys follow
 * (RFC 4210 §4.4): the old one itself is with those who need it.
 */
export function anchorsOf(ca: SiteCa): readonly Uint8Array[] {
  const { certificate, chain, record } = ca.active
  const links = record.links === undefined ? [] : [record.links.newWithOld, record.links.oldWithNew]
  return [certificate.bytes, ...chain.map(({ bytes }) => bytes), ...links]
}
