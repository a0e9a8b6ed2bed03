// The directory itself: registrations made durable, then shown; lifetimes; what lapsed and may still be renewed (RFC 9176 §5).
import { AppError, Schedule, type Timer } from '#main/base/index.ts'
import type { Link } from '#main/wire/coap/index.ts'
import { AccessPolicy } from './access.ts'
import { CommitQueue } from './commit-queue.ts'
import { checkAttributeBytes, checkSize, draftOfInput, draftOfRequest, endpointNameOf, updatedDraft, type Draft } from './drafts.ts'
import { DirectoryEvents, shown } from './events.ts'
import type { LookupQuery } from './filter.ts'
import { groupInput } from './groups.ts'
import { readTerms } from './link-terms.ts'
import { lookupEndpoints, lookupResources, type LookupContext } from './lookup.ts'
import type { RegistrationParameters } from './parameters.ts'
import { isSimpleId, RegistrationIds } from './registration-id.ts'
import type { DirectorySettings, DirectorySettingsChange } from './operator-types.ts'
import { Settings } from './settings.ts'
import { SourceQuotas } from './source-limits.ts'
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
} from './types.ts'
import { baseFromSource } from './uri.ts'
import { WallClock } from './wall-clock.ts'

interface Kept extends Entry {
  timer: Timer | undefined
  /** Its lifetime has ended: no lookup shows it, its registrant can still renew it. */
  lapsed: boolean
}

export class Directory {
  readonly #options: DirectoryOptions
  readonly #settings: Settings
  readonly #wallClock: WallClock
  readonly #schedule: Schedule
  readonly #commits: CommitQueue
  readonly #access: AccessPolicy
  readonly #ids: RegistrationIds
  readonly #quotas: SourceQuotas
  #table = new RegistrationTable()
  readonly #byId = new Map<string, Kept>()
  readonly #byName = new Map<string, Kept>()
  readonly #lapsed = new Set<Kept>()
  readonly #events: DirectoryEvents
  #stopServing: () => void = () => undefined

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#settings = new Settings(options)
    this.#wallClock = new WallClock(options.clock)
    this.#schedule = new Schedule(options.clock)
    this.#events = new DirectoryEvents(options.logger)
    this.#access = new AccessPolicy(() => this.settings.policy, options.isEnrolled)
    this.#ids = new RegistrationIds(options.random)
    this.#quotas = new SourceQuotas(this.settings.sourceLimits)
    this.#commits = new CommitQueue(options.store, options.clock, { committed: () => this.#committed(), rolledBack: () => this.#reload() })
  }

  get settings(): DirectorySettings {
    return this.#settings.current
  }

  get limits(): DirectoryLimits {
    return this.settings.limits
  }

  get table(): RegistrationTable {
    return this.#table
  }

  /** Grows with each change that somebody was told of. */
  get version(): number {
    return this.#events.version
  }

  changeSettings(change: DirectorySettingsChange): void {
    this.#settings.change(change)
    if (change.sourceLimits !== undefined) this.#quotas.setLimits(this.settings.sourceLimits, this.#records())
  }

  *#records(): Generator<RegistrationRecord> {
    for (const { record } of this.#byId.values()) yield record
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
    this.#commits.now(() => this.#followWallClock())
    this.#schedule.clear()
    this.#events.close()
  }

  onChange(listener: (event: DirectoryEvent) => void): () => void {
    return this.#events.subscribe(listener)
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
    return this.#commits.now(() => this.#put(draft))
  }

  registerGroup(input: GroupInput): Registration {
    return this.register(groupInput(input))
  }

  /** A registration request (RFC 9176 §5), or what follows a simple one (§5.1). */
  async registerFrom(asked: RegistrationParameters, links: string, source: RegistrationSource, isSimple = false): Promise<Registration> {
    const parameters = this.#named(asked, source)
    const draft = draftOfRequest(parameters, readTerms(links).text, source, this.#baseOf(source))
    return this.#commits.add(() => this.#put(draft, isSimple))
  }

  /** Throws what would keep the source from registering under that name, `access.denied` or `rd.full`, before anything is done for it. */
  checkMayRegister(asked: RegistrationParameters, source: RegistrationSource): void {
    const parameters = this.#named(asked, source)
    const name = endpointNameOf(parameters)
    const sector = parameters.sector ?? ''
    const known = this.#byName.get(nameKey(name, sector))?.record
    this.#access.checkRegister(name, sector, source, known)
    this.#quotas.check({ source, links: '', attributes: [] }, known)
  }

  /** Whom the directory knows need not say a name (RFC 9176 §5). */
  #named(parameters: RegistrationParameters, source: RegistrationSource): RegistrationParameters {
    if (parameters.endpointName !== undefined) return parameters
    const known = this.#options.nameOf?.(source)
    return known === undefined ? parameters : { ...parameters, endpointName: known.endpointName, sector: parameters.sector ?? known.sector }
  }

  /** An update request (RFC 9176 §5.3.1); undefined when there is no such registration. */
  updateFrom(id: string, parameters: RegistrationParameters, source: RegistrationSource): Promise<Registration | undefined> {
    return this.#commits.add(() => this.#update(id, parameters, source))
  }

  #update(id: string, parameters: RegistrationParameters, source: RegistrationSource): Registration | undefined {
    const kept = this.#byId.get(id)
    if (kept === undefined) return undefined
    this.#followWallClock()
    const before = kept.record
    this.#access.checkChange(before, source)
    const draft = updatedDraft(before, parameters, source, this.#baseOf(source))
    checkAttributeBytes(draft.attributes, this.limits)
    this.#quotas.check(draft, before)
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
    if (wasLive) this.#events.note('removed', kept.record)
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

  #put(draft: Draft, isSimple = false): Registration {
    checkSize(draft, readTerms(draft.links).count, this.limits)
    this.#followWallClock()
    const known = this.#byName.get(nameKey(draft.endpointName, draft.sector))
    if (draft.source !== undefined) this.#access.checkRegister(draft.endpointName, draft.sector, draft.source, known?.record)
    this.#quotas.check(draft, known?.record)
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
    return this.#show(known, record)
  }

  /** The lapsed registration that must go for a new one; undefined when there is room. Throws `rd.full`. */
  #room(): Kept | undefined {
    if (this.#byId.size < this.limits.registrations) return undefined
    for (const kept of this.#lapsed) return kept
    throw new AppError('rd.full', 'The directory holds as many registrations as it may', {
      retryable: true,
      details: { registrations: this.#byId.size },
    })
  }

  /** Puts a record in its place among the live ones. */
  #show(known: Kept | undefined, record: RegistrationRecord): Registration {
    const previous = known === undefined || known.lapsed ? undefined : known.record
    if (known === undefined) this.#addLive(record, record.lifetimeS * 1000)
    else {
      known.timer?.cancel()
      this.#quotas.delete(known.record)
      this.#quotas.add(record)
      if (known.lapsed) {
        known.lapsed = false
        known.record = record
        this.#lapsed.delete(known)
        this.#table.add(known)
      } else this.#table.replace(known, record)
      this.#expireIn(known, record.lifetimeS * 1000)
    }
    this.#events.note(previous === undefined ? 'registered' : 'updated', record, previous)
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
    this.#lapse(kept, record.expiresAt + this.limits.graceS * 1000 - nowMs)
  }

  #addLive(record: RegistrationRecord, leftMs: number): void {
    const kept: Kept = { record, timer: undefined, lapsed: false }
    this.#addKeys(kept)
    this.#table.add(kept)
    this.#expireIn(kept, leftMs)
  }

  #addKeys(kept: Kept): void {
    this.#byId.set(kept.record.id, kept)
    this.#byName.set(nameKey(kept.record.endpointName, kept.record.sector), kept)
    this.#quotas.add(kept.record)
  }

  #expireIn(kept: Kept, delayMs: number): void {
    kept.timer = this.#schedule.setTimer(delayMs, () => {
      if (isSimpleId(kept.record.id)) this.#discard(kept)
      else this.#lapse(kept, this.limits.graceS * 1000)
      this.#events.note('expired', kept.record)
      this.#events.tellAll()
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
    this.#quotas.delete(kept.record)
    this.#table.delete(kept)
    this.#lapsed.delete(kept)
    this.#byId.delete(kept.record.id)
    this.#byName.delete(nameKey(kept.record.endpointName, kept.record.sector))
  }

  #committed(): void {
    this.#wallClock.committed()
    this.#events.tellAll()
  }

  /** Takes all from the store; gives the removals of what lapsed too long ago. */
  #load(): readonly RegistrationChange[] {
    const nowMs = this.#wallClock.nowAtRest()
    const over: RegistrationChange[] = []
    for (const record of this.#options.store.load()) {
      const graceMs = isSimpleId(record.id) ? 0 : this.limits.graceS * 1000
      if (record.expiresAt + graceMs <= nowMs) over.push({ kind: 'remove', id: record.id })
      else this.#take(record, nowMs)
    }
    return over
  }

  /** Within a transaction: the dates of all registrations go with a clock that was put right. */
  #followWallClock(): void {
    const byMs = this.#wallClock.takeJump()
    if (byMs === 0 || this.#byId.size === 0) return
    this.#options.store.apply([{ kind: 'shift', byMs }])
    for (const kept of this.#byId.values()) {
      const { registeredAt, expiresAt } = kept.record
      kept.record = { ...kept.record, registeredAt: registeredAt + byMs, expiresAt: expiresAt + byMs }
    }
    this.#options.logger.info({ byMs }, 'the wall clock was put right, and registrations with it')
  }

  /** A commit failed after memory had moved on: back to what the store holds, of which all listeners know. */
  #reload(): void {
    this.#events.takeBack()
    this.#wallClock.rolledBack()
    this.#schedule.clear()
    this.#table = new RegistrationTable()
    for (const index of [this.#byId, this.#byName, this.#lapsed, this.#quotas]) index.clear()
    try {
      this.#load()
    } catch (error) {
      this.#options.logger.error({ error }, 'registrations cannot be read')
    }
    this.#options.logger.error({ live: this.size }, 'registrations could not be written; taken from the store again')
  }
}

/** Sectors and names hold no control characters, so a line feed separates them. */
function nameKey(endpointName: string, sector: string): string {
  return `${sector}\n${endpointName}`
}
