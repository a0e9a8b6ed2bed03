// What a MASA remembers of each voucher that it issued (RFC 8995 §5.8.1), bounded and abridged as that section allows.
import type { AuditEvent, AuditLog } from '../voucher/index.ts'

export interface LoggedEvent extends AuditEvent {
  /** Keys of the owner's chain: who may read the log. */
  readonly ownerKeys: readonly string[]
}

const MAX_DEVICES = 10_000
const MAX_EVENTS = 100

interface DeviceLog {
  events: LoggedEvent[]
  arbitrary: number
}

export class VoucherLog {
  readonly #devices = new Map<string, DeviceLog>()

  /** Of one owner's events of one kind only the newest stays, with the number of those left out. */
  add(device: string, event: LoggedEvent): void {
    const log = this.#devices.get(device) ?? { events: [], arbitrary: 0 }
    const isSame = (other: LoggedEvent): boolean =>
      other.domainId === event.domainId && (other.nonce === undefined) === (event.nonce === undefined)
    const before = log.events.find(isSame)
    const truncated = before === undefined ? 0 : Math.min(1024, before.truncated + 1)
    log.events = [{ ...event, truncated }, ...log.events.filter((other) => !isSame(other))]
    if (log.events.length > MAX_EVENTS) {
      log.events.pop()
      log.arbitrary++
    }
    const [oldest] = this.#devices.keys()
    if (!this.#devices.has(device) && this.#devices.size >= MAX_DEVICES && oldest !== undefined) this.#devices.delete(oldest)
    this.#devices.set(device, log)
  }

  /** Newest first; undefined where the reader never owned the device. */
  read(device: string, ownerKeys: readonly string[]): AuditLog | undefined {
    const log = this.#devices.get(device)
    if (log?.events.some((event) => event.ownerKeys.some((key) => ownerKeys.includes(key))) !== true) return undefined
    const sum = (nonced: boolean): number =>
      log.events.filter(({ nonce }) => (nonce !== undefined) === nonced).reduce((total, { truncated }) => total + truncated, 0)
    return {
      version: 1,
      events: log.events.map(({ atMs, domainId, nonce, assertion, truncated }) => ({ atMs, domainId, nonce, assertion, truncated })),
      truncation: { nonced: sum(true), nonceless: sum(false), arbitrary: log.arbitrary },
    }
  }
}
