// Representations of EST-coaps: content formats (RFC 9148 §8.1), collections (RFC 8710) and certificates-only CMS as it is received (RFC 5652 §5.1).
import { AppError, decodeCbor, encodeCbor } from '#main/base/index.ts'
import { asn1, Certificate } from '#main/services/ra/index.ts'

export const EstFormat = {
  /** application/multipart-core */
  MULTIPART: 62,
  /** application/pkcs7-mime; smime-type=server-generated-key */
  SERVER_GENERATED_KEY: 280,
  /** application/pkcs7-mime; smime-type=certs-only */
  CERTS_ONLY: 281,
  /** application/pkcs8 */
  PKCS8: 284,
  /** application/csrattrs */
  CSR_ATTRIBUTES: 285,
  /** application/pkcs10 */
  PKCS10: 286,
  /** application/pkix-cert */
  PKIX_CERT: 287,
} as const

export interface Part {
  readonly contentFormat: number
  readonly bytes: Uint8Array
}

const MAX_PARTS = 32
const MAX_MULTIPART_BYTES = 128 * 1024
const SIGNED_DATA = '1.2.840.113549.1.7.2'

export function encodeMultipart(parts: readonly Part[]): Uint8Array {
  return encodeCbor(parts.flatMap(({ contentFormat, bytes }) => [contentFormat, bytes]))
}

/** Throws `cbor.invalid`. A part may be absent (null, RFC 8710 §2): it is left out. */
export function decodeMultipart(bytes: Uint8Array): readonly Part[] {
  const items = decodeCbor(bytes, { maxBytes: MAX_MULTIPART_BYTES, maxDepth: 2 })
  if (!isList(items) || items.length % 2 !== 0 || items.length > 2 * MAX_PARTS) throw notMultipart()
  const parts: Part[] = []
  for (let at = 0; at < items.length; at += 2) {
    const [contentFormat, content] = [items[at], items[at + 1]]
    if (typeof contentFormat !== 'number' || contentFormat < 0 || contentFormat > 0xffff) throw notMultipart()
    if (content === null) continue
    if (!(content instanceof Uint8Array)) throw notMultipart()
    parts.push({ contentFormat, bytes: content })
  }
  return parts
}

/** The certificates of a SignedData without signers; throws `der.invalid`. */
export function readCertificatesOnly(bytes: Uint8Array): readonly Certificate[] {
  const { DerFields, Tag, oidText, readDer, context, elementsOf, integerValue } = asn1
  const info = new DerFields(readDer(bytes))
  if (oidText(info.field(Tag.OID)) !== SIGNED_DATA) throw asn1.invalidDer('no SignedData')
  const content = info.explicit(0)
  info.end()
  if (content === undefined) throw asn1.invalidDer('SignedData without content')
  const fields = new DerFields(content)
  integerValue(fields.field(Tag.INTEGER))
  fields.field(Tag.SET)
  fields.field(Tag.SEQUENCE)
  const certificates = fields.optional(context(0))
  const found = certificates === undefined ? [] : elementsOf(certificates, context(0))
  if (found.length > MAX_PARTS) throw asn1.invalidDer('too many certificates')
  return found.map((element) => new Certificate(element.bytes))
}

/** The certificates of a representation of any of the formats in which they come; throws `der.invalid`, `cbor.invalid` or `input.invalid`. */
export function readCertificates(contentFormat: number | undefined, bytes: Uint8Array): readonly Certificate[] {
  if (contentFormat === EstFormat.CERTS_ONLY) return readCertificatesOnly(bytes)
  if (contentFormat === EstFormat.PKIX_CERT) return [new Certificate(bytes)]
  if (contentFormat === EstFormat.MULTIPART) {
    return decodeMultipart(bytes)
      .filter((part) => part.contentFormat === EstFormat.PKIX_CERT)
      .map((part) => new Certificate(part.bytes))
  }
  const details = { contentFormat: contentFormat ?? null }
  throw new AppError('input.invalid', 'Certificates in a format that is not understood', { details })
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function notMultipart(): AppError {
  return new AppError('cbor.invalid', 'This is no collection of representations')
}
