// The listener's side of Multicast Listener Discovery: MLDv2 (RFC 3810 §6), and MLDv1 where an old querier speaks it (§8.2.1).
import type { Clock, Random, Timer } from '#main/base/index.ts'
import { formatIpv6, parseIpv6 } from './address.ts'

export const MLD_QUERY = 130
const MLDV1_REPORT = 131
const MLDV1_DONE = 132
const MLDV2_REPORT = 143

const MODE_IS_INCLUDE = 1
const MODE_IS_EXCLUDE = 2
const CHANGE_TO_INCLUDE_MODE = 3
const CHANGE_TO_EXCLUDE_MODE = 4

const ALL_ROUTERS = 'ff02::2'
const ALL_MLDV2_ROUTERS = 'ff02::16'
/** §9.11; MLDv1 waits ten times as long (RFC 2710 §7.10). */
const UNSOLICITED_REPORT_INTERVAL_MS = 1000
const MLDV1_REPORT_INTERVAL_MS = 10_000
/** Robustness × Query Interval + Query Response Interval, with their defaults (§9.12). */
const OLDER_VERSION_QUERIER_TIMEOUT_MS = 260_000
const DEFAULT_ROBUSTNESS = 2
/** What a report of 1280 bytes holds beside its headers: 20 bytes each. */
const RECORDS_PER_REPORT = 60
/** Of one query; the link's MTU holds no more either. */
const MAX_SOURCES = 75

interface Listening {
  readonly bytes: Uint8Array
}

interface Change {
  readonly bytes: Uint8Array
  readonly type: number
  left: number
}

interface PendingAnswer {
  timer: Timer
  dueMs: number
  /** Empty: the whole group was asked for. */
  sources: readonly Uint8Array[]
}

interface Record {
  readonly type: number
  readonly group: Uint8Array
  readonly sources: readonly Uint8Array[]
}

export interface MldOptions {
  readonly clock: Clock
  readonly random: Random
  /** Sends an ICMPv6 message with hop limit 1, a Router Alert and the link-local source (§5). */
  readonly send: (type: number, body: Uint8Array, destination: string) => void
}

export interface MldQuery {
  /** What follows the checksum. */
  readonly body: Uint8Array
  readonly hopLimit: number
  readonly routerAlert: boolean
  readonly fromLinkLocal: boolean
}

export class MldListener {
  readonly #options: MldOptions
  readonly #groups = new Map<string, Listening>()
  readonly #changes = new Map<string, Change>()
  readonly #answers = new Map<string, PendingAnswer>()
  #changeTimer: Timer | undefined
  #general: { readonly timer: Timer; readonly dueMs: number } | undefined
  #olderUntilMs = Number.NEGATIVE_INFINITY
  #robustness = DEFAULT_ROBUSTNESS

  constructor(options: MldOptions) {
    this.#options = options
  }

  join(group: string): void {
    const bytes = parseIpv6(group)
    // All-nodes and what stays inside the host is never reported (§6).
    if (bytes === undefined || group === 'ff02::1' || ((bytes[1] ?? 0) & 0x0f) < 2) return
    this.#groups.set(group, { bytes })
    this.#change(group, bytes, CHANGE_TO_EXCLUDE_MODE)
  }

  leave(group: string): void {
    const known = this.#groups.get(group)
    if (known === undefined) return
    this.#groups.delete(group)
    this.#answers.get(group)?.timer.cancel()
    this.#answers.delete(group)
    this.#change(group, known.bytes, CHANGE_TO_INCLUDE_MODE)
  }

  /** The link has come up or changed its link-local address: its routers know nothing yet (§5.2.13). */
  restart(): void {
    this.stop()
    for (const [group, { bytes }] of this.#groups) this.#change(group, bytes, CHANGE_TO_EXCLUDE_MODE)
  }

  stop(): void {
    this.#changeTimer?.cancel()
    this.#changeTimer = undefined
    this.#changes.clear()
    this.#general?.timer.cancel()
    this.#general = undefined
    for (const { timer } of this.#answers.values()) timer.cancel()
    this.#answers.clear()
  }

  onQuery({ body, hopLimit, routerAlert, fromLinkLocal }: MldQuery): void {
    if (!fromLinkLocal || hopLimit !== 1 || !routerAlert) return
    const isOld = body.length === 20
    if (!isOld && body.length < 24) return
    const code = ((body[0] ?? 0) << 8) | (body[1] ?? 0)
    const maxDelayMs = isOld ? code : responseDelayMs(code)
    if (isOld) this.#becomeOld()
    else this.#robustness = (body[20] ?? 0) & 0x07 || DEFAULT_ROBUSTNESS
    const group = body.subarray(4, 20)
    const delayMs = this.#options.random.fraction() * maxDelayMs
    if (group.every((byte) => byte === 0)) this.#scheduleGeneral(delayMs)
    else this.#scheduleAnswer(formatIpv6(group), delayMs, isOld ? [] : sourcesOf(body))
  }

  get #isOld(): boolean {
    return this.#options.clock.monotonicMs() < this.#olderUntilMs
  }

  #becomeOld(): void {
    // Whoever changes the mode gives up what was pending (§8.2.1).
    if (!this.#isOld) this.stop()
    this.#olderUntilMs = this.#options.clock.monotonicMs() + OLDER_VERSION_QUERIER_TIMEOUT_MS
  }

  #scheduleGeneral(delayMs: number): void {
    const dueMs = this.#options.clock.monotonicMs() + delayMs
    if (this.#groups.size === 0 || (this.#general !== undefined && this.#general.dueMs <= dueMs)) return
    this.#general?.timer.cancel()
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#general = undefined
      this.#report([...this.#groups.values()].map(({ bytes }) => ({ type: MODE_IS_EXCLUDE, group: bytes, sources: [] })))
    })
    this.#general = { timer, dueMs }
  }

  #scheduleAnswer(group: string, delayMs: number, sources: readonly Uint8Array[]): void {
    const { clock } = this.#options
    const dueMs = clock.monotonicMs() + delayMs
    if (!this.#groups.has(group) || (this.#general !== undefined && this.#general.dueMs <= dueMs)) return
    const pending = this.#answers.get(group)
    const whole = sources.length === 0 || pending?.sources.length === 0
    const merged = whole ? [] : [...(pending?.sources ?? []), ...sources].slice(0, MAX_SOURCES)
    const firstMs = Math.min(dueMs, pending?.dueMs ?? dueMs)
    pending?.timer.cancel()
    const timer = clock.setTimer(firstMs - clock.monotonicMs(), () => this.#answer(group))
    this.#answers.set(group, { timer, dueMs: firstMs, sources: merged })
  }

  #answer(group: string): void {
    const pending = this.#answers.get(group)
    const known = this.#groups.get(group)
    this.#answers.delete(group)
    if (pending === undefined || known === undefined) return
    // The filter here is EXCLUDE of nothing: every source asked for is wanted (§6.3, table).
    this.#report([{ type: pending.sources.length === 0 ? MODE_IS_EXCLUDE : MODE_IS_INCLUDE, group: known.bytes, sources: pending.sources }])
  }

  #change(group: string, bytes: Uint8Array, type: number): void {
    // A change reverses the one before it, whose repetitions then say something outdated.
    this.#changes.set(group, { bytes, type, left: this.#robustness })
    this.#sendChanges()
  }

  #sendChanges(): void {
    this.#changeTimer?.cancel()
    this.#changeTimer = undefined
    const due = [...this.#changes].map(([group, change]) => {
      change.left--
      if (change.left <= 0) this.#changes.delete(group)
      return { type: change.type, group: change.bytes, sources: [] }
    })
    this.#report(due)
    if (this.#changes.size === 0) return
    const interval = this.#isOld ? MLDV1_REPORT_INTERVAL_MS : UNSOLICITED_REPORT_INTERVAL_MS
    this.#changeTimer = this.#options.clock.setTimer(this.#options.random.fraction() * interval, () => this.#sendChanges())
  }

  #report(records: readonly Record[]): void {
    if (this.#isOld) {
      for (const record of records) this.#reportOld(record)
      return
    }
    for (let from = 0; from < records.length; from += RECORDS_PER_REPORT) {
      this.#options.send(MLDV2_REPORT, reportBody(records.slice(from, from + RECORDS_PER_REPORT)), ALL_MLDV2_ROUTERS)
    }
  }

  #reportOld({ type, group }: Record): void {
    const body = new Uint8Array(20)
    body.set(group, 4)
    if (type === CHANGE_TO_INCLUDE_MODE) this.#options.send(MLDV1_DONE, body, ALL_ROUTERS)
    else this.#options.send(MLDV1_REPORT, body, formatIpv6(group))
  }
}

/** §5.1.3: large values are a mantissa and an exponent. */
function responseDelayMs(code: number): number {
  return code < 0x8000 ? code : ((code & 0x0fff) | 0x1000) << (((code >> 12) & 7) + 3)
}

function sourcesOf(body: Uint8Array): readonly Uint8Array[] {
  const count = Math.min(((body[22] ?? 0) << 8) | (body[23] ?? 0), MAX_SOURCES, Math.floor((body.length - 24) / 16))
  return Array.from({ length: count }, (_, index) => body.slice(24 + index * 16, 40 + index * 16))
}

/**
 *    |           Reserved            | Nr of Mcast Address Records   |
 *    |  Record Type  | Aux Data Len  |     Number of Sources         |
 *    |          Multicast Address (16), Source Addresses (16 each)   |
 */
function reportBody(records: readonly Record[]): Uint8Array {
  const body = new Uint8Array(4 + records.reduce((sum, { sources }) => sum + 20 + 16 * sources.length, 0))
  const view = new DataView(body.buffer)
  view.setUint16(2, records.length)
  let at = 4
  for (const { type, group, sources } of records) {
    view.setUint8(at, type)
    view.setUint16(at + 2, sources.length)
    body.set(group, at + 4)
    at += 20
    for (const source of sources) {
      body.set(source, at)
      at += 16
    }
  }
  return body
}
