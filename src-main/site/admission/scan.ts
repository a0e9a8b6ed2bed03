// What a scanned label does: it is read, its device looked for, and put on the allow list with its secrets sealed.
import { AppError, newId, type Clock, type DeviceId, type Random } from '#main/base/index.ts'
import type { DeviceRecord } from '#main/site/devices/index.ts'
import type { LabelFacts, ScanResult } from '#contract/model.ts'
import type { OpParsed } from '#contract/ops.ts'
import { MOST_ENTRIES, type AllowList } from './allow-list.ts'
import type { DeviceLink, DeviceList } from './device-link.ts'
import { readLabel, splitLabels, type Label, type Reading } from './labels/index.ts'
import { nameKey } from './names.ts'
import type { Pledges } from './pledges.ts'
import type { DenialRecord, EntryRecord, PledgeRecord } from './types.ts'

export interface ScanPorts {
  readonly list: AllowList
  readonly devices: DeviceList
  readonly link: DeviceLink
  readonly pledges: Pledges
  readonly denialOf: (subjects: readonly string[]) => DenialRecord | undefined
  readonly clock: Clock
  readonly random: Random
}

export const MOST_LABELS = 5000
const JOINED: ReadonlySet<DeviceRecord['state']> = new Set(['enrolled', 'configured', 'verified'])

type Finding = Pick<ScanResult, 'outcome' | 'deviceId' | 'entryId' | 'pledgeKey' | 'secretsKept'>

/** Throws `input.too-large`, `input.invalid`, `device.not-found`; what is wrong with a single label is in its result. */
export function scan(ports: ScanPorts, input: OpParsed<'admission.scan'>, actor: string): readonly ScanResult[] {
  const texts = splitLabels(input.text)
  if (texts.length > MOST_LABELS)
    throw new AppError('input.too-large', 'Too many labels at once', { details: { most: MOST_LABELS, count: texts.length } })
  if (input.deviceId !== undefined) {
    if (texts.length > 1) throw new AppError('input.invalid', 'A device has one label', { details: { field: 'text', count: texts.length } })
    if (ports.devices.get(input.deviceId) === undefined)
      throw new AppError('device.not-found', 'There is no such device', { details: { id: input.deviceId } })
  }
  if (ports.list.names.entries.size + texts.length > MOST_ENTRIES)
    throw new AppError('input.too-large', 'The list has as many labels as it can have', { details: { most: MOST_ENTRIES } })
  const scanner = new Scanner(ports, input, actor)
  try {
    const results = (texts.length === 0 ? [''] : texts).map((text, index) => scanner.take(text, index))
    scanner.keep()
    return results
  } catch (thrown) {
    scanner.undo()
    throw thrown
  }
}

class Scanner {
  readonly #ports: ScanPorts
  readonly #input: OpParsed<'admission.scan'>
  readonly #actor: string
  readonly #pledgeOf: (serial: string | null, eui64: string | null) => PledgeRecord | undefined
  readonly #deviceBySerial = new Map<string, DeviceId>()
  readonly #deviceByEui64 = new Map<string, DeviceId>()
  /** Labels that are in memory and not yet written, with what was there before them. */
  readonly #staged = new Map<string, EntryRecord>()
  readonly #before = new Map<string, EntryRecord | undefined>()
  readonly #drafts = new Map<DeviceId, ReturnType<DeviceLink['draft']>>()

  constructor(ports: ScanPorts, input: OpParsed<'admission.scan'>, actor: string) {
    this.#ports = ports
    this.#input = input
    this.#actor = actor
    this.#pledgeOf = ports.pledges.byName()
    for (const device of ports.devices.all()) this.#index(device)
  }

  take(text: string, index: number): ScanResult {
    const reading = readLabel(text)
    const label = this.#preferred(reading)
    if (label === undefined) {
      const { problem, facts } = reading.first.kind === 'problem' ? reading.first : { problem: null, facts: null }
      return { index, label: facts, problem, ...NOTHING, outcome: 'unreadable' }
    }
    return { index, label: label.facts, problem: null, ...this.#place(label) }
  }

  /** Writes everything: the devices, then the labels. */
  keep(): void {
    const { devices, list } = this.#ports
    const drafts = [...this.#drafts.values()]
    if (drafts.length > 0) devices.commit({ devices: drafts.map(({ device }) => device), events: drafts.map(({ event }) => event) })
    list.save([...this.#staged.values()])
  }

  undo(): void {
    this.#ports.list.restore(this.#before)
  }

  /** What the text is by itself, unless only its other reading names somebody who is known here. */
  #preferred({ first, otherwise }: Reading): Label | undefined {
    const own = first.kind === 'label' ? first.label : undefined
    if (own !== undefined && this.#isKnown(own.facts)) return own
    return otherwise.find(({ facts }) => this.#isKnown(facts)) ?? own
  }

  #isKnown({ serial, eui64 }: LabelFacts): boolean {
    return (
      this.#deviceOf(serial, eui64) !== undefined ||
      this.#pledgeOf(serial, eui64) !== undefined ||
      this.#ports.list.entryOf({ serial, eui64 }) !== undefined
    )
  }

  #place(label: Label): Finding {
    const { serial, eui64 } = label.facts
    const { list, denialOf } = this.#ports
    const pledge = this.#pledgeOf(serial, eui64)
    const names = [...(serial === null ? [] : [nameKey(serial)]), ...(eui64 === null ? [] : [eui64])]
    const device = this.#deviceOf(serial, eui64)
    const base: Finding = {
      ...NOTHING,
      deviceId: pledge?.deviceId ?? (device === 'two' ? null : (device?.id ?? null)),
      pledgeKey: pledge?.key ?? null,
    }
    if (denialOf([...names, ...(pledge === undefined ? [] : [pledge.key])]) !== undefined) return { ...base, outcome: 'denied' }
    if (this.#input.deviceId !== undefined) return this.#assign(label, this.#input.deviceId, device)
    // A label with two names of which each belongs to another device is on neither.
    if (device === 'two') return { ...base, deviceId: null, outcome: 'mismatch' }
    const entry = list.entryOf({ serial, eui64 })
    if (pledge !== undefined && pledge.enrolledAt !== null) return { ...base, outcome: 'already-joined', entryId: entry?.id ?? null }
    if (device !== undefined && JOINED.has(device.state))
      return { ...base, ...this.#keep(label, device.id, entry), outcome: 'already-joined' }
    if (device !== undefined && contradicts(device, label.facts)) return { ...base, outcome: 'mismatch' }
    if (entry !== undefined) {
      const kept = this.#keep(label, entry.deviceId ?? device?.id ?? null, entry)
      return this.#waiting({ ...base, ...kept, deviceId: base.deviceId ?? entry.deviceId, outcome: 'already-listed' })
    }
    if (device !== undefined) return this.#waiting({ ...base, ...this.#keep(label, device.id), outcome: 'listed' })
    if (this.#input.unknown === 'tell') return { ...base, outcome: 'told' }
    if (this.#input.unknown === 'create') {
      const id = this.#create(label.facts)
      return this.#waiting({ ...base, ...this.#keep(label, id), deviceId: id, outcome: 'created' })
    }
    return this.#waiting({ ...base, ...this.#keep(label, null), outcome: 'listed-unplanned' })
  }

  #assign(label: Label, id: DeviceId, bearer: DeviceRecord | 'two' | undefined): Finding {
    const { devices, link, list } = this.#ports
    const device = devices.get(id)
    const isOthers = bearer === 'two' || (bearer !== undefined && bearer.id !== id)
    if (device === undefined || isOthers || contradicts(device, label.facts)) {
      return { ...NOTHING, outcome: 'mismatch', deviceId: bearer === undefined || bearer === 'two' ? id : bearer.id }
    }
    const { serial, eui64 } = label.facts
    link.rename(id, { serial, eui64 }, false)
    list.relist({ deviceId: id, serial: device.serial ?? serial, eui64: device.eui64 ?? eui64 })
    const named = devices.get(id)
    if (named !== undefined) this.#index(named)
    const pledgeKey = this.#pledgeOf(serial, eui64)?.key ?? null
    return { ...NOTHING, ...this.#keep(label, id, list.entryOf({ serial, eui64 })), outcome: 'assigned', deviceId: id, pledgeKey }
  }

  #create({ serial, eui64, product, maker }: LabelFacts): DeviceId {
    const { type, roomId } = this.#input.create ?? { type: 'unknown' as const, roomId: null }
    const tail = serial ?? eui64?.slice(-8).toUpperCase() ?? ''
    const draft = this.#ports.link.draft(
      { serial, eui64 },
      { name: `${product ?? maker ?? 'Device'} ${tail}`, state: 'expected', type, roomId },
    )
    this.#drafts.set(draft.device.id, draft)
    this.#index(draft.device)
    return draft.device.id
  }

  /** Puts the label on the list, or its secrets to the label that stands there. */
  #keep(label: Label, deviceId: DeviceId | null, before?: EntryRecord): Pick<Finding, 'entryId' | 'secretsKept'> {
    const { list, clock, random } = this.#ports
    const id = before?.id ?? newId('label', random)
    const sealed = list.sealed(id, label.secrets)
    if (before !== undefined && sealed === null && before.deviceId === deviceId) return { entryId: id, secretsKept: false }
    const facts = before === undefined ? label.facts : merged(before.facts, label.facts)
    const by = before?.by ?? this.#actor
    const entry = { id, facts, deviceId, sealed: sealed ?? before?.sealed ?? null, by, at: before?.at ?? clock.now() }
    if (!this.#before.has(id)) this.#before.set(id, before)
    this.#staged.set(id, entry)
    list.names.putEntry(entry)
    return { entryId: id, secretsKept: sealed !== null }
  }

  /** Whether that lets in somebody who waits already. */
  #waiting(finding: Finding): Finding {
    const { pledges } = this.#ports
    const pledge = finding.pledgeKey === null ? undefined : pledges.book.get(finding.pledgeKey)
    if (pledge === undefined || pledges.seen(pledge).decision.kind !== 'admit') return finding
    return { ...finding, outcome: 'waiting-admitted' }
  }

  #deviceOf(serial: string | null, eui64: string | null): DeviceRecord | 'two' | undefined {
    const bySerial = serial === null ? undefined : this.#deviceBySerial.get(nameKey(serial))
    const byEui64 = eui64 === null ? undefined : this.#deviceByEui64.get(eui64)
    if (bySerial !== undefined && byEui64 !== undefined && bySerial !== byEui64) return 'two'
    const id = bySerial ?? byEui64
    return id === undefined ? undefined : (this.#drafts.get(id)?.device ?? this.#ports.devices.get(id))
  }

  #index({ id, serial, eui64 }: DeviceRecord): void {
    if (serial !== null) this.#deviceBySerial.set(nameKey(serial), id)
    if (eui64 !== null) this.#deviceByEui64.set(eui64, id)
  }
}

const NOTHING: Finding = { outcome: 'told', deviceId: null, entryId: null, pledgeKey: null, secretsKept: false }

function contradicts(device: DeviceRecord, { serial, eui64 }: LabelFacts): boolean {
  if (device.serial !== null && serial !== null && nameKey(device.serial) !== nameKey(serial)) return true
  return device.eui64 !== null && eui64 !== null && device.eui64 !== eui64
}

function merged(before: LabelFacts, after: LabelFacts): LabelFacts {
  return {
    format: after.format,
    serial: before.serial ?? after.serial,
    eui64: before.eui64 ?? after.eui64,
    maker: before.maker ?? after.maker,
    product: before.product ?? after.product,
    secrets: [...new Set([...before.secrets, ...after.secrets])],
  }
}
