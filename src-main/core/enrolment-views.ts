// What the window and the command line see of the authority: rows from its records. Nothing here is secret.
import { toHex } from '#main/base/index.ts'
import { Certificate, generalNameText, makerOf, nameText, pemOf, plainIdentity } from '#main/services/ra/index.ts'
import type {
  AuthorityInfo,
  CertificateRecord,
  CrlRecord,
  HistoryEntry,
  PendingRequest,
  PreRegistrationInfo,
} from '#main/services/ra/index.ts'
import type { RaAuthority, RaCertificateDetail, RaCertificateRow, RaPreRegistrationRow, RaRequestRow } from '#contract/model.ts'

/** Ends within this time are warned of, where that is the last quarter of the certificate's life. */
export const EXPIRY_WARNING_MS = 30 * 86_400_000

/** The name of a device of the list. */
export type NameOf = (deviceId: string) => string | undefined

export function requestRow(request: PendingRequest, nameOf: NameOf): RaRequestRow {
  const { id, kind, requester, subject, keyType, keyFingerprint, profile, listed, since, until } = request
  return {
    id,
    kind,
    requester: { kind: requester.kind, name: requester.name, identities: [...requester.identities], maker: requester.maker ?? null },
    subject,
    keyType,
    keyFingerprint,
    profile,
    listed,
    uncertain: request.isUncertain,
    reference: request.reference ?? null,
    ...deviceOf(request.deviceId, nameOf),
    since,
    until,
  }
}

export function certificateRow(record: CertificateRecord, now: number, nameOf: NameOf): RaCertificateRow {
  const { serial, subject, profile, requester, notBefore, notAfter, issuedAt } = record
  return {
    serial,
    subject,
    profile,
    state: stateOf(record, now),
    requester: { kind: requester.kind, name: requester.name },
    ...deviceOf(record.deviceId, nameOf),
    notBefore,
    notAfter,
    issuedAt,
    revokedAt: record.revokedAt ?? null,
    reason: record.reason ?? null,
    replacedBy: record.replacedBy ?? null,
    replaces: record.replaces ?? null,
  }
}

export function certificateDetail(
  record: CertificateRecord,
  history: readonly HistoryEntry[],
  now: number,
  nameOf: NameOf,
): RaCertificateDetail {
  const certificate = new Certificate(record.der)
  return {
    ...certificateRow(record, now, nameOf),
    fingerprint: toHex(certificate.fingerprint()),
    keyType: certificate.key.algorithm,
    altNames: certificate.subjectAltNames.map(generalNameText),
    issuer: nameText(certificate.issuer),
    pem: pemOf('CERTIFICATE', record.der),
    history: history.map(({ at, event, actor, remark }) => ({ at, event, actor, remark })),
  }
}

function stateOf({ state, replacedBy, notBefore, notAfter }: CertificateRecord, now: number): RaCertificateRow['state'] {
  if (replacedBy !== undefined) return 'replaced'
  if (state !== 'valid') return state
  if (notAfter < now) return 'expired'
  return notAfter - now < Math.min(EXPIRY_WARNING_MS, (notAfter - notBefore) / 4) ? 'expiring' : 'valid'
}

/** `makerName`: of the SHA-256 of a manufacturer's authority. */
export function preRegistrationRow(entry: PreRegistrationInfo, makerName: (maker: string) => string): RaPreRegistrationRow {
  const { reference, hasSecret, identities, names, createdAt } = entry
  const maker = identities.map(makerOf).find((found) => found !== undefined)
  return {
    reference,
    hasSecret,
    identities: identities.map(plainIdentity),
    maker: maker === undefined ? null : makerName(maker),
    names: [...names],
    profile: entry.profile ?? null,
    deviceId: entry.deviceId ?? null,
    createdAt,
    expiresAt: entry.expiresAt ?? null,
    usedAt: entry.usedAt ?? null,
    automatic: entry.deviceId === reference,
  }
}

export function authorityRow(info: AuthorityInfo, crl: CrlRecord | undefined): RaAuthority {
  const { id, generation, state, kind, subject, algorithm, certificate } = info
  return {
    id,
    generation,
    state,
    kind,
    subject,
    algorithm,
    notAfter: info.notAfter ?? null,
    fingerprint: certificate === undefined ? null : toHex(new Certificate(certificate).fingerprint()),
    crl: crl === undefined ? null : { number: crl.number, thisUpdate: crl.thisUpdate, nextUpdate: crl.nextUpdate },
  }
}

function deviceOf(deviceId: string | undefined, nameOf: NameOf): { readonly deviceId: string | null; readonly deviceName: string | null } {
  return { deviceId: deviceId ?? null, deviceName: deviceId === undefined ? null : (nameOf(deviceId) ?? null) }
}
