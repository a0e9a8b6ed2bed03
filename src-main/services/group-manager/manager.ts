// The Group Manager of security groups: its resources, and the same acts for the program itself. Wherever both lead, one way is taken.
import { AppError, type Clock, type Logger, type Random } from '#main/base/index.ts'
import {
  Observable,
  PRECONDITION_OPTIONS,
  type CoapClient,
  type IncomingRequest,
  type Resource,
  type ResourceRegistry,
} from '#main/wire/coap/index.ts'
import type { OscoreLayer, SequenceStore } from '#main/wire/oscore/index.ts'
import { AccessControl, isCandidate, mayBe, permittedRoles } from './access.ts'
import { AdminResources, MANAGE_PATH } from './admin-resources.ts'
import { AuthorisationServer } from './authorisation-server.ts'
import { GroupBook } from './book.ts'
import { takesFormat, type CredentialIssuers } from './credential-trust.ts'
import { Deadline } from './deadline.ts'
import { configurationFault, withDefaults, type GroupConfiguration, type GroupConfigurationInput } from './configuration.ts'
import { freeSenderIds, type GroupState } from './group-state.ts'
import { GroupResources, GROUPS_PATH, groupPath } from './group-resources.ts'
import { KeyDelivery } from './rekeying.ts'
import { Roster } from './roster.ts'
import { isGroupName } from './scope.ts'
import type { GroupManagerStore, StoredMember } from './store.ts'
import { TokenContexts } from './token-contexts.ts'
import type { Authorisation, GroupEvent, GroupStatus, MemberStatus, PublishedGroup, SecretSealer } from './types.ts'

export interface GroupManagerOptions {
  readonly registry: ResourceRegistry
  /** Where the contexts of members are, those that access tokens make among them. */
  readonly layer: OscoreLayer
  readonly sequences: SequenceStore
  readonly store: GroupManagerStore
  readonly sealer: SecretSealer
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Who speaks to a member on the channel that it was heard on. */
  readonly clientFor: (member: { readonly channelId: string; readonly identity: string }) => CoapClient | undefined
  /** `coap://…` without path, as devices reach this end: for joining_uri and as_uri. */
  readonly baseUri: () => string
  /** Where tokens are to be had, if not at `/token` here: told to devices and administrators. */
  readonly asUri?: () => string
  /** Whose CWTs and X.509 certificates members may come with; groups with such credentials there are only where somebody is trusted. */
  readonly credentialIssuers?: CredentialIssuers
  /** Announces groups for discovery; told of all that there are. */
  readonly publishGroups?: (groups: readonly PublishedGroup[]) => void
  /** The site file was copied or put back: all groups get new keys under Gids that nobody has seen. */
  readonly isCopy?: boolean
  /** Whether tokens are issued and taken here (ACE, RFC 9200, RFC 9203); on unless told. */
  readonly tokens?: { readonly audience?: string; readonly lifetimeS?: number } | false
  readonly limits?: { readonly groups?: number; readonly members?: number; readonly parallelDeliveries?: number }
}

const MAX_GROUPS = 256
const MAX_MEMBERS = 4096
const PARALLEL_DELIVERIES = 16
const DEFAULT_AUDIENCE = 'group-manager'
const DAY_S = 86_400
/** Names that need no escape in links. */
const PLAIN_NAME = /^[A-Za-z0-9._~-]+$/
/** Resources whose notifications say something new only when keys or status change. */
const OBSERVED = new Set([undefined, 'num', 'active', 'policies', 'creds', 'nodes'])

export class GroupManager {
  readonly #options: GroupManagerOptions
  readonly #book: GroupBook
  readonly #access: AccessControl
  readonly #delivery: KeyDelivery
  readonly #roster: Roster
  readonly #tokens: TokenContexts | undefined
  readonly #observable = new Observable({ onlyDifferences: true })
  readonly #hung: Array<() => void> = []
  readonly #links = new Map<string, () => void>()
  readonly #groupResource: Resource
  readonly #expiry: Deadline

  constructor(options: GroupManagerOptions) {
    const { clock, random, logger, store, layer, sealer } = options
    this.#options = options
    const book = new GroupBook({ store, sealer, clock, random, logger })
    this.#book = book
    const lifetimes = options.tokens === false ? undefined : { audience: DEFAULT_AUDIENCE, lifetimeS: DAY_S, ...options.tokens }
    this.#access = new AccessControl({
      store,
      clock,
      random,
      rightsOfContext: (context) => this.#tokens?.rightsOf(context),
      hints: () => (lifetimes === undefined ? undefined : { as: this.asUri(), audience: lifetimes.audience }),
    })
    this.#delivery = new KeyDelivery(book, {
      clock,
      random,
      logger,
      clientFor: options.clientFor,
      securityOf: (context) => layer.to(context),
      parallel: options.limits?.parallelDeliveries ?? PARALLEL_DELIVERIES,
    })
    this.#roster = new Roster({
      book,
      delivery: this.#delivery,
      clock,
      maxMembers: options.limits?.members ?? MAX_MEMBERS,
      onChanged: (group) => this.#notify(group),
      onGone: (member, told) => this.#onGone(member, told),
    })
    const issuers = options.credentialIssuers
    const resources = new GroupResources({ book, access: this.#access, roster: this.#roster, clock, random, issuers })
    const handle = (request: IncomingRequest) => resources.handle(request)
    this.#groupResource = {
      handlers: { GET: handle, POST: handle, PUT: handle, DELETE: handle, FETCH: handle },
      subtree: true,
      observable: this.#observable,
    }
    if (lifetimes !== undefined) {
      this.#tokens = new TokenContexts({
        ...options,
        ...lifetimes,
        access: this.#access,
        book,
        onExpired: (contexts) => this.#endContexts(contexts),
      })
      const server = new AuthorisationServer({ access: this.#access, tokens: this.#tokens, clock, random, ...lifetimes })
      this.#hung.push(options.registry.add('/token', server.resource()), options.registry.add('/authz-info', this.#tokens.resource()))
    }
    this.#hang()
    if (options.isCopy === true) book.startAnew()
    this.#roster.start()
    this.#expiry = new Deadline(
      clock,
      () => this.#access.nextExpiryMs(),
      () => this.#expire(),
    )
    this.#expire()
    this.#expiry.arm()
    this.#publish()
  }

  /** Memberships end with the authorisation that they stand on. */
  #expire(): void {
    for (const identity of this.#access.takeExpired()) {
      this.#tokens?.revoke(identity)
      this.#endAll(identity)
    }
  }

  #hang(): void {
    const { registry, baseUri } = this.#options
    const admin = new AdminResources({ access: this.#access, manager: this, baseUri, clock: this.#options.clock })
    const groups: Resource = { ...this.#groupResource, attributes: { if: 'ace.groups', ct: '261' } }
    this.#hung.push(registry.add(`/${GROUPS_PATH}`, groups))
    const manage: Resource = {
      ...admin.resource(),
      attributes: { rt: 'core.osc.gcoll', ct: '40 261' },
      criticalOptions: PRECONDITION_OPTIONS,
    }
    this.#hung.push(registry.add(`/${MANAGE_PATH}`, manage))
    for (const { stored } of this.#book.all()) this.#link(stored.name)
  }

  /** So that `/.well-known/core` names the group-membership resource (key-groupcomm-oscore-21 §8). */
  #link(name: string): void {
    if (!PLAIN_NAME.test(name) || this.#links.has(name)) return
    const attributes = { rt: 'core.osc.gm', if: 'ace.group', ct: '261' }
    this.#links.set(name, this.#options.registry.add(`/${GROUPS_PATH}/${name}`, { ...this.#groupResource, attributes }))
  }

  asUri(): string {
    const { asUri, baseUri } = this.#options
    return asUri?.() ?? `${baseUri()}/token`
  }

  // ---- Groups ----------------------------------------------------------------------------------------------------

  /** Fails with `group.name-invalid`, `group.name-taken`, `input.invalid` (configuration), `crypto.unsupported`, `input.too-large`. */
  createGroup(name: string, input: GroupConfigurationInput = {}): GroupStatus {
    return this.addGroup(name, withDefaults(input))
  }

  /** With a whole configuration. `expiresAtMs`: when its first keys expire. */
  addGroup(name: string, configuration: GroupConfiguration, expiresAtMs?: number): GroupStatus {
    if (!isGroupName(name)) throw new AppError('group.name-invalid', 'Not a name for a security group', { details: { name: String(name) } })
    if (this.#book.get(name) !== undefined)
      throw new AppError('group.name-taken', 'There is a security group of that name', { details: { name } })
    const limit = this.#options.limits?.groups ?? MAX_GROUPS
    if (this.#book.size >= limit) throw new AppError('input.too-large', 'There are too many security groups', { details: { limit } })
    const fault = configurationFault(configuration)
    if (fault !== undefined)
      throw new AppError('input.invalid', `The configuration is ${fault.kind}`, { details: { reason: fault.detail } })
    if (!takesFormat(configuration.credentialFormat, this.#options.credentialIssuers))
      throw new AppError('crypto.unsupported', 'Nobody is trusted to issue credentials of that kind', {
        details: { format: configuration.credentialFormat },
      })
    this.#book.create(name, configuration)
    if (expiresAtMs !== undefined) this.#roster.configure(name, configuration, expiresAtMs)
    this.#link(name)
    this.#publish()
    this.#roster.arm()
    return this.status(name)
  }

  /** Fails with `group.not-found`, `input.invalid`. Other algorithms bring new keys with them. */
  configure(name: string, configuration: GroupConfiguration, expiresAtMs?: number): GroupStatus {
    this.#roster.configure(name, configuration, expiresAtMs)
    this.#publish()
    return this.status(name)
  }

  /** Members are told. Fails with `group.in-use` while the group is active, unless forced. */
  deleteGroup(name: string, options: { readonly force?: boolean } = {}): void {
    const { stored } = this.#require(name)
    if (stored.configuration.active && options.force !== true) {
      throw new AppError('group.in-use', 'An active group is not deleted', { details: { name } })
    }
    this.#roster.remove(name)
    this.#links.get(name)?.()
    this.#links.delete(name)
    this.#publish()
  }

  groups(): readonly GroupStatus[] {
    return [...this.#book.all()].map((state) => this.#statusOf(state))
  }

  hasGroup(name: string): boolean {
    return this.#book.get(name) !== undefined
  }

  /** Fails with `group.not-found`. */
  status(name: string): GroupStatus {
    return this.#statusOf(this.#require(name))
  }

  members(name: string): readonly MemberStatus[] {
    const state = this.#require(name)
    return [...state.members.values()].map((member) => this.#memberStatus(state, member))
  }

  rekeyNow(name: string): GroupStatus {
    this.#roster.rekeyNow(name)
    return this.status(name)
  }

  /** All members have confirmed or at least been given the newest keys, as far as they can be reached. */
  get deliveriesIdle(): boolean {
    return this.#delivery.idle
  }

  onEvent(listener: (event: GroupEvent) => void): () => void {
    return this.#book.onEvent(listener)
  }

  // ---- Authorisation ---------------------------------------------------------------------------------------------

  /** What an enrolled device may do. Memberships that it does not cover any more end, with new keys for the others. */
  authorise(record: Authorisation): void {
    if (record.groups.some(({ group }) => !isGroupName(group))) throw new AppError('group.name-invalid', 'Not a name for a security group')
    this.#access.save(record)
    this.#expiry.arm()
    for (const state of [...this.#book.all()]) {
      const member = state.members.get(record.identity)
      if (member === undefined) continue
      const permitted = permittedRoles(record, state.stored.name) ?? []
      if (!isCandidate(permitted) || !mayBe(permitted, member.roles)) this.#roster.end(state.stored.name, [record.identity], 'evicted')
    }
  }

  /** Takes all rights away: tokens are void, memberships end at once. */
  withdraw(identity: string): void {
    this.#access.remove(identity)
    this.#tokens?.revoke(identity)
    this.#endAll(identity)
  }

  authorisation(identity: string): Authorisation | undefined {
    return this.#access.record(identity)
  }

  authorisations(): readonly Authorisation[] {
    return [...this.#access.records()]
  }

  /**
   * Takes members out of a group, which gets new keys without them. They may join again as long as they are authorised: `forGood` takes
   * that right too.
   */
  evict(name: string, identities: readonly string[], options: { readonly forGood?: boolean } = {}): GroupStatus {
    this.#require(name)
    if (options.forGood === true) {
      for (const identity of identities) {
        const record = this.#access.record(identity)
        if (record !== undefined) this.#access.save({ ...record, groups: record.groups.filter(({ group }) => group !== name) })
      }
    }
    this.#roster.end(name, identities, 'evicted')
    return this.status(name)
  }

  close(): void {
    for (const take of this.#hung) take()
    for (const take of this.#links.values()) take()
    this.#roster.close()
    this.#expiry.close()
    this.#delivery.close()
    this.#tokens?.close()
    this.#book.close()
  }

  // ---- Inside ----------------------------------------------------------------------------------------------------

  #endAll(identity: string): void {
    for (const state of [...this.#book.all()]) {
      if (state.members.has(identity)) this.#roster.end(state.stored.name, [identity], 'evicted')
    }
  }

  /** What an access token has let in goes with it. */
  #endContexts(contexts: readonly string[]): void {
    for (const state of [...this.#book.all()]) {
      const gone = [...state.members.values()].filter(({ context }) => contexts.includes(context)).map(({ identity }) => identity)
      if (gone.length > 0) this.#roster.end(state.stored.name, gone, 'evicted')
    }
  }

  #notify(group: string): void {
    this.#observable.notify(
      ({ path }) => path[1] === group && OBSERVED.has(path[2]) && !(path[2] === 'nodes' && this.#roster.isFormerNode(group, path[3])),
    )
  }

  /** By one way alone (key-groupcomm-oscore-21 §10): a request of its own, or the 4.04 that ends its observations. */
  #onGone(member: StoredMember, told: boolean): void {
    if (told) return
    this.#observable.notify(({ path, peer }) => path[1] === member.group && path[3] === member.node && peer?.name === member.context)
  }

  #statusOf(state: GroupState): GroupStatus {
    const { stored, members } = state
    const dueAtMs = this.#roster.dueAtMs(state)
    const limit = (this.#options.limits?.members ?? MAX_MEMBERS) - members.size
    let behind = 0
    let unconfirmed = 0
    for (const { generation, keys } of members.values()) {
      if (generation < stored.generation) behind++
      else if (keys === 'told') unconfirmed++
    }
    return {
      name: stored.name,
      configuration: stored.configuration,
      gid: stored.gid,
      generation: stored.generation,
      rekeyedAtMs: stored.rekeyedAtMs,
      expiresAtMs: stored.expiresAtMs,
      members: members.size,
      behind,
      unconfirmed,
      room: Math.max(0, Math.min(limit, freeSenderIds(state))),
      leavesWaiting: stored.leavesWaiting,
      rekeyDueAtMs: dueAtMs === Infinity ? undefined : dueAtMs,
    }
  }

  #memberStatus({ stored }: GroupState, member: StoredMember): MemberStatus {
    const { identity, node, senderId, credential, roles, joinedAtMs, generation, keys, control } = member
    return {
      identity,
      node,
      senderId,
      credential,
      roles,
      joinedAtMs,
      generation,
      keys: generation < stored.generation ? 'behind' : keys,
      reachable: control !== undefined,
      failures: this.#delivery.failuresOf(stored.name, identity),
    }
  }

  #publish(): void {
    this.#options.publishGroups?.(
      [...this.#book.all()].map(({ stored: { name, configuration } }) => ({ name, path: groupPath(name), configuration })),
    )
  }

  #require(name: string): GroupState {
    const state = this.#book.get(name)
    if (state === undefined) throw new AppError('group.not-found', 'There is no security group of that name', { details: { name } })
    return state
  }
}
