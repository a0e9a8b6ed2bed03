// The lookups as resources that can be observed (RFC 9176 §6, RFC 7641): an observer hears only of changes to its own result.
import { toHex, hash, utf8, utf8ToText, type Clock, type Timer } from '#main/base/index.ts'
import {
  findOption,
  findUint,
  formatLinkFormat,
  Observable,
  OptionNumber,
  type IncomingRequest,
  type Link,
  type ObservableListener,
  type ObservableSource,
  type OutgoingResponse,
  type ResourceRegistry,
} from '#main/wire/coap/index.ts'
import { answering, linksResponse, sourceOf, wantsOtherFormat } from './answers.ts'
import type { Directory } from './directory.ts'
import { readLookupQuery, type LookupQuery } from './filter.ts'
import { lookupEndpoints, lookupResources, type LookupContext } from './lookup.ts'
import { prefixKey, QUOTA_RETRY_S, sourceKey, tooMany } from './source-limits.ts'
import { haveSameAttributes, RegistrationTable } from './table.ts'
import type { DirectoryEvent, RegistrationRecord, RegistrationSource, SourceLimits } from './types.ts'

const REGISTER = 0
/** Changes that come within this time are told together. */
const TOGETHER_MS = 100
/** Looking results up again takes at most this part of the time. */
const SHARE = 10
/** When more registrations have changed, every observed result is looked up again. */
const MOST_CHANGED = 4096

type Search = (table: RegistrationTable, query: LookupQuery, context: LookupContext) => readonly Link[]

/** Hangs `/rd-lookup/res` and `/rd-lookup/ep` up; the returned function takes them away. */
export function serveLookups(directory: Directory, registry: ResourceRegistry, clock: Clock): () => void {
  const limits = (): SourceLimits | undefined => directory.settings.sourceLimits
  const resources = new ObservedLookup((query, context) => directory.lookupResources(query, context), lookupResources, limits)
  const endpoints = new ObservedLookup((query, context) => directory.lookupEndpoints(query, context), lookupEndpoints, limits)
  const changes = new Changes(clock, [resources, endpoints])
  const takeAway = [
    registry.add('/rd-lookup/res', {
      attributes: { rt: 'core.rd-lookup-res', ct: '40', obs: null },
      handlers: { GET: answering((request) => resources.answer(request)) },
      observable: resources,
    }),
    registry.add('/rd-lookup/ep', {
      attributes: { rt: 'core.rd-lookup-ep', ct: '40', obs: null },
      handlers: { GET: answering((request) => endpoints.answer(request)) },
      observable: endpoints,
    }),
    directory.onChange((event) => changes.take(event)),
    () => changes.close(),
  ]
  return () => takeAway.forEach((take) => take())
}

interface Watch {
  readonly query: LookupQuery
  readonly context: LookupContext
  /** Of the result that the observer was given last. */
  digest: string
}

/** One lookup interface and those who observe it. */
class ObservedLookup implements ObservableSource {
  readonly #subject = new Observable()
  #subscribers = 0
  readonly #find: (query: LookupQuery, context: LookupContext) => readonly Link[]
  readonly #search: Search
  readonly #limits: () => SourceLimits | undefined
  /** By the request that registered; it goes with the entry in the list of observers, whose number the endpoint limits. */
  readonly #watches = new WeakMap<IncomingRequest, Watch>()

  constructor(
    find: (query: LookupQuery, context: LookupContext) => readonly Link[],
    search: Search,
    limits: () => SourceLimits | undefined,
  ) {
    this.#find = find
    this.#search = search
    this.#limits = limits
  }

  get isObserved(): boolean {
    return this.#subscribers > 0
  }

  subscribe(listener: ObservableListener): () => void {
    const unsubscribe = this.#subject.subscribe(listener)
    this.#subscribers++
    let subscribed = true
    return () => {
      unsubscribe()
      if (subscribed) this.#subscribers--
      subscribed = false
    }
  }

  answer(request: IncomingRequest): OutgoingResponse {
    if (wantsOtherFormat(request)) return { code: '4.06' }
    const query = readLookupQuery(request.query)
    const context = contextOf(request)
    const wantsToObserve = findUint(request.options, OptionNumber.OBSERVE) === REGISTER
    // A notification asks again by the same request.
    if (wantsToObserve && !this.#watches.has(request)) this.#checkObservers(sourceOf(request))
    const text = formatLinkFormat(this.#find(query, context))
    if (wantsToObserve) this.#watches.set(request, { query, context, digest: digestOf(text) })
    return linksResponse(text)
  }

  /** Who asks is counted with the others already. Throws `rd.full` with the time to wait. */
  #checkObservers(source: RegistrationSource): void {
    const limits = this.#limits()
    if (limits === undefined) return
    const address = sourceKey(source)
    const prefix = prefixKey(source)
    let ofAddress = 0
    let ofPrefix = 0
    this.#subject.notify((request) => {
      const other = sourceOf(request)
      if (sourceKey(other) === address) ofAddress++
      if (prefix !== undefined && prefixKey(other) === prefix) ofPrefix++
      return false
    })
    if (ofAddress > limits.observers || ofPrefix > limits.prefixObservers) throw tooMany('The source observes too much', QUOTA_RETRY_S)
  }

  /** Undefined for either: so much has changed that it may concern anybody. */
  changed(before: RegistrationTable | undefined, after: RegistrationTable | undefined): void {
    if (!this.isObserved) return
    this.#subject.notify((request) => {
      const watch = this.#watches.get(request)
      if (watch === undefined) return true
      if (before !== undefined && after !== undefined && !this.#mayConcern(watch, before) && !this.#mayConcern(watch, after)) return false
      return digestOf(formatLinkFormat(this.#find(watch.query, watch.context))) !== watch.digest
    })
  }

  /** Whether one of the changed registrations is among the results, on whichever page. */
  #mayConcern({ query, context }: Watch, changed: RegistrationTable): boolean {
    return this.#search(changed, { criteria: query.criteria, skip: 0, take: 1 }, context).length > 0
  }
}

/** Registrations as they were and as they are, gathered until observers are told of them. */
class Changes {
  readonly #clock: Clock
  readonly #lookups: readonly ObservedLookup[]
  readonly #touched = new Map<string, { readonly before: RegistrationRecord | undefined; after: RegistrationRecord | undefined }>()
  #countless = false
  #timer: Timer | undefined
  #notBeforeMs = 0

  constructor(clock: Clock, lookups: readonly ObservedLookup[]) {
    this.#clock = clock
    this.#lookups = lookups
  }

  take({ kind, registration, previous }: DirectoryEvent): void {
    if (!this.#lookups.some((lookup) => lookup.isObserved)) return
    const gone = kind === 'removed' || kind === 'expired'
    if (previous !== undefined && looksAlike(previous, registration)) return
    const known = this.#touched.get(registration.id)
    if (known !== undefined) known.after = gone ? undefined : registration
    else if (this.#touched.size >= MOST_CHANGED) this.#countless = true
    else this.#touched.set(registration.id, { before: gone ? registration : previous, after: gone ? undefined : registration })
    const waitMs = Math.max(TOGETHER_MS, this.#notBeforeMs - this.#clock.monotonicMs())
    this.#timer ??= this.#clock.setTimer(waitMs, () => this.#tell())
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#touched.clear()
  }

  #tell(): void {
    this.#timer = undefined
    const startedMs = this.#clock.monotonicMs()
    const touched = [...this.#touched.values()]
    const before = this.#countless ? undefined : tableOf(touched.map((one) => one.before))
    const after = this.#countless ? undefined : tableOf(touched.map((one) => one.after))
    this.#touched.clear()
    this.#countless = false
    for (const lookup of this.#lookups) lookup.changed(before, after)
    const endedMs = this.#clock.monotonicMs()
    this.#notBeforeMs = endedMs + (endedMs - startedMs) * SHARE
  }
}

function tableOf(records: ReadonlyArray<RegistrationRecord | undefined>): RegistrationTable {
  const table = new RegistrationTable()
  for (const record of records) if (record !== undefined) table.add({ record })
  return table
}

/** Whether no lookup tells the two apart: nearly every renewal is of this kind. */
function looksAlike(one: RegistrationRecord, other: RegistrationRecord): boolean {
  return (
    one.links === other.links &&
    one.base === other.base &&
    one.source?.channelId === other.source?.channelId &&
    one.source?.address.zone === other.source?.address.zone &&
    haveSameAttributes(one, other)
  )
}

function digestOf(text: string): string {
  return toHex(hash('sha256', utf8(text)))
}

function contextOf(request: IncomingRequest): LookupContext {
  return { origins: ownOrigins(request), channelId: request.channelId, zone: request.source.zone }
}

/** How the asker writes this server's URIs: by the address it sent to, and by Uri-Host where it gave one (RFC 7252 §6.5). */
function ownOrigins(request: IncomingRequest): readonly string[] {
  const { destination } = request
  const hostOption = findOption(request.options, OptionNumber.URI_HOST)
  const hosts = destination === undefined ? [] : [destination.address.includes(':') ? `[${destination.address}]` : destination.address]
  const named = hostOption === undefined ? undefined : utf8ToText(hostOption.value)
  if (named !== undefined) hosts.push(named)
  const port = findUint(request.options, OptionNumber.URI_PORT) ?? destination?.port ?? 5683
  return hosts.flatMap((host) => (port === 5683 ? [`coap://${host}`, `coap://${host}:5683`] : [`coap://${host}:${port}`]))
}
