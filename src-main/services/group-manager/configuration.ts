// The configuration of a security group: algorithms, status, policies; their defaults and what goes together
// (key-groupcomm-oscore-21 §14, gm-admin-17 §5; draft-ietf-core-oscore-groupcomm-28 §2).
import { aeads, chaCha20Poly1305, COUNTER_NONCE_BYTES, type Curve } from '#main/base/index.ts'
import { CredentialFormat, SUPPORTED_AEADS } from '#main/wire/oscore/index.ts'

export interface GroupModeConfiguration {
  /** gp_enc_alg: an AEAD, or AES-CTR. */
  readonly encryption: number
  /** sign_alg: the very number that all members put into what they sign. */
  readonly signature: number
}

export interface PairwiseModeConfiguration {
  readonly aead: number
  readonly keyAgreement: number
}

/** When the group gets new keys by itself. */
export interface RekeyingPolicy {
  /** Whoever joins cannot read what was sent before (backward security). */
  readonly onJoin: boolean
  /** Leaves that are gathered for one rekeying; 1: each has its own. Evictions do not wait unless told. */
  readonly afterLeaves: number
  /** A leave waits no longer than this. */
  readonly withinMs: number
  /** New keys are made when these are so old. */
  readonly lifetimeS: number
}

export interface GroupPolicies {
  /** How often members ask for the version of the keys (RFC 9594 §4.3.1). */
  readonly checkIntervalS: number
  /** How long after their expiration the keys may be used still. */
  readonly expirationDeltaS: number
}

export interface GroupConfiguration {
  /** HMAC by COSE number: 5, 6, 7. */
  readonly hkdf: number
  readonly credentialFormat: number
  readonly groupMode: GroupModeConfiguration | undefined
  readonly pairwiseMode: PairwiseModeConfiguration | undefined
  /** Of the members' credentials. X25519 only where there is no group mode. */
  readonly curve: Curve
  readonly active: boolean
  readonly description: string | null
  readonly maxStaleSets: number
  readonly applicationGroups: readonly string[]
  readonly policies: GroupPolicies
  readonly rekeying: RekeyingPolicy
}

/** What is asked for; everything else gets its default. */
export interface GroupConfigurationInput extends Partial<Omit<GroupConfiguration, 'groupMode' | 'pairwiseMode' | 'policies' | 'rekeying'>> {
  /** false: off. */
  readonly groupMode?: Partial<GroupModeConfiguration> | false
  readonly pairwiseMode?: Partial<PairwiseModeConfiguration> | false
  readonly policies?: Partial<GroupPolicies>
  readonly rekeying?: Partial<RekeyingPolicy>
}

const AES_CCM_16_64_128 = 10
const EDDSA = -8
const ECDH_SS_HKDF_256 = -27
const ECDH_SS_HKDF_512 = -28
const HMAC_256 = 5
const HMAC_512 = 7
const HKDFS = new Set([HMAC_256, 6, HMAC_512])
const SIGNATURE_CURVES = new Map<number, Curve>([
  [EDDSA, 'Ed25519'],
  [-19, 'Ed25519'],
  [-7, 'P-256'],
  [-9, 'P-256'],
])
const COUNTER_MODES = new Set([-65_534, -65_533, -65_532])
const NONCE_BYTES = new Map<number, number>([
  ...[...aeads, ...(chaCha20Poly1305 === undefined ? [] : [chaCha20Poly1305])].map(({ coseId, nonceBytes }): [number, number] => [
    coseId,
    nonceBytes,
  ]),
  ...[...COUNTER_MODES].map((coseId): [number, number] => [coseId, COUNTER_NONCE_BYTES]),
])
const MAX_NUMBER = 0xffffffff
const MAX_APPLICATION_GROUPS = 256
const CREDENTIAL_FORMATS = new Set<number>(Object.values(CredentialFormat))
const MAX_TEXT = 1024
const LARGEST_STALE_SETS = 64

export const DEFAULT_REKEYING: RekeyingPolicy = { onJoin: false, afterLeaves: 1, withinMs: 600_000, lifetimeS: 2_592_000 }
export const DEFAULT_POLICIES: GroupPolicies = { checkIntervalS: 3600, expirationDeltaS: 0 }

/** The whole configuration, with the defaults of key-groupcomm-oscore-21 §14 and gm-admin-17 §5.2. Nothing is checked yet. */
export function withDefaults(input: GroupConfigurationInput): GroupConfiguration {
  const groupMode = input.groupMode === false ? undefined : { encryption: AES_CCM_16_64_128, signature: EDDSA, ...input.groupMode }
  const hkdf = input.hkdf ?? HMAC_256
  const keyAgreement = hkdf === HMAC_512 ? ECDH_SS_HKDF_512 : ECDH_SS_HKDF_256
  const pairwiseMode = input.pairwiseMode === false ? undefined : { aead: AES_CCM_16_64_128, keyAgreement, ...input.pairwiseMode }
  const signing = groupMode === undefined ? undefined : SIGNATURE_CURVES.get(groupMode.signature)
  return {
    hkdf,
    credentialFormat: input.credentialFormat ?? CredentialFormat.CCS,
    groupMode,
    pairwiseMode,
    curve: input.curve ?? signing ?? 'X25519',
    active: input.active ?? false,
    description: input.description ?? null,
    maxStaleSets: input.maxStaleSets ?? 3,
    applicationGroups: input.applicationGroups ?? [],
    policies: { ...DEFAULT_POLICIES, ...input.policies },
    rekeying: { ...DEFAULT_REKEYING, ...input.rekeying },
  }
}

/** `unsupported`: others may do it, this Group Manager does not. `inconsistent`: nobody could. */
export interface ConfigurationFault {
  readonly kind: 'unsupported' | 'inconsistent'
  readonly detail: string
}

/** What is wrong with a configuration; undefined where nothing is. */
export function configurationFault(configuration: GroupConfiguration): ConfigurationFault | undefined {
  const { groupMode, pairwiseMode, hkdf, curve, rekeying, policies } = configuration
  if (groupMode === undefined && pairwiseMode === undefined) return inconsistent('neither group mode nor pairwise mode')
  if (!HKDFS.has(hkdf)) return unsupported('hkdf')
  if (!CREDENTIAL_FORMATS.has(configuration.credentialFormat)) return unsupported('cred_fmt')
  // Issuers sign; so does this end, for itself.
  if (configuration.credentialFormat !== CredentialFormat.CCS && curve === 'X25519')
    return unsupported('cred_fmt with keys that cannot sign')
  if (groupMode !== undefined) {
    if (!SUPPORTED_AEADS.includes(groupMode.encryption) && !COUNTER_MODES.has(groupMode.encryption)) return unsupported('gp_enc_alg')
    const signing = SIGNATURE_CURVES.get(groupMode.signature)
    if (signing === undefined) return unsupported('sign_alg')
    if (signing !== curve) return inconsistent('sign_alg and the keys of the credentials')
  } else if (curve === 'Ed25519') return inconsistent('signing keys in a group without signatures')
  if (pairwiseMode !== undefined) {
    if (!SUPPORTED_AEADS.includes(pairwiseMode.aead)) return unsupported('alg')
    const { keyAgreement } = pairwiseMode
    if (keyAgreement !== ECDH_SS_HKDF_256 && keyAgreement !== ECDH_SS_HKDF_512) return unsupported('ecdh_alg')
    // draft-ietf-core-oscore-groupcomm-28 §2.1.10: both derive keys with one hash.
    if ((keyAgreement === ECDH_SS_HKDF_512) !== (hkdf === HMAC_512) || hkdf === 6) return inconsistent('hkdf and ecdh_alg')
  }
  const whole = [configuration.maxStaleSets, policies.checkIntervalS, policies.expirationDeltaS, rekeying.afterLeaves, rekeying.withinMs]
  if (![...whole, rekeying.lifetimeS].every((value) => Number.isInteger(value) && value >= 0 && value <= MAX_NUMBER)) {
    return inconsistent('a number out of range')
  }
  if (configuration.maxStaleSets < 2) return inconsistent('max_stale_sets is more than 1')
  if (configuration.maxStaleSets > LARGEST_STALE_SETS) return unsupported('max_stale_sets')
  if (rekeying.afterLeaves < 1 || rekeying.lifetimeS < 60) return inconsistent('the rekeying policy')
  const texts = [...configuration.applicationGroups, configuration.description ?? '']
  if (configuration.applicationGroups.length > MAX_APPLICATION_GROUPS) return unsupported('so many application groups')
  return texts.some((text) => text.length > MAX_TEXT) ? unsupported('so long a text') : undefined
}

function unsupported(detail: string): ConfigurationFault {
  return { kind: 'unsupported', detail }
}

function inconsistent(detail: string): ConfigurationFault {
  return { kind: 'inconsistent', detail }
}

/** Whether the credentials that members have would not do any more: their kind, or the algorithm that they name. */
export function needsOtherCredentials(before: GroupConfiguration, after: GroupConfiguration): boolean {
  return (
    before.curve !== after.curve ||
    before.credentialFormat !== after.credentialFormat ||
    before.groupMode?.signature !== after.groupMode?.signature
  )
}

/** Whether keys are derived in another way. */
export function changesAlgorithms(before: GroupConfiguration, after: GroupConfiguration): boolean {
  return algorithmKey(before) !== algorithmKey(after)
}

function algorithmKey({ hkdf, groupMode, pairwiseMode }: GroupConfiguration): string {
  return JSON.stringify([hkdf, groupMode?.encryption, groupMode?.signature, pairwiseMode?.aead, pairwiseMode?.keyAgreement])
}

/** The longest Sender ID that every nonce has room for (draft-ietf-core-oscore-groupcomm-28 §2.2). */
export function maxSenderIdBytes({ groupMode, pairwiseMode }: GroupConfiguration): number {
  const lengths = [groupMode?.encryption, pairwiseMode?.aead].flatMap((coseId) => {
    const bytes = coseId === undefined ? undefined : NONCE_BYTES.get(coseId)
    return bytes === undefined ? [] : [bytes]
  })
  return Math.min(...lengths) - 6
}

/** COSE capabilities: kinds of keys of the algorithm, kind and curve of the keys (RFC 9053 §8). */
const CAPABILITIES: Readonly<Record<Curve, readonly [readonly number[], readonly number[]]>> = {
  Ed25519: [[1], [1, 6]],
  X25519: [[1], [1, 4]],
  'P-256': [[2], [2, 1]],
}

export function signParams({ curve }: GroupConfiguration): readonly [readonly number[], readonly number[]] {
  return CAPABILITIES[curve]
}

/** Also Ed25519 keys agree on X25519. */
export function ecdhParams({ curve }: GroupConfiguration): readonly [readonly number[], readonly number[]] {
  return CAPABILITIES[curve === 'Ed25519' ? 'X25519' : curve]
}

/** The curve that sign_params, or without group mode ecdh_params, calls for. */
export function curveOfCapabilities(capabilities: string): Curve | undefined {
  const curves: Curve[] = ['Ed25519', 'X25519', 'P-256']
  return curves.find((curve) => JSON.stringify(CAPABILITIES[curve]) === capabilities)
}

/** The curve of the credentials that a signature algorithm needs. */
export function curveOfSignature(signature: number): Curve | undefined {
  return SIGNATURE_CURVES.get(signature)
}
