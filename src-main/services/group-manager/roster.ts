// Membership and what follows from it: who joins, leaves, is evicted; when the group gets new keys for that, or because the old ones are
// old (key-groupcomm-oscore-21 §6.3, §7, §9.2, §10).
import { AppError, sha256, toHex, utf8, type Clock } from '#main/base/index.ts'
import type { GroupBook } from './book.ts'
import { changesAlgorithms, configurationFault, needsOtherCredentials, maxSenderIdBytes, type GroupConfiguration } from './configuration.ts'
import { Deadline } from './deadline.ts'
import { freeSenderId, withChange, withConfiguration, withMember, withoutMembers, type GroupState } from './group-state.ts'
import type { KeyDelivery } from './rekeying.ts'
import type { StoredMember } from './store.ts'

/** What a Join Request that was found good says. */
export type Joining = Omit<StoredMember, 'node' | 'senderId' | 'joinedAtMs' | 'generation' | 'keys'>

export interface RosterOptions {
  readonly book: GroupBook
  readonly delivery: KeyDelivery
  readonly clock: Clock
  readonly maxMembers: number
  /** Observers have something to hear of the group. */
  readonly onChanged: (group: string, what: 'keys' | 'members' | 'status') => void
  /** Somebody is no member any more. `told`: it hears of it by a request of its own. */
  readonly onGone: (member: StoredMember, told: boolean) => void
}

/** Keys are renewed so long before they expire, at most a tenth of their life. */
const RENEWAL_LEAD_MS = 60_000
/** Former members that are still told what became of them. */
const MAX_FORMER = 4096
const NODE_BYTES = 6
/** More Sender IDs than these do not go stale under one Gid: whoever joins again and again brings on new keys, not a longer list. */
const MAX_STALE = 1024

export class Roster {
  readonly #options: RosterOptions
  readonly #former = new Map<string, string>()
  readonly #deadline: Deadline

  constructor(options: RosterOptions) {
    this.#options = options
    const due = (): number => Math.min(...[...options.book.all()].map((state) => this.dueAtMs(state)))
    this.#deadline = new Deadline(options.clock, due, () => this.#sweep())
  }

  /** Takes up what was under way when the program stopped. */
  start(): void {
    for (const state of this.#options.book.all()) this.#options.delivery.start(state)
    this.#deadline.arm()
  }

  /** Groups have come whose keys grow old, too. */
  arm(): void {
    this.#deadline.arm()
  }

  close(): void {
    this.#deadline.close()
  }

  /** The member under its old Sender ID no more; undefined where there is no Sender ID or no room left. */
  join(name: string, joining: Joining): { readonly state: GroupState; readonly member: StoredMember; readonly again: boolean } | undefined {
    const { book, clock, maxMembers } = this.#options
    const before = this.#relieved(this.#require(name))
    const known = before.members.get(joining.identity)
    if (known === undefined && before.members.size >= maxMembers) return undefined
    const backward = known === undefined && before.stored.configuration.rekeying.onJoin && before.members.size > 0
    // First new keys, so that the newcomer gets them and nothing older; then its place among the members.
    const base = backward ? book.rekey(before) : before
    const senderId = joining.roles.monitor ? undefined : freeSenderId(base)
    if (senderId === undefined && !joining.roles.monitor) return undefined
    const member: StoredMember = {
      ...joining,
      node: known?.node ?? nodeName(base, joining.identity),
      senderId,
      joinedAtMs: clock.now(),
      generation: base.stored.generation,
      keys: 'told',
    }
    const joined = withMember(base, member)
    const state: GroupState =
      backward && senderId !== undefined ? { ...joined, stored: { ...joined.stored, newcomers: [senderId] } } : joined
    book.commit(state)
    this.#former.delete(formerKey(name, joining.identity))
    book.tell('joined', state, joining.identity)
    this.#options.onChanged(name, backward ? 'keys' : 'members')
    this.#options.delivery.start(state)
    this.#deadline.arm()
    return { state, member, again: known !== undefined }
  }

  /** A new Sender ID for a member, the old one is stale; undefined where none is free. */
  renew(name: string, identity: string): StoredMember | undefined {
    const state = this.#require(name)
    const member = state.members.get(identity)
    const senderId = freeSenderId(state)
    if (member === undefined || senderId === undefined) return undefined
    const renewed: StoredMember = { ...member, senderId }
    const next = withMember(state, renewed)
    this.#options.book.commit(next)
    this.#options.book.tell('renewed', next, identity)
    this.#options.onChanged(name, 'members')
    this.#relieved(next)
    return renewed
  }

  /** Changes what does not touch keys. */
  change(name: string, identity: string, change: Partial<Pick<StoredMember, 'credential' | 'clientNonce'>>): void {
    const { book } = this.#options
    book.commit(withChange(this.#require(name), identity, change))
    this.#options.onChanged(name, 'members')
  }

  /** It was given the present keys and its place; whether they have arrived nobody has said yet. */
  markTold(name: string, identity: string, heard: Pick<StoredMember, 'context' | 'address' | 'channelId'>, gotKeys: boolean): void {
    const { book } = this.#options
    const state = book.get(name)
    const member = state?.members.get(identity)
    if (state === undefined || member === undefined) return
    const { generation } = state.stored
    const news = gotKeys && member.generation < generation ? { generation, keys: 'told' as const } : {}
    const moved = JSON.stringify([member.context, member.address, member.channelId]) !== JSON.stringify(Object.values(pickHeard(heard)))
    if (moved || 'keys' in news) book.note(state, { ...member, ...pickHeard(heard), ...news })
    if (!gotKeys) this.#options.delivery.nudge(name, identity)
  }

  /** Ends a membership. A leave may wait with others for the next rekeying; whoever is evicted is locked out at once. */
  end(name: string, identities: readonly string[], why: 'left' | 'evicted', atOnce = why === 'evicted'): void {
    const { book, clock } = this.#options
    const state = this.#require(name)
    const gone = identities.flatMap((identity) => state.members.get(identity) ?? [])
    if (gone.length === 0) return
    const without = withoutMembers(state, identities, clock.now())
    // One commit: no moment in which it is no member and the keys are still its own.
    for (const member of gone) this.#remember(member)
    const due = atOnce || without.stored.leavesWaiting >= without.stored.configuration.rekeying.afterLeaves
    if (due) this.#rekey(without)
    else book.commit(without)
    for (const member of gone) {
      book.tell(why, book.get(name) ?? without, member.identity)
      if (why === 'evicted') {
        if (member.control !== undefined) this.#options.delivery.farewell(member)
        this.#options.onGone(member, member.control !== undefined)
      }
    }
    if (!due) this.#options.onChanged(name, 'members')
    this.#deadline.arm()
  }

  rekeyNow(name: string): void {
    this.#rekey(this.#require(name))
    this.#deadline.arm()
  }

  /** Other algorithms come with new keys; members whose Sender ID is too long for them have to join again (gm-admin-17 §6.6.2). */
  configure(name: string, configuration: GroupConfiguration, expiresAtMs?: number): GroupState {
    const { book, clock } = this.#options
    const fault = configurationFault(configuration)
    if (fault !== undefined)
      throw new AppError('input.invalid', `The configuration is ${fault.kind}`, { details: { reason: fault.detail } })
    const before = this.#require(name)
    if (needsOtherCredentials(before.stored.configuration, configuration)) {
      throw new AppError('input.invalid', 'Other credentials need another group', { details: { reason: 'the kind of the keys' } })
    }
    const changed = withConfiguration(before, configuration)
    const longest = maxSenderIdBytes(configuration)
    const tooLong = [...changed.members.values()].filter(({ senderId }) => senderId !== undefined && senderId.length > longest)
    const rest = withoutMembers(
      changed,
      tooLong.map(({ identity }) => identity),
      clock.now(),
    )
    const state = expiresAtMs === undefined ? rest : { ...rest, stored: { ...rest.stored, expiresAtMs } }
    for (const member of tooLong) this.#remember(member)
    if (changesAlgorithms(before.stored.configuration, configuration)) this.#rekey(state)
    else book.commit(state)
    for (const member of tooLong) {
      if (member.control !== undefined) this.#options.delivery.farewell(member)
      this.#options.onGone(member, member.control !== undefined)
    }
    const now = this.#require(name)
    book.tell('configured', now)
    this.#options.onChanged(name, 'status')
    this.#deadline.arm()
    return now
  }

  remove(name: string): void {
    const state = this.#require(name)
    this.#options.book.remove(name)
    for (const member of state.members.values()) if (member.control !== undefined) this.#options.delivery.announceDeletion(member)
    this.#options.onChanged(name, 'keys')
    this.#deadline.arm()
  }

  /** The node that somebody had as a member before its membership ended. */
  formerNode(name: string, identity: string): string | undefined {
    return this.#former.get(formerKey(name, identity))
  }

  isFormerNode(name: string, node: string | undefined): boolean {
    if (node === undefined) return false
    for (const [key, former] of this.#former) if (former === node && key.startsWith(`${name}\n`)) return true
    return false
  }

  /** When leaves that wait, or age, call for new keys. */
  dueAtMs({ stored }: GroupState): number {
    const { rekeying } = stored.configuration
    const leadMs = Math.min(RENEWAL_LEAD_MS, rekeying.lifetimeS * 100)
    const leaves = stored.firstLeaveAtMs === undefined ? Infinity : stored.firstLeaveAtMs + rekeying.withinMs
    return Math.min(leaves, stored.expiresAtMs - leadMs)
  }

  #rekey(state: GroupState): GroupState {
    const { book, delivery } = this.#options
    const next = book.rekey(state)
    delivery.start(next)
    this.#options.onChanged(next.stored.name, 'keys')
    return next
  }

  #relieved(state: GroupState): GroupState {
    return (state.stored.staleSets.at(-1)?.length ?? 0) < MAX_STALE ? state : this.#rekey(state)
  }

  #sweep(): void {
    const { book, clock } = this.#options
    for (const state of [...book.all()]) if (this.dueAtMs(state) <= clock.now()) this.#rekey(state)
  }

  #remember({ group, identity, node }: StoredMember): void {
    this.#former.set(formerKey(group, identity), node)
    for (const oldest of this.#former.keys()) {
      if (this.#former.size <= MAX_FORMER) break
      this.#former.delete(oldest)
    }
  }

  #require(name: string): GroupState {
    const state = this.#options.book.get(name)
    if (state === undefined) throw new AppError('group.not-found', 'There is no security group of that name', { details: { name } })
    return state
  }
}

function pickHeard({
  context,
  address,
  channelId,
}: Pick<StoredMember, 'context' | 'address' | 'channelId'>): Pick<StoredMember, 'context' | 'address' | 'channelId'> {
  return { context, address, channelId }
}

function formerKey(group: string, identity: string): string {
  return `${group}\n${identity}`
}

/** The same for the same device, and telling nobody else which one it is. */
function nodeName({ members }: GroupState, identity: string): string {
  const taken = new Set([...members.values()].map(({ node }) => node))
  for (let attempt = 0; ; attempt++) {
    const name = `n${toHex(sha256(utf8(`${identity}\n${attempt}`)).subarray(0, NODE_BYTES))}`
    if (!taken.has(name)) return name
  }
}
