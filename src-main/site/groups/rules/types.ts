// What the checks look at, as plain values: they are pure, and each is told only of its subject and of what that depends on.
import type { DeviceId } from '#main/base/index.ts'
import type { AllocationSettings, DeviceType, MulticastScope, NamingSettings } from '#contract/model.ts'

export interface CheckedMember {
  readonly deviceId: DeviceId
  readonly name: string
  readonly type: DeviceType
  readonly channelId: string | null
  /** The device holds the group as it is wished; it holds it at another address or port; neither is known. */
  readonly applied: 'as-wished' | 'elsewhere' | 'unknown'
  /** Has no keys of a security group that it needs. */
  readonly keyless: boolean
}

export interface CheckedSite {
  readonly naming: NamingSettings
  readonly allocation: AllocationSettings
  /** Whether devices are behind frames so small that a request may take several. */
  readonly hasMesh: boolean
  isMesh(channelId: string): boolean
}

export interface CheckedGroup {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly port: number
  readonly secured: boolean
  readonly members: readonly CheckedMember[]
  /** Devices of the group's room that could be in it, by what they are for. */
  readonly roomMembers: number
  readonly roomClients: number
  /** Other groups that have the same name as it travels. */
  readonly namesakes: readonly string[]
}

export interface CheckedCoapGroup {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly port: number
  readonly allocated: boolean
  readonly fitsPolicy: boolean
  /** Names of the application groups that it serves. */
  readonly groups: readonly string[]
  readonly members: readonly CheckedMember[]
  /** The smallest scope that reaches the members; undefined while none is known. */
  readonly neededScope: MulticastScope | undefined
  /** Other CoAP groups at the same address, in the same Ethernet group, and in the same 16-bit IEEE 802.15.4 group. */
  readonly sameAddress: readonly string[]
  readonly sameEthernet: readonly string[]
  readonly sameMesh: readonly string[]
  /** Whether the usual port is free at its address. */
  readonly usualPortFree: boolean
}

export interface CheckedDevice {
  readonly id: DeviceId
  readonly name: string
  /** Places of its group table; null: it does not say. */
  readonly places: number | null
  readonly wanted: number
  /** Of those, memberships that it does not have yet. */
  readonly planned: number
}
