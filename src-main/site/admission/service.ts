// Admission as the core sees it: the gate, the window, what people decide, labels, and the way to vouchers. Each op of the contract is one method.
import { AppError, KeyedFeed, toAppError, type Eui64, type Timer } from '#main/base/index.ts'
import type { JoinGate } from '#main/services/join/index.ts'
import type {
  AdmissionDecision,
  AdmissionPolicy,
  AdmissionRow,
  DenialRow,
  ListEntryRow,
  PledgeDetail,
  PledgeRow,
  VoucherImport,
  VoucherRow,
} from '#contract/model.ts'
import type { OpOutput, OpParsed } from '#contract/ops.ts'
import { admissionRowOf, readPolicy } from './admission-row.ts'
import { AllowList } from './allow-list.ts'
import { hasAll, short, told } from './audit-text.ts'
import { LIMITS } from './book.ts'
import { Decisions } from './decisions.ts'
import { DenyList } from './deny-list.ts'
import { DeviceLink } from './device-link.ts'
import type { Admission, AdmissionOptions } from './face.ts'
import { Pledges } from './pledges.ts'
import { scan } from './scan.ts'
import type { LabelSecrets, ListedDevice, PledgeRecord, VoucherDesk } from './types.ts'
import { AdmissionWindow } from './window.ts'

/** Automatic admissions of one burst are told to the audit together. */
const AUDIT_MS = 1000

export function createAdmission(options: AdmissionOptions): Admission {
  return new OpenAdmission(options)
}

class OpenAdmission implements Admission {
  readonly feed = new KeyedFeed<AdmissionRow>((row) => row.key)
  readonly #options: AdmissionOptions
  readonly #window: AdmissionWindow
  readonly #list: AllowList
  readonly #denials: DenyList
  readonly #link: DeviceLink
  readonly #pledges: Pledges
  readonly #decisions: Decisions
  readonly #listeners = new Set<(keys: readonly string[]) => void>()
  readonly #endRemovals: () => void
  #policy: AdmissionPolicy
  #vouchers: VoucherDesk | undefined
  #letIn: PledgeRecord[] = []
  #auditing: Timer | undefined
  #listVersion = 0
  #closed = false

  constructor(options: AdmissionOptions) {
    this.#options = options
    const { store, devices, vault, clock, random, logger } = options
    this.#policy = readPolicy(store.setting('policy'))
    this.#window = new AdmissionWindow(clock, store, () => this.#closeByItself())
    this.#denials = new DenyList(store)
    this.#link = new DeviceLink(devices, clock, random)
    this.#list = new AllowList({ store, devices, vault, logger, onChange: () => this.#listChanged() })
    this.#pledges = new Pledges({
      store,
      list: this.#list,
      link: this.#link,
      policyNow: () => ({ policy: this.#policy, isOpen: this.#window.isOpen }),
      denialOf: (subjects) => this.#denials.of(subjects),
      letIn: (pledge) => this.#noteLetIn(pledge),
      onShow: () => this.#show(),
      clock,
      logger,
      limits: options.limits ?? LIMITS,
    })
    this.#decisions = new Decisions({
      pledges: this.#pledges,
      denials: this.#denials,
      list: this.#list,
      link: this.#link,
      devices,
      audit: (actor, action, details) => this.#audit(actor, action, details),
      denialsChanged: () => {
        this.#listVersion += 1
      },
      decided: (keys) => this.#decided(keys),
      refresh: () => this.#refresh(),
      clock,
    })
    this.#endRemovals = devices.onRemoved((ids) => {
      for (const id of ids) this.#link.forget(id)
      this.#pledges.devicesRemoved(ids)
    })
    this.#show()
  }

  get gate(): JoinGate {
    return this.#pledges
  }

  get pledgeFeed(): KeyedFeed<PledgeRow> {
    return this.#pledges.feed
  }

  // ---- Window and policy -----------------------------------------------------------------------------------------

  open({ minutes = this.#policy.windowMinutes }: OpParsed<'admission.open'>, actor: string): OpOutput<'admission.open'> {
    const { closesAt } = this.#window.open(minutes)
    this.#audit(actor, 'admission.open', { minutes, closesAt })
    this.#refresh()
    return { closesAt }
  }

  shut(actor: string): void {
    if (this.#window.shut()) this.#audit(actor, 'admission.close', {})
    this.#refresh()
  }

  setPolicy(patch: OpParsed<'admission.setPolicy'>, actor: string): void {
    const { mode = this.#policy.mode, unlistedMayWait = this.#policy.unlistedMayWait, windowMinutes = this.#policy.windowMinutes } = patch
    const policy = { mode, unlistedMayWait, windowMinutes }
    this.#options.store.saveSetting('policy', policy)
    this.#policy = policy
    this.#audit(actor, 'admission.setPolicy', policy)
    this.#refresh()
  }

  // ---- Decisions -------------------------------------------------------------------------------------------------

  pledge(key: string): PledgeDetail {
    return this.#decisions.pledge(key)
  }

  admit(input: OpParsed<'admission.admit'>, actor: string): AdmissionDecision[] {
    return this.#decisions.admit(input, actor)
  }

  deny(input: OpParsed<'admission.deny'>, actor: string): AdmissionDecision[] {
    return this.#decisions.deny(input, actor)
  }

  undeny(input: OpParsed<'admission.undeny'>, actor: string): AdmissionDecision[] {
    return this.#decisions.undeny(input, actor)
  }

  denied(input: OpParsed<'admission.denied'>): { total: number; rows: DenialRow[] } {
    return this.#decisions.denied(input)
  }

  forget(input: OpParsed<'admission.forget'>, actor: string): { count: number } {
    return this.#decisions.forget(input, actor)
  }

  assign(input: OpParsed<'admission.assign'>, actor: string): void {
    this.#decisions.assign(input, actor)
  }

  // ---- Labels ----------------------------------------------------------------------------------------------------

  expect(devices: readonly ListedDevice[]): void {
    this.#list.expect(devices)
  }

  scan(input: OpParsed<'admission.scan'>, actor: string): OpOutput<'admission.scan'> {
    const { devices, clock, random } = this.#options
    const results = scan(
      {
        list: this.#list,
        devices,
        link: this.#link,
        pledges: this.#pledges,
        denialOf: (subjects) => this.#denials.of(subjects),
        clock,
        random,
      },
      input,
      actor,
    )
    const added = results.filter(({ entryId }) => entryId !== null)
    // Never the text: it holds secrets.
    if (added.length > 0)
      this.#audit(actor, 'admission.scan', {
        labels: short(added.map(({ label, outcome }) => `${label?.serial ?? label?.eui64 ?? ''} ${outcome}`)),
        count: added.length,
      })
    this.#refresh()
    return { results: [...results] }
  }

  list({ offset, limit, search }: OpParsed<'admission.list'>): { total: number; rows: ListEntryRow[] } {
    const { devices } = this.#options
    const found = [...this.#list.names.entries.values()].reverse().filter(({ facts, deviceId }) => {
      const name = deviceId === null ? '' : (devices.get(deviceId)?.name ?? '')
      return hasAll(`${facts.serial ?? ''} ${facts.eui64 ?? ''} ${facts.product ?? ''} ${facts.maker ?? ''} ${name}`, search)
    })
    const rows = found.slice(offset, offset + limit).map(({ id, facts, deviceId, by, at }) => {
      const pledgeKey = deviceId === null ? null : (this.#pledges.joinedAs(deviceId) ?? null)
      return { id, label: { ...facts, secrets: [...facts.secrets] }, deviceId, pledgeKey, joined: pledgeKey !== null, by, at }
    })
    return { total: found.length, rows }
  }

  unlist({ ids }: OpParsed<'admission.unlist'>, actor: string): { count: number } {
    const gone = this.#list.remove(ids)
    if (gone.length > 0)
      this.#audit(actor, 'admission.unlist', {
        labels: short(gone.map(({ facts }) => facts.serial ?? facts.eui64 ?? '')),
        count: gone.length,
      })
    this.#refresh()
    return { count: gone.length }
  }

  secretsOf({ serial, eui64 }: { readonly serial?: string; readonly eui64?: Eui64 }): LabelSecrets | undefined {
    return this.#list.secretsOf(serial, eui64)
  }

  // ---- Vouchers --------------------------------------------------------------------------------------------------

  async importVouchers({ files }: OpParsed<'admission.importVouchers'>, actor: string): Promise<VoucherImport[]> {
    const desk = this.#requireDesk()
    const given = files.map(({ fileName, base64 }) => ({ fileName, bytes: Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0)) }))
    const results = await desk.import(given, actor)
    this.#refresh()
    return [...results]
  }

  vouchers({ offset, limit, search }: OpParsed<'admission.vouchers'>): { total: number; rows: VoucherRow[] } {
    const found = this.#requireDesk()
      .list()
      .filter(({ serialNumber, signer }) => hasAll(`${serialNumber} ${signer}`, search))
    return { total: found.length, rows: found.slice(offset, offset + limit) }
  }

  removeVouchers({ ids }: OpParsed<'admission.removeVouchers'>, actor: string): { count: number } {
    return { count: this.#requireDesk().remove(ids, actor) }
  }

  connectVouchers(desk: VoucherDesk | undefined): void {
    this.#vouchers = desk
    this.#show()
  }

  onDecision(listener: (keys: readonly string[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#closed = true
    this.#window.stop()
    this.#tellLetIn()
    this.#endRemovals()
    this.#list.close()
    this.#pledges.close()
    this.#listeners.clear()
  }

  // ---- Inside ----------------------------------------------------------------------------------------------------

  #requireDesk(): VoucherDesk {
    if (this.#vouchers === undefined) throw new AppError('join.registrar-absent', 'No registrar runs for this site')
    return this.#vouchers
  }

  #closeByItself(): void {
    try {
      this.#window.shut()
    } catch (thrown) {
      // Its time is over at the next start, too.
      this.#options.logger.error({ code: toAppError(thrown).code }, 'the end of the admission window could not be written')
    }
    this.#audit('clock', 'admission.close', {})
    this.#refresh()
  }

  #decided(keys: readonly string[]): void {
    this.#refresh()
    if (keys.length > 0) for (const listener of [...this.#listeners]) listener(keys)
  }

  #listChanged(): void {
    this.#listVersion += 1
    // Told while the parts are made, too.
    queueMicrotask(() => {
      if (!this.#closed) this.#pledges.refreshAll()
    })
  }

  #refresh(): void {
    this.#pledges.refreshAll()
    this.#pledges.show()
  }

  #noteLetIn(pledge: PledgeRecord): void {
    this.#letIn.push(pledge)
    this.#auditing ??= this.#options.clock.setTimer(AUDIT_MS, () => this.#tellLetIn())
  }

  #tellLetIn(): void {
    this.#auditing?.cancel()
    this.#auditing = undefined
    const pledges = this.#letIn
    this.#letIn = []
    if (pledges.length > 0) this.#audit('allow list', 'admission.let-in', told(pledges))
  }

  #audit(actor: string, action: string, details: Readonly<Record<string, unknown>>): void {
    try {
      this.#options.audit(actor, action, details)
    } catch (thrown) {
      // What was decided has its effect; to call it failed would be untrue.
      this.#options.logger.error({ action, code: toAppError(thrown).code }, 'an entry could not be written into the audit')
    }
  }

  #show(): void {
    const row = admissionRowOf({
      window: this.#window.state,
      policy: this.#policy,
      pledges: this.#pledges,
      list: this.#list,
      devices: this.#options.devices,
      listVersion: this.#listVersion,
      vouchersReady: this.#vouchers !== undefined,
      secretsReady: this.#options.vault !== undefined,
    })
    if (JSON.stringify(this.feed.get(row.key)) !== JSON.stringify(row)) this.feed.set(row)
  }
}
