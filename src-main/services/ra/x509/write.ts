// Certificates, CRLs and certification requests as this authority makes them (RFC 5280 §4, §5; RFC 2986).
import { hash, signAs, type SigningKey } from '#main/base/index.ts'
import {
  bitString,
  bitStringBytes,
  boolean,
  certificateTime,
  der,
  DerFields,
  explicit,
  contextPrimitive,
  implicit,
  integer,
  namedBitList,
  octetString,
  Oid,
  oid,
  rawInteger,
  readDer,
  sequence,
  setOf,
  Tag,
  unsignedInteger,
} from '../der/index.ts'
import { encodeAlgorithm, signatureAlgorithmOf } from './algorithms.ts'
import type { Extension } from './certificate.ts'
import { encodeGeneralName, type GeneralName } from './names.ts'

export interface CertificatePlan {
  /** Content of the serial number's INTEGER. */
  readonly serial: Uint8Array
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly notBefore: number
  readonly notAfter: number
  readonly spki: Uint8Array
  readonly extensions: readonly Extension[]
}

export function writeCertificate(plan: CertificatePlan, key: SigningKey): Uint8Array {
  const algorithm = encodeAlgorithm(signatureAlgorithmOf(key.algorithm))
  const tbs = sequence(
    explicit(0, integer(2)),
    rawInteger(plan.serial),
    algorithm,
    plan.issuer,
    sequence(certificateTime(plan.notBefore), certificateTime(plan.notAfter)),
    plan.subject,
    plan.spki,
    explicit(3, encodeExtensions(plan.extensions)),
  )
  return sequence(tbs, algorithm, bitString(signAs(key, tbs)))
}

export function encodeExtensions(extensions: readonly Extension[]): Uint8Array | undefined {
  if (extensions.length === 0) return undefined
  return sequence(
    ...extensions.map(({ id, critical, value }) => sequence(oid(id), critical ? boolean(true) : undefined, octetString(value))),
  )
}

/** The key's identifier: SHA-1 of the public key's bits (RFC 5280 §4.2.1.2, method 1). A name, not a protection. */
export function keyIdOf(spki: Uint8Array): Uint8Array {
  const fields = new DerFields(readDer(spki))
  fields.field(Tag.SEQUENCE)
  return hash('sha1', bitStringBytes(fields.field(Tag.BIT_STRING)))
}

export const extensionOf = {
  subjectKeyId: (spki: Uint8Array): Extension => plain(Oid.subjectKeyIdentifier, octetString(keyIdOf(spki))),
  authorityKeyId: (issuerKeyId: Uint8Array): Extension =>
    plain(Oid.authorityKeyIdentifier, sequence(der(contextPrimitive(0), issuerKeyId))),
  keyUsage: (bits: readonly number[]): Extension => critical(Oid.keyUsage, namedBitList(bits)),
  extendedKeyUsage: (purposes: readonly string[]): Extension => plain(Oid.extendedKeyUsage, sequence(...purposes.map(oid))),
  basicConstraints: (isAuthority: boolean, pathLength?: number): Extension =>
    critical(
      Oid.basicConstraints,
      sequence(isAuthority ? boolean(true) : undefined, pathLength === undefined ? undefined : integer(pathLength)),
    ),
  /** Critical where there is no other name (RFC 5280 §4.2.1.6). */
  subjectAltName: (names: readonly GeneralName[], isCritical = false): Extension => ({
    id: Oid.subjectAltName,
    critical: isCritical,
    value: sequence(...names.map(encodeGeneralName)),
  }),
  policies: (ids: readonly string[]): Extension => plain(Oid.certificatePolicies, sequence(...ids.map((id) => sequence(oid(id))))),
  crlDistribution: (uris: readonly string[]): Extension =>
    plain(
      Oid.crlDistributionPoints,
      sequence(
        ...uris.map((value) => {
          const fullName = implicit(0, sequence(encodeGeneralName({ kind: 'uri', value })))
          const distributionPoint = explicit(0, fullName)
          return sequence(distributionPoint)
        }),
      ),
    ),
}

function plain(id: string, value: Uint8Array): Extension {
  return { id, critical: false, value }
}

function critical(id: string, value: Uint8Array): Extension {
  return { id, critical: true, value }
}

/** CRLReason (RFC 5280 §5.3.1). */
export const CrlReason = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const
export type CrlReasonName = keyof typeof CrlReason

export interface RevokedEntry {
  readonly serial: Uint8Array
  readonly revokedAt: number
  readonly reason: CrlReasonName
}

export interface CrlPlan {
  readonly issuer: Uint8Array
  readonly issuerKeyId: Uint8Array
  readonly number: number
  readonly thisUpdate: number
  readonly nextUpdate: number
  readonly revoked: readonly RevokedEntry[]
}

export function writeCrl(plan: CrlPlan, key: SigningKey): Uint8Array {
  const algorithm = encodeAlgorithm(signatureAlgorithmOf(key.algorithm))
  const entries = plan.revoked.map(({ serial, revokedAt, reason }) =>
    sequence(
      rawInteger(serial),
      certificateTime(revokedAt),
      // A reason that says nothing is left out (RFC 5280 §5.3.1).
      reason === 'unspecified' ? undefined : encodeExtensions([plain(Oid.crlReason, integer(CrlReason[reason], Tag.ENUMERATED))]),
    ),
  )
  const tbs = sequence(
    integer(1),
    algorithm,
    plan.issuer,
    certificateTime(plan.thisUpdate),
    certificateTime(plan.nextUpdate),
    entries.length === 0 ? undefined : sequence(...entries),
    explicit(0, encodeExtensions([extensionOf.authorityKeyId(plan.issuerKeyId), plain(Oid.crlNumber, integer(plan.number))])),
  )
  return sequence(tbs, algorithm, bitString(signAs(key, tbs)))
}

export interface CertificationRequestPlan {
  readonly subject: Uint8Array
  readonly extensions: readonly Extension[]
}

/** PKCS #10 (RFC 2986 §4). */
export function writeCertificationRequest(plan: CertificationRequestPlan, key: SigningKey): Uint8Array {
  const wanted = encodeExtensions(plan.extensions)
  const attributes = wanted === undefined ? der(Tag.SET) : setOf(sequence(oid(Oid.extensionRequest), setOf(wanted)))
  const info = sequence(integer(0), plan.subject, key.spki, implicit(0, attributes))
  return sequence(info, encodeAlgorithm(signatureAlgorithmOf(key.algorithm)), bitString(signAs(key, info)))
}

/** A positive INTEGER's content from a number of bytes, the first of which is not 0. */
export function serialContent(bytes: Uint8Array): Uint8Array {
  return readDer(unsignedInteger(bytes)).content
}
