// The public key inside an X.509 certificate, and nothing else of it: chains, names and dates are judged elsewhere.
import { X509Certificate } from 'node:crypto'
import { AppError } from '../errors.ts'
import { PublicKey, type Curve } from './keys.ts'

/** Fails with `crypto.parameter-invalid`, or `crypto.unsupported` for a key of another kind. */
export function publicKeyOfCertificate(der: Uint8Array): PublicKey {
  let key: X509Certificate['publicKey']
  try {
    key = new X509Certificate(der).publicKey
  } catch (cause) {
    throw new AppError('crypto.parameter-invalid', 'This is not a certificate', { cause })
  }
  const named: Readonly<Record<string, Curve>> = { ed25519: 'Ed25519', x25519: 'X25519', ec: 'P-256' }
  const curve = named[key.asymmetricKeyType ?? '']
  const isEc = key.asymmetricKeyType === 'ec'
  if (curve === undefined || (isEc && key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')) {
    throw new AppError('crypto.unsupported', 'The certificate has a key of an unknown kind')
  }
  return new PublicKey(key, curve)
}
