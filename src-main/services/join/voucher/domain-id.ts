// The name of an owner in audit logs (RFC 8995 §5.8.2), as registrar and maker both compute it from what is pinned.
import { sha256 } from '#main/base/index.ts'
import type { Certificate } from '#main/services/ra/index.ts'

/** The subject key identifier, or the SHA-256 of the public key where the certificate has none. */
export function domainIdOf(certificate: Certificate): Uint8Array {
  return certificate.subjectKeyId ?? sha256(certificate.spki)
}
