// What both sides show of themselves and read of each other: certificate chains, raw public keys (RFC 7250 §3), identities of shared keys.
import { spkiOfCertificate, toHex, utf8ToText } from '#main/base/index.ts'
import { AlertFailure } from './alert.ts'
import { decodeCertificateChain, decodeRawPublicKey, encodeCertificateChain, encodeRawPublicKey } from './messages/certificate.ts'
import { CERTIFICATE_TYPE } from './numbers.ts'
import type { Credential, PeerCredential } from './types.ts'

const certificateBodies = new WeakMap<Credential, Uint8Array>()

/** Made once for all handshakes. */
export function certificateBody(credential: Credential): Uint8Array {
  const made = certificateBodies.get(credential)
  if (made !== undefined) return made
  const body = credential.kind === 'certificate' ? encodeCertificateChain(credential.chain) : encodeRawPublicKey(credential.key.spki)
  certificateBodies.set(credential, body)
  return body
}

/** Undefined where the peer shows nothing. */
export function peerCredentialOf(certificateType: number, body: Uint8Array): PeerCredential | undefined {
  if (certificateType === CERTIFICATE_TYPE.rawPublicKey) {
    const spki = decodeRawPublicKey(body)
    return spki.length === 0 ? undefined : { kind: 'public-key', spki: spki.slice() }
  }
  const chain = decodeCertificateChain(body)
  return chain.length === 0 ? undefined : { kind: 'certificate', chain: chain.map((certificate) => certificate.slice()) }
}

/** A certificate that cannot be read is a `bad_certificate`. */
export function spkiOf(credential: PeerCredential): Uint8Array {
  if (credential.kind === 'public-key') return credential.spki
  try {
    return spkiOfCertificate(credential.chain[0] ?? new Uint8Array(0))
  } catch {
    throw new AlertFailure('bad_certificate', 'The certificate cannot be read')
  }
}

/** Identities are text (RFC 4279 §5.1); others are shown as their digits. */
export function pskName(identity: Uint8Array): string {
  const text = utf8ToText(identity)
  return text === undefined || /\p{C}/u.test(text) ? `hex:${toHex(identity)}` : text
}
