// CertificateRequest (RFC 5246 §7.4.4): which certificates the server takes.
import { concatBytes } from '#main/base/index.ts'
import { numbers16, Reader, readNumbers16, uint, vector } from '../bytes.ts'

export interface CertificateRequest {
  readonly certificateTypes: readonly number[]
  readonly schemes: readonly number[]
  /** Distinguished names in DER; none means any. */
  readonly authorities: readonly Uint8Array[]
}

export function encodeCertificateRequest(request: CertificateRequest): Uint8Array {
  return concatBytes(
    vector(1, ...request.certificateTypes.map((type) => uint(1, type))),
    numbers16(request.schemes),
    vector(2, ...request.authorities.map((name) => vector(2, name))),
  )
}

export function decodeCertificateRequest(body: Uint8Array): CertificateRequest {
  const reader = new Reader(body)
  const certificateTypes = [...reader.vector(1, 1)]
  const schemes = readNumbers16(reader.vector(2, 2))
  const names = new Reader(reader.vector(2))
  reader.end()
  const authorities: Uint8Array[] = []
  while (names.left > 0) authorities.push(names.vector(2, 1))
  return { certificateTypes, schemes, authorities }
}
