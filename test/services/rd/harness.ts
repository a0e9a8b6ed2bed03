// A directory on a virtual clock, driven through its resources as a CoAP endpoint would.
import { seededRandom, silentLogger, utf8, utf8ToText, type PeerIdentity, type SocketAddress } from '#main/base/index.ts'
import {
  createResourceDirectory,
  type DirectoryEvent,
  type DirectoryOptions,
  type RegistrationChange,
  type RegistrationRecord,
  type RegistrationStore,
  type ResourceDirectory,
} from '#main/services/rd/index.ts'
import { ResourceTree, type CoapOption, type IncomingRequest, type Method, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** Keeps rows in memory; `broken` makes every write fail. */
export class MemoryRegistrationStore implements RegistrationStore {
  readonly rows = new Map<string, RegistrationRecord>()
  #undo: Array<() => void> | undefined
  broken = false
  failsAtCommit = false
  transactions = 0

  load(): Iterable<RegistrationRecord> {
    return [...this.rows.values()]
  }

  transaction<Result>(work: () => Result): Result {
    const undo: Array<() => void> = []
    this.#undo = undo
    this.transactions++
    try {
      const result = work()
      if (this.failsAtCommit) throw new RangeError('no disk')
      return result
    } catch (error) {
      for (const step of undo.reverse()) step()
      throw error
    } finally {
      this.#undo = undefined
    }
  }

  apply(changes: readonly RegistrationChange[]): void {
    if (this.broken) throw new RangeError('no disk')
    for (const change of changes) {
      if (change.kind === 'shift') {
        this.#shift(change.byMs)
        this.#undo?.push(() => this.#shift(-change.byMs))
        continue
      }
      const id = change.kind === 'remove' ? change.id : change.record.id
      const before = this.rows.get(id)
      this.#undo?.push(() => {
        if (before === undefined) this.rows.delete(id)
        else this.rows.set(id, before)
      })
      if (change.kind === 'remove') this.rows.delete(id)
      else this.rows.set(id, change.record)
    }
  }

  #shift(byMs: number): void {
    for (const [id, row] of this.rows) this.rows.set(id, { ...row, registeredAt: row.registeredAt + byMs, expiresAt: row.expiresAt + byMs })
  }
}

export interface Answer {
  readonly code: string
  readonly text: string
  readonly contentFormat: number | undefined
  /** Location-Path as a path; undefined where there is none. */
  readonly location: string | undefined
  readonly options: readonly CoapOption[]
}

export interface AskOptions {
  readonly payload?: string | Uint8Array
  readonly contentFormat?: number
  readonly accept?: number
  readonly from?: SocketAddress
  readonly channelId?: string
  readonly options?: readonly CoapOption[]
  readonly peer?: PeerIdentity
}

export const DEVICE_ADDRESS: SocketAddress = { address: '2001:db8:3::123', port: 61616 }

export class RdHarness {
  readonly clock: VirtualClock
  readonly store: MemoryRegistrationStore
  readonly tree = new ResourceTree()
  readonly directory: ResourceDirectory
  readonly events: string[] = []

  constructor(options: Partial<DirectoryOptions> & { readonly memory?: MemoryRegistrationStore; readonly virtual?: VirtualClock } = {}) {
    this.clock = options.virtual ?? new VirtualClock()
    this.store = options.memory ?? new MemoryRegistrationStore()
    this.directory = createResourceDirectory({
      store: this.store,
      clock: this.clock,
      random: seededRandom(42),
      logger: silentLogger,
      registry: this.tree,
      ...options,
    })
    this.directory.onChange((event: DirectoryEvent) => this.events.push(`${event.kind} ${event.registration.endpointName}`))
  }

  /** `GET /rd-lookup/ep?et=x`, with the query as it stands in the documents. */
  async ask(method: Method, uri: string, options: AskOptions = {}): Promise<Answer> {
    const [path = '', query = ''] = splitOnce(uri, '?')
    const request: IncomingRequest = {
      method,
      path: path.split('/').slice(1),
      query: query === '' ? [] : query.split('&').map(decodeURIComponent),
      payload: typeof options.payload === 'string' ? utf8(options.payload) : (options.payload ?? new Uint8Array()),
      contentFormat: options.contentFormat,
      accept: options.accept,
      options: options.options ?? [],
      source: options.from ?? DEVICE_ADDRESS,
      destination: { address: '2001:db8::1', port: 5683 },
      multicast: false,
      channelId: options.channelId ?? 'demo',
      ...(options.peer === undefined ? {} : { peer: options.peer }),
    }
    const resource = this.tree.find(request.path)
    const handler = resource?.handlers[method]
    const response: OutgoingResponse =
      resource === undefined ? { code: '4.04' } : ((await this.clock.until(Promise.resolve(handler?.(request)), 1)) ?? { code: '4.05' })
    const locations = (response.options ?? []).filter((option) => option.number === 8).map((option) => utf8ToText(option.value) ?? '')
    return {
      code: response.code,
      text: utf8ToText(response.payload ?? new Uint8Array()) ?? '',
      contentFormat: response.contentFormat,
      location: locations.length === 0 ? undefined : `/${locations.join('/')}`,
      options: response.options ?? [],
    }
  }

  /** Registers and gives the location. */
  async register(query: string, payload: string, options: AskOptions = {}): Promise<string> {
    const answer = await this.ask('POST', `/rd?${query}`, { contentFormat: 40, ...options, payload })
    if (answer.code !== '2.01' || answer.location === undefined) throw new RangeError(`not registered: ${answer.code} ${answer.text}`)
    return answer.location
  }

  async lookup(uri: string, options: AskOptions = {}): Promise<string> {
    const answer = await this.ask('GET', `/rd-lookup/${uri}`, options)
    if (answer.code !== '2.05') throw new RangeError(`no lookup: ${answer.code} ${answer.text}`)
    return answer.text
  }
}

function splitOnce(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)]
}

/** Link-format text as one comparable form: an array of links, each target with its sorted attributes. */
export function asLinks(text: string): readonly string[] {
  // Independent of the program's own parser: quotes are the only place where commas and semicolons do not separate.
  return splitOutsideQuotes(text.replaceAll(/\n\s*/g, ''), ',').map((link) => {
    const [target = '', ...attributes] = splitOutsideQuotes(link, ';')
    return [target, ...attributes.map((attribute) => attribute.trim().replace(/^([^=]+)="(.*)"$/s, '$1=$2')).sort()].join(';')
  })
}

function splitOutsideQuotes(text: string, separator: string): readonly string[] {
  const parts: string[] = []
  let part = ''
  let quoted = false
  let angled = false
  for (const character of text) {
    if (character === '"') quoted = !quoted
    if (character === '<' && !quoted) angled = true
    if (character === '>' && !quoted) angled = false
    if (character === separator && !quoted && !angled) {
      parts.push(part)
      part = ''
    } else part += character
  }
  return [...parts, part].filter((one) => one !== '')
}
