// What people decide about pledges: let in, refused, forgotten, or named as a device. Durable and in the audit before it has an effect.
import { AppError, type Clock } from '#main/base/index.ts'
import type { AdmissionDecision, DenialRow, PledgeDetail } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
import type { AllowList } from './allow-list.ts'
import { hasAll, short, told } from './audit-text.ts'
import type { DenyList } from './deny-list.ts'
import type { DeviceLink, DeviceList } from './device-link.ts'
import { subjectKey } from './names.ts'
import type { Pledges } from './pledges.ts'
import { pledgeDetail } from './rows.ts'
import type { AdmissionAudit, PledgeRecord } from './types.ts'

export interface DecisionPorts {
  readonly pledges: Pledges
  readonly denials: DenyList
  readonly list: AllowList
  readonly link: DeviceLink
  readonly devices: DeviceList
  readonly audit: AdmissionAudit
  readonly denialsChanged: () => void
  readonly decided: (keys: readonly string[]) => void
  readonly refresh: () => void
  readonly clock: Clock
}

/** A person's word holds for so long, or until the device has joined with it. */
const PERSON_ADMITS_FOR_MS = 24 * 3_600_000

export class Decisions {
  readonly #ports: DecisionPorts

  constructor(ports: DecisionPorts) {
    this.#ports = ports
  }

  pledge(key: string): PledgeDetail {
    return pledgeDetail(this.#ports.pledges.seen(this.#require(key)))
  }

  admit({ keys, unknownMakers }: OpParsed<'admission.admit'>, actor: string): AdmissionDecision[] {
    const at = this.#ports.clock.now()
    const admittance = { kind: 'by-person', by: actor, at, until: at + PERSON_ADMITS_FOR_MS, unknownMaker: unknownMakers } as const
    const admitted: PledgeRecord[] = []
    const decisions = [...new Set(keys)].map((key): AdmissionDecision => {
      const pledge = this.#ports.pledges.book.get(key)
      if (pledge === undefined) return { key, ok: false, code: 'join.pledge-unknown' }
      if (!pledge.makerKnown && !unknownMakers) return { key, ok: false, code: 'join.maker-unknown' }
      if (this.#ports.denials.of([key, ...pledge.serialKeys, ...pledge.eui64s]) !== undefined)
        return { key, ok: false, code: 'join.denied' }
      const { verdict } = this.#ports.pledges.seen(pledge).match
      // Which device it is has to be said first: else it would take the place of one of them by chance.
      if (verdict === 'joined-already') return { key, ok: false, code: 'join.duplicate-device' }
      if (verdict !== 'matched' && verdict !== 'unlisted') return { key, ok: false, code: 'join.identity-conflict' }
      admitted.push(this.#ports.pledges.admitted(pledge, admittance))
      return { key, ok: true, code: null }
    })
    this.#ports.pledges.change(admitted)
    if (admitted.length > 0) this.#ports.audit(actor, 'admission.admit', { ...told(admitted), unknownMakers })
    this.#ports.decided(admitted.map(({ key }) => key))
    return decisions
  }

  deny({ subjects, reason }: OpParsed<'admission.deny'>, actor: string): AdmissionDecision[] {
    const at = this.#ports.clock.now()
    const wanted = [...new Set(subjects.map(subjectKey))]
    this.#ports.denials.add(wanted.map((subject) => ({ subject, reason, by: actor, at })))
    this.#ports.denialsChanged()
    const affected = this.#bearing(wanted)
    this.#ports.pledges.change(affected.map((pledge) => ({ ...pledge, admittance: null })))
    this.#ports.audit(actor, 'admission.deny', { subjects: short(wanted), count: wanted.length, reason })
    this.#ports.decided(affected.map(({ key }) => key))
    return wanted.map((key) => ({ key, ok: true, code: null }))
  }

  undeny({ subjects }: OpParsed<'admission.undeny'>, actor: string): AdmissionDecision[] {
    const wanted = [...new Set(subjects.map(subjectKey))]
    // A pledge may have been refused by its name: taking the pledge off takes that off too.
    const named = new Set(wanted.flatMap((subject) => [subject, ...this.#namesOf(subject)]))
    const gone = this.#ports.denials.remove([...named])
    this.#ports.denialsChanged()
    if (gone.length > 0) this.#ports.audit(actor, 'admission.undeny', { subjects: short(gone), count: gone.length })
    this.#ports.refresh()
    return wanted.map((key) => {
      const ok = [key, ...this.#namesOf(key)].some((name) => gone.includes(name))
      return { key, ok, code: ok ? null : 'join.pledge-unknown' }
    })
  }

  denied({ offset, limit, search }: OpParsed<'admission.denied'>): { total: number; rows: DenialRow[] } {
    const found = this.#ports.denials.all().filter(({ subject, reason }) => hasAll(`${subject} ${reason}`, search))
    const rows = found.slice(offset, offset + limit).map((denial) => {
      const deviceId = this.#bearing([denial.subject])[0]?.deviceId ?? null
      return { ...denial, deviceId }
    })
    return { total: found.length, rows }
  }

  forget({ keys }: OpParsed<'admission.forget'>, actor: string): { count: number } {
    const pledges = keys.flatMap((key) => this.#ports.pledges.book.get(key) ?? [])
    const count = this.#ports.pledges.forget(keys)
    if (count > 0) this.#ports.audit(actor, 'admission.forget', told(pledges))
    this.#ports.pledges.show()
    return { count }
  }

  assign({ key, deviceId, replace }: OpParsed<'admission.assign'>, actor: string): void {
    const pledge = this.#require(key)
    const device = this.#ports.devices.get(deviceId)
    if (device === undefined) throw new AppError('device.not-found', 'There is no such device', { details: { id: deviceId } })
    const joinedAs = this.#ports.pledges.joinedAs(deviceId)
    if (!replace && joinedAs !== undefined && joinedAs !== key)
      throw new AppError('join.duplicate-device', `${device.name} has joined with another certificate`, { details: { id: deviceId } })
    const names = { serial: pledge.serialNumber, eui64: pledge.eui64 }
    const listed = this.#ports.list.names.devices.get(deviceId)
    const isOther =
      (listed?.serial ?? null) !== null && names.serial !== null && subjectKey(listed?.serial ?? '') !== subjectKey(names.serial)
    const isOtherAddress = (listed?.eui64 ?? null) !== null && names.eui64 !== null && listed?.eui64 !== names.eui64
    if (!replace && (isOther || isOtherAddress))
      throw new AppError('join.identity-conflict', `${device.name} bears another label`, { details: { id: deviceId } })
    this.#ports.link.rename(deviceId, names, replace)
    if (replace)
      this.#ports.list.remove(
        [...this.#ports.list.names.entries.values()].filter((entry) => entry.deviceId === deviceId).map(({ id }) => id),
      )
    this.#ports.list.relist({
      deviceId,
      serial: replace ? names.serial : (listed?.serial ?? names.serial),
      eui64: replace ? names.eui64 : (listed?.eui64 ?? names.eui64),
    })
    this.#ports.pledges.bind(pledge, deviceId)
    this.#ports.audit(actor, 'admission.assign', { pledge: key, serial: names.serial, device: deviceId, name: device.name, replace })
    this.#ports.refresh()
  }

  #require(key: string): PledgeRecord {
    const pledge = this.#ports.pledges.book.get(key)
    if (pledge === undefined) throw new AppError('join.pledge-unknown', 'No such device has asked to join', { details: { pledge: key } })
    return pledge
  }

  #namesOf(subject: string): readonly string[] {
    const pledge = this.#ports.pledges.book.get(subject)
    return pledge === undefined ? [] : [...pledge.serialKeys, ...pledge.eui64s]
  }

  #bearing(subjects: readonly string[]): readonly PledgeRecord[] {
    const wanted = new Set(subjects)
    return [...this.#ports.pledges.book.all()].filter(({ key, serialKeys, eui64s }) =>
      [key, ...serialKeys, ...eui64s].some((name) => wanted.has(name)),
    )
  }
}
