// The port behind which a Group Manager keeps what must survive it. Secrets come sealed; nothing here can be read from the file alone.
import type { SocketAddress } from '#main/base/index.ts'
import type { GroupConfiguration } from './configuration.ts'
import type { Roles } from './scope.ts'
import type { Authorisation, MemberKeys } from './types.ts'

export interface StoredGroup {
  readonly name: string
  readonly configuration: GroupConfiguration
  readonly gid: Uint8Array
  /** Version number of the keying material. */
  readonly generation: number
  /** Master Secret, Master Salt and the Group Manager's private key, sealed. */
  readonly sealedKeys: Uint8Array
  /** The Group Manager's own credential in the group. */
  readonly credential: Uint8Array
  /** Sets of stale Sender IDs, oldest first; the last belongs to the present version (key-groupcomm-oscore-21 §7.1). */
  readonly staleSets: ReadonlyArray<readonly Uint8Array[]>
  readonly rekeyedAtMs: number
  readonly expiresAtMs: number
  /** The version that came with the present algorithms: members with older keys are told of these, too. */
  readonly algorithmsSince: number
  readonly leavesWaiting: number
  readonly firstLeaveAtMs: number | undefined
  /** Sender IDs of those whose joining the present version is due to. */
  readonly newcomers: readonly Uint8Array[]
}

/** Where a member takes new keys: a resource of its own at the address that it is heard from. */
export interface ControlPoint {
  readonly path: readonly string[]
  readonly query: readonly string[]
  readonly port: number
}

export interface StoredMember {
  readonly group: string
  readonly identity: string
  readonly node: string
  readonly senderId: Uint8Array | undefined
  readonly credential: Uint8Array | undefined
  readonly roles: Roles
  /** Scope and N_C of the last Join Request, as received. */
  readonly scope: Uint8Array
  readonly clientNonce: Uint8Array
  readonly control: ControlPoint | undefined
  /** The OSCORE context that it was last heard with, where, and on which channel. */
  readonly context: string
  readonly address: SocketAddress
  readonly channelId: string
  readonly joinedAtMs: number
  readonly generation: number
  readonly keys: Exclude<MemberKeys, 'behind'>
}

/** An access token that was taken: the rights and the OSCORE contexts that came from it (RFC 9203 §4). */
export interface StoredGrant {
  /** The identifier of the OSCORE Input Material. */
  readonly id: Uint8Array
  readonly identity: string
  readonly scope: Uint8Array
  readonly expiresAtMs: number
  /** OSCORE Input Material, and of the context in use nonces and IDs, sealed. */
  readonly sealedMaterial: Uint8Array
}

export interface GroupManagerStore {
  /** All or nothing, and on the disk when it returns. */
  transaction<Result>(work: () => Result): Result
  groups(): readonly StoredGroup[]
  saveGroup(group: StoredGroup): void
  /** With its members. */
  removeGroup(name: string): void
  members(): readonly StoredMember[]
  saveMember(member: StoredMember): void
  removeMember(group: string, identity: string): void
  authorisations(): readonly Authorisation[]
  saveAuthorisation(record: Authorisation): void
  removeAuthorisation(identity: string): void
  grants(): readonly StoredGrant[]
  saveGrant(grant: StoredGrant): void
  removeGrant(id: Uint8Array): void
  /** Key between authorisation server and Group Manager, sealed. */
  tokenKey(): Uint8Array | undefined
  saveTokenKey(sealed: Uint8Array): void
}
