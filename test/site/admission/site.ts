// Admission over stores in memory that outlive it, on a virtual clock.
import { seededRandom, silentLogger, sha256, toHex, utf8, type DeviceId, type JsonValue } from '#main/base/index.ts'
import type { JoinStep, JoinStepName, PledgeIdentity } from '#main/services/join/index.ts'
import {
  createAdmission,
  type Admission,
  type AdmissionOptions,
  type AdmissionStore,
  type DenialRecord,
  type EntryRecord,
  type LabelVault,
  type ListedDevice,
  type PledgeRecord,
} from '#main/site/admission/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import type { PledgeRow } from '#contract/model.ts'
import { makeSite } from '../devices/fixtures.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

export class MemoryAdmissionStore implements AdmissionStore {
  readonly settings = new Map<string, JsonValue>()
  readonly kept = new Map<string, PledgeRecord>()
  readonly refused = new Map<string, DenialRecord>()
  readonly plannedDevices = new Map<DeviceId, ListedDevice>()
  readonly labels = new Map<string, EntryRecord>()
  /** Records of pledges that were written, all in all. */
  pledgeWrites = 0

  setting(name: string): JsonValue | undefined {
    return this.settings.get(name)
  }
  saveSetting(name: string, value: JsonValue): void {
    this.settings.set(name, value)
  }
  pledges(): readonly PledgeRecord[] {
    return [...this.kept.values()]
  }
  savePledges(pledges: readonly PledgeRecord[]): void {
    this.pledgeWrites += pledges.length
    for (const pledge of pledges) this.kept.set(pledge.key, pledge)
  }
  removePledges(keys: readonly string[]): void {
    for (const key of keys) this.kept.delete(key)
  }
  denials(): readonly DenialRecord[] {
    return [...this.refused.values()]
  }
  saveDenials(denials: readonly DenialRecord[]): void {
    for (const denial of denials) this.refused.set(denial.subject, denial)
  }
  removeDenials(subjects: readonly string[]): void {
    for (const subject of subjects) this.refused.delete(subject)
  }
  listed(): readonly ListedDevice[] {
    return [...this.plannedDevices.values()]
  }
  saveListed(devices: readonly ListedDevice[]): void {
    for (const device of devices) this.plannedDevices.set(device.deviceId, device)
  }
  removeListed(ids: readonly DeviceId[]): void {
    for (const id of ids) this.plannedDevices.delete(id)
  }
  entries(): readonly EntryRecord[] {
    return [...this.labels.values()]
  }
  saveEntries(entries: readonly EntryRecord[]): void {
    for (const entry of entries) this.labels.set(entry.id, entry)
  }
  removeEntries(ids: readonly string[]): void {
    for (const id of ids) this.labels.delete(id)
  }
  transaction<Result>(work: () => Result): Result {
    return work()
  }
}

/** Turns every bit over: enough to tell sealed from plain. */
export const turningVault: LabelVault = {
  seal: (purpose, secret) => Uint8Array.from([...utf8(purpose), 0, ...secret], (byte) => byte ^ 0xff),
  open(purpose, sealed) {
    const plain = sealed.map((byte) => byte ^ 0xff)
    const head = utf8(purpose)
    if (!head.every((byte, index) => plain[index] === byte)) throw new RangeError('sealed for another purpose')
    return plain.slice(head.length + 1)
  },
}

export interface AuditLine {
  readonly actor: string
  readonly action: string
  readonly details: Readonly<Record<string, unknown>>
}

export interface AdmissionSite<Store extends AdmissionStore = MemoryAdmissionStore> {
  readonly admission: Admission
  readonly inventory: Inventory
  readonly store: Store
  readonly clock: VirtualClock
  readonly audit: AuditLine[]
  /** Closed and opened again over the same stores, or opened again as after a crash. */
  reopen(how?: 'closed' | 'crashed'): AdmissionSite<Store>
}

export function admissionSite(more: Partial<AdmissionOptions> = {}): AdmissionSite {
  const { clock, reopen } = makeSite()
  return openAdmission(new MemoryAdmissionStore(), clock, reopen, [], more)
}

export function openAdmission<Store extends AdmissionStore>(
  store: Store,
  clock: VirtualClock,
  inventoryOf: () => Inventory,
  audit: AuditLine[],
  more: Partial<AdmissionOptions>,
): AdmissionSite<Store> {
  const inventory = inventoryOf()
  const admission = createAdmission({
    store,
    devices: inventory,
    vault: turningVault,
    audit: (actor, action, details) => audit.push({ actor, action, details }),
    clock,
    random: seededRandom(7),
    logger: silentLogger,
    ...more,
  })
  return {
    admission,
    inventory,
    store,
    clock,
    audit,
    reopen(how = 'closed') {
      if (how === 'closed') {
        admission.close()
        inventory.close()
      }
      return openAdmission(store, clock, inventoryOf, audit, more)
    },
  }
}

export function pledgeOf(serialNumber: string, more: Partial<PledgeIdentity> = {}): PledgeIdentity {
  return {
    key: toHex(sha256(utf8(serialNumber))),
    serialNumber,
    chain: [],
    manufacturer: 'CN=Lumen Works Root',
    isKnownMaker: true,
    proxy: 'fe80::1',
    ...more,
  }
}

export function stepOf(
  clock: VirtualClock,
  pledge: PledgeIdentity,
  step: JoinStepName,
  outcome: JoinStep['outcome'] = 'done',
  code?: string,
): JoinStep {
  return { pledge, step, outcome, atMs: clock.now(), ...(code === undefined ? {} : { code }) }
}

/** Walks the pledge to the end, as the registrar tells it. */
export function join({ admission, clock }: Pick<AdmissionSite, 'admission' | 'clock'>, pledge: PledgeIdentity): string {
  const { gate } = admission
  gate.note(stepOf(clock, pledge, 'seen'))
  gate.note(stepOf(clock, pledge, 'connected'))
  const verdict = gate.admits(pledge)
  if (verdict.kind !== 'admit') return verdict.code
  for (const step of ['voucher', 'trusts-us', 'anchors', 'certificate', 'enrolled'] as const) gate.note(stepOf(clock, pledge, step))
  return 'joined'
}

export async function rowOf({ admission, clock }: Pick<AdmissionSite, 'admission' | 'clock'>, pledge: PledgeIdentity): Promise<PledgeRow> {
  await clock.advance(100)
  const row = admission.pledgeFeed.get(pledge.key)
  if (row === undefined) throw new RangeError('no such row')
  return row
}

export const device = { name: 'Light 1', type: 'luminaire', roomId: null, eui64: null, serial: null, comment: '' } as const
export const policy = { mode: 'listed', unlistedMayWait: true, windowMinutes: 15 } as const
export const ACTOR = 'M. Lindqvist'
