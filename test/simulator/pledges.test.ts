// Demo devices as pledges on a virtual clock: they enrol over a lossy radio, renew in time, and keep what they hold over a power cut
// (RFC 9482 §2, RFC 9483 §4.1.1, §4.1.3).
import { describe, expect, it, onTestFinished } from 'vitest'
import { seededRandom, silentLogger, type Clock } from '#main/base/index.ts'
import { Certificate, DEVICE_PROFILE, serveCmp } from '#main/services/ra/index.ts'
import { createDemoSite, type DemoSite } from '#main/simulator/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { memoryDatabase, openSite, type Site } from '../services/ra/harness.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { MapMemory } from './harness.ts'

const DEVICES = 6
const DAY_MS = 86_400_000

interface Bench {
  readonly clock: VirtualClock
  readonly demo: DemoSite
  readonly site: Site
  /** Lets time pass until it is so. */
  readonly when: (isSo: () => boolean) => Promise<void>
}

async function bench(
  lossPercent: number,
  memory = new MapMemory(),
  clock = new VirtualClock(),
  database = memoryDatabase(),
): Promise<Bench> {
  const demo = createDemoSite({ devices: DEVICES, lossPercent, seed: 7, clock, random: seededRandom(3), logger: silentLogger, memory })
  const profile = { ...DEVICE_PROFILE, lifetimeS: 40 * 86_400 }
  // Wall clocks give whole milliseconds; the virtual one stands wherever the radio's last frame ended.
  const wall: Clock = {
    now: () => Math.floor(clock.now()),
    monotonicMs: () => clock.monotonicMs(),
    setTimer: (delayMs, run) => clock.setTimer(delayMs, run),
  }
  const site = await openSite({
    clock: wall,
    database,
    ra: { manufacturerAnchors: [demo.manufacturer], settings: { profiles: [profile] } },
  })
  await site.desk.preRegister(
    demo.plan.map(({ eui64, serial, name }) => ({ reference: eui64, identities: [serial, eui64], names: [name], deviceId: eui64 })),
    'test',
  )
  const tree = new ResourceTree()
  const endpoint = new CoapEndpoint({ channel: demo.channel, tree, clock, random: seededRandom(4), logger: silentLogger })
  const server = serveCmp({ registry: tree, authority: site.authority, clock })
  demo.start()
  demo.admit([site.ca.active.certificate.bytes])
  onTestFinished(async () => {
    await demo.close()
    server.close()
    endpoint.close()
    site.authority.close()
    site.ca.close()
  })
  return {
    clock,
    demo,
    site,
    async when(isSo) {
      for (let steps = 0; !isSo() && steps < 20_000; steps++) {
        await clock.advance(100)
        // Signatures of certificates are checked by the system's cryptography, beside the event loop.
        await new Promise((resolve) => setImmediate(resolve))
      }
      expect(isSo()).toBe(true)
    },
  }
}

describe('simulated devices', () => {
  it('have birth certificates of their maker, each under its serial number and EUI-64', async () => {
    const { demo, site, when } = await bench(0)
    expect(new Certificate(demo.manufacturer).isAuthority).toBe(true)
    await when(() => demo.certified === DEVICES)
    const records = site.desk.certificates({ state: 'valid', limit: 100 })
    const known = demo.plan.map(({ eui64, serial }) => [eui64, serial.toLowerCase()])
    for (const [eui64 = '', serial = ''] of known) {
      const record = records.find(({ deviceId }) => deviceId === eui64)
      expect(record?.requester.identities).toEqual(expect.arrayContaining([serial, eui64]))
      expect(record?.subject).toBe(`CN=${eui64}`)
    }
  }, 60_000)

  it('enrol with a fifth of all datagrams lost, each once', async () => {
    const { demo, site, when } = await bench(20)
    await when(() => demo.certified === DEVICES)
    const valid = site.desk.certificates({ state: 'valid', limit: 100 })
    expect(new Set(valid.map(({ deviceId }) => deviceId)).size).toBe(DEVICES)
  }, 60_000)

  it('renew with a new key in the last quarter of the certificate’s life', async () => {
    const { clock, demo, site, when } = await bench(0)
    await when(() => demo.certified === DEVICES)
    const before = site.desk.certificates({ state: 'valid', limit: 100 }).map(({ serial }) => serial)
    clock.jumpWallClock(31 * DAY_MS)
    await when(() => site.desk.certificates({ limit: 100 }).filter(({ replaces }) => replaces !== undefined).length === DEVICES)
    await when(() => before.every((serial) => site.desk.certificates({ text: serial, limit: 1 })[0]?.replacedBy !== undefined))
    expect(demo.certified).toBe(DEVICES)
  }, 60_000)

  it('hold their certificates over a power cut, and ask nobody while there is nobody to ask', async () => {
    const memory = new MapMemory()
    const clock = new VirtualClock()
    const database = memoryDatabase()
    const first = await bench(0, memory, clock, database)
    await first.when(() => first.demo.certified === DEVICES)
    first.demo.admit([])
    const [device] = first.demo.plan
    first.demo.powerOff(device?.eui64 ?? '')
    expect(first.demo.certified).toBe(DEVICES - 1)
    first.demo.powerOn(device?.eui64 ?? '')
    await first.clock.advance(60_000)
    expect(first.demo.certified).toBe(DEVICES - 1)
    const issued = first.site.desk.certificates({ limit: 100 }).length
    first.demo.admit([first.site.ca.active.certificate.bytes])
    await first.when(() => first.demo.certified === DEVICES)
    expect(first.site.desk.certificates({ limit: 100 })).toHaveLength(issued)
  }, 60_000)
})
