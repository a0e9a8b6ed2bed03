// ServerHello (RFC 5246 §7.4.1.3).
import { concatBytes } from '#main/base/index.ts'
import { Reader, uint, vector } from '../bytes.ts'
import { RANDOM_BYTES } from './client-hello.ts'
import { decodeExtensions, encodeExtensions, type Extensions } from './extensions.ts'

export interface ServerHello {
  readonly version: number
  readonly random: Uint8Array
  readonly sessionId: Uint8Array
  readonly suite: number
  readonly compression: number
  readonly extensions: Extensions
}

export function encodeServerHello(hello: ServerHello): Uint8Array {
  return concatBytes(
    uint(2, hello.version),
    hello.random,
    vector(1, hello.sessionId),
    uint(2, hello.suite),
    uint(1, hello.compression),
    encodeExtensions(hello.extensions),
  )
}

export function decodeServerHello(body: Uint8Array): ServerHello {
  const reader = new Reader(body)
  return {
    version: reader.uint(2),
    random: reader.take(RANDOM_BYTES),
    sessionId: reader.vector(1, 0, 32),
    suite: reader.uint(2),
    compression: reader.uint(1),
    extensions: decodeExtensions(reader),
  }
}
