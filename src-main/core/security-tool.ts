// The tool as a member of its own security groups: it joins at the Group Manager by the protocol that every device uses, over a network
// of two ends in memory, and sends to the groups from every channel.
import {
  AppError,
  delay,
  generateKeyPair,
  silentLogger,
  toAppError,
  type Clock,
  type Curve,
  type Logger,
  type PrivateKey,
  type Random,
} from '#main/base/index.ts'
import { GroupMemberClient, rolesOf, type GroupManager } from '#main/services/group-manager/index.ts'
import { CoapEndpoint, ResourceTree, type CoapClient } from '#main/wire/coap/index.ts'
import { MemoryNetwork } from '#main/wire/ip/index.ts'
import {
  makeCcs,
  UnicastContext,
  volatileSequences,
  type OscoreLayer,
  type SecurityGroup,
  type SequenceStore,
} from '#main/wire/oscore/index.ts'

/** The tool's identity at the Group Manager; devices have ids of another form. */
export const TOOL = 'tool'
const MANAGER = 'tool-to-manager'
const MANAGER_END = { address: 'fd00:6777::1', port: 5683 }
const TOOL_END = { address: 'fd00:6777::2', port: 5683 }
export const TOOL_CHANNEL = 'tool'
/** Members fetch the credential of somebody new when they first hear it (key-groupcomm-oscore-21 §9.3): a request and an answer each. */
const INTRODUCTION_MS = 4000
const RETRY_MS = 2000
const TRIES = 3

export interface ToolPorts {
  /** Where the Group Manager's resources are. */
  readonly tree: ResourceTree
  readonly layer: OscoreLayer
  readonly sequences: SequenceStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

interface Membership {
  readonly client: GroupMemberClient
  joining: Promise<void> | undefined
  joinedAtMs: number
  introduced: boolean
}

export class ToolMembership {
  readonly #ports: ToolPorts
  readonly #network: MemoryNetwork
  readonly #managerEnd: CoapEndpoint
  readonly #toolEnd: CoapEndpoint
  readonly #toolTree = new ResourceTree()
  readonly #memberships = new Map<string, Membership>()
  readonly #keys = new Map<string, { readonly credential: Uint8Array; readonly privateKey: PrivateKey }>()
  readonly #listeners = new Set<(group: string) => void>()
  readonly #closing = new AbortController()
  #manager: GroupManager | undefined
  #nextPath = 0
  /** Ends with the join that was asked for last. */
  #turn: Promise<void> = Promise.resolve()

  constructor(ports: ToolPorts) {
    const { tree, layer, clock, random } = ports
    this.#ports = ports
    this.#network = new MemoryNetwork({ clock, random })
    const base = { clock, random, logger: silentLogger, security: layer }
    this.#managerEnd = new CoapEndpoint({ ...base, channel: this.#network.channel({ ...MANAGER_END, id: TOOL_CHANNEL }), tree })
    this.#toolEnd = new CoapEndpoint({ ...base, channel: this.#network.channel({ ...TOOL_END, id: 'tool-end' }), tree: this.#toolTree })
    // Between two ends of one process; gone with it, like the Sender IDs that come of it.
    const shared = { masterSecret: random.bytes(16), masterSalt: random.bytes(8) }
    const [managerId, toolId] = [Uint8Array.of(0x47, 0x4d, 0, 0), Uint8Array.of(0x47, 0x4d, 0, 1)]
    const how = { sequences: volatileSequences(), received: 'fresh' as const }
    layer.add(new UnicastContext({ ...shared, name: TOOL, senderId: managerId, recipientId: toolId }, how))
    layer.add(new UnicastContext({ ...shared, name: MANAGER, senderId: toolId, recipientId: managerId }, how))
  }

  /** Speaks to the tool for the Group Manager. */
  get managerClient(): CoapClient {
    return this.#managerEnd
  }

  start(manager: GroupManager): void {
    this.#manager = manager
  }

  group(name: string): SecurityGroup | undefined {
    const membership = this.#memberships.get(name)
    return membership?.client.state === 'member' ? membership.client.group : undefined
  }

  /** Joins where it is no member yet; resolves when it is. Fails as joining does. */
  async join(name: string): Promise<void> {
    const known = this.#memberships.get(name)
    if (known?.client.state === 'member') return
    const membership = known ?? this.#newMembership(name)
    membership.joining ??= this.#afterOthers(() => this.#join(name, membership)).finally(() => {
      membership.joining = undefined
    })
    await membership.joining
  }

  /** A new Sender ID, or with it all keys: what it sent as before is not known any more. */
  forget(name: string): void {
    this.#memberships.get(name)?.client.close()
    this.#memberships.delete(name)
  }

  /** Members have come: their answers can be read from now on. */
  learn(name: string): void {
    const group = this.group(name)
    if (group === undefined || this.#manager?.hasGroup(name) !== true) return
    for (const { identity, senderId, credential, roles } of this.#manager.members(name)) {
      if (identity !== TOOL && senderId !== undefined && credential !== undefined) group.addMember({ senderId, credential, roles })
    }
  }

  /**
   * Members that were there before it have not heard of it yet and would not understand what it sends. The first message only makes them
   * ask the Group Manager for the credential behind it.
   */
  async introduce(name: string, send: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const membership = this.#memberships.get(name)
    if (membership === undefined || membership.introduced || this.#manager === undefined) return
    membership.introduced = true
    const older = this.#manager.members(name).some(({ identity, joinedAtMs }) => identity !== TOOL && joinedAtMs < membership.joinedAtMs)
    if (!older) return
    await send()
    await delay(this.#ports.clock, INTRODUCTION_MS, signal)
  }

  onChange(listener: (group: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const { client } of this.#memberships.values()) client.close()
    this.#managerEnd.close()
    this.#toolEnd.close()
    await Promise.resolve()
  }

  // ---- Inside ----------------------------------------------------------------------------------------------------

  /** One at a time: the Group Manager remembers one challenge for each client, and the next would take the place of the one before. */
  #afterOthers(join: () => Promise<void>): Promise<void> {
    const joined = this.#turn.then(join)
    this.#turn = joined.catch(() => undefined)
    return joined
  }

  async #join(name: string, membership: Membership): Promise<void> {
    const { clock, logger } = this.#ports
    this.#authorise(name)
    for (let attempt = 1; ; attempt++) {
      try {
        await membership.client.join(this.#closing.signal)
        break
      } catch (thrown) {
        const { code } = toAppError(thrown)
        logger.warn({ code, group: name }, 'the tool could not join a security group')
        if (attempt >= TRIES || this.#closing.signal.aborted)
          throw new AppError('security.not-ready', 'The tool could not join the group', { cause: thrown })
        await delay(clock, RETRY_MS, this.#closing.signal)
      }
    }
    membership.joinedAtMs = clock.now()
    membership.introduced = false
    this.learn(name)
    for (const listener of this.#listeners) listener(name)
  }

  /** Beside what it may already: a record that left a group out would end its membership there, with new keys for everybody. */
  #authorise(name: string): void {
    const before = (this.#manager?.authorisation(TOOL)?.groups ?? []).map(({ group }) => group)
    if (before.includes(name)) return
    const kept = before.filter((group) => this.#manager?.hasGroup(group) === true)
    this.#manager?.authorise({ identity: TOOL, groups: [...kept, name].map((group) => ({ group, roles: rolesOf(['requester']) })) })
  }

  #newMembership(groupName: string): Membership {
    const { layer, sequences, clock, random, logger } = this.#ports
    const client = new GroupMemberClient({
      client: this.#toolEnd,
      manager: MANAGER_END,
      managerContext: MANAGER,
      layer,
      groupName,
      roles: rolesOf(['requester']),
      keysFor: ({ curve, alg }) => this.#keysFor(curve, alg),
      control: { registry: this.#toolTree, path: `/rekey/${this.#nextPath++}` },
      clock,
      random,
      sequences,
      logger,
      onChange: () => {
        this.learn(groupName)
        for (const listener of this.#listeners) listener(groupName)
      },
    })
    const membership: Membership = { client, joining: undefined, joinedAtMs: 0, introduced: false }
    this.#memberships.set(groupName, membership)
    return membership
  }

  /** One credential for each kind of key, for as long as the program runs. */
  #keysFor(curve: Curve, alg: number | undefined): { readonly credential: Uint8Array; readonly privateKey: PrivateKey } {
    const kind = `${curve} ${alg ?? ''}`
    const known = this.#keys.get(kind)
    if (known !== undefined) return known
    const { publicKey, privateKey } = generateKeyPair(curve)
    const made = { credential: makeCcs(publicKey, alg === undefined ? {} : { alg }), privateKey }
    this.#keys.set(kind, made)
    return made
  }
}
