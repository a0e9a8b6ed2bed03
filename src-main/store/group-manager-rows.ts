// Rows of the Group Manager's tables and the records they stand for. Byte strings inside JSON columns are hexadecimal.
import { AppError, fromHex, toHex } from '#main/base/index.ts'
import type {
  AdminPermission,
  Authorisation,
  ControlPoint,
  GroupConfiguration,
  GroupPermission,
  Roles,
  StoredGrant,
  StoredGroup,
  StoredMember,
} from '#main/services/group-manager/index.ts'
import { canonicalJson, fromJson, knownWord } from './json.ts'

export interface GroupRow {
  readonly name: string
  readonly configuration: string
  readonly gid: Uint8Array
  readonly generation: number
  readonly sealed_keys: Uint8Array
  readonly credential: Uint8Array
  readonly stale_sets: string
  readonly rekeyed_at: number
  readonly expires_at: number
  readonly algorithms_since: number
  readonly leaves_waiting: number
  readonly first_leave_at: number | null
  readonly newcomers: string
}

export interface MemberRow {
  readonly group_name: string
  readonly identity: string
  readonly node: string
  readonly sender_id: Uint8Array | null
  readonly credential: Uint8Array | null
  readonly roles: string
  readonly scope: Uint8Array
  readonly client_nonce: Uint8Array
  readonly control: string | null
  readonly context: string
  readonly address: string
  readonly port: number
  readonly zone: string | null
  readonly channel: string
  readonly joined_at: number
  readonly generation: number
  readonly keys: string
}

export interface AuthorisationRow {
  readonly identity: string
  readonly groups: string
  readonly admin: string
  readonly proven: string
  readonly not_after: number | null
}

export interface GrantRow {
  readonly id: Uint8Array
  readonly identity: string
  readonly scope: Uint8Array
  readonly expires_at: number
  readonly sealed_material: Uint8Array
}

// ---- Groups --------------------------------------------------------------------------------------------------------

export function groupToRow(group: StoredGroup): GroupRow {
  return {
    name: group.name,
    configuration: canonicalJson(group.configuration),
    gid: group.gid,
    generation: group.generation,
    sealed_keys: group.sealedKeys,
    credential: group.credential,
    stale_sets: canonicalJson(group.staleSets.map((set) => set.map(toHex))),
    rekeyed_at: Math.round(group.rekeyedAtMs),
    expires_at: Math.round(group.expiresAtMs),
    algorithms_since: group.algorithmsSince,
    leaves_waiting: group.leavesWaiting,
    first_leave_at: group.firstLeaveAtMs === undefined ? null : Math.round(group.firstLeaveAtMs),
    newcomers: canonicalJson(group.newcomers.map(toHex)),
  }
}

export function groupFromRow(row: GroupRow): StoredGroup {
  const configuration = fromJson(row.configuration, isConfiguration)
  return {
    name: row.name,
    // What is off has no member in JSON.
    configuration: { ...configuration, groupMode: configuration.groupMode, pairwiseMode: configuration.pairwiseMode },
    gid: new Uint8Array(row.gid),
    generation: row.generation,
    sealedKeys: new Uint8Array(row.sealed_keys),
    credential: new Uint8Array(row.credential),
    staleSets: fromJson(row.stale_sets, isTextLists).map((set) => set.map(bytesOf)),
    rekeyedAtMs: row.rekeyed_at,
    expiresAtMs: row.expires_at,
    algorithmsSince: row.algorithms_since,
    leavesWaiting: row.leaves_waiting,
    firstLeaveAtMs: row.first_leave_at ?? undefined,
    newcomers: fromJson(row.newcomers, isTexts).map(bytesOf),
  }
}

// ---- Members -------------------------------------------------------------------------------------------------------

const MEMBER_KEYS: Readonly<Record<StoredMember['keys'], true>> = { current: true, told: true }

export function memberToRow(member: StoredMember): MemberRow {
  return {
    group_name: member.group,
    identity: member.identity,
    node: member.node,
    sender_id: member.senderId ?? null,
    credential: member.credential ?? null,
    roles: canonicalJson(member.roles),
    scope: member.scope,
    client_nonce: member.clientNonce,
    control: member.control === undefined ? null : canonicalJson(member.control),
    context: member.context,
    address: member.address.address,
    port: member.address.port,
    zone: member.address.zone ?? null,
    channel: member.channelId,
    joined_at: Math.round(member.joinedAtMs),
    generation: member.generation,
    keys: member.keys,
  }
}

export function memberFromRow(row: MemberRow): StoredMember {
  return {
    group: row.group_name,
    identity: row.identity,
    node: row.node,
    senderId: optionalBytes(row.sender_id),
    credential: optionalBytes(row.credential),
    roles: fromJson(row.roles, isRoles),
    scope: new Uint8Array(row.scope),
    clientNonce: new Uint8Array(row.client_nonce),
    control: row.control === null ? undefined : fromJson(row.control, isControl),
    context: row.context,
    address: { address: row.address, port: row.port, ...(row.zone === null ? {} : { zone: row.zone }) },
    channelId: row.channel,
    joinedAtMs: row.joined_at,
    generation: row.generation,
    keys: knownWord(MEMBER_KEYS, row.keys),
  }
}

// ---- Authorisation -------------------------------------------------------------------------------------------------

export function authorisationToRow(record: Authorisation): AuthorisationRow {
  return {
    identity: record.identity,
    groups: canonicalJson(record.groups),
    admin: canonicalJson(record.admin ?? []),
    proven: canonicalJson((record.provenCredentials ?? []).map(toHex)),
    not_after: record.notAfterMs === undefined ? null : Math.round(record.notAfterMs),
  }
}

export function authorisationFromRow(row: AuthorisationRow): Authorisation {
  return {
    identity: row.identity,
    groups: fromJson(row.groups, isListOf(isPermission)),
    admin: fromJson(row.admin, isListOf(isAdminPermission)),
    provenCredentials: fromJson(row.proven, isTexts).map(bytesOf),
    ...(row.not_after === null ? {} : { notAfterMs: row.not_after }),
  }
}

export function grantToRow(grant: StoredGrant): GrantRow {
  const { id, identity, scope } = grant
  return { id, identity, scope, expires_at: Math.round(grant.expiresAtMs), sealed_material: grant.sealedMaterial }
}

export function grantFromRow(row: GrantRow): StoredGrant {
  return {
    id: new Uint8Array(row.id),
    identity: row.identity,
    scope: new Uint8Array(row.scope),
    expiresAtMs: row.expires_at,
    sealedMaterial: new Uint8Array(row.sealed_material),
  }
}

// ---- Values --------------------------------------------------------------------------------------------------------

function optionalBytes(value: Uint8Array | null): Uint8Array | undefined {
  return value === null ? undefined : new Uint8Array(value)
}

function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex)
  if (bytes === undefined) throw new AppError('store.corrupt', 'A JSON column of the site file holds no byte string')
  return bytes
}

type Guard<Value> = (value: unknown) => value is Value

function isListOf<Value>(isElement: Guard<Value>): Guard<readonly Value[]> {
  return (value): value is readonly Value[] => Array.isArray(value) && value.every(isElement)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

const isTexts = isListOf(isText)
const isTextLists = isListOf(isTexts)

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasNumbers(value: unknown, ...names: readonly string[]): boolean {
  return isObject(value) && names.every((name) => typeof value[name] === 'number')
}

function isRoles(value: unknown): value is Roles {
  return isObject(value) && ['requester', 'responder', 'monitor', 'verifier'].every((name) => typeof value[name] === 'boolean')
}

function isControl(value: unknown): value is ControlPoint {
  return isObject(value) && isTexts(value.path) && isTexts(value.query) && typeof value.port === 'number'
}

function isPermission(value: unknown): value is GroupPermission {
  return isObject(value) && typeof value.group === 'string' && isRoles(value.roles)
}

function isAdminPermission(value: unknown): value is AdminPermission {
  if (!isObject(value)) return false
  const { names } = value
  return names === true || typeof names === 'string' || (isObject(names) && typeof names.pattern === 'string')
}

const CURVES = new Set<unknown>(['Ed25519', 'P-256', 'X25519'])

function isConfiguration(value: unknown): value is GroupConfiguration {
  if (!isObject(value) || !hasNumbers(value, 'hkdf', 'credentialFormat', 'maxStaleSets')) return false
  const { groupMode, pairwiseMode, description, policies, rekeying } = value
  return (
    (groupMode === undefined || hasNumbers(groupMode, 'encryption', 'signature')) &&
    (pairwiseMode === undefined || hasNumbers(pairwiseMode, 'aead', 'keyAgreement')) &&
    CURVES.has(value.curve) &&
    typeof value.active === 'boolean' &&
    (description === null || typeof description === 'string') &&
    isTexts(value.applicationGroups) &&
    hasNumbers(policies, 'checkIntervalS', 'expirationDeltaS') &&
    hasNumbers(rekeying, 'afterLeaves', 'withinMs', 'lifetimeS') &&
    isObject(rekeying) &&
    typeof rekeying.onJoin === 'boolean'
  )
}
