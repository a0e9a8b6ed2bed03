// Key pairs that serve one agreement and are forgotten: ECDH on P-256 (SEC 1 points) and X25519 (RFC 7748).
import { createECDH } from 'node:crypto'
import { AppError } from '../errors.ts'
import { exportPublicKey, generateKeyPair, importPublicKey, sharedSecret } from './curves.ts'

export type AgreementCurve = 'P-256' | 'X25519'

export interface AgreementKey {
  /** The uncompressed point, or the 32 bytes of X25519. */
  readonly point: Uint8Array
  /** The x coordinate, or the output of X25519. Throws `crypto.parameter-invalid` for points that are compressed, off the curve or of low order. */
  agree(peerPoint: Uint8Array): Uint8Array
}

const P256_POINT_BYTES = 65
const UNCOMPRESSED = 4

export function generateAgreementKey(curve: AgreementCurve): AgreementKey {
  return curve === 'P-256' ? onP256() : onX25519()
}

function onP256(): AgreementKey {
  const ecdh = createECDH('prime256v1')
  const point = new Uint8Array(ecdh.generateKeys())
  return {
    point,
    agree: (peerPoint) => {
      // The library would take compressed and hybrid forms too.
      if (peerPoint.length !== P256_POINT_BYTES || peerPoint[0] !== UNCOMPRESSED) throw invalidPoint()
      try {
        return new Uint8Array(ecdh.computeSecret(peerPoint))
      } catch (cause) {
        throw invalidPoint(cause)
      }
    },
  }
}

function onX25519(): AgreementKey {
  const { publicKey, privateKey } = generateKeyPair('X25519')
  return { point: exportPublicKey(publicKey), agree: (peerPoint) => sharedSecret(privateKey, importPublicKey('X25519', peerPoint)) }
}

function invalidPoint(cause?: unknown): AppError {
  return new AppError('crypto.parameter-invalid', 'This is not a point of the curve', { cause })
}
