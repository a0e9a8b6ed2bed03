// Signatures over what is handed over: a JWS in flattened JSON serialisation (RFC 7515 §7.2.2) with the chain of the signer in its
// protected header (x5c, §4.1.6). Signing goes through a port, because the key stays in the vault; verifying is jose's.
import { AppError, importVerifyingKey, rawOfDer, utf8, utf8ToText } from '#main/base/index.ts'
import { tryCertificate, type Certificate } from '#main/services/ra/index.ts'
import { fromBase64, fromBase64Url, toBase64, toBase64Url } from './canonical.ts'

/** Port: who signs for the site. */
export interface Signer {
  readonly algorithm: 'ES256' | 'ES384' | 'EdDSA'
  /** In DER: the signer's own, the authorities above it, the root last. */
  readonly certificateChain: readonly Uint8Array[]
  /** The signature as certificates have it: ECDSA in DER, or the 64 bytes of Ed25519. */
  sign(message: Uint8Array): Promise<Uint8Array>
}

export interface FlattenedJws {
  readonly payload: string
  readonly protected: string
  readonly signature: string
}

export interface JwsHeader {
  readonly typ: string
  /** Seconds since 1970: when it was signed. */
  readonly iat: number
}

export interface VerifiedJws {
  readonly payload: Uint8Array
  readonly header: JwsHeader
  /** From the signer up to the root. The signature is the first one's; who issued whom is not looked at here. */
  readonly chain: readonly Certificate[]
}

const FIELD_BYTES: Readonly<Record<string, number>> = { ES256: 32, ES384: 48 }
const MOST_CERTIFICATES = 8

export async function signJws(payload: Uint8Array, header: JwsHeader, signer: Signer): Promise<FlattenedJws> {
  const chain = signer.certificateChain.map(toBase64)
  const head = toBase64Url(utf8(JSON.stringify({ alg: signer.algorithm, typ: header.typ, iat: header.iat, x5c: chain })))
  const body = toBase64Url(payload)
  const made = await signer.sign(utf8(`${head}.${body}`))
  // r and s in as many bytes as the field has (RFC 7518 §3.4).
  const fieldBytes = FIELD_BYTES[signer.algorithm]
  return { payload: body, protected: head, signature: toBase64Url(fieldBytes === undefined ? made : rawOfDer(made, fieldBytes)) }
}

/** Throws `bundle.invalid` for what is no such JWS, `bundle.signature-invalid` where the signature is not that of the first certificate. */
export async function verifyJws(value: unknown): Promise<VerifiedJws> {
  const jws = flattened(value)
  const { alg, header, chain } = readHeader(jws.protected)
  const [leaf] = chain
  if (leaf === undefined) throw invalid('The signature comes without certificates')
  try {
    const { flattenedVerify, importSPKI } = await import('jose')
    // Keys that this program would not take are refused before jose sees them.
    importVerifyingKey(leaf.spki)
    const spki = `-----BEGIN PUBLIC KEY-----\n${toBase64(leaf.spki)}\n-----END PUBLIC KEY-----\n`
    const { payload } = await flattenedVerify({ ...jws }, await importSPKI(spki, alg), { algorithms: [alg] })
    return { payload: new Uint8Array(payload), header, chain }
  } catch (cause) {
    throw new AppError('bundle.signature-invalid', 'The signature does not fit what was signed', { cause })
  }
}

function flattened(value: unknown): FlattenedJws {
  if (typeof value !== 'object' || value === null) throw invalid('This is no signed file')
  const members = new Map<string, unknown>(Object.entries(value))
  const [payload, head, signature] = ['payload', 'protected', 'signature'].map((name) => members.get(name))
  if (typeof payload !== 'string' || typeof head !== 'string' || typeof signature !== 'string' || members.size !== 3)
    throw invalid('This is no JWS in flattened JSON')
  return { payload, protected: head, signature }
}

function readHeader(text: string): {
  readonly alg: Signer['algorithm']
  readonly header: JwsHeader
  readonly chain: readonly Certificate[]
} {
  const json = utf8ToText(fromBase64Url(text) ?? Uint8Array.of(0xff))
  let value: unknown
  try {
    value = JSON.parse(json ?? '')
  } catch (cause) {
    throw new AppError('bundle.invalid', 'The protected header is not JSON', { cause })
  }
  const members = new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])
  const [alg, typ, iat, x5c] = ['alg', 'typ', 'iat', 'x5c'].map((name) => members.get(name))
  // Invariant: no member that is not understood, so that nothing can be critical (RFC 7515 §4.1.11).
  if (members.size !== 4 || typeof typ !== 'string' || typeof iat !== 'number' || !Number.isSafeInteger(iat) || iat < 0)
    throw invalid('The protected header is not understood')
  if (alg !== 'ES256' && alg !== 'ES384' && alg !== 'EdDSA') throw invalid('The algorithm is none that is taken')
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > MOST_CERTIFICATES) throw invalid('The chain is not one')
  const chain = x5c.map((entry: unknown) => {
    const certificate = typeof entry === 'string' ? tryCertificate(fromBase64(entry) ?? new Uint8Array()) : undefined
    if (certificate === undefined) throw invalid('A certificate of the chain cannot be read')
    return certificate
  })
  return { alg, header: { typ, iat }, chain }
}

function invalid(message: string): AppError {
  return new AppError('bundle.invalid', message)
}
