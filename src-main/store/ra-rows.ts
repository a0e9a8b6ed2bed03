// Rows of the registration authority's tables and the records they stand for.
import type {
  AuthorityRecord,
  CertificateRecord,
  CertificateState,
  CredentialKind,
  CrlReasonName,
  HistoryEntry,
  PreRegistration,
  Requester,
  SigningAlgorithm,
  TransactionKind,
  TransactionRecord,
  TransactionState,
} from '#main/services/ra/index.ts'
import { AppError, fromHex, toHex } from '#main/base/index.ts'
import { canonicalJson, fromJson, knownWord } from './json.ts'

export interface AuthorityRow {
  readonly id: string
  readonly generation: number
  readonly state: string
  readonly kind: string
  readonly subject: Uint8Array
  readonly algorithm: string
  readonly sealed_key: Uint8Array
  readonly certificate: Uint8Array | null
  readonly chain: string
  readonly request: Uint8Array | null
  readonly signer_certificate: Uint8Array | null
  readonly signer_key: Uint8Array | null
  readonly new_with_old: Uint8Array | null
  readonly old_with_new: Uint8Array | null
  readonly created_at: number
}

export interface CertificateRow {
  readonly serial: string
  readonly authority_id: string
  readonly der: Uint8Array
  readonly subject: string
  readonly profile: string
  readonly state: string
  readonly requester: string
  readonly holder: string | null
  readonly reference: string | null
  readonly device_id: string | null
  readonly transaction_id: string
  readonly not_before: number
  readonly not_after: number
  readonly issued_at: number
  readonly revoked_at: number | null
  readonly reason: string | null
  readonly replaced_by: string | null
  readonly replaces: string | null
}

export interface TransactionRow {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly requester: string
  readonly protection: string | null
  readonly reference: string | null
  readonly device_id: string | null
  readonly profile: string
  readonly request_hash: string
  readonly request: Uint8Array | null
  readonly response: Uint8Array | null
  readonly nonce: string
  readonly first_nonce: string
  readonly serial: string | null
  readonly cert_req_id: number
  readonly implicit: number
  readonly subject: string
  readonly key_type: string
  readonly remark: string
  readonly opened_at: number
  readonly deadline_at: number
}

export interface PreRegistrationRow {
  readonly reference: string
  readonly sealed_secret: Uint8Array | null
  readonly identities: string
  readonly names: string
  readonly profile: string | null
  readonly device_id: string | null
  readonly created_at: number
  readonly expires_at: number | null
  readonly used_at: number | null
}

export interface HistoryRow {
  readonly serial: string
  readonly at: number
  readonly event: string
  readonly actor: string
  readonly remark: string
}

const AUTHORITY_STATES: Readonly<Record<AuthorityRecord['state'], true>> = {
  'awaiting-certificate': true,
  active: true,
  retired: true,
  lost: true,
}
const AUTHORITY_KINDS: Readonly<Record<AuthorityRecord['kind'], true>> = { root: true, subordinate: true }
const ALGORITHMS: Readonly<Record<SigningAlgorithm, true>> = { 'P-256': true, 'P-384': true, Ed25519: true }
const CERTIFICATE_STATES: Readonly<Record<CertificateState, true>> = { unconfirmed: true, valid: true, revoked: true }
const KINDS: Readonly<Record<TransactionKind, true>> = { ir: true, cr: true, p10cr: true, kur: true, rr: true }
const STATES: Readonly<Record<TransactionState, true>> = {
  waiting: true,
  denied: true,
  issued: true,
  confirmed: true,
  lapsed: true,
  done: true,
}
const CREDENTIALS: Readonly<Record<CredentialKind, true>> = { secret: true, idevid: true, own: true, ra: true }
const REASONS: Readonly<Record<CrlReasonName, true>> = {
  unspecified: true,
  keyCompromise: true,
  cACompromise: true,
  affiliationChanged: true,
  superseded: true,
  cessationOfOperation: true,
  certificateHold: true,
  removeFromCRL: true,
  privilegeWithdrawn: true,
  aACompromise: true,
}
const EVENTS: Readonly<Record<HistoryEntry['event'], true>> = {
  approved: true,
  issued: true,
  confirmed: true,
  lapsed: true,
  revoked: true,
  replaced: true,
  'refused-by-device': true,
}

/** A plain view of what SQLite gives as a Buffer. */
function bytes(blob: Uint8Array): Uint8Array {
  return new Uint8Array(blob.buffer, blob.byteOffset, blob.byteLength)
}

function maybe<Value, Result>(value: Value | null, read: (value: Value) => Result): Result | undefined {
  return value === null ? undefined : read(value)
}

export function authorityToRow(record: AuthorityRecord): AuthorityRow {
  return {
    id: record.id,
    generation: record.generation,
    state: record.state,
    kind: record.kind,
    subject: record.subject,
    algorithm: record.algorithm,
    sealed_key: record.sealedKey,
    certificate: record.certificate ?? null,
    chain: canonicalJson(record.chain.map(toHex)),
    request: record.request ?? null,
    signer_certificate: record.signer?.certificate ?? null,
    signer_key: record.signer?.sealedKey ?? null,
    new_with_old: record.links?.newWithOld ?? null,
    old_with_new: record.links?.oldWithNew ?? null,
    created_at: record.createdAt,
  }
}

export function authorityFromRow(row: AuthorityRow): AuthorityRecord {
  const { signer_certificate: certificate, signer_key: key, new_with_old: newWithOld, old_with_new: oldWithNew } = row
  return {
    id: row.id,
    generation: row.generation,
    state: knownWord(AUTHORITY_STATES, row.state),
    kind: knownWord(AUTHORITY_KINDS, row.kind),
    subject: bytes(row.subject),
    algorithm: knownWord(ALGORITHMS, row.algorithm),
    sealedKey: bytes(row.sealed_key),
    certificate: maybe(row.certificate, bytes),
    chain: fromJson(row.chain, isTexts).map(hexBytes),
    request: maybe(row.request, bytes),
    signer: certificate === null || key === null ? undefined : { certificate: bytes(certificate), sealedKey: bytes(key) },
    links: newWithOld === null || oldWithNew === null ? undefined : { newWithOld: bytes(newWithOld), oldWithNew: bytes(oldWithNew) },
    createdAt: row.created_at,
  }
}

export function certificateToRow(record: CertificateRecord): CertificateRow {
  return {
    serial: record.serial,
    authority_id: record.authorityId,
    der: record.der,
    subject: record.subject,
    profile: record.profile,
    state: record.state,
    requester: requesterText(record.requester),
    holder: record.holder ?? record.requester.key,
    reference: record.reference ?? null,
    device_id: record.deviceId ?? null,
    transaction_id: record.transactionId,
    not_before: record.notBefore,
    not_after: record.notAfter,
    issued_at: record.issuedAt,
    revoked_at: record.revokedAt ?? null,
    reason: record.reason ?? null,
    replaced_by: record.replacedBy ?? null,
    replaces: record.replaces ?? null,
  }
}

export function certificateFromRow(row: CertificateRow): CertificateRecord {
  return {
    serial: row.serial,
    authorityId: row.authority_id,
    der: bytes(row.der),
    subject: row.subject,
    profile: row.profile,
    state: knownWord(CERTIFICATE_STATES, row.state),
    requester: requesterOf(row.requester),
    holder: row.holder ?? undefined,
    reference: row.reference ?? undefined,
    deviceId: row.device_id ?? undefined,
    transactionId: row.transaction_id,
    notBefore: row.not_before,
    notAfter: row.not_after,
    issuedAt: row.issued_at,
    revokedAt: row.revoked_at ?? undefined,
    reason: maybe(row.reason, (reason) => knownWord(REASONS, reason)),
    replacedBy: row.replaced_by ?? undefined,
    replaces: row.replaces ?? undefined,
  }
}

export function transactionToRow(record: TransactionRecord): TransactionRow {
  return {
    id: record.id,
    kind: record.kind,
    state: record.state,
    requester: requesterText(record.requester),
    protection: record.protection ?? null,
    reference: record.reference ?? null,
    device_id: record.deviceId ?? null,
    profile: record.profile,
    request_hash: record.requestHash,
    request: record.request ?? null,
    response: record.response ?? null,
    nonce: record.nonce,
    first_nonce: record.firstNonce,
    serial: record.serial ?? null,
    cert_req_id: record.certReqId,
    implicit: record.implicit ? 1 : 0,
    subject: record.subject,
    key_type: record.keyType,
    remark: record.remark,
    opened_at: record.openedAt,
    deadline_at: record.deadlineAt,
  }
}

export function transactionFromRow(row: TransactionRow): TransactionRecord {
  return {
    id: row.id,
    kind: knownWord(KINDS, row.kind),
    state: knownWord(STATES, row.state),
    requester: requesterOf(row.requester),
    protection: row.protection ?? undefined,
    reference: row.reference ?? undefined,
    deviceId: row.device_id ?? undefined,
    profile: row.profile,
    requestHash: row.request_hash,
    request: maybe(row.request, bytes),
    response: maybe(row.response, bytes),
    nonce: row.nonce,
    firstNonce: row.first_nonce,
    serial: row.serial ?? undefined,
    certReqId: row.cert_req_id,
    implicit: row.implicit === 1,
    subject: row.subject,
    keyType: row.key_type,
    remark: row.remark,
    openedAt: row.opened_at,
    deadlineAt: row.deadline_at,
  }
}

export function preRegistrationToRow(record: PreRegistration): PreRegistrationRow {
  return {
    reference: record.reference,
    sealed_secret: record.sealedSecret ?? null,
    identities: canonicalJson(record.identities),
    names: canonicalJson(record.names),
    profile: record.profile ?? null,
    device_id: record.deviceId ?? null,
    created_at: record.createdAt,
    expires_at: record.expiresAt ?? null,
    used_at: record.usedAt ?? null,
  }
}

export function preRegistrationFromRow(row: PreRegistrationRow): PreRegistration {
  return {
    reference: row.reference,
    sealedSecret: maybe(row.sealed_secret, bytes),
    identities: fromJson(row.identities, isTexts),
    names: fromJson(row.names, isTexts),
    profile: row.profile ?? undefined,
    deviceId: row.device_id ?? undefined,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    usedAt: row.used_at ?? undefined,
  }
}

export function historyFromRow(row: HistoryRow): HistoryEntry {
  return { serial: row.serial, at: row.at, event: knownWord(EVENTS, row.event), actor: row.actor, remark: row.remark }
}

/** Canonical as it stands: written several times in each enrolment. */
function requesterText({ identities, key, kind, maker, name }: Requester): string {
  return JSON.stringify({ identities, key, kind, maker, name })
}

function requesterOf(text: string): Requester {
  return fromJson(text, isRequester)
}

function isRequester(value: unknown): value is Requester {
  if (typeof value !== 'object' || value === null) return false
  const { kind, name, key, identities, maker } = value as Record<string, unknown>
  return (
    typeof kind === 'string' &&
    Object.hasOwn(CREDENTIALS, kind) &&
    typeof name === 'string' &&
    typeof key === 'string' &&
    (maker === undefined || typeof maker === 'string') &&
    isTexts(identities)
  )
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

function hexBytes(text: string): Uint8Array {
  const read = fromHex(text)
  if (read === undefined) throw new AppError('store.corrupt', 'A column of the site file is not hexadecimal')
  return read
}
