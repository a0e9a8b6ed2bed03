// Requests and responses of one exchange in an RFC 8613 context (§8): what leaves is sealed, what comes is opened, and notifications are
// taken once and in their order (§7.4.1, §4.1.3.5).
import { equalBytes, type PeerIdentity, type SocketAddress } from '#main/base/index.ts'
import {
  findOption,
  isResponseCode,
  OptionNumber,
  uintOption,
  type CoapClient,
  type CoapMessage,
  type CoapOption,
  type ExchangeSecurity,
  type MessageContent,
  type MessageProtection,
  type OpenedResponse,
  type RequestSecurity,
} from '#main/wire/coap/index.ts'
import { partialIvNumber } from './nonce.ts'
import { decodeOption, encodeOption, type OscoreOption } from './option.ts'
import { decodePlaintext, encodePlaintext, joinOptions, splitRequest, splitResponse, type Plaintext } from './plaintext.ts'
import type { RequestBinding } from './structures.ts'
import type { UnicastContext } from './unicast-context.ts'

export const OUTER_REQUEST = '0.02'
export const OUTER_OBSERVE_REQUEST = '0.05'
const OUTER_RESPONSE = '2.04'
const OUTER_NOTIFICATION = '2.05'
/** Requests under one token whose responses are still told apart: of an observation the last registrations. */
export const REMEMBERED_REQUESTS = 4

/** Head, flags, Partial IV and length of the kid context; the inner code and the payload marker. */
export const OPTION_BYTES = 2 + 1 + 5 + 1 + 2

export function isObserve(options: readonly CoapOption[]): boolean {
  return findOption(options, OptionNumber.OBSERVE) !== undefined
}

/** With Observe it is FETCH, so that proxies let notifications pass (§4.1.3.5). */
export function outerRequestCode(options: readonly CoapOption[]): string {
  return isObserve(options) ? OUTER_OBSERVE_REQUEST : OUTER_REQUEST
}

export function outerResponseCode(outerRequest: string): string {
  return outerRequest === OUTER_OBSERVE_REQUEST ? OUTER_NOTIFICATION : OUTER_RESPONSE
}

export function oscoreOption(value: Uint8Array): CoapOption {
  return { number: OptionNumber.OSCORE, value }
}

/** An error of the server's that nothing protects: its code and no option that could lead astray (§8.2). */
export function bareError(response: CoapMessage): OpenedResponse | undefined {
  if (!response.code.startsWith('4.') && !response.code.startsWith('5.')) return undefined
  const options = response.options.filter(({ number }) => number === OptionNumber.MAX_AGE)
  return { message: { ...response, options }, identity: undefined }
}

interface SentRequest extends RequestBinding {
  readonly context: UnicastContext
  readonly observe: boolean
  /** A response without Partial IV has used the request's nonce. */
  answered: boolean
  /** The largest Partial IV of the notifications so far. */
  notified: number
}

/** Protects with one context, whoever the address belongs to. */
export class UnicastSecurity implements RequestSecurity {
  readonly #context: () => UnicastContext
  readonly #identity: PeerIdentity
  readonly #prepare: RequestSecurity['prepare']

  /** The context is asked for anew for each request: it may have been replaced. */
  constructor(context: () => UnicastContext, identity: PeerIdentity, prepare?: RequestSecurity['prepare']) {
    this.#context = context
    this.#identity = identity
    this.#prepare = prepare
  }

  get overheadBytes(): number {
    const { tagBytes, senderId, kidContext, sendsIdContext } = this.#context()
    return tagBytes + OPTION_BYTES + senderId.length + (sendsIdContext ? (kidContext?.length ?? 0) : 0)
  }

  open(): ExchangeSecurity {
    return new UnicastExchange(this.#context, this.#identity)
  }

  prepare(client: Pick<CoapClient, 'request'>, to: SocketAddress): Promise<void> | undefined {
    return this.#prepare?.(client, to)
  }

  towards(): RequestSecurity {
    return this
  }
}

export class UnicastExchange implements ExchangeSecurity {
  readonly #context: () => UnicastContext
  readonly #identity: PeerIdentity
  /** The newest first. */
  readonly #requests: SentRequest[] = []
  #order = 0

  constructor(context: () => UnicastContext, identity: PeerIdentity) {
    this.#context = context
    this.#identity = identity
  }

  protect(content: MessageContent): MessageContent {
    const context = this.#context()
    const partialIv = context.takePartialIv()
    const observe = isObserve(content.options)
    const request: SentRequest = { context, kid: context.senderId, partialIv, observe, answered: false, notified: -1 }
    const { inner, outer } = splitRequest(content.options)
    const kidContext = context.sendsIdContext ? context.kidContext : undefined
    const value = encodeOption({ group: false, partialIv, kidContext, kid: context.senderId })
    const payload = context.seal(request, partialIv, encodePlaintext(content.code, inner, content.payload))
    this.#requests.unshift(request)
    if (this.#requests.length > REMEMBERED_REQUESTS) this.#requests.pop()
    return { code: outerRequestCode(content.options), token: content.token, options: [oscoreOption(value), ...outer], payload }
  }

  unprotect(response: CoapMessage): OpenedResponse | undefined {
    const found = findOption(response.options, OptionNumber.OSCORE)
    if (found === undefined) return bareError(response)
    const option = decodeOption(found.value)
    if (option === undefined || option.group) return undefined
    for (const request of this.#requests) {
      if (option.kid !== undefined && !equalBytes(option.kid, request.context.recipientId)) continue
      const plaintext = this.#open(request, option, response.payload)
      if (plaintext === undefined) continue
      const options = this.#accept(request, option, plaintext)
      if (options === undefined) return undefined
      const message = { ...response, code: plaintext.code, options: joinOptions(options, response.options), payload: plaintext.payload }
      return { message, identity: this.#identity }
    }
    return undefined
  }

  #open(request: SentRequest, { partialIv }: OscoreOption, ciphertext: Uint8Array): Plaintext | undefined {
    if (partialIv === undefined && request.answered) return undefined
    const bytes = request.context.open(request, partialIv, ciphertext)
    const plaintext = bytes === undefined ? undefined : decodePlaintext(bytes)
    return plaintext !== undefined && isResponseCode(plaintext.code) ? plaintext : undefined
  }

  /** The options of what is new; undefined for what was received before, or was overtaken. */
  #accept(request: SentRequest, { partialIv }: OscoreOption, plaintext: Plaintext): readonly CoapOption[] | undefined {
    const notification = isObserve(plaintext.options)
    if (notification && !request.observe) return undefined
    if (partialIv === undefined) {
      // It counts as the oldest (§4.1.3.5.2).
      if (request.observe && request.notified >= 0) return undefined
      request.answered = true
    } else if (request.observe) {
      const number = partialIvNumber(partialIv)
      if (number <= request.notified) return undefined
      request.notified = number
    }
    return notification ? numbered(plaintext.options, ++this.#order) : plaintext.options
  }
}

/** Notifications in the order that their Partial IVs gave, for those who look at the Observe option. */
export function numbered(options: readonly CoapOption[], order: number): readonly CoapOption[] {
  return options.map((option) => (option.number === OptionNumber.OBSERVE ? uintOption(OptionNumber.OBSERVE, order & 0xffffff) : option))
}

/** Protects what answers one request, the first response with its nonce, each further one with a Partial IV of its own. */
export class UnicastReply implements MessageProtection {
  readonly #context: UnicastContext
  readonly #request: RequestBinding
  readonly #outerRequest: string
  #nonceUsed: boolean

  /** `own`: also the first response brings its own Partial IV, as one to a request that is not known to be new must. */
  constructor(context: UnicastContext, request: RequestBinding, outerRequest: string, own = false) {
    this.#context = context
    this.#request = request
    this.#outerRequest = outerRequest
    this.#nonceUsed = own
  }

  protect(content: MessageContent): MessageContent | undefined {
    const { inner, outer } = splitResponse(content.options)
    const partialIv = this.#nonceUsed ? takeOrNone(this.#context) : undefined
    if (this.#nonceUsed && partialIv === undefined) return undefined
    this.#nonceUsed = true
    const payload = this.#context.seal(this.#request, partialIv, encodePlaintext(content.code, inner, content.payload))
    const value = encodeOption({ group: false, partialIv, kidContext: undefined, kid: undefined })
    return { code: outerResponseCode(this.#outerRequest), token: content.token, options: [oscoreOption(value), ...outer], payload }
  }
}

/** Undefined where the context has no more numbers: then nothing leaves. */
function takeOrNone(context: UnicastContext): Uint8Array | undefined {
  try {
    return context.takePartialIv()
  } catch {
    return undefined
  }
}
