// A maker, its devices, and owners with their registrars: keys and certificates made on the spot.
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  systemRandom,
  utf8,
  type SigningAlgorithm,
  type SigningKey,
} from '#main/base/index.ts'
import {
  asn1,
  buildName,
  Certificate,
  extensionOf,
  keyIdOf,
  parseNameText,
  pemOf,
  readPem,
  writeCertificate,
  type Extension,
} from '#main/services/ra/index.ts'
import { MASA_URL_EXTENSION, type Maker, type PledgeCredential, type VoucherSigner } from '#main/services/join/index.ts'

export const START = Date.UTC(2026, 0, 1)
export const END = Date.UTC(2036, 0, 1)
const { cmcRa, serverAuth, clientAuth } = asn1.Oid

export interface Party extends VoucherSigner {
  readonly certificate: Uint8Array
  readonly subject: Uint8Array
}

export interface PartyPlan {
  readonly name: string
  readonly issuer?: Party
  readonly algorithm?: SigningAlgorithm
  readonly key?: SigningKey
  readonly extensions?: readonly Extension[]
  readonly isAuthority?: boolean
  readonly notBefore?: number
  readonly notAfter?: number
  readonly withoutKeyIds?: boolean
}

export function makeParty(plan: PartyPlan): Party {
  const { name, issuer, extensions = [], isAuthority = false, notBefore = START, notAfter = END } = plan
  const key = plan.key ?? generateSigningKey(plan.algorithm ?? 'P-256')
  const subject = buildName(parseNameText(name) ?? [])
  const issuerKey = issuer?.key ?? key
  const keyIds =
    plan.withoutKeyIds === true ? [] : [extensionOf.subjectKeyId(key.spki), extensionOf.authorityKeyId(keyIdOf(issuerKey.spki))]
  const certificate = writeCertificate(
    {
      serial: Uint8Array.of(1, ...systemRandom.bytes(7)),
      issuer: issuer?.subject ?? subject,
      subject,
      notBefore,
      notAfter,
      spki: key.spki,
      extensions: [extensionOf.basicConstraints(isAuthority), extensionOf.keyUsage(isAuthority ? [5, 6] : [0]), ...keyIds, ...extensions],
    },
    issuerKey,
  )
  return { key, certificate, subject, chain: [certificate, ...(issuer?.chain ?? [])] }
}

export function masaUrlExtension(url: string): Extension {
  return { id: MASA_URL_EXTENSION, critical: false, value: asn1.ia5String(url) }
}

export function makeRegistrar(authority: Party, plan: Partial<PartyPlan> = {}): Party {
  const purposes = extensionOf.extendedKeyUsage([cmcRa, serverAuth, clientAuth])
  return makeParty({ name: 'CN=Registrar', issuer: authority, extensions: [purposes], ...plan })
}

export interface MakerPki {
  readonly root: Party
  /** Signs vouchers. */
  readonly signer: Party
  readonly maker: Maker
  pledge(serialNumber: string, plan?: Partial<PartyPlan>, masaUrl?: string): Party & PledgeCredential
}

export function makeMaker(name: string, url = 'masa.example', algorithm: SigningAlgorithm = 'P-256'): MakerPki {
  return makerOf(
    makeParty({ name: `CN=${name} root`, isAuthority: true, algorithm }),
    (root) => makeParty({ name: `CN=${name} MASA`, issuer: root, algorithm }),
    { name, url, algorithm },
  )
}

export interface MakerTraits {
  readonly name?: string
  readonly url?: string
  readonly algorithm?: SigningAlgorithm
}

/** A maker of these authorities. */
export function makerOf(
  root: Party,
  signerBelow: (root: Party) => Party,
  { name = 'Test Maker', url = 'masa.example', algorithm = 'P-256' }: MakerTraits = {},
): MakerPki {
  return {
    root,
    signer: signerBelow(root),
    maker: { id: name, name, anchors: [root.certificate] },
    pledge: (serialNumber, plan = {}, masaUrl = url) =>
      makeParty({
        name: `CN=Lamp, serialNumber=${serialNumber}`,
        issuer: root,
        algorithm,
        extensions: [masaUrlExtension(masaUrl)],
        ...plan,
      }),
  }
}

/** A party from the PEM of its key and chain. */
export function loadParty(key: string, chain: string): Party {
  const certificates = readPem('CERTIFICATE', chain)
  const certificate = certificates[0] ?? new Uint8Array(0)
  return { key: importSigningKey(key), certificate, subject: new Certificate(certificate).subject, chain: certificates }
}

export interface Domain {
  readonly root: Party
  readonly sub: Party
  readonly registrar: Party
}

export function makeDomain(name: string): Domain {
  const root = makeParty({ name: `CN=${name} root`, isAuthority: true })
  const sub = makeParty({ name: `CN=${name} sub`, issuer: root, isAuthority: true })
  return { root, sub, registrar: makeRegistrar(sub, { name: `CN=${name} registrar` }) }
}

export function keyPem(key: SigningKey): string {
  const lines =
    Buffer.from(exportSigningKey(key))
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}

export function chainPem(chain: readonly Uint8Array[]): string {
  return chain.map((der) => pemOf('CERTIFICATE', der)).join('')
}

export const nonceOf = (text: string): Uint8Array => utf8(text.padEnd(8, '.'))
