// PBKDF2 (RFC 8018 §5.2), off the main thread: PBMAC1 stands on it.
import { pbkdf2 as nodePbkdf2 } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { HashName } from './hash.ts'

/** What a message of a stranger may ask of this machine at most. */
const MAX_ITERATIONS = 1_000_000
const MAX_LENGTH = 1024

export function pbkdf2(hash: HashName, password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Promise<Uint8Array> {
  const whole = Number.isInteger(iterations) && Number.isInteger(length)
  if (!whole || iterations < 1 || iterations > MAX_ITERATIONS || length < 1 || length > MAX_LENGTH) {
    return Promise.reject(
      new AppError('crypto.parameter-invalid', 'PBKDF2 parameters are out of range', { details: { iterations, length } }),
    )
  }
  return new Promise((resolve, reject) => {
    nodePbkdf2(password, salt, iterations, length, hash, (error, key) => {
      if (error === null) resolve(new Uint8Array(key))
      else reject(new AppError('crypto.unsupported', 'The key derivation failed', { cause: error }))
    })
  })
}
