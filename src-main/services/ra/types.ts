// The shapes of the registration authority, and the ports for what it keeps at rest and whom it tells.
import type { JsonValue, SigningAlgorithm } from '#main/base/index.ts'
import type { CrlReasonName } from './x509/write.ts'

export type { CrlReasonName, SigningAlgorithm }

// ---- Profiles ----------------------------------------------------------------------------------------------------

export type KeyType = SigningAlgorithm | 'RSA'
export type KeyUsageName = 'digitalSignature' | 'keyEncipherment' | 'keyAgreement'

/** What certificates of one kind look like, and who may have one. */
export interface CertificateProfile {
  /** As in the path `/p/<name>` and in certProfile. */
  readonly name: string
  readonly keyTypes: readonly KeyType[]
  readonly lifetimeS: number
  readonly keyUsage: readonly KeyUsageName[]
  /** Purposes by OID; empty for none. */
  readonly extendedKeyUsage: readonly string[]
  /**
   * `requested`: as asked for, where every name belongs to the requester. `assigned`: by `assignedSubject`, whatever was asked for.
   */
  readonly subject: 'requested' | 'assigned'
  /** `CN={name}, O=Operator`; placeholders: `name`, `serial`, `eui64`, `reference`. */
  readonly assignedSubject: string
  /** Alternative names that are put in besides those asked for: `dns:{name}`, `uri:urn:dev:mac:{eui64}`. Left out where there is no value. */
  readonly assignedAltNames: readonly string[]
  readonly policies: readonly string[]
  /** A key update is taken up from so long before the end; undefined for any time. */
  readonly renewBeforeS?: number
  /** Whether a certificate may go unconfirmed where its requester asks for that. */
  readonly implicitConfirm: boolean
  /** Whether a key update must bring a new key. */
  readonly newKeyOnUpdate: boolean
  /** Whether the certificate that was updated is revoked once the new one is confirmed. */
  readonly revokeReplaced: boolean
}

// ---- Who asks ----------------------------------------------------------------------------------------------------

/**
 * By what a request was authenticated: a shared secret, a certificate of a manufacturer, one that this authority issued, or the
 * certificate of a trusted registration authority.
 */
export type CredentialKind = 'secret' | 'idevid' | 'own' | 'ra'

export interface Requester {
  readonly kind: CredentialKind
  /** What people read: the subject of the certificate, or the reference of the secret. */
  readonly name: string
  /** The same for the same credential: what a transaction is bound to. */
  readonly key: string
  /** Texts by which the credential names its device: serial number, EUI-64, common name, fingerprint; in lower case. */
  readonly identities: readonly string[]
  /** Of a certificate of a manufacturer: the subject of whose authority it is that is trusted. */
  readonly maker?: string | undefined
}

/** A device that is expected, imported with the device list or entered by hand. */
export interface PreRegistration {
  /** The reference value of its secret, and its name in lists. */
  readonly reference: string
  /** The one-time secret, sealed by the key vault; undefined where only certificates count. */
  readonly sealedSecret: Uint8Array | undefined
  /**
   * Serial number, EUI-64 or the SHA-256 of its manufacturer certificate, in lower case; any of them matches. Two makers may give the same
   * number: with the SHA-256 of the maker's authority before it (`scopedIdentity`) it is that maker's alone.
   */
  readonly identities: readonly string[]
  /** Names that its certificate may have besides the reference and the identities. */
  readonly names: readonly string[]
  /** Undefined: any. */
  readonly profile: string | undefined
  /** Row in the device list. */
  readonly deviceId: string | undefined
  readonly createdAt: number
  readonly expiresAt: number | undefined
  /** When its secret served an enrolment; it serves no other. */
  readonly usedAt: number | undefined
}

// ---- At rest -----------------------------------------------------------------------------------------------------

export interface AuthorityRecord {
  readonly id: string
  /** Order in which they were made; serial numbers are shared. */
  readonly generation: number
  /** `lost`: nobody can open its key any more. */
  readonly state: 'awaiting-certificate' | 'active' | 'retired' | 'lost'
  readonly kind: 'root' | 'subordinate'
  readonly subject: Uint8Array
  readonly algorithm: SigningAlgorithm
  readonly sealedKey: Uint8Array
  readonly certificate: Uint8Array | undefined
  /** Of a subordinate: the authorities above it, the root last. */
  readonly chain: readonly Uint8Array[]
  /** PKCS #10 while it waits for its certificate. */
  readonly request: Uint8Array | undefined
  /** The certificate and key with which CMP messages are signed (id-kp-cmcRA). */
  readonly signer: { readonly certificate: Uint8Array; readonly sealedKey: Uint8Array } | undefined
  /** After a roll-over of a root (RFC 9810 §4.4): the links between the keys. */
  readonly links: { readonly newWithOld: Uint8Array; readonly oldWithNew: Uint8Array } | undefined
  readonly createdAt: number
}

export type CertificateState = 'unconfirmed' | 'valid' | 'revoked'

export interface CertificateRecord {
  /** Hex of the serial number's content. */
  readonly serial: string
  readonly authorityId: string
  readonly der: Uint8Array
  readonly subject: string
  readonly profile: string
  readonly state: CertificateState
  readonly requester: Requester
  /** Key of the credential by which the first certificate of this line was had; renewals keep it. Absent: the requester's own. */
  readonly holder?: string | undefined
  readonly reference: string | undefined
  readonly deviceId: string | undefined
  readonly transactionId: string
  readonly notBefore: number
  readonly notAfter: number
  readonly issuedAt: number
  readonly revokedAt: number | undefined
  readonly reason: CrlReasonName | undefined
  /** Serial of the certificate that a key update put in its place. */
  readonly replacedBy: string | undefined
  /** Serial of the certificate that this one replaces. */
  readonly replaces: string | undefined
}

export type TransactionKind = 'ir' | 'cr' | 'p10cr' | 'kur' | 'rr'
/**
 * waiting for approval → approved or denied → issued → confirmed, or lapsed where nobody confirmed. `done`: nothing follows.
 */
export type TransactionState = 'waiting' | 'denied' | 'issued' | 'confirmed' | 'lapsed' | 'done'

export interface TransactionRecord {
  /** Hex. */
  readonly id: string
  readonly kind: TransactionKind
  readonly state: TransactionState
  readonly requester: Requester
  /** How its messages are protected: `signature`, `pbm` or `pbmac1`. Absent: nothing is known of it. */
  readonly protection?: string | undefined
  readonly reference: string | undefined
  readonly deviceId: string | undefined
  readonly profile: string
  /** SHA-256 of the last request, hex: the same request again is answered as before. */
  readonly requestHash: string
  /** The first request while somebody has to decide. */
  readonly request: Uint8Array | undefined
  /** The last response, while the transaction may go on. */
  readonly response: Uint8Array | undefined
  /** Our nonce that the next request must bring back, hex. */
  readonly nonce: string
  /** The requester's nonce of its first request, hex. */
  readonly firstNonce: string
  readonly serial: string | undefined
  readonly certReqId: number
  readonly implicit: boolean
  readonly subject: string
  readonly keyType: string
  /** Why it was denied, or what somebody ought to know. */
  readonly remark: string
  readonly openedAt: number
  /** When the certificate lapses if nobody confirms, or the request if nobody decides. */
  readonly deadlineAt: number
}

export interface CrlRecord {
  readonly authorityId: string
  readonly number: number
  readonly der: Uint8Array
  readonly thisUpdate: number
  readonly nextUpdate: number
}

export interface HistoryEntry {
  readonly serial: string
  readonly at: number
  readonly event: 'approved' | 'issued' | 'confirmed' | 'lapsed' | 'revoked' | 'replaced' | 'refused-by-device'
  readonly actor: string
  readonly remark: string
}

export interface CertificateFilter {
  readonly state?: CertificateState
  readonly deviceId?: string
  /** Valid ones that end before this time. */
  readonly endsBefore?: number
  readonly text?: string
  readonly offset?: number
  readonly limit: number
}

/** Port: what the authority keeps at rest. Writes are durable when they return, or when the transaction around them ends. */
export interface RaStore {
  /** All that `work` writes is durable when this returns, or nothing is when it throws. One inside another is taken back by itself. */
  transaction<Result>(work: () => Result): Result
  authorities(): readonly AuthorityRecord[]
  saveAuthority(record: AuthorityRecord): void
  certificate(serial: string): CertificateRecord | undefined
  saveCertificate(record: CertificateRecord): void
  /** Whether a certificate was issued in that transaction, remembered longer than the transaction itself. */
  isTransactionSpent(id: string): boolean
  /** Newest first. */
  certificates(filter: CertificateFilter): readonly CertificateRecord[]
  /** Those that were issued since then, whatever has become of them. */
  countIssued(holder: string, since: number): number
  /** Those that are neither over, revoked nor replaced, of one holder or one device; `except` does not count. */
  countLive(whose: { readonly holder: string } | { readonly deviceId: string }, now: number, except?: string): number
  /** Revoked ones of that authority whose end is not before `endsAfter`. */
  revoked(authorityId: string, endsAfter: number): readonly CertificateRecord[]
  transactionRecord(id: string): TransactionRecord | undefined
  saveTransaction(record: TransactionRecord): void
  /** `waiting` and `issued`, oldest first. */
  openTransactions(): readonly TransactionRecord[]
  /**
   * Of closed transactions: forgets the answers of those whose deadline is over, and altogether those that were opened before that
   * time and the oldest beyond `keep`.
   */
  pruneTransactions(now: number, openedBefore: number, keep: number): void
  preRegistration(reference: string): PreRegistration | undefined
  preRegistrations(): readonly PreRegistration[]
  /** Those with that identity. */
  preRegistrationsOf(identity: string): readonly PreRegistration[]
  savePreRegistrations(records: readonly PreRegistration[]): void
  removePreRegistration(reference: string): void
  crl(authorityId: string): CrlRecord | undefined
  saveCrl(record: CrlRecord): void
  addHistory(entry: HistoryEntry): void
  /** Oldest first. */
  history(serial: string): readonly HistoryEntry[]
}

/** Port: serial numbers, reserved in blocks before use and never given twice, whatever happens to this process. */
export interface SerialStore {
  /** The first of `count` numbers that are the caller's from now on; durable when it returns, also within a transaction that fails. */
  reserve(count: number): number
}

/** How well a key is protected at rest; shown with every key. */
export type KeyProtection = 'system' | 'passphrase' | 'unprotected' | 'memory'

/** Port: seals secrets so that only this site's host can open them. `purpose` is bound to what is sealed. */
export interface KeyVault {
  readonly protection: KeyProtection
  seal(purpose: string, secret: Uint8Array): Promise<Uint8Array>
  /** Fails with `crypto.authentication-failed` for what was changed, or `ra.vault-locked`. */
  open(purpose: string, sealed: Uint8Array): Promise<Uint8Array>
}

/** Port: who did what. Never secrets. */
export type AuditSink = (event: RaAuditEvent) => void

export interface RaAuditEvent {
  readonly action:
    | 'ra.authority-created'
    | 'ra.authority-activated'
    | 'ra.rolled-over'
    | 'ra.keys-abandoned'
    | 'ra.issued'
    | 'ra.confirmed'
    | 'ra.lapsed'
    | 'ra.revoked'
    | 'ra.waiting'
    | 'ra.approved'
    | 'ra.denied'
    | 'ra.refused'
    | 'ra.pre-registered'
    | 'ra.removed'
    | 'ra.crl-issued'
    | 'ra.forwarded'
  readonly actor: string
  readonly details: Readonly<Record<string, JsonValue>>
}
