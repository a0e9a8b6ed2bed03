// The KNX IoT part of a site with what it stands on: inventory, discovery, group engine and test bench, over a network in memory.
import { seededRandom, silentLogger, type JsonValue } from '#main/base/index.ts'
import { codedProfiles } from '#main/core/coded-profiles.ts'
import { createSiteKnx, type SiteKnx } from '#main/core/knx-site.ts'
import { createDiscovery, createInventory, type Discovery, type Inventory } from '#main/site/devices/index.ts'
import { createGroups, createTestBench, type GroupEngine, type TestBench } from '#main/site/groups/index.ts'
import { CoapEndpoint, ResourceTree, type CoapClient } from '#main/wire/coap/index.ts'
import { MemoryNetwork } from '#main/wire/ip/index.ts'
import { OscoreLayer, volatileSequences } from '#main/wire/oscore/index.ts'
import { MemoryGroupStore } from '../support/memory-group-store.ts'
import { MemoryDeviceStore } from '../support/memory-stores.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const ALL_NODES = { address: 'ff05::fd', port: 5683 }
const SITE_ID = 'site-1'

export interface KnxBench {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  readonly meta: Map<string, JsonValue>
  /** Passwords of labels that were scanned, by serial number. */
  readonly labels: Map<string, string>
  readonly knx: SiteKnx
  readonly inventory: Inventory
  readonly discovery: Discovery
  readonly groups: GroupEngine
  readonly tests: TestBench
  /** Lets time pass until it is done. */
  done<Value>(work: Promise<Value>): Promise<Value>
  close(): Promise<void>
}

/** `other`: instead of the endpoint on the network in memory. */
export function createKnxBench(other?: CoapClient): KnxBench {
  const clock = new VirtualClock()
  const random = seededRandom(1)
  const logger = silentLogger
  const network = new MemoryNetwork({ clock, random })
  const layer = new OscoreLayer({ random })
  const endpoint = new CoapEndpoint({
    channel: network.channel({ address: '2001:db8::1', port: 5683 }),
    tree: new ResourceTree(),
    clock,
    random,
    logger,
    security: layer,
  })
  const client = other ?? endpoint
  const meta = new Map<string, JsonValue>()
  const labels = new Map<string, string>()
  const channels = () => [{ client, allNodes: [ALL_NODES] }]
  const knx = createSiteKnx({
    file: {
      getMeta: (key) => meta.get(key),
      metaUnder: (prefix) => new Map([...meta].filter(([key]) => key.startsWith(prefix))),
      setMeta: (key, value) => void meta.set(key, value),
      meta: () => ({ id: SITE_ID }) as ReturnType<Parameters<typeof createSiteKnx>[0]['file']['meta']>,
    },
    keyring: { sealer: { seal: (plain) => plain.map((byte) => byte ^ 0xff), open: (sealed) => sealed.map((byte) => byte ^ 0xff) } },
    channels,
    security: { layer, sequences: volatileSequences() },
    inventory: () => inventory,
    groups: () => groups,
    labelPassword: (serialNumber) => labels.get(serialNumber),
    clock,
    random,
    logger,
  })
  const profiles = codedProfiles(knx.profile)
  const contacts = { client: (channelId: string) => (channelId === client.channelId ? client : undefined) }
  const inventory = createInventory({ store: new MemoryDeviceStore(), contacts, profiles, clock, random, logger })
  const discovery = createDiscovery({ inventory, channels, profiles, clock, logger })
  const store = new MemoryGroupStore()
  const groups = createGroups({ store, devices: inventory, clock, random, logger, allocation: { prefixId: SITE_ID } })
  const tests = createTestBench({ groups, devices: inventory, store, clock, random, logger })
  return {
    clock,
    network,
    meta,
    labels,
    knx,
    inventory,
    discovery,
    groups,
    tests,
    async done(work) {
      let over = false
      const watched = work.finally(() => {
        over = true
      })
      watched.catch(() => undefined)
      // Stretching a password takes the time of this machine, in another thread: the clock must not run away from it.
      while (!over) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        await clock.advance(20)
      }
      return watched
    },
    async close() {
      await tests.close()
      await discovery.close()
      groups.close()
      inventory.close()
      endpoint.close()
    },
  }
}
