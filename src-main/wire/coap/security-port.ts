// The way in for protected requests: outer blocks are put together, the security layer opens what it has keys for and answers what it
// has not, and replies go back the same way (RFC 8613 §8.2, §4.1.3.4.2).
import type { Clock, Random } from '#main/base/index.ts'
import type { BlockServer } from './block-server.ts'
import type { MessageContent, MessageLayer, Origin, Seen } from './message-layer.ts'
import { findOption, OptionNumber } from './options.ts'
import type { CoapParameters } from './parameters.ts'
import type { CoapMessage, MessageProtection, MessageSecurity, OutgoingResponse } from './types.ts'

export interface SecurityPortOptions {
  readonly security: MessageSecurity
  readonly messages: MessageLayer
  readonly blocks: BlockServer
  readonly clock: Clock
  readonly random: Random
  readonly parameters: CoapParameters
}

export function isProtectedForm(message: CoapMessage): boolean {
  return findOption(message.options, OptionNumber.OSCORE) !== undefined
}

export class SecurityPort {
  readonly #options: SecurityPortOptions

  constructor(options: SecurityPortOptions) {
    this.#options = options
  }

  /** The request in its plain form, and who sent it; undefined where nothing remains to be done. */
  onRequest(message: CoapMessage, origin: Origin, seen: Seen): { readonly message: CoapMessage; readonly origin: Origin } | undefined {
    if (!isProtectedForm(message) || message.token.length > this.#options.parameters.maxTokenBytes) return { message, origin }
    const whole = this.#gather(message, origin, seen)
    if (whole === undefined) return undefined
    const opened = this.#options.security.openRequest(whole, origin)
    switch (opened.kind) {
      case 'plain':
        return { message: whole, origin }
      case 'drop':
        this.#options.messages.counters.ignored++
        return undefined
      case 'answer':
        this.#answer(opened.content, message, origin, seen)
        return undefined
      case 'request': {
        const { identity } = opened
        const reply = this.#inBlocks(opened.reply, message, origin)
        return {
          message: opened.message,
          origin: { ...origin, identity, reply, peer: `${origin.peer} ${identity.scheme} ${identity.name}` },
        }
      }
    }
  }

  /** The whole outer payload, once its last block is there. */
  #gather(message: CoapMessage, origin: Origin, seen: Seen): CoapMessage | undefined {
    const { blocks } = this.#options
    if (!isInBlocks(message)) return message
    const step = blocks.takeBody(origin.peer, message)
    const answer = step.kind === 'answer' ? step.response : blocks.laterBlock(origin.peer, message)
    if (answer !== undefined) {
      this.#answer(contentOf(message.token, answer), message, origin, seen)
      return undefined
    }
    return step.kind === 'whole' ? { ...message, payload: step.payload } : undefined
  }

  /** Where an intermediary asked for outer blocks, the protected response goes in such. */
  #inBlocks(reply: MessageProtection, message: CoapMessage, origin: Origin): MessageProtection {
    if (findOption(message.options, OptionNumber.BLOCK2) === undefined) return reply
    const { blocks } = this.#options
    return {
      protect: (content) => {
        const outer = reply.protect(content)
        if (outer === undefined) return undefined
        const { code, options, payload } = outer
        if (code !== '2.04' && code !== '2.05') return outer
        const prepared = blocks.prepare(origin.peer, message, { code, options, payload })
        return { ...outer, ...contentOf(outer.token, prepared) }
      },
    }
  }

  /**
   * Nobody complains to a group, where one request could draw errors from all its members (groupcomm-bis-18 §3.1.2). What is protected is
   * a challenge, which a client needs to be heard again; it waits for a moment of its own (RFC 7252 §8.2).
   */
  #answer(content: MessageContent, { type, messageId }: CoapMessage, origin: Origin, seen: Seen): void {
    const { messages, clock, random, parameters } = this.#options
    if (origin.multicast && content.protection === undefined) messages.counters.suppressed++
    else if (origin.multicast) {
      clock.setTimer(random.fraction() * parameters.leisureMs, () => messages.sendNonConfirmable(content, origin.source))
    } else if (type === 'CON') messages.sendPiggybacked(content, messageId, origin.source, seen)
    else messages.sendNonConfirmable(content, origin.source)
  }
}

function isInBlocks({ options }: CoapMessage): boolean {
  return findOption(options, OptionNumber.BLOCK1) !== undefined || findOption(options, OptionNumber.BLOCK2) !== undefined
}

function contentOf(token: Uint8Array, { code, options = [], payload = new Uint8Array(0) }: OutgoingResponse): MessageContent {
  return { code, token, options, payload }
}
