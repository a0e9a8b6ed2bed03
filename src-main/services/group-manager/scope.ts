// Scopes: which groups, which roles, which names an administrator may touch (key-groupcomm-oscore-21 §3, gm-admin-17 §3; RFC 9237).
import { CborTag, decodeCbor, encodeCbor, type CborValue } from '#main/base/index.ts'
import { matchesIRegexp, parseIRegexp } from './i-regexp.ts'
import type { AdminPermission, GroupPermission, Roles } from './types.ts'

export type { Roles } from './types.ts'

const REQUESTER = 2
const RESPONDER = 4
const MONITOR = 8
const VERIFIER = 16
const ALL_ROLES = REQUESTER | RESPONDER | MONITOR | VERIFIER
const LIST = 1
const ADMIN_BITS = { create: 2, read: 4, write: 8, delete: 16 } as const
export type AdminRight = keyof typeof ADMIN_BITS
export const I_REGEXP_TAG = 21_065
const MAX_SCOPE_BYTES = 16 * 1024
const MAX_ENTRIES = 256
/** A segment of a path, short enough for an option and for a name that people read. */
export const MAX_NAME_BYTES = 128

export function rolesOf(names: ReadonlyArray<keyof Roles>): Roles {
  return {
    requester: names.includes('requester'),
    responder: names.includes('responder'),
    monitor: names.includes('monitor'),
    verifier: names.includes('verifier'),
  }
}

export function encodeRoles(roles: Roles): number {
  return (
    (roles.requester ? REQUESTER : 0) | (roles.responder ? RESPONDER : 0) | (roles.monitor ? MONITOR : 0) | (roles.verifier ? VERIFIER : 0)
  )
}

/** Undefined for a number that holds something else than roles of group members. */
export function decodeRoles(value: unknown): Roles | undefined {
  if (typeof value !== 'number' || !Number.isInteger(value) || value <= 0 || value > ALL_ROLES || (value & LIST) !== 0) return undefined
  return {
    requester: (value & REQUESTER) !== 0,
    responder: (value & RESPONDER) !== 0,
    monitor: (value & MONITOR) !== 0,
    verifier: (value & VERIFIER) !== 0,
  }
}

/** Whether somebody may join with these roles: monitors do nothing else, verifiers do not join at all (key-groupcomm-oscore-21 §6.1). */
export function mayJoinWith(roles: Roles): boolean {
  if (roles.verifier) return false
  return roles.monitor ? !roles.requester && !roles.responder : roles.requester || roles.responder
}

export function includesRoles(granted: Roles, wanted: Roles): boolean {
  return (encodeRoles(granted) & encodeRoles(wanted)) === encodeRoles(wanted)
}

/** Whether a name can be a segment of a path, and be told from what means something else there (RFC 3986 §3.3). */
export function isGroupName(name: unknown): name is string {
  if (typeof name !== 'string' || name === '' || name === '.' || name === '..') return false
  return new TextEncoder().encode(name).length <= MAX_NAME_BYTES && !hasControls(name) && !name.includes('/')
}

function hasControls(text: string): boolean {
  for (const letter of text) if (letter < ' ' || letter === '\u007f') return true
  return false
}

/** The one entry of a Join Request's scope; undefined for anything else. */
export function decodeJoinScope(bytes: Uint8Array): GroupPermission | undefined {
  return memberEntry(decodeQuietly(bytes))
}

export function encodeJoinScope({ group, roles }: GroupPermission): Uint8Array {
  return encodeCbor([group, encodeRoles(roles)])
}

export interface Scope {
  readonly groups: readonly GroupPermission[]
  readonly admin: readonly AdminPermission[]
}

/** The scope of a token: an array of entries, of members and of administrators. Undefined where one is not understood. */
export function decodeScope(bytes: Uint8Array): Scope | undefined {
  const entries = decodeQuietly(bytes)
  if (!Array.isArray(entries) || entries.length === 0 || entries.length > MAX_ENTRIES) return undefined
  const groups: GroupPermission[] = []
  const admin: AdminPermission[] = []
  for (const entry of listOf(entries)) {
    const member = memberEntry(entry)
    const administrator = member === undefined ? adminEntry(entry) : undefined
    if (member !== undefined) groups.push(member)
    else if (administrator !== undefined) admin.push(administrator)
    else return undefined
  }
  return { groups, admin }
}

export function encodeScope({ groups, admin }: Scope): Uint8Array {
  return encodeCbor([
    ...groups.map(({ group, roles }): CborValue => [group, encodeRoles(roles)]),
    ...admin.map((permission): CborValue => [encodeNames(permission.names), encodeRights(permission)]),
  ])
}

function memberEntry(value: CborValue): GroupPermission | undefined {
  const [group, permissions, ...more] = listOf(value)
  const roles = decodeRoles(permissions)
  return more.length === 0 && isGroupName(group) && roles !== undefined ? { group, roles } : undefined
}

function adminEntry(value: CborValue): AdminPermission | undefined {
  const [names, rights, ...more] = listOf(value)
  if (more.length > 0 || typeof rights !== 'number' || rights < 0 || rights > 31 || (rights & LIST) === 0) return undefined
  const pattern = decodeNames(names)
  if (pattern === undefined) return undefined
  const has = (right: AdminRight): boolean => (rights & ADMIN_BITS[right]) !== 0
  return { names: pattern, create: has('create'), read: has('read'), write: has('write'), delete: has('delete') }
}

function encodeRights(permission: AdminPermission): number {
  const rights: AdminRight[] = ['create', 'read', 'write', 'delete']
  return rights.reduce((bits, right) => (permission[right] === true ? bits | ADMIN_BITS[right] : bits), LIST)
}

/** A name, or a pattern of names, as filters and admin scopes have them. */
export function decodeNames(value: CborValue): AdminPermission['names'] | undefined {
  if (value === true) return true
  if (typeof value === 'string') return isGroupName(value) ? value : undefined
  if (!(value instanceof CborTag) || value.tag !== I_REGEXP_TAG) return undefined
  const pattern: unknown = value.value
  return typeof pattern === 'string' && parseIRegexp(pattern) !== undefined ? { pattern } : undefined
}

function encodeNames(names: AdminPermission['names']): CborValue {
  return typeof names === 'object' ? new CborTag(I_REGEXP_TAG, names.pattern) : names
}

export function nameMatches(names: AdminPermission['names'], name: string): boolean {
  if (names === true) return true
  return typeof names === 'string' ? names === name : matchesIRegexp(names.pattern, name)
}

/** Rights over a name, of all entries that match it; undefined where none does, so that the name is not even listed. */
export function adminRights(permissions: readonly AdminPermission[], name: string): ReadonlySet<AdminRight> | undefined {
  const matching = permissions.filter(({ names }) => nameMatches(names, name))
  if (matching.length === 0) return undefined
  const rights: AdminRight[] = ['create', 'read', 'write', 'delete']
  return new Set(rights.filter((right) => matching.some((permission) => permission[right] === true)))
}

export function listOf(value: CborValue): readonly CborValue[] {
  return Array.isArray(value) ? (value as readonly CborValue[]) : []
}

function decodeQuietly(bytes: Uint8Array): CborValue {
  try {
    return decodeCbor(bytes, { maxBytes: MAX_SCOPE_BYTES, tags: [I_REGEXP_TAG] })
  } catch {
    return undefined
  }
}
