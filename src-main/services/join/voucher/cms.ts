// CMS SignedData around voucher data in JSON (draft-ietf-anima-rfc8366bis §7.1, RFC 5652 §5): DER, one signer, and signed attributes, without
// which a signature could be carried over to other content.
import {
  equalBytes,
  hash,
  signAs,
  verifyAs,
  type HashName,
  type SignatureScheme,
  type SigningKey,
  type VerifyingKey,
} from '#main/base/index.ts'
import {
  asn1,
  Certificate,
  encodeAlgorithm,
  hashAlgorithm,
  hashOf,
  readAlgorithm,
  schemeOf,
  signatureAlgorithmOf,
} from '#main/services/ra/index.ts'
import { invalidVoucher, MAX_ARTIFACT_BYTES, readingVoucher } from './types.ts'

const SIGNED_DATA = '1.2.840.113549.1.7.2'
/** id-ct-animaJSONVoucher. */
const JSON_VOUCHER = '1.2.840.113549.1.9.16.1.40'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const MAX_CERTIFICATES = 16
const MAX_ATTRIBUTES = 32

const { context, DerFields, elementsOf, Oid, oidText, readDer, Tag } = asn1

export interface CmsArtifact {
  readonly payload: Uint8Array
  /** OID of the signature algorithm. */
  readonly algorithm: string
  readonly certificates: readonly Uint8Array[]
  readonly isSignedBy: (key: VerifyingKey) => boolean
}

/** Total; `voucher.invalid` for anything but a voucher in SignedData of one signer. */
export function decodeCms(bytes: Uint8Array): CmsArtifact {
  return readingVoucher(() => {
    if (bytes.length > MAX_ARTIFACT_BYTES) throw invalidVoucher('it is too large')
    const outer = new DerFields(readDer(bytes))
    if (oidText(outer.field(Tag.OID)) !== SIGNED_DATA) throw invalidVoucher('it is no SignedData')
    const content = outer.explicit(0)
    outer.end()
    if (content === undefined) throw invalidVoucher('it is empty')
    const fields = new DerFields(content)
    fields.field(Tag.INTEGER)
    fields.field(Tag.SET)
    const payload = payloadOf(fields.field(Tag.SEQUENCE))
    const wrapped = fields.optional(context(0))
    fields.optional(context(1))
    const [signer, another] = elementsOf(fields.field(Tag.SET), Tag.SET)
    fields.end()
    if (signer === undefined || another !== undefined) throw invalidVoucher('it does not have one signer')
    const certificates = wrapped === undefined ? [] : elementsOf(wrapped, context(0)).filter(({ tag }) => tag === Tag.SEQUENCE)
    if (certificates.length > MAX_CERTIFICATES) throw invalidVoucher('it has too many certificates')
    return { payload, certificates: certificates.map((one) => one.bytes), ...signerOf(signer, payload) }
  })
}

function payloadOf(element: asn1.Der): Uint8Array {
  const fields = new DerFields(element)
  if (oidText(fields.field(Tag.OID)) !== JSON_VOUCHER) throw invalidVoucher('what is signed is no voucher in JSON')
  const inner = fields.explicit(0)
  fields.end()
  if (inner === undefined) throw invalidVoucher('what is signed is not in it')
  return asn1.octets(inner)
}

function signerOf(element: asn1.Der, payload: Uint8Array): Pick<CmsArtifact, 'algorithm' | 'isSignedBy'> {
  const fields = new DerFields(element)
  fields.field(Tag.INTEGER)
  // Who signed is found by the signature itself: a name or key identifier proves nothing.
  fields.any()
  const digest = hashOf(readAlgorithm(fields.field(Tag.SEQUENCE)))
  const attributes = fields.optional(context(0))
  const algorithm = readAlgorithm(fields.field(Tag.SEQUENCE))
  const signature = asn1.octets(fields.field(Tag.OCTET_STRING))
  fields.optional(context(1))
  fields.end()
  if (attributes === undefined) throw invalidVoucher('its attributes are not signed')
  if (digest === undefined || digest === 'sha1') throw invalidVoucher('its hash is none that is accepted')
  const scheme = algorithm.algorithm === Oid.rsaEncryption ? { family: 'rsa' as const, hash: digest } : schemeOf(algorithm)
  const isBound = attributesFit(attributes, payload, digest)
  const signed = asn1.retag(attributes, Tag.SET).bytes
  return {
    algorithm: algorithm.algorithm,
    isSignedBy: (key) => isBound && scheme !== undefined && fits(scheme, digest) && verifyAs(key, scheme, signed, signature),
  }
}

/** Both hashes are the same (RFC 5754 §3); Ed25519 brings its own. */
function fits(scheme: SignatureScheme, digest: HashName): boolean {
  return scheme.hash === undefined || scheme.hash === digest
}

/** Whether the signed attributes speak of this content (RFC 5652 §5.4, §11.1, §11.2), each once. */
function attributesFit(element: asn1.Der, payload: Uint8Array, digest: HashName): boolean {
  const attributes = elementsOf(element, context(0))
  if (attributes.length > MAX_ATTRIBUTES) throw invalidVoucher('it has too many attributes')
  const values = new Map<string, asn1.Der>()
  for (const attribute of attributes) {
    const fields = new DerFields(attribute)
    const type = oidText(fields.field(Tag.OID))
    const [value, another] = elementsOf(fields.field(Tag.SET), Tag.SET)
    fields.end()
    if (values.has(type)) throw invalidVoucher('an attribute is there twice')
    if (value !== undefined && another === undefined) values.set(type, value)
  }
  const type = values.get(CONTENT_TYPE)
  const value = values.get(MESSAGE_DIGEST)
  if (type === undefined || value === undefined) throw invalidVoucher('a signed attribute is missing')
  return oidText(type) === JSON_VOUCHER && equalBytes(asn1.octets(value), hash(digest, payload))
}

export interface CmsSigning {
  readonly key: SigningKey
  /** The signer's certificate first. */
  readonly certificates: readonly [Uint8Array, ...Uint8Array[]]
}

/** SignedData version 3, as content other than id-data asks for (RFC 5652 §5.1). */
export function encodeCms(payload: Uint8Array, { key, certificates }: CmsSigning): Uint8Array {
  const { sequence, setOf, oid, octetString, integer, explicit, implicit } = asn1
  const signer = new Certificate(certificates[0])
  const digest = key.scheme.hash ?? 'sha512'
  const digestAlgorithm = encodeAlgorithm(hashAlgorithm(digest))
  const attributes = setOf(
    sequence(oid(CONTENT_TYPE), setOf(oid(JSON_VOUCHER))),
    sequence(oid(MESSAGE_DIGEST), setOf(octetString(hash(digest, payload)))),
  )
  const signerInfo = sequence(
    integer(1),
    sequence(signer.issuer, asn1.rawInteger(signer.serial)),
    digestAlgorithm,
    implicit(0, attributes),
    encodeAlgorithm(signatureAlgorithmOf(key.algorithm)),
    octetString(signAs(key, attributes)),
  )
  const signedData = sequence(
    integer(3),
    setOf(digestAlgorithm),
    sequence(oid(JSON_VOUCHER), explicit(0, octetString(payload))),
    implicit(0, setOf(...certificates)),
    setOf(signerInfo),
  )
  return sequence(oid(SIGNED_DATA), explicit(0, signedData))
}
