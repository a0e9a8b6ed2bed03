// Revocation requests (RFC 9810 §5.3.9, RFC 9483 §4.2): for one's own certificate, or by a registration authority on behalf.
import { equalBytes, toHex } from '#main/base/index.ts'
import { integerValue, Oid, readDer, Tag } from '../der/index.ts'
import type { PkiBody } from '../cmp/body.ts'
import type { CertTemplate } from '../cmp/crmf.ts'
import type { PkiMessage } from '../cmp/message.ts'
import { Refusal, statusOf } from '../cmp/status.ts'
import type { CertificateRecord, CrlReasonName, TransactionRecord } from '../types.ts'
import { Certificate, type Extension } from '../x509/certificate.ts'
import { sameName } from '../x509/names.ts'
import { CrlReason } from '../x509/write.ts'
import type { RaContext } from './context.ts'
import type { Credential } from './credentials.ts'
import { transactionId } from './enrolment.ts'
import { requestHash } from './replies.ts'

type RevocationBody = Extract<PkiBody, { type: 'rr' }>

export async function revokeByRequest(
  context: RaContext,
  message: PkiMessage,
  body: RevocationBody,
  credential: Credential,
): Promise<Uint8Array> {
  const { store, ca, replies, clock } = context
  const id = transactionId(message.header)
  const hash = requestHash(message.bytes)
  const known = store.transactionRecord(id)
  if (known !== undefined) {
    const again = known.requestHash === hash && known.requester.key === credential.requester.key
    if (again && known.response !== undefined) return known.response
    throw new Refusal('transactionIdInUse', 'The transaction identifier has been used')
  }
  const [detail, ...more] = body.details
  if (detail === undefined || more.length > 0) throw new Refusal('badRequest', 'A message revokes exactly one certificate')
  const { serialNumber, issuer } = detail.template
  if (serialNumber === undefined || issuer === undefined)
    throw new Refusal('badCertTemplate', 'A certificate is named by issuer and serial number')
  const reason = reasonOf(detail.extensions)
  const record = store.certificate(toHex(serialNumber))
  const certificate = record === undefined ? undefined : new Certificate(record.der)
  if (record === undefined || certificate === undefined || !sameName(certificate.issuer, issuer))
    throw new Refusal('badCertId', 'There is no such certificate')
  requireMatch(detail.template, certificate)
  requireRight(credential, record)
  if (record.state === 'revoked') throw new Refusal('certRevoked', 'The certificate is revoked already')
  const certId = { issuer: { kind: 'directory', name: issuer } as const, serialNumber }
  const { bytes, nonce } = await replies.build(
    message.header,
    { type: 'rp', statuses: [statusOf('accepted')], revCerts: [certId], crls: [] },
    credential.protector,
  )
  const transaction: TransactionRecord = {
    id,
    kind: 'rr',
    state: 'done',
    requester: credential.requester,
    reference: record.reference,
    deviceId: record.deviceId,
    profile: record.profile,
    requestHash: hash,
    request: undefined,
    response: bytes,
    nonce,
    firstNonce: toHex(message.header.senderNonce ?? new Uint8Array(0)),
    serial: record.serial,
    certReqId: 0,
    implicit: false,
    subject: record.subject,
    keyType: '',
    remark: reason,
    openedAt: clock.now(),
    deadlineAt: clock.now(),
  }
  store.transaction(() => {
    if (store.certificate(record.serial)?.state === 'revoked') throw new Refusal('certRevoked', 'The certificate is revoked already')
    store.saveTransaction(transaction)
    ca.revoke(record.serial, reason, credential.requester.name)
  })
  context.changed()
  return bytes
}

/** What else a template says of the certificate must be so (RFC 9483 §4.2). */
function requireMatch({ version, subject, publicKey, extensions = [] }: CertTemplate, certificate: Certificate): void {
  if (version !== undefined && version !== 2) throw new Refusal('badCertTemplate', 'Certificates are of version 3')
  const isOther =
    (subject !== undefined && !sameName(subject, certificate.subject)) ||
    (publicKey !== undefined && !equalBytes(publicKey, certificate.spki)) ||
    extensions.some(({ id, value }) => {
      const own = certificate.extension(id)
      return own === undefined || !equalBytes(own.value, value)
    })
  if (isOther) throw new Refusal('badCertId', 'The template describes another certificate')
}

function requireRight({ requester, record: own, preRegistration }: Credential, record: CertificateRecord): void {
  const allowed =
    requester.kind === 'ra' ||
    (requester.kind === 'own' && own?.serial === record.serial) ||
    (requester.kind === 'secret' && preRegistration !== undefined && record.reference === preRegistration.reference)
  if (!allowed) throw new Refusal('notAuthorized', 'Only a device’s own certificate can be revoked by request')
}

/** The one reasonCode (RFC 9483 §4.2); without one nothing is said. */
function reasonOf(extensions: readonly Extension[]): CrlReasonName {
  const found = extensions.find(({ id }) => id === Oid.crlReason)
  if (found === undefined) return 'unspecified'
  const code = integerValue(readDer(found.value), Tag.ENUMERATED)
  const name = (Object.keys(CrlReason) as CrlReasonName[]).find((known) => CrlReason[known] === code)
  if (name === undefined) throw new Refusal('badDataFormat', 'The reason for revocation is none')
  if (name === 'removeFromCRL') throw new Refusal('badRequest', 'A revocation is not taken back by request')
  return name
}
