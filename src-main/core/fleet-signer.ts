// The certificate with which bundles are signed: from the site's authority, for signatures on documents alone (RFC 9336), its key sealed in the
// site file. The authority's own key signs certificates and nothing else.
import { z } from 'zod'
import {
  exportSigningKey,
  fromHex,
  generateSigningKey,
  importSigningKey,
  signAs,
  toHex,
  type Clock,
  type SigningKey,
} from '#main/base/index.ts'
import { Certificate, issueServiceCertificate, tryCertificate } from '#main/services/ra/index.ts'
import { DOCUMENT_SIGNING, type Signer } from '#main/site/exchange/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { isRevoked } from './bundle-trust.ts'
import type { OpenAuthority } from './enrolment-types.ts'

const META = 'handoverSigner'
const PURPOSE = 'fleet:signer'
const LIFETIME_S = 2 * 365 * 86_400
const ALGORITHMS = { 'P-256': 'ES256', 'P-384': 'ES384', Ed25519: 'EdDSA' } as const

const hex = z.string().regex(/^(?:[0-9a-f]{2})+$/)
const stored = z.object({ certificate: hex, sealedKey: hex })

/** Throws `ra.no-authority` where the site has none yet, `ra.vault-locked`. */
export async function openSigner(
  file: Pick<SiteFile, 'getMeta' | 'setMeta' | 'database'>,
  parts: OpenAuthority,
  clock: Clock,
): Promise<Signer> {
  const { active } = parts.ca
  const kept = await load(file, parts)
  const isUsable =
    kept !== undefined &&
    isGood(kept.certificate, active.certificate, clock.now()) &&
    !isRevoked(file.database, toHex(kept.certificate.serial))
  const { certificate, key } = isUsable ? kept : await obtain(file, parts)
  return {
    algorithm: ALGORITHMS[key.algorithm],
    certificateChain: [certificate.bytes, active.certificate.bytes, ...active.chain.map(({ bytes }) => bytes)],
    sign: (message) => Promise.resolve(signAs(key, message)),
  }
}

interface Credential {
  readonly certificate: Certificate
  readonly key: SigningKey
}

async function load(file: Pick<SiteFile, 'getMeta'>, { vault }: OpenAuthority): Promise<Credential | undefined> {
  const kept = stored.safeParse(file.getMeta(META)).data
  const certificate = tryCertificate(fromHex(kept?.certificate ?? '') ?? new Uint8Array())
  const sealed = fromHex(kept?.sealedKey ?? '')
  if (certificate === undefined || sealed === undefined) return undefined
  try {
    return { certificate, key: importSigningKey(await vault.open(PURPOSE, sealed)) }
  } catch {
    // Sealed by another keyring: a new one costs nothing.
    return undefined
  }
}

/** Of the authority that issues now, and not in the last third of its life. */
function isGood(certificate: Certificate, issuer: Certificate, nowMs: number): boolean {
  const life = certificate.notAfter - certificate.notBefore
  return certificate.isIssuedBy(issuer) && nowMs >= certificate.notBefore && nowMs < certificate.notAfter - life / 3
}

async function obtain(file: Pick<SiteFile, 'setMeta'>, { authority, vault }: OpenAuthority): Promise<Credential> {
  const key = generateSigningKey('P-256')
  const record = issueServiceCertificate(authority, {
    subject: 'CN=Groupwright hand-over',
    spki: key.spki,
    purposes: [DOCUMENT_SIGNING],
    lifetimeS: LIFETIME_S,
    service: 'handover',
  })
  const sealedKey = await vault.seal(PURPOSE, exportSigningKey(key))
  file.setMeta(META, { certificate: toHex(record.der), sealedKey: toHex(sealedKey) })
  return { certificate: new Certificate(record.der), key }
}
