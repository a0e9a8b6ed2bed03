// Members of a security group and pairs of peers on a network in memory: endpoints with keys, on a virtual clock.
import {
  exportPublicKey,
  generateKeyPair,
  importPublicKey,
  seededRandom,
  silentLogger,
  type Curve,
  type KeyPair,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree, type CoapParameters } from '#main/wire/coap/index.ts'
import { MemoryNetwork, type MemoryChannel } from '#main/wire/ip/index.ts'
import {
  makeCcs,
  OscoreLayer,
  SecurityGroup,
  UnicastContext,
  volatileSequences,
  type GroupContextInput,
  type SecurityGroupOptions,
  type UnicastContextInput,
} from '#main/wire/oscore/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export const GROUP_ADDRESS: SocketAddress = { address: 'ff35:30:2001:db8::1', port: 5683 }

export interface Node {
  readonly at: SocketAddress
  readonly endpoint: CoapEndpoint
  readonly layer: OscoreLayer
  readonly tree: ResourceTree
  readonly channel: MemoryChannel
}

export interface Net {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  readonly random: Random
  node(address: string, parameters?: Partial<CoapParameters>): Node
}

export function net(
  options: { readonly lossRate?: number; readonly duplicateRate?: number; readonly reorderRate?: number; readonly seed?: number } = {},
): Net {
  const clock = new VirtualClock()
  const random = seededRandom(options.seed ?? 8613)
  const network = new MemoryNetwork({ clock, random, ...options })
  return {
    clock,
    network,
    random,
    node(address, parameters = {}) {
      const at = { address, port: 5683 }
      const channel = network.channel(at)
      const layer = new OscoreLayer({ random })
      const tree = new ResourceTree()
      const endpoint = new CoapEndpoint({ channel, tree, clock, random, logger: silentLogger, parameters, security: layer })
      return { at, endpoint, layer, tree, channel }
    },
  }
}

const SECRET = Uint8Array.from({ length: 16 }, (_, index) => index + 1)

export function pairInput(side: 'client' | 'server', more: Partial<UnicastContextInput> = {}): UnicastContextInput {
  const [own, other] = [Uint8Array.of(1), Uint8Array.of(2)]
  return {
    name: side === 'client' ? 'server' : 'client',
    masterSecret: SECRET,
    masterSalt: Uint8Array.of(9, 8, 7),
    senderId: side === 'client' ? own : other,
    recipientId: side === 'client' ? other : own,
    ...more,
  }
}

export function pair(
  network: Net,
  more: Partial<UnicastContextInput> = {},
  received: 'fresh' | 'unknown' = 'fresh',
): { client: Node; server: Node } {
  const client = network.node('2001:db8::1')
  const server = network.node('2001:db8::2')
  client.layer.add(new UnicastContext(pairInput('client', more), { sequences: volatileSequences(), received: 'fresh' }))
  const sequences = volatileSequences()
  server.layer.add(new UnicastContext(pairInput('server', more), { sequences, received: 'fresh' }))
  if (received === 'unknown') server.layer.add(new UnicastContext(pairInput('server', more), { sequences, received }))
  return { client, server }
}

// ---- Groups --------------------------------------------------------------------------------------------------------

export interface MemberKeys {
  readonly senderId: Uint8Array
  readonly credential: Uint8Array
  readonly keys: KeyPair
}

export interface GroupPlan {
  readonly curve?: Curve
  readonly algorithms?: Partial<GroupContextInput>
  readonly options?: Partial<SecurityGroupOptions>
}

export function memberKeys(count: number, curve: Curve = 'Ed25519'): readonly MemberKeys[] {
  return Array.from({ length: count }, (_, index) => {
    const keys = generateKeyPair(curve)
    return { senderId: Uint8Array.of(index + 1), credential: makeCcs(keys.publicKey, { subject: `member ${index + 1}` }), keys }
  })
}

export function groupInputOf(members: readonly MemberKeys[], own: number, plan: GroupPlan = {}, generation = 0): GroupContextInput {
  const curve = plan.curve ?? 'Ed25519'
  const self = members[own]
  if (self === undefined) throw new TypeError('no such member')
  return {
    groupName: 'floor',
    gid: Uint8Array.of(0xb1, 0, generation),
    masterSecret: Uint8Array.from(SECRET, (byte) => byte ^ generation),
    masterSalt: Uint8Array.of(1, 2, 3, generation),
    groupEncryption: 10,
    signature: curve === 'P-256' ? -7 : -8,
    aead: 10,
    keyAgreement: -27,
    groupManagerCredential: makeCcs(importPublicKey('Ed25519', GM_KEY)),
    own: { senderId: self.senderId, credential: self.credential, privateKey: self.keys.privateKey },
    members: members.map(({ senderId, credential }) => ({ senderId, credential })),
    ...plan.algorithms,
  }
}

const GM_KEY = exportPublicKey(generateKeyPair('Ed25519').publicKey)

export interface Member extends Node {
  readonly group: SecurityGroup
}

/** The first is meant to ask, the others listen at the group's address. */
export function groupNet(
  network: Net,
  count: number,
  plan: GroupPlan = {},
): { readonly members: readonly Member[]; readonly keys: readonly MemberKeys[] } {
  const keys = memberKeys(count, plan.curve)
  const members = keys.map((_, index): Member => {
    const node = network.node(`2001:db8::${(index + 1).toString(16)}`)
    const group = new SecurityGroup(groupInputOf(keys, index, plan), {
      clock: network.clock,
      sequences: volatileSequences(),
      ...plan.options,
    })
    node.layer.addGroup(group)
    if (index > 0) node.channel.joinGroup(GROUP_ADDRESS.address)
    return { ...node, group }
  })
  return { members, keys }
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

export async function all<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const taken: Value[] = []
  for await (const value of values) taken.push(value)
  return taken
}

/** Every datagram that a channel hears, before the endpoint does. */
export function listen(channel: MemoryChannel): Uint8Array[] {
  const heard: Uint8Array[] = []
  channel.subscribe((event) => {
    if (event.kind === 'datagram') heard.push(event.datagram.payload)
  })
  return heard
}
