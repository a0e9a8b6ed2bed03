// The server's side of block-wise transfer (RFC 7959 §2.4 to §2.6): bodies put together from Block1, responses handed out by Block2.
// Operations are told apart by peer, code, options and Request-Tag, never by token (RFC 9175 §3.3).
import { equalBytes, toHex, type Clock } from '#main/base/index.ts'
import { blockBytes, blockOption, findBlock, operationKey, szxFor, untaggedKey, type Block } from './block.ts'
import { BlockStore } from './block-store.ts'
import { findOption, findUint, OptionNumber, uintOption } from './options.ts'
import type { CoapParameters } from './parameters.ts'
import type { CoapMessage, CoapOption, OutgoingResponse } from './types.ts'

/** What to do with a request: serve its body (`block1` goes into the response), or answer at once. */
export type BodyStep =
  | { readonly kind: 'whole'; readonly payload: Uint8Array; readonly block1: CoapOption | undefined }
  | { readonly kind: 'answer'; readonly response: OutgoingResponse }

interface Assembly {
  readonly parts: Uint8Array[]
  length: number
}

interface Representation {
  readonly response: OutgoingResponse
  readonly payload: Uint8Array
}

const NO_BYTES = new Uint8Array(0)
/** What a part costs besides its bytes: small blocks must not hold large memory. */
const PART_BYTES = 128

export class BlockServer {
  readonly #parameters: CoapParameters
  readonly #maxSzx: number
  readonly #assemblies: BlockStore<Assembly>
  readonly #representations: BlockStore<Representation>
  readonly #etagSalt: number

  /** `etagSalt`: 32 bits of the server's own, for members of a group must not have one ETag for one body (groupcomm-bis §3.2.2.1). */
  constructor(clock: Clock, parameters: CoapParameters, maxBlockBytes: number, etagSalt: number) {
    this.#parameters = parameters
    this.#etagSalt = etagSalt
    this.#maxSzx = szxFor(maxBlockBytes)
    const limits = {
      lifetimeMs: parameters.blockLifetimeMs,
      maxBytes: parameters.maxBlockwiseBytes / 2,
      maxBytesPerPeer: parameters.maxBlockwiseBytesPerPeer,
    }
    this.#assemblies = new BlockStore(clock, limits)
    this.#representations = new BlockStore(clock, limits)
  }

  /** Bytes held for unfinished transfers. */
  get bytes(): number {
    return this.#assemblies.bytes + this.#representations.bytes
  }

  clear(): void {
    this.#assemblies.clear()
    this.#representations.clear()
  }

  // ---- Block1 ----------------------------------------------------------------------------------------------------

  /** Takes a request's payload in: the whole body, once its last block is there. */
  takeBody(peer: string, message: CoapMessage): BodyStep {
    const block = findBlock(message.options, OptionNumber.BLOCK1)
    if (block === undefined) return { kind: 'whole', payload: message.payload, block1: undefined }
    if (block === 'invalid') return answer('4.00')
    const size = blockBytes(block.szx)
    if (block.more ? message.payload.length !== size : message.payload.length > size) return answer('4.00')
    const announced = findUint(message.options, OptionNumber.SIZE1) ?? 0
    const end = block.num * size + message.payload.length
    if (Math.max(announced, end) > this.#parameters.maxBodyBytes) {
      return answer('4.13', [uintOption(OptionNumber.SIZE1, this.#parameters.maxBodyBytes)])
    }
    if (block.num === 0 && !block.more) return this.#whole(message.payload, block)
    return this.#collect(operationKey(peer, message), peer, message.payload, block)
  }

  #collect(key: string, peer: string, payload: Uint8Array, block: Block): BodyStep {
    const offset = block.num * blockBytes(block.szx)
    const assembly = block.num === 0 ? { parts: [], length: 0 } : this.#assemblies.get(key)
    // §2.5: without all blocks before it, a block cannot be used.
    if (assembly === undefined) return answer('4.08')
    const last = assembly.parts.at(-1)
    const repeated = last !== undefined && offset === assembly.length - last.length && equalBytes(last, payload)
    if (!repeated) {
      if (offset !== assembly.length) return answer('4.08')
      assembly.parts.push(payload)
      assembly.length += payload.length
    }
    if (!block.more) {
      this.#assemblies.delete(key)
      return this.#whole(join(assembly.parts, assembly.length), block)
    }
    if (!this.#assemblies.set(key, peer, assembly, assembly.length + assembly.parts.length * PART_BYTES)) return answer('4.13')
    const szx = block.num === 0 ? Math.min(block.szx, this.#maxSzx) : block.szx
    return answer('2.31', [blockOption(OptionNumber.BLOCK1, { num: block.num, more: true, szx })])
  }

  #whole(payload: Uint8Array, block: Block): BodyStep {
    return { kind: 'whole', payload, block1: blockOption(OptionNumber.BLOCK1, { num: block.num, more: false, szx: block.szx }) }
  }

  // ---- Block2 ----------------------------------------------------------------------------------------------------

  /** The answer to a request for a later block, from the representation kept for it; undefined where the handler must be asked. */
  laterBlock(peer: string, message: CoapMessage): OutgoingResponse | undefined {
    const block = findBlock(message.options, OptionNumber.BLOCK2)
    if (block === undefined || block === 'invalid' || block.num === 0) return undefined
    const byBody = fetchKey(peer, message)
    const kept = this.#representations.get(byBody ?? operationKey(peer, message))
    if (kept !== undefined) return this.#slice(kept.response, kept.payload, block)
    // A GET may simply be done again, and a FETCH that brings its body; what another method has answered cannot be had twice.
    return message.code === '0.01' || byBody !== undefined ? undefined : { code: '4.08' }
  }

  /** The response as it goes out: whole where it fits one block, else its first block, the rest being kept for a time. */
  prepare(peer: string, message: CoapMessage, response: OutgoingResponse): OutgoingResponse {
    const payload = response.payload ?? NO_BYTES
    const wanted = findBlock(message.options, OptionNumber.BLOCK2)
    if (wanted === 'invalid') return { code: '4.00' }
    // Who sends small blocks takes no larger ones: it has no room for them (RFC 7959 §2.2, §3.3).
    const uploaded = findBlock(message.options, OptionNumber.BLOCK1)
    const usual = uploaded === undefined || uploaded === 'invalid' ? this.#maxSzx : Math.min(this.#maxSzx, uploaded.szx)
    if (wanted === undefined && payload.length <= blockBytes(usual)) return response
    if (!response.code.startsWith('2.')) return response
    const block = wanted ?? { num: 0, more: false, szx: usual }
    const tagged = payload.length > blockBytes(block.szx) ? withETag(response, digest(payload, this.#etagSalt)) : response
    const sliced = this.#slice(tagged, payload, block)
    if (payload.length > blockBytes(Math.min(block.szx, this.#maxSzx)) && block.num === 0) {
      const representation = { response: tagged, payload }
      const keys = new Set([operationKey(peer, message), untaggedKey(peer, message)])
      const byBody = fetchKey(peer, message)
      if (byBody !== undefined) keys.add(byBody)
      for (const key of keys) this.#representations.set(key, peer, representation, payload.length)
    }
    return sliced
  }

  #slice(response: OutgoingResponse, payload: Uint8Array, wanted: Block): OutgoingResponse {
    const offset = wanted.num * blockBytes(wanted.szx)
    if (offset >= payload.length && wanted.num > 0) return { code: '4.00' }
    const szx = Math.min(wanted.szx, this.#maxSzx)
    const size = blockBytes(szx)
    const part = payload.subarray(offset, offset + size)
    const more = offset + size < payload.length
    const options = [...(response.options ?? []), blockOption(OptionNumber.BLOCK2, { num: offset / size, more, szx })]
    if (wanted.num === 0 && more) options.push(uintOption(OptionNumber.SIZE2, payload.length))
    return { ...response, payload: part, options }
  }
}

/** FETCH requests with different bodies ask for different things (RFC 8132 §2.1), though not every client repeats the body for later blocks. */
function fetchKey(peer: string, message: CoapMessage): string | undefined {
  const { code, options, payload } = message
  if (code !== '0.05' || payload.length === 0 || findOption(options, OptionNumber.BLOCK1) !== undefined) return undefined
  return `${operationKey(peer, message)} ${toHex(digest(payload))}`
}

function answer(code: '2.31' | '4.00' | '4.08' | '4.13', options: readonly CoapOption[] = []): BodyStep {
  return { kind: 'answer', response: { code, options } }
}

function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** Blocks of one representation carry one ETag, so that a client never mixes two (RFC 7959 §2.4). */
function withETag(response: OutgoingResponse, etag: Uint8Array): OutgoingResponse {
  if (findOption(response.options ?? [], OptionNumber.ETAG) !== undefined) return response
  return { ...response, options: [...(response.options ?? []), { number: OptionNumber.ETAG, value: etag }] }
}

/** Eight bytes that differ for different bodies (two FNV-1a sums); they guard against mix-ups, not against malice. */
function digest(payload: Uint8Array, salt = 0): Uint8Array {
  let a = 0x811c9dc5 ^ salt
  let b = 0x050c5d1f
  for (const byte of payload) {
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ byte, 0x01000193) ^ (a >>> 15)
  }
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, a >>> 0)
  view.setUint32(4, (b ^ payload.length) >>> 0)
  return bytes
}
