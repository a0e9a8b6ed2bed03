// The registration authority: who may have a certificate, who has one, and the authority that issues them (RFC 9810, RFC 9482). Never key material.
import { z } from 'zod'
import { failure, timeMs } from './states.ts'

export const raAlgorithm = z.enum(['P-256', 'P-384', 'Ed25519'])
export type RaAlgorithm = z.infer<typeof raAlgorithm>
export const raKeyType = z.enum(['P-256', 'P-384', 'Ed25519', 'RSA'])
export type RaKeyType = z.infer<typeof raKeyType>

export const raPolicy = z.object({
  /** `automatic`: listed devices at once, others wait; `manual`: every first enrolment waits; `deny`: none is taken. Renewals pass under all. */
  mode: z.enum(['automatic', 'manual', 'deny']),
  /** Whether a one-time secret is approval enough; null: as the mode says. */
  secretsApprove: z.boolean().nullable(),
  /** Whether devices of known manufacturers that are not in the list may wait for a decision. */
  unlistedMayWait: z.boolean(),
  /** Certificates that one device, and one requester, may have at the same time. */
  perDevice: z.number().int().min(1).max(1000).default(8),
  perRequester: z.number().int().min(1).max(1000).default(8),
})
export type RaPolicy = z.infer<typeof raPolicy>

const oid = z.string().regex(/^[0-2](\.\d{1,12}){1,20}$/)
const template = z.string().trim().min(1).max(300)

export const raProfile = z.object({
  name: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  keyTypes: z.array(raKeyType).min(1).max(4),
  lifetimeDays: z.number().min(0.01).max(36_500),
  keyUsage: z.array(z.enum(['digitalSignature', 'keyEncipherment', 'keyAgreement'])).max(3),
  /** Purposes by OID. */
  extendedKeyUsage: z.array(oid).max(16),
  /** `requested`: as asked for, where each name belongs to the requester; `assigned`: by the template. */
  subject: z.enum(['requested', 'assigned']),
  assignedSubject: template,
  assignedAltNames: z.array(template).max(8),
  policies: z.array(oid).max(8),
  /** A key update is taken up from so long before the end; null: at any time. */
  renewBeforeDays: z.number().min(0).max(36_500).nullable(),
  implicitConfirm: z.boolean(),
  newKeyOnUpdate: z.boolean(),
  revokeReplaced: z.boolean(),
})
export type RaProfile = z.infer<typeof raProfile>

export const raAuthority = z.object({
  id: z.string(),
  generation: z.number().int(),
  /** `lost`: its key was sealed by a keyring that is gone. */
  state: z.enum(['awaiting-certificate', 'active', 'retired', 'lost']),
  kind: z.enum(['root', 'subordinate']),
  subject: z.string(),
  algorithm: raAlgorithm,
  notAfter: timeMs.nullable(),
  /** SHA-256 of the certificate, hex. */
  fingerprint: z.string().nullable(),
  /** Of the CRL. */
  crl: z.object({ number: z.number().int(), thisUpdate: timeMs, nextUpdate: timeMs }).nullable(),
})
export type RaAuthority = z.infer<typeof raAuthority>

/** Somebody else's certificate that is trusted: a manufacturer's authority, or a registration authority that speaks for devices. */
export const raAnchor = z.object({
  /** SHA-256 of the certificate, hex. */
  fingerprint: z.string(),
  kind: z.enum(['manufacturer', 'authority']),
  subject: z.string(),
  notAfter: timeMs,
  /** Made up with the demo site; it cannot be removed. */
  fixed: z.boolean(),
})
export type RaAnchor = z.infer<typeof raAnchor>

export const raUpstream = z.object({
  name: z.string().trim().min(1).max(64),
  url: z.string().min(8).max(500),
  /** Which requests go there: those of a profile, those for a host, or all others. */
  select: z.discriminatedUnion('by', [
    z.object({ by: z.literal('profile'), profile: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/) }),
    z.object({ by: z.literal('host'), host: z.string().min(1).max(253) }),
    z.object({ by: z.literal('default') }),
  ]),
  mode: z.enum(['forward', 'nest', 'replace']),
  /** For `replace`: whether the device's proof of possession stays. */
  popo: z.enum(['keep', 'raVerified']),
  /** Whether messages under secrets that only the server knows go on unchecked. */
  passSecrets: z.boolean(),
  /** Whether requests are sent in chunks. */
  chunked: z.boolean(),
})
export type RaUpstream = z.infer<typeof raUpstream>
export const raUpstreamRow = raUpstream.extend({
  /** Subjects of the authorities that its answers are believed from. */
  anchors: z.array(z.string()),
  /** Until when this authority's own certificate there is good; null while it has none. */
  credentialUntil: timeMs.nullable(),
  /** How this program hears of what becomes of the server's authority (RFC 9482 §2.6). */
  listening: z.object({
    /** `observed`: told by itself; `polled`: asked now and then; `unheard`: no answer that can be believed; `off`: without roots, or over HTTP without a certificate there, there is no way. */
    state: z.enum(['observed', 'polled', 'unheard', 'off']),
    heardAt: timeMs.nullable(),
    /** Why nothing was heard, or not believed. */
    problem: failure.nullable(),
  }),
})
export type RaUpstreamRow = z.infer<typeof raUpstreamRow>

/** What an authority above has announced, or was found when it was asked, and what became of it. */
export const raNewsRow = z.object({
  id: z.string(),
  server: z.string(),
  at: timeMs,
  kind: z.enum(['key-update', 'certificate', 'revocation', 'crl']),
  /** Whose it is: the subject of a certificate, the issuer of a list. */
  subject: z.string(),
  /** SHA-256 of a certificate, hex. */
  fingerprint: z.string().nullable(),
  /** Of the certificate that is revoked, hex. */
  serial: z.string().nullable(),
  crl: z.object({ number: z.number().int().nullable(), revoked: z.number().int(), nextUpdate: timeMs.nullable() }).nullable(),
  /**
   * `offered`: a new root that a trusted one vouches for waits for a decision; `taken`, `dismissed`: that decision. `kept`: a list that is
   * used. `own-revoked`: this program's own certificate there, or its authority's, is revoked; `root-revoked`: a trusted root is said to be. `noted`: nothing follows.
   */
  outcome: z.enum(['offered', 'taken', 'dismissed', 'kept', 'own-revoked', 'root-revoked', 'noted']),
  /** Who has decided. */
  by: z.string().nullable(),
})
export type RaNewsRow = z.infer<typeof raNewsRow>

/** The single row of the `ra` feed; lists are pulled. */
export const raRow = z.object({
  key: z.literal('ra'),
  /** Another number whenever a list has changed. */
  version: z.number().int(),
  /** `locked`: the keys in the site file were sealed by another keyring. `none`: no authority yet. */
  state: z.enum(['locked', 'none', 'awaiting-certificate', 'ready']),
  failure: failure.nullable(),
  /** How the authority's keys are protected on this computer; null where they cannot be opened. */
  protection: z.enum(['system', 'passphrase', 'unprotected']).nullable(),
  pending: z.number().int(),
  /** Good now: confirmed, neither over nor revoked. */
  valid: z.number().int(),
  /** Of those, how many end within the time that is warned of. */
  expiring: z.number().int(),
  expired: z.number().int(),
  revoked: z.number().int(),
  preRegistered: z.number().int(),
  /** Devices of the list that have a valid certificate. */
  devicesEnrolled: z.number().int(),
  policy: raPolicy,
  profiles: z.array(raProfile),
  authorities: z.array(raAuthority),
  anchors: z.array(raAnchor),
  upstreams: z.array(raUpstreamRow),
  /** New roots of authorities above that wait for a decision. */
  offers: z.number().int(),
  /** Where devices reach it. */
  uris: z.array(z.string()),
})
export type RaRow = z.infer<typeof raRow>

const requesterKind = z.enum(['secret', 'idevid', 'own', 'ra'])

export const raRequestRow = z.object({
  id: z.string(),
  kind: z.enum(['ir', 'cr', 'p10cr', 'kur', 'rr']),
  /** By what it was authenticated, and what that credential calls the device. */
  requester: z.object({
    kind: requesterKind,
    name: z.string(),
    identities: z.array(z.string()),
    /** Subject of the manufacturer's authority that is trusted; null where it is no certificate of a manufacturer. */
    maker: z.string().nullable(),
  }),
  subject: z.string(),
  keyType: z.string(),
  /** SHA-256 of the public key, hex; empty where the request is not kept. */
  keyFingerprint: z.string(),
  profile: z.string(),
  /** Whether somebody has announced the device. */
  listed: z.boolean(),
  /** Whether it may be another maker's device with the same number: several makers are trusted, and nobody has said whose it is. */
  uncertain: z.boolean(),
  reference: z.string().nullable(),
  deviceId: z.string().nullable(),
  deviceName: z.string().nullable(),
  since: timeMs,
  until: timeMs,
})
export type RaRequestRow = z.infer<typeof raRequestRow>

export const raDecision = z.object({ id: z.string(), ok: z.boolean(), why: z.string(), serial: z.string().nullable() })
export type RaDecision = z.infer<typeof raDecision>

export const raReason = z.enum([
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
])
export type RaReason = z.infer<typeof raReason>

export const raCertificateRow = z.object({
  serial: z.string(),
  subject: z.string(),
  profile: z.string(),
  /** `expired`: over, though it was never revoked; `replaced`: a newer one is in its place. */
  state: z.enum(['unconfirmed', 'valid', 'expiring', 'expired', 'replaced', 'revoked']),
  requester: z.object({ kind: requesterKind, name: z.string() }),
  deviceId: z.string().nullable(),
  deviceName: z.string().nullable(),
  notBefore: timeMs,
  notAfter: timeMs,
  issuedAt: timeMs,
  revokedAt: timeMs.nullable(),
  reason: z.string().nullable(),
  replacedBy: z.string().nullable(),
  replaces: z.string().nullable(),
})
export type RaCertificateRow = z.infer<typeof raCertificateRow>

export const raCertificateDetail = raCertificateRow.extend({
  /** SHA-256, hex. */
  fingerprint: z.string(),
  keyType: z.string(),
  altNames: z.array(z.string()),
  issuer: z.string(),
  pem: z.string(),
  /** Oldest first. */
  history: z.array(
    z.object({
      at: timeMs,
      event: z.enum(['approved', 'issued', 'confirmed', 'lapsed', 'revoked', 'replaced', 'refused-by-device']),
      actor: z.string(),
      remark: z.string(),
    }),
  ),
})
export type RaCertificateDetail = z.infer<typeof raCertificateDetail>

export const raPreRegistrationRow = z.object({
  reference: z.string(),
  hasSecret: z.boolean(),
  identities: z.array(z.string()),
  /** Whose numbers these are: the subject of the manufacturer's authority, or its SHA-256 where it is not trusted any more; null: any maker's. */
  maker: z.string().nullable(),
  names: z.array(z.string()),
  profile: z.string().nullable(),
  deviceId: z.string().nullable(),
  createdAt: timeMs,
  expiresAt: timeMs.nullable(),
  usedAt: timeMs.nullable(),
  /** Follows from the device list and goes with the device. */
  automatic: z.boolean(),
})
export type RaPreRegistrationRow = z.infer<typeof raPreRegistrationRow>

/** A file of the authority: text, or bytes in base64. */
export const raFile = z.object({ fileName: z.string(), text: z.string(), encoding: z.enum(['text', 'base64']).default('text') })
export type RaFile = z.infer<typeof raFile>
