// The stored certificates, and a judge of chains who knows one root: what the program's own judge does, in few lines.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importSigningKey } from '#main/base/index.ts'
import type { Credential, PeerVerifier } from '#main/wire/dtls/index.ts'

const folder = join(import.meta.dirname, '../../vectors/dtls')

export function vectorPath(name: string): string {
  return join(folder, name)
}

export function derOf(name: string): Uint8Array {
  const text = readFileSync(vectorPath(name), 'utf8').replace(/-----[^-]+-----|\s/g, '')
  return new Uint8Array(Buffer.from(text, 'base64'))
}

export type CredentialName = 'server' | 'server-ed25519' | 'client' | 'client-p384' | 'expired' | 'foreign'

export function certificateCredential(name: CredentialName): Credential {
  const chain = [derOf(`${name}.cert.pem`), ...(name === 'foreign' ? [] : [derOf('issuing.cert.pem')])]
  return { kind: 'certificate', chain, key: keyOf(name) }
}

export function publicKeyCredential(name: CredentialName): Credential {
  return { kind: 'public-key', key: keyOf(name) }
}

function keyOf(name: CredentialName): ReturnType<typeof importSigningKey> {
  return importSigningKey(readFileSync(vectorPath(`${name}.key.pem`), 'utf8'))
}

const root = new X509Certificate(readFileSync(vectorPath('root.cert.pem')))
const JUDGED_AT = Date.UTC(2026, 0, 5)

/** Chains up to the root, at a fixed date; of raw keys those of the stored server and client. */
export const judge: PeerVerifier = ({ credential }) => {
  if (credential.kind === 'public-key') {
    const known = (['server', 'client'] as const).some((name) => Buffer.from(keyOf(name).spki).equals(credential.spki))
    return known ? { ok: true } : { ok: false, alert: 'certificate_unknown', reason: 'The key is not known' }
  }
  const chain = readable(credential.chain)
  if (chain === undefined) return { ok: false, alert: 'bad_certificate', reason: 'A certificate cannot be read' }
  chain.push(root)
  for (const [index, certificate] of chain.entries()) {
    if (JUDGED_AT < Date.parse(certificate.validFrom) || JUDGED_AT > Date.parse(certificate.validTo))
      return { ok: false, alert: 'certificate_expired', reason: 'A certificate has expired' }
    const issuer = chain[index + 1] ?? root
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey))
      return { ok: false, alert: 'unknown_ca', reason: 'The chain does not end at the root' }
  }
  return { ok: true }
}

function readable(chain: readonly Uint8Array[]): X509Certificate[] | undefined {
  try {
    return chain.map((der) => new X509Certificate(der))
  } catch {
    return undefined
  }
}
