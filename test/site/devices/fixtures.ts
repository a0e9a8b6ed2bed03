// A small site for the tests of devices: inventory over an in-memory store, virtual clock, scripted network.
import { readFileSync } from 'node:fs'
import { seededRandom, silentLogger, type SocketAddress } from '#main/base/index.ts'
import { createInventory, parseProfile, type Hearing, type Inventory } from '#main/site/devices/index.ts'
import { MemoryDeviceStore } from '../../support/memory-stores.ts'
import { ScriptedClient } from '../../support/scripted-coap.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export const demoProfile = parseProfile(
  'groupwright-demo.yaml',
  readFileSync(new URL('../../../build/profiles/groupwright-demo.yaml', import.meta.url), 'utf8'),
)

export interface Site {
  readonly store: MemoryDeviceStore
  readonly clock: VirtualClock
  readonly client: ScriptedClient
  readonly random: ReturnType<typeof seededRandom>
  readonly inventory: Inventory
  /** The same store opened again, as after a crash. */
  readonly reopen: () => Inventory
}

export function makeSite(seed = 1): Site {
  const store = new MemoryDeviceStore()
  const clock = new VirtualClock()
  const client = new ScriptedClient('test')
  const random = seededRandom(seed)
  const contacts = { client: (channelId: string) => (channelId === 'test' ? client : undefined) }
  const open = (): Inventory => createInventory({ store, clock, random, logger: silentLogger, contacts, profiles: [demoProfile] })
  return { store, clock, client, random, inventory: open(), reopen: open }
}

export const address = (last: number): SocketAddress => ({ address: `fd00::${last.toString(16)}`, port: 5683 })

/** A hearing by discovery of the device with that number. */
export function hearingOf(number: number, overrides: Partial<Hearing> = {}): Hearing {
  const eui64 = `020000fffe${number.toString(16).padStart(6, '0')}`
  return {
    source: 'discovery',
    at: address(number),
    channelId: 'test',
    endpointName: null,
    identity: { eui64, serial: `SN-${number}`, model: 'Demo Panel 600', type: 'luminaire' },
    profileId: 'groupwright-demo',
    links: '</dev>;rt="gw.device"',
    failure: undefined,
    ...overrides,
  }
}

export const planned = { name: 'Light 1', type: 'luminaire', roomId: null, eui64: null, serial: null, comment: '' } as const
