// A server's side of Group OSCORE: requests of both modes, and what answers them, always with the newest keys
// (draft-ietf-core-oscore-groupcomm-28 §7.2, §7.3, §8.4, §8.5).
import type { CoapMessage, MessageContent, MessageProtection } from '#main/wire/coap/index.ts'
import type { GroupContext, MessageFrame } from './group-context.ts'
import { sameBytes, type GroupView } from './group-view.ts'
import type { Recipient } from './members.ts'
import { encodeOption } from './option.ts'
import { encodePlaintext, splitResponse } from './plaintext.ts'
import type { GroupBinding } from './structures.ts'
import { oscoreOption, outerResponseCode } from './unicast-exchange.ts'

export interface AnsweredRequest {
  readonly group: GroupView
  readonly context: GroupContext
  readonly binding: GroupBinding
  readonly from: Recipient
  readonly mode: 'group' | 'pairwise'
  readonly outer: CoapMessage
}

export class GroupReply implements MessageProtection {
  readonly #request: AnsweredRequest
  #nonceUsed: boolean

  /** `own`: also the first response brings its own Partial IV, as one to a request that is not known to be new must. */
  constructor(request: AnsweredRequest, own = false) {
    this.#request = request
    this.#nonceUsed = own
  }

  /** Undefined where this member does not send, has left, or has no numbers left, or where the client is no member any more. */
  protect(content: MessageContent): MessageContent | undefined {
    const { group, context, binding, outer, from } = this.#request
    const newest = group.current
    const kid = newest.senderId
    if (kid === undefined) return undefined
    const mode = this.#mode(newest)
    // Who has left the group meanwhile is not answered, and observes no longer.
    const to = newest.members.recipientOf(from.credential.bytes, from)
    if (to === undefined) return undefined
    const own = this.#nonceUsed || newest !== context
    const partialIv = own ? takeOrNone(newest) : undefined
    if (own && partialIv === undefined) return undefined
    this.#nonceUsed = true
    const { inner, outer: outerOptions } = splitResponse(content.options)
    const option = encodeOption({
      group: mode === 'group',
      partialIv,
      kidContext: sameBytes(newest.gid, binding.gid) ? undefined : newest.gid,
      // To a request for this end alone it may be left out (§8.5), but some clients find no keys then.
      kid,
    })
    const frame: MessageFrame = { request: binding, isRequest: false, option, partialIv }
    const plaintext = encodePlaintext(content.code, inner, content.payload)
    const payload = mode === 'group' ? newest.sealForGroup(frame, plaintext) : newest.sealForOne(frame, to, plaintext)
    return { code: outerResponseCode(outer.code), token: content.token, options: [oscoreOption(option), ...outerOptions], payload }
  }

  #mode({ common }: GroupContext): 'group' | 'pairwise' {
    const wanted = this.#request.group.answersInPairwiseMode ? 'pairwise' : this.#request.mode
    if (wanted === 'pairwise' && common.pairwiseMode === undefined) return 'group'
    return wanted === 'group' && common.groupMode === undefined ? 'pairwise' : wanted
  }
}

function takeOrNone(context: GroupContext): Uint8Array | undefined {
  try {
    return context.takePartialIv()
  } catch {
    return undefined
  }
}
