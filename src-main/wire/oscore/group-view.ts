// What exchanges and replies see of a group, and how its members are told to the rooms above.
import type { PeerIdentity } from '#main/base/index.ts'
import type { GroupContext } from './group-context.ts'
import type { Recipient } from './members.ts'

/** A group's member as its message has proven it. */
export interface GroupPeer extends PeerIdentity {
  readonly scheme: 'group-oscore'
  readonly group: string
  readonly gid: Uint8Array
  readonly senderId: Uint8Array
  /** Pairwise messages were meant for this end alone. */
  readonly mode: 'group' | 'pairwise'
}

export interface GroupView {
  readonly name: string
  readonly current: GroupContext
  /** Answers to group-mode requests go in pairwise mode. */
  readonly answersInPairwiseMode: boolean
  /** The context of a Gid that is in use or was until just now. */
  contextOf(gid: Uint8Array): GroupContext | undefined
  peerOf(context: GroupContext, recipient: Recipient, mode: GroupPeer['mode']): GroupPeer
  /** Whether somebody will look for the sender's credential. */
  askFor(senderId: Uint8Array, gid: Uint8Array): boolean
}

export function isGroupPeer(peer: PeerIdentity | undefined): peer is GroupPeer {
  return peer?.scheme === 'group-oscore' && 'senderId' in peer
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}
