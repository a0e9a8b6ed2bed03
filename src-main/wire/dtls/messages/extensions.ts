// Extensions of both hellos: RFC 5246 §7.4.1.4, RFC 6066 §4, RFC 8422 §5.1, RFC 7250 §3, RFC 7627 §5.1, RFC 5746 §3.2, RFC 9146 §3.
import { AlertFailure } from '../alert.ts'
import { numbers16, putUint, Reader, readNumbers16 } from '../bytes.ts'
import { EXTENSION, UNCOMPRESSED } from '../numbers.ts'

/** Raw contents by type, in the order in which they are sent. */
export type Extensions = ReadonlyMap<number, Uint8Array>

export function encodeExtensions(extensions: Extensions): Uint8Array {
  if (extensions.size === 0) return new Uint8Array(0)
  let length = 2
  for (const content of extensions.values()) length += 4 + content.length
  const whole = new Uint8Array(length)
  putUint(whole, 0, 2, length - 2)
  let offset = 2
  for (const [type, content] of extensions) {
    putUint(whole, offset, 2, type)
    putUint(whole, offset + 2, 2, content.length)
    whole.set(content, offset + 4)
    offset += 4 + content.length
  }
  return whole
}

/** The rest of a hello. One type must not come twice. */
export function decodeExtensions(reader: Reader): Extensions {
  const extensions = new Map<number, Uint8Array>()
  if (reader.left === 0) return extensions
  const list = new Reader(reader.vector(2))
  reader.end()
  while (list.left > 0) {
    const type = list.uint(2)
    if (extensions.has(type)) throw new AlertFailure('illegal_parameter', 'An extension comes twice', 'dtls.message-invalid')
    extensions.set(type, list.vector(2))
  }
  return extensions
}

/** A list of 16-bit numbers such as groups and signature schemes; undefined where the extension is absent. */
export function numberList(extensions: Extensions, type: number): readonly number[] | undefined {
  const content = extensions.get(type)
  if (content === undefined) return undefined
  const reader = new Reader(content)
  const numbers = readNumbers16(reader.vector(2, 2))
  reader.end()
  return numbers
}

export function encodeNumberList(values: readonly number[]): Uint8Array {
  return numbers16(values)
}

/** A list of bytes such as point formats and certificate types; undefined where the extension is absent. */
export function byteList(extensions: Extensions, type: number): readonly number[] | undefined {
  const content = extensions.get(type)
  if (content === undefined) return undefined
  const reader = new Reader(content)
  const bytes = reader.vector(1, 1)
  reader.end()
  return [...bytes]
}

/** A single byte, as the answers to lists are; undefined where the extension is absent. */
export function singleByte(extensions: Extensions, type: number): number | undefined {
  const content = extensions.get(type)
  if (content === undefined) return undefined
  const reader = new Reader(content)
  const value = reader.uint(1)
  reader.end()
  return value
}

/** RFC 9146 §3; undefined where the extension is absent. */
export function connectionIdOf(extensions: Extensions): Uint8Array | undefined {
  const content = extensions.get(EXTENSION.connectionId)
  if (content === undefined) return undefined
  const reader = new Reader(content)
  const id = reader.vector(1)
  reader.end()
  return id
}

/** RFC 7627 §5.1: it has no content. */
export function hasExtendedMasterSecret(extensions: Extensions): boolean {
  const content = extensions.get(EXTENSION.extendedMasterSecret)
  if (content !== undefined && content.length > 0) throw new AlertFailure('decode_error', 'extended_master_secret has content')
  return content !== undefined
}

/** RFC 5746 §3.4, §3.6: in a first handshake it is empty. */
export function requireFirstNegotiation(extensions: Extensions): void {
  const content = extensions.get(EXTENSION.renegotiationInfo)
  if (content !== undefined && !(content.length === 1 && content[0] === 0)) {
    throw new AlertFailure('handshake_failure', 'renegotiation_info of a first handshake is not empty')
  }
}

/** RFC 8422 §5.1.2: who names formats must name the uncompressed one. */
export function requireUncompressed(extensions: Extensions): void {
  const formats = byteList(extensions, EXTENSION.ecPointFormats)
  if (formats !== undefined && !formats.includes(UNCOMPRESSED)) {
    throw new AlertFailure('illegal_parameter', 'The peer does not take uncompressed points')
  }
}

/** RFC 6066 §4: the longest plaintext by its code; undefined where the extension is absent. */
export function maxFragmentBytesOf(extensions: Extensions): number | undefined {
  const code = singleByte(extensions, EXTENSION.maxFragmentLength)
  if (code === undefined) return undefined
  if (code < 1 || code > 4) throw new AlertFailure('illegal_parameter', 'max_fragment_length has no such value')
  return 256 << code
}
