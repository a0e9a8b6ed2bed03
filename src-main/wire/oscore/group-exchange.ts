// A client's side of Group OSCORE: requests for the group or for one member, and the responses of any number of servers, each taken once
// (draft-ietf-core-oscore-groupcomm-28 §5.3.1, §7.1, §7.4, §8.3, §8.6).
import { AppError, type PeerIdentity } from '#main/base/index.ts'
import {
  findOption,
  isResponseCode,
  OptionNumber,
  type CoapMessage,
  type CoapOption,
  type ExchangeSecurity,
  type MessageContent,
  type OpenedResponse,
  type RequestSecurity,
} from '#main/wire/coap/index.ts'
import type { GroupContext, MessageFrame } from './group-context.ts'
import { isGroupPeer, sameBytes, type GroupView } from './group-view.ts'
import { idKey, type Recipient } from './members.ts'
import { partialIvNumber } from './nonce.ts'
import { decodeOption, encodeOption, type OscoreOption } from './option.ts'
import { decodePlaintext, encodePlaintext, joinOptions, splitRequest, type Plaintext } from './plaintext.ts'
import { ReplayWindow } from './replay-window.ts'
import type { GroupBinding } from './structures.ts'
import { bareError, OPTION_BYTES, isObserve, numbered, oscoreOption, outerRequestCode, REMEMBERED_REQUESTS } from './unicast-exchange.ts'

interface SentRequest extends GroupBinding {
  readonly context: GroupContext
  readonly observe: boolean
  /** The one that it was meant for; undefined where it was for all. */
  readonly target: Target | undefined
  /** Servers that have used the request's nonce for a response. */
  answered: Set<string> | undefined
}

/** What a server has answered in one long exchange under one Security Context. */
interface Responses {
  context: GroupContext
  window: ReplayWindow
  /** The largest Partial IV of its notifications: the Response Number. */
  notified: number
}

/** The one member that is meant, and the Recipient Context that it had last. */
interface Target {
  readonly credential: Uint8Array
  last: Recipient | undefined
}

/** Servers whose responses are told apart; a group is not larger, and only members can fill it. */
const MAX_SERVERS = 16_384

/** Protects for the group, or for the member with that credential. */
export class GroupSecurity implements RequestSecurity {
  readonly #group: GroupView
  readonly #target: Target | undefined

  constructor(group: GroupView, credential: Uint8Array | undefined) {
    this.#group = group
    this.#target = credential === undefined ? undefined : { credential, last: undefined }
  }

  get overheadBytes(): number {
    const { common, senderId, gid } = this.#group.current
    const { groupMode, pairwiseMode } = common
    const own = OPTION_BYTES + gid.length + (senderId?.length ?? 0)
    if (this.#target !== undefined) return own + (pairwiseMode?.encryption.tagBytes ?? 0)
    return own + (groupMode === undefined ? 0 : groupMode.encryption.tagBytes + groupMode.signature.bytes)
  }

  open(): ExchangeSecurity {
    return new GroupExchange(this.#group, this.#target)
  }

  /** What concerns one member goes to it in pairwise mode where the group has that (§9). */
  towards(responder: PeerIdentity): RequestSecurity {
    const { current } = this.#group
    if (!isGroupPeer(responder) || responder.group !== this.#group.name || current.common.pairwiseMode === undefined) return this
    const credential = this.#group.contextOf(responder.gid)?.members.credentialOf(responder.senderId)
    return credential === undefined ? this : new GroupSecurity(this.#group, credential)
  }
}

class GroupExchange implements ExchangeSecurity {
  readonly #group: GroupView
  readonly #target: Target | undefined
  /** The newest first. */
  readonly #requests: SentRequest[] = []
  #servers: Map<string, Responses> | undefined
  /** Echo values that servers want to see again, and whose they are. */
  #challenges: Map<string, Uint8Array> | undefined
  #order = 0

  constructor(group: GroupView, target: Target | undefined) {
    this.#group = group
    this.#target = target
  }

  protect(content: MessageContent): MessageContent {
    const context = this.#group.current
    const kid = context.senderId ?? new Uint8Array(0)
    const partialIv = context.takePartialIv()
    const target = this.#target ?? this.#challenger(context, content.options)
    const observe = isObserve(content.options)
    const request: SentRequest = { context, kid, partialIv, gid: context.gid, target, observe, answered: undefined }
    const { inner, outer } = splitRequest(content.options)
    const option = encodeOption({ group: target === undefined, partialIv, kidContext: context.gid, kid })
    const frame: MessageFrame = { request, isRequest: true, option, partialIv }
    const plaintext = encodePlaintext(content.code, inner, content.payload)
    const payload =
      target === undefined ? context.sealForGroup(frame, plaintext) : context.sealForOne(frame, recipientOf(context, target), plaintext)
    this.#requests.unshift(request)
    if (this.#requests.length > REMEMBERED_REQUESTS) this.#requests.pop()
    return { code: outerRequestCode(content.options), token: content.token, options: [oscoreOption(option), ...outer], payload }
  }

  unprotect(response: CoapMessage): OpenedResponse | undefined {
    const found = findOption(response.options, OptionNumber.OSCORE)
    // An error to which nobody puts a name is no answer of the group's.
    if (found === undefined) return this.#target === undefined ? undefined : bareError(response)
    const option = decodeOption(found.value)
    if (option === undefined) return undefined
    for (const request of this.#requests) {
      for (const context of this.#contexts(option, request)) {
        const from = responderOf(context, request, option)
        if (from === undefined) continue
        const plaintext = this.#open(context, request, option, found.value, from, response.payload)
        if (plaintext === undefined) continue
        const options = this.#accept(context, request, option, from, plaintext)
        if (options === undefined) return undefined
        this.#remember(from, plaintext)
        const message = { ...response, code: plaintext.code, options: joinOptions(options, response.options), payload: plaintext.payload }
        return { message, identity: this.#group.peerOf(context, from, option.group ? 'group' : 'pairwise') }
      }
    }
    return undefined
  }

  /** What repeats a member's Echo value is for that member alone, and in pairwise mode where the group has that (§9). */
  #challenger(context: GroupContext, options: readonly CoapOption[]): Target | undefined {
    const echo = this.#challenges === undefined ? undefined : findOption(options, OptionNumber.ECHO)
    const credential = echo === undefined ? undefined : this.#challenges?.get(idKey(echo.value))
    const known =
      credential !== undefined && context.common.pairwiseMode !== undefined && context.members.byCredential(credential) !== undefined
    return known ? { credential, last: undefined } : undefined
  }

  #remember(from: Recipient, { code, options }: Plaintext): void {
    const echo = code === '4.01' ? findOption(options, OptionNumber.ECHO) : undefined
    if (echo === undefined) return
    this.#challenges ??= new Map()
    if (this.#challenges.size < MAX_SERVERS) this.#challenges.set(idKey(echo.value), from.credential.bytes)
  }

  /** Where the Gid is not said it is that of the server's last response, or of the request, or the newest (§7.3). */
  #contexts({ kidContext, kid }: OscoreOption, request: SentRequest): readonly GroupContext[] {
    if (kidContext !== undefined) {
      const named = this.#group.contextOf(kidContext)
      return named === undefined ? [] : [named]
    }
    const last = kid === undefined ? undefined : this.#servers?.get(idKey(kid))?.context
    const candidates = [last, request.context, this.#group.current].filter((context) => context !== undefined)
    // The context of a past epoch is of no use once its overlap is over.
    return [...new Set(candidates)].filter((context) => this.#group.contextOf(context.gid) === context)
  }

  #open(
    context: GroupContext,
    request: SentRequest,
    { group, partialIv }: OscoreOption,
    option: Uint8Array,
    from: Recipient,
    payload: Uint8Array,
  ): Plaintext | undefined {
    if (!from.roles.responder) return undefined
    // Without a Partial IV of its own it can only be the first, under the keys of the request (§7.3).
    if (partialIv === undefined && (context !== request.context || request.answered?.has(idKey(from.id)) === true)) return undefined
    const { groupMode, pairwiseMode } = context.common
    if ((group ? groupMode : pairwiseMode) === undefined) return undefined
    const frame: MessageFrame = { request, isRequest: false, option, partialIv }
    const bytes = group ? context.openForGroup(frame, from, payload) : context.openForOne(frame, from, payload)
    const plaintext = bytes === undefined ? undefined : decodePlaintext(bytes)
    return plaintext !== undefined && isResponseCode(plaintext.code) ? plaintext : undefined
  }

  /** §5.3.1. The options of what is new; undefined for what was received before, or is a notification that was overtaken. */
  #accept(
    context: GroupContext,
    request: SentRequest,
    { partialIv }: OscoreOption,
    from: Recipient,
    plaintext: Plaintext,
  ): readonly CoapOption[] | undefined {
    const notification = isObserve(plaintext.options)
    if (notification && !request.observe) return undefined
    const key = idKey(from.id)
    this.#servers ??= new Map()
    let known = this.#servers.get(key)
    if (known?.context !== context) {
      if (known === undefined && this.#servers.size >= MAX_SERVERS) return undefined
      known = { context, window: new ReplayWindow(true), notified: -1 }
      this.#servers.set(key, known)
    }
    if (partialIv === undefined) {
      request.answered ??= new Set()
      request.answered.add(key)
      if (notification && known.notified >= 0) return undefined
    } else {
      const number = partialIvNumber(partialIv)
      if (!known.window.accepts(number)) return undefined
      known.window.mark(number)
      if (notification && number <= known.notified) return undefined
      if (notification) known.notified = number
    }
    return notification ? numbered(plaintext.options, ++this.#order) : plaintext.options
  }
}

/** The responder, as it says itself or as it was asked: to a pairwise request nobody else may answer (§8.6). */
function responderOf(context: GroupContext, { target }: SentRequest, { kid }: OscoreOption): Recipient | undefined {
  if (target === undefined) return kid === undefined ? undefined : context.members.recipient(kid)
  const from = kid === undefined ? context.members.recipientOf(target.credential, target.last) : context.members.recipient(kid)
  return from !== undefined && sameBytes(from.credential.bytes, target.credential) ? from : undefined
}

function recipientOf(context: GroupContext, target: Target): Recipient {
  target.last = context.members.recipientOf(target.credential, target.last)
  if (target.last === undefined) throw new AppError('oscore.member-unknown', 'The member has left the group')
  return target.last
}
