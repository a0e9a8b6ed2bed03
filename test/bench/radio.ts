// The demo site's modelled radio: discovery through the simulated dongle against the least time that one channel can take, and what the model costs.
import { seededRandom, silentLogger, systemRandom } from '#main/base/index.ts'
import { createDongleSite } from '#main/simulator/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { createIpHost } from '#main/wire/ip/index.ts'
import { DongleLink, driverFor, PortWatch } from '#main/wire/links/index.ts'
import { SITE_PREFIX } from '../../src-main/simulator/net/addresses.ts'
import {
  ACK_FRAME_BYTES,
  airtimeUs,
  CCA_US,
  frameSizes,
  headerSizes,
  spacingUs,
  threadProfile,
  TURNAROUND_US,
} from '../../src-main/simulator/radio/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import type { BenchResult } from './types.ts'

const DEVICES = [60, 200]
const PORT = 5683
/** The devices have registered by then. */
const QUIET_MS = 60_000
const DEADLINE_MS = 20_000

export async function benchRadio(): Promise<BenchResult[]> {
  const results: BenchResult[] = []
  for (const devices of DEVICES) results.push(...(await discover(devices)))
  return results
}

async function discover(devices: number): Promise<BenchResult[]> {
  const clock = new VirtualClock()
  const ports = { clock, random: seededRandom(2), logger: silentLogger }
  const memory = { load: () => undefined, save: () => undefined }
  const site = createDongleSite({ devices, lossPercent: 1, seed: 7, radio: 'real', binding: 'memory', memory, ...ports })
  const { path, binding } = site.port
  const link = new DongleLink({
    id: 'demo',
    target: { path },
    createDriver: driverFor(),
    watch: new PortWatch({ clock, binding }),
    binding,
    ...ports,
  })
  const host = createIpHost({ link, ...ports })
  const channel = host.openUdp({ port: PORT, id: 'demo' })
  const endpoint = new CoapEndpoint({ channel, clock, random: systemRandom, logger: silentLogger })
  site.start()
  link.open()
  await clock.advance(QUIET_MS)

  let leastUs = 0
  const untap = host.tap(({ direction, packet }) => {
    if (direction === 'received') leastUs += lastHopUs(packet)
  })
  const startedMs = clock.monotonicMs()
  const startedCpu = performance.now()
  const sources = new Set<string>()
  let lastMs = 0
  const gather = async (): Promise<void> => {
    const request = { method: 'GET', path: ['.well-known', 'core'] } as const
    for await (const answer of endpoint.groupRequest({ address: 'ff03::fd', port: PORT }, request, { deadlineMs: DEADLINE_MS })) {
      sources.add(answer.source.address)
      lastMs = clock.monotonicMs() - startedMs
    }
  }
  await clock.until(gather())
  const cpuMs = performance.now() - startedCpu
  const modelMs = clock.monotonicMs() - startedMs
  untap()
  endpoint.close()
  await host.close()
  await clock.until(link.close())
  await site.close()

  const heard = sources.size
  const leastMs = leastUs / 1000
  return [
    result(`devices of ${devices} that one multicast request finds over the modelled radio`, heard, 'devices', devices),
    result(`time to them; baseline: the same answers over the last hop alone, back to back`, lastMs, 'ms', leastMs),
    result(`processor time of model, devices and dongle with ${devices} devices; baseline: the time modelled`, cpuMs, 'ms', modelMs),
  ]
}

/** What the last hop of a packet takes when nobody else is in the air and no backoff is drawn. */
function lastHopUs(packet: Uint8Array): number {
  const profile = threadProfile(SITE_PREFIX)
  const frames = frameSizes(packet.length, headerSizes(packet, profile), profile, false)
  const perFrameUs = CCA_US + TURNAROUND_US + TURNAROUND_US + airtimeUs(ACK_FRAME_BYTES)
  return frames.reduce((sum, bytes) => sum + perFrameUs + airtimeUs(bytes) + spacingUs(bytes), 0)
}

function result(name: string, value: number, unit: string, baseline: number): BenchResult {
  return { area: 'link', name, value, unit, baseline, ratio: value / baseline }
}
