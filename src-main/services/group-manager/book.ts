// All groups in memory, each step committed to the store before it counts; who listens is told of each.
import { toAppError, toHex, type Clock, type Logger, type Random, type Timer } from '#main/base/index.ts'
import { gidPrefix, newGroup, openGroup, rekeyed, type GroupState, type StatePorts } from './group-state.ts'
import type { GroupConfiguration } from './configuration.ts'
import type { GroupManagerStore, StoredMember } from './store.ts'
import type { GroupEvent, GroupEventKind, SecretSealer } from './types.ts'

export interface BookPorts {
  readonly store: GroupManagerStore
  readonly sealer: SecretSealer
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Names of deleted groups that are still told from names that never were. */
const MAX_DELETED = 256
const NOTE_DELAY_MS = 100

export class GroupBook {
  readonly ports: BookPorts
  readonly #groups = new Map<string, GroupState>()
  readonly #byGid = new Map<string, string>()
  readonly #deleted = new Set<string>()
  readonly #noted = new Map<string, StoredMember>()
  #timer: Timer | undefined
  readonly #listeners = new Set<(event: GroupEvent) => void>()

  constructor(ports: BookPorts) {
    this.ports = ports
    const members = Map.groupBy(ports.store.members(), ({ group }) => group)
    for (const stored of ports.store.groups()) this.#put(openGroup(stored, members.get(stored.name) ?? [], ports.sealer))
  }

  get(name: string): GroupState | undefined {
    return this.#groups.get(name)
  }

  all(): Iterable<GroupState> {
    return this.#groups.values()
  }

  get size(): number {
    return this.#groups.size
  }

  byGid(gid: Uint8Array): GroupState | undefined {
    const name = this.#byGid.get(toHex(gid))
    return name === undefined ? undefined : this.#groups.get(name)
  }

  wasDeleted(name: string): boolean {
    return this.#deleted.has(name)
  }

  statePorts(): StatePorts {
    const { random, sealer, clock } = this.ports
    return { random, sealer, nowMs: clock.now() }
  }

  create(name: string, configuration: GroupConfiguration): GroupState {
    const state = newGroup(name, configuration, this.statePorts(), (prefix) => this.#isPrefixFree(prefix))
    this.commit(state)
    this.#deleted.delete(name)
    this.tell('created', state)
    return state
  }

  /** Commits a step: the group, and of its members those that have changed. Throws with nothing changed where that fails. */
  commit(next: GroupState): void {
    const { store } = this.ports
    const { name } = next.stored
    const before = this.#groups.get(name)
    store.transaction(() => {
      this.#writeNoted()
      if (before?.stored !== next.stored) store.saveGroup(next.stored)
      if (before?.members === next.members) return
      for (const [identity, member] of next.members) if (before?.members.get(identity) !== member) store.saveMember(member)
      for (const identity of before?.members.keys() ?? []) if (!next.members.has(identity)) store.removeMember(name, identity)
    })
    this.#noted.clear()
    this.#put(next)
  }

  /**
   * What is known of a member's keys and where it is heard. It counts at once and is written soon, many together: what a crash takes of it
   * is found out again by telling the member once more.
   */
  note(state: GroupState, member: StoredMember): void {
    const { name } = state.stored
    // In place where that can be: of a large group everybody confirms, one after the other.
    const members = state.members instanceof Map ? state.members : new Map(state.members)
    members.set(member.identity, member)
    this.#groups.set(name, { ...state, members })
    this.#noted.set(`${name}\n${member.identity}`, member)
    this.#timer ??= this.ports.clock.setTimer(NOTE_DELAY_MS, () => this.#write())
  }

  /** Writes what is noted, and notes nothing any more. */
  close(): void {
    this.#write()
  }

  #write(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#noted.size > 0) this.ports.store.transaction(() => this.#writeNoted())
    this.#noted.clear()
  }

  #writeNoted(): void {
    for (const { group, identity } of this.#noted.values()) {
      const member = this.#groups.get(group)?.members.get(identity)
      if (member !== undefined) this.ports.store.saveMember(member)
    }
  }

  rekey(state: GroupState, newcomers: readonly Uint8Array[] = []): GroupState {
    const next = rekeyed(state, this.statePorts(), { newcomers })
    this.commit(next)
    this.tell('rekeyed', next)
    return next
  }

  /** New keys for all groups under Gids that nobody has seen: the file was copied or put back. */
  startAnew(): void {
    for (const state of [...this.#groups.values()]) {
      const next = rekeyed(state, this.statePorts(), { freshPrefix: (prefix) => this.#isPrefixFree(prefix) })
      this.commit(next)
      this.tell('rekeyed', next)
    }
  }

  remove(name: string): void {
    const state = this.#groups.get(name)
    if (state === undefined) return
    this.ports.store.removeGroup(name)
    this.#groups.delete(name)
    this.#byGid.delete(toHex(state.stored.gid))
    this.#deleted.add(name)
    for (const oldest of this.#deleted) {
      if (this.#deleted.size <= MAX_DELETED) break
      this.#deleted.delete(oldest)
    }
    this.tell('deleted', state)
  }

  tell(kind: GroupEventKind, { stored }: GroupState, identity?: string): void {
    const event: GroupEvent = {
      kind,
      group: stored.name,
      generation: stored.generation,
      atMs: this.ports.clock.now(),
      ...(identity === undefined ? {} : { identity }),
    }
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (thrown) {
        // What has happened stands, whoever cannot bear it.
        this.ports.logger.error({ err: toAppError(thrown), kind }, 'A listener to security groups failed')
      }
    }
  }

  onEvent(listener: (event: GroupEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #put(state: GroupState): void {
    const { name, gid } = state.stored
    const before = this.#groups.get(name)
    if (before !== undefined) this.#byGid.delete(toHex(before.stored.gid))
    this.#groups.set(name, state)
    this.#byGid.set(toHex(gid), name)
  }

  #isPrefixFree(prefix: string): boolean {
    for (const { stored } of this.#groups.values()) if (gidPrefix(stored.gid) === prefix) return false
    return true
  }
}
