// Enrolment: a request becomes a certificate, waits for somebody's decision, or is refused. One transaction, one certificate, whatever is repeated or killed.
import { equalBytes, toHex } from '#main/base/index.ts'
import type { CertResponse, EnrolReplyType, PkiBody } from '../cmp/body.ts'
import { certProfileOf, confirmWaitTime, hasImplicitConfirm, IMPLICIT_CONFIRM, type PkiHeader } from '../cmp/header.ts'
import type { PkiMessage } from '../cmp/message.ts'
import { protectionKindOf } from '../cmp/protection.ts'
import { Refusal, statusOf } from '../cmp/status.ts'
import { grantOf, type Grant } from '../ca/profiles.ts'
import type { CertificateProfile, CertificateRecord, TransactionRecord } from '../types.ts'
import { nameText, sameName } from '../x509/names.ts'
import { audit, profileOf, type RaContext } from './context.ts'
import type { Credential } from './credentials.ts'
import { plainIdentity } from './identities.ts'
import { decide, holderOf, requireRoom } from './policy.ts'
import { requestHash } from './replies.ts'
import { readEnrolment, type EnrolmentRequest } from './requests.ts'

type EnrolmentBody = Extract<PkiBody, { type: 'ir' | 'cr' | 'kur' | 'p10cr' }>

export interface EnrolmentCall {
  readonly message: PkiMessage
  readonly body: EnrolmentBody
  readonly credential: Credential
  readonly profilePath: string | undefined
}

/** Of a request that is kept until somebody decides; a chain of certificates fits. */
export const MAX_WAITING_BYTES = 32_768

export const REPLY_TYPES: Readonly<Record<EnrolmentRequest['kind'], EnrolReplyType>> = { ir: 'ip', cr: 'cp', kur: 'kup', p10cr: 'cp' }

/** The response. Throws `Refusal` for what is refused before anything is kept. */
export async function enrol(context: RaContext, call: EnrolmentCall): Promise<Uint8Array> {
  const { message, credential } = call
  const id = transactionId(message.header)
  const hash = requestHash(message.bytes)
  const repeated = repeatedResponse(context, id, hash, credential)
  if (repeated !== undefined) return repeated
  const planned = planEnrolment(context, call)
  if (planned.decision === 'wait') return await keepWaiting(context, call, planned, id, hash)
  return await issueAtOnce(context, call, planned, id, hash)
}

/**
 * The same message again while its transaction is open is answered as before: its answer was lost. Anything else under a known
 * identifier is refused (RFC 9483 §3.5).
 */
function repeatedResponse(context: RaContext, id: string, hash: string, credential: Credential): Uint8Array | undefined {
  const known = context.store.transactionRecord(id)
  if (known === undefined) {
    if (context.store.isTransactionSpent(id)) throw new Refusal('transactionIdInUse', 'The transaction identifier has been used')
    return undefined
  }
  // Without confirmation nothing tells that the answer has arrived: it is repeated for as long as a confirmation may take.
  const isOpen = known.state === 'waiting' || known.state === 'issued' || (known.implicit && known.deadlineAt > context.clock.now())
  const again = known.requestHash === hash && known.requester.key === credential.requester.key
  if (isOpen && again && known.response !== undefined) return known.response
  throw new Refusal('transactionIdInUse', 'The transaction identifier has been used')
}

export interface Planned {
  readonly request: EnrolmentRequest
  readonly profile: CertificateProfile
  readonly grant: Grant
  readonly decision: 'issue' | 'wait'
}

function planEnrolment(context: RaContext, { message, body, credential, profilePath }: EnrolmentCall): Planned {
  const { settings, ca, clock } = context
  const request = readEnrolment(body, {
    header: message.header,
    // In a message that is only wrapped it is the device that says so (RFC 9483 §5.2.3.2).
    mayVouch: credential.requester.kind === 'ra',
    issuer: ca.active.certificate.subject,
  })
  const ownProfile = settings.profiles.find(({ name }) => name === credential.record?.profile)?.name
  const profile = profileOf(settings, profilePath, certProfileOf(message.header) ?? (request.kind === 'kur' ? ownProfile : undefined))
  // Where its profile is gone, a certificate is renewed under the one for requests that name none.
  const { record } = credential
  const known = record === undefined || ownProfile !== undefined ? record : { ...record, profile: settings.profiles[0]?.name ?? '' }
  const decision = decide(settings.policy, known === record ? credential : { ...credential, record: known }, request, profile)
  const now = clock.now()
  if (request.kind === 'kur') checkUpdate(credential, request, profile, now)
  const deviceId = credential.preRegistration?.deviceId ?? credential.record?.deviceId
  const whose = { holder: holderOf(credential), deviceId, kind: credential.requester.kind }
  requireRoom({ policy: settings.policy, store: context.store, now }, whose, request.kind === 'kur' ? credential.record?.serial : undefined)
  const granted = grantOf(
    profile,
    request.wish,
    {
      requester: credential.requester,
      reference: credential.preRegistration?.reference,
      names: namesOf(credential),
      // A registration authority speaks for others: the names are its to check.
      vouched: credential.requester.kind === 'ra',
    },
    now,
    ca.active.certificate.notAfter,
    ownNames(credential),
  )
  return { request, profile, grant: { ...granted, modified: granted.modified || request.foreignIssuer }, decision }
}

/** What whoever decides ought to know. */
export const UNCERTAIN = 'several manufacturers are trusted, and the reservation does not say whose number it is'

export function remarkOn({ isUncertain }: Credential): string {
  return isUncertain === true ? UNCERTAIN : ''
}

export function namesOf({ preRegistration }: Credential): readonly string[] {
  return [...(preRegistration?.names ?? []), ...(preRegistration?.identities ?? []).map(plainIdentity)]
}

/** For its own name a device that has a certificate needs no further proof. */
export function ownNames({ certificate, requester }: Credential): Parameters<typeof grantOf>[5] {
  if (requester.kind !== 'own' || certificate === undefined) return undefined
  return { subject: certificate.subject, altNames: certificate.subjectAltNames }
}

export function checkUpdate(
  { certificate, record }: Credential,
  { oldCertId, wish }: EnrolmentRequest,
  profile: CertificateProfile,
  now: number,
): void {
  if (certificate === undefined || record === undefined)
    throw new Refusal('wrongIntegrity', 'A key update is protected with the certificate that is updated')
  const isNamed =
    oldCertId === undefined ||
    (equalBytes(oldCertId.serialNumber, certificate.serial) &&
      oldCertId.issuer.kind === 'directory' &&
      sameName(oldCertId.issuer.name, certificate.issuer))
  if (!isNamed) {
    throw new Refusal('badCertId', 'The message is not protected with the certificate that it updates')
  }
  if (record.replacedBy !== undefined) throw new Refusal('certRevoked', 'The certificate has been updated already')
  if (profile.newKeyOnUpdate && equalBytes(wish.spki, certificate.spki))
    throw new Refusal('badCertTemplate', 'A key update brings a new key')
  if (profile.renewBeforeS !== undefined && now < record.notAfter - profile.renewBeforeS * 1000) {
    throw new Refusal('badRequest', 'It is too early to update this certificate')
  }
}

async function keepWaiting(context: RaContext, call: EnrolmentCall, planned: Planned, id: string, hash: string): Promise<Uint8Array> {
  const { store, settings, clock, replies } = context
  const { request } = planned
  const { header } = call.message
  if (call.message.bytes.length > MAX_WAITING_BYTES) throw new Refusal('badRequest', 'The request is too large to wait for a decision')
  const waiting = store.openTransactions().filter(({ state }) => state === 'waiting')
  const own = waiting.filter(({ requester }) => requester.key === call.credential.requester.key)
  // A device that asks anew has forgotten its last request: the newest is the one that counts.
  if (own.length === 0 && waiting.length >= settings.maxWaiting) throw new Refusal('systemUnavail', 'Too many requests wait for approval')
  const body: PkiBody = {
    type: REPLY_TYPES[request.kind],
    caPubs: [],
    responses: [{ certReqId: request.certReqId, status: statusOf('waiting') }],
  }
  const { bytes, nonce } = await replies.build(header, body, call.credential.protector)
  const record: TransactionRecord = {
    ...draftOf(context, call, planned, id, hash),
    state: 'waiting',
    request: call.message.bytes,
    response: bytes,
    nonce,
    serial: undefined,
    implicit: asksImplicit(call.message.header, planned.profile),
    deadlineAt: clock.now() + settings.approvalWaitS * 1000,
  }
  const outcome = store.transaction(() => {
    const raced = repeatedResponse(context, id, hash, call.credential)
    if (raced !== undefined) return raced
    for (const older of own)
      store.saveTransaction({ ...older, state: 'denied', remark: 'superseded by a newer request', request: undefined })
    store.saveTransaction(record)
    return bytes
  })
  context.expire(record.deadlineAt)
  audit(context, 'ra.waiting', record.requester.name, { transaction: id, subject: record.subject, profile: record.profile })
  context.changed()
  return outcome
}

async function issueAtOnce(context: RaContext, call: EnrolmentCall, planned: Planned, id: string, hash: string): Promise<Uint8Array> {
  const { store, ca, settings, clock } = context
  const { header } = call.message
  const implicit = asksImplicit(header, planned.profile)
  const issued = ca.issue(planned.grant)
  const deadlineAt = clock.now() + settings.confirmWaitS * 1000
  const { bytes, nonce } = await deliver(context, header, call.credential, planned.request.kind, {
    certReqId: planned.request.certReqId,
    certificate: issued.der,
    modified: planned.grant.modified,
    implicit,
    deadlineAt,
  })
  const record: TransactionRecord = {
    ...draftOf(context, call, planned, id, hash),
    state: implicit ? 'confirmed' : 'issued',
    request: undefined,
    response: bytes,
    nonce,
    serial: issued.serial,
    implicit,
    deadlineAt,
  }
  const outcome = await context.commit(() => {
    const raced = repeatedResponse(context, id, hash, call.credential)
    if (raced !== undefined) return raced
    consumeSecret(context, call.credential)
    keepCertificate(context, record, planned, issued, implicit ? 'valid' : 'unconfirmed', call.credential.record?.serial)
    store.saveTransaction(record)
    if (implicit) retireReplaced(context, issued.serial)
    return bytes
  })
  if (!implicit) context.expire(deadlineAt)
  audit(context, 'ra.issued', record.requester.name, { serial: issued.serial, subject: record.subject, profile: record.profile, implicit })
  context.changed()
  return outcome
}

/** A one-time secret serves one enrolment; two at the same moment cannot both have it. */
function consumeSecret({ store, clock }: RaContext, { requester, preRegistration }: Credential): void {
  if (requester.kind !== 'secret' || preRegistration === undefined) return
  const current = store.preRegistration(preRegistration.reference)
  if (current === undefined || current.usedAt !== undefined) throw new Refusal('notAuthorized', 'The secret has served its enrolment')
  store.savePreRegistrations([{ ...current, usedAt: clock.now() }])
}

function draftOf(
  context: RaContext,
  { message, credential }: EnrolmentCall,
  { request, profile, grant }: Planned,
  id: string,
  hash: string,
): Pick<
  TransactionRecord,
  | 'id'
  | 'kind'
  | 'requester'
  | 'protection'
  | 'reference'
  | 'deviceId'
  | 'profile'
  | 'requestHash'
  | 'firstNonce'
  | 'certReqId'
  | 'subject'
  | 'keyType'
  | 'remark'
  | 'openedAt'
> {
  return {
    id,
    kind: request.kind,
    requester: credential.requester,
    protection: protectionKindOf(message.header),
    reference: credential.preRegistration?.reference ?? credential.record?.reference,
    deviceId: credential.preRegistration?.deviceId ?? credential.record?.deviceId,
    profile: profile.name,
    requestHash: hash,
    firstNonce: toHex(message.header.senderNonce ?? new Uint8Array(0)),
    certReqId: request.certReqId,
    subject: nameText(grant.subject),
    keyType: request.keyType,
    remark: remarkOn(credential),
    openedAt: context.clock.now(),
  }
}

function asksImplicit(header: PkiHeader, profile: CertificateProfile): boolean {
  return profile.implicitConfirm && hasImplicitConfirm(header)
}

export interface Delivery {
  readonly certReqId: number
  readonly certificate: Uint8Array
  readonly modified: boolean
  readonly implicit: boolean
  readonly deadlineAt: number
  readonly recipNonce?: Uint8Array
}

/** The response that carries a certificate (RFC 9483 §4.1.1): the chain above it in extraCerts, the root in caPubs of an ip. */
export async function deliver(
  context: RaContext,
  header: PkiHeader,
  { protector }: Pick<Credential, 'protector'>,
  kind: EnrolmentRequest['kind'],
  { certReqId, certificate, modified, implicit, deadlineAt, recipNonce }: Delivery,
): Promise<{ readonly bytes: Uint8Array; readonly nonce: string }> {
  const { active } = context.ca
  const response: CertResponse = { certReqId, status: statusOf(modified ? 'grantedWithMods' : 'accepted'), certificate }
  const type = REPLY_TYPES[kind]
  const root = active.record.kind === 'root' ? active.certificate : active.chain.at(-1)
  const caPubs = type === 'ip' && root !== undefined ? [root.bytes] : []
  return context.replies.build(header, { type, caPubs, responses: [response] }, protector, {
    generalInfo: [implicit ? IMPLICIT_CONFIRM : confirmWaitTime(deadlineAt)],
    certificates: active.signer.chain,
    ...(recipNonce === undefined ? {} : { recipNonce }),
  })
}

export function keepCertificate(
  { store, clock, settings }: RaContext,
  transaction: TransactionRecord,
  { profile, grant, request }: Planned,
  issued: { readonly der: Uint8Array; readonly serial: string; readonly authorityId: string },
  state: 'valid' | 'unconfirmed',
  ownSerial: string | undefined,
): void {
  const replaces = request.kind === 'kur' ? ownSerial : undefined
  const own = ownSerial === undefined ? undefined : store.certificate(ownSerial)
  if (own?.state === 'revoked' || (replaces !== undefined && own?.replacedBy !== undefined))
    throw new Refusal('certRevoked', 'The certificate of the request has been revoked or updated meanwhile')
  const holder = holderOf({ requester: transaction.requester, record: own })
  // Here, in the transaction that writes it: two requests at the same moment cannot both have the last place.
  const { deviceId, requester } = transaction
  requireRoom({ policy: settings.policy, store, now: clock.now() }, { holder, deviceId, kind: requester.kind }, replaces)
  const record: CertificateRecord = {
    serial: issued.serial,
    authorityId: issued.authorityId,
    der: issued.der,
    subject: nameText(grant.subject),
    profile: profile.name,
    state,
    requester: transaction.requester,
    holder,
    reference: transaction.reference,
    deviceId: transaction.deviceId,
    transactionId: transaction.id,
    notBefore: grant.notBefore,
    notAfter: grant.notAfter,
    issuedAt: clock.now(),
    revokedAt: undefined,
    reason: undefined,
    replacedBy: undefined,
    replaces,
  }
  store.saveCertificate(record)
  store.addHistory({ serial: issued.serial, at: clock.now(), event: 'issued', actor: transaction.requester.name, remark: transaction.kind })
}

/** A confirmed key update takes its predecessor's place. */
export function retireReplaced(context: RaContext, serial: string): void {
  const { store, clock, settings, ca } = context
  const record = store.certificate(serial)
  const old = record?.replaces === undefined ? undefined : store.certificate(record.replaces)
  if (record === undefined || old === undefined || old.replacedBy !== undefined) return
  store.transaction(() => {
    store.saveCertificate({ ...old, replacedBy: serial })
    store.addHistory({ serial: old.serial, at: clock.now(), event: 'replaced', actor: record.requester.name, remark: serial })
  })
  const profile = settings.profiles.find(({ name }) => name === record.profile)
  if (old.state === 'valid' && profile?.revokeReplaced === true) ca.revoke(old.serial, 'superseded', record.requester.name)
}

/** Issues for a request that somebody has approved; its device fetches the certificate by polling. */
export function issueApproved(context: RaContext, waiting: TransactionRecord, call: EnrolmentCall, approver: string): CertificateRecord {
  const { store, ca, settings, clock } = context
  // Whoever decides may admit what would not even wait; how many certificates one may have holds all the same.
  const { perDevice, perRequester } = settings.policy
  const limits = { ...(perDevice === undefined ? {} : { perDevice }), ...(perRequester === undefined ? {} : { perRequester }) }
  const planned = planEnrolment({ ...context, settings: { ...settings, policy: { mode: 'manual', ...limits } } }, call)
  const issued = ca.issue(planned.grant)
  store.transaction(() => {
    consumeSecret(context, call.credential)
    store.addHistory({ serial: issued.serial, at: clock.now(), event: 'approved', actor: approver, remark: '' })
    keepCertificate(context, waiting, planned, issued, 'unconfirmed', call.credential.record?.serial)
    store.saveTransaction({
      ...waiting,
      state: 'issued',
      serial: issued.serial,
      deadlineAt: clock.now() + settings.approvalWaitS * 1000,
    })
  })
  const record = store.certificate(issued.serial)
  if (record === undefined) throw new Refusal('systemFailure', 'The certificate was not kept')
  return record
}

export function transactionId(header: PkiHeader): string {
  if (header.transactionID === undefined) throw new Refusal('badDataFormat', 'The message has no transaction identifier')
  return toHex(header.transactionID)
}
