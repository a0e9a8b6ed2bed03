// Multicast listening within the NCP's few table entries: commissioning's groups first, the rest in the order asked for.
import type { Logger } from '#main/base/index.ts'
import { formatIp6, parseIp6 } from './ip6-text.ts'
import type { NcpState } from './ncp-status.ts'
import { PROP } from './properties.ts'
import type { SpinelSession } from './session.ts'
import { STATUS, statusOf } from './status.ts'

/** What CoAP discovery needs above all (RFC 7252 §12.8; ff03 is the mesh, RFC 7346 §2). */
const FIRST_GROUPS: readonly string[] = ['ff03::fd', 'ff05::fd']
const MOST_WANTED = 64

export class GroupKeeper {
  readonly #session: SpinelSession
  readonly #state: NcpState
  readonly #logger: Logger
  #wanted: string[] = []
  /** Those that stand in the dongle's table because of us, or of a run of us that ended without tidying up. */
  readonly #ours = new Set<string>()
  /** How many the dongle takes; known once it has refused one. */
  #room = Number.POSITIVE_INFINITY
  #working = false
  #again = false

  constructor(session: SpinelSession, state: NcpState, logger: Logger) {
    this.#session = session
    this.#state = state
    this.#logger = logger
  }

  join(address: string): void {
    const group = canonical(address)
    if (group === undefined || this.#wanted.includes(group) || this.#wanted.length >= MOST_WANTED) return
    this.#wanted.push(group)
    this.reconcile()
  }

  leave(address: string): void {
    const group = canonical(address)
    this.#wanted = this.#wanted.filter((other) => other !== group)
    this.reconcile()
  }

  /** After a reset the table is empty. */
  forget(): void {
    this.#ours.clear()
    this.#room = Number.POSITIVE_INFINITY
  }

  /** Brings the dongle's table in line with what is wanted; calls while it is at it make it look again. */
  reconcile(): void {
    if (this.#working) {
      this.#again = true
      return
    }
    this.#again = false
    if (!this.#state.status.interfaceUp) return
    this.#working = true
    void this.#run().finally(() => {
      this.#working = false
      if (this.#again) this.reconcile()
    })
  }

  /** Takes out what was put in. */
  async clear(): Promise<void> {
    this.#wanted = []
    await Promise.allSettled(
      [...this.#ours].map((group) => this.#session.remove(PROP.IPV6_MULTICAST_ADDRESS_TABLE, group, { attempts: 1 })),
    )
    this.#ours.clear()
  }

  async #run(): Promise<void> {
    try {
      await this.#once()
    } catch (error) {
      this.#logger.debug({ error }, 'Groups were not set; they are with the next change or start')
      this.#again = false
    }
  }

  async #once(): Promise<void> {
    const standing = new Set(this.#state.status.groups)
    const asked = [
      ...FIRST_GROUPS.filter((group) => this.#wanted.includes(group)),
      ...this.#wanted.filter((group) => !FIRST_GROUPS.includes(group)),
    ]
    const needed = asked.filter(
      (group) => needsEntry(group) && (this.#ours.has(group) || !standing.has(group) || FIRST_GROUPS.includes(group)),
    )
    const served = needed.slice(0, this.#room)
    for (const group of [...this.#ours]) {
      if (served.includes(group)) continue
      await this.#session.remove(PROP.IPV6_MULTICAST_ADDRESS_TABLE, group)
      this.#ours.delete(group)
    }
    for (const group of served) {
      if (standing.has(group)) this.#ours.add(group)
      else if (!(await this.#insert(group))) {
        // Looks again with the room that is known now: a group further behind may have to make way. Each time there is less.
        this.#again = this.#ours.size < this.#room
        this.#room = this.#ours.size
        break
      }
    }
    const without = needed.filter((group) => !this.#ours.has(group))
    if (without.join() !== this.#state.status.groupsWithoutRoom.join()) {
      if (without.length > 0) this.#logger.warn({ groups: without, room: this.#room }, 'The dongle has no room for more multicast groups')
      this.#state.set({ groupsWithoutRoom: without })
    }
  }

  async #insert(group: string): Promise<boolean> {
    try {
      await this.#session.insert(PROP.IPV6_MULTICAST_ADDRESS_TABLE, group)
      this.#ours.add(group)
      return true
    } catch (error) {
      if (statusOf(error) === STATUS.NOMEM) return false
      if (statusOf(error) === STATUS.ALREADY) return true
      throw error
    }
  }
}

function canonical(address: string): string | undefined {
  const bytes = parseIp6(address)
  return bytes?.[0] === 0xff ? formatIp6(bytes) : undefined
}

/** Link-local groups reach the host unasked, and those of the interface never leave it. */
function needsEntry(group: string): boolean {
  const scope = Number.parseInt(group.slice(3, 4), 16)
  return scope > 2
}
