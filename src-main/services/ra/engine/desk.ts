// The authority's desk: what people see and decide. Pending requests, approval and rejection, pre-registrations, certificates and their histories.
import { AppError, sha256, toHex, utf8, type Clock } from '#main/base/index.ts'
import { readMessage } from '../cmp/message.ts'
import { Refusal } from '../cmp/status.ts'
import type { CertificateFilter, CertificateRecord, CrlReasonName, HistoryEntry, PreRegistration, TransactionRecord } from '../types.ts'
import type { RegistrationAuthority } from './authority.ts'
import { audit, type RaContext } from './context.ts'
import { secretPurpose } from './credentials.ts'
import { issueApproved, UNCERTAIN } from './enrolment.ts'
import { readCertificationRequest } from '../x509/requests.ts'
import { normaliseIdentity } from './identities.ts'

export interface PendingRequest {
  readonly id: string
  readonly kind: TransactionRecord['kind']
  readonly requester: TransactionRecord['requester']
  readonly subject: string
  readonly keyType: string
  /** SHA-256 of the public key, hex, as a label may show it. */
  readonly keyFingerprint: string
  readonly profile: string
  /** Whether the device list knows the device. */
  readonly listed: boolean
  /** Whether it may be another maker's device with the same number that is in the list. */
  readonly isUncertain: boolean
  readonly reference: string | undefined
  readonly deviceId: string | undefined
  readonly since: number
  readonly until: number
}

export interface PreRegistrationInput {
  readonly reference: string
  /** In clear; it is sealed at once. */
  readonly secret?: string
  readonly identities?: readonly string[]
  readonly names?: readonly string[]
  readonly profile?: string
  readonly deviceId?: string
  readonly expiresAt?: number
}

/** A pre-registration without what protects it. */
export type PreRegistrationInfo = Omit<PreRegistration, 'sealedSecret'> & { readonly hasSecret: boolean }

export interface DecisionOutcome {
  readonly id: string
  readonly ok: boolean
  readonly why: string
  readonly serial: string | undefined
}

const REFERENCE = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/
const MIN_SECRET_BYTES = 8
const MAX_NAMES = 32

export class RaDesk {
  readonly #authority: RegistrationAuthority

  constructor(authority: RegistrationAuthority) {
    this.#authority = authority
  }

  get #context(): RaContext {
    return this.#authority.context
  }

  /** Oldest first. */
  pending(): readonly PendingRequest[] {
    const { store } = this.#context
    return store
      .openTransactions()
      .filter(({ state }) => state === 'waiting')
      .map((record) => ({
        id: record.id,
        kind: record.kind,
        requester: record.requester,
        subject: record.subject,
        keyType: record.keyType,
        keyFingerprint: keyFingerprintOf(record.request),
        profile: record.profile,
        listed: record.reference !== undefined && store.preRegistration(record.reference) !== undefined,
        isUncertain: record.remark === UNCERTAIN,
        reference: record.reference,
        deviceId: record.deviceId,
        since: record.openedAt,
        until: record.deadlineAt,
      }))
  }

  /** Each by itself: one that cannot be approved any more does not hold the others back. */
  async approve(ids: readonly string[], actor: string): Promise<readonly DecisionOutcome[]> {
    const outcomes: DecisionOutcome[] = []
    for (const id of ids) outcomes.push(await this.#approveOne(id, actor))
    this.#context.changed()
    return outcomes
  }

  async #approveOne(id: string, actor: string): Promise<DecisionOutcome> {
    const context = this.#context
    const record = context.store.transactionRecord(id)
    if (record?.state !== 'waiting' || record.request === undefined)
      return { id, ok: false, why: 'it does not wait any more', serial: undefined }
    try {
      const message = readMessage(record.request)
      const { body } = message
      if (body.type !== 'ir' && body.type !== 'cr' && body.type !== 'kur' && body.type !== 'p10cr')
        throw new Refusal('badRequest', 'not an enrolment')
      // Only what a carrier has taken (carried.ts) is kept without protection of its own; who approves it admits its device.
      const { credentials } = this.#authority
      const credential = await (message.protection === undefined
        ? credentials.ofChain(message.extraCerts, true)
        : credentials.authenticate(message))
      // Somebody may have decided while the message was checked.
      if (context.store.transactionRecord(id)?.state !== 'waiting')
        return { id, ok: false, why: 'it does not wait any more', serial: undefined }
      const call = { message, body, credential, profilePath: record.profile }
      const { serial, subject } = issueApproved(context, record, call, actor)
      audit(context, 'ra.approved', actor, { transaction: id, serial, subject })
      return { id, ok: true, why: '', serial }
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown
      return { id, ok: false, why: thrown.message, serial: undefined }
    }
  }

  /** The device learns the reason when it polls next. */
  deny(ids: readonly string[], reason: string, actor: string): readonly DecisionOutcome[] {
    const { store, clock, settings } = this.#context
    const outcomes = ids.map((id): DecisionOutcome => {
      const record = store.transactionRecord(id)
      if (record?.state !== 'waiting') return { id, ok: false, why: 'it does not wait any more', serial: undefined }
      store.saveTransaction({
        ...record,
        state: 'denied',
        remark: reason,
        request: undefined,
        deadlineAt: clock.now() + settings.approvalWaitS * 1000,
      })
      audit(this.#context, 'ra.denied', actor, { transaction: id, subject: record.subject, reason })
      return { id, ok: true, why: '', serial: undefined }
    })
    this.#context.changed()
    return outcomes
  }

  certificates(filter: CertificateFilter): readonly CertificateRecord[] {
    return this.#context.store.certificates(filter)
  }

  /** Valid certificates that end within that time, soonest first. */
  expiring(withinS: number, limit = 1000): readonly CertificateRecord[] {
    const { store, clock } = this.#context
    const endsBefore = clock.now() + withinS * 1000
    return store
      .certificates({ state: 'valid', endsBefore, limit })
      .filter(({ replacedBy }) => replacedBy === undefined)
      .toSorted((a, b) => a.notAfter - b.notAfter)
  }

  history(serial: string): readonly HistoryEntry[] {
    return this.#context.store.history(serial)
  }

  /** By the operator. Throws `ra.not-found` or `ra.state-invalid`. */
  revoke(serial: string, reason: CrlReasonName, actor: string): CertificateRecord {
    const revoked = this.#context.ca.revoke(serial, reason, actor)
    this.#context.changed()
    return revoked
  }

  preRegistrations(): readonly PreRegistrationInfo[] {
    return this.#context.store.preRegistrations().map(({ sealedSecret, ...shown }) => ({ ...shown, hasSecret: sealedSecret !== undefined }))
  }

  /** All or none; one with a known reference takes its place. Throws `input.invalid` naming the reference. */
  async preRegister(inputs: readonly PreRegistrationInput[], actor: string): Promise<void> {
    const { store, vault, clock } = this.#context
    const records: PreRegistration[] = []
    for (const input of inputs) {
      checkInput(input, clock)
      const secret = input.secret
      records.push({
        reference: input.reference,
        sealedSecret: secret === undefined ? undefined : await vault.seal(secretPurpose(input.reference), utf8(secret)),
        identities: [...new Set((input.identities ?? []).map(normaliseIdentity).filter((text) => text !== ''))],
        names: [...new Set(input.names ?? [])],
        profile: input.profile,
        deviceId: input.deviceId,
        createdAt: clock.now(),
        expiresAt: input.expiresAt,
        usedAt: undefined,
      })
    }
    store.transaction(() => store.savePreRegistrations(records))
    audit(this.#context, 'ra.pre-registered', actor, { count: records.length })
    this.#context.changed()
  }

  removePreRegistration(reference: string, actor: string): void {
    this.#context.store.removePreRegistration(reference)
    audit(this.#context, 'ra.removed', actor, { reference })
    this.#context.changed()
  }
}

/** Of the request that waits; empty where it is not kept any more. */
function keyFingerprintOf(request: Uint8Array | undefined): string {
  if (request === undefined) return ''
  const { body } = readMessage(request)
  if (body.type === 'p10cr') return toHex(sha256(readCertificationRequest(body.request).spki))
  const spki = body.type === 'ir' || body.type === 'cr' || body.type === 'kur' ? body.requests[0]?.template.publicKey : undefined
  return spki === undefined ? '' : toHex(sha256(spki))
}

function checkInput({ reference, secret, identities = [], names = [], expiresAt }: PreRegistrationInput, clock: Clock): void {
  const problem = !REFERENCE.test(reference)
    ? 'the reference is not 1 to 128 printable characters'
    : secret !== undefined && utf8(secret).length < MIN_SECRET_BYTES
      ? `the secret is shorter than ${MIN_SECRET_BYTES} bytes`
      : identities.length > MAX_NAMES || names.length > MAX_NAMES
        ? 'it has too many names'
        : expiresAt !== undefined && expiresAt < clock.now()
          ? 'it has expired already'
          : undefined
  if (problem !== undefined)
    throw new AppError('input.invalid', `The pre-registration cannot be kept: ${problem}`, { details: { reference } })
}
