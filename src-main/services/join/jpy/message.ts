// JPY messages: what a pledge says, and by which way an answer reaches it, side by side in one CBOR array. Today's form has two elements
// (draft-ietf-anima-constrained-join-proxy-20 §4.5.2), that of draft -01 has five with the way in clear (§5.3).
import { concatBytes } from '#main/base/index.ts'
import { CborReader, MAJOR, writeBytes, writeHead } from './cbor-reader.ts'

/** `20`: [header, content]. `01`: [address, port, family, index, content]. */
export type JpyVersion = '01' | '20'

export interface JpyMessage {
  readonly version: JpyVersion
  /** What is to be given back unchanged: the header's bytes, or the first four elements just as they were written. */
  readonly header: Uint8Array
  /** One datagram of the pledge's protocol, which neither the proxy nor this codec reads. */
  readonly content: Uint8Array
}

/** Not one whole CBOR item; or an item that is no JPY message. */
export interface JpyFault {
  readonly fault: 'not-cbor' | 'not-jpy'
}

/** The first four elements of draft -01. */
export interface PlainHeader {
  /** 16 bytes, or 4 of IPv4. */
  readonly address: Uint8Array
  readonly port: number
  /** The proxy's own number for it: 10 and 2 for IPv6 and IPv4 on Linux. */
  readonly family: number
  readonly index: number
}

/** What a header is to be at most (draft -20 §4.5.2), and what the message adds to header and content at most (§4.5.4). */
export const MAX_HEADER_BYTES = 32
export const MAX_JPY_OVERHEAD_BYTES = MAX_HEADER_BYTES + 6

const PLAIN_ELEMENTS = 5
const LONGEST_ADDRESS_BYTES = 16

/** Reads both forms. Never throws; `header` and `content` are views into the datagram. */
export function decodeJpy(datagram: Uint8Array): JpyMessage | JpyFault {
  const reader = new CborReader(datagram)
  const outer = reader.head()
  if (outer === undefined) return { fault: 'not-cbor' }
  if (outer.major !== MAJOR.array) return { fault: reader.restIsWell([outer]) && reader.isAtEnd() ? 'not-jpy' : 'not-cbor' }
  const start = reader.position
  const first = reader.byteString()
  if (first === undefined) return { fault: 'not-jpy' }
  const second = reader.peekMajor()
  const message = second === MAJOR.bytes ? readOpaque(reader, first) : readPlain(reader, start, outer.argument)
  if (message === undefined) return { fault: 'not-jpy' }
  // Of more than two elements the rest is somebody's later idea (draft -20 §4.5.7), but an array it has to be.
  const left = message.version === '20' ? outer.argument - 2 : outer.argument - PLAIN_ELEMENTS
  return left >= 0 && reader.elementsAreWell(left) && reader.isAtEnd() ? message : { fault: 'not-cbor' }
}

function readOpaque(reader: CborReader, header: Uint8Array): JpyMessage | undefined {
  const content = reader.byteString()
  return content === undefined ? undefined : { version: '20', header, content }
}

/** The registrar is not to look into the header (draft -01 §5.2): its elements only have to be of the right kinds. */
function readPlain(reader: CborReader, start: number, elements: number): JpyMessage | undefined {
  if (elements !== PLAIN_ELEMENTS) return undefined
  for (let count = 0; count < 3; count++) if (reader.integer() === undefined) return undefined
  const header = reader.since(start)
  const content = reader.byteString()
  return content === undefined ? undefined : { version: '01', header, content }
}

export function isJpyFault(read: JpyMessage | JpyFault): read is JpyFault {
  return 'fault' in read
}

/** Lengths in their shortest form; the header of draft -01 as it was written. */
export function encodeJpy({ version, header, content }: JpyMessage): Uint8Array {
  return version === '20'
    ? concatBytes(writeHead(MAJOR.array, 2), writeBytes(header), writeBytes(content))
    : concatBytes(writeHead(MAJOR.array, PLAIN_ELEMENTS), header, writeBytes(content))
}

export function encodePlainHeader({ address, port, family, index }: PlainHeader): Uint8Array {
  return concatBytes(writeBytes(address), ...[port, family, index].map((value) => writeHead(MAJOR.unsigned, value)))
}

/** Undefined where it is none that a proxy makes. */
export function decodePlainHeader(header: Uint8Array): PlainHeader | undefined {
  const reader = new CborReader(header)
  const address = reader.byteString()
  const port = reader.integer()
  const family = reader.integer()
  const index = reader.integer()
  if (address === undefined || port === undefined || family === undefined || index === undefined || !reader.isAtEnd()) return undefined
  if (address.length !== LONGEST_ADDRESS_BYTES && address.length !== 4) return undefined
  return port > 0 && port <= 65_535 && family >= 0 && index >= 0 ? { address, port, family, index } : undefined
}
