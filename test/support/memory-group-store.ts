// A GroupStore in memory, with the constraints of the real one: unique names and addresses, references that hold, and transactions
// that leave nothing behind when they fail.
import type { ApplicationGroupRecord, CoapGroupRecord, GroupStore, MembershipRecord } from '#main/site/groups/index.ts'
import type { TestRunRow } from '#contract/model.ts'

export class MemoryGroupStore implements GroupStore {
  #coap = new Map<string, CoapGroupRecord>()
  #groups = new Map<string, ApplicationGroupRecord>()
  #cells = new Map<string, MembershipRecord>()
  #runs = new Map<string, TestRunRow>()
  /** Called before each write; may throw to stand for a full disk. */
  beforeWrite: () => void = () => undefined
  writes = 0

  coapGroups(): readonly CoapGroupRecord[] {
    return [...this.#coap.values()]
  }

  saveCoapGroup(group: CoapGroupRecord): void {
    this.#write()
    for (const other of this.#coap.values()) {
      if (other.id === group.id) continue
      if (other.name === group.name) throw new TypeError(`UNIQUE coap_group.name ${group.name}`)
      if (other.address === group.address && other.port === group.port) throw new TypeError(`UNIQUE coap_group.address ${group.address}`)
    }
    this.#coap.set(group.id, group)
  }

  removeCoapGroup(id: string): void {
    this.#write()
    for (const group of this.#groups.values())
      if (group.coapGroupId === id) throw new TypeError(`FOREIGN KEY application_group ${group.name}`)
    this.#coap.delete(id)
  }

  applicationGroups(): readonly ApplicationGroupRecord[] {
    return [...this.#groups.values()]
  }

  saveApplicationGroup(group: ApplicationGroupRecord): void {
    this.#write()
    if (!this.#coap.has(group.coapGroupId)) throw new TypeError(`FOREIGN KEY coap_group ${group.coapGroupId}`)
    this.#groups.set(group.id, group)
  }

  removeApplicationGroup(id: string): void {
    this.#write()
    this.#groups.delete(id)
    for (const [key, cell] of this.#cells) if (cell.groupId === id) this.#cells.delete(key)
  }

  memberships(): readonly MembershipRecord[] {
    return [...this.#cells.values()]
  }

  saveMemberships(memberships: readonly MembershipRecord[]): void {
    this.#write()
    for (const cell of memberships) {
      if (!this.#groups.has(cell.groupId)) throw new TypeError(`FOREIGN KEY membership ${cell.groupId}`)
      this.#cells.set(`${cell.deviceId} ${cell.groupId}`, cell)
    }
  }

  removeMemberships(keys: ReadonlyArray<{ readonly deviceId: string; readonly groupId: string }>): void {
    this.#write()
    for (const { deviceId, groupId } of keys) this.#cells.delete(`${deviceId} ${groupId}`)
  }

  testRuns(limit: number): readonly TestRunRow[] {
    return [...this.#runs.values()].toSorted((a, b) => b.startedAt - a.startedAt).slice(0, limit)
  }

  saveTestRun(run: TestRunRow): void {
    this.#write()
    this.#runs.set(run.id, run)
  }

  transaction<Result>(work: () => Result): Result {
    const before = [new Map(this.#coap), new Map(this.#groups), new Map(this.#cells), new Map(this.#runs)] as const
    try {
      return work()
    } catch (thrown) {
      ;[this.#coap, this.#groups, this.#cells, this.#runs] = before
      throw thrown
    }
  }

  #write(): void {
    this.beforeWrite()
    this.writes++
  }
}
