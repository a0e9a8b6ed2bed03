// All contexts of an endpoint: finds the one that a request names, opens it, and answers where it cannot (RFC 8613 §8.2;
// draft-ietf-core-oscore-groupcomm-28 §6, §7.2, §8.4, §9).
import { AppError, type PeerIdentity, type Random, type SocketAddress } from '#main/base/index.ts'
import {
  findOption,
  isRequestCode,
  opaqueOption,
  OptionNumber,
  type CoapClient,
  type CoapMessage,
  type MessageSecurity,
  type OpenedRequest,
  type Origin,
  type RequestSecurity,
} from '#main/wire/coap/index.ts'
import type { GroupContext, MessageFrame } from './group-context.ts'
import { GroupReply, type AnsweredRequest } from './group-reply.ts'
import { sameBytes } from './group-view.ts'
import type { SecurityGroup } from './group.ts'
import { idKey, type Recipient } from './members.ts'
import { partialIvNumber } from './nonce.ts'
import { decodeOption } from './option.ts'
import { decodePlaintext, joinOptions, type Plaintext } from './plaintext.ts'
import type { ReplayWindow } from './replay-window.ts'
import { refuse } from './refusals.ts'
import { UnicastReply, UnicastSecurity } from './unicast-exchange.ts'
import type { UnicastContext } from './unicast-context.ts'

/** What the option of a sound request holds. */
export interface RequestHeader {
  readonly group: boolean
  readonly partialIv: Uint8Array
  readonly kid: Uint8Array
  readonly kidContext: Uint8Array | undefined
  readonly option: Uint8Array
}

/** What becomes of requests that name a context which is not there (RFC 8613 Appendix B.2). */
export interface UnknownContext {
  openRequest(message: CoapMessage, header: RequestHeader): OpenedRequest | undefined
}

/** Gets new keys for a context whose sender state is lost. Undefined where that is not to be tried, or not so soon again. */
export interface SenderRenewal {
  renew(name: string, client: Pick<CoapClient, 'request'>, to: SocketAddress): Promise<void> | undefined
}

export interface OscoreCounters {
  opened: number
  /** Requests that no context was found for. */
  unknown: number
  /** Sequence numbers that were received before. */
  replayed: number
  /** Messages that were not authentic. */
  forged: number
  /** Senders who were asked to prove that they are fresh. */
  challenged: number
}

export interface OscoreLayerOptions {
  readonly random: Random
}

const ECHO_BYTES = 8
/** Contexts that share a Recipient ID and are tried one after the other: devices may come with the same IDs from the factory. */
const MAX_TRIED = 64

export class OscoreLayer implements MessageSecurity {
  readonly counters: OscoreCounters = { opened: 0, unknown: 0, replayed: 0, forged: 0, challenged: 0 }
  readonly #random: Random
  readonly #byName = new Map<string, UnicastContext>()
  readonly #byRecipientId = new Map<string, Set<UnicastContext>>()
  readonly #groups = new Map<string, { readonly group: SecurityGroup; readonly unsubscribe: () => void }>()
  readonly #byGid = new Map<string, SecurityGroup>()
  readonly #strangers = new Set<UnknownContext>()
  #renewal: SenderRenewal | undefined

  constructor(options: OscoreLayerOptions) {
    this.#random = options.random
  }

  /** Takes the place of a context with that name. The returned function takes it away again. */
  add(context: UnicastContext): () => void {
    this.remove(context.name)
    this.#byName.set(context.name, context)
    const key = idKey(context.recipientId)
    const alike = this.#byRecipientId.get(key) ?? new Set()
    alike.add(context)
    this.#byRecipientId.set(key, alike)
    return () => {
      if (this.#byName.get(context.name) === context) this.remove(context.name)
    }
  }

  remove(name: string): void {
    const context = this.#byName.get(name)
    if (context === undefined) return
    this.#byName.delete(name)
    const key = idKey(context.recipientId)
    const alike = this.#byRecipientId.get(key)
    alike?.delete(context)
    if (alike?.size === 0) this.#byRecipientId.delete(key)
  }

  context(name: string): UnicastContext | undefined {
    return this.#byName.get(name)
  }

  /** Protects requests with the context that has the name when they leave. Fails with `oscore.member-unknown` where none has it then. */
  to(name: string): RequestSecurity {
    const find = (): UnicastContext => {
      const context = this.#byName.get(name)
      if (context === undefined) throw new AppError('oscore.member-unknown', 'There is no security context with that peer')
      return context
    }
    return new UnicastSecurity(find, { scheme: 'oscore', name }, (client, to) => {
      const context = this.#byName.get(name)
      return context === undefined || context.canSend ? undefined : this.#renewal?.renew(name, client, to)
    })
  }

  /** Asked before a request leaves that no number is left for (Appendix B.2). */
  renewSendersBy(renewal: SenderRenewal | undefined): void {
    this.#renewal = renewal
  }

  /** The returned function takes it away again. */
  addGroup(group: SecurityGroup): () => void {
    this.removeGroup(group.name)
    const index = (): void => {
      for (const [gid, of] of this.#byGid) if (of === group) this.#byGid.delete(gid)
      if (group.previous !== undefined) this.#byGid.set(idKey(group.previous.gid), group)
      this.#byGid.set(idKey(group.current.gid), group)
    }
    index()
    this.#groups.set(group.name, { group, unsubscribe: group.onChanged(index) })
    return () => {
      if (this.#groups.get(group.name)?.group === group) this.removeGroup(group.name)
    }
  }

  removeGroup(name: string): void {
    const entry = this.#groups.get(name)
    if (entry === undefined) return
    entry.unsubscribe()
    this.#groups.delete(name)
    for (const [gid, of] of this.#byGid) if (of === entry.group) this.#byGid.delete(gid)
  }

  group(name: string): SecurityGroup | undefined {
    return this.#groups.get(name)?.group
  }

  /** Asked about requests whose context is not known. */
  onUnknownContext(stranger: UnknownContext): () => void {
    this.#strangers.add(stranger)
    return () => this.#strangers.delete(stranger)
  }

  openRequest(message: CoapMessage, origin: Origin): OpenedRequest {
    const found = findOption(message.options, OptionNumber.OSCORE)
    if (found === undefined) return { kind: 'plain' }
    const option = decodeOption(found.value)
    const { partialIv, kid } = option ?? {}
    // A request names its sender and its number, and holds something.
    if (option === undefined || partialIv === undefined || kid === undefined || message.payload.length === 0)
      return refuse.malformed(message)
    const header: RequestHeader = { group: option.group, partialIv, kid, kidContext: option.kidContext, option: found.value }
    const group = header.kidContext === undefined ? undefined : this.#byGid.get(idKey(header.kidContext))
    const outcome =
      (header.group ? undefined : this.#openUnicast(message, header)) ??
      (group === undefined ? undefined : this.#openGroup(group, message, header))
    if (outcome !== undefined)
      return origin.multicast && outcome.kind === 'answer' && outcome.content.protection === undefined ? DROP : outcome
    this.counters.unknown++
    if (header.group || origin.multicast) return header.group && !origin.multicast ? refuse.unknownContext(message) : DROP
    for (const stranger of this.#strangers) {
      const known = stranger.openRequest(message, header)
      if (known !== undefined) return known
    }
    return refuse.unknownContext(message)
  }

  // ---- RFC 8613 --------------------------------------------------------------------------------------------------

  /** Undefined where no context is meant; of several with one Recipient ID that is the one which can open it. */
  #openUnicast(message: CoapMessage, header: RequestHeader): OpenedRequest | undefined {
    let refusal: OpenedRequest | undefined
    let tried = 0
    for (const context of this.#byRecipientId.get(idKey(header.kid)) ?? []) {
      if (!isMeant(context, header.kidContext) || tried++ >= MAX_TRIED) continue
      const outcome = this.openWith(context, message, header)
      if (outcome.kind !== 'answer' || outcome.content.protection !== undefined) return outcome
      refusal ??= outcome
    }
    return refusal
  }

  /** Opens a request with one context. */
  openWith(context: UnicastContext, message: CoapMessage, header: Pick<RequestHeader, 'kid' | 'partialIv'>): OpenedRequest {
    const number = partialIvNumber(header.partialIv)
    if (context.window.valid && !context.window.accepts(number)) {
      this.counters.replayed++
      return refuse.replayed(message)
    }
    const binding = { kid: header.kid, partialIv: header.partialIv }
    const bytes = context.open(binding, header.partialIv, message.payload)
    const plaintext = bytes === undefined ? undefined : decodePlaintext(bytes)
    if (plaintext === undefined || !isRequestCode(plaintext.code)) {
      this.counters.forged++
      return refuse.undecryptable(message)
    }
    const own = !context.window.valid
    if (!this.#isFresh(context, number, plaintext))
      return this.#challenge(message, context, new UnicastReply(context, binding, message.code, true))
    const identity: PeerIdentity = { scheme: 'oscore', name: context.name }
    return this.#opened(message, plaintext, identity, new UnicastReply(context, binding, message.code, own))
  }

  // ---- Group OSCORE ----------------------------------------------------------------------------------------------

  #openGroup(group: SecurityGroup, message: CoapMessage, header: RequestHeader): OpenedRequest | undefined {
    const { kid, kidContext, partialIv } = header
    const context = kidContext === undefined ? undefined : group.contextOf(kidContext)
    if (context === undefined) return undefined
    if ((header.group ? context.common.groupMode : context.common.pairwiseMode) === undefined) return DROP
    // What the own kid has protected was thrown back (§7.2).
    if (context.senderId !== undefined && sameBytes(kid, context.senderId)) return DROP
    const from = context.members.recipient(kid)
    if (from === undefined) {
      this.counters.unknown++
      return group.askFor(kid, context.gid) ? refuse.later(message) : refuse.unknownContext(message)
    }
    if (!from.roles.requester) return DROP
    const number = partialIvNumber(partialIv)
    if (from.window.valid && !from.window.accepts(number)) {
      this.counters.replayed++
      return refuse.replayed(message)
    }
    const binding = { kid, partialIv, gid: context.gid }
    const plaintext = openFrame(
      context,
      { request: binding, isRequest: true, option: header.option, partialIv },
      header.group,
      from,
      message,
    )
    if (plaintext === undefined) {
      this.counters.forged++
      return refuse.undecryptable(message)
    }
    const mode = header.group ? 'group' : 'pairwise'
    const request: AnsweredRequest = { group, context, binding, from, mode, outer: message }
    const own = !from.window.valid
    if (!this.#isFresh(from, number, plaintext)) return this.#challenge(message, from, new GroupReply(request, true))
    return this.#opened(message, plaintext, group.peerOf(context, from, mode), new GroupReply(request, own))
  }

  // ---- Both ------------------------------------------------------------------------------------------------------

  /** Whether the request is new. With an invalid window only the Echo value that was asked for shows it (Appendix B.1.2; §9). */
  #isFresh(sender: { readonly window: ReplayWindow; echo: Uint8Array | undefined }, number: number, { options }: Plaintext): boolean {
    const { window } = sender
    if (window.valid) {
      window.mark(number)
      return true
    }
    const echoed = findOption(options, OptionNumber.ECHO)?.value
    if (sender.echo === undefined || echoed === undefined || !sameBytes(echoed, sender.echo)) return false
    sender.echo = undefined
    window.restart(number)
    return true
  }

  #challenge(message: CoapMessage, sender: { echo: Uint8Array | undefined }, reply: UnicastReply | GroupReply): OpenedRequest {
    this.counters.challenged++
    // One value as long as it is not used: a flood of old requests must not push out the one that the client is about to repeat.
    sender.echo ??= this.#random.bytes(ECHO_BYTES)
    const options = [opaqueOption(OptionNumber.ECHO, sender.echo)]
    return { kind: 'answer', content: { code: '4.01', token: message.token, options, payload: NO_BYTES, protection: reply } }
  }

  #opened(message: CoapMessage, plaintext: Plaintext, identity: PeerIdentity, reply: UnicastReply | GroupReply): OpenedRequest {
    this.counters.opened++
    const options = joinOptions(plaintext.options, message.options)
    return { kind: 'request', message: { ...message, code: plaintext.code, options, payload: plaintext.payload }, identity, reply }
  }
}

const NO_BYTES = new Uint8Array(0)
const DROP: OpenedRequest = { kind: 'drop' }

/** A request may leave the ID Context out; one that names another is not meant for this context (RFC 8613 §5.1). */
function isMeant({ kidContext }: UnicastContext, named: Uint8Array | undefined): boolean {
  return named === undefined || (kidContext !== undefined && sameBytes(named, kidContext))
}

function openFrame(
  context: GroupContext,
  frame: MessageFrame,
  group: boolean,
  from: Recipient,
  { payload }: CoapMessage,
): Plaintext | undefined {
  const bytes = group ? context.openForGroup(frame, from, payload) : context.openForOne(frame, from, payload)
  const plaintext = bytes === undefined ? undefined : decodePlaintext(bytes)
  return plaintext !== undefined && isRequestCode(plaintext.code) ? plaintext : undefined
}
