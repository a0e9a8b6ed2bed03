// The Block1 and Block2 option value (RFC 7959 §2.2): NUM, M and SZX in up to three bytes, and keys of block-wise operations.
import { decodeUint } from '#main/base/index.ts'
import { findOption, isNoCacheKey, OptionNumber, uintOption } from './options.ts'
import type { CoapMessage, CoapOption } from './types.ts'

export interface Block {
  readonly num: number
  readonly more: boolean
  /** Size exponent: blocks are of 2^(szx + 4) bytes. */
  readonly szx: number
}

/** NUM has 20 bits. */
export const MAX_BLOCK_NUMBER = 0xfffff

export function blockBytes(szx: number): number {
  return 2 ** (szx + 4)
}

/** The largest SZX whose block is no larger than so many bytes. */
export function szxFor(bytes: number): number {
  let szx = 6
  while (szx > 0 && blockBytes(szx) > bytes) szx--
  return szx
}

/** The block that an option of that number names; `invalid` where SZX is the reserved 7 or the value is too long. */
export function findBlock(options: readonly CoapOption[], number: number): Block | 'invalid' | undefined {
  const option = findOption(options, number)
  if (option === undefined) return undefined
  if (option.value.length > 3) return 'invalid'
  const value = decodeUint(option.value)
  const szx = value & 7
  return szx === 7 ? 'invalid' : { num: value >>> 4, more: (value & 8) !== 0, szx }
}

export function blockOption(number: number, block: Block): CoapOption {
  return uintOption(number, block.num * 16 + (block.more ? 8 : 0) + block.szx)
}

const NOT_OF_THE_OPERATION = new Set<number>([
  OptionNumber.BLOCK1,
  OptionNumber.BLOCK2,
  OptionNumber.OBSERVE,
  OptionNumber.SIZE1,
  OptionNumber.SIZE2,
])
const NOR_THE_TAG = new Set<number>([...NOT_OF_THE_OPERATION, OptionNumber.REQUEST_TAG])

/**
 * What tells one block-wise operation of a peer from another: the code and every option that belongs to the cache key, the
 * Request-Tag among them, and never the token (RFC 7959 §2.4, RFC 9175 §3.3).
 */
export function operationKey(peer: string, message: CoapMessage): string {
  return keyOf(peer, message, NOT_OF_THE_OPERATION)
}

/** The same without the Request-Tag: some clients leave it off when they fetch the blocks of a response. */
export function untaggedKey(peer: string, message: CoapMessage): string {
  return keyOf(peer, message, NOR_THE_TAG)
}

function keyOf(peer: string, message: CoapMessage, without: ReadonlySet<number>): string {
  let key = `${peer} ${message.code}`
  for (const option of message.options) {
    if (without.has(option.number) || isNoCacheKey(option.number)) continue
    key += ` ${option.number}:${String.fromCharCode(...option.value)}`
  }
  return key
}
