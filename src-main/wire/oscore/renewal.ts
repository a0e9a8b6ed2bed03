// A new Security Context from the same Master Secret, where client or server has lost part of the one before: three random strings make
// its ID Context (RFC 8613 Appendix B.2).
//
//   client                                     server
//     request #1, kid context ID1 = R1      →    verified with ID1
//     verified with R2 || ID1               ←    response #1 (4.01), kid context R2
//     request #2, kid context R2 || R3      →    verified with R2 || R3: the new context
import { AppError, concatBytes, decodeCbor, equalBytes, type Clock, type Random, type SocketAddress } from '#main/base/index.ts'
import {
  findOption,
  OptionNumber,
  type ClientRequest,
  type CoapClient,
  type CoapMessage,
  type ExchangeSecurity,
  type MessageContent,
  type OpenedRequest,
  type OpenedResponse,
  type RequestSecurity,
} from '#main/wire/coap/index.ts'
import { byteString } from './cbor-bytes.ts'
import type { OscoreLayer, RequestHeader, UnknownContext } from './layer.ts'
import { idKey } from './members.ts'
import { decodeOption, encodeOption } from './option.ts'
import { decodePlaintext, encodePlaintext } from './plaintext.ts'
import { volatileSequences, type SequenceStore } from './sender-sequence.ts'
import type { RequestBinding } from './structures.ts'
import { bareError, OPTION_BYTES, oscoreOption, outerResponseCode, UnicastExchange, UnicastSecurity } from './unicast-exchange.ts'
import { UnicastContext, type UnicastContextInput } from './unicast-context.ts'

/** What both ends keep for good. */
export type RenewalInput = Omit<UnicastContextInput, 'idContext' | 'kidContext' | 'sendsIdContext'>

export interface RenewalPorts {
  readonly layer: OscoreLayer
  readonly random: Random
  /** Of the new context. */
  readonly sequences: SequenceStore
  /** What makes the new context from what is kept for good, told before the context is used. */
  readonly onRenewed?: ((name: string, idContext: Uint8Array) => void) | undefined
}

const NONCE_BYTES = 8
const LONGEST_ID_BYTES = 64
/** Protocol runs under way for one client, and how long each may take. */
const MAX_RUNS = 8
const RUN_MS = 120_000
/** New contexts for one client in that time: each of them leaves a trace in the store. */
const MAX_RENEWALS = 8
const RENEWALS_MS = 3_600_000

/** Only this once, for keys that nobody has used before and nobody uses afterwards. */
function passing(input: RenewalInput, idContext: Uint8Array): UnicastContext {
  return new UnicastContext(namedInput(input, idContext), { sequences: volatileSequences(), received: 'fresh' })
}

/** The context that came of a renewal, as both ends know it afterwards: some find it by the kid alone. */
export function renewedInput(input: RenewalInput, idContext: Uint8Array): UnicastContextInput {
  return { ...input, idContext, kidContext: byteString(idContext), sendsIdContext: false }
}

/** The same while the peer has to be told. */
function namedInput(input: RenewalInput, idContext: Uint8Array): UnicastContextInput {
  return { ...renewedInput(input, idContext), sendsIdContext: true }
}

function lasting(input: RenewalInput, idContext: Uint8Array, sequences: SequenceStore): UnicastContext {
  return new UnicastContext(namedInput(input, idContext), { sequences, received: 'fresh' })
}

/** The byte string that a kid context wraps. */
function unwrapped(kidContext: Uint8Array | undefined): Uint8Array | undefined {
  if (kidContext === undefined || kidContext.length > LONGEST_ID_BYTES) return undefined
  try {
    const item = decodeCbor(kidContext, { deterministic: true })
    return item instanceof Uint8Array && item.length > 0 ? item : undefined
  } catch {
    return undefined
  }
}

// ---- Server --------------------------------------------------------------------------------------------------------

interface Run {
  readonly r2: Uint8Array
  /** What request #1 was, and what has answered it: a replay gets the same again, and pushes out nobody's run. */
  readonly request: string
  readonly answer: MessageContent
  readonly untilMs: number
}

interface Known {
  readonly input: RenewalInput
  runs: readonly Run[]
  /** When the last contexts were made. */
  renewedAtMs: readonly number[]
}

/** Lets clients renew their contexts. Hang it into the layer by `layer.onUnknownContext`. */
export class RenewalServer implements UnknownContext {
  readonly #ports: RenewalPorts & { readonly clock: Clock }
  readonly #known = new Map<string, Known>()

  constructor(ports: RenewalPorts & { readonly clock: Clock }) {
    this.#ports = ports
  }

  /** A client that may; the context that comes of it has the input's name. */
  allow(input: RenewalInput): () => void {
    const key = idKey(input.recipientId)
    const known: Known = { input, runs: [], renewedAtMs: [] }
    this.#known.set(key, known)
    return () => {
      if (this.#known.get(key) === known) this.#known.delete(key)
    }
  }

  openRequest(message: CoapMessage, header: RequestHeader): OpenedRequest | undefined {
    const known = this.#known.get(idKey(header.kid))
    const id = unwrapped(header.kidContext)
    if (known === undefined || id === undefined) return undefined
    const nowMs = this.#ports.clock.monotonicMs()
    known.runs = known.runs.filter(({ untilMs }) => untilMs > nowMs)
    const isSecond = known.runs.some(({ r2 }) => id.length > NONCE_BYTES && equalBytes(id.subarray(0, NONCE_BYTES), r2))
    known.renewedAtMs = known.renewedAtMs.filter((atMs) => atMs > nowMs - RENEWALS_MS)
    if (known.renewedAtMs.length >= MAX_RENEWALS) return undefined
    return isSecond ? this.#conclude(known, id, message, header, nowMs) : this.#begin(known, id, message, header, nowMs)
  }

  /** Request #1: proves no more than that the client knows the Master Secret; it may be a replay. */
  #begin(known: Known, id1: Uint8Array, message: CoapMessage, header: RequestHeader, nowMs: number): OpenedRequest | undefined {
    const binding: RequestBinding = { kid: header.kid, partialIv: header.partialIv }
    const request = idKey(concatBytes(header.option, message.payload))
    const before = known.runs.find((run) => run.request === request)
    if (before !== undefined) return { kind: 'answer', content: { ...before.answer, token: message.token } }
    if (passing(known.input, id1).open(binding, header.partialIv, message.payload) === undefined) return undefined
    const r2 = this.#ports.random.bytes(NONCE_BYTES)
    const second = passing(known.input, concatBytes(r2, id1))
    // Its own Partial IV leaves no doubt about whose Common IV the nonce is made with.
    const partialIv = second.takePartialIv()
    const payload = second.seal(binding, partialIv, encodePlaintext('4.01', [], new Uint8Array(0)))
    const value = encodeOption({ group: false, partialIv, kidContext: byteString(r2), kid: undefined })
    const answer: MessageContent = { code: outerResponseCode(message.code), token: message.token, options: [oscoreOption(value)], payload }
    known.runs = [...known.runs.slice(-(MAX_RUNS - 1)), { r2, request, answer, untilMs: nowMs + RUN_MS }]
    return { kind: 'answer', content: answer }
  }

  /** Request #2: the client has seen R2, so it is fresh. */
  #conclude(known: Known, id3: Uint8Array, message: CoapMessage, header: RequestHeader, nowMs: number): OpenedRequest | undefined {
    const { layer, sequences } = this.#ports
    const binding: RequestBinding = { kid: header.kid, partialIv: header.partialIv }
    // Looked at first: what is not authentic must neither displace a context nor leave a trace in the store.
    if (passing(known.input, id3).open(binding, header.partialIv, message.payload) === undefined) return undefined
    const context = lasting(known.input, id3, sequences)
    known.runs = []
    known.renewedAtMs = [...known.renewedAtMs, nowMs]
    context.omitIdContext()
    this.#ports.onRenewed?.(context.name, id3)
    layer.add(context)
    return layer.openWith(context, message, header)
  }
}

// ---- Client --------------------------------------------------------------------------------------------------------

/** Request #1 and its response, whose keys follow from what it says itself. */
class FirstContact implements RequestSecurity, ExchangeSecurity {
  readonly #input: RenewalInput
  readonly #id1: Uint8Array
  readonly #first: UnicastContext
  readonly #exchange: UnicastExchange
  #binding: RequestBinding | undefined
  /** What the server has sent. */
  r2: Uint8Array | undefined

  constructor(input: RenewalInput, id1: Uint8Array) {
    this.#input = input
    this.#id1 = id1
    this.#first = passing(input, id1)
    this.#exchange = new UnicastExchange(() => this.#first, { scheme: 'oscore', name: input.name })
  }

  get overheadBytes(): number {
    return OPTION_BYTES + this.#first.tagBytes + this.#first.senderId.length + NONCE_BYTES + 2
  }

  open(): ExchangeSecurity {
    return this
  }

  towards(): RequestSecurity {
    return this
  }

  protect(content: MessageContent): MessageContent {
    const outer = this.#exchange.protect(content)
    const option = decodeOption(findOption(outer.options, OptionNumber.OSCORE)?.value ?? new Uint8Array(0))
    if (option?.kid !== undefined && option.partialIv !== undefined) this.#binding = { kid: option.kid, partialIv: option.partialIv }
    return outer
  }

  unprotect(response: CoapMessage): OpenedResponse | undefined {
    const found = findOption(response.options, OptionNumber.OSCORE)
    if (found === undefined) return bareError(response)
    const option = decodeOption(found.value)
    const r2 = unwrapped(option?.kidContext)
    if (r2 === undefined || this.#binding === undefined) return undefined
    // Without a Partial IV the nonce is the request's as it was: made with the Common IV of the first context (§8.3).
    const nonce = this.#first.nonceOfRequest(this.#binding)
    const bytes = passing(this.#input, concatBytes(r2, this.#id1)).open(this.#binding, option?.partialIv, response.payload, nonce)
    const plaintext = bytes === undefined ? undefined : decodePlaintext(bytes)
    if (plaintext === undefined) return undefined
    this.r2 = r2
    return { message: { ...response, ...plaintext }, identity: { scheme: 'oscore', name: this.#input.name } }
  }
}

/**
 * Agrees on a new context with the server and puts it into the layer. `request` is what request #1 and #2 ask for: something that does no
 * harm when it is done. Fails as `client.request` does, and with `oscore.member-unknown` where the server does not take part.
 */
export async function renewContext(
  client: Pick<CoapClient, 'request'>,
  to: SocketAddress,
  input: RenewalInput,
  ports: RenewalPorts,
  request: ClientRequest = { method: 'GET', path: ['.well-known', 'core'] },
  signal?: AbortSignal,
): Promise<UnicastContext> {
  const { layer, random, sequences, onRenewed } = ports
  const options = signal === undefined ? {} : { signal }
  const first = new FirstContact(input, random.bytes(NONCE_BYTES))
  await client.request(to, { ...request, security: first }, options)
  if (first.r2 === undefined) throw new AppError('oscore.member-unknown', 'The server does not renew the security context')
  const idContext = concatBytes(first.r2, random.bytes(NONCE_BYTES))
  const context = lasting(input, idContext, sequences)
  const identity = { scheme: 'oscore', name: input.name } as const
  const answer = await client.request(to, { ...request, security: new UnicastSecurity(() => context, identity) }, options)
  if (answer.peer === undefined) throw new AppError('oscore.member-unknown', 'The server does not take the new security context')
  context.omitIdContext()
  onRenewed?.(input.name, idContext)
  layer.add(context)
  return context
}
