// A site with security groups over a network in memory: the real inventory, groups, jobs, test bench, Group Manager and store, and devices
// that join by the protocol and take group requests under Group OSCORE alone (docs/demo-devices.md).
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { generateKeyPair, seededRandom, silentLogger, utf8, utf8ToText, type Logger } from '#main/base/index.ts'
import { openProgramKeyring } from '../../src-main/core/keyring.ts'
import type { DeviceEnrolment } from '../../src-main/core/security-enrolments.ts'
import { withSecurity } from '../../src-main/core/security-jobs.ts'
import { createSiteSecurity, type SiteSecurity } from '../../src-main/core/security.ts'
import type { SiteNetwork } from '../../src-main/core/network.ts'
import { GroupMemberClient, rolesOf, type PublishedGroup, type Roles } from '#main/services/group-manager/index.ts'
import { createInventory, loadProfiles, type Inventory } from '#main/site/devices/index.ts'
import { createGroups, createTestBench, type GroupEngine, type TestBench } from '#main/site/groups/index.ts'
import { createJobs, type JobService } from '#main/site/jobs/index.ts'
import { createSiteFile, openSiteFile, type SiteFile } from '#main/store/index.ts'
import { CoapEndpoint, ResourceTree, type IncomingRequest, type OutgoingResponse } from '#main/wire/coap/index.ts'
import { MemoryNetwork, type MemoryChannel } from '#main/wire/ip/index.ts'
import { isGroupPeer, makeCcs, OscoreLayer, UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'
import type { DeviceType, JobRow, TestRunRow } from '#contract/model.ts'
import { exampleSite, storePorts, temporaryFolder } from '../support/site-file.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const LAPTOP = { address: 'fd00::1', port: 5683 }
const LINKS = '</dev>;rt="gw.device",</groups>;rt="gw.groups",</state>;rt="gw.luminaire"'
const DEADLINE_MS = 300_000

/** Whole milliseconds, as the system's clock tells them. */
class WholeClock extends VirtualClock {
  override now(): number {
    return Math.floor(super.now())
  }
}

interface Held {
  readonly client: GroupMemberClient
  readonly controlPath: string
  apps: readonly string[]
  state: 'joining' | 'joined' | 'failed'
  reason: string
}

/** A device as docs/demo-devices.md describes it, with as many places as the test wants. */
export class SecureDevice {
  readonly eui64: string
  readonly address: string
  readonly layer: OscoreLayer
  readonly groups = new Map<string, Held>()
  readonly table = new Map<string, { readonly a: string; readonly p: number }>()
  /** Group requests that it has not obeyed. */
  ignored = 0
  on = false
  joinsFail = false
  readonly #channel: MemoryChannel
  readonly #endpoint: CoapEndpoint
  readonly #tree = new ResourceTree()
  readonly #clock: VirtualClock
  readonly #keys = generateKeyPair('Ed25519')
  readonly #random
  readonly places: number
  #paths = 0

  constructor(network: MemoryNetwork, clock: VirtualClock, number: number, places: number) {
    this.#clock = clock
    this.places = places
    this.#random = seededRandom(1000 + number)
    this.eui64 = number.toString(16).padStart(16, '0')
    this.address = `fd00::${(0x100 + number).toString(16)}`
    this.layer = new OscoreLayer({ random: this.#random })
    this.#channel = network.channel({ address: this.address, port: 5683 })
    this.#endpoint = new CoapEndpoint({
      channel: this.#channel,
      tree: this.#tree,
      clock,
      random: this.#random,
      logger: silentLogger,
      security: this.layer,
      parameters: { leisureMs: 500 },
    })
    const json = (value: unknown): OutgoingResponse => ({ code: '2.05', payload: utf8(JSON.stringify(value)), contentFormat: 50 })
    this.#tree.add('/groups', {
      subtree: true,
      handlers: {
        GET: () => json([...this.table].map(([n, entry]) => ({ n, ...entry }))),
        PUT: ({ path, payload }) => {
          const entry = JSON.parse(utf8ToText(payload) ?? '') as { a: string; p: number }
          this.table.set(path[1] ?? '', entry)
          this.#channel.joinGroup(entry.a)
          return { code: '2.04' }
        },
        DELETE: ({ path }) => {
          this.table.delete(path[1] ?? '')
          return { code: '2.02' }
        },
      },
    })
    this.#tree.add('/state', { handlers: { GET: () => json({ on: this.on }) } })
    this.#tree.add('/gp', { subtree: true, answersGroupRequests: true, handlers: { PUT: (request) => this.#obey(request) } })
    this.#tree.add('/sec', {
      subtree: true,
      protection: ['oscore'],
      handlers: {
        GET: () =>
          json({
            places,
            groups: [...this.groups].map(([n, held]) => ({ n, s: held.state, g: held.client.generation ?? 0, e: held.reason })),
          }),
        PUT: (request) => this.#told(request),
        DELETE: async ({ path }) => {
          await this.leave(path[1] ?? '')
          return { code: '2.02' }
        },
      },
    })
  }

  get links(): string {
    return this.places === 0 ? LINKS : `${LINKS},</sec>;rt="gw.security";places=${this.places}`
  }

  get power(): boolean {
    return this.#channel.powered
  }

  set power(on: boolean) {
    this.#channel.setPower(on)
  }

  enrol({ masterSecret, masterSalt, deviceId, toolId }: DeviceEnrolment): void {
    const input = { name: 'tool', masterSecret, masterSalt, senderId: deviceId, recipientId: toolId }
    this.layer.add(new UnicastContext(input, { sequences: volatileSequences(), received: 'fresh' }))
  }

  async leave(name: string): Promise<void> {
    const held = this.groups.get(name)
    this.groups.delete(name)
    if (held?.client.state === 'member') await held.client.leave().catch(() => undefined)
    held?.client.close()
  }

  close(): void {
    for (const { client } of this.groups.values()) client.close()
    this.#endpoint.close()
  }

  #obey({ path, payload, peer }: IncomingRequest): OutgoingResponse | undefined {
    const name = path[1] ?? ''
    const by = [...this.groups].find(([, { apps }]) => apps.includes(name))?.[0]
    const isRight = by === undefined ? peer === undefined : peer !== undefined && isGroupPeer(peer) && peer.group === by
    if (!this.table.has(name) || !isRight) {
      this.ignored++
      return undefined
    }
    this.on = (JSON.parse(utf8ToText(payload) ?? '') as { on: boolean }).on
    return { code: '2.04' }
  }

  #told({ path, payload }: IncomingRequest): OutgoingResponse {
    const name = path[1] ?? ''
    const { gm, r, apps } = JSON.parse(utf8ToText(payload) ?? '') as { gm: string; r: Array<keyof Roles>; apps: string[] }
    const known = this.groups.get(name)
    if (known !== undefined) {
      known.apps = apps
      return { code: '2.04' }
    }
    if (this.groups.size >= this.places) return { code: '4.09' }
    const uri = new URL(gm)
    const controlPath = `/k/${this.#paths++}`
    const client = new GroupMemberClient({
      client: this.#endpoint,
      manager: { address: uri.hostname.slice(1, -1), port: Number(uri.port || 5683) },
      managerContext: 'tool',
      layer: this.layer,
      groupName: decodeURIComponent(uri.pathname.split('/')[2] ?? ''),
      roles: rolesOf(r),
      keysFor: ({ alg }) => ({
        credential: makeCcs(this.#keys.publicKey, alg === undefined ? {} : { alg }),
        privateKey: this.#keys.privateKey,
      }),
      control: { registry: this.#tree, path: controlPath },
      clock: this.#clock,
      random: this.#random,
      sequences: volatileSequences(),
      logger: silentLogger,
    })
    const held: Held = { client, controlPath, apps, state: 'joining', reason: '' }
    this.groups.set(name, held)
    this.#clock.setTimer(200, () => void this.#join(held))
    return { code: '2.01' }
  }

  async #join(held: Held): Promise<void> {
    try {
      if (this.joinsFail) throw new TypeError('no memory for keys')
      await held.client.join()
      held.state = 'joined'
    } catch (thrown) {
      held.state = 'failed'
      held.reason = thrown instanceof Error ? thrown.message : ''
    }
  }
}

export interface SecuritySite {
  readonly clock: VirtualClock
  readonly file: SiteFile
  readonly inventory: Inventory
  readonly groups: GroupEngine
  readonly jobs: JobService
  readonly bench: TestBench
  readonly security: SiteSecurity
  readonly devices: readonly SecureDevice[]
  readonly published: ReadonlyArray<readonly PublishedGroup[]>
  idOf(device: SecureDevice): string
  /** Applies everything and gives the job as it ended. */
  apply(): Promise<JobRow>
  test(group: string, action?: string): Promise<TestRunRow>
  /** Lets time pass until the condition holds. */
  until(condition: () => boolean, limitMs?: number): Promise<void>
  close(): Promise<void>
}

export interface SecuritySiteOptions {
  readonly devices?: number
  readonly types?: readonly DeviceType[]
  /** Places for security groups; 0: the device knows nothing of them. */
  readonly places?: (number: number) => number
  readonly folder?: string
  /** A site that is there already, with its devices. */
  readonly again?: {
    readonly path: string
    readonly devices: readonly SecureDevice[]
    readonly network: MemoryNetwork
    readonly clock: VirtualClock
  }
  readonly settings?: string
  readonly lossRate?: number
  readonly logger?: Logger
  readonly passphrase?: string
  readonly seed?: number
}

export async function securitySite(
  options: SecuritySiteOptions = {},
): Promise<SecuritySite & { readonly path: string; readonly network: MemoryNetwork }> {
  const clock = options.again?.clock ?? new WholeClock()
  const random = seededRandom(options.seed ?? 42)
  const folder = options.folder ?? temporaryFolder()
  const network =
    options.again?.network ?? new MemoryNetwork({ clock, random, lossRate: options.lossRate ?? 0, delayMs: { min: 5, max: 20 } })
  const logger = options.logger ?? silentLogger
  const path = options.again?.path ?? join(folder, 'site.gws')
  const file = options.again === undefined ? createSiteFile(path, exampleSite, storePorts(clock)) : openSiteFile(path, storePorts(clock))
  const tree = new ResourceTree()
  const dataDirectory = options.settings ?? join(folder, 'settings')
  const { passphrase } = options
  const keyring = await openProgramKeyring({
    path: join(dataDirectory, 'keyring.json'),
    random,
    passphrase,
    cost: { n: 1024, r: 8, p: 1 },
  }).catch((thrown: unknown) => thrown as never)
  const security = createSiteSecurity({ file, tree, keyring, dataDirectory, clock, random, logger })
  const channel = network.channel({ ...LAPTOP, id: 'mesh' })
  const endpoint = new CoapEndpoint({ channel, tree, clock, random, logger, security: security.layer })
  const siteNetwork: SiteNetwork = {
    listening: [],
    channels: () => [{ client: endpoint, observer: endpoint, local: LAPTOP, kind: 'mesh', carriesMulticast: true }],
    client: (id) => (id === 'mesh' ? endpoint : undefined),
    secure: () => Promise.resolve(),
    secured: () => [],
    sessionOf: () => undefined,
    hangUp: () => undefined,
    endSessions: () => undefined,
    attach: () => undefined,
    detach: () => Promise.resolve(),
    listen: () => Promise.resolve(),
    moveTo: () => Promise.resolve(),
    openTowards: () => Promise.reject(new Error('nothing else listens here')),
    close: () => Promise.resolve(),
  }
  const { profiles } = await loadProfiles([join(import.meta.dirname, '../../build/profiles')])
  const ports = { clock, random, logger }
  const inventory = createInventory({ store: file.devices, contacts: siteNetwork, profiles, ...ports })
  const groups = createGroups({
    store: file.groups,
    devices: inventory,
    allocation: { prefixId: 'site-1', scope: 'realm-local' },
    ...ports,
  })
  const jobs = createJobs({ store: file.jobs, ...ports })
  const bench = createTestBench({
    groups,
    devices: inventory,
    store: file.groups,
    leisureMs: 500,
    hasSmallFrames: () => true,
    security: security.bench,
    ...ports,
  })
  for (const runner of groups.runners) jobs.register(withSecurity(runner, security))
  const count = options.devices ?? 4
  const devices =
    options.again?.devices ??
    Array.from({ length: count }, (_, index) => new SecureDevice(network, clock, index + 1, options.places?.(index + 1) ?? 4))
  const published: Array<readonly PublishedGroup[]> = []
  devices.forEach((device, index) => {
    inventory.heard({
      source: 'discovery',
      at: { address: device.address, port: 5683 },
      channelId: 'mesh',
      endpointName: device.eui64,
      identity: { eui64: device.eui64, serial: `S${index}`, model: 'M', type: options.types?.[index] ?? 'luminaire' },
      profileId: 'groupwright-demo',
      links: device.links,
      failure: undefined,
    })
  })
  security.connect({
    network: siteNetwork,
    inventory,
    groups,
    enrolDevice: (eui64, enrolment) => {
      const device = devices.find((candidate) => candidate.eui64 === eui64)
      device?.enrol(enrolment)
      return device !== undefined
    },
    publishGroups: (all) => published.push(all),
  })
  let closed = false
  const site = {
    clock,
    file,
    path,
    network,
    inventory,
    groups,
    jobs,
    bench,
    security,
    devices,
    published,
    idOf: (device: SecureDevice) => inventory.byEndpointName(device.eui64)?.id ?? '',
    apply: () => {
      const items = [...groups.applyItems(), ...security.engine.items()]
      return clock.until(jobs.finished(jobs.start('apply', 'test', items)), DEADLINE_MS)
    },
    test: (group: string, action = 'on') => clock.until(bench.run(group, action, 1).finished, DEADLINE_MS),
    async until(condition: () => boolean, limitMs = DEADLINE_MS) {
      for (let waitedMs = 0; waitedMs < limitMs && !condition(); waitedMs += 100) await clock.advance(100)
    },
    async close() {
      if (closed) return
      closed = true
      await jobs.close()
      await bench.close()
      await security.close()
      groups.close()
      inventory.close()
      endpoint.close()
      await channel.close()
      file.close()
    },
  }
  onTestFinished(async () => {
    for (const device of devices) device.close()
    await site.close()
  })
  return site
}
