// A Group Manager with its real store, and devices that were enrolled with it, on a network in memory and a virtual clock.
import BetterSqlite3 from 'better-sqlite3'
import {
  aeadByCoseId,
  generateKeyPair,
  importAesKey,
  seededRandom,
  silentLogger,
  type Curve,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree, type ClientRequest, type ClientResponse } from '#main/wire/coap/index.ts'
import { MemoryNetwork, type MemoryChannel } from '#main/wire/ip/index.ts'
import {
  makeCcs,
  OscoreLayer,
  UnicastContext,
  volatileSequences,
  type SequenceStore,
  type UnicastContextInput,
} from '#main/wire/oscore/index.ts'
import {
  GroupManager,
  GroupMemberClient,
  rolesOf,
  type Authorisation,
  type GroupManagerOptions,
  type GroupMemberClientOptions,
  type Roles,
  type SecretSealer,
} from '#main/services/group-manager/index.ts'
import { createGroupManagerStore } from '#main/store/index.ts'
import { migrations } from '../../../src-main/store/migrations/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export const MANAGER_AT: SocketAddress = { address: '2001:db8::ab', port: 5683 }
export const BOTH = rolesOf(['requester', 'responder'])
export const GROUP_ADDRESS: SocketAddress = { address: 'ff35:30:2001:db8::1', port: 5683 }

export function memoryDatabase(): BetterSqlite3.Database {
  const database = new BetterSqlite3(':memory:')
  database.pragma('foreign_keys = ON')
  for (const step of migrations) database.exec(step)
  return database
}

/** AES-GCM under a key of the test. */
export function sealerOf(key: Uint8Array, random: Random): SecretSealer {
  const aead = aeadByCoseId(1)
  const handle = importAesKey(key)
  const none = new Uint8Array(0)
  return {
    seal: (plain) => {
      const nonce = random.bytes(aead.nonceBytes)
      return Uint8Array.from([...nonce, ...aead.seal(handle, nonce, none, plain)])
    },
    open: (sealed) => aead.open(handle, sealed.subarray(0, aead.nonceBytes), none, sealed.subarray(aead.nonceBytes)),
  }
}

export interface Device {
  readonly name: string
  readonly at: SocketAddress
  readonly channel: MemoryChannel
  readonly endpoint: CoapEndpoint
  readonly layer: OscoreLayer
  readonly tree: ResourceTree
  readonly sequences: SequenceStore
  /** A request to the Group Manager over the context of the enrolment. */
  ask(request: ClientRequest): Promise<ClientResponse>
  member(group: string, more?: Partial<GroupMemberClientOptions>, control?: 'control' | 'no control'): GroupMemberClient
}

export interface World {
  readonly clock: VirtualClock
  readonly random: Random
  readonly network: MemoryNetwork
  readonly database: BetterSqlite3.Database
  manager: GroupManager
  endpoint: CoapEndpoint
  layer: OscoreLayer
  /** The program dies and starts again on the same file. */
  restart(more?: Partial<GroupManagerOptions>): void
  device(name: string): Device
  /** A device with its authorisation for one group. */
  enrolled(name: string, group: string, roles?: Roles, more?: Partial<Authorisation>): Device
  run<Value>(promise: Promise<Value>, limitMs?: number): Promise<Value>
}

export function world(
  options: { readonly lossRate?: number; readonly seed?: number; readonly manager?: Partial<GroupManagerOptions> } = {},
): World {
  const clock = new VirtualClock()
  const random = seededRandom(options.seed ?? 9594)
  const network = new MemoryNetwork({ clock, random, lossRate: options.lossRate ?? 0, delayMs: { min: 5, max: 20 } })
  const database = memoryDatabase()
  const sealer = sealerOf(random.bytes(16), random)
  const sequences = volatileSequences()
  const inputs = new Map<string, UnicastContextInput>()
  let stop = (): void => undefined

  const start = (received: 'fresh' | 'unknown', more: Partial<GroupManagerOptions>): Pick<World, 'manager' | 'endpoint' | 'layer'> => {
    const channel = network.channel(MANAGER_AT)
    const layer = new OscoreLayer({ random })
    const tree = new ResourceTree()
    const endpoint = new CoapEndpoint({ channel, tree, clock, random, logger: silentLogger, security: layer })
    for (const input of inputs.values()) layer.add(new UnicastContext(input, { sequences, received }))
    const manager = new GroupManager({
      registry: tree,
      layer,
      sequences,
      store: createGroupManagerStore(database),
      sealer,
      clock,
      random,
      logger: silentLogger,
      clientFor: () => endpoint,
      baseUri: () => 'coap://[2001:db8::ab]',
      ...options.manager,
      ...more,
    })
    stop = () => {
      manager.close()
      endpoint.close()
      void channel.close()
    }
    return { manager, endpoint, layer }
  }

  let count = 0
  const it: World = {
    clock,
    random,
    network,
    database,
    ...start('fresh', {}),
    restart(more = {}) {
      stop()
      Object.assign(it, start('unknown', more))
    },
    device(name) {
      count++
      const at = { address: `2001:db8::1:${count.toString(16)}`, port: 5683 }
      const channel = network.channel(at)
      const layer = new OscoreLayer({ random })
      const tree = new ResourceTree()
      const endpoint = new CoapEndpoint({ channel, tree, clock, random, logger: silentLogger, security: layer })
      const own = volatileSequences()
      const masterSecret = random.bytes(16)
      const ids = [Uint8Array.of(1, count >> 8, count & 0xff), Uint8Array.of(2)] as const
      const input = { name, masterSecret, senderId: ids[1], recipientId: ids[0] }
      inputs.set(name, input)
      it.layer.add(new UnicastContext(input, { sequences, received: 'fresh' }))
      layer.add(
        new UnicastContext({ name: 'manager', masterSecret, senderId: ids[0], recipientId: ids[1] }, { sequences: own, received: 'fresh' }),
      )
      const ask = (request: ClientRequest): Promise<ClientResponse> =>
        endpoint.request(MANAGER_AT, { ...request, security: layer.to('manager') })
      const device: Device = {
        name,
        at,
        channel,
        endpoint,
        layer,
        tree,
        sequences: own,
        ask,
        member: (group, more = {}, control = 'control') =>
          new GroupMemberClient({
            client: endpoint,
            manager: MANAGER_AT,
            managerContext: 'manager',
            layer,
            groupName: group,
            roles: BOTH,
            keysFor: keysOf(),
            ...(control === 'control' ? { control: { registry: tree, path: '/grp-rek' } } : {}),
            clock,
            random,
            sequences: own,
            logger: silentLogger,
            ...more,
          }),
      }
      return device
    },
    enrolled(name, group, roles = BOTH, more = {}) {
      const device = it.device(name)
      it.manager.authorise({ identity: name, groups: [{ group, roles }], ...more })
      return device
    },
    run: (promise, limitMs = 600_000) => clock.until(promise, limitMs),
  }
  return it
}

/** Makes keys of whatever kind the group wants, once. */
export function keysOf(): GroupMemberClientOptions['keysFor'] {
  const made = new Map<Curve, ReturnType<GroupMemberClientOptions['keysFor']>>()
  return ({ curve, alg }) => {
    let keys = made.get(curve)
    if (keys === undefined) {
      const { publicKey, privateKey } = generateKeyPair(curve)
      keys = { credential: makeCcs(publicKey, alg === undefined ? {} : { alg }), privateKey }
      made.set(curve, keys)
    }
    return keys
  }
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
