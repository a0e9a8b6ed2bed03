// Reads certification requests (PKCS #10, RFC 2986 §4) and CRLs (RFC 5280 §5).
import { importVerifyingKey, verifyAs } from '#main/base/index.ts'
import {
  bitStringBytes,
  context,
  DerFields,
  elementsOf,
  integerBytes,
  integerValue,
  invalidDer,
  Oid,
  oidText,
  readDer,
  Tag,
  timeValue,
} from '../der/index.ts'
import { readAlgorithm, schemeOf, type AlgorithmIdentifier } from './algorithms.ts'
import { readExtensions, type Certificate, type Extension } from './certificate.ts'
import { readName, sameName } from './names.ts'

export interface CertificationRequest {
  readonly bytes: Uint8Array
  readonly info: Uint8Array
  readonly subject: Uint8Array
  readonly spki: Uint8Array
  readonly extensions: readonly Extension[]
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
}

/** Throws `der.invalid`. */
export function readCertificationRequest(bytes: Uint8Array): CertificationRequest {
  const outer = new DerFields(readDer(bytes))
  const info = outer.field(Tag.SEQUENCE)
  const signatureAlgorithm = readAlgorithm(outer.field(Tag.SEQUENCE))
  const signature = bitStringBytes(outer.field(Tag.BIT_STRING))
  outer.end()
  const fields = new DerFields(info)
  if (integerValue(fields.field(Tag.INTEGER)) !== 0) throw invalidDer('a request of an unknown version')
  const subject = fields.field(Tag.SEQUENCE).bytes
  readName(subject)
  const spki = fields.field(Tag.SEQUENCE).bytes
  const attributes = fields.optional(context(0))
  fields.end()
  let extensions: readonly Extension[] = []
  for (const attribute of attributes === undefined ? [] : elementsOf(attributes, context(0))) {
    const parts = new DerFields(attribute)
    const id = oidText(parts.field(Tag.OID))
    const [first] = elementsOf(parts.field(Tag.SET), Tag.SET)
    parts.end()
    if (id === Oid.extensionRequest && first !== undefined) extensions = readExtensions(first)
  }
  return { bytes, info: info.bytes, subject, spki, extensions, signatureAlgorithm, signature }
}

/** Whether the request is signed by the key that it is for. */
export function provesPossession(request: CertificationRequest): boolean {
  const scheme = schemeOf(request.signatureAlgorithm)
  return scheme !== undefined && verifyAs(importVerifyingKey(request.spki), scheme, request.info, request.signature)
}

export interface CertificateList {
  readonly bytes: Uint8Array
  readonly issuer: Uint8Array
  readonly thisUpdate: number
  readonly nextUpdate: number | undefined
  readonly number: number | undefined
  readonly revoked: ReadonlyArray<{ readonly serial: Uint8Array; readonly revokedAt: number; readonly reason: number }>
  readonly tbs: Uint8Array
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly signature: Uint8Array
}

const isTime = (tag: number | undefined): boolean => tag === Tag.UTC_TIME || tag === Tag.GENERALIZED_TIME

/** Throws `der.invalid`. */
export function readCrl(bytes: Uint8Array): CertificateList {
  const outer = new DerFields(readDer(bytes))
  const tbs = outer.field(Tag.SEQUENCE)
  const signatureAlgorithm = readAlgorithm(outer.field(Tag.SEQUENCE))
  const signature = bitStringBytes(outer.field(Tag.BIT_STRING))
  outer.end()
  const fields = new DerFields(tbs)
  fields.optional(Tag.INTEGER)
  readAlgorithm(fields.field(Tag.SEQUENCE))
  const issuer = fields.field(Tag.SEQUENCE).bytes
  readName(issuer)
  const thisUpdate = timeValue(fields.any())
  const nextUpdate = isTime(fields.nextTag) ? timeValue(fields.any()) : undefined
  const entries = fields.optional(Tag.SEQUENCE)
  const wrapped = fields.explicit(0)
  fields.end()
  const extensions = wrapped === undefined ? [] : readExtensions(wrapped)
  const numbered = extensions.find(({ id }) => id === Oid.crlNumber)
  const revoked = (entries === undefined ? [] : elementsOf(entries)).map((entry) => {
    const parts = new DerFields(entry)
    const serial = integerBytes(parts.field(Tag.INTEGER))
    const revokedAt = timeValue(parts.any())
    const details = parts.optional(Tag.SEQUENCE)
    parts.end()
    const reason = details === undefined ? undefined : readExtensions(details).find(({ id }) => id === Oid.crlReason)
    return { serial, revokedAt, reason: reason === undefined ? 0 : integerValue(readDer(reason.value), Tag.ENUMERATED) }
  })
  const number = numbered === undefined ? undefined : integerValue(readDer(numbered.value))
  return { bytes, issuer, thisUpdate, nextUpdate, number, revoked, tbs: tbs.bytes, signatureAlgorithm, signature }
}

export function isCrlOf(list: CertificateList, issuer: Certificate): boolean {
  const scheme = schemeOf(list.signatureAlgorithm)
  return scheme !== undefined && sameName(list.issuer, issuer.subject) && verifyAs(issuer.key, scheme, list.tbs, list.signature)
}
