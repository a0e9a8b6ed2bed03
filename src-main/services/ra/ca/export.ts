// Certificates and CRLs as files that other programs read: PEM (RFC 7468) and certificates-only CMS (RFC 5652 §5, RFC 5751 §3.2.2).
import { ContentInfo, EncapsulatedContentInfo, SignedData, Certificate as PkijsCertificate } from 'pkijs'
import { AppError } from '#main/base/index.ts'

const LINE = 64

export function pemOf(label: 'CERTIFICATE' | 'X509 CRL' | 'CERTIFICATE REQUEST', der: Uint8Array): string {
  const lines = base64Of(der).match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** A list of many revoked certificates is longer than a call takes arguments. */
const CHUNK = 8192

export function base64Of(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += CHUNK) binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  return btoa(binary)
}

/** All objects of that label in a text, e.g. a chain; throws `input.invalid` where one cannot be read or there is none. */
export function readPem(label: 'CERTIFICATE' | 'X509 CRL' | 'CERTIFICATE REQUEST', text: string): readonly Uint8Array[] {
  const blocks = [...text.matchAll(new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`, 'g'))]
  const found = blocks.map(([, body = '']) => fromBase64(body.replace(/\s/g, '')))
  if (found.length === 0) throw new AppError('input.invalid', `The text holds no ${label}`)
  return found
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))
  } catch (cause) {
    throw new AppError('input.invalid', 'The text is not Base64', { cause })
  }
}

/** A `.p7c` file: SignedData without signers. */
export function certificatesOnly(certificates: readonly Uint8Array[]): Uint8Array {
  const signed = new SignedData({
    version: 1,
    encapContentInfo: new EncapsulatedContentInfo({ eContentType: ContentInfo.DATA }),
    certificates: certificates.map((der) => PkijsCertificate.fromBER(der.slice().buffer)),
  })
  const info = new ContentInfo({ contentType: ContentInfo.SIGNED_DATA, content: signed.toSchema(true) })
  return new Uint8Array(info.toSchema().toBER())
}
