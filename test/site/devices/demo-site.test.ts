// Import, discovery and the demo profile against the simulated devices, whose CoAP stack is not this program's own.
import { describe, expect, it } from 'vitest'
import { seededRandom, silentLogger } from '#main/base/index.ts'
import { allCoapNodes, applyImport, createDiscovery, createInventory, type Discovery, type Inventory } from '#main/site/devices/index.ts'
import { demoBench, type DemoBench } from '../../simulator/harness.ts'
import { MemoryDeviceStore } from '../../support/memory-stores.ts'
import { demoProfile } from './fixtures.ts'

interface Laptop {
  readonly bench: DemoBench
  readonly inventory: Inventory
  readonly discovery: Discovery
}

function laptop(options: Parameters<typeof demoBench>[0] = {}): Laptop {
  const bench = demoBench(options)
  const { clock, endpoint } = bench
  const contacts = { client: (channelId: string) => (channelId === endpoint.channelId ? endpoint : undefined) }
  const common = { clock, random: seededRandom(3), logger: silentLogger, profiles: [demoProfile] }
  const inventory = createInventory({ ...common, store: new MemoryDeviceStore(), contacts })
  const discovery = createDiscovery({ ...common, inventory, channels: () => [{ client: endpoint, allNodes: allCoapNodes('mesh') }] })
  return { bench, inventory, discovery }
}

describe('the demo site', () => {
  it('is imported from its own list and found by discovery, nothing missing and nothing twice', async () => {
    const { bench, inventory, discovery } = laptop({ devices: 60, lossPercent: 5 })
    const ports = {
      clock: bench.clock,
      random: seededRandom(4),
      groupNames: () => [],
      checkGroupName: (name: string) => name,
      assignGroups: () => undefined,
    }
    const text = bench.site.deviceList()
    expect(applyImport(inventory, ports, { text })).toEqual({ created: 60, updated: 0, skipped: 0 })
    expect(applyImport(inventory, ports, { text })).toEqual({ created: 0, updated: 0, skipped: 60 })
    discovery.start({ seconds: 10 })
    await bench.clock.until(discovery.idle())
    expect(inventory.all()).toHaveLength(60)
    for (const planned of bench.site.plan) {
      expect(inventory.all().find(({ eui64 }) => eui64 === planned.eui64)).toMatchObject({
        name: planned.name,
        type: planned.type,
        serial: planned.serial,
        model: planned.model,
        state: 'seen',
        profileId: 'groupwright-demo',
      })
    }
    expect(discovery.feed.get('discovery')).toMatchObject({ state: 'idle', heard: 60, added: 0, failure: null })
  })

  it('takes and gives up groups as the profile tells it', async () => {
    const { bench, inventory, discovery } = laptop()
    discovery.start({ seconds: 5 })
    await bench.clock.until(discovery.idle())
    const device = inventory.all().find(({ type }) => type === 'luminaire')
    const { contact, profile } = inventory.contact(device?.id ?? '')
    const group = { name: 'Büro 2/14', address: 'ff33:30:fd00::8000:1', port: 5683 }
    await bench.clock.until(profile.writeMembership(contact, group))
    expect(await bench.clock.until(profile.readMemberships(contact))).toEqual([group])

    const request = profile.groupRequest('on', group)
    expect(await bench.clock.until(profile.readBack(contact, 'on', group))).toBe('different')
    for await (const answer of drain(bench, group, request)) expect(answer).toBe('2.04')
    expect(await bench.clock.until(profile.readBack(contact, 'on', group))).toBe('as-commanded')

    await bench.clock.until(profile.identify(contact, 10))
    expect(bench.site.stateOf(device?.eui64 ?? '').identifying).toBe(true)
    await bench.clock.until(profile.removeMembership(contact, group))
    expect(await bench.clock.until(profile.readMemberships(contact))).toEqual([])
  })
})

async function* drain(
  bench: DemoBench,
  to: { readonly address: string; readonly port: number },
  request: Parameters<DemoBench['ask']>[1] | undefined,
): AsyncIterable<string> {
  if (request === undefined) return
  const gather = async (): Promise<readonly string[]> => {
    const codes: string[] = []
    for await (const { code } of bench.endpoint.groupRequest(to, request, { deadlineMs: 3000 })) codes.push(code)
    return codes
  }
  const codes = await bench.clock.until(gather())
  expect(codes).toHaveLength(1)
  yield* codes
}
