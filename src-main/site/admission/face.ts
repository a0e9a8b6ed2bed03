// Admission as the core sees it: each op of the contract is one method.
import type { Clock, Eui64, KeyedFeed, Logger, Random } from '#main/base/index.ts'
import type { JoinGate } from '#main/services/join/index.ts'
import type {
  AdmissionDecision,
  AdmissionRow,
  DenialRow,
  ListEntryRow,
  PledgeDetail,
  PledgeRow,
  VoucherImport,
  VoucherRow,
} from '#contract/model.ts'
import type { OpOutput, OpParsed } from '#contract/ops.ts'
import type { Limits } from './book.ts'
import type { DeviceList } from './device-link.ts'
import type { AdmissionAudit, AdmissionStore, LabelSecrets, LabelVault, ListedDevice, VoucherDesk } from './types.ts'

export interface AdmissionOptions {
  readonly store: AdmissionStore
  readonly devices: DeviceList
  /** Undefined where the keyring cannot be opened: secrets of labels are not kept then. */
  readonly vault: LabelVault | undefined
  readonly audit: AdmissionAudit
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits?: Limits
}

export interface Admission {
  readonly gate: JoinGate
  readonly feed: KeyedFeed<AdmissionRow>
  readonly pledgeFeed: KeyedFeed<PledgeRow>
  open(input: OpParsed<'admission.open'>, actor: string): OpOutput<'admission.open'>
  shut(actor: string): void
  setPolicy(input: OpParsed<'admission.setPolicy'>, actor: string): void
  /** Throws `join.pledge-unknown`. */
  pledge(key: string): PledgeDetail
  admit(input: OpParsed<'admission.admit'>, actor: string): AdmissionDecision[]
  deny(input: OpParsed<'admission.deny'>, actor: string): AdmissionDecision[]
  undeny(input: OpParsed<'admission.undeny'>, actor: string): AdmissionDecision[]
  denied(input: OpParsed<'admission.denied'>): { total: number; rows: DenialRow[] }
  forget(input: OpParsed<'admission.forget'>, actor: string): { count: number }
  /** Throws `join.pledge-unknown`, `device.not-found`, `join.identity-conflict`, `join.duplicate-device`. */
  assign(input: OpParsed<'admission.assign'>, actor: string): void
  scan(input: OpParsed<'admission.scan'>, actor: string): OpOutput<'admission.scan'>
  /** A person’s list names devices that were heard before: they are expected from now on, under the names of the list. */
  expect(devices: readonly ListedDevice[]): void
  list(input: OpParsed<'admission.list'>): { total: number; rows: ListEntryRow[] }
  unlist(input: OpParsed<'admission.unlist'>, actor: string): { count: number }
  /** Throws `join.registrar-absent`. */
  importVouchers(input: OpParsed<'admission.importVouchers'>, actor: string): Promise<VoucherImport[]>
  vouchers(input: OpParsed<'admission.vouchers'>): { total: number; rows: VoucherRow[] }
  removeVouchers(input: OpParsed<'admission.removeVouchers'>, actor: string): { count: number }
  /** The registrar has come, or is gone. */
  connectVouchers(desk: VoucherDesk | undefined): void
  /** Told the keys of pledges that a person has admitted or refused. */
  onDecision(listener: (keys: readonly string[]) => void): () => void
  /** What a scanned label says in secret of the device with one of these names. */
  secretsOf(names: { readonly serial?: string; readonly eui64?: Eui64 }): LabelSecrets | undefined
  close(): void
}
