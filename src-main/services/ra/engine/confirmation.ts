// What follows a request: confirmation of a certificate, polling for a delayed one, and the end of those that nobody confirms (RFC 9810 §5.3.18, §5.3.22).
import { equalBytes, hash, toHex, type HashName } from '#main/base/index.ts'
import type { CertStatus, PkiBody } from '../cmp/body.ts'
import type { PkiHeader } from '../cmp/header.ts'
import type { PkiMessage } from '../cmp/message.ts'
import { protectionKindOf } from '../cmp/protection.ts'
import { PkiStatus, Refusal, statusOf } from '../cmp/status.ts'
import type { CertificateRecord, TransactionRecord } from '../types.ts'
import { certificateHashOf, hashOf, signatureAlgorithmOf } from '../x509/algorithms.ts'
import { Certificate } from '../x509/certificate.ts'
import { audit, type RaContext } from './context.ts'
import type { Credential } from './credentials.ts'
import { deliver, REPLY_TYPES, retireReplaced, transactionId } from './enrolment.ts'
import { CMP_2021, requestHash } from './replies.ts'

type CertConf = Extract<PkiBody, { type: 'certConf' }>
type PollReq = Extract<PkiBody, { type: 'pollReq' }>

export async function confirm(context: RaContext, message: PkiMessage, body: CertConf, credential: Credential): Promise<Uint8Array> {
  const { record, again } = continued(context, message, credential)
  if (again !== undefined) return again
  if (record.state === 'confirmed') throw new Refusal('certConfirmed', 'The certificate is confirmed already')
  if (record.state !== 'issued' || record.serial === undefined || record.response === undefined) {
    throw new Refusal('badRequest', 'The transaction has nothing to confirm')
  }
  checkNonces(message.header, record)
  const certificate = context.store.certificate(record.serial)
  if (certificate === undefined) throw new Refusal('systemFailure', 'The certificate is gone')
  const accepted = readVerdict(body, record, certificate, message.header, ownHashOf(context, certificate))
  return await close(context, message, record, certificate, credential, accepted)
}

/** An error message in place of a confirmation rejects the certificate too (RFC 9483 §3.6.4). */
export async function rejectByError(context: RaContext, message: PkiMessage, credential: Credential): Promise<Uint8Array> {
  const { record, again } = continued(context, message, credential)
  if (again !== undefined) return again
  const certificate = record.serial === undefined ? undefined : context.store.certificate(record.serial)
  if (record.state !== 'issued' || certificate === undefined) {
    const { bytes } = await context.replies.build(message.header, { type: 'pkiconf' }, credential.protector)
    return bytes
  }
  checkNonces(message.header, record)
  return await close(context, message, record, certificate, credential, false)
}

async function close(
  context: RaContext,
  message: PkiMessage,
  record: TransactionRecord,
  certificate: CertificateRecord,
  credential: Credential,
  accepted: boolean,
): Promise<Uint8Array> {
  const { store, clock } = context
  const { bytes, nonce } = await context.replies.build(message.header, { type: 'pkiconf' }, credential.protector)
  const outcome = await context.commit(() => {
    // The timer, or the same message, may have been quicker.
    const current = store.transactionRecord(record.id)
    if (current?.state !== 'issued') return current?.requestHash === requestHash(message.bytes) ? current.response : undefined
    // Somebody may have revoked it, or another update of the same certificate has been confirmed.
    const now = store.certificate(certificate.serial)
    const replaced = now?.replaces === undefined ? undefined : store.certificate(now.replaces)
    if (now?.state !== 'unconfirmed' || replaced?.replacedBy !== undefined) {
      store.saveTransaction({ ...record, state: 'done', response: undefined, remark: 'revoked before it was confirmed' })
      if (now?.state === 'unconfirmed') context.ca.revoke(now.serial, 'superseded', record.requester.name, 'another update was confirmed')
      return 'revoked'
    }
    store.saveTransaction({
      ...record,
      state: accepted ? 'confirmed' : 'done',
      response: bytes,
      nonce,
      requestHash: requestHash(message.bytes),
    })
    if (accepted) store.saveCertificate({ ...now, state: 'valid' })
    const event = accepted ? 'confirmed' : 'refused-by-device'
    store.addHistory({ serial: certificate.serial, at: clock.now(), event, actor: record.requester.name, remark: '' })
    if (accepted) retireReplaced(context, certificate.serial)
    else context.ca.revoke(certificate.serial, 'cessationOfOperation', record.requester.name, 'refused by the device')
    return bytes
  })
  if (outcome === 'revoked') {
    context.changed()
    throw new Refusal('certRevoked', 'The certificate has been revoked before it was confirmed')
  }
  if (outcome === undefined) throw new Refusal('badRequest', 'The confirmation came too late')
  if (accepted) audit(context, 'ra.confirmed', record.requester.name, { serial: certificate.serial })
  context.changed()
  return outcome
}

function readVerdict(
  { statuses }: CertConf,
  record: TransactionRecord,
  certificate: CertificateRecord,
  header: PkiHeader,
  ownHash: HashName,
): boolean {
  const [status, ...more] = statuses
  // An empty confirmation rejects all certificates of the transaction (RFC 9810 §5.3.18).
  if (status === undefined) return false
  if (more.length > 0) throw new Refusal('badRequest', 'The confirmation is for more than one certificate')
  if (status.certReqId !== record.certReqId) throw new Refusal('badRequest', 'The confirmation is numbered otherwise than the request')
  const rejected = status.statusInfo?.status === PkiStatus.rejection
  if (!rejected && (status.statusInfo?.failBits ?? []).length > 0)
    throw new Refusal('badRequest', 'The confirmation accepts and fails at once')
  if (!equalBytes(status.certHash, hash(confirmationHash(status, ownHash, header), certificate.der))) {
    throw new Refusal('badCertId', 'The confirmation is for another certificate')
  }
  return !rejected
}

/** That of the signature: of the key of whoever issued it. */
function ownHashOf({ ca }: RaContext, { authorityId, der }: CertificateRecord): HashName {
  const issuer = ca.authorities.find(({ record }) => record.id === authorityId)
  const algorithm = issuer === undefined ? new Certificate(der).signatureAlgorithm : signatureAlgorithmOf(issuer.record.algorithm)
  return certificateHashOf(algorithm) ?? 'sha256'
}

function confirmationHash({ hashAlg }: CertStatus, ownHash: HashName, { pvno }: PkiHeader): HashName {
  if (hashAlg === undefined) return ownHash
  const name = hashOf(hashAlg)
  if (pvno !== CMP_2021) throw new Refusal('badRequest', 'A hash algorithm in a confirmation takes version 3')
  if (name === undefined || name === 'sha1') throw new Refusal('badAlg', 'The hash algorithm of the confirmation is not supported')
  return name
}

export async function poll(context: RaContext, message: PkiMessage, body: PollReq, credential: Credential): Promise<Uint8Array> {
  const { record, again } = continued(context, message, credential)
  if (again !== undefined) return again
  if (body.certReqIds.length !== 1 || body.certReqIds[0] !== record.certReqId || record.kind === 'rr') {
    throw new Refusal('badRequest', 'The poll asks for something else than was requested')
  }
  if (record.state === 'confirmed' || record.state === 'lapsed' || record.state === 'done')
    throw new Refusal('badRequest', 'Nothing waits for this poll')
  checkNonces(message.header, record)
  const { bytes, nonce, state } = await pollReply(context, message.header, record, credential)
  const serial = record.serial
  const outcome = await context.commit(() => {
    const current = context.store.transactionRecord(record.id)
    if (current?.state !== record.state) throw new Refusal('badRequest', 'The transaction has just changed: poll again')
    context.store.saveTransaction({
      ...record,
      state,
      nonce,
      response: bytes,
      requestHash: requestHash(message.bytes),
      request: state === 'waiting' ? record.request : undefined,
      deadlineAt: state === 'waiting' ? record.deadlineAt : context.clock.now() + context.settings.confirmWaitS * 1000,
    })
    const certificate = serial === undefined ? undefined : context.store.certificate(serial)
    if (certificate?.state === 'revoked' && state !== 'done') throw new Refusal('certRevoked', 'The certificate has just been revoked')
    if (state === 'confirmed' && certificate !== undefined) {
      context.store.saveCertificate({ ...certificate, state: 'valid' })
      retireReplaced(context, certificate.serial)
    }
    return bytes
  })
  if (state === 'issued') context.expire(context.clock.now() + context.settings.confirmWaitS * 1000)
  if (state !== 'waiting') context.changed()
  return outcome
}

interface PollOutcome {
  readonly bytes: Uint8Array
  readonly nonce: string
  readonly state: TransactionRecord['state']
}

async function pollReply(context: RaContext, header: PkiHeader, record: TransactionRecord, credential: Credential): Promise<PollOutcome> {
  const { settings, replies, store } = context
  const kind = record.kind === 'rr' ? 'ir' : record.kind
  if (record.state === 'waiting') {
    const body: PkiBody = { type: 'pollRep', replies: [{ certReqId: record.certReqId, checkAfterS: settings.checkAfterS, reason: [] }] }
    return { ...(await replies.build(header, body, credential.protector)), state: 'waiting' }
  }
  const recipNonce = settings.delayedNonce === 'request' ? fromHexText(record.firstNonce) : header.senderNonce
  const certificate = record.serial === undefined ? undefined : store.certificate(record.serial)
  if (record.state === 'denied' || certificate === undefined || certificate.state === 'revoked') {
    const text = record.remark === '' ? 'The request was denied' : record.remark
    const status = statusOf('rejection', text, 'notAuthorized')
    const body: PkiBody = { type: REPLY_TYPES[kind], caPubs: [], responses: [{ certReqId: record.certReqId, status }] }
    return { ...(await replies.build(header, body, credential.protector, { recipNonce })), state: 'done' }
  }
  const deadlineAt = context.clock.now() + settings.confirmWaitS * 1000
  const delivered = await deliver(context, header, credential, kind, {
    certReqId: record.certReqId,
    certificate: certificate.der,
    modified: false,
    implicit: record.implicit,
    deadlineAt,
    ...(recipNonce === undefined ? {} : { recipNonce }),
  })
  return { ...delivered, state: record.implicit ? 'confirmed' : 'issued' }
}

/** The transaction that the message goes on with, and its answer where it is a repetition. Throws `Refusal`. */
function continued(
  context: RaContext,
  message: PkiMessage,
  credential: Credential,
): { readonly record: TransactionRecord; readonly again: Uint8Array | undefined } {
  const record = context.store.transactionRecord(transactionId(message.header))
  if (record === undefined) throw new Refusal('badRequest', 'There is no such transaction')
  if (record.requester.key !== credential.requester.key) {
    throw new Refusal('notAuthorized', 'The message is not from whoever began the transaction')
  }
  if (record.protection !== undefined && record.protection !== protectionKindOf(message.header))
    throw new Refusal('badMessageCheck', 'The message is protected otherwise than the one that began the transaction')
  return { record, again: record.requestHash === requestHash(message.bytes) ? record.response : undefined }
}

function checkNonces({ senderNonce, recipNonce }: PkiHeader, record: TransactionRecord): void {
  if (recipNonce === undefined || toHex(recipNonce) !== record.nonce) {
    throw new Refusal('badRecipientNonce', 'The message does not bring back the nonce that it was sent')
  }
  if (senderNonce !== undefined && toHex(senderNonce) === record.firstNonce)
    throw new Refusal('badSenderNonce', 'The nonce has been used before')
}

/** Revokes what was not confirmed in time and closes what nobody has decided. */
export function lapseOverdue(context: RaContext): void {
  const { store, clock, ca } = context
  const now = clock.now()
  for (const record of store.openTransactions()) {
    if (record.deadlineAt > now) continue
    store.transaction(() => {
      const remark = record.state === 'waiting' ? 'nobody decided in time' : 'not confirmed in time'
      store.saveTransaction({ ...record, state: 'lapsed', request: undefined, response: undefined, remark })
      // The secret is good again: its device holds no certificate.
      const expected = record.reference === undefined ? undefined : store.preRegistration(record.reference)
      if (record.requester.kind === 'secret' && expected?.usedAt !== undefined)
        store.savePreRegistrations([{ ...expected, usedAt: undefined }])
      if (record.serial !== undefined) {
        store.addHistory({ serial: record.serial, at: now, event: 'lapsed', actor: 'groupwright', remark })
        const unconfirmed = store.certificate(record.serial)?.state === 'unconfirmed'
        if (unconfirmed) ca.revoke(record.serial, 'cessationOfOperation', 'groupwright', 'not confirmed in time')
      }
    })
    audit(context, 'ra.lapsed', record.requester.name, { transaction: record.id, serial: record.serial ?? null })
    context.changed()
  }
}

function fromHexText(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, index) => Number.parseInt(text.slice(index * 2, index * 2 + 2), 16))
}
