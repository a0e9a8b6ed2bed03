// The demo site with a Group Manager at the laptop's end, whose operator enrols devices and is a member of the groups itself.
import { onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemRandom, type SocketAddress } from '#main/base/index.ts'
import { GroupManager, GroupMemberClient, rolesOf } from '#main/services/group-manager/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import { createDemoSite, type DemoSite, type DemoSiteOptions, type DeviceSecurityView } from '#main/simulator/index.ts'
import { createGroupManagerStore } from '#main/store/index.ts'
import { CoapEndpoint, ResourceTree, type ClientRequest, type ClientResponse, type RequestOptions } from '#main/wire/coap/index.ts'
import { MemoryNetwork } from '#main/wire/ip/index.ts'
import { OscoreLayer, UnicastContext, volatileSequences, type SecurityGroup } from '#main/wire/oscore/index.ts'
import { MemoryRegistrationStore } from '../services/rd/harness.ts'
import { keysOf, memoryDatabase, sealerOf } from '../services/group-manager/harness.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { json, MapMemory, text } from './harness.ts'

export interface SecurityListing {
  readonly places: number
  readonly groups: ReadonlyArray<{
    readonly n: string
    readonly s: string
    readonly g: number
    readonly apps: readonly string[]
    readonly e: string
  }>
}

export interface SecureBench {
  readonly clock: VirtualClock
  readonly memory: MapMemory
  readonly layer: OscoreLayer
  readonly manager: GroupManager
  readonly endpoint: CoapEndpoint
  site: DemoSite
  ep(index: number): string
  at(index: number): SocketAddress
  enrol(index: number): boolean
  /** Enrols and lets in. */
  admit(indices: readonly number[], groups: readonly string[]): void
  /** Asks under the context of the enrolment. */
  ask(index: number, request: ClientRequest, options?: RequestOptions): Promise<ClientResponse>
  /** Without protection. */
  askPlainly(index: number, request: ClientRequest): Promise<ClientResponse>
  tell(index: number, group: string, apps: readonly string[], roles?: readonly string[]): Promise<string>
  listing(index: number): Promise<SecurityListing>
  /** The operator's own membership, over a network of its own. */
  operator(group: string): Promise<SecurityGroup>
  /** A group request, and the devices that answered. */
  send(to: SocketAddress, request: ClientRequest, deadlineMs?: number): Promise<readonly number[]>
  current(group: string): number
  /** The same memory, other devices: the program was closed and opened again. */
  reopen(): Promise<void>
}

export function sendOn(app: string, group?: SecurityGroup, on = true): ClientRequest {
  const request: ClientRequest = { method: 'PUT', path: ['gp', app, 'state'], ...json({ on }) }
  return group === undefined ? request : { ...request, security: group.groupMode() }
}

export const GROUP_ADDRESS = 'ff35:30:fd00::1:1'
export const TO_GROUP = { address: GROUP_ADDRESS, port: 5683 }

export async function putInto(bench: SecureBench, indices: readonly number[], app = 'room', address = GROUP_ADDRESS): Promise<void> {
  for (const index of indices) {
    const response = await bench.askPlainly(index, { method: 'PUT', path: ['groups', app], ...json({ a: address, p: 5683 }) })
    if (response.code !== '2.01') throw new Error(`not in the group: ${response.code}`)
  }
}

/** Devices of one application group that have joined its security group, and the operator with them. */
export async function securedRoom(bench: SecureBench, indices: readonly number[]): Promise<SecurityGroup> {
  bench.admit(indices, ['G'])
  await putInto(bench, indices)
  const group = await bench.operator('G')
  for (const index of indices) await bench.tell(index, 'G', ['room'])
  await bench.clock.advance(5000)
  for (const index of indices) {
    const state = (await bench.listing(index)).groups[0]?.s
    if (state !== 'joined') throw new Error(`device ${index} has not joined: ${String(state)}`)
  }
  return group
}

export const isOn = (bench: SecureBench, index: number): unknown => bench.site.stateOf(bench.ep(index)).state.on
export const ignored = (bench: SecureBench, index: number): DeviceSecurityView['ignored'] =>
  bench.site.stateOf(bench.ep(index)).security.ignored
export const views = (bench: SecureBench, index: number): DeviceSecurityView['groups'] =>
  bench.site.stateOf(bench.ep(index)).security.groups

export const identityOf = (index: number): string => `device ${index}`

export function secureBench(options: Partial<DemoSiteOptions> = {}): SecureBench {
  const clock = new VirtualClock()
  const memory = new MapMemory()
  const random = seededRandom(options.seed ?? 1)
  const siteOptions: DemoSiteOptions = { devices: 8, lossPercent: 0, seed: 7, clock, random, logger: silentLogger, memory, ...options }
  const layer = new OscoreLayer({ random: systemRandom })
  const tree = new ResourceTree()
  const database = memoryDatabase()
  const sequences = volatileSequences()
  const inside = new MemoryNetwork({ clock, random })
  const managerChannel = inside.channel({ address: 'fd00:1::1', port: 5683, id: 'inside' })
  const ownChannel = inside.channel({ address: 'fd00:1::2', port: 5683, id: 'own' })
  const common = { clock, random: systemRandom, logger: silentLogger, security: layer }
  const managerEnd = new CoapEndpoint({ ...common, channel: managerChannel, tree })
  const ownTree = new ResourceTree()
  const ownEnd = new CoapEndpoint({ ...common, channel: ownChannel, tree: ownTree })
  const shared = { masterSecret: random.bytes(16), masterSalt: random.bytes(8) }
  const ids = [Uint8Array.of(9, 9, 9, 1), Uint8Array.of(9, 9, 9, 2)] as const
  layer.add(new UnicastContext({ ...shared, name: 'operator', senderId: ids[0], recipientId: ids[1] }, { sequences, received: 'fresh' }))
  layer.add(
    new UnicastContext(
      { ...shared, name: 'manager', senderId: ids[1], recipientId: ids[0] },
      { sequences: volatileSequences(), received: 'fresh' },
    ),
  )

  const open = (): { readonly site: DemoSite; readonly endpoint: CoapEndpoint } => {
    const site = createDemoSite(siteOptions)
    return { site, endpoint: new CoapEndpoint({ ...common, channel: site.channel, tree }) }
  }
  let { site, endpoint } = open()
  const manager = new GroupManager({
    registry: tree,
    layer,
    sequences,
    store: createGroupManagerStore(database),
    sealer: sealerOf(random.bytes(16), random),
    clock,
    random: systemRandom,
    logger: silentLogger,
    clientFor: ({ channelId }) => (channelId === 'inside' ? managerEnd : endpoint),
    baseUri: () => 'coap://[fd00::1]',
  })
  const directory = createResourceDirectory({ store: new MemoryRegistrationStore(), registry: tree, ...common })
  site.start()
  let members = 0
  onTestFinished(async () => {
    await site.close()
    endpoint.close()
    managerEnd.close()
    ownEnd.close()
    manager.close()
    directory.close()
    database.close()
  })
  const it: SecureBench = {
    clock,
    memory,
    layer,
    manager,
    site,
    endpoint,
    ep: (index) => it.site.plan[index]?.eui64 ?? 'no such device',
    at: (index) => it.site.stateOf(it.ep(index)).address,
    enrol(index) {
      const enrolment = {
        masterSecret: random.bytes(16),
        masterSalt: random.bytes(8),
        deviceId: Uint8Array.of(0, index >> 8, index & 0xff),
        toolId: Uint8Array.of(0x54),
      }
      if (!it.site.enrol(it.ep(index), enrolment)) return false
      const { masterSecret, masterSalt, deviceId, toolId } = enrolment
      layer.add(
        new UnicastContext(
          { name: identityOf(index), masterSecret, masterSalt, senderId: toolId, recipientId: deviceId },
          { sequences, received: 'fresh' },
        ),
      )
      return true
    },
    admit(indices, groups) {
      for (const group of groups) if (!manager.hasGroup(group)) manager.createGroup(group, { active: true })
      for (const index of indices) {
        it.enrol(index)
        manager.authorise({
          identity: identityOf(index),
          groups: groups.map((group) => ({ group, roles: rolesOf(['responder', 'requester']) })),
        })
      }
    },
    ask: (index, request, requestOptions) =>
      clock.until(endpoint.request(it.at(index), { ...request, security: layer.to(identityOf(index)) }, requestOptions)),
    askPlainly: (index, request) => clock.until(endpoint.request(it.at(index), request)),
    async tell(index, group, apps, roles = ['responder']) {
      const gm = `coap://[fd00::1]:5683/ace-group/${encodeURIComponent(group)}`
      return (await it.ask(index, { method: 'PUT', path: ['sec', group], ...json({ gm, r: roles, apps }) })).code
    },
    async listing(index) {
      return readListing(text(await it.ask(index, { method: 'GET', path: ['sec'] })))
    },
    async operator(groupName) {
      manager.authorise({ identity: 'operator', groups: [{ group: groupName, roles: rolesOf(['requester']) }] })
      const client = new GroupMemberClient({
        client: ownEnd,
        manager: { address: 'fd00:1::1', port: 5683 },
        managerContext: 'manager',
        layer,
        groupName,
        roles: rolesOf(['requester']),
        keysFor: keysOf(),
        control: { registry: ownTree, path: `/keys/${members++}` },
        clock,
        random: systemRandom,
        sequences,
        logger: silentLogger,
      })
      const group = await clock.until(client.join())
      const learn = (): void => {
        for (const { identity, senderId, credential, roles } of manager.hasGroup(groupName) ? manager.members(groupName) : []) {
          if (identity !== 'operator' && senderId !== undefined && credential !== undefined)
            group.addMember({ senderId, credential, roles })
        }
      }
      learn()
      onTestFinished(manager.onEvent(learn))
      return group
    },
    async send(to, request, deadlineMs = 3000) {
      const gather = async (): Promise<readonly number[]> => {
        const addresses = it.site.plan.map((_, index) => it.at(index).address)
        const answered: number[] = []
        for await (const response of endpoint.groupRequest(to, request, { deadlineMs })) {
          if (response.code === '2.04') answered.push(addresses.indexOf(response.source.address))
        }
        return answered.sort((a, b) => a - b)
      }
      return clock.until(gather())
    },
    current: (group) => manager.members(group).filter(({ identity, keys }) => identity !== 'operator' && keys === 'current').length,
    async reopen() {
      await it.site.close()
      endpoint.close()
      ;({ site, endpoint } = open())
      it.site = site
      Object.assign(it, { endpoint })
      site.start()
    },
  }
  return it
}

function readListing(body: string): SecurityListing {
  const value: unknown = JSON.parse(body)
  if (!isListing(value)) throw new Error(`no listing: ${body}`)
  return value
}

function isListing(value: unknown): value is SecurityListing {
  return typeof value === 'object' && value !== null && 'places' in value && 'groups' in value && Array.isArray(value.groups)
}
