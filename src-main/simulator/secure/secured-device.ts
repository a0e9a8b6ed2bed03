// The protected side of one demo device: an OSCORE context with the tool, security groups, and the device's resources under both
// (RFC 8613; draft-ietf-core-oscore-groupcomm-28). Unprotected messages never come here.
import { generateKeyPair, type Clock, type Curve, type Logger, type Random, type SocketAddress } from '#main/base/index.ts'
import type { GroupMemberClientOptions } from '#main/services/group-manager/index.ts'
import {
  CoapEndpoint,
  findOption,
  OptionNumber,
  ResourceTree,
  type CoapMessage,
  type IncomingRequest,
  type MessageSecurity,
  type Method,
  type OpenedRequest,
  type Origin,
  type OutgoingResponse,
  type Resource,
} from '#main/wire/coap/index.ts'
import { decodeOption, isGroupPeer, makeCcs, OscoreLayer, UnicastContext } from '#main/wire/oscore/index.ts'
import type { DemoDevice, DeviceReply, DeviceRequest } from '../demo-device.ts'
import type { GroupAddress } from '../device-host.ts'
import { DevicePort } from './device-port.ts'
import { deviceSequences } from './device-sequences.ts'
import { Membership, readGroupUri } from './membership.ts'
import { serveSecurity, type SecurityTable } from './sec-resource.ts'
import type { SecurityBinding, SecurityGroupView, SecurityMemory, Sender } from './types.ts'

export interface SecuredDevicePorts {
  readonly device: DemoDevice
  readonly local: SocketAddress
  readonly send: (payload: Uint8Array, to: SocketAddress) => void
  /** The keys were brought just now: nothing has been received with them. */
  readonly isNew: boolean
  readonly leisureMs: number
  /** When to join a group again after power has come back. */
  readonly joinDelayMs: () => number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly onServed: (request: DeviceRequest, reply: DeviceReply) => void
}

const TOOL = 'tool'
const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'DELETE']
/** The answer to whoever told it to join is on its way by then. */
const JOIN_DELAY_MS = 100

export class SecuredDevice implements SecurityTable {
  readonly #ports: SecuredDevicePorts
  readonly #port: DevicePort
  readonly #layer: OscoreLayer
  readonly #tree = new ResourceTree()
  readonly #endpoint: CoapEndpoint
  readonly #memberships = new Map<string, Membership>()
  readonly #keys = new Map<string, ReturnType<GroupMemberClientOptions['keysFor']>>()
  /** Names of groups that it was told to join since power came. */
  readonly #joinedBefore = new Set<string>()
  /** Joins that wait for the one under way. */
  readonly #joins: Array<() => Promise<void>> = []
  #isJoining = false
  #nextKeysPath = 0

  constructor(memory: SecurityMemory, ports: SecuredDevicePorts) {
    const { device, local, clock, random, logger } = ports
    this.#ports = ports
    this.#port = new DevicePort(local, ports.send)
    this.#layer = new OscoreLayer({ random })
    const { masterSecret, masterSalt, deviceId, toolId } = memory.enrolment
    const sequences = deviceSequences(memory.reserved, (reserved) => device.reserve(reserved))
    this.#layer.add(
      new UnicastContext(
        { name: TOOL, masterSecret, masterSalt, senderId: deviceId, recipientId: toolId },
        { sequences, received: ports.isNew ? 'fresh' : 'unknown' },
      ),
    )
    this.#hangUp()
    this.#endpoint = new CoapEndpoint({
      channel: this.#port,
      tree: this.#tree,
      clock,
      random,
      logger,
      parameters: { leisureMs: ports.leisureMs },
      security: this.#watched(),
    })
    for (const binding of memory.bindings) this.#enter(binding, true)?.join(ports.joinDelayMs())
  }

  receive(payload: Uint8Array, from: SocketAddress, group: GroupAddress | undefined): void {
    this.#port.receive(payload, from, group)
  }

  close(): void {
    for (const membership of this.#memberships.values()) membership.close()
    this.#endpoint.close()
    void this.#port.close()
  }

  // ---- The table behind /sec -------------------------------------------------------------------------------------

  get views(): readonly SecurityGroupView[] {
    return [...this.#memberships.values()].map(({ view }) => view)
  }

  put(binding: SecurityBinding): void {
    const known = this.#memberships.get(binding.name)
    const { manager, roles } = known?.binding ?? {}
    const isSamePlace = manager === binding.manager && roles?.join() === binding.roles.join()
    if (known?.joined === true && isSamePlace) known.bind(binding)
    else {
      known?.close()
      this.#enter(binding, this.#joinedBefore.has(binding.name))?.join(JOIN_DELAY_MS)
    }
    this.#keep()
  }

  remove(name: string): void {
    const membership = this.#memberships.get(name)
    if (membership === undefined) return
    this.#memberships.delete(name)
    membership.leave()
    this.#keep()
  }

  // ---- Inside ----------------------------------------------------------------------------------------------------

  #enter(binding: SecurityBinding, hasForgotten: boolean): Membership | undefined {
    const { clock, random, logger } = this.#ports
    const manager = readGroupUri(binding.manager)?.manager
    if (manager === undefined) return undefined
    const membership = new Membership(binding, manager, {
      client: this.#endpoint,
      layer: this.#layer,
      managerContext: TOOL,
      registry: this.#tree,
      keysPath: `/k/${(this.#nextKeysPath++).toString(36)}`,
      keysFor: ({ curve, alg }) => this.#keysFor(curve, alg),
      clock,
      random,
      logger,
      hasForgotten,
      inTurn: (work) => {
        this.#joins.push(work)
        if (!this.#isJoining) this.#nextJoin()
      },
      onEvicted: () => this.#keep(),
    })
    this.#memberships.set(binding.name, membership)
    this.#joinedBefore.add(binding.name)
    return membership
  }

  #nextJoin(): void {
    const work = this.#joins.shift()
    this.#isJoining = work !== undefined
    void work?.().then(() => this.#ports.clock.setTimer(0, () => this.#nextJoin()))
  }

  #keep(): void {
    this.#ports.device.bind([...this.#memberships.values()].map(({ binding }) => binding))
  }

  #keysFor(curve: Curve, alg: number | undefined): ReturnType<GroupMemberClientOptions['keysFor']> {
    const name = `${curve} ${alg ?? ''}`
    let keys = this.#keys.get(name)
    if (keys === undefined) {
      const { publicKey, privateKey } = generateKeyPair(curve)
      keys = { credential: makeCcs(publicKey, alg === undefined ? {} : { alg }), privateKey }
      this.#keys.set(name, keys)
    }
    return keys
  }

  #hangUp(): void {
    const serve = (request: IncomingRequest): OutgoingResponse | undefined => this.#serve(request)
    const resource: Resource = { handlers: Object.fromEntries(METHODS.map((method) => [method, serve])) }
    for (const path of ['/dev', '/identify', '/state']) this.#tree.add(path, resource)
    this.#tree.add('/groups', { ...resource, subtree: true })
    this.#tree.add('/gp', { ...resource, subtree: true, answersGroupRequests: true })
    const security = (request: IncomingRequest): OutgoingResponse =>
      senderOf(request)?.kind === 'tool' ? serveSecurity(request, this) : { code: '4.01' }
    this.#tree.add('/sec', { handlers: Object.fromEntries(METHODS.map((method) => [method, security])), subtree: true })
  }

  #serve(request: IncomingRequest): OutgoingResponse | undefined {
    const { method, path, query, payload, contentFormat, multicast, destination } = request
    const { device, onServed } = this.#ports
    const group = multicast ? destination : undefined
    const asked: DeviceRequest = { method, path, query, payload, contentFormat, group, sender: senderOf(request) }
    const reply = device.handle(asked)
    if (reply === undefined) return undefined
    onServed(asked, reply)
    return { ...reply, code: codeOf(reply) }
  }

  /** The layer, and an eye on what comes under keys that are not there: the device may have missed a rekeying. */
  #watched(): MessageSecurity {
    return {
      openRequest: (message, origin) => {
        const opened = this.#layer.openRequest(message, origin)
        if (opened.kind === 'drop' || opened.kind === 'answer') this.#notOpened(message, origin, opened)
        return opened
      },
    }
  }

  #notOpened(message: CoapMessage, origin: Origin, opened: OpenedRequest): void {
    const option = findOption(message.options, OptionNumber.OSCORE)
    const header = option === undefined ? undefined : decodeOption(option.value)
    // An answer that is protected asks a known sender for proof that it is fresh.
    if (header?.group !== true || (opened.kind === 'answer' && opened.content.protection !== undefined)) return
    const gid = header.kidContext
    const isKnown = [...this.#memberships.keys()].some((name) => gid !== undefined && this.#layer.group(name)?.contextOf(gid) !== undefined)
    if (isKnown) return
    const { device } = this.#ports
    device.ignoreForeign()
    const apps = origin.multicast ? device.appsAt(origin.destination) : undefined
    for (const membership of this.#memberships.values()) {
      if (apps === undefined || membership.binding.apps.some((app) => apps.includes(app))) membership.askForKeys()
    }
  }
}

function senderOf({ peer }: IncomingRequest): Sender | undefined {
  if (isGroupPeer(peer)) return { kind: 'group', name: peer.group }
  return peer?.scheme === 'oscore' && peer.name === TOOL ? { kind: 'tool' } : undefined
}

function codeOf({ code }: DeviceReply): OutgoingResponse['code'] {
  const [digit, detail] = code.split('.')
  if (detail !== undefined && (digit === '2' || digit === '4')) return `${digit === '2' ? 2 : 4}.${detail}`
  return '5.00'
}
