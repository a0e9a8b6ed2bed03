// The program's own links, IPv6 host, CoAP endpoint and directory at the serial port of a simulated dongle, all on one virtual clock.
import { onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemRandom, type Clock, type DatagramChannel, type SocketAddress } from '#main/base/index.ts'
import { createResourceDirectory, type ResourceDirectory } from '#main/services/rd/index.ts'
import { createDongleSite, type DongleSite, type DongleSiteOptions } from '#main/simulator/index.ts'
import { CoapEndpoint, ResourceTree, type ClientRequest, type ClientResponse, type RequestOptions } from '#main/wire/coap/index.ts'
import { createIpHost, type IpHost } from '#main/wire/ip/index.ts'
import { DongleLink, driverFor, PortWatch } from '#main/wire/links/index.ts'
import { MemoryRegistrationStore } from '../services/rd/harness.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { MapMemory } from './harness.ts'

export interface DongleBench {
  readonly clock: VirtualClock
  readonly site: DongleSite
  readonly link: DongleLink
  readonly host: IpHost
  readonly channel: DatagramChannel
  readonly endpoint: CoapEndpoint
  readonly directory: ResourceDirectory
  ask(to: SocketAddress, request: ClientRequest, options?: RequestOptions): Promise<ClientResponse>
  at(index: number): SocketAddress
  /** Waits until the link is up. */
  up(): Promise<void>
}

export interface ProgramSide {
  /** Shared by several benches. */
  readonly clock?: VirtualClock
  /** The clock as the program's own link, host and endpoint see it. */
  readonly seenBy?: (clock: VirtualClock) => Clock
  /** For how long what is sent while the dongle is away is lost, and does not fail. */
  readonly pauseMs?: number
}

export function dongleBench(options: Partial<DongleSiteOptions> = {}, side: ProgramSide = {}): DongleBench {
  const clock = side.clock ?? new VirtualClock()
  const site = createDongleSite({
    devices: 12,
    lossPercent: 0,
    seed: 7,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    memory: new MapMemory(),
    binding: 'memory',
    ...options,
  })
  const seen = side.seenBy?.(clock) ?? clock
  const ports = { clock: seen, random: seededRandom(2), logger: silentLogger }
  const link = new DongleLink({
    id: 'demo',
    target: { path: site.port.path },
    createDriver: driverFor(),
    watch: new PortWatch({ clock: seen, binding: site.port.binding }),
    binding: site.port.binding,
    ...ports,
  })
  const host = createIpHost({ link, ...ports, pauseMs: side.pauseMs ?? 0 })
  const channel = host.openUdp({ port: 5683, id: 'demo' })
  const tree = new ResourceTree()
  const endpoint = new CoapEndpoint({ channel, tree, clock: seen, random: systemRandom, logger: silentLogger })
  const directory = createResourceDirectory({
    store: new MemoryRegistrationStore(),
    clock,
    random: systemRandom,
    logger: silentLogger,
    registry: tree,
  })
  site.start()
  link.open()
  onTestFinished(async () => {
    endpoint.close()
    directory.close()
    await host.close()
    const closing = link.close()
    await clock.until(closing)
    await site.close()
  })
  return {
    clock,
    site,
    link,
    host,
    channel,
    endpoint,
    directory,
    ask: (to, request, requestOptions) => clock.until(endpoint.request(to, request, requestOptions)),
    at: (index) => site.stateOf(site.plan[index]?.eui64 ?? '').address,
    async up() {
      for (let step = 0; step < 600 && !link.up; step++) await clock.advance(100)
      if (!link.up) throw new Error(`the link stays ${JSON.stringify(link.state)}`)
    },
  }
}
