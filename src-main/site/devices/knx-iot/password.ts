// The label's password proves the tool and the device to each other (SPAKE2+ by KNX 3/10/5), and gives the first OSCORE keys.
import { AppError, concatBytes, pbkdf2, Spake2PlusProver, utf8, type CborValue, type Random } from '#main/base/index.ts'
import type { ClientResponse } from '#main/wire/coap/index.ts'
import type { UnicastContextInput } from '#main/wire/oscore/index.ts'
import type { KnxReach } from './device.ts'
import { bytesIn, decodeMap, encodeMap, KEY, numberIn, unexpected } from './tables.ts'

const SHARE_BYTES = 65
const PROOF_BYTES = 32
const NONCE_BYTES = 32
const STRETCHED_BYTES = 80
const KEY_BYTES = 16
const LEAST_ITERATIONS = 1000
const MOST_ITERATIONS = 100_000
const CBOR = 60
const PATH = ['.well-known', 'knx', 'spake']

export interface PasswordOptions {
  readonly password: string
  /** One to seven characters: the name under which the device keeps the keys, and the tool's Sender ID. */
  readonly tokenId: string
  readonly random: Random
  readonly signal?: AbortSignal
}

/** What the handshake gives for `UnicastContext`; `name` is the caller's. */
export type PasswordKeys = Omit<UnicastContextInput, 'name'>

/**
 * Throws `knx.already-owned` where the device takes no handshake as it is, `knx.password-wrong`, `knx.blocked` after too many wrong ones
 * (retryable), `profile.reply-unexpected`, and what the client throws.
 */
export async function proveKnxPassword(reach: KnxReach, options: PasswordOptions): Promise<PasswordKeys> {
  const { tokenId, random } = options
  const id = utf8(tokenId)
  if (id.length < 1 || id.length > 7) throw new AppError('input.invalid', 'The name of the keys has one to seven characters')
  const post = (entries: ReadonlyArray<readonly [number, CborValue]>): Promise<ClientResponse> =>
    reach.client.request(
      reach.at,
      { method: 'POST', path: PATH, contentFormat: CBOR, payload: encodeMap(entries) },
      options.signal === undefined ? {} : { signal: options.signal },
    )

  const offer = await post([
    [KEY.id, tokenId],
    [KEY.random, random.bytes(NONCE_BYTES)],
  ])
  requireAnswer(offer, 'knx.already-owned', 'The device takes no password now: it belongs to an installation already')
  const parameters = decodeMap(offer.payload).get(KEY.individualAddress)
  if (!(parameters instanceof Map)) throw unexpected('names no way to stretch the password')
  const iterations = numberIn(parameters, KEY.iterations)
  if (iterations < LEAST_ITERATIONS || iterations > MOST_ITERATIONS) throw unexpected('asks for a strange number of iterations')
  const salt = bytesIn(parameters, KEY.salt, PROOF_BYTES)
  const stretched = await pbkdf2('sha256', lengthPrefixed(options.password), salt, iterations, STRETCHED_BYTES)

  const prover = new Spake2PlusProver({ context: utf8('knxpase'), stretched, random, minimalW0: true, keyBytes: KEY_BYTES })
  const shared = await post([[KEY.share, prover.share]])
  requireAnswer(shared, 'knx.password-wrong', 'The device ended the handshake')
  const answer = decodeMap(shared.payload)
  const shareV = bytesIn(answer, KEY.href, SHARE_BYTES)
  const confirmV = bytesIn(answer, KEY.groupId, PROOF_BYTES)
  const { confirmation, sharedKey } = proofOf(prover, shareV, confirmV)
  const done = await post([[KEY.token, confirmation]])
  requireAnswer(done, 'knx.password-wrong', 'The device does not accept the proof')
  return { masterSecret: sharedKey, senderId: id, recipientId: new Uint8Array(0) }
}

function proofOf(prover: Spake2PlusProver, shareV: Uint8Array, confirmV: Uint8Array): ReturnType<Spake2PlusProver['prove']> {
  try {
    return prover.prove(shareV, confirmV)
  } catch (cause) {
    if (cause instanceof AppError && cause.code === 'crypto.authentication-failed')
      throw new AppError('knx.password-wrong', 'The password is not the one of this device', { cause })
    throw unexpected('has no usable share', cause)
  }
}

function requireAnswer({ code }: ClientResponse, refusal: 'knx.already-owned' | 'knx.password-wrong', message: string): void {
  if (code === '2.04') return
  if (code === '5.03')
    throw new AppError('knx.blocked', 'The device takes no password for a while after too many wrong ones', { retryable: true })
  if (code === '4.00' || code === '4.01') throw new AppError(refusal, message, { details: { code } })
  throw unexpected(`is ${code} in the handshake`)
}

/** Password and both identities, of which there are none, each with its length in 64 bits, least significant byte first. */
function lengthPrefixed(password: string): Uint8Array {
  const bytes = utf8(password)
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, BigInt(bytes.length), true)
  return concatBytes(length, bytes, new Uint8Array(16))
}
