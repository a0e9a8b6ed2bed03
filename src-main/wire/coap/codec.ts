// Messages to bytes and back (RFC 7252 §3). The codec is the coap-packet package; everything that it would take wrongly or
// choke on is refused before it sees it.
//
//    0                   1                   2                   3
//   |Ver| T |  TKL  |      Code     |          Message ID           |
//   |   Extended token length (RFC 8974 §2.1: of 1 byte where TKL is 13, of 2 where it is 14) ...
//   |   Token (if any, TKL bytes) ...  Options (if any) ...
//   |1 1 1 1 1 1 1 1|    Payload (if any) ...
import { generate, parse, type ParsedPacket } from 'coap-packet'
import { AppError } from '#main/base/index.ts'
import { EMPTY_CODE } from './codes.ts'
import type { CoapMessage, CoapOption, MessageType } from './types.ts'

/** The largest UDP payload. */
const MAX_MESSAGE_BYTES = 65_507
const MAX_OPTION_BYTES = 65_535 + 269
const MAX_OPTION_NUMBER = 65_535
/** Without and with the extension of RFC 8974. */
export const PLAIN_TOKEN_BYTES = 8
export const MAX_TOKEN_BYTES = 65_804
const SHORTEST_TWO_BYTE_TOKEN = 269
const VERSION_1 = 1
const PAYLOAD_MARKER = 0xff
const HEADER_BYTES = 4

const TYPES = ['CON', 'NON', 'ACK', 'RST'] as const satisfies readonly MessageType[]
/** `0.00` to `7.31`. */
const CODES = new Set(Array.from({ length: 256 }, (_, byte) => `${byte >> 5}.${String(byte & 31).padStart(2, '0')}`))
const NO_BYTES = new Uint8Array(0)
const NO_OPTIONS: readonly CoapOption[] = []

/** What the first four bytes say, whatever follows. */
export interface MessageHeader {
  readonly type: MessageType
  readonly messageId: number
}

/** The header of a message of version 1, or undefined; enough to reject a malformed message (RFC 7252 §4.2). */
export function readHeader(bytes: Uint8Array): MessageHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const first = bytes[0] ?? 0
  if (first >> 6 !== VERSION_1) return undefined
  return { type: TYPES[(first >> 4) & 3] ?? 'RST', messageId: ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0) }
}

/**
 * The message that the datagram carries. Fails with `coap.message-invalid`, for every byte string that is none; one with an extended
 * token is none either unless asked for.
 */
export function decodeMessage(bytes: Uint8Array, extendedTokens = false): CoapMessage {
  const fault = findFault(bytes, extendedTokens)
  if (fault !== undefined) throw new AppError('coap.message-invalid', fault, { details: { bytes: bytes.length } })
  return parseChecked(bytes)
}

/** As `decodeMessage`, for those who have asked `findFault` already. */
export function parseChecked(bytes: Uint8Array): CoapMessage {
  window.bytes = bytes
  const { code, messageId, token, options, payload } = parse(window.asBuffer())
  window.bytes = NO_BYTES
  return {
    type: TYPES[((bytes[0] ?? 0) >> 4) & 3] ?? 'RST',
    code,
    messageId,
    token: token.length === 0 ? NO_BYTES : token,
    options: options.length === 0 ? NO_OPTIONS : options.map(fromPacketOption),
    payload: payload.length === 0 ? NO_BYTES : payload,
  }
}

/**
 * What coap-packet's parser asks of a Buffer, over plain bytes: its slices come out as Uint8Array views without the making of
 * two Buffers and a view for each option, which took half of the time of a small message.
 */
class BufferWindow {
  bytes: Uint8Array = NO_BYTES

  get length(): number {
    return this.bytes.length
  }

  readUInt8(offset: number): number {
    return this.bytes[offset] ?? 0
  }

  readUInt16BE(offset: number): number {
    return ((this.bytes[offset] ?? 0) << 8) | (this.bytes[offset + 1] ?? 0)
  }

  slice(start: number, end?: number): Uint8Array {
    return this.bytes.subarray(start, end)
  }

  /** Its own view as the type that the parser's declaration names; Buffer's further members are never asked for. */
  asBuffer(): Buffer {
    return this as unknown as Buffer
  }
}

/** One for all: parsing is synchronous. */
const window = new BufferWindow()

/** Why the bytes are not a message (RFC 7252 §3, §4.1), or undefined where they are one. */
export function findFault(bytes: Uint8Array, extendedTokens = false): string | undefined {
  const length = bytes.length
  if (length < HEADER_BYTES) return 'shorter than the header'
  if (length > MAX_MESSAGE_BYTES) return 'longer than a UDP datagram'
  const first = bytes[0] ?? 0
  if (first >> 6 !== VERSION_1) return 'unknown version'
  const tokenLength = first & 15
  if (tokenLength > PLAIN_TOKEN_BYTES && (!extendedTokens || tokenLength === 15)) return 'reserved token length'
  if (bytes[1] === 0) return length === HEADER_BYTES && tokenLength === 0 ? undefined : 'bytes after an empty message'
  const tokenEnd = HEADER_BYTES + (tokenLength < 13 ? tokenLength : extendedLength(bytes, tokenLength))
  if (!(tokenEnd <= length)) return 'token longer than the message'
  return findOptionFault(bytes, tokenEnd)
}

/** What the extended length and the token itself take; NaN where the message ends within the length. */
function extendedLength(bytes: Uint8Array, tokenLength: number): number {
  if (tokenLength === 13) return 1 + 13 + (bytes[HEADER_BYTES] ?? NaN)
  return 2 + 269 + (bytes[HEADER_BYTES] ?? NaN) * 256 + (bytes[HEADER_BYTES + 1] ?? NaN)
}

function findOptionFault(bytes: Uint8Array, start: number): string | undefined {
  const length = bytes.length
  let index = start
  let number = 0
  while (index < length) {
    const head = bytes[index++] ?? 0
    if (head === PAYLOAD_MARKER) return index < length ? undefined : 'payload marker without payload'
    let delta = head >> 4
    let size = head & 15
    if (delta === 15 || size === 15) return 'reserved option header'
    if (delta === 13) delta = 13 + (bytes[index++] ?? NaN)
    else if (delta === 14) {
      delta = 269 + (bytes[index] ?? NaN) * 256 + (bytes[index + 1] ?? NaN)
      index += 2
    }
    if (size === 13) size = 13 + (bytes[index++] ?? NaN)
    else if (size === 14) {
      size = 269 + (bytes[index] ?? NaN) * 256 + (bytes[index + 1] ?? NaN)
      index += 2
    }
    number += delta
    index += size
    // A byte that is missing has made one of them NaN, which no comparison holds for.
    if (!(index <= length)) return 'option longer than the message'
    if (!(number <= MAX_OPTION_NUMBER)) return 'option number out of range'
  }
  return undefined
}

/** The bytes of the message. Fails with `coap.message-invalid` where it cannot be written down. */
export function encodeMessage(message: CoapMessage, extendedTokens = false): Uint8Array {
  const fault = findWriteFault(message, extendedTokens ? MAX_TOKEN_BYTES : PLAIN_TOKEN_BYTES)
  if (fault !== undefined) throw new AppError('coap.message-invalid', fault)
  const bytes = generate(
    {
      code: message.code,
      confirmable: message.type === 'CON',
      ack: message.type === 'ACK',
      reset: message.type === 'RST',
      messageId: message.messageId,
      token: new BufferSource(message.token).asBuffer(),
      payload: new BufferSource(message.payload).asBuffer(),
      options: message.options.map(toPacketOption),
    },
    MAX_MESSAGE_BYTES,
  )
  // The package writes the two-byte length of this one token behind a TKL of 13.
  if (message.token.length === SHORTEST_TWO_BYTE_TOKEN) bytes[0] = ((bytes[0] ?? 0) & 0xf0) | 14
  return plain(bytes)
}

function findWriteFault(message: CoapMessage, maxTokenBytes: number): string | undefined {
  if (!CODES.has(message.code)) return 'impossible code'
  if (!(message.messageId >= 0 && message.messageId <= 0xffff)) return 'Message ID out of range'
  if (message.token.length > maxTokenBytes) return 'token too long'
  if (message.code === EMPTY_CODE) {
    return message.token.length + message.options.length + message.payload.length > 0 ? 'empty message with content' : undefined
  }
  let size = HEADER_BYTES + message.token.length + message.payload.length + 3
  for (const option of message.options) {
    if (!(option.number >= 0 && option.number <= MAX_OPTION_NUMBER)) return 'option number out of range'
    if (option.value.length > MAX_OPTION_BYTES) return 'option value too long'
    size += option.value.length + 5
  }
  return size > MAX_MESSAGE_BYTES ? 'message too large' : undefined
}

/** coap-packet names the options that it knows; these are the numbers of the names. */
const NUMBER_BY_NAME = new Map<string | number, number>([
  ['If-Match', 1],
  ['Uri-Host', 3],
  ['ETag', 4],
  ['If-None-Match', 5],
  ['Observe', 6],
  ['Uri-Port', 7],
  ['Location-Path', 8],
  ['OSCORE', 9],
  ['Uri-Path', 11],
  ['Content-Format', 12],
  ['Max-Age', 14],
  ['Uri-Query', 15],
  ['Hop-Limit', 16],
  ['Accept', 17],
  ['Q-Block1', 19],
  ['Location-Query', 20],
  ['Block2', 23],
  ['Block1', 27],
  ['Size2', 28],
  ['Q-Block2', 31],
  ['Proxy-Uri', 35],
  ['Proxy-Scheme', 39],
  ['Size1', 60],
  ['No-Response', 258],
  ['OCF-Accept-Content-Format-Version', 2049],
  ['OCF-Content-Format-Version', 2053],
])

function fromPacketOption(option: ParsedPacket['options'][number]): CoapOption {
  return { number: NUMBER_BY_NAME.get(option.name) ?? Number(option.name), value: option.value }
}

function toPacketOption(option: CoapOption): { name: number; value: Buffer } {
  return { name: option.number, value: new BufferSource(option.value).asBuffer() }
}

/**
 * What coap-packet's generator asks of a Buffer that it copies from. It reads a payload's text only to see whether there is any,
 * which would decode the whole of it for every message.
 */
class BufferSource {
  readonly #bytes: Uint8Array
  readonly length: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.length = bytes.length
  }

  copy(target: Uint8Array, at: number): number {
    target.set(this.#bytes, at)
    return this.length
  }

  toString(): string {
    return this.length === 0 ? '' : 'payload'
  }

  /** Its own view as the type that the generator's declaration names; Buffer's further members are never asked for. */
  asBuffer(): Buffer {
    return this as unknown as Buffer
  }
}

function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
