// A device profile: how devices of one kind are recognised, identified, and given their groups. The only place that knows
// what a device type wants to hear; the declarative kind reads it from a YAML file.
import type { DeviceId, SocketAddress } from '#main/base/index.ts'
import type { ClientRequest, ClientResponse, CoapClient, Link } from '#main/wire/coap/index.ts'
import type { DeviceType } from '#contract/model.ts'

/** Where a device is reached, and by which channel's client. */
export interface DeviceContact {
  readonly client: CoapClient
  readonly at: SocketAddress
  /** Who it is, where the inventory knows it: some kinds have keys of their own for each device. */
  readonly deviceId?: DeviceId
  readonly serial?: string
}

/** What a device says of itself. */
export interface DeviceIdentity {
  readonly eui64: string | undefined
  readonly serial: string | undefined
  readonly model: string | undefined
  readonly type: DeviceType
}

/** An entry of a device's group table. */
export interface GroupTableEntry {
  /** Application group name. */
  readonly name: string
  readonly address: string
  /** 0 where something of the entry is there, but the device does not listen by it. */
  readonly port: number
}

/** The group that a request is about: application group and the CoAP group that serves it. */
export interface GroupTarget {
  readonly name: string
  readonly address: string
  readonly port: number
}

export interface ProfileAction {
  readonly id: string
  readonly label: string
  /** Device types that react to it. */
  readonly types: readonly DeviceType[]
}

export interface TableResource {
  readonly request: ClientRequest
  /** Throws `profile.reply-unexpected` for an answer that holds no group table. */
  read(response: ClientResponse): readonly GroupTableEntry[]
}

/** What a member's state must read after an action. */
export type StateVerdict = 'as-commanded' | 'different' | 'unreadable'

/** How much a device of this kind can hold; undefined where nothing is known of it. */
export interface ProfileCapacity {
  /** Group memberships. */
  readonly memberships?: number | undefined
  /** Group keys. */
  readonly keys?: number | undefined
}

export interface DeviceProfile {
  readonly id: string
  readonly name: string
  readonly actions: readonly ProfileAction[]
  readonly capacity?: ProfileCapacity | undefined
  /** `none`: its groups cannot be set over CoAP; they are set by other means. Devices have a group table unless told. */
  readonly groupTable?: 'none'
  /** A group that nobody uses, for trials; any unused address will do where it is absent. */
  readonly trialGroup?: () => GroupTarget
  /** Counts only where no other profile recognises the device, and all that it says of itself was read. */
  readonly isFallback?: true
  /** Whether the links of `/.well-known/core` are those of such a device. */
  recognises(links: readonly Link[]): boolean
  readIdentity(contact: DeviceContact, signal?: AbortSignal): Promise<DeviceIdentity>
  /** Makes the device show itself for some seconds. */
  identify(contact: DeviceContact, seconds: number, signal?: AbortSignal): Promise<void>
  readMemberships(contact: DeviceContact, signal?: AbortSignal): Promise<readonly GroupTableEntry[]>
  /** The resource that the group table is read from, where it is one: it may be observable. */
  readonly table?: TableResource
  /** Adds or replaces the entry of that name. */
  writeMembership(contact: DeviceContact, group: GroupTarget, signal?: AbortSignal): Promise<void>
  removeMembership(contact: DeviceContact, group: GroupTarget, signal?: AbortSignal): Promise<void>
  /** The requests that `writeMembership` / `removeMembership` would send, as text for people. */
  describe(change: 'add' | 'update' | 'remove', group: GroupTarget): readonly string[]
  /** The request to send to the group for an action; undefined when the profile has no such action. */
  groupRequest(actionId: string, group: GroupTarget): ClientRequest | undefined
  /** Reads a member's state back by unicast and compares it with what the action should have brought about. */
  readBack(contact: DeviceContact, actionId: string, group: GroupTarget, signal?: AbortSignal): Promise<StateVerdict>
}

/** What rules may count on: an absent limit is not known, which is not the same as none. */
export function capacityOf(profile: Pick<DeviceProfile, 'capacity' | 'groupTable'> | undefined): ProfileCapacity {
  if (profile?.groupTable === 'none') return { memberships: undefined, keys: undefined }
  return { memberships: profile?.capacity?.memberships, keys: profile?.capacity?.keys }
}
