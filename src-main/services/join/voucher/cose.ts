// COSE_Sign1 around voucher data (constrained-voucher-31 §9.2, RFC 9052 §4.2) with certificates beside it (RFC 9360 §2). Only what the
// protected header says about the algorithm counts, and only where it fits the key.
import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  verifyAs,
  signAs,
  type CborKey,
  type CborValue,
  type SignatureScheme,
  type SigningAlgorithm,
  type SigningKey,
  type VerifyingAlgorithm,
  type VerifyingKey,
} from '#main/base/index.ts'
import { asn1 } from '#main/services/ra/index.ts'
import { arrayParts, headAt, joinMap, mapParts } from './cbor-parts.ts'
import { invalidVoucher, MAX_ARTIFACT_BYTES, readingVoucher } from './types.ts'

const SIGN1_TAG = 18
const Label = { ALG: 1, CRIT: 2, KID: 4, X5BAG: 32, X5CHAIN: 33 } as const
/** Labels that a signer may call critical and that are understood here. */
const UNDERSTOOD: ReadonlySet<unknown> = new Set([Label.ALG, Label.KID, Label.X5BAG, Label.X5CHAIN])
const MAX_CERTIFICATES = 16
const NO_BYTES: Uint8Array = new Uint8Array(0)

interface CoseScheme {
  readonly key: VerifyingAlgorithm
  readonly scheme: SignatureScheme
  /** Of a signature; r and s are half of it each. */
  readonly bytes: number
}

const ES256: CoseScheme = { key: 'P-256', scheme: { family: 'ecdsa', hash: 'sha256' }, bytes: 64 }
const ES384: CoseScheme = { key: 'P-384', scheme: { family: 'ecdsa', hash: 'sha384' }, bytes: 96 }
const ES512: CoseScheme = { key: 'P-521', scheme: { family: 'ecdsa', hash: 'sha512' }, bytes: 132 }
const EDDSA: CoseScheme = { key: 'Ed25519', scheme: { family: 'ed25519' }, bytes: 64 }

/** By COSE algorithm: the general names of RFC 9053 and the fully specified ones of RFC 9864. */
const SCHEMES: Readonly<Record<number, CoseScheme>> = {
  [-7]: ES256,
  [-9]: ES256,
  [-35]: ES384,
  [-51]: ES384,
  [-36]: ES512,
  [-52]: ES512,
  [-8]: EDDSA,
  [-19]: EDDSA,
}

const ALGORITHM_OF: Readonly<Record<SigningAlgorithm, number>> = { 'P-256': -7, 'P-384': -35, Ed25519: -8 }

export interface CoseArtifact {
  readonly payload: Uint8Array
  readonly algorithm: number
  readonly kid: Uint8Array | undefined
  /** In DER: those that are signed with the rest, then those beside it. */
  readonly certificates: readonly Uint8Array[]
  readonly isSignedBy: (key: VerifyingKey) => boolean
}

/** Total; `voucher.invalid` for anything but a COSE_Sign1, tagged 18 or not. */
export function decodeCose(bytes: Uint8Array): CoseArtifact {
  return readingVoucher(() => {
    const { header, unprotectedHeader, payload, signature } = sign1Parts(bytes)
    const body = bytesOf(header)
    const protectedEntries = entriesOf(body.length === 0 ? Uint8Array.of(0xa0) : body)
    const unprotectedEntries = entriesOf(unprotectedHeader)
    const algorithm = protectedEntries.get(Label.ALG)
    if (typeof algorithm !== 'number') throw invalidVoucher('its protected header names no algorithm')
    checkHeaders(protectedEntries, unprotectedEntries)
    const content = bytesOf(payload)
    const signed = encodeCbor(['Signature1', protectedEntries.size === 0 ? NO_BYTES : body, NO_BYTES, content])
    const value = bytesOf(signature)
    const kid = protectedEntries.get(Label.KID) ?? unprotectedEntries.get(Label.KID)
    return {
      payload: content,
      algorithm,
      kid: kid instanceof Uint8Array ? kid : undefined,
      certificates: [...certificatesIn(protectedEntries), ...certificatesIn(unprotectedEntries)],
      isSignedBy: (key) => verifies(algorithm, key, signed, value),
    }
  })
}

interface Sign1Parts {
  readonly tagged: boolean
  readonly header: Uint8Array
  readonly unprotectedHeader: Uint8Array
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

function sign1Parts(bytes: Uint8Array): Sign1Parts {
  if (bytes.length > MAX_ARTIFACT_BYTES) throw invalidVoucher('it is too large')
  const head = headAt(bytes, 0)
  const tagged = head.major === 6
  if (tagged && head.argument !== SIGN1_TAG) throw invalidVoucher('it has the tag of something else')
  const [header, unprotectedHeader, payload, signature, more] = arrayParts(tagged ? bytes.subarray(head.next) : bytes)
  const isWhole = header !== undefined && unprotectedHeader !== undefined && payload !== undefined && signature !== undefined
  if (!isWhole || more !== undefined) throw invalidVoucher('it is no COSE_Sign1')
  return { tagged, header, unprotectedHeader, payload, signature }
}

function bytesOf(item: Uint8Array): Uint8Array {
  const head = headAt(item, 0)
  if (head.major !== 2) throw invalidVoucher('it is no COSE_Sign1')
  return item.subarray(head.next)
}

/** Values of the labels that are read here; what else is in the header may be anything (§9.2.5). */
function entriesOf(map: Uint8Array): ReadonlyMap<CborKey, CborValue> {
  const entries = new Map<CborKey, CborValue>()
  for (const { key, value } of mapParts(map)) {
    const label = decodeCbor(key)
    if (typeof label !== 'number' && typeof label !== 'bigint' && typeof label !== 'string') throw invalidVoucher('a label is no label')
    if (entries.has(label)) throw invalidVoucher('a label is there twice')
    entries.set(label, UNDERSTOOD.has(label) || label === Label.CRIT ? decodeCbor(value, { maxDepth: 2 }) : null)
  }
  return entries
}

function checkHeaders(inner: ReadonlyMap<CborKey, CborValue>, outer: ReadonlyMap<CborKey, CborValue>): void {
  if (outer.has(Label.CRIT) || (inner.has(Label.ALG) && outer.has(Label.ALG))) throw invalidVoucher('a label is in the wrong header')
  const critical = inner.get(Label.CRIT)
  if (critical === undefined) return
  if (!Array.isArray(critical) || critical.length === 0) throw invalidVoucher('what is critical is not told')
  const labels: readonly unknown[] = critical
  if (labels.some((label) => typeof label !== 'number' || !UNDERSTOOD.has(label) || !inner.has(label)))
    throw invalidVoucher('it is critical what is not understood')
}

/** COSE_X509: one certificate as it is, more as an array (RFC 9360 §2). */
function certificatesIn(header: ReadonlyMap<CborKey, CborValue>): readonly Uint8Array[] {
  return [Label.X5CHAIN, Label.X5BAG].flatMap((label) => {
    const value = header.get(label)
    if (value === undefined) return []
    const list: readonly CborValue[] = Array.isArray(value) ? value : [value]
    if (list.length > MAX_CERTIFICATES || !list.every((one) => one instanceof Uint8Array)) throw invalidVoucher('its certificates are none')
    return list
  })
}

function verifies(algorithm: number, key: VerifyingKey, message: Uint8Array, signature: Uint8Array): boolean {
  const known = Object.hasOwn(SCHEMES, algorithm) ? SCHEMES[algorithm] : undefined
  if (known?.key !== key.algorithm || known.bytes !== signature.length) return false
  return verifyAs(key, known.scheme, message, known.scheme.family === 'ecdsa' ? toDerSignature(signature) : signature)
}

/** From r and s one after the other (RFC 9053 §2.1) to ECDSA-Sig-Value (RFC 3279 §2.2.3). */
function toDerSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2
  return asn1.sequence(asn1.unsignedInteger(raw.subarray(0, half)), asn1.unsignedInteger(raw.subarray(half)))
}

function fromDerSignature(der: Uint8Array, length: number): Uint8Array {
  const raw = new Uint8Array(length)
  for (const [index, element] of asn1.elementsOf(asn1.readDer(der)).entries()) {
    const content = element.content[0] === 0 ? element.content.subarray(1) : element.content
    raw.set(content, (index + 1) * (length / 2) - content.length)
  }
  return raw
}

export interface CoseSigning {
  readonly key: SigningKey
  /** Beside the signature, as x5bag: for the registrar or MASA that reads it. */
  readonly bag?: readonly Uint8Array[]
  /** Signed with the rest, as x5bag: for a pledge that knows the root alone (§9.2.3). */
  readonly signedBag?: readonly Uint8Array[]
  readonly kid?: Uint8Array
  /** Whether the tag 18 is written; it is unless told. */
  readonly tagged?: boolean
}

export function encodeCose(payload: Uint8Array, { key, bag, signedBag, kid, tagged = true }: CoseSigning): Uint8Array {
  const algorithm = ALGORITHM_OF[key.algorithm]
  const header = encodeCbor(new Map<CborKey, CborValue>([[Label.ALG, algorithm], ...bagEntry(signedBag)]))
  const message = encodeCbor(['Signature1', header, NO_BYTES, payload])
  const scheme = SCHEMES[algorithm]
  const signed = signAs(key, message)
  const signature = scheme?.scheme.family === 'ecdsa' ? fromDerSignature(signed, scheme.bytes) : signed
  const beside = new Map<CborKey, CborValue>([...(kid === undefined ? [] : [[Label.KID, kid] as const]), ...bagEntry(bag)])
  const array = encodeCbor([header, beside, payload, signature])
  return tagged ? concatBytes(Uint8Array.of(0xc0 | SIGN1_TAG), array) : array
}

function bagEntry(certificates: readonly Uint8Array[] = []): ReadonlyArray<readonly [number, CborValue]> {
  const [only] = certificates
  if (only === undefined) return []
  return [[Label.X5BAG, certificates.length === 1 ? only : certificates]]
}

/** The same without unprotected certificates, and with everything else as it was (§6.8). */
export function stripCertificates(bytes: Uint8Array): Uint8Array {
  return readingVoucher(() => {
    const { tagged, header, unprotectedHeader, payload, signature } = sign1Parts(bytes)
    const kept = mapParts(unprotectedHeader).filter(({ key }) => {
      const label = decodeCbor(key)
      return label !== Label.X5BAG && label !== Label.X5CHAIN
    })
    return concatBytes(Uint8Array.of(...(tagged ? [0xc0 | SIGN1_TAG] : []), 0x84), header, joinMap(kept), payload, signature)
  })
}
