// One certification authority with its keys in memory: its certificate, those above it, and the certificate that signs CMP messages for it.
import {
  AppError,
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  type SigningAlgorithm,
  type SigningKey,
} from '#main/base/index.ts'
import { Oid } from '../der/index.ts'
import type { Protector } from '../cmp/protection.ts'
import type { AuthorityRecord, KeyVault } from '../types.ts'
import { Certificate, KeyUsage, type Extension } from '../x509/certificate.ts'
import { extensionOf, keyIdOf, writeCertificate } from '../x509/write.ts'

export interface Authority {
  readonly record: AuthorityRecord
  readonly certificate: Certificate
  /** The authorities above it, the root last. */
  readonly chain: readonly Certificate[]
  readonly key: SigningKey
  readonly signer: Extract<Protector, { kind: 'signature' }>
}

const DAY_MS = 86_400_000
export const BACKDATED_MS = 300_000
/** The RA's own certificate is made anew at every start within its last third. */
const SIGNER_LIFETIME_MS = 3 * 365 * DAY_MS

export function keyPurpose(authorityId: string, of: 'authority' | 'signer'): string {
  return `ra:${of}:${authorityId}`
}

export function authorityExtensions(spki: Uint8Array, pathLength: number | undefined): readonly Extension[] {
  return [
    extensionOf.basicConstraints(true, pathLength),
    extensionOf.keyUsage([KeyUsage.keyCertSign, KeyUsage.crlSign]),
    extensionOf.subjectKeyId(spki),
  ]
}

export interface SelfSigned {
  readonly serial: Uint8Array
  readonly subject: Uint8Array
  readonly spki: Uint8Array
  readonly issuerKey: SigningKey
  readonly notBefore: number
  readonly notAfter: number
}

/** A certificate of a root: self-signed, or one that links an old and a new key (RFC 9810 §4.4). */
export function writeRootCertificate({ serial, subject, spki, issuerKey, notBefore, notAfter }: SelfSigned): Uint8Array {
  return writeCertificate(
    {
      serial,
      issuer: subject,
      subject,
      notBefore,
      notAfter,
      spki,
      extensions: [...authorityExtensions(spki, undefined), extensionOf.authorityKeyId(keyIdOf(issuerKey.spki))],
    },
    issuerKey,
  )
}

export interface NewSigner {
  readonly certificate: Uint8Array
  readonly sealedKey: Uint8Array
}

/** A certificate with which the RA signs its CMP messages, issued by the authority. */
export async function makeSigner(
  authority: { readonly id: string; readonly certificate: Certificate; readonly key: SigningKey; readonly algorithm: SigningAlgorithm },
  subject: Uint8Array,
  serial: Uint8Array,
  nowMs: number,
  vault: KeyVault,
): Promise<NewSigner> {
  const key = generateSigningKey(authority.algorithm)
  const certificate = writeCertificate(
    {
      serial,
      issuer: authority.certificate.subject,
      subject,
      notBefore: Math.max(nowMs - BACKDATED_MS, authority.certificate.notBefore),
      notAfter: Math.min(nowMs + SIGNER_LIFETIME_MS, authority.certificate.notAfter),
      spki: key.spki,
      extensions: [
        extensionOf.basicConstraints(false),
        extensionOf.keyUsage([KeyUsage.digitalSignature]),
        extensionOf.extendedKeyUsage([Oid.cmcRa, Oid.cmcCa]),
        extensionOf.subjectKeyId(key.spki),
        extensionOf.authorityKeyId(authority.certificate.subjectKeyId ?? keyIdOf(authority.certificate.spki)),
      ],
    },
    authority.key,
  )
  return { certificate, sealedKey: await vault.seal(keyPurpose(authority.id, 'signer'), exportSigningKey(key)) }
}

/** Whether it is time for a new one: in the last third of its life. */
export function signerEndsSoon(certificate: Certificate, nowMs: number): boolean {
  return nowMs > certificate.notAfter - (certificate.notAfter - certificate.notBefore) / 3
}

/** The authority with its keys; undefined while it waits for its certificate, and where its keys are lost. */
export async function openAuthority(record: AuthorityRecord, vault: KeyVault): Promise<Authority | undefined> {
  if (record.certificate === undefined || record.signer === undefined || record.state === 'lost') return undefined
  const certificate = new Certificate(record.certificate)
  const key = importSigningKey(await vault.open(keyPurpose(record.id, 'authority'), record.sealedKey))
  const signerKey = importSigningKey(await vault.open(keyPurpose(record.id, 'signer'), record.signer.sealedKey))
  if (!equalSpki(key.spki, certificate.spki)) throw new AppError('store.corrupt', 'The key of the authority is not that of its certificate')
  const chain = record.chain.map((bytes) => new Certificate(bytes))
  const above = intermediatesOf(record, certificate, chain)
  return {
    record,
    certificate,
    chain,
    key,
    signer: {
      kind: 'signature',
      key: signerKey,
      certificate: new Certificate(record.signer.certificate),
      chain: above.map(({ bytes }) => bytes),
    },
  }
}

/**
 * What others need between a certificate of this authority and the root that they know: the authorities in between, and after a
 * roll-over the new key under the old root (RFC 9810 §4.4.1), for devices that know only that one.
 */
function intermediatesOf(record: AuthorityRecord, certificate: Certificate, chain: readonly Certificate[]): readonly Certificate[] {
  if (record.kind === 'root') return record.links === undefined ? [] : [new Certificate(record.links.newWithOld)]
  return [certificate, ...chain.filter(({ isSelfIssued }) => !isSelfIssued)]
}

function equalSpki(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}
