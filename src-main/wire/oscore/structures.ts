// What is authenticated besides the content: external_aad, Enc_structure and Countersign_structure (RFC 8613 §5.3, §5.4; RFC 9338 §3.3;
// draft-ietf-core-oscore-groupcomm-28 §3.1, §3.4).
import { encodeCbor, utf8, type CborValue } from '#main/base/index.ts'
import { headBytes, put, Scratch, writeBytes, writeHead } from './cbor-bytes.ts'

/** ["Encrypt0", h'', … */
const ENCRYPT0 = Uint8Array.of(0x83, 0x68, ...utf8('Encrypt0'), 0x40)
/** RFC 9338's form has four elements; everybody who was heard sends the five of the drafts before it, with an empty sign_protected. */
const COUNTERSIGN: Readonly<Record<CountersignElements, Uint8Array>> = {
  4: Uint8Array.of(0x84, 0x71, ...utf8('CounterSignature0'), 0x40),
  5: Uint8Array.of(0x85, 0x71, ...utf8('CounterSignature0'), 0x40, 0x40),
}
export type CountersignElements = 4 | 5

/** The request that a message is or answers: kid and Partial IV of the request, in groups its Gid too. */
export interface RequestBinding {
  readonly kid: Uint8Array
  readonly partialIv: Uint8Array
}

const forEncryption = new Scratch()
const forSignature = new Scratch()

/** Of RFC 8613: [1, [alg], request_kid, request_piv, h''] inside Enc_structure. Valid until the next message's is made. */
export function unicastAad(algorithms: Uint8Array, { kid, partialIv }: RequestBinding): Uint8Array {
  const length = 2 + algorithms.length + sizeOf(kid) + sizeOf(partialIv) + 1
  const aad = forEncryption.take(ENCRYPT0.length + headBytes(length) + length)
  put(aad, 0, ENCRYPT0)
  let at = writeHead(aad, ENCRYPT0.length, length)
  aad[at++] = 0x85
  aad[at++] = 0x01
  put(aad, at, algorithms)
  at = writeBytes(aad, at + algorithms.length, kid)
  at = writeBytes(aad, at, partialIv)
  aad[at] = 0x40
  return aad
}

/** The `algorithms` array: one element in OSCORE, the four of the group in Group OSCORE, null for those that are not set. */
export function algorithmArray(...algorithms: ReadonlyArray<number | null>): Uint8Array {
  const array: CborValue = algorithms
  return encodeCbor(array)
}

export interface GroupBinding extends RequestBinding {
  readonly gid: Uint8Array
}

export interface GroupAadParts {
  readonly algorithms: Uint8Array
  readonly request: GroupBinding
  /** The value of the OSCORE option of the very message. */
  readonly option: Uint8Array
  /** Credentials as CBOR byte strings, made once. */
  readonly senderCredential: Uint8Array
  readonly groupManagerCredential: Uint8Array
}

export interface GroupAad {
  /** The nine elements, not yet wrapped in a byte string. */
  readonly externalAad: Uint8Array
  /** Enc_structure around them. */
  readonly encStructure: Uint8Array
}

/** Valid until the next message's is made. */
export function groupAad(parts: GroupAadParts): GroupAad {
  const { algorithms, request, option, senderCredential, groupManagerCredential } = parts
  const { kid, partialIv, gid } = request
  const credentials = senderCredential.length + groupManagerCredential.length
  const length = 3 + algorithms.length + sizeOf(kid) + sizeOf(partialIv) + sizeOf(gid) + sizeOf(option) + credentials
  const aad = forEncryption.take(ENCRYPT0.length + headBytes(length) + length)
  put(aad, 0, ENCRYPT0)
  const start = writeHead(aad, ENCRYPT0.length, length)
  aad[start] = 0x89
  aad[start + 1] = 0x01
  put(aad, start + 2, algorithms)
  let at = writeBytes(aad, start + 2 + algorithms.length, kid)
  at = writeBytes(aad, at, partialIv)
  aad[at++] = 0x40
  at = writeBytes(aad, at, gid)
  at = writeBytes(aad, at, option)
  aad.set(senderCredential, at)
  aad.set(groupManagerCredential, at + senderCredential.length)
  return { externalAad: aad.subarray(start), encStructure: aad }
}

/** Valid until the next message's is made. */
export function countersignStructure(elements: CountersignElements, externalAad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const head = COUNTERSIGN[elements]
  const whole = forSignature.take(head.length + sizeOf(externalAad) + sizeOf(ciphertext))
  put(whole, 0, head)
  const at = writeBytes(whole, head.length, externalAad)
  writeBytes(whole, at, ciphertext)
  return whole
}

function sizeOf(bytes: Uint8Array): number {
  return headBytes(bytes.length) + bytes.length
}
