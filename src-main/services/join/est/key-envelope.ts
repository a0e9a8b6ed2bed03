// A private key that was made here, signed by its maker and wrapped for one device (RFC 7030 §4.4.2, RFC 5958 §4, RFC 5753 §3.1): SignedData within
// EnvelopedData by key agreement with a certificate of the device.
import { Certificate as PkijsCertificate, ContentInfo, EnvelopedData } from 'pkijs'
import { equalBytes, hash, signAs, type SigningKey } from '#main/base/index.ts'
import { asn1, encodeAlgorithm, hashAlgorithm, keyIdOf, KeyUsage, signatureAlgorithmOf, type Certificate } from '#main/services/ra/index.ts'
import type { RequestAttributes } from './request.ts'

/** id-ct-KP-aKeyPackage (RFC 5958 §2). */
const KEY_PACKAGE = '2.16.840.1.101.2.1.2.78.5'
const SIGNED_DATA = '1.2.840.113549.1.7.2'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const AES_128_CBC = '2.16.840.1.101.3.4.1.2'
const AES_256_CBC = '2.16.840.1.101.3.4.1.42'
const CURVES: readonly string[] = [asn1.Oid.prime256v1, asn1.Oid.secp384r1]

export interface KeySigner {
  readonly key: SigningKey
  readonly certificate: Certificate
}

export interface Wrapping {
  readonly recipient: Certificate
  /** Bits of the keys of content and wrapping. */
  readonly bits: 128 | 256
}

/** How the device wants its key wrapped, or why that cannot be done here; a key is then not given at all (RFC 7030 §4.4.1). */
export function wrappingFor(attributes: RequestAttributes, own: Certificate): Wrapping | string {
  const { capabilities, asymmetricKeyId } = attributes
  if (asymmetricKeyId === undefined) return 'Only keys of certificates are known here for wrapping'
  const isOwn = [own.subjectKeyId, keyIdOf(own.spki)].some((known) => known !== undefined && equalBytes(known, asymmetricKeyId))
  if (!isOwn) return 'The key that is to wrap the private key is not known here'
  if (!own.allows(KeyUsage.keyAgreement) || !hasCurve(own)) return 'The certificate is not one for key agreement'
  if (capabilities.includes(AES_128_CBC)) return { recipient: own, bits: 128 }
  if (capabilities.includes(AES_256_CBC)) return { recipient: own, bits: 256 }
  return 'None of the algorithms for wrapping is spoken here'
}

function hasCurve({ spki }: Certificate): boolean {
  const [algorithm] = asn1.elementsOf(asn1.readDer(spki))
  if (algorithm === undefined) return false
  const [type, curve] = asn1.elementsOf(algorithm)
  if (type === undefined || asn1.oidText(type) !== asn1.Oid.ecPublicKey || curve?.tag !== asn1.Tag.OID) return false
  return CURVES.includes(asn1.oidText(curve))
}

/** ContentInfo in DER: application/pkcs7-mime; smime-type=server-generated-key. */
export async function wrapKey(pkcs8: Uint8Array, { recipient, bits }: Wrapping, signer: KeySigner): Promise<Uint8Array> {
  const enveloped = new EnvelopedData()
  const certificate = PkijsCertificate.fromBER(recipient.bytes.slice().buffer)
  enveloped.addRecipientByCertificate(certificate, { kdfAlgorithm: 'SHA-256', kekEncryptionLength: bits }, 2)
  const algorithm = { name: 'AES-CBC', length: bits }
  await enveloped.encrypt(algorithm, signedPackage(pkcs8, signer).slice().buffer)
  enveloped.encryptedContentInfo.contentType = SIGNED_DATA
  const info = new ContentInfo({ contentType: ContentInfo.ENVELOPED_DATA, content: enveloped.toSchema() })
  return new Uint8Array(info.toSchema().toBER())
}

/** SignedData of an AsymmetricKeyPackage with one key (RFC 5958 §2). */
function signedPackage(pkcs8: Uint8Array, { key, certificate }: KeySigner): Uint8Array {
  const { sequence, setOf, oid, octetString, integer, explicit, implicit, rawInteger } = asn1
  const content = sequence(pkcs8)
  const digest = key.scheme.hash ?? 'sha512'
  const digestAlgorithm = encodeAlgorithm(hashAlgorithm(digest))
  const attributes = setOf(
    sequence(oid(CONTENT_TYPE), setOf(oid(KEY_PACKAGE))),
    sequence(oid(MESSAGE_DIGEST), setOf(octetString(hash(digest, content)))),
  )
  const signerInfo = sequence(
    integer(1),
    sequence(certificate.issuer, rawInteger(certificate.serial)),
    digestAlgorithm,
    implicit(0, attributes),
    encodeAlgorithm(signatureAlgorithmOf(key.algorithm)),
    octetString(signAs(key, attributes)),
  )
  return sequence(
    integer(3),
    setOf(digestAlgorithm),
    sequence(oid(KEY_PACKAGE), explicit(0, octetString(content))),
    implicit(0, setOf(certificate.bytes)),
    setOf(signerInfo),
  )
}
