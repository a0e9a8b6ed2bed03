// Messages that no honest client makes, and what the authority has to say to them.
import { expect } from 'vitest'
import { generateSigningKey, seededRandom, signAs, type SigningKey } from '#main/base/index.ts'
import { Certificate, type Protector } from '#main/services/ra/index.ts'
import type { PkiBody } from '../../../src-main/services/ra/cmp/body.ts'
import { encodeCertRequest, type CertReqMsg, type CertTemplate } from '../../../src-main/services/ra/cmp/crmf.ts'
import type { PkiHeader } from '../../../src-main/services/ra/cmp/header.ts'
import { protectMessage } from '../../../src-main/services/ra/cmp/protection.ts'
import { Oid } from '../../../src-main/services/ra/der/index.ts'
import { signatureAlgorithmOf } from '../../../src-main/services/ra/x509/algorithms.ts'
import { NULL_DN } from '../../../src-main/services/ra/x509/names.ts'
import { extensionOf, writeCertificate } from '../../../src-main/services/ra/x509/write.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  answerTo,
  clientOf,
  createManufacturer,
  nameOf,
  openSite,
  SECRET,
  signedBy,
  type Issued,
  type Site,
  type SiteOptions,
} from './harness.ts'

export const NOW = Date.UTC(2026, 0, 5, 8)
export const manufacturer = createManufacturer(NOW)
export const random = seededRandom(4711)

export async function site(options: SiteOptions = {}): Promise<Site> {
  const ra = { manufacturerAnchors: [manufacturer.root.certificate.bytes], ...options.ra }
  const at = await openSite({ clock: new VirtualClock(NOW), ...options, ra })
  await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET, identities: ['lamp-1'] }], 'test')
  return at
}

export interface Craft {
  readonly header?: Partial<PkiHeader>
  readonly body?: PkiBody
  readonly protector?: Protector
}

export function certRequest(
  key: SigningKey,
  template: Partial<CertTemplate> = {},
  popo: Partial<CertReqMsg> = {},
  signer = key,
  controls: CertReqMsg['controls'] = [],
): CertReqMsg {
  const whole: CertTemplate = { subject: nameOf('CN=lamp-1'), publicKey: key.spki, ...template }
  const certReqId = popo.certReqId ?? 0
  const requestBytes = encodeCertRequest(certReqId, whole, controls)
  const proof = { kind: 'signature', algorithm: signatureAlgorithmOf(signer.algorithm), signature: signAs(signer, requestBytes) } as const
  return { requestBytes, certReqId, template: whole, controls, popo: proof, regInfo: [], ...popo }
}

export function headerOf(protector: Protector, changes: Partial<PkiHeader> = {}): Parameters<typeof protectMessage>[0] {
  const sender =
    protector.kind === 'signature' ? protector.certificate.subject : nameOf(`CN=${new TextDecoder().decode(protector.reference)}`)
  return {
    pvno: 2,
    sender: { kind: 'directory', name: sender },
    recipient: { kind: 'directory', name: NULL_DN },
    messageTime: NOW,
    recipKID: undefined,
    transactionID: random.bytes(16),
    senderNonce: random.bytes(16),
    recipNonce: undefined,
    freeText: [],
    generalInfo: [],
    ...changes,
  }
}

export const idevid = manufacturer.device('CN=lamp-1')

export function craft({ header = {}, body, protector = signedBy(idevid) }: Craft = {}): Promise<Uint8Array> {
  const whole = body ?? { type: 'ir', requests: [certRequest(generateSigningKey('P-256'))] }
  return protectMessage(headerOf(protector, header), whole, protector, random)
}

export async function expectRefused(at: Site, bytes: Uint8Array, failInfo: string): Promise<void> {
  const issued = at.desk.certificates({ limit: 100 }).length
  const { failInfo: said } = await answerTo(at, bytes)
  expect(said).toBe(failInfo)
  expect(at.desk.certificates({ limit: 100 })).toHaveLength(issued)
  expect(at.audit.findLast(({ action }) => action === 'ra.refused')?.details).toMatchObject({ failInfo, source: 'test' })
}

/** A certificate for `CN=lamp-1` that a device has signed with its own key, as if it were an authority. */
export function forge(device: Issued): Issued {
  const key = generateSigningKey('P-256')
  const der = writeCertificate(
    {
      serial: Uint8Array.of(99),
      issuer: device.certificate.subject,
      subject: nameOf('CN=lamp-1'),
      notBefore: NOW - 1000,
      notAfter: NOW + 86_400_000,
      spki: key.spki,
      extensions: [extensionOf.subjectKeyId(key.spki)],
    },
    device.key,
  )
  return { key, certificate: new Certificate(der), chain: [device.certificate.bytes, ...device.chain] }
}

/** Of some other PKI, with the purpose id-kp-cmcRA. */
export function raCertificate(): Issued {
  const [key, issuer] = [generateSigningKey('P-256'), generateSigningKey('P-256')]
  const der = writeCertificate(
    {
      serial: Uint8Array.of(98),
      issuer: nameOf('CN=Customer CA'),
      subject: nameOf('CN=Customer RA'),
      notBefore: NOW - 1000,
      notAfter: NOW + 86_400_000,
      spki: key.spki,
      extensions: [extensionOf.subjectKeyId(key.spki), extensionOf.keyUsage([0]), extensionOf.extendedKeyUsage([Oid.cmcRa])],
    },
    issuer,
  )
  return { key, certificate: new Certificate(der), chain: [] }
}

/** Its template has everything but the key. */
export function requestWithoutKey(key: SigningKey): CertReqMsg {
  const template: CertTemplate = { subject: nameOf('CN=lamp-1') }
  const requestBytes = encodeCertRequest(0, template, [])
  return { ...certRequest(key), template, requestBytes }
}

/** A device that has its certificate. */
export async function enrolled(at: Site): Promise<Issued> {
  const key = generateSigningKey('P-256')
  const { certificate } = await clientOf(at, signedBy(idevid)).enrol('ir', { key, subject: nameOf('CN=lamp-1') })
  return { key, certificate, chain: [] }
}
