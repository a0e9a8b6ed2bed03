// ClientHello (RFC 6347 §4.2.1, §4.3.2).
import { concatBytes } from '#main/base/index.ts'
import { AlertFailure } from '../alert.ts'
import { numbers16, Reader, readNumbers16, uint, vector } from '../bytes.ts'
import { decodeExtensions, encodeExtensions, type Extensions } from './extensions.ts'

export const RANDOM_BYTES = 32

export interface ClientHello {
  readonly version: number
  readonly random: Uint8Array
  readonly sessionId: Uint8Array
  readonly cookie: Uint8Array
  readonly suites: readonly number[]
  readonly compressions: Uint8Array
  readonly extensions: Extensions
}

export function encodeClientHello(hello: ClientHello): Uint8Array {
  return concatBytes(
    uint(2, hello.version),
    hello.random,
    vector(1, hello.sessionId),
    vector(1, hello.cookie),
    numbers16(hello.suites),
    vector(1, hello.compressions),
    encodeExtensions(hello.extensions),
  )
}

export function decodeClientHello(body: Uint8Array): ClientHello {
  const reader = new Reader(body)
  const version = reader.uint(2)
  const random = reader.take(RANDOM_BYTES)
  const sessionId = reader.vector(1, 0, 32)
  const cookie = reader.vector(1)
  const suites = readNumbers16(reader.vector(2, 2))
  const compressions = reader.vector(1, 1)
  if (!compressions.includes(0)) throw new AlertFailure('illegal_parameter', 'The null compression is missing', 'dtls.message-invalid')
  return { version, random, sessionId, cookie, suites, compressions, extensions: decodeExtensions(reader) }
}
