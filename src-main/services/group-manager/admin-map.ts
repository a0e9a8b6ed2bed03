// A group's configuration as the admin interface writes it: a CBOR map, read over defaults or over what there is (gm-admin-17 §5, §6.3, §6.6, §6.7).
import { encodeCbor, toHex, type CborKey, type CborValue } from '#main/base/index.ts'
import {
  configurationFault,
  curveOfCapabilities,
  curveOfSignature,
  ecdhParams,
  signParams,
  withDefaults,
  type ConfigurationFault,
  type GroupConfiguration,
  type GroupConfigurationInput,
  type RekeyingPolicy,
} from './configuration.ts'
import { Admin, Param, Policy, PROFILE_GROUP_OSCORE } from './labels.ts'
import { mapOf, policyMap } from './payloads.ts'
import { textOf, textsOf, uintOf, type Fields } from './reading.ts'
import { isCborMap } from '#main/base/index.ts'

/** `malformed`: not a value that the parameter can have. */
export type MapFault = ConfigurationFault | { readonly kind: 'malformed'; readonly detail: string }

export interface ReadConfiguration {
  readonly configuration: GroupConfiguration
  /** exp, where it was named. */
  readonly expiresAtMs: number | undefined
  readonly asksGidReuse: boolean
}

export interface Representation {
  readonly name: string
  readonly configuration: GroupConfiguration
  readonly expiresAtMs: number
  readonly joiningUri: string
  readonly asUri: string
}

const OFF = null
/** Nobody may set these. */
const READ_ONLY = [Admin.RT, Param.PROFILE, Admin.JOINING_URI]
/** Fixed when the group was made. */
const FIXED = [Admin.GROUP_MODE, Admin.PAIRWISE_MODE, Admin.GROUP_NAME, Admin.GID_REUSE]
const SETTABLE = new Set<CborKey>([
  Admin.HKDF,
  Admin.CRED_FMT,
  Admin.GROUP_MODE,
  Admin.GP_ENC_ALG,
  Admin.SIGN_ALG,
  Admin.SIGN_PARAMS,
  Admin.PAIRWISE_MODE,
  Admin.ALG,
  Admin.ECDH_ALG,
  Admin.ECDH_PARAMS,
  Admin.DET_REQ,
  Admin.DET_HASH_ALG,
  Admin.ACTIVE,
  Admin.GROUP_NAME,
  Admin.GROUP_DESCRIPTION,
  Admin.MAX_STALE_SETS,
  Admin.GID_REUSE,
  Admin.APP_GROUPS,
  Admin.APP_GROUPS_DIFF,
  Admin.AS_URI,
  Param.EXP,
  Param.GROUP_POLICIES,
])

/** The whole configuration with its status, as GET answers it. */
export function configurationMap({ name, configuration, expiresAtMs, joiningUri, asUri }: Representation): ReadonlyMap<CborKey, CborValue> {
  return mapOf([
    ...parameterEntries(configuration),
    [Admin.RT, 'core.osc.gconf'],
    [Admin.GROUP_NAME, name],
    [Param.PROFILE, PROFILE_GROUP_OSCORE],
    [Param.EXP, Math.floor(expiresAtMs / 1000)],
    [Admin.GID_REUSE, false],
    [Admin.JOINING_URI, joiningUri],
    [Admin.AS_URI, asUri],
  ])
}

function parameterEntries(configuration: GroupConfiguration): ReadonlyArray<readonly [CborKey, CborValue]> {
  const { groupMode, pairwiseMode } = configuration
  return [
    [Admin.HKDF, configuration.hkdf],
    [Admin.CRED_FMT, configuration.credentialFormat],
    [Admin.GROUP_MODE, groupMode !== undefined],
    [Admin.GP_ENC_ALG, groupMode?.encryption ?? OFF],
    [Admin.SIGN_ALG, groupMode?.signature ?? OFF],
    [Admin.SIGN_PARAMS, groupMode === undefined ? OFF : signParams(configuration)],
    [Admin.PAIRWISE_MODE, pairwiseMode !== undefined],
    [Admin.ALG, pairwiseMode?.aead ?? OFF],
    [Admin.ECDH_ALG, pairwiseMode?.keyAgreement ?? OFF],
    [Admin.ECDH_PARAMS, pairwiseMode === undefined ? OFF : ecdhParams(configuration)],
    [Admin.DET_REQ, groupMode !== undefined && pairwiseMode !== undefined ? false : undefined],
    [Admin.ACTIVE, configuration.active],
    [Admin.GROUP_DESCRIPTION, configuration.description],
    [Admin.MAX_STALE_SETS, configuration.maxStaleSets],
    [Admin.APP_GROUPS, configuration.applicationGroups],
    [Param.GROUP_POLICIES, policyMap(configuration)],
  ]
}

/** A new configuration: what is named, else defaults (§6.3). */
export function readNew(fields: Fields, nowMs: number): ReadConfiguration | MapFault {
  const barred = [...READ_ONLY, Admin.APP_GROUPS_DIFF].find((label) => fields.has(label))
  return barred === undefined ? readOver(fields, defaultsFor(fields), nowMs, undefined) : malformed(`parameter ${barred}`)
}

/** What there is, overwritten: what is not named goes to its default; modes stay (§6.6). */
export function readOverwrite(fields: Fields, before: GroupConfiguration, nowMs: number): ReadConfiguration | MapFault {
  const barred = [...READ_ONLY, ...FIXED, Admin.APP_GROUPS_DIFF].find((label) => fields.has(label))
  if (barred !== undefined) return malformed(`parameter ${barred}`)
  const modes: Array<[CborKey, CborValue]> = [
    [Admin.GROUP_MODE, before.groupMode !== undefined],
    [Admin.PAIRWISE_MODE, before.pairwiseMode !== undefined],
  ]
  const whole = new Map<CborKey, CborValue>([...fields, ...modes])
  return readOver(whole, defaultsFor(whole), nowMs, before.rekeying)
}

/** What there is, with what is named put over it (§6.7). */
export function readPatch(fields: Fields, before: GroupConfiguration, nowMs: number, idempotent: boolean): ReadConfiguration | MapFault {
  const barred = [...READ_ONLY, ...FIXED].find((label) => fields.has(label))
  if (barred !== undefined) return malformed(`parameter ${barred}`)
  if (fields.size === 0) return malformed('nothing to change')
  const changes = new Map(fields)
  if (fields.has(Admin.APP_GROUPS_DIFF)) {
    const names = patchNames(fields.get(Admin.APP_GROUPS_DIFF), before.applicationGroups, idempotent)
    if (names === undefined || fields.has(Admin.APP_GROUPS)) return malformed('app_groups_diff')
    changes.delete(Admin.APP_GROUPS_DIFF)
    changes.set(Admin.APP_GROUPS, names)
  }
  return readOver(changes, mapOf(parameterEntries(before)), nowMs, before.rekeying)
}

function patchNames(value: CborValue, before: readonly string[], idempotent: boolean): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined
  const parts: readonly CborValue[] = value
  const [removed, added] = [textsOf(parts[0]), textsOf(parts[1])]
  if (removed === undefined || added === undefined || removed.length + added.length === 0) return undefined
  if (idempotent && removed.some((name) => added.includes(name))) return undefined
  return [...new Set([...before.filter((name) => !removed.includes(name)), ...added])]
}

/** The defaults that go with the modes and algorithms that are asked for (gm-admin-17 §5.2.1). */
function defaultsFor(fields: Fields): Fields {
  const signature = fields.get(Admin.SIGN_ALG)
  const hkdf = fields.get(Admin.HKDF)
  const ecdhCurve = curveOfCapabilities(JSON.stringify(fields.get(Admin.ECDH_PARAMS)))
  const input: GroupConfigurationInput = {
    ...(typeof hkdf === 'number' ? { hkdf } : {}),
    groupMode: fields.get(Admin.GROUP_MODE) === false ? false : typeof signature === 'number' ? { signature } : {},
    pairwiseMode: fields.get(Admin.PAIRWISE_MODE) === false ? false : {},
    ...(fields.get(Admin.GROUP_MODE) === false && ecdhCurve !== undefined ? { curve: ecdhCurve } : {}),
  }
  return mapOf(parameterEntries(withDefaults(input)))
}

function readOver(fields: Fields, base: Fields, nowMs: number, rekeying: RekeyingPolicy | undefined): ReadConfiguration | MapFault {
  for (const label of fields.keys()) if (!SETTABLE.has(label)) return malformed(`parameter ${String(label)}`)
  const values = new Map([...base, ...fields])
  const read = readValues(values)
  if ('kind' in read) return read
  const configuration = rekeying === undefined ? read : { ...read, rekeying }
  const exp = fields.get(Param.EXP)
  const expS = exp === undefined ? undefined : uintOf(exp)
  if (exp !== undefined && (expS === undefined || expS * 1000 <= nowMs)) return malformed('exp is a date to come')
  const gidReuse = fields.get(Admin.GID_REUSE)
  if (gidReuse !== undefined && typeof gidReuse !== 'boolean') return malformed('gid_reuse')
  if (fields.has(Admin.AS_URI) && textOf(fields.get(Admin.AS_URI)) === undefined) return malformed('as_uri')
  const fault = configurationFault(configuration) ?? capabilityFault(values, configuration)
  if (fault !== undefined) return fault
  return { configuration, expiresAtMs: expS === undefined ? undefined : expS * 1000, asksGidReuse: gidReuse === true }
}

function readValues(values: Fields): GroupConfiguration | MapFault {
  const numbers = [Admin.HKDF, Admin.CRED_FMT, Admin.MAX_STALE_SETS].map((label) => values.get(label))
  if (numbers.some((value) => typeof value === 'string')) return unsupported('algorithms by name')
  const [hkdf, credentialFormat, maxStaleSets] = numbers.map((value) => (typeof value === 'number' ? value : undefined))
  if (hkdf === undefined || credentialFormat === undefined || maxStaleSets === undefined) return malformed('hkdf, cred_fmt, max_stale_sets')
  const groupMode = readMode(values, Admin.GROUP_MODE, [Admin.GP_ENC_ALG, Admin.SIGN_ALG, Admin.SIGN_PARAMS])
  if ('kind' in groupMode) return groupMode
  const pairwiseMode = readMode(values, Admin.PAIRWISE_MODE, [Admin.ALG, Admin.ECDH_ALG, Admin.ECDH_PARAMS])
  if ('kind' in pairwiseMode) return pairwiseMode
  const deterministic = values.get(Admin.DET_REQ)
  if (deterministic !== undefined && typeof deterministic !== 'boolean') return malformed('det_req')
  if (deterministic === true) return unsupported('deterministic requests')
  if (values.has(Admin.DET_HASH_ALG)) return malformed('det_hash_alg without deterministic requests')
  if (deterministic !== undefined && !(groupMode.on && pairwiseMode.on)) return malformed('det_req without both modes')
  const active = values.get(Admin.ACTIVE)
  const description = values.get(Admin.GROUP_DESCRIPTION)
  const applicationGroups = textsOf(values.get(Admin.APP_GROUPS))
  if (typeof active !== 'boolean' || (description !== null && typeof description !== 'string'))
    return malformed('active, group_description')
  if (applicationGroups === undefined) return malformed('app_groups')
  const policies = readPolicies(values.get(Param.GROUP_POLICIES))
  if (policies === undefined) return malformed('group_policies')
  const ecdhCurve = curveOfCapabilities(JSON.stringify(values.get(Admin.ECDH_PARAMS)))
  const curve = groupMode.on ? curveOfSignature(groupMode.second) : ecdhCurve
  return withDefaults({
    hkdf,
    credentialFormat,
    maxStaleSets,
    active,
    description,
    applicationGroups: [...new Set(applicationGroups)],
    policies,
    groupMode: groupMode.on && { encryption: groupMode.first, signature: groupMode.second },
    pairwiseMode: pairwiseMode.on && { aead: pairwiseMode.first, keyAgreement: pairwiseMode.second },
    ...(curve === undefined ? {} : { curve }),
  })
}

type Mode = { readonly on: false } | { readonly on: true; readonly first: number; readonly second: number }

/** A mode is on with numbers for its algorithms, or off with null for each of them (gm-admin-17 §5.1.1). */
function readMode(values: Fields, mode: number, labels: readonly [number, number, number]): Mode | MapFault {
  const on = values.get(mode)
  const [first, second, params] = labels.map((label) => values.get(label))
  if (typeof on !== 'boolean') return malformed(`parameter ${mode}`)
  if (!on)
    return [first, second, params].every((value) => value === null || value === undefined)
      ? { on }
      : inconsistent(`algorithms of a mode that is off`)
  if (typeof first === 'string' || typeof second === 'string') return unsupported('algorithms by name')
  if (first === null || second === null || params === null) return inconsistent('a mode without algorithms')
  return typeof first === 'number' && typeof second === 'number' ? { on, first, second } : malformed(`parameters ${labels.join(', ')}`)
}

/** Parameters of algorithms say nothing that the algorithms do not; but they must not say otherwise. */
function capabilityFault(values: Fields, configuration: GroupConfiguration): MapFault | undefined {
  const is = (label: number, expected: CborValue): boolean => same(values.get(label), expected)
  if (configuration.groupMode !== undefined && !is(Admin.SIGN_PARAMS, signParams(configuration))) return inconsistent('sign_params')
  if (configuration.pairwiseMode !== undefined && !is(Admin.ECDH_PARAMS, ecdhParams(configuration))) return inconsistent('ecdh_params')
  return undefined
}

function readPolicies(value: CborValue): { readonly checkIntervalS: number; readonly expirationDeltaS: number } | undefined {
  if (!isCborMap(value)) return undefined
  const checkIntervalS = value.has(Policy.KEY_UPDATE_CHECK_INTERVAL) ? uintOf(value.get(Policy.KEY_UPDATE_CHECK_INTERVAL)) : 3600
  const expirationDeltaS = value.has(Policy.EXPIRATION_DELTA) ? uintOf(value.get(Policy.EXPIRATION_DELTA)) : 0
  return checkIntervalS === undefined || expirationDeltaS === undefined ? undefined : { checkIntervalS, expirationDeltaS }
}

/** Whether two values are the same item. */
export function same(a: CborValue, b: CborValue): boolean {
  return a !== undefined && b !== undefined && toHex(encodeCbor(a)) === toHex(encodeCbor(b))
}

function malformed(detail: string): MapFault {
  return { kind: 'malformed', detail }
}

function unsupported(detail: string): MapFault {
  return { kind: 'unsupported', detail }
}

function inconsistent(detail: string): MapFault {
  return { kind: 'inconsistent', detail }
}
