// The directory itself: registrations made durable, then shown; lifetimes; what lapsed and may still be renewed (RFC 9176 §5).
import { AppError, Schedule, type Timer } from '#main/base/index.ts'
import type { Link } from '#main/wire/coap/index.ts'
import { AccessPolicy } from './access.ts'
import { CommitQueue } from './commit-queue.ts'
import { checkAttributeBytes, checkSize, draftOfInput, draftOfRequest, endpointNameOf, updatedDraft, type Draft } from './drafts.ts'
import type { LookupQuery } from './filter.ts'
import { groupInput } from './groups.ts'
import { readLinks } from './links.ts'
import { lookupEndpoints, lookupResources, type LookupContext } from './lookup.ts'
import type { RegistrationParameters } from './parameters.ts'
import { isSimpleId, RegistrationIds } from './registration-id.ts'
import { DEFAULT_SOURCE_LIMITS, SourceQuotas } from './source-limits.ts'
import { RegistrationTable, type Entry } from './table.ts'
import type {
  DirectoryEvent,
  DirectoryLimits,
  DirectoryOptions,
  GroupInput,
  Registration,
  RegistrationChange,
  RegistrationInput,
  RegistrationRecord,
  RegistrationSource,
  ResourceDirectory,
} from './types.ts'
import { baseFromSource } from './uri.ts'

const DEFAULT_LIMITS: DirectoryLimits = { registrations: 200_000, linkBytes: 65_536, links: 1024, attributeBytes: 2048, graceS: 86_400 }

interface Kept extends Entry {
  timer: Timer | undefined
  /** Its lifetime has ended: no lookup shows it, its registrant can still renew it. */
  lapsed: boolean
}

export class Directory implements ResourceDirectory {
  readonly #options: DirectoryOptions
  readonly #limits: DirectoryLimits
  readonly #schedule: Schedule
  readonly #commits: CommitQueue
  readonly #access: AccessPolicy
  readonly #ids: RegistrationIds
  /** Undefined where sources may keep what they like. */
  readonly #quotas: SourceQuotas | undefined
  #table = new RegistrationTable()
  readonly #byId = new Map<string, Kept>()
  readonly #byName = new Map<string, Kept>()
  readonly #lapsed = new Set<Kept>()
  readonly #listeners = new Set<(event: DirectoryEvent) => void>()
  /** What happened in the transaction in hand. */
  #events: DirectoryEvent[] = []
  #stopServing: () => void = () => undefined

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#schedule = new Schedule(options.clock)
    this.#access = new AccessPolicy(options)
    this.#ids = new RegistrationIds(options.random)
    const { sourceLimits } = options
    this.#quotas = sourceLimits === undefined ? undefined : new SourceQuotas({ ...DEFAULT_SOURCE_LIMITS, ...sourceLimits })
    this.#commits = new CommitQueue(options.store, options.clock, { committed: () => this.#tellAll(), rolledBack: () => this.#reload() })
  }

  get limits(): DirectoryLimits {
    return this.#limits
  }

  get size(): number {
    return this.#table.size
  }

  /** Takes up what the store holds, each lifetime where it was, and is served until it is closed. */
  start(serve: (directory: Directory) => () => void): void {
    const over = this.#load()
    if (over.length > 0) this.#options.store.apply(over)
    this.#stopServing = serve(this)
    this.#options.logger.info({ live: this.size, lapsed: this.#lapsed.size, removed: over.length }, 'resource directory started')
  }

  close(): void {
    this.#stopServing()
    this.#commits.flush()
    this.#schedule.clear()
    this.#listeners.clear()
  }

  onChange(listener: (event: DirectoryEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  list(offset: number, limit: number): readonly Registration[] {
    const rows: Registration[] = []
    let position = 0
    for (const entry of this.#table.entries()) {
      if (rows.length >= limit) break
      if (position++ >= offset) rows.push(shown(entry.record))
    }
    return rows
  }

  get(id: string): Registration | undefined {
    const kept = this.#byId.get(id)
    return kept === undefined || kept.lapsed ? undefined : shown(kept.record)
  }

  find(endpointName: string, sector = ''): Registration | undefined {
    const kept = this.#byName.get(nameKey(endpointName, sector))
    return kept === undefined || kept.lapsed ? undefined : shown(kept.record)
  }

  register(input: RegistrationInput): Registration {
    const draft = draftOfInput(input)
    return this.#commits.now(() => this.#put(draft, readLinks(draft.links)))
  }

  registerGroup(input: GroupInput): Registration {
    return this.register(groupInput(input))
  }

  /** A registration request (RFC 9176 §5), or what follows a simple one (§5.1). */
  async registerFrom(
    parameters: RegistrationParameters,
    links: string,
    source: RegistrationSource,
    isSimple = false,
  ): Promise<Registration> {
    const draft = draftOfRequest(parameters, links, source, this.#baseOf(source))
    const parsed = readLinks(links)
    return this.#commits.add(() => this.#put(draft, parsed, isSimple))
  }

  /** Throws what would keep the source from registering under that name, `access.denied` or `rd.full`, before anything is done for it. */
  checkMayRegister(parameters: RegistrationParameters, source: RegistrationSource): void {
    const name = endpointNameOf(parameters)
    const sector = parameters.sector ?? ''
    const known = this.#byName.get(nameKey(name, sector))?.record
    this.#access.checkRegister(name, sector, source, known)
    this.#quotas?.check({ source, links: '', attributes: [] }, known)
  }

  /** An update request (RFC 9176 §5.3.1); undefined when there is no such registration. */
  updateFrom(id: string, parameters: RegistrationParameters, source: RegistrationSource): Promise<Registration | undefined> {
    return this.#commits.add(() => this.#update(id, parameters, source))
  }

  #update(id: string, parameters: RegistrationParameters, source: RegistrationSource): Registration | undefined {
    const kept = this.#byId.get(id)
    if (kept === undefined) return undefined
    const before = kept.record
    this.#access.checkChange(before, source)
    const draft = updatedDraft(before, parameters, source, this.#baseOf(source))
    checkAttributeBytes(draft.attributes, this.#limits)
    this.#quotas?.check(draft, before)
    const nowMs = this.#options.clock.now()
    const record: RegistrationRecord = {
      ...draft,
      id,
      registeredAt: kept.lapsed ? nowMs : before.registeredAt,
      expiresAt: nowMs + draft.lifetimeS * 1000,
    }
    this.#options.store.apply([{ kind: 'renew', record }])
    return this.#show(kept, record)
  }

  /** The links as they were submitted; undefined when there is no such registration. */
  linksOf(id: string): string | undefined {
    return this.#byId.get(id)?.record.links
  }

  remove(id: string): boolean {
    return this.#commits.now(() => this.#remove(id))
  }

  /** A removal request (RFC 9176 §5.3.2). */
  removeFrom(id: string, source: RegistrationSource): Promise<boolean> {
    return this.#commits.add(() => {
      const kept = this.#byId.get(id)
      if (kept !== undefined) this.#access.checkChange(kept.record, source)
      return this.#remove(id)
    })
  }

  #remove(id: string): boolean {
    const kept = this.#byId.get(id)
    if (kept === undefined) return false
    this.#options.store.apply([{ kind: 'remove', id }])
    const wasLive = !kept.lapsed
    this.#drop(kept)
    if (wasLive) this.#note('removed', kept.record)
    return true
  }

  lookupResources(query: LookupQuery, context: LookupContext): readonly Link[] {
    return lookupResources(this.#table, query, context)
  }

  lookupEndpoints(query: LookupQuery, context: LookupContext): readonly Link[] {
    return lookupEndpoints(this.#table, query, context)
  }

  #baseOf(source: RegistrationSource): string {
    return baseFromSource(this.#options.schemeOf?.(source.channelId) ?? 'coap', source.address)
  }

  #put(draft: Draft, links: readonly Link[], isSimple = false): Registration {
    checkSize(draft, links.length, this.#limits)
    const known = this.#byName.get(nameKey(draft.endpointName, draft.sector))
    if (draft.source !== undefined) this.#access.checkRegister(draft.endpointName, draft.sector, draft.source, known?.record)
    this.#quotas?.check(draft, known?.record)
    const changes: RegistrationChange[] = []
    const evicted = known === undefined ? this.#room() : undefined
    if (evicted !== undefined) changes.push({ kind: 'remove', id: evicted.record.id })
    const nowMs = this.#options.clock.now()
    const record: RegistrationRecord = {
      ...draft,
      id: known?.record.id ?? this.#ids.next((id) => this.#byId.has(id), isSimple),
      registeredAt: known === undefined || known.lapsed ? nowMs : known.record.registeredAt,
      expiresAt: nowMs + draft.lifetimeS * 1000,
    }
    changes.push({ kind: 'save', record })
    this.#options.store.apply(changes)
    if (evicted !== undefined) this.#drop(evicted)
    return this.#show(known, record, links)
  }

  /** The lapsed registration that must go for a new one; undefined when there is room. Throws `rd.full`. */
  #room(): Kept | undefined {
    if (this.#byId.size < this.#limits.registrations) return undefined
    for (const kept of this.#lapsed) return kept
    throw new AppError('rd.full', 'The directory holds as many registrations as it may', {
      retryable: true,
      details: { registrations: this.#byId.size },
    })
  }

  /** Puts a record in its place among the live ones; `links` are its links where they have been read already. */
  #show(known: Kept | undefined, record: RegistrationRecord, links?: readonly Link[]): Registration {
    const previous = known === undefined || known.lapsed ? undefined : known.record
    if (known === undefined) this.#addLive(record, record.lifetimeS * 1000, links)
    else {
      known.timer?.cancel()
      this.#quotas?.delete(known.record)
      this.#quotas?.add(record)
      if (known.lapsed) {
        known.lapsed = false
        known.record = record
        this.#lapsed.delete(known)
        this.#table.add(known, links)
      } else this.#table.replace(known, record, links)
      this.#expireIn(known, record.lifetimeS * 1000)
    }
    this.#note(previous === undefined ? 'registered' : 'updated', record, previous)
    return shown(record)
  }

  /** Takes a record from the store. What lapsed in the meantime lapsed silently; a wall clock that went back prolongs nothing. */
  #take(record: RegistrationRecord, nowMs: number): void {
    const leftMs = Math.min(record.expiresAt - nowMs, record.lifetimeS * 1000)
    if (leftMs > 0) {
      this.#addLive(record, leftMs)
      return
    }
    const kept: Kept = { record, timer: undefined, lapsed: false }
    this.#addKeys(kept)
    this.#lapse(kept, record.expiresAt + this.#limits.graceS * 1000 - nowMs)
  }

  #addLive(record: RegistrationRecord, leftMs: number, links?: readonly Link[]): void {
    const kept: Kept = { record, timer: undefined, lapsed: false }
    this.#addKeys(kept)
    this.#table.add(kept, links)
    this.#expireIn(kept, leftMs)
  }

  #addKeys(kept: Kept): void {
    this.#byId.set(kept.record.id, kept)
    this.#byName.set(nameKey(kept.record.endpointName, kept.record.sector), kept)
    this.#quotas?.add(kept.record)
  }

  #expireIn(kept: Kept, delayMs: number): void {
    kept.timer = this.#schedule.setTimer(delayMs, () => {
      if (isSimpleId(kept.record.id)) this.#discard(kept)
      else this.#lapse(kept, this.#limits.graceS * 1000)
      this.#note('expired', kept.record)
      this.#tellAll()
    })
  }

  #lapse(kept: Kept, graceMs: number): void {
    kept.lapsed = true
    this.#table.delete(kept)
    this.#lapsed.add(kept)
    kept.timer = this.#schedule.setTimer(graceMs, () => this.#discard(kept))
  }

  #discard(kept: Kept): void {
    this.#drop(kept)
    // Those that end together share a commit.
    this.#commits
      .add(() => this.#options.store.apply([{ kind: 'remove', id: kept.record.id }]))
      .catch((error: unknown) => {
        // It stays in the file and goes when the directory starts next.
        this.#options.logger.warn({ error }, 'a lapsed registration could not be removed')
      })
  }

  #drop(kept: Kept): void {
    kept.timer?.cancel()
    this.#quotas?.delete(kept.record)
    this.#table.delete(kept)
    this.#lapsed.delete(kept)
    this.#byId.delete(kept.record.id)
    this.#byName.delete(nameKey(kept.record.endpointName, kept.record.sector))
  }

  #note(kind: DirectoryEvent['kind'], record: RegistrationRecord, previous?: RegistrationRecord): void {
    this.#events.push({ kind, registration: shown(record), ...(previous === undefined ? {} : { previous: shown(previous) }) })
  }

  /** Tells what is durable now. Listeners may call back into the directory. */
  #tellAll(): void {
    const events = this.#events
    this.#events = []
    for (const event of events) for (const listener of this.#listeners) this.#tell(listener, event)
  }

  #tell(listener: (event: DirectoryEvent) => void, event: DirectoryEvent): void {
    try {
      listener(event)
    } catch (error) {
      this.#options.logger.error({ error }, 'a listener of the directory failed')
    }
  }

  /** Takes all from the store; gives the removals of what lapsed too long ago. */
  #load(): readonly RegistrationChange[] {
    const nowMs = this.#options.clock.now()
    const over: RegistrationChange[] = []
    for (const record of this.#options.store.load()) {
      const graceMs = isSimpleId(record.id) ? 0 : this.#limits.graceS * 1000
      if (record.expiresAt + graceMs <= nowMs) over.push({ kind: 'remove', id: record.id })
      else this.#take(record, nowMs)
    }
    return over
  }

  /** A commit failed after memory had moved on: back to what the store holds, of which all listeners know. */
  #reload(): void {
    this.#events = []
    this.#schedule.clear()
    this.#table = new RegistrationTable()
    for (const index of [this.#byId, this.#byName, this.#lapsed, this.#quotas]) index?.clear()
    try {
      this.#load()
    } catch (error) {
      this.#options.logger.error({ error }, 'registrations cannot be read')
    }
    this.#options.logger.error({ live: this.size }, 'registrations could not be written; taken from the store again')
  }
}

function shown(record: RegistrationRecord): Registration {
  return { ...record, location: `/rd/${record.id}` }
}

/** Sectors and names hold no control characters, so a line feed separates them. */
function nameKey(endpointName: string, sector: string): string {
  return `${sector}\n${endpointName}`
}
