// The CBOR maps that the Group Manager hands out: keying material, credentials, policies, what a group wants of its members
// (key-groupcomm-oscore-21 §5.3, §6.2, §6.3, §9, §11.1; RFC 9594 §4).
import { encodeCbor, type CborKey, type CborValue } from '#main/base/index.ts'
import { ecdhParams, signParams, type GroupConfiguration } from './configuration.ts'
import type { GroupState } from './group-state.ts'
import { GKTY_GROUP_OSCORE, KeyParam, Param, Policy, PROFILE_GROUP_OSCORE } from './labels.ts'
import { encodeRoles } from './scope.ts'
import type { StoredGroup, StoredMember } from './store.ts'

export type Entries = ReadonlyArray<readonly [CborKey, CborValue]>

/** Pairs whose value is undefined are left out. */
export function encodeEntries(entries: Entries): Uint8Array {
  return encodeCbor(mapOf(entries))
}

export function mapOf(entries: Entries): ReadonlyMap<CborKey, CborValue> {
  return new Map(entries.filter(([, value]) => value !== undefined))
}

/** Algorithms as a Group_OSCORE_Input_Material object has them. */
export function algorithmEntries(configuration: GroupConfiguration): Entries {
  const { groupMode, pairwiseMode, hkdf, credentialFormat } = configuration
  return [
    [KeyParam.HKDF, hkdf],
    [KeyParam.CRED_FMT, credentialFormat],
    [KeyParam.GP_ENC_ALG, groupMode?.encryption],
    [KeyParam.SIGN_ALG, groupMode?.signature],
    [KeyParam.SIGN_PARAMS, groupMode === undefined ? undefined : signParams(configuration)],
    [KeyParam.ALG, pairwiseMode?.aead],
    [KeyParam.ECDH_ALG, pairwiseMode?.keyAgreement],
    [KeyParam.ECDH_PARAMS, pairwiseMode === undefined ? undefined : ecdhParams(configuration)],
  ]
}

/** Everything that a member sets its Security Context up with; its own Sender ID where it has one and asks for it. */
export function keyMap({ stored, secrets }: GroupState, senderId: Uint8Array | undefined): CborValue {
  return mapOf([
    ...algorithmEntries(stored.configuration),
    [KeyParam.MS, secrets.masterSecret],
    [KeyParam.SALT, secrets.masterSalt],
    [KeyParam.CONTEXT_ID, stored.gid],
    [KeyParam.GROUP_SENDER_ID, senderId],
  ])
}

/** Version, profile, expiration: beside `key` in each of these messages. */
export function versionEntries({ generation, expiresAtMs }: StoredGroup, nowMs: number): Entries {
  return [
    [Param.GKTY, GKTY_GROUP_OSCORE],
    [Param.NUM, generation],
    [Param.PROFILE, PROFILE_GROUP_OSCORE],
    [Param.EXP, Math.floor(expiresAtMs / 1000)],
    [Param.EXI, Math.max(0, Math.floor((expiresAtMs - nowMs) / 1000))],
  ]
}

export function credentialEntries(members: readonly StoredMember[]): Entries {
  const with_ = members.filter(({ credential, senderId }) => credential !== undefined && senderId !== undefined)
  return [
    [Param.CREDS, with_.map(({ credential }) => credential)],
    [Param.PEER_ROLES, with_.map(({ roles }) => encodeRoles(roles))],
    [Param.PEER_IDENTIFIERS, with_.map(({ senderId }) => senderId)],
  ]
}

export function policyMap({ policies }: GroupConfiguration): CborValue {
  return mapOf([
    [Policy.KEY_UPDATE_CHECK_INTERVAL, policies.checkIntervalS],
    [Policy.EXPIRATION_DELTA, policies.expirationDeltaS],
  ])
}

/**
 * What brings a rekeying to one member: the new secrets, the Sender IDs that went stale before it, who is new (§11.1). Where the algorithms
 * have changed since the version that it has, these too (gm-admin-17 §6.6.2): one message, as keys of one way are worth nothing in another.
 */
export function rekeyingMessage(state: GroupState, memberGeneration: number, nowMs: number): Uint8Array {
  const { stored, secrets, members } = state
  const key = mapOf([
    ...(memberGeneration < stored.algorithmsSince ? algorithmEntries(stored.configuration) : []),
    [KeyParam.MS, secrets.masterSecret],
    [KeyParam.SALT, secrets.masterSalt],
    [KeyParam.CONTEXT_ID, stored.gid],
  ])
  const isNew = new Set(stored.newcomers.map(String))
  const newcomers = [...members.values()].filter(({ senderId }) => senderId !== undefined && isNew.has(String(senderId)))
  return encodeEntries([
    ...versionEntries(stored, nowMs),
    [Param.KEY, key],
    [Param.STALE_NODE_IDS, stored.staleSets.at(-2) ?? []],
    ...(newcomers.length === 0 ? [] : credentialEntries(newcomers)),
  ])
}

/** With an empty key: the group is deleted (gm-admin-17 §6.8.1). */
export function deletionMessage(): Uint8Array {
  return encodeEntries([
    [Param.GKTY, GKTY_GROUP_OSCORE],
    [Param.KEY, mapOf([])],
    [Param.PROFILE, PROFILE_GROUP_OSCORE],
  ])
}

export function signInfo(name: CborValue, configuration: GroupConfiguration): CborValue {
  const { groupMode, credentialFormat } = configuration
  return groupMode === undefined ? undefined : [name, groupMode.signature, ...signParams(configuration), credentialFormat]
}

export function ecdhInfo(name: CborValue, configuration: GroupConfiguration): CborValue {
  const { pairwiseMode, credentialFormat } = configuration
  return pairwiseMode === undefined ? undefined : [name, pairwiseMode.keyAgreement, ...ecdhParams(configuration), credentialFormat]
}

/** Of groups without signatures alone. */
export function dhCredential(name: CborValue, { configuration, credential }: StoredGroup): CborValue {
  return configuration.groupMode === undefined ? [name, configuration.credentialFormat, credential] : undefined
}

/** What a 4.00 to a Join Request says: how credentials must be, and the challenge to sign (§6.2). */
export function joinHints(stored: StoredGroup, challenge: Uint8Array): Uint8Array {
  const { name, configuration } = stored
  const one = (entry: CborValue): CborValue => (entry === undefined ? undefined : [entry])
  return encodeEntries([
    [Param.SIGN_INFO, one(signInfo(name, configuration))],
    [Param.ECDH_INFO, one(ecdhInfo(name, configuration))],
    [Param.KDC_DH_CREDS, one(dhCredential(name, stored))],
    [Param.KDC_CHALLENGE, challenge],
  ])
}
