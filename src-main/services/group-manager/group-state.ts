// One security group as the Group Manager knows it, and what may become of it: pure steps from one state to the next, so that a step is
// committed whole or not at all (key-groupcomm-oscore-21 §6.3, §7, §10, §11; draft-ietf-core-oscore-groupcomm-28 §12.2.1).
import {
  AppError,
  concatBytes,
  decodeCbor,
  encodeCbor,
  exportPrivateKey,
  generateKeyPair,
  importPrivateKey,
  toHex,
  type Curve,
  type PrivateKey,
  type Random,
} from '#main/base/index.ts'
import { ownCredential } from './credential-trust.ts'
import { changesAlgorithms, maxSenderIdBytes, type GroupConfiguration } from './configuration.ts'
import { listOf } from './scope.ts'
import type { StoredGroup, StoredMember } from './store.ts'
import type { SecretSealer } from './types.ts'

export interface GroupSecrets {
  readonly masterSecret: Uint8Array
  readonly masterSalt: Uint8Array
  readonly privateKey: PrivateKey
}

export interface GroupState {
  readonly stored: StoredGroup
  readonly secrets: GroupSecrets
  /** By identity. */
  readonly members: ReadonlyMap<string, StoredMember>
}

export interface StatePorts {
  readonly random: Random
  readonly sealer: SecretSealer
  readonly nowMs: number
}

const SECRET_BYTES = 16
const SALT_BYTES = 8
const PREFIX_BYTES = 4
const EPOCH_BYTES = 4
const MAX_EPOCH = 0xffffffff
/** Beyond what any member can have seen of a group whose file was put back. */
const GENERATIONS_SKIPPED = 65_536

/** `isGidFree`: no other group has it or its prefix. */
export function newGroup(
  name: string,
  configuration: GroupConfiguration,
  ports: StatePorts,
  isPrefixFree: (prefix: string) => boolean,
): GroupState {
  const { privateKey } = generateKeyPair(configuration.curve)
  const secrets: GroupSecrets = { ...freshSecrets(ports.random), privateKey }
  const stored: StoredGroup = {
    name,
    configuration,
    gid: concatBytes(freePrefix(ports.random, isPrefixFree), new Uint8Array(EPOCH_BYTES)),
    generation: 0,
    sealedKeys: sealSecrets(secrets, configuration.curve, ports.sealer),
    credential: ownCredential(name, configuration, privateKey, ports),
    staleSets: [[]],
    rekeyedAtMs: ports.nowMs,
    expiresAtMs: ports.nowMs + configuration.rekeying.lifetimeS * 1000,
    algorithmsSince: 0,
    leavesWaiting: 0,
    firstLeaveAtMs: undefined,
    newcomers: [],
  }
  return { stored, secrets, members: new Map() }
}

export function openGroup(stored: StoredGroup, members: Iterable<StoredMember>, sealer: SecretSealer): GroupState {
  const [masterSecret, masterSalt, raw] = listOf(decodeCbor(sealer.open(stored.sealedKeys)))
  if (!(masterSecret instanceof Uint8Array) || !(masterSalt instanceof Uint8Array) || !(raw instanceof Uint8Array)) {
    throw new AppError('store.corrupt', 'The keys of a security group cannot be read', { details: { group: stored.name } })
  }
  const privateKey = importPrivateKey(stored.configuration.curve, raw)
  return { stored, secrets: { masterSecret, masterSalt, privateKey }, members: new Map([...members].map((one) => [one.identity, one])) }
}

/** New Master Secret, Master Salt and Gid, a new version, an empty set of stale Sender IDs. Gids of a group only rise. */
export function rekeyed(
  state: GroupState,
  ports: StatePorts,
  options: { readonly newcomers?: readonly Uint8Array[]; readonly freshPrefix?: (prefix: string) => boolean } = {},
): GroupState {
  const { stored } = state
  const secrets: GroupSecrets = { ...freshSecrets(ports.random), privateKey: state.secrets.privateKey }
  const moved = options.freshPrefix !== undefined
  const gid =
    options.freshPrefix === undefined
      ? nextGid(stored.gid)
      : concatBytes(freePrefix(ports.random, options.freshPrefix), new Uint8Array(EPOCH_BYTES))
  const kept = stored.staleSets.slice(-(stored.configuration.maxStaleSets - 1))
  return {
    ...state,
    secrets,
    stored: {
      ...stored,
      gid,
      generation: stored.generation + (moved ? GENERATIONS_SKIPPED : 1),
      sealedKeys: sealSecrets(secrets, stored.configuration.curve, ports.sealer),
      // What a copy of the file has given out meanwhile nobody knows: no set tells it.
      staleSets: moved ? [[]] : [...kept, []],
      rekeyedAtMs: ports.nowMs,
      expiresAtMs: ports.nowMs + stored.configuration.rekeying.lifetimeS * 1000,
      leavesWaiting: 0,
      firstLeaveAtMs: undefined,
      newcomers: options.newcomers ?? [],
    },
  }
}

function nextGid(gid: Uint8Array): Uint8Array {
  const view = new DataView(gid.buffer, gid.byteOffset, gid.byteLength)
  const epoch = view.getUint32(PREFIX_BYTES)
  if (epoch === MAX_EPOCH) throw new AppError('internal', 'A group has had all its Gids')
  const next = gid.slice()
  new DataView(next.buffer).setUint32(PREFIX_BYTES, epoch + 1)
  return next
}

export function gidPrefix(gid: Uint8Array): string {
  return toHex(gid.subarray(0, PREFIX_BYTES))
}

function freePrefix(random: Random, isFree: (prefix: string) => boolean): Uint8Array {
  for (;;) {
    const prefix = random.bytes(PREFIX_BYTES)
    if (isFree(toHex(prefix))) return prefix
  }
}

function freshSecrets(random: Random): Pick<GroupSecrets, 'masterSecret' | 'masterSalt'> {
  return { masterSecret: random.bytes(SECRET_BYTES), masterSalt: random.bytes(SALT_BYTES) }
}

function sealSecrets(secrets: GroupSecrets, _curve: Curve, sealer: SecretSealer): Uint8Array {
  return sealer.seal(encodeCbor([secrets.masterSecret, secrets.masterSalt, exportPrivateKey(secrets.privateKey)]))
}

// ---- Sender IDs ----------------------------------------------------------------------------------------------------

/** Those that somebody has, or had under the present Gid. */
function usedIds({ stored, members }: GroupState): ReadonlySet<string> {
  const used = new Set((stored.staleSets.at(-1) ?? []).map(toHex))
  for (const { senderId } of members.values()) if (senderId !== undefined) used.add(toHex(senderId))
  return used
}

/** The shortest and lowest that nobody has had under the present Gid; undefined where all are used (§6.3). */
export function freeSenderId(state: GroupState): Uint8Array | undefined {
  const used = usedIds(state)
  const longest = Math.min(maxSenderIdBytes(state.stored.configuration), 4)
  for (let length = 1; length <= longest; length++) {
    const limit = 256 ** length
    for (let value = 0; value < limit && value <= used.size; value++) {
      const id = bigEndian(value, length)
      if (!used.has(toHex(id))) return id
    }
  }
  return undefined
}

/** How many Sender IDs are free under the present Gid, as far as anybody counts. */
export function freeSenderIds(state: GroupState): number {
  const longest = Math.min(maxSenderIdBytes(state.stored.configuration), 4)
  let all = 0
  for (let length = 1; length <= longest; length++) all += 256 ** length
  return Math.max(0, all - usedIds(state).size)
}

function bigEndian(value: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Math.floor(value / 256 ** (length - 1 - index)) % 256)
}

/** The Sender ID belongs to nobody any more, and to nobody again before the next rekeying (§7.1). */
function withStale(stored: StoredGroup, senderId: Uint8Array | undefined): StoredGroup {
  if (senderId === undefined) return stored
  const current = stored.staleSets.at(-1) ?? []
  return { ...stored, staleSets: [...stored.staleSets.slice(0, -1), [...current, senderId]] }
}

// ---- Members -------------------------------------------------------------------------------------------------------

/** A new member, or one that joins again: then its Sender ID must be another, and the old one is stale. */
export function withMember(state: GroupState, member: StoredMember): GroupState {
  const before = state.members.get(member.identity)
  const relinquished = before?.senderId !== undefined && !isSame(before.senderId, member.senderId) ? before.senderId : undefined
  const members = new Map(state.members)
  members.set(member.identity, member)
  return { ...state, stored: withStale(state.stored, relinquished), members }
}

/** Changes that touch no Sender ID. */
export function withChange(state: GroupState, identity: string, change: Partial<StoredMember>): GroupState {
  const member = state.members.get(identity)
  if (member === undefined) return state
  const members = new Map(state.members)
  members.set(identity, { ...member, ...change })
  return { ...state, members }
}

/** Members that go: their Sender IDs are stale, and the group wants new keys (§10). */
export function withoutMembers(state: GroupState, identities: readonly string[], nowMs: number): GroupState {
  const members = new Map(state.members)
  let { stored } = state
  for (const identity of identities) {
    const member = members.get(identity)
    if (member === undefined) continue
    members.delete(identity)
    stored = withStale(stored, member.senderId)
    stored = { ...stored, leavesWaiting: stored.leavesWaiting + 1, firstLeaveAtMs: stored.firstLeaveAtMs ?? nowMs }
  }
  return { ...state, stored, members }
}

export function withConfiguration(state: GroupState, configuration: GroupConfiguration): GroupState {
  const { stored } = state
  // Other algorithms come with the next version.
  const algorithmsSince = changesAlgorithms(stored.configuration, configuration) ? stored.generation + 1 : stored.algorithmsSince
  return { ...state, stored: { ...stored, configuration, algorithmsSince, staleSets: stored.staleSets.slice(-configuration.maxStaleSets) } }
}

/** Stale Sender IDs since a version; undefined where that is longer ago than is kept (§11.3.1). */
export function staleSince({ generation, staleSets }: StoredGroup, version: number): readonly Uint8Array[] | undefined {
  const skew = generation - version + 1
  if (skew > staleSets.length) return undefined
  const seen = new Map(staleSets.slice(-skew).flatMap((set) => set.map((id): [string, Uint8Array] => [toHex(id), id])))
  return [...seen.values()]
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && toHex(a) === toHex(b)
}
