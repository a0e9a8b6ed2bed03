// RevAnnContent (RFC 9810 §5.3.15): which certificate is or will be revoked, and since when it is bad.
import { DerFields, generalizedTime, integer, integerValue, sequence, Tag, timeValue, type Der } from '../der/index.ts'
import { readExtensions, type Extension } from '../x509/certificate.ts'
import { encodeExtensions } from '../x509/write.ts'
import { encodeCertId, readCertId, type CertId } from './crmf.ts'

export interface RevocationAnnouncement {
  readonly status: number
  readonly certId: CertId
  readonly willBeRevokedAt: number
  readonly badSinceDate: number
  readonly crlDetails: readonly Extension[]
}

export function readRevocationAnnouncement(element: Der): RevocationAnnouncement {
  const fields = new DerFields(element)
  const status = integerValue(fields.field(Tag.INTEGER))
  const certId = readCertId(fields.field(Tag.SEQUENCE))
  const willBeRevokedAt = timeValue(fields.field(Tag.GENERALIZED_TIME))
  const badSinceDate = timeValue(fields.field(Tag.GENERALIZED_TIME))
  const details = fields.optional(Tag.SEQUENCE)
  fields.end()
  return { status, certId, willBeRevokedAt, badSinceDate, crlDetails: details === undefined ? [] : readExtensions(details) }
}

export function encodeRevocationAnnouncement({
  status,
  certId,
  willBeRevokedAt,
  badSinceDate,
  crlDetails,
}: RevocationAnnouncement): Uint8Array {
  return sequence(
    integer(status),
    encodeCertId(certId),
    generalizedTime(willBeRevokedAt),
    generalizedTime(badSinceDate),
    encodeExtensions(crlDetails),
  )
}
