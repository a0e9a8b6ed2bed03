// What is typed of certificate profiles and servers above, on its way from rows of the contract and back. Pure.
import type { RaKeyType, RaProfile, RaUpstream, RaUpstreamRow } from '#contract/model.ts'

export const keyTypes = ['P-256', 'P-384', 'Ed25519', 'RSA'] as const satisfies readonly RaKeyType[]
export const keyUsages = ['digitalSignature', 'keyEncipherment', 'keyAgreement'] as const satisfies ReadonlyArray<
  RaProfile['keyUsage'][number]
>
export const modes = ['forward', 'nest', 'replace'] as const satisfies ReadonlyArray<RaUpstream['mode']>
export const selectors = ['default', 'profile', 'host'] as const satisfies ReadonlyArray<RaUpstream['select']['by']>

const PROFILE_NAME = /^[A-Za-z0-9._-]{1,64}$/
const OID = /^[0-2](\.\d{1,12}){1,20}$/

// ---- Servers above -------------------------------------------------------------------------------------------------

export interface UpstreamDraft {
  name: string
  url: string
  by: RaUpstream['select']['by']
  /** Of the profile or the host. */
  selected: string
  mode: RaUpstream['mode']
  vouches: boolean
  passSecrets: boolean
  chunked: boolean
}

export function upstreamDraft(server?: RaUpstreamRow): UpstreamDraft {
  if (server === undefined)
    return { name: '', url: 'https://', by: 'default', selected: '', mode: 'forward', vouches: false, passSecrets: false, chunked: true }
  const { name, url, select, mode, popo, passSecrets, chunked } = server
  const selected = select.by === 'profile' ? select.profile : select.by === 'host' ? select.host : ''
  return { name, url, by: select.by, selected, mode, vouches: popo === 'raVerified', passSecrets, chunked }
}

/** Undefined while something is missing or cannot be; what a mode does not have is left behind. The contract checks it once more. */
export function upstreamOf(draft: UpstreamDraft): RaUpstream | undefined {
  const name = draft.name.trim()
  const url = draft.url.trim()
  const select = selectOf(draft)
  if (name === '' || name.length > 64 || select === undefined || url.length > 500 || !/^https?:\/\/[^/\s]/i.test(url)) return undefined
  return {
    name,
    url,
    select,
    mode: draft.mode,
    popo: draft.mode === 'replace' && draft.vouches ? 'raVerified' : 'keep',
    passSecrets: draft.mode === 'forward' && draft.passSecrets,
    chunked: draft.chunked,
  }
}

function selectOf({ by, selected }: UpstreamDraft): RaUpstream['select'] | undefined {
  const text = selected.trim()
  if (by === 'default') return { by }
  if (by === 'profile') return PROFILE_NAME.test(text) ? { by, profile: text } : undefined
  return text === '' || text.length > 253 ? undefined : { by, host: text }
}

// ---- Certificate profiles ------------------------------------------------------------------------------------------

export interface ProfileDraft {
  name: string
  keyTypes: readonly RaKeyType[]
  keyUsage: ReadonlyArray<RaProfile['keyUsage'][number]>
  lifetimeDays: string | number
  /** Empty: at any time. */
  renewBeforeDays: string | number
  assigned: boolean
  assignedSubject: string
  /** One to a line. */
  assignedAltNames: string
  /** OIDs, one to a line. */
  purposes: string
  policies: string
  implicitConfirm: boolean
  newKeyOnUpdate: boolean
  revokeReplaced: boolean
}

export function profileDraft(profile: RaProfile): ProfileDraft {
  return {
    name: profile.name,
    keyTypes: profile.keyTypes,
    keyUsage: profile.keyUsage,
    lifetimeDays: profile.lifetimeDays,
    renewBeforeDays: profile.renewBeforeDays ?? '',
    assigned: profile.subject === 'assigned',
    assignedSubject: profile.assignedSubject,
    assignedAltNames: profile.assignedAltNames.join('\n'),
    purposes: profile.extendedKeyUsage.join('\n'),
    policies: profile.policies.join('\n'),
    implicitConfirm: profile.implicitConfirm,
    newKeyOnUpdate: profile.newKeyOnUpdate,
    revokeReplaced: profile.revokeReplaced,
  }
}

/** Undefined while something is missing or cannot be. The contract checks it once more. */
export function profileOf(draft: ProfileDraft): RaProfile | undefined {
  const lifetimeDays = daysOf(draft.lifetimeDays)
  const renewBeforeDays = daysOf(draft.renewBeforeDays)
  const assignedSubject = draft.assignedSubject.trim()
  const [altNames, purposes, policies] = [linesOf(draft.assignedAltNames), linesOf(draft.purposes), linesOf(draft.policies)]
  const isFit =
    PROFILE_NAME.test(draft.name.trim()) &&
    draft.keyTypes.length > 0 &&
    lifetimeDays !== null &&
    lifetimeDays >= 0.01 &&
    !Number.isNaN(renewBeforeDays ?? 0) &&
    (!draft.assigned || assignedSubject !== '') &&
    altNames.length <= 8 &&
    purposes.length <= 16 &&
    policies.length <= 8 &&
    [...purposes, ...policies].every((text) => OID.test(text))
  if (!isFit) return undefined
  return {
    name: draft.name.trim(),
    keyTypes: [...draft.keyTypes],
    lifetimeDays,
    keyUsage: [...draft.keyUsage],
    extendedKeyUsage: purposes,
    subject: draft.assigned ? 'assigned' : 'requested',
    assignedSubject: assignedSubject === '' ? 'CN={name}' : assignedSubject,
    assignedAltNames: altNames,
    policies,
    renewBeforeDays,
    implicitConfirm: draft.implicitConfirm,
    newKeyOnUpdate: draft.newKeyOnUpdate,
    revokeReplaced: draft.revokeReplaced,
  }
}

/** Null for nothing, not a number for what cannot be. */
function daysOf(typed: string | number): number | null {
  if (String(typed).trim() === '') return null
  const days = Number(typed)
  return days >= 0 && days <= 36_500 ? days : Number.NaN
}

/** The list with the profile in the place of the one of that name, or at its end. The first is for requests that name none. */
export function withProfile(profiles: readonly RaProfile[], before: string | null, next: RaProfile): RaProfile[] {
  const at = profiles.findIndex(({ name }) => name === before)
  return at < 0 ? [...profiles, next] : profiles.map((profile, index) => (index === at ? next : profile))
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
