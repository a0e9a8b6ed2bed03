// Fetches what registrants serve at `/.well-known/core`: few at a time, patiently, and not more often than needed (RFC 9176 §5.1).
import { AppError, delay, formatSocketAddress, toAppError, utf8ToText, type Clock, type Random } from '#main/base/index.ts'
import {
  ContentFormat,
  findOption,
  findUint,
  OptionNumber,
  type ClientResponse,
  type CoapClient,
  type CoapOption,
  type OutgoingResponse,
} from '#main/wire/coap/index.ts'
import { refusal, responseTo } from './answers.ts'
import { BoundedMemory } from './bounded-memory.ts'
import { readLinks } from './links.ts'
import { sourceKey } from './source-limits.ts'
import type { RegistrationSource, SimpleRegistrationLimits, SimpleRegistrationOptions } from './types.ts'

const DEFAULT_LIMITS: SimpleRegistrationLimits = {
  fetches: 256,
  fetchesPerAddress: 4,
  timeoutMs: 30_000,
  attempts: 2,
  pauseMs: 5000,
  holdOffMs: 10_000,
  longestHoldOffMs: 600_000,
  remembered: 4096,
  rememberedBytes: 4 * 1024 * 1024,
}
const DEFAULT_MAX_AGE_S = 60
const LONGEST_FRESHNESS_S = 86_400
/** Asked of addresses that are not proven: nobody is made to send or to receive much. */
const SMALL_BLOCK_BYTES = 64
const BUSY_RETRY_S = 10
/** What may be said of an entry besides its text. */
const ENTRY_BYTES = 200

export type Fetched = { readonly text: string } | { readonly refused: OutgoingResponse }

export interface FetcherOptions extends SimpleRegistrationOptions {
  readonly clock: Clock
  readonly random: Random
  /** Of a document. */
  readonly maxBytes: number
}

interface Document {
  readonly text: string
  readonly freshUntilMs: number
  readonly etag: CoapOption | undefined
}

interface Failure {
  readonly count: number
  readonly untilMs: number
}

export class CoreFetcher {
  readonly #options: FetcherOptions
  readonly #limits: SimpleRegistrationLimits
  readonly #underWay = new Map<string, Promise<Fetched>>()
  readonly #perAddress = new Map<string, number>()
  readonly #documents: BoundedMemory<Document>
  readonly #failures: BoundedMemory<Failure>
  readonly #closing = new AbortController()

  constructor(options: FetcherOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    const { remembered, rememberedBytes } = this.#limits
    this.#documents = new BoundedMemory(remembered, rememberedBytes, ({ text }) => text.length * 2 + ENTRY_BYTES)
    this.#failures = new BoundedMemory(remembered, rememberedBytes, () => ENTRY_BYTES)
  }

  get underWay(): number {
    return this.#underWay.size
  }

  close(): void {
    this.#closing.abort()
  }

  /** The document as text; requests for one registrant that come together share a fetch. */
  async fetch(source: RegistrationSource): Promise<Fetched> {
    const key = `${source.channelId}\n${formatSocketAddress(source.address)}`
    const nowMs = this.#options.clock.monotonicMs()
    const known = this.#documents.get(key)
    if (known !== undefined && known.freshUntilMs > nowMs) return { text: known.text }
    const running = this.#underWay.get(key)
    if (running !== undefined) return running
    const refused = this.#refusedNow(source, nowMs)
    if (refused !== undefined) return { refused }
    const client = this.#options.clientOf(source.channelId)
    if (client === undefined) return { refused: refusal('5.03', 'The network of the registrant is down', BUSY_RETRY_S) }
    const fetching = this.#fetch(key, source, client, known).finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, fetching)
    return fetching
  }

  #refusedNow(source: RegistrationSource, nowMs: number): OutgoingResponse | undefined {
    const { fetches, fetchesPerAddress } = this.#limits
    const failure = this.#failures.get(sourceKey(source))
    if (failure !== undefined && failure.untilMs > nowMs) {
      return refusal('4.29', 'The links could not be fetched a short time ago', Math.ceil((failure.untilMs - nowMs) / 1000))
    }
    if ((this.#perAddress.get(sourceKey(source)) ?? 0) >= fetchesPerAddress) {
      return refusal('4.29', 'Links of this address are being fetched', BUSY_RETRY_S)
    }
    return this.#underWay.size >= fetches ? refusal('5.03', 'Too many links are being fetched', BUSY_RETRY_S) : undefined
  }

  async #fetch(key: string, source: RegistrationSource, client: CoapClient, known: Document | undefined): Promise<Fetched> {
    const address = sourceKey(source)
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1)
    try {
      const document = this.#read(await this.#ask(source, client, known), known)
      this.#documents.set(key, document)
      this.#failures.delete(address)
      return { text: document.text }
    } catch (thrown) {
      const failure = toAppError(thrown)
      if (failure.code === 'cancelled') return { refused: refusal('5.03', 'The directory is closing') }
      this.#holdOff(address)
      return { refused: answerTo(failure) }
    } finally {
      const left = (this.#perAddress.get(address) ?? 1) - 1
      if (left > 0) this.#perAddress.set(address, left)
      else this.#perAddress.delete(address)
    }
  }

  async #ask(source: RegistrationSource, client: CoapClient, known: Document | undefined): Promise<ClientResponse> {
    const { clock, random, proof } = this.#options
    const { timeoutMs, attempts, pauseMs } = this.#limits
    const isProven = proof !== 'small-fetch'
    const request = {
      method: 'GET',
      path: ['.well-known', 'core'],
      accept: ContentFormat.LINK_FORMAT,
      ...(known?.etag === undefined ? {} : { options: [known.etag] }),
    } as const
    const options = { confirmable: isProven, timeoutMs, cache: 'bypass', signal: this.#closing.signal } as const
    for (let attempt = 1; ; attempt++) {
      const isLast = !isProven || attempt >= attempts
      let pause = pauseMs * 2 ** (attempt - 1) * (1 + random.fraction() / 2)
      try {
        const response = await client.request(source.address, request, isProven ? options : { ...options, blockBytes: SMALL_BLOCK_BYTES })
        if (isLast || !response.code.startsWith('5.')) return response
        // A registrant that says when it can answer is not asked sooner.
        const retryAfterMs = (findUint(response.options, OptionNumber.MAX_AGE) ?? 0) * 1000
        if (retryAfterMs > timeoutMs) return response
        pause = Math.max(pause, retryAfterMs)
      } catch (thrown) {
        if (isLast || !toAppError(thrown).retryable) throw thrown
      }
      await delay(clock, pause, this.#closing.signal)
    }
  }

  /** Throws `rd.links-invalid`, `coap.too-large`, `coap.response-error`. */
  #read(response: ClientResponse, known: Document | undefined): Document {
    const age = findUint(response.options, OptionNumber.MAX_AGE) ?? DEFAULT_MAX_AGE_S
    const freshUntilMs = this.#options.clock.monotonicMs() + Math.min(age, LONGEST_FRESHNESS_S) * 1000
    if (response.code === '2.03' && known?.etag !== undefined) return { ...known, freshUntilMs }
    if (response.code !== '2.05') throw new AppError('coap.response-error', `The registrant answered ${response.code}`)
    if (response.contentFormat !== undefined && response.contentFormat !== ContentFormat.LINK_FORMAT) {
      throw new AppError('rd.links-invalid', 'The registrant serves its links in another format')
    }
    if (response.payload.length > this.#options.maxBytes) throw new AppError('coap.too-large', 'The registrant serves too many links')
    const text = utf8ToText(response.payload)
    if (text === undefined) throw new AppError('rd.links-invalid', 'The links are not UTF-8')
    readLinks(text)
    return { text, freshUntilMs, etag: findOption(response.options, OptionNumber.ETAG) }
  }

  #holdOff(address: string): void {
    const { holdOffMs, longestHoldOffMs } = this.#limits
    const count = (this.#failures.get(address)?.count ?? 0) + 1
    const lengthMs = Math.min(holdOffMs * 2 ** Math.min(count - 1, 30), longestHoldOffMs)
    this.#failures.set(address, { count, untilMs: this.#options.clock.monotonicMs() + lengthMs })
  }
}

const OWN_FAULTS: readonly string[] = ['rd.links-invalid', 'coap.too-large']
const NO_GATEWAY: readonly string[] = ['coap.response-error', 'coap.message-invalid', 'coap.option-unsupported', 'coap.reset']

/** The registrant's own document is at fault, or the way to it (RFC 7252 §5.9.2, §5.9.3). */
function answerTo(failure: AppError): OutgoingResponse {
  if (OWN_FAULTS.includes(failure.code)) return responseTo(failure)
  return NO_GATEWAY.includes(failure.code) ? refusal('5.02', failure.message) : refusal('5.04', 'The registrant does not answer')
}
