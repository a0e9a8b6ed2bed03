// Certificates of the site's own services, as the registrar's: in the same list, history and CRL as those of devices.
import { AppError } from '#main/base/index.ts'
import { KeyUsage } from '../x509/certificate.ts'
import { buildName, nameText, parseNameText, type GeneralName } from '../x509/names.ts'
import { extensionOf } from '../x509/write.ts'
import type { CertificateRecord, Requester } from '../types.ts'
import type { RegistrationAuthority } from './authority.ts'
import { audit } from './context.ts'

export interface ServiceCertificateWish {
  /** `CN=Registrar, O=Blue Quay`. */
  readonly subject: string
  readonly spki: Uint8Array
  readonly altNames?: readonly GeneralName[]
  /** Purposes by OID. */
  readonly purposes: readonly string[]
  readonly lifetimeS: number
  /** Name of the service in the list of certificates, e.g. `registrar`. */
  readonly service: string
  /** Hex; the one that this takes the place of. */
  readonly replaces?: string
}

const BACKDATED_MS = 300_000

/** Issues at once: this program asks itself. Throws `ra.no-authority`, or `input.invalid` for a subject that is none. */
export function issueServiceCertificate({ context }: RegistrationAuthority, wish: ServiceCertificateWish): CertificateRecord {
  const { store, ca, clock } = context
  const attributes = parseNameText(wish.subject)
  if (attributes === undefined)
    throw new AppError('input.invalid', 'The name of the service is not one', { details: { subject: wish.subject } })
  const subject = buildName(attributes)
  const now = clock.now()
  const { altNames = [] } = wish
  const { notAfter: end, notBefore: start } = ca.active.certificate
  const notBefore = Math.max(now - BACKDATED_MS, start)
  const notAfter = Math.min(now + wish.lifetimeS * 1000, end)
  const requester: Requester = { kind: 'ra', name: wish.service, key: `service:${wish.service}`, identities: [] }
  // Serial numbers are reserved outside of transactions.
  const { der, serial, authorityId } = ca.issue({
    subject,
    spki: wish.spki,
    notBefore,
    notAfter,
    modified: false,
    extensions: [
      extensionOf.basicConstraints(false),
      extensionOf.keyUsage([KeyUsage.digitalSignature]),
      extensionOf.extendedKeyUsage(wish.purposes),
      ...(altNames.length === 0 ? [] : [extensionOf.subjectAltName(altNames)]),
    ],
  })
  const record = store.transaction((): CertificateRecord => {
    const made: CertificateRecord = {
      serial,
      authorityId,
      der,
      subject: nameText(subject),
      profile: wish.service,
      state: 'valid',
      requester,
      holder: requester.key,
      reference: undefined,
      deviceId: undefined,
      transactionId: `service-${serial}`,
      notBefore,
      notAfter,
      issuedAt: now,
      revokedAt: undefined,
      reason: undefined,
      replacedBy: undefined,
      replaces: wish.replaces,
    }
    store.saveCertificate(made)
    store.addHistory({ serial, at: now, event: 'issued', actor: wish.service, remark: 'service' })
    const old = wish.replaces === undefined ? undefined : store.certificate(wish.replaces)
    if (old !== undefined) {
      store.saveCertificate({ ...old, replacedBy: serial })
      store.addHistory({ serial: old.serial, at: now, event: 'replaced', actor: wish.service, remark: serial })
    }
    return made
  })
  audit(context, 'ra.issued', wish.service, { serial: record.serial, subject: record.subject, profile: record.profile, implicit: true })
  context.changed()
  return record
}
