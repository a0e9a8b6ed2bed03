// Requests of devices that come by another carrier than CMP, as EST does (RFC 7030, RFC 9148): PKCS #10 from somebody whom the carrier
// has authenticated. Profiles, policy, names, transactions, records, history and audit are those of CMP.
import { equalBytes, sha256, toAppError, toHex, utf8 } from '#main/base/index.ts'
import { grantOf } from '../ca/profiles.ts'
import { bareMessage } from '../cmp/protection.ts'
import { readMessage, assembleMessage } from '../cmp/message.ts'
import { Refusal, toRefusal, type FailInfo } from '../cmp/status.ts'
import type { CertificateProfile, CertificateRecord, TransactionRecord } from '../types.ts'
import { keyTypeOf } from '../x509/algorithms.ts'
import { nameText, NULL_DN } from '../x509/names.ts'
import { provesPossession, readCertificationRequest } from '../x509/requests.ts'
import type { RegistrationAuthority } from './authority.ts'
import { audit, profileOf, type RaContext } from './context.ts'
import type { Credential } from './credentials.ts'
import { checkUpdate, keepCertificate, MAX_WAITING_BYTES, namesOf, ownNames, remarkOn, retireReplaced, type Planned } from './enrolment.ts'
import { decide, type Decision } from './policy.ts'
import { CMP_2021, requestHash } from './replies.ts'
import type { EnrolmentRequest } from './requests.ts'

export interface CarriedRequest {
  /** In DER, the end entity first: what the device has proven itself with towards the carrier. */
  readonly chain: readonly Uint8Array[]
  /** PKCS #10 in DER. The same bytes again ask after the same request (RFC 9148 §4.7). */
  readonly request: Uint8Array
  /** By default the first one, or that of the certificate that is renewed. */
  readonly profile?: string
  /** Where it came from, for the audit. */
  readonly source: string
  /** Whether it wants a successor of the certificate that it has shown. */
  readonly renews: boolean
  /** Whether somebody has admitted the device: its maker need not be known, and where the policy is automatic nobody is asked again. */
  readonly admitted: boolean
}

export type { FailInfo }

export type CarriedOutcome =
  | { readonly kind: 'issued'; readonly serial: string; readonly certificate: Uint8Array }
  | { readonly kind: 'waiting'; readonly retryAfterS: number }
  | { readonly kind: 'refused'; readonly failInfo: FailInfo; readonly why: string }

const ID_BYTES = 16
const MAX_REASON = 300

/** Answers any bytes. Throws only for defects of this program and of its store. */
export async function enrolCarried(authority: RegistrationAuthority, carried: CarriedRequest): Promise<CarriedOutcome> {
  const { context } = authority
  let credential: Credential | undefined
  try {
    if (!context.ca.exists) throw new Refusal('systemUnavail', 'The authority is not set up yet')
    credential = await authority.credentials.ofChain(carried.chain, carried.admitted)
    return await enrol(context, carried, credential)
  } catch (thrown) {
    const refusal = toRefusal(thrown) ?? failureOf(context, thrown)
    const why = refusal.message.slice(0, MAX_REASON)
    const { failInfo } = refusal
    authority.refusals.tell(credential?.requester.name ?? carried.source, { failInfo, why, source: carried.source, body: 'pkcs10' })
    return { kind: 'refused', failInfo, why }
  }
}

async function enrol(context: RaContext, carried: CarriedRequest, credential: Credential): Promise<CarriedOutcome> {
  const id = toHex(sha256(utf8(`carried:${credential.requester.key}:`), carried.request).subarray(0, ID_BYTES))
  const hash = requestHash(carried.request)
  const known = repeatedOutcome(context, id, credential)
  if (known !== undefined) return known
  const planned = plan(context, carried, credential)
  const record: TransactionRecord = {
    id,
    kind: planned.request.kind,
    state: planned.decision === 'wait' ? 'waiting' : 'confirmed',
    requester: credential.requester,
    reference: credential.preRegistration?.reference ?? credential.record?.reference,
    deviceId: credential.preRegistration?.deviceId ?? credential.record?.deviceId,
    profile: planned.profile.name,
    requestHash: hash,
    request: undefined,
    response: undefined,
    nonce: '',
    firstNonce: '',
    serial: undefined,
    certReqId: planned.request.certReqId,
    // There is no message by which such a device could confirm.
    implicit: true,
    subject: nameText(planned.grant.subject),
    keyType: planned.request.keyType,
    remark: remarkOn(credential),
    openedAt: context.clock.now(),
    deadlineAt: context.clock.now() + context.settings.approvalWaitS * 1000,
  }
  return planned.decision === 'wait' ? keepWaiting(context, carried, record) : issue(context, credential, planned, record)
}

/** The same request again is answered as before: the answer was lost, or somebody has decided since. Throws `Refusal`. */
function repeatedOutcome(context: RaContext, id: string, credential: Credential): CarriedOutcome | undefined {
  const { store, settings, clock } = context
  const known = store.transactionRecord(id)
  if (known === undefined) {
    if (store.isTransactionSpent(id)) throw new Refusal('transactionIdInUse', 'This request has had its certificate: make a new one')
    return undefined
  }
  if (known.requester.key !== credential.requester.key) throw new Refusal('transactionIdInUse', 'The request is somebody else’s')
  if (known.state === 'waiting') return { kind: 'waiting', retryAfterS: settings.checkAfterS }
  if (known.serial === undefined) {
    if (known.state !== 'denied' || known.deadlineAt <= clock.now()) return undefined
    throw new Refusal('notAuthorized', known.remark === '' ? 'The request was denied' : known.remark)
  }
  const certificate = store.certificate(known.serial)
  if (certificate === undefined || certificate.state === 'revoked')
    throw new Refusal('certRevoked', 'The certificate of this request is revoked: make a new one')
  if (known.state === 'issued') fetched(context, known, certificate)
  return { kind: 'issued', serial: certificate.serial, certificate: certificate.der }
}

/** Somebody has approved, and the device has come for its certificate. */
function fetched(context: RaContext, record: TransactionRecord, certificate: CertificateRecord): void {
  const { store, clock } = context
  store.transaction(() => {
    store.saveTransaction({ ...record, state: 'confirmed', request: undefined })
    store.saveCertificate({ ...certificate, state: 'valid' })
    store.addHistory({ serial: certificate.serial, at: clock.now(), event: 'confirmed', actor: record.requester.name, remark: 'fetched' })
  })
  audit(context, 'ra.confirmed', record.requester.name, { serial: certificate.serial })
  context.changed()
}

function plan(context: RaContext, carried: CarriedRequest, credential: Credential): Planned {
  const { settings, clock, ca } = context
  const csr = readCertificationRequest(carried.request)
  if (!provesPossession(csr)) throw new Refusal('badPOP', 'The certification request is not signed by its key')
  const request: EnrolmentRequest = {
    kind: carried.renews ? 'kur' : 'p10cr',
    certReqId: -1,
    wish: { subject: csr.subject, spki: csr.spki, extensions: csr.extensions, notBefore: undefined, notAfter: undefined },
    oldCertId: undefined,
    keyType: keyTypeOf(csr.spki),
    foreignIssuer: false,
  }
  if (carried.renews && credential.requester.kind !== 'own')
    throw new Refusal('notAuthorized', 'Only a certificate of this site can be renewed')
  const profile = profileOf(settings, carried.profile, carried.renews ? credential.record?.profile : undefined)
  if (carried.renews) checkUpdate(credential, request, profile, clock.now())
  else if (profile.newKeyOnUpdate && credential.certificate !== undefined && equalBytes(csr.spki, credential.certificate.spki))
    throw new Refusal('badCertTemplate', 'The request is for the key that the device has shown: a certificate of the site takes a new one')
  const decision = decideCarried(context, carried, credential, request, profile)
  const { requester } = credential
  const device = { requester, reference: credential.preRegistration?.reference, names: namesOf(credential), vouched: false }
  const grant = grantOf(profile, request.wish, device, clock.now(), ca.active.certificate.notAfter, ownNames(credential))
  return { request, profile, grant, decision }
}

/** Who was admitted by a person or by the list need not be approved a second time, unless somebody looks at all requests. */
function decideCarried(
  { settings: { policy } }: RaContext,
  { admitted }: CarriedRequest,
  credential: Credential,
  request: EnrolmentRequest,
  profile: CertificateProfile,
): Decision {
  const relaxed = admitted && policy.unlistedMayWait === false ? { ...policy, unlistedMayWait: true } : policy
  const decision = decide(relaxed, credential, request, profile)
  return admitted && policy.mode === 'automatic' ? 'issue' : decision
}

/** Kept as a message without protection: who sent it is known by the chain that goes with it. */
function keepWaiting(context: RaContext, carried: CarriedRequest, draft: TransactionRecord): CarriedOutcome {
  const { store, settings } = context
  const nobody = { kind: 'directory', name: NULL_DN } as const
  const header = {
    pvno: CMP_2021,
    sender: nobody,
    recipient: nobody,
    messageTime: draft.openedAt,
    recipKID: undefined,
    transactionID: undefined,
    senderNonce: undefined,
    recipNonce: undefined,
    freeText: [],
    generalInfo: [],
  }
  const { headerBytes, bodyBytes } = readMessage(bareMessage(header, { type: 'p10cr', request: carried.request }))
  const request = assembleMessage({ headerBytes, bodyBytes, protection: undefined, extraCerts: carried.chain })
  if (request.length > MAX_WAITING_BYTES) throw new Refusal('badRequest', 'The request is too large to wait for a decision')
  const waiting = store.openTransactions().filter(({ state }) => state === 'waiting')
  const own = waiting.filter(({ requester }) => requester.key === draft.requester.key)
  if (own.length === 0 && waiting.length >= settings.maxWaiting) throw new Refusal('systemUnavail', 'Too many requests wait for approval')
  const record: TransactionRecord = { ...draft, request }
  store.transaction(() => {
    for (const older of own)
      store.saveTransaction({ ...older, state: 'denied', remark: 'superseded by a newer request', request: undefined })
    store.saveTransaction(record)
  })
  context.expire(record.deadlineAt)
  audit(context, 'ra.waiting', record.requester.name, { transaction: record.id, subject: record.subject, profile: record.profile })
  context.changed()
  return { kind: 'waiting', retryAfterS: settings.checkAfterS }
}

async function issue(context: RaContext, credential: Credential, planned: Planned, draft: TransactionRecord): Promise<CarriedOutcome> {
  const { store, ca } = context
  const issued = ca.issue(planned.grant)
  const record: TransactionRecord = { ...draft, serial: issued.serial }
  const outcome = await context.commit((): CarriedOutcome => {
    const raced = repeatedOutcome(context, record.id, credential)
    if (raced !== undefined) return raced
    if (planned.request.kind === 'kur') dropUnused(context, credential)
    keepCertificate(context, record, planned, issued, 'valid', credential.record?.serial)
    store.saveTransaction(record)
    return { kind: 'issued', serial: issued.serial, certificate: issued.der }
  })
  if (outcome.kind === 'issued' && outcome.serial === issued.serial) {
    const { subject, profile } = record
    audit(context, 'ra.issued', record.requester.name, { serial: issued.serial, subject, profile, implicit: true })
    context.changed()
  }
  return outcome
}

/** A successor that was never used was lost on its way: the newer one takes its place. */
function dropUnused({ store, ca }: RaContext, { record, requester }: Credential): void {
  if (record === undefined) return
  const successors = store
    .certificates({ state: 'valid', text: record.subject, limit: 50 })
    .filter(({ replaces }) => replaces === record.serial)
  for (const { serial } of successors) ca.revoke(serial, 'superseded', requester.name, 'never used')
}

/**
 * The device works with this certificate: it has shown it, or said so. Only now its predecessor is done with, for an answer of EST may
 * get lost.
 */
export function takeUpCarried({ context }: RegistrationAuthority, serial: string): void {
  const record = context.store.certificate(serial)
  if (record?.state !== 'valid' || record.replaces === undefined) return
  if (context.store.certificate(record.replaces)?.replacedBy !== undefined) return
  retireReplaced(context, serial)
  context.changed()
}

/** The device has said that it does not take the certificate. False where there is nothing to take back. */
export function rejectCarried({ context }: RegistrationAuthority, serial: string, remark: string): boolean {
  const { store, clock, ca } = context
  const record = store.certificate(serial)
  if (record?.state !== 'valid') return false
  const actor = record.requester.name
  store.transaction(() => {
    store.addHistory({ serial, at: clock.now(), event: 'refused-by-device', actor, remark })
    ca.revoke(serial, 'cessationOfOperation', actor, 'refused by the device')
  })
  context.changed()
  return true
}

function failureOf(context: RaContext, thrown: unknown): Refusal {
  const error = toAppError(thrown)
  context.logger.error({ err: error }, 'a carried request could not be handled')
  if (error.code === 'ra.vault-locked' || error.code === 'ra.no-authority')
    return new Refusal('systemUnavail', 'The authority is not available', error)
  return new Refusal('systemFailure', 'The request could not be handled', error)
}
