// The test bench of an open site: what it knows of the site's channels, and how long the demo's devices take.
import type { Clock, Logger, Random } from '#main/base/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import { createTestBench } from '#main/site/groups/index.ts'
import type { GroupEngine, TestBench, TestBenchOptions } from '#main/site/groups/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { SiteNetwork } from './network.ts'

/** The demo site's devices spread their answers over this time (docs/demo-devices.md). */
const DEMO_LEISURE_MS = 1000

export interface SiteBenchPorts {
  readonly file: SiteFile
  readonly groups: GroupEngine
  readonly inventory: Inventory
  readonly network: SiteNetwork
  readonly security: TestBenchOptions['security']
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export function createSiteBench({ file, groups, inventory, network, security, clock, random, logger }: SiteBenchPorts): TestBench {
  const isDemo = file.meta().kind === 'demo'
  return createTestBench({
    groups,
    devices: inventory,
    store: file.groups,
    ...(security === undefined ? {} : { security }),
    ...(isDemo ? { leisureMs: DEMO_LEISURE_MS } : {}),
    hasSmallFrames: (channelId) => isDemo || network.channels().some((each) => each.client.channelId === channelId && each.kind === 'mesh'),
    carriesMulticast: (channelId) => network.channels().every((each) => each.client.channelId !== channelId || each.carriesMulticast),
    clock,
    random,
    logger,
  })
}
