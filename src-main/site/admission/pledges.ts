// The gate itself: who asks, what they are told, and how far each has come. Decisions are durable at once, timelines within a second.
import { KeyedFeed, sha256, toAppError, toHex, type Clock, type DeviceId, type Logger, type Timer } from '#main/base/index.ts'
import type { GateVerdict, JoinGate, JoinStep, PledgeIdentity } from '#main/services/join/index.ts'
import type { PledgeRow } from '#contract/model.ts'
import type { AllowList } from './allow-list.ts'
import { PledgeBook, type Limits, type Standing } from './book.ts'
import { decide, verdictOf, type Circumstances, type Decision } from './decide.ts'
import type { DeviceLink } from './device-link.ts'
import { namesOf, nameKey } from './names.ts'
import { pledgeRow, stateOf, type Seen } from './rows.ts'
import { lastStep, stepAfter, withNews, type StepNews } from './timeline.ts'
import type { AdmissionStore, Admittance, DenialRecord, PledgeRecord } from './types.ts'

export interface PledgesPorts {
  readonly store: AdmissionStore
  readonly list: AllowList
  readonly link: DeviceLink
  readonly policyNow: () => Pick<Circumstances, 'policy' | 'isOpen'>
  readonly denialOf: (subjects: readonly string[]) => DenialRecord | undefined
  /** The list has let these in. */
  readonly letIn: (pledge: PledgeRecord) => void
  /** Rows have changed. */
  readonly onShow: () => void
  readonly clock: Clock
  readonly logger: Logger
  readonly limits?: Limits
}

const GATHER_MS = 100
const WRITE_MS = 1000
const SWEEP_MS = 15_000
/** A device that says nothing for so long has given up. */
export const STEP_LIMIT_MS = 180_000
const LIST_ADMITS_FOR_MS = 3_600_000
const LONGEST_TEXT = 200

export class Pledges implements JoinGate {
  readonly feed = new KeyedFeed<PledgeRow>((row) => row.key)
  readonly book: PledgeBook
  readonly #ports: PledgesPorts
  /** Which pledge each device has joined as. */
  readonly #joined = new Map<DeviceId, string>()
  /** Pledges under way, and when they moved on last. */
  readonly #active = new Map<string, number>()
  readonly #unshown = new Set<string>()
  readonly #unwritten = new Set<string>()
  #allUnshown = false
  #showing: Timer | undefined
  #writing: Timer | undefined
  #sweeping: Timer | undefined

  constructor(ports: PledgesPorts) {
    this.#ports = ports
    this.book = new PledgeBook(ports.limits)
    for (const record of [...ports.store.pledges()].sort((a, b) => a.lastSeenAt - b.lastSeenAt)) {
      if (record.enrolledAt !== null && record.deviceId !== null) this.#joined.set(record.deviceId, record.key)
      this.book.put(record, this.#standing(record))
      this.#follow(record)
    }
    this.feed.reset([...this.book.all()].map((record) => pledgeRow(this.seen(record))))
  }

  // ---- The gate --------------------------------------------------------------------------------------------------

  admits(identity: PledgeIdentity): GateVerdict {
    try {
      const record = this.#see(identity)
      const { circumstances, decision } = this.#weigh(record)
      this.#take(record, decision, circumstances)
      return verdictOf(decision)
    } catch (thrown) {
      this.#ports.logger.error({ code: toAppError(thrown).code, err: thrown }, 'a pledge could not be decided about')
      return { kind: 'wait', code: 'internal', retryAfterS: 60 }
    }
  }

  note({ pledge, step, outcome, atMs, code, detail, certificateSerial }: JoinStep): void {
    try {
      const now = this.#ports.clock.now()
      const at = Number.isFinite(atMs) ? Math.min(Math.max(0, Math.round(atMs)), now) : now
      const news: StepNews = { step, outcome, at, code: outcome === 'done' ? null : (code ?? 'internal'), detail: detail ?? null }
      this.#tell(this.#see(pledge), news, certificateSerial)
    } catch (thrown) {
      this.#ports.logger.error({ code: toAppError(thrown).code, err: thrown }, 'a step of a pledge could not be noted')
    }
  }

  // ---- Reading ---------------------------------------------------------------------------------------------------

  joinedAs(id: DeviceId): string | undefined {
    return this.#joined.get(id)
  }

  seen(record: PledgeRecord): Seen {
    const { circumstances, decision } = this.#weigh(record)
    const { match, denial, now } = circumstances
    return { record, match, denial, decision, now }
  }

  /** Finds pledges of trusted manufacturers by their names, as they are now. */
  byName(): (serial: string | null, eui64: string | null) => PledgeRecord | undefined {
    const found = new Map<string, PledgeRecord>()
    for (const record of this.book.all()) {
      if (!record.makerKnown) continue
      for (const name of record.serialKeys) found.set(`s${name}`, record)
      for (const name of record.eui64s) found.set(`e${name}`, record)
    }
    return (serial, eui64) =>
      (serial === null ? undefined : found.get(`s${nameKey(serial)}`)) ?? (eui64 === null ? undefined : found.get(`e${eui64}`))
  }

  // ---- Changing --------------------------------------------------------------------------------------------------

  /** Keeps what a person has changed, at once. */
  change(records: readonly PledgeRecord[]): void {
    if (records.length === 0) return
    this.#ports.store.savePledges(records)
    for (const record of records) {
      this.#put(record)
      this.#unwritten.delete(record.key)
    }
  }

  admitted(record: PledgeRecord, admittance: Admittance): PledgeRecord {
    return { ...record, admittance, failuresInRow: 0 }
  }

  /** The pledge is that device; whoever joined as it before is not any more. */
  bind(record: PledgeRecord, deviceId: DeviceId): void {
    const before = this.#joined.get(deviceId)
    const previous = before === undefined ? undefined : this.book.get(before)
    this.#joined.delete(deviceId)
    const changed: PledgeRecord[] = [{ ...record, deviceId }]
    if (previous !== undefined && previous.key !== record.key) changed.push({ ...previous, deviceId: null, admittance: null })
    this.change(changed)
  }

  forget(keys: readonly string[]): number {
    const gone = keys.filter((key) => this.book.get(key) !== undefined)
    if (gone.length === 0) return 0
    this.#ports.store.removePledges(gone)
    for (const key of gone) this.#drop(key)
    return gone.length
  }

  devicesRemoved(ids: readonly DeviceId[]): void {
    const removed = new Set(ids)
    const changed = [...this.book.all()].filter(({ deviceId }) => deviceId !== null && removed.has(deviceId))
    for (const id of ids) this.#joined.delete(id)
    for (const record of changed) {
      this.#put({ ...record, deviceId: null, admittance: null })
      this.#markUnwritten(record.key)
    }
  }

  /** Policy, window or lists have changed: what a waiting device is told next may differ. */
  refreshAll(): void {
    this.#allUnshown = true
    this.#showSoon()
  }

  /** What was just done is seen at once by who did it. */
  show(): void {
    this.#showing?.cancel()
    this.#showing = undefined
    const keys = this.#allUnshown ? [...this.book.all()].map(({ key }) => key) : [...this.#unshown]
    this.#allUnshown = false
    this.#unshown.clear()
    const rows: PledgeRow[] = []
    const gone: string[] = []
    for (const key of keys) {
      const record = this.book.get(key)
      if (record === undefined) {
        gone.push(key)
        continue
      }
      const row = pledgeRow(this.seen(record))
      if (!isSame(this.feed.get(key), row)) rows.push(row)
    }
    this.feed.delete(gone)
    this.feed.setAll(rows)
    this.#ports.onShow()
  }

  flush(): void {
    this.#writing?.cancel()
    this.#writing = undefined
    const records = [...this.#unwritten].map((key) => this.book.get(key)).filter((record) => record !== undefined)
    this.#unwritten.clear()
    if (records.length === 0) return
    try {
      this.#ports.store.savePledges(records)
    } catch (thrown) {
      // They are still in memory and go out with the next news; a full disk is told by whatever a person does next.
      for (const { key } of records) this.#unwritten.add(key)
      this.#ports.logger.error({ code: toAppError(thrown).code }, 'timelines of pledges could not be written')
    }
  }

  close(): void {
    this.#showing?.cancel()
    this.#sweeping?.cancel()
    this.flush()
  }

  // ---- Inside ----------------------------------------------------------------------------------------------------

  #weigh(record: PledgeRecord): { readonly circumstances: Circumstances; readonly decision: Decision } {
    const match = this.#ports.list.names.match(record, (id) => this.#joined.get(id))
    // Names of an unknown manufacturer's device are not its own: refusing it by them is right all the same.
    const denial = this.#ports.denialOf([record.key, ...record.serialKeys, ...record.eui64s])
    const circumstances = { ...this.#ports.policyNow(), match, denial, now: this.#ports.clock.now() }
    return { circumstances, decision: decide(record, circumstances) }
  }

  #see(identity: PledgeIdentity): PledgeRecord {
    const now = this.#ports.clock.now()
    const known = this.book.get(identity.key)
    const manufacturer = identity.manufacturer.slice(0, LONGEST_TEXT)
    const makerKnown = identity.isKnownMaker
    const proxy = identity.proxy?.slice(0, LONGEST_TEXT) ?? known?.proxy ?? null
    const record: PledgeRecord =
      known === undefined
        ? {
            key: identity.key,
            ...namesOf(identity),
            manufacturer,
            makerKnown,
            proxy,
            deviceId: null,
            admittance: null,
            attempts: [],
            attemptCount: 0,
            failuresInRow: 0,
            certificateSerial: null,
            enrolledAt: null,
            firstSeenAt: now,
            lastSeenAt: now,
          }
        : { ...known, ...(isByBirth(identity) ? { manufacturer } : {}), makerKnown, proxy, lastSeenAt: Math.max(known.lastSeenAt, now) }
    this.#put(record)
    return record
  }

  #take(record: PledgeRecord, decision: Decision, { match, now }: Circumstances): void {
    const news = { step: 'admitted', at: now, detail: null } as const
    if (decision.kind !== 'admit') {
      const outcome = decision.kind === 'wait' ? 'waiting' : 'failed'
      this.#tell(record, { ...news, outcome, code: decision.code })
      return
    }
    const isNew = decision.why === 'list'
    const admittance: Admittance | null = isNew
      ? { kind: 'by-list', by: 'allow list', at: now, until: now + LIST_ADMITS_FOR_MS, unknownMaker: false }
      : record.admittance
    const deviceId = this.#ports.link.joining(record, match.deviceId)
    const next: PledgeRecord = { ...record, admittance, deviceId }
    if (match.entryId !== null) this.#ports.list.claim(match.entryId, deviceId)
    this.#tell(next, { ...news, outcome: 'done', code: null })
    if (isNew) this.#ports.letIn(next)
  }

  #tell(record: PledgeRecord, news: StepNews, certificateSerial?: string): void {
    const timeline = withNews(record, news)
    const hasMoved = timeline !== record
    const isJoined = news.step === 'enrolled' && news.outcome === 'done'
    const next: PledgeRecord = {
      ...record,
      ...timeline,
      certificateSerial: certificateSerial ?? record.certificateSerial,
      enrolledAt: isJoined ? news.at : record.enrolledAt,
    }
    if (isJoined && next.deviceId !== null) this.#joined.set(next.deviceId, next.key)
    this.#put(next)
    if (hasMoved) this.#follow(next)
    if (hasMoved && next.deviceId !== null) this.#tellDevice(next, next.deviceId, news)
    if (hasMoved && isJoined) this.flush()
  }

  /** A device list that cannot be written costs no pledge its timeline. */
  #tellDevice({ certificateSerial }: PledgeRecord, id: DeviceId, { step, outcome, code }: StepNews): void {
    const { link, logger } = this.#ports
    try {
      if (outcome === 'failed') link.failed(id, step, code ?? 'internal')
      else if (outcome === 'done' && step === 'enrolled') link.enrolled(id, certificateSerial)
      else if (outcome === 'done' && step === 'secured') link.secured(id)
    } catch (thrown) {
      logger.error({ code: toAppError(thrown).code }, 'the device list could not be told of a step')
    }
  }

  #put(record: PledgeRecord): void {
    const standing = this.#standing(record)
    const gone = this.book.put(record, standing)
    for (const key of gone) this.#drop(key)
    // Strangers were never written.
    if (gone.length > 0 && standing !== 'stranger') this.#ports.store.removePledges(gone)
    this.#unshown.add(record.key)
    this.#showSoon()
    // Anybody can make up strangers by the thousand: they are not worth the disk.
    if (standing !== 'stranger') this.#markUnwritten(record.key)
  }

  #standing(record: PledgeRecord): Standing {
    if (record.admittance !== null || record.enrolledAt !== null || record.deviceId !== null) return 'kept'
    if (!record.makerKnown) return 'stranger'
    return this.#ports.list.names.bearing(record.serialKeys, record.eui64s).length > 0 ? 'kept' : 'unlisted'
  }

  #drop(key: string): void {
    const record = this.book.get(key)
    if (record?.deviceId !== undefined && record.deviceId !== null && this.#joined.get(record.deviceId) === key)
      this.#joined.delete(record.deviceId)
    this.book.remove(key)
    this.#active.delete(key)
    this.#unwritten.delete(key)
    this.#unshown.add(key)
    this.#showSoon()
  }

  #follow(record: PledgeRecord): void {
    const isUnderWay = stateOf(record, undefined) === 'joining' && record.attempts[0]?.endedAt === null
    if (!isUnderWay) {
      this.#active.delete(record.key)
      return
    }
    this.#active.set(record.key, this.#ports.clock.monotonicMs())
    this.#sweeping ??= this.#ports.clock.setTimer(SWEEP_MS, () => this.#sweep())
  }

  /** Gives up on those who say nothing any more. */
  #sweep(): void {
    this.#sweeping = undefined
    const { clock } = this.#ports
    const nowMs = clock.monotonicMs()
    for (const [key, sinceMs] of [...this.#active]) {
      if (nowMs - sinceMs < STEP_LIMIT_MS) continue
      const record = this.book.get(key)
      const last = lastStep(record?.attempts[0])
      this.#active.delete(key)
      if (record === undefined || last === undefined) continue
      const step = last.outcome === 'done' ? (stepAfter(last.step) ?? last.step) : last.step
      this.#tell(record, { step, outcome: 'failed', at: clock.now(), code: 'join.step-timeout', detail: null })
    }
    if (this.#active.size > 0) this.#sweeping ??= clock.setTimer(SWEEP_MS, () => this.#sweep())
  }

  #markUnwritten(key: string): void {
    this.#unwritten.add(key)
    this.#writing ??= this.#ports.clock.setTimer(WRITE_MS, () => this.flush())
  }

  #showSoon(): void {
    this.#showing ??= this.#ports.clock.setTimer(GATHER_MS, () => this.show())
  }
}

function isSame(before: PledgeRow | undefined, after: PledgeRow): boolean {
  return before !== undefined && JSON.stringify(before) === JSON.stringify(after)
}

/** With its certificate of the site, a device says nothing of its maker any more. */
function isByBirth({ key, chain: [endEntity] }: PledgeIdentity): boolean {
  return endEntity !== undefined && toHex(sha256(endEntity)) === key
}
