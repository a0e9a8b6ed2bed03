// What a site has chosen for its registration authority, kept with the site: policy, profiles, whom it trusts, and servers above it.
import { z } from 'zod'
import { fromHex, toHex } from '#main/base/index.ts'
import { Certificate, DEVICE_PROFILE, nameText, tryCertificate, type CertificateProfile, type RaSettings } from '#main/services/ra/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { raPolicy, raProfile, raUpstream } from '#contract/model.ts'
import type { RaAnchor, RaPolicy, RaProfile } from '#contract/model.ts'

const META = 'raSettings'
const DAY_S = 86_400

const hex = z.string().regex(/^(?:[0-9a-f]{2})+$/)
const anchor = z.object({ kind: z.enum(['manufacturer', 'authority']), der: hex })
const upstream = raUpstream.extend({
  anchors: z.array(hex),
  /** This authority's own certificate there; the key is sealed. */
  credential: z.object({ sealedKey: hex, certificate: hex, chain: z.array(hex) }).nullable(),
})
const settingsShape = z.object({
  policy: raPolicy.default({ mode: 'automatic', secretsApprove: null, unlistedMayWait: true, perDevice: 8, perRequester: 8 }),
  profiles: z.array(raProfile).min(1).optional(),
  anchors: z.array(anchor).default([]),
  upstreams: z.array(upstream).default([]),
})

export type StoredUpstream = z.infer<typeof upstream>
export interface EnrolmentSettings {
  readonly policy: RaPolicy
  readonly profiles: readonly RaProfile[]
  readonly anchors: ReadonlyArray<{ readonly kind: RaAnchor['kind']; readonly der: string }>
  readonly upstreams: readonly StoredUpstream[]
}

export function readSettings(file: Pick<SiteFile, 'getMeta'>): EnrolmentSettings {
  const { profiles, ...read } = settingsShape.catch(() => settingsShape.parse({})).parse(file.getMeta(META) ?? {})
  return { ...read, profiles: profiles ?? [profileRow(DEVICE_PROFILE)] }
}

export function writeSettings(file: Pick<SiteFile, 'setMeta'>, { policy, profiles, anchors, upstreams }: EnrolmentSettings): void {
  file.setMeta(META, {
    policy,
    profiles: [...profiles],
    anchors: anchors.map(({ kind, der }) => ({ kind, der })),
    upstreams: upstreams.map((server) => ({ ...server })),
  })
}

export function settingsForAuthority({ policy, profiles }: EnrolmentSettings): Pick<RaSettings, 'policy' | 'profiles'> {
  const { mode, secretsApprove, unlistedMayWait, perDevice, perRequester } = policy
  return {
    policy: { mode, unlistedMayWait, perDevice, perRequester, ...(secretsApprove === null ? {} : { secretsApprove }) },
    profiles: profiles.map(certificateProfile),
  }
}

function profileRow({ lifetimeS, renewBeforeS, ...profile }: CertificateProfile): RaProfile {
  return {
    ...profile,
    keyTypes: [...profile.keyTypes],
    keyUsage: [...profile.keyUsage],
    extendedKeyUsage: [...profile.extendedKeyUsage],
    assignedAltNames: [...profile.assignedAltNames],
    policies: [...profile.policies],
    lifetimeDays: lifetimeS / DAY_S,
    renewBeforeDays: renewBeforeS === undefined ? null : renewBeforeS / DAY_S,
  }
}

function certificateProfile({ lifetimeDays, renewBeforeDays, ...profile }: RaProfile): CertificateProfile {
  return {
    ...profile,
    lifetimeS: Math.round(lifetimeDays * DAY_S),
    ...(renewBeforeDays === null ? {} : { renewBeforeS: Math.round(renewBeforeDays * DAY_S) }),
  }
}

export function bytesOf(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array(0)
}

/** Throws `der.invalid`. */
export function anchorRow(kind: RaAnchor['kind'], der: Uint8Array, fixed: boolean): RaAnchor {
  const certificate = new Certificate(der)
  return {
    fingerprint: toHex(certificate.fingerprint()),
    kind,
    subject: nameText(certificate.subject),
    notAfter: certificate.notAfter,
    fixed,
  }
}

export function subjectOf(der: Uint8Array): string {
  const certificate = tryCertificate(der)
  return certificate === undefined ? '' : nameText(certificate.subject)
}
