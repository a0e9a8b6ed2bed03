// A security group as a member sees it: the present Security Context, for a while the one before it, and whom it knows
// (draft-ietf-core-oscore-groupcomm-28 §2.6.3, §12.2, §14.5).
import { AppError, toHex, type Clock, type Timer } from '#main/base/index.ts'
import type { RequestSecurity } from '#main/wire/coap/index.ts'
import { GroupContext } from './group-context.ts'
import { GroupSecurity } from './group-exchange.ts'
import type { GroupContextInput, GroupMemberInput } from './group-material.ts'
import { sameBytes, type GroupPeer, type GroupView } from './group-view.ts'
import { idKey, type Recipient } from './members.ts'
import type { SequenceStore } from './sender-sequence.ts'

export interface SecurityGroupOptions {
  readonly clock: Clock
  readonly sequences: SequenceStore
  /** How long messages under the keys before are still taken after a rekeying; 60 s by default (§14.5). */
  readonly overlapMs?: number
  /** Recipient Contexts that are kept, 16384 by default. */
  readonly maxRecipients?: number
  /** Answers to group-mode requests: in the mode of the request by default. */
  readonly answersInPairwiseMode?: boolean
  /** Somebody whose credential is not known has sent; at most once a minute for each and for so many at a time. Give it to `addMember`. */
  readonly onUnknownMember?: (senderId: Uint8Array, gid: Uint8Array) => void
}

const DEFAULT_OVERLAP_MS = 60_000
const DEFAULT_MAX_RECIPIENTS = 16_384
const ASK_AGAIN_MS = 60_000
const MAX_ASKED = 64
const MAX_GIDS = 4096

export class SecurityGroup implements GroupView {
  readonly name: string
  readonly #options: SecurityGroupOptions
  readonly #changed = new Set<() => void>()
  /** Senders whose credential was asked for, with the time. */
  readonly #asked = new Map<string, number>()
  /** Gids that this member had; none may come back with other keys. */
  readonly #usedGids = new Set<string>()
  #current: GroupContext
  #previous: GroupContext | undefined
  #overlap: Timer | undefined

  constructor(input: GroupContextInput, options: SecurityGroupOptions) {
    this.name = input.groupName
    this.#options = options
    this.#current = this.#make(input)
  }

  get current(): GroupContext {
    return this.#current
  }

  get answersInPairwiseMode(): boolean {
    return this.#options.answersInPairwiseMode === true
  }

  get previous(): GroupContext | undefined {
    return this.#previous
  }

  /** The context of a Gid that is in use or was until just now. */
  contextOf(gid: Uint8Array): GroupContext | undefined {
    if (sameBytes(gid, this.#current.gid)) return this.#current
    return this.#previous !== undefined && sameBytes(gid, this.#previous.gid) ? this.#previous : undefined
  }

  /**
   * Goes over to new keys: what is sent from now on is protected with them. Messages under the old ones are taken until the overlap is
   * over, but of nobody who is no member any more. Fails with `input.invalid` for a Gid that the group had before (§12.2.1.1).
   */
  rekey(input: GroupContextInput): void {
    if (input.groupName !== this.name) throw new AppError('input.invalid', 'These are the keys of another group')
    const next = this.#make(input)
    const before = this.#current
    for (const id of before.members.ids()) if (!isSameMember(before, next, id)) before.members.remove(id)
    this.#previous = before
    this.#current = next
    this.#asked.clear()
    this.#overlap?.cancel()
    this.#overlap = this.#options.clock.setTimer(this.#options.overlapMs ?? DEFAULT_OVERLAP_MS, () => this.forgetPrevious())
    this.#tell()
  }

  /** A new Sender ID under the same keys (§2.6.3.1): the number space begins anew, what others have sent stays known as before. */
  changeSenderId(input: GroupContextInput): void {
    if (input.groupName !== this.name || !sameBytes(input.gid, this.#current.gid)) {
      throw new AppError('input.invalid', 'A new Sender ID comes with the Gid in use')
    }
    this.#current = new GroupContext({ ...input, received: 'unknown' }, this.#ports(), 'fresh')
    this.#tell()
  }

  /** Ends the overlap. */
  forgetPrevious(): void {
    this.#overlap?.cancel()
    this.#previous = undefined
    this.#tell()
  }

  addMember(member: GroupMemberInput): void {
    this.#current.members.add(member)
    this.#asked.delete(idKey(member.senderId))
  }

  /** Stale Sender IDs: neither keys nor credentials of theirs are used any more (§12.2). */
  removeMembers(senderIds: readonly Uint8Array[]): void {
    for (const id of senderIds) {
      this.#current.members.remove(id)
      this.#previous?.members.remove(id)
    }
  }

  /** Protects for the whole group (§7). */
  groupMode(): RequestSecurity {
    if (this.#current.common.groupMode === undefined) throw new AppError('input.invalid', 'The group has no group mode')
    return new GroupSecurity(this, undefined)
  }

  /** Protects for one member alone (§8). Fails with `oscore.member-unknown`. */
  pairwise(senderId: Uint8Array): RequestSecurity {
    const recipient = this.#current.members.recipient(senderId)
    if (recipient === undefined) throw new AppError('oscore.member-unknown', 'Nobody in the group has that Sender ID')
    if (this.#current.common.pairwiseMode === undefined) throw new AppError('input.invalid', 'The group has no pairwise mode')
    return new GroupSecurity(this, recipient.credential.bytes)
  }

  peerOf(context: GroupContext, recipient: Recipient, mode: GroupPeer['mode']): GroupPeer {
    const { id: senderId, fingerprint } = recipient
    return { scheme: 'group-oscore', name: `${this.name} ${fingerprint}`, group: this.name, gid: context.gid, senderId, mode }
  }

  /** Whether somebody will look for the sender's credential. */
  askFor(senderId: Uint8Array, gid: Uint8Array): boolean {
    const { onUnknownMember, clock } = this.#options
    if (onUnknownMember === undefined || !sameBytes(gid, this.#current.gid)) return false
    const key = idKey(senderId)
    const nowMs = clock.monotonicMs()
    for (const [asked, atMs] of this.#asked) {
      if (nowMs - atMs < ASK_AGAIN_MS) break
      this.#asked.delete(asked)
    }
    if (this.#asked.has(key)) return true
    if (this.#asked.size >= MAX_ASKED) return false
    this.#asked.set(key, nowMs)
    onUnknownMember(senderId.slice(), gid.slice())
    return true
  }

  /** Told when Gids come or go. */
  onChanged(listener: () => void): () => void {
    this.#changed.add(listener)
    return () => this.#changed.delete(listener)
  }

  close(): void {
    this.#overlap?.cancel()
    this.#changed.clear()
  }

  #tell(): void {
    for (const listener of this.#changed) listener()
  }

  #ports(): { readonly sequences: SequenceStore; readonly maxRecipients: number } {
    return { sequences: this.#options.sequences, maxRecipients: this.#options.maxRecipients ?? DEFAULT_MAX_RECIPIENTS }
  }

  #make(input: GroupContextInput): GroupContext {
    const gid = toHex(input.gid)
    if (this.#usedGids.has(gid)) throw new AppError('input.invalid', 'The group had this Gid before')
    const context = new GroupContext(input, this.#ports())
    if (this.#usedGids.size >= MAX_GIDS) {
      const oldest = this.#usedGids.values().next().value
      if (oldest !== undefined) this.#usedGids.delete(oldest)
    }
    this.#usedGids.add(gid)
    return context
  }
}

/** Whether the same credential stands behind the Sender ID in both. */
function isSameMember(before: GroupContext, next: GroupContext, senderId: Uint8Array): boolean {
  const old = before.members.credentialOf(senderId)
  const now = next.members.credentialOf(senderId)
  return old !== undefined && now !== undefined && sameBytes(old, now)
}
