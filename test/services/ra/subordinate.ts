// A customer's authority certifies the key of a request.
import { readCertificationRequest } from '../../../src-main/services/ra/x509/requests.ts'
import { extensionOf, keyIdOf, writeCertificate } from '../../../src-main/services/ra/x509/write.ts'
import type { Site } from './harness.ts'

export function signSubordinate(customer: Site, request: Uint8Array, nowMs: number): Uint8Array {
  const { subject, spki, extensions } = readCertificationRequest(request)
  const { key, certificate } = customer.ca.active
  return writeCertificate(
    {
      serial: Uint8Array.of(77),
      issuer: certificate.subject,
      subject,
      notBefore: nowMs - 1000,
      notAfter: nowMs + 5 * 365 * 86_400_000,
      spki,
      extensions: [...extensions, extensionOf.authorityKeyId(keyIdOf(certificate.spki))],
    },
    key,
  )
}
