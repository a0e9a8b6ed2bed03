// A member's side: joins a group at its Group Manager, keeps its keys and its knowledge of the others up to date, takes up what it
// missed, and leaves (key-groupcomm-oscore-21 §6, §9, §11.2, §11.3).
import { AppError, encodeCbor, equalBytes, isAbort, toAppError, type Timer } from '#main/base/index.ts'
import { type ClientRequest, type ClientResponse, type IncomingRequest, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { SecurityGroup, type GroupContextInput, type GroupMemberInput } from '#main/wire/oscore/index.ts'
import { ErrorId, Param } from './labels.ts'
import { joinGroup, type JoinOutcome, type MemberKeyPair } from './member-joining.ts'
import {
  encodeGroupcomm,
  errorIdOf,
  idKey,
  readAnswer,
  readCheckIntervalS,
  readKeys,
  readMembers,
  responseError,
  type GroupAlgorithms,
  type KeyMessage,
} from './member-messages.ts'
import { bytesOf, byteStringsOf, readFields, readItem, uintOf } from './reading.ts'
import type { GroupMemberClientOptions, MembershipState } from './member-types.ts'

/** A place in the group, and what it was given with it. */
interface Membership {
  readonly node: string
  readonly keys: MemberKeyPair
  readonly managerCredential: Uint8Array
  readonly group: SecurityGroup
  algorithms: GroupAlgorithms
  senderId: Uint8Array | undefined
  last: KeyMessage
  checkIntervalMs: number
  active: boolean
}

const DEFAULT_CHECK_MS = 3_600_000
const LONGEST_TIMER_MS = 86_400_000

export class GroupMemberClient {
  readonly #options: GroupMemberClientOptions
  readonly #members = new Map<string, GroupMemberInput>()
  #membership: Membership | undefined
  #state: MembershipState = 'out'
  #timer: Timer | undefined
  #takeDown: (() => void) | undefined
  /** One change after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: GroupMemberClientOptions) {
    this.#options = options
  }

  get state(): MembershipState {
    return this.#state
  }

  /** To talk with; undefined while it is no member, and while the group is not active: then nobody talks (§9.9). */
  get group(): SecurityGroup | undefined {
    return this.active ? this.#membership?.group : undefined
  }

  /** Whether the group is active, as it has heard last. */
  get active(): boolean {
    return this.#membership?.active === true
  }

  get generation(): number | undefined {
    return this.#membership?.last.generation
  }

  get senderId(): Uint8Array | undefined {
    return this.#membership?.senderId
  }

  get nodeName(): string | undefined {
    return this.#membership?.node
  }

  /** Members that it knows besides itself. */
  get members(): readonly GroupMemberInput[] {
    return [...this.#members.values()]
  }

  /** Joins, or joins again. Fails with `coap.response-error` (details: code, errorId), `crypto.authentication-failed`, and as requests do. */
  join(signal?: AbortSignal): Promise<SecurityGroup> {
    return this.#alone(() => this.#join(signal))
  }

  /** Asks whether there is something new, and takes up whatever was missed. */
  refresh(): Promise<void> {
    return this.#alone(() => this.#refresh())
  }

  /** A new Sender ID under the present keys (§9.2). */
  renew(): Promise<void> {
    return this.#alone(async () => {
      const membership = this.#require()
      const response = await this.#ask({ method: 'POST', path: this.#nodePath(membership) })
      const senderId = bytesOf(readAnswer(response).get(Param.GROUP_SENDER_ID))
      if (senderId === undefined) throw responseError(response)
      membership.senderId = senderId
      membership.group.changeSenderId(this.#input(membership, membership.last))
    })
  }

  /** Tells the Group Manager and forgets the keys; these are gone also where it cannot be told. */
  leave(): Promise<void> {
    return this.#alone(async () => {
      const membership = this.#require()
      this.#end('out')
      const response = await this.#ask({ method: 'DELETE', path: this.#nodePath(membership) })
      if (response.code !== '2.02') throw responseError(response)
    })
  }

  /** Learns of members that have joined since. */
  refreshMembers(): Promise<void> {
    return this.#alone(() => this.#fetchMembers(this.#require()))
  }

  /** Forgets everything without telling anybody. */
  close(): void {
    if (this.#membership !== undefined) this.#end('out')
  }

  // ---- Joining ---------------------------------------------------------------------------------------------------

  async #join(signal: AbortSignal | undefined): Promise<SecurityGroup> {
    const { groupName, roles, random, control, keysFor, isKeyProven = false } = this.#options
    const controlUri = control === undefined ? undefined : (control.uri ?? control.path)
    this.#hang()
    try {
      const wish = { groupName, roles, random, keysFor, isKeyProven, controlUri }
      return this.#install(await joinGroup(wish, (request) => this.#ask(request, signal)))
    } catch (thrown) {
      if (this.#membership === undefined) this.#unhang()
      throw thrown
    }
  }

  #install({ fields, message, ...place }: JoinOutcome): SecurityGroup {
    const { layer, clock, sequences } = this.#options
    this.#members.clear()
    this.#know(message.members)
    const base = { ...place, algorithms: message.algorithms, senderId: message.senderId, last: message }
    const checkIntervalMs = this.#options.checkIntervalMs ?? (readCheckIntervalS(fields) ?? DEFAULT_CHECK_MS / 1000) * 1000
    const known = this.#membership
    const input = this.#input(base, message)
    let group = known?.group
    if (group === undefined) {
      const onUnknownMember = (senderId: Uint8Array): void => this.#learn(senderId)
      group = new SecurityGroup(input, { clock, sequences, ...this.#options.group, onUnknownMember })
      layer.addGroup(group)
    } else if (equalBytes(group.current.gid, message.gid)) group.changeSenderId(input)
    else group.rekey(input)
    if (known?.active === false) layer.addGroup(group)
    this.#membership = { ...base, group, checkIntervalMs, active: true }
    this.#become('member')
    this.#arm()
    return group
  }

  // ---- Keeping up ------------------------------------------------------------------------------------------------

  /** New keys from whichever way (§11.2). Nothing older than what is there is taken. */
  async #take(message: KeyMessage): Promise<void> {
    const membership = this.#require()
    const { last, group } = membership
    const isSame = message.generation === last.generation && equalBytes(message.gid, last.gid)
    const isOther = isSame && message.senderId !== undefined && !sameId(message.senderId, membership.senderId)
    if (isOther) {
      membership.senderId = message.senderId
      group.changeSenderId(this.#input(membership, message))
    }
    if (message.generation <= last.generation) return
    const stale =
      message.generation === last.generation + 1 && message.stale !== undefined ? message.stale : await this.#staleSince(last.generation)
    const others = stale?.filter((id) => !sameId(id, membership.senderId))
    if (others === undefined) this.#members.clear()
    for (const id of others ?? []) this.#members.delete(idKey(id))
    this.#know(message.members)
    const lostId = stale !== undefined && others?.length !== stale.length && message.senderId === undefined
    if (message.algorithms !== undefined) membership.algorithms = message.algorithms
    if (message.senderId !== undefined) membership.senderId = message.senderId
    membership.last = message
    group.rekey(this.#input(membership, message))
    this.#arm()
    this.#options.onChange?.(this.#state)
    // The own Sender ID is another by now, or nobody is known any more: both are asked for behind the answer.
    if (lostId) this.#later(() => this.#fetchOwn())
    if (others === undefined) this.#later(() => this.#fetchMembers(this.#require()))
  }

  /** Undefined where that is longer ago than the Group Manager remembers: then everybody is to be forgotten (§11.3.1). */
  async #staleSince(version: number): Promise<readonly Uint8Array[] | undefined> {
    const path = ['ace-group', this.#options.groupName, 'stale-sids']
    const response = await this.#ask({ method: 'FETCH', path, payload: encodeCbor(version), contentFormat: 60 })
    if (response.code !== '2.05' || response.payload.length === 0) return undefined
    return byteStringsOf(readItem(response.payload))
  }

  async #refresh(): Promise<void> {
    const membership = this.#require()
    const response = await this.#ask({ method: 'GET', path: ['ace-group', this.#options.groupName, 'num'] })
    if (this.#ended(response)) return
    const num = response.code === '2.05' ? uintOf(readItem(response.payload)) : undefined
    if (num === undefined) throw responseError(response)
    if (num !== membership.last.generation) await this.#fetchOwn()
    await this.#fetchStatus()
  }

  /** While the group is not active nothing is sent in it and nothing taken (§9.9). */
  async #fetchStatus(): Promise<void> {
    const response = await this.#ask({ method: 'GET', path: ['ace-group', this.#options.groupName, 'active'] })
    if (this.#ended(response)) return
    const active = response.code === '2.05' ? readItem(response.payload) : undefined
    const membership = this.#require()
    if (typeof active !== 'boolean' || active === membership.active) return
    membership.active = active
    if (active) this.#options.layer.addGroup(membership.group)
    else this.#options.layer.removeGroup(this.#options.groupName)
    this.#options.onChange?.(this.#state)
  }

  async #fetchOwn(): Promise<void> {
    const response = await this.#ask({ method: 'GET', path: this.#nodePath(this.#require()) })
    if (this.#ended(response)) return
    const message = readKeys(readAnswer(response))
    if (message !== undefined) await this.#take(message)
  }

  /** Whether the answer says that this is no member any more. */
  #ended(response: ClientResponse): boolean {
    // What the Group Manager has not protected may come from anybody.
    if (response.peer === undefined) return false
    const id = errorIdOf(response)
    const gone = id === ErrorId.MEMBERS_ONLY || id === ErrorId.TERMINATED || response.code === '4.03' || response.code === '4.01'
    if (id === ErrorId.DELETED || (response.code === '4.04' && id === undefined)) this.#end('deleted')
    else if (gone) this.#end('evicted')
    return this.#membership === undefined
  }

  async #fetchMembers(membership: Membership): Promise<void> {
    const response = await this.#ask({ method: 'GET', path: ['ace-group', this.#options.groupName, 'creds'] })
    if (this.#ended(response)) return
    for (const member of this.#know(readMembers(readAnswer(response)))) membership.group.addMember(member)
  }

  /** Somebody has sent whom it does not know: a newcomer, or nobody. */
  #learn(senderId: Uint8Array): void {
    this.#later(async () => {
      const membership = this.#require()
      const wanted = encodeGroupcomm([[Param.GET_CREDS, [true, [], [senderId]]]])
      const response = await this.#ask({ method: 'FETCH', path: ['ace-group', this.#options.groupName, 'creds'], ...wanted })
      const fields = response.code === '2.05' ? readFields(response.payload) : undefined
      if (fields === undefined) return
      const num = uintOf(fields.get(Param.NUM))
      if (num !== undefined && num !== membership.last.generation) await this.#fetchOwn()
      for (const member of this.#know(readMembers(fields))) membership.group.addMember(member)
    })
  }

  // ---- The control resource --------------------------------------------------------------------------------------

  #hang(): void {
    const { control } = this.#options
    if (control === undefined || this.#takeDown !== undefined) return
    this.#takeDown = control.registry.add(control.path, {
      handlers: { POST: (request) => this.#onKeys(request), DELETE: (request) => this.#onEviction(request) },
      protection: ['oscore'],
    })
  }

  #unhang(): void {
    this.#takeDown?.()
    this.#takeDown = undefined
  }

  #isManager({ peer }: IncomingRequest): boolean {
    return peer?.scheme === 'oscore' && peer.name === this.#options.managerContext
  }

  async #onKeys(request: IncomingRequest): Promise<OutgoingResponse> {
    if (!this.#isManager(request)) return { code: '4.03' }
    const fields = readFields(request.payload)
    if (fields === undefined) return { code: '4.00' }
    try {
      const message = readKeys(fields)
      // They may come while the answer to the Join Request is still on its way.
      await this.#alone(() => this.#takeOrEnd(message))
      return { code: '2.04' }
    } catch (thrown) {
      const { code } = toAppError(thrown)
      return { code: code === 'cbor.invalid' ? '4.00' : code === 'oscore.member-unknown' ? '4.04' : '5.03' }
    }
  }

  async #takeOrEnd(message: KeyMessage | undefined): Promise<void> {
    this.#require()
    if (message === undefined) this.#end('deleted')
    else await this.#take(message)
  }

  #onEviction(request: IncomingRequest): OutgoingResponse {
    if (!this.#isManager(request)) return { code: '4.03' }
    if (this.#membership !== undefined) this.#end('evicted')
    return { code: '2.02' }
  }

  // ---- Inside ----------------------------------------------------------------------------------------------------

  #input(membership: Pick<Membership, 'algorithms' | 'keys' | 'managerCredential' | 'senderId'>, message: KeyMessage): GroupContextInput {
    return {
      ...membership.algorithms,
      groupName: this.#options.groupName,
      gid: message.gid,
      masterSecret: message.masterSecret,
      masterSalt: message.masterSalt,
      groupManagerCredential: membership.managerCredential,
      own: { senderId: membership.senderId, ...membership.keys },
      members: [...this.#members.values()],
    }
  }

  /** Those of them that are others. */
  #know(members: readonly GroupMemberInput[]): readonly GroupMemberInput[] {
    const others = members.filter(({ senderId }) => !sameId(senderId, this.#membership?.senderId))
    for (const member of others) this.#members.set(idKey(member.senderId), member)
    return others
  }

  #ask(request: ClientRequest, signal?: AbortSignal): Promise<ClientResponse> {
    const { client, manager, layer, managerContext } = this.#options
    const security = layer.to(managerContext)
    return client.request(manager, { ...request, security }, signal === undefined ? {} : { signal })
  }

  #nodePath({ node }: Membership): readonly string[] {
    return ['ace-group', this.#options.groupName, 'nodes', node]
  }

  #require(): Membership {
    if (this.#membership === undefined) throw new AppError('oscore.member-unknown', 'This is no member of the group')
    return this.#membership
  }

  #end(state: MembershipState): void {
    const { layer, groupName } = this.#options
    this.#timer?.cancel()
    this.#membership?.group.close()
    layer.removeGroup(groupName)
    this.#membership = undefined
    this.#members.clear()
    this.#unhang()
    this.#become(state)
  }

  #become(state: MembershipState): void {
    this.#state = state
    this.#options.onChange?.(state)
  }

  #arm(): void {
    this.#timer?.cancel()
    const membership = this.#membership
    if (membership === undefined || membership.checkIntervalMs === 0) return
    const delayMs = Math.min(membership.checkIntervalMs, LONGEST_TIMER_MS)
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#arm()
      this.#later(() => this.#refresh())
    })
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => undefined)
    return done
  }

  #later(work: () => Promise<void>): void {
    this.#alone(work).catch((thrown: unknown) => {
      if (!isAbort(thrown))
        this.#options.logger.debug(
          { code: toAppError(thrown).code, group: this.#options.groupName },
          'The Group Manager could not be asked',
        )
    })
  }
}

function sameId(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && equalBytes(a, b)
}
