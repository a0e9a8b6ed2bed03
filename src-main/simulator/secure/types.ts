// What a demo device knows of its keys, and what others see of it (docs/demo-devices.md).

/** An OSCORE context with the tool, as whoever enrols the device brings it: SHA-256, AES-CCM-16-64-128, no ID Context. */
export interface DeviceEnrolment {
  readonly masterSecret: Uint8Array
  readonly masterSalt: Uint8Array
  /** Sender ID of the device. */
  readonly deviceId: Uint8Array
  /** Sender ID of the tool. */
  readonly toolId: Uint8Array
}

export type MemberRole = 'requester' | 'responder' | 'monitor'

/** What a device was told of a security group. */
export interface SecurityBinding {
  /** Its name at the Group Manager. */
  readonly name: string
  /** URI of the group-membership resource there. */
  readonly manager: string
  readonly roles: readonly MemberRole[]
  /** Application groups that take requests under this group's keys only. */
  readonly apps: readonly string[]
  /** It was put out of the group, and joins only when it is told to again. */
  readonly evicted: boolean
}

export interface SecurityMemory {
  readonly enrolment: DeviceEnrolment
  /** Sender Sequence Numbers below this one may have been used. */
  readonly reserved: number
  readonly bindings: readonly SecurityBinding[]
}

export type JoinState = 'joining' | 'joined' | 'failed'

export interface SecurityGroupView {
  readonly name: string
  readonly state: JoinState
  /** Version of the keys that it holds; 0: none. */
  readonly generation: number
  readonly apps: readonly string[]
  /** Why it failed. */
  readonly reason: string
}

export interface DeviceSecurityView {
  readonly enrolled: boolean
  readonly groups: readonly SecurityGroupView[]
  /** Group requests that came without protection, and those under keys of others. */
  readonly ignored: { readonly unprotected: number; readonly foreign: number }
}

/** Who has protected a request, as the security layer has proven it; undefined: nobody. */
export type Sender = { readonly kind: 'tool' } | { readonly kind: 'group'; readonly name: string }

export const PLACES = 4
