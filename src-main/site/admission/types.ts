// What admission keeps of pledges, labels and decisions, and the ports that the store, the keyring and the registrar implement.
import type { DeviceId, Eui64, JsonValue } from '#main/base/index.ts'
import type { JoinStepName } from '#main/services/join/index.ts'
import type { LabelFacts, VoucherImport, VoucherRow } from '#contract/model.ts'

/** A step as it was told. */
export interface StepRecord {
  readonly step: JoinStepName
  readonly outcome: 'done' | 'waiting' | 'failed'
  readonly startedAt: number
  /** Null while it waits. */
  readonly endedAt: number | null
  readonly code: string | null
  readonly detail: string | null
}

export interface AttemptRecord {
  readonly number: number
  readonly startedAt: number
  /** Null while it is under way. */
  readonly endedAt: number | null
  readonly steps: readonly StepRecord[]
}

/** Somebody, or the list, has let the pledge in. */
export interface Admittance {
  readonly kind: 'by-list' | 'by-person'
  readonly by: string
  readonly at: number
  readonly until: number
  /** Whether whoever decided knew that the manufacturer is not trusted. */
  readonly unknownMaker: boolean
}

export interface PledgeRecord {
  /** Hex SHA-256 of its IDevID certificate. */
  readonly key: string
  readonly serialNumber: string | null
  readonly eui64: Eui64 | null
  /** What it may be listed under: serial numbers by `nameKey`. */
  readonly serialKeys: readonly string[]
  readonly eui64s: readonly Eui64[]
  readonly manufacturer: string
  readonly makerKnown: boolean
  readonly proxy: string | null
  readonly deviceId: DeviceId | null
  readonly admittance: Admittance | null
  /** Newest first. */
  readonly attempts: readonly AttemptRecord[]
  readonly attemptCount: number
  readonly failuresInRow: number
  readonly certificateSerial: string | null
  /** When it joined last; null while it never has. */
  readonly enrolledAt: number | null
  readonly firstSeenAt: number
  readonly lastSeenAt: number
}

export interface DenialRecord {
  /** A pledge's key, or a name by `subjectKey`. */
  readonly subject: string
  readonly reason: string
  readonly by: string
  readonly at: number
}

/** A device of the device list as it was when it was only planned: what it says of itself later proves nothing. */
export interface ListedDevice {
  readonly deviceId: DeviceId
  readonly serial: string | null
  readonly eui64: Eui64 | null
}

/** A scanned label on the allow list. */
export interface EntryRecord {
  readonly id: string
  readonly facts: LabelFacts
  readonly deviceId: DeviceId | null
  /** The label's secrets as JSON, sealed; null where it had none or they could not be kept. */
  readonly sealed: Uint8Array | null
  readonly by: string
  readonly at: number
}

/** Port: admission at rest. Every write is durable when the call returns. */
export interface AdmissionStore {
  setting(name: 'policy' | 'window'): JsonValue | undefined
  saveSetting(name: 'policy' | 'window', value: JsonValue): void
  pledges(): readonly PledgeRecord[]
  savePledges(pledges: readonly PledgeRecord[]): void
  removePledges(keys: readonly string[]): void
  denials(): readonly DenialRecord[]
  saveDenials(denials: readonly DenialRecord[]): void
  removeDenials(subjects: readonly string[]): void
  listed(): readonly ListedDevice[]
  saveListed(devices: readonly ListedDevice[]): void
  removeListed(deviceIds: readonly DeviceId[]): void
  entries(): readonly EntryRecord[]
  saveEntries(entries: readonly EntryRecord[]): void
  removeEntries(ids: readonly string[]): void
  transaction<Result>(work: () => Result): Result
}

/** Port: seals secrets of labels; what is sealed for one purpose cannot be opened for another. Throws where it cannot. */
export interface LabelVault {
  seal(purpose: string, secret: Uint8Array): Uint8Array
  open(purpose: string, sealed: Uint8Array): Uint8Array
}

/** Port: the vouchers that the registrar has. It tells the audit itself what was imported and removed. */
export interface VoucherDesk {
  import(files: ReadonlyArray<{ readonly fileName: string; readonly bytes: Uint8Array }>, actor: string): Promise<readonly VoucherImport[]>
  list(): readonly VoucherRow[]
  /** How many it has removed. */
  remove(ids: readonly string[], actor: string): number
}

/** What a label gives away to whoever reads it: never in a log, a feed or a reply. */
export interface LabelSecrets {
  /** KNX IoT: the password of SPAKE2+. */
  readonly password?: string
  /** Thread: PSKd. */
  readonly joiningCredential?: string
  /** Matter. */
  readonly passcode?: string
}

export type AdmissionAudit = (actor: string, action: string, details: Readonly<Record<string, unknown>>) => void
