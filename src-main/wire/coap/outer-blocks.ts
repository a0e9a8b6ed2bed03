// Protected responses that an intermediary has cut into outer blocks: they are put together before anything is decrypted
// (RFC 8613 §4.1.3.4.2; RFC 7959 §2.4).
import { AppError, concatBytes, equalBytes } from '#main/base/index.ts'
import { blockBytes, blockOption, findBlock, type Block } from './block.ts'
import { findOption, OptionNumber } from './options.ts'
import type { Share } from './reassembly-budget.ts'
import type { CoapMessage, CoapOption, ExchangeSecurity, MessageContent, OpenedResponse } from './types.ts'

/** Of one protected message (MAX_UNFRAGMENTED_SIZE): nobody has vouched for outer blocks, so that they must not make this end ask for long. */
const MAX_UNFRAGMENTED_BYTES = 65_536

/** Left off when later blocks are asked for. */
const NOT_REPEATED = new Set<number>([
  OptionNumber.OBSERVE,
  OptionNumber.BLOCK1,
  OptionNumber.BLOCK2,
  OptionNumber.SIZE1,
  OptionNumber.SIZE2,
])
/** Of the transfer, not of the message. */
const OF_THE_TRANSFER = new Set<number>([OptionNumber.BLOCK2, OptionNumber.SIZE2, OptionNumber.ETAG])
const NO_BYTES = new Uint8Array(0)
const FETCH = '0.05'

/** Keeps what left last, for the requests that ask for later blocks of its response. */
export class SentSecurity implements ExchangeSecurity {
  readonly #inner: ExchangeSecurity
  #sent: MessageContent | undefined

  constructor(inner: ExchangeSecurity) {
    this.#inner = inner
  }

  get sent(): MessageContent | undefined {
    return this.#sent
  }

  protect(content: MessageContent): MessageContent | undefined {
    this.#sent = this.#inner.protect(content)
    return this.#sent
  }

  unprotect(response: CoapMessage): OpenedResponse | undefined {
    return this.#inner.unprotect(response)
  }
}

/** Whether more of the protected message follows. */
export function isFirstOuterBlock({ options, payload }: CoapMessage): boolean {
  if (findOption(options, OptionNumber.OSCORE) === undefined) return false
  const block = findBlock(options, OptionNumber.BLOCK2)
  return block !== undefined && block !== 'invalid' && block.more && block.num === 0 && payload.length === blockBytes(block.szx)
}

/**
 * The whole protected message, as one that was never cut. `ask` sends a request as it is and answers its response. Fails with
 * `coap.message-invalid` for blocks that do not belong together, `coap.too-large` beyond the bounds.
 */
export async function wholeOf(
  sent: MessageContent,
  first: CoapMessage,
  share: Share,
  ask: (request: Omit<MessageContent, 'token'>) => Promise<CoapMessage>,
): Promise<CoapMessage> {
  const options = sent.options.filter(({ number }) => !NOT_REPEATED.has(number))
  // A FETCH is told apart by its payload; other bodies have been delivered (RFC 8132 §2, RFC 7959 §3.3).
  const payload = sent.code === FETCH ? sent.payload : NO_BYTES
  const parts = [first.payload]
  let length = first.payload.length
  let block = laterBlock(first)
  share.take(length)
  while (block.more) {
    if (length > MAX_UNFRAGMENTED_BYTES)
      throw new AppError('coap.too-large', 'The protected response is too large', { details: { bytes: length } })
    const wanted = blockOption(OptionNumber.BLOCK2, { num: length / blockBytes(block.szx), more: false, szx: block.szx })
    const next = await ask({ code: sent.code, options: inOrder([...options, wanted]), payload })
    const got = laterBlock(next)
    const fits = got.more ? next.payload.length === blockBytes(got.szx) : next.payload.length <= blockBytes(got.szx)
    const belongs = next.code === first.code && sameOption(first, next, OptionNumber.ETAG) && sameOption(first, next, OptionNumber.OSCORE)
    if (!fits || !belongs || got.szx > block.szx || got.num * blockBytes(got.szx) !== length) throw broken()
    share.take(next.payload.length)
    parts.push(next.payload)
    length += next.payload.length
    block = got
  }
  return { ...first, options: first.options.filter(({ number }) => !OF_THE_TRANSFER.has(number)), payload: concatBytes(...parts) }
}

function laterBlock({ options }: CoapMessage): Block {
  const block = findBlock(options, OptionNumber.BLOCK2)
  if (block === undefined || block === 'invalid') throw broken()
  return block
}

function sameOption(a: CoapMessage, b: CoapMessage, number: number): boolean {
  const [ofA, ofB] = [findOption(a.options, number)?.value, findOption(b.options, number)?.value]
  return ofA === undefined || ofB === undefined ? ofA === ofB : equalBytes(ofA, ofB)
}

function inOrder(options: CoapOption[]): readonly CoapOption[] {
  return options.sort((a, b) => a.number - b.number)
}

function broken(): AppError {
  return new AppError('coap.message-invalid', 'The blocks of a protected response do not belong together', { retryable: true })
}
