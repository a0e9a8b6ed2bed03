// What the Group Manager tells the rooms above, and the ports that it is given.
import type { GroupConfiguration } from './configuration.ts'

/** Roles in a group (key-groupcomm-oscore-21 §3). */
export interface Roles {
  readonly requester: boolean
  readonly responder: boolean
  readonly monitor: boolean
  readonly verifier: boolean
}

/** Seals what is kept on disk: keys, secrets. Who has not got its key reads nothing. `open` throws for what it has not sealed. */
export interface SecretSealer {
  seal(plain: Uint8Array): Uint8Array
  open(sealed: Uint8Array): Uint8Array
}

/** Whom a device may be: what an access token of an ACE authorisation server would say (RFC 9594 §3). */
export interface GroupPermission {
  readonly group: string
  /** Everything that it may ask for, any combination of it included. */
  readonly roles: Roles
}

/** What an administrator may do to groups of matching names (gm-admin-17 §3). Listing is always part of it. */
export interface AdminPermission {
  /** true: any name; text: that name; pattern: an I-Regexp (RFC 9485). */
  readonly names: true | string | { readonly pattern: string }
  readonly create?: boolean
  readonly read?: boolean
  readonly write?: boolean
  readonly delete?: boolean
}

/** An authorisation record: what one enrolled device may do here. */
export interface Authorisation {
  /** Name of the OSCORE context that it was enrolled with: `IncomingRequest.peer.name`. */
  readonly identity: string
  readonly groups: readonly GroupPermission[]
  readonly admin?: readonly AdminPermission[]
  /** Milliseconds since the Unix epoch; its memberships end with it. */
  readonly notAfterMs?: number
  /** Credentials whose private keys it has proven already to possess, e.g. when it was enrolled. */
  readonly provenCredentials?: readonly Uint8Array[]
}

/**
 * What is known of the keys that a member has. `current`: it has confirmed the newest; `told`: they were given to it, it has not confirmed;
 * `behind`: they are on their way.
 */
export type MemberKeys = 'current' | 'told' | 'behind'

export interface MemberStatus {
  readonly identity: string
  /** Last segment of its own resource, the same as long as it is a member. */
  readonly node: string
  /** Absent in monitors. */
  readonly senderId: Uint8Array | undefined
  readonly credential: Uint8Array | undefined
  readonly roles: Roles
  readonly joinedAtMs: number
  /** Version of the keying material that it is known, or believed, to have. */
  readonly generation: number
  readonly keys: MemberKeys
  /** New keys are brought to it; else it has to ask or to observe. */
  readonly reachable: boolean
  /** So often has the present rekeying failed to reach it. */
  readonly failures: number
}

export interface GroupStatus {
  readonly name: string
  readonly configuration: GroupConfiguration
  readonly gid: Uint8Array
  readonly generation: number
  readonly rekeyedAtMs: number
  readonly expiresAtMs: number
  readonly members: number
  /** Members whose newest keys are on their way. */
  readonly behind: number
  /** Members that were given the newest keys by an answer, and have not confirmed them. */
  readonly unconfirmed: number
  /** Members that fit besides, and whose Sender IDs are free under this Gid. */
  readonly room: number
  /** Leaves that wait for the next rekeying, and when that is due. */
  readonly leavesWaiting: number
  readonly rekeyDueAtMs: number | undefined
}

export type GroupEventKind = 'created' | 'configured' | 'deleted' | 'joined' | 'left' | 'evicted' | 'renewed' | 'rekeyed' | 'delivered'

export interface GroupEvent {
  readonly kind: GroupEventKind
  readonly group: string
  /** The member that it is about. */
  readonly identity?: string
  readonly generation: number
  readonly atMs: number
}

/** A group that is announced for discovery. */
export interface PublishedGroup {
  readonly name: string
  /** Path of the group-membership resource. */
  readonly path: string
  readonly configuration: GroupConfiguration
}
