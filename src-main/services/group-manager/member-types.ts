// What a member's side is given, and what it is.
import type { Clock, Logger, Random, SocketAddress } from '#main/base/index.ts'
import type { CoapClient, ResourceRegistry } from '#main/wire/coap/index.ts'
import type { OscoreLayer, SecurityGroupOptions, SequenceStore } from '#main/wire/oscore/index.ts'
import type { JoinWish } from './member-joining.ts'
import type { Roles } from './scope.ts'

/** `out`: never was or left. `evicted`, `deleted`: not by its own wish. */
export type MembershipState = 'out' | 'member' | 'evicted' | 'deleted'

export interface GroupMemberClientOptions {
  readonly client: CoapClient
  readonly manager: SocketAddress
  /** Name of the OSCORE context with the Group Manager in the layer. */
  readonly managerContext: string
  readonly layer: OscoreLayer
  readonly groupName: string
  readonly roles: Roles
  /** The credential and its key for such a group; `alg` belongs into the credential. */
  readonly keysFor: JoinWish['keysFor']
  /** Where new keys are taken at any time; without it they have to be asked for. `uri` as the Group Manager shall know it, if not by path alone. */
  readonly control?: { readonly registry: ResourceRegistry; readonly path: string; readonly uri?: string }
  /** The Group Manager has seen proof of the key already, when this device was enrolled. */
  readonly isKeyProven?: boolean
  readonly clock: Clock
  readonly random: Random
  readonly sequences: SequenceStore
  readonly logger: Logger
  readonly group?: Pick<SecurityGroupOptions, 'overlapMs' | 'maxRecipients' | 'answersInPairwiseMode'>
  /** Instead of the interval that the group's policy says; 0: never asks by itself. */
  readonly checkIntervalMs?: number
  readonly onChange?: (state: MembershipState) => void
}
