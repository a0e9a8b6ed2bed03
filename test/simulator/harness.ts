// The demo site with this program's own endpoint and directory at the laptop's end of the radio, on a virtual clock.
import { onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemRandom, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import { createResourceDirectory, type ResourceDirectory } from '#main/services/rd/index.ts'
import { createDemoSite, type DemoMemory, type DemoSite, type DemoSiteOptions } from '#main/simulator/index.ts'
import { CoapEndpoint, ResourceTree, type ClientRequest, type ClientResponse, type RequestOptions } from '#main/wire/coap/index.ts'
import { MemoryRegistrationStore } from '../services/rd/harness.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export class MapMemory implements DemoMemory {
  readonly texts = new Map<string, string>()
  broken = false
  load(endpointName: string): string | undefined {
    return this.texts.get(endpointName)
  }
  save(endpointName: string, text: string): void {
    if (this.broken) throw new RangeError('no disk')
    this.texts.set(endpointName, text)
  }
}

export interface DemoBench {
  readonly clock: VirtualClock
  readonly site: DemoSite
  readonly endpoint: CoapEndpoint
  readonly directory: ResourceDirectory
  readonly memory: MapMemory
  ask(to: SocketAddress, request: ClientRequest, options?: RequestOptions): Promise<ClientResponse>
  /** The address of the device with that index in the plan. */
  at(index: number): SocketAddress
  ep(index: number): string
}

export function demoBench(options: Partial<DemoSiteOptions> = {}): DemoBench {
  const clock = new VirtualClock()
  const memory = new MapMemory()
  const site = createDemoSite({
    devices: 12,
    lossPercent: 0,
    seed: 7,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    memory,
    ...options,
  })
  const tree = new ResourceTree()
  const endpoint = new CoapEndpoint({ channel: site.channel, tree, clock, random: systemRandom, logger: silentLogger })
  const directory = createResourceDirectory({
    store: new MemoryRegistrationStore(),
    clock,
    random: systemRandom,
    logger: silentLogger,
    registry: tree,
  })
  site.start()
  onTestFinished(async () => {
    await site.close()
    endpoint.close()
    directory.close()
  })
  const ep = (index: number): string => site.plan[index]?.eui64 ?? 'no such device'
  return {
    clock,
    site,
    endpoint,
    directory,
    memory,
    ask: (to, request, requestOptions) => clock.until(endpoint.request(to, request, requestOptions)),
    at: (index) => site.stateOf(ep(index)).address,
    ep,
  }
}

export function json(value: unknown): { readonly payload: Uint8Array; readonly contentFormat: number } {
  return { payload: utf8(JSON.stringify(value)), contentFormat: 50 }
}

export function text(response: { readonly payload: Uint8Array }): string {
  return utf8ToText(response.payload) ?? 'not UTF-8'
}
