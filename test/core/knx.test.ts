// KNX IoT devices from the tool's side: search, password, keys, configuration, group messages, over real exchanges and real OSCORE.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError, seededRandom, silentLogger, type JsonValue } from '#main/base/index.ts'
import { KnxBook } from '#main/core/knx-book.ts'
import { KnxKeyStore } from '#main/core/knx-keys.ts'
import { createKnxReach } from '#main/core/knx-reach.ts'
import { createKnxDesk, type KnxDesk } from '#main/core/knx.ts'
import { groupIdOf, groupMulticastAddress, senderContextId } from '#main/site/devices/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { MemoryNetwork } from '#main/wire/ip/index.ts'
import { OscoreLayer, volatileSequences } from '#main/wire/oscore/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { SimulatedKnxDevice } from './knx-device.ts'

const SERIAL = '00fa10010400'
const PASSWORD = 'ABY8B77J50YXMUDW3DG4'
const ALL_NODES = { address: 'ff05::fd', port: 5683 }
const configuration = {
  individualAddress: '1.1.1',
  objects: [
    { href: '/p/o_1_1', groupAddresses: ['0/0/1'], flags: ['read' as const, 'transmit' as const] },
    { href: '/p/o_2_2', groupAddresses: ['0/0/2'], flags: ['write' as const, 'update' as const] },
  ],
}

/** Seals by turning each bit: enough to see that nothing is stored as it is. */
const sealer = {
  seal: (plain: Uint8Array) => plain.map((byte) => byte ^ 0xff),
  open: (sealed: Uint8Array) => sealed.map((byte) => byte ^ 0xff),
}

let clock: VirtualClock
let network: MemoryNetwork
let device: SimulatedKnxDevice
let endpoint: CoapEndpoint
let keys: KnxKeyStore
let book: KnxBook
let desk: KnxDesk
let meta: Map<string, JsonValue>
let written: string[]

beforeEach(() => {
  clock = new VirtualClock()
  const random = seededRandom(1)
  network = new MemoryNetwork({ clock, random })
  device = new SimulatedKnxDevice({ network, clock, at: { address: '2001:db8::2', port: 5683 }, serialNumber: SERIAL, password: PASSWORD })
  device.begin()
  const layer = new OscoreLayer({ random })
  endpoint = new CoapEndpoint({
    channel: network.channel({ address: '2001:db8::1', port: 5683 }),
    tree: new ResourceTree(),
    clock,
    random,
    logger: silentLogger,
    security: layer,
  })
  meta = new Map()
  written = []
  const file = {
    getMeta: (key: string) => meta.get(key),
    metaUnder: (prefix: string) => new Map([...meta].filter(([key]) => key.startsWith(prefix))),
    setMeta: (key: string, value: JsonValue) => {
      written.push(key)
      meta.set(key, value)
    },
  }
  keys = new KnxKeyStore(file, sealer, random)
  book = new KnxBook(file, random)
  const channels = () => [{ client: endpoint, allNodes: [ALL_NODES] }]
  const unused = (): never => {
    throw new TypeError('not of these tests')
  }
  desk = createKnxDesk({
    book,
    channels,
    keys: () => keys,
    reach: createKnxReach({
      channels,
      keys: () => keys,
      installation: () => book.installation(),
      layer,
      sequences: volatileSequences(),
      logger: silentLogger,
    }),
    inventory: unused,
    groups: unused,
    labelPassword: () => undefined,
    freshContext: (address) => senderContextId(book.installation(), address),
    random,
    logger: silentLogger,
  })
})

afterEach(() => {
  endpoint.close()
  device.close()
})

/** Lets time pass until it is done. */
async function done<Value>(work: Promise<Value>): Promise<Value> {
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
}

describe('a device that is new', () => {
  it('is found, with where it answers from', async () => {
    expect(await done(desk.search({ programmingMode: false }))).toEqual([
      {
        serialNumber: SERIAL,
        individualAddress: null,
        installation: null,
        address: '2001:db8::2',
        port: 5683,
        channel: endpoint.channelId,
        opened: false,
      },
    ])
    expect(await done(desk.search({ serialNumber: '00fa10010999', programmingMode: false }))).toEqual([])
  })

  it('is opened by its password, and keeps the site’s keys alone', async () => {
    await done(desk.open({ serialNumber: SERIAL, password: PASSWORD }))
    expect(device.table('auth/at').map((token) => token.get(0))).toEqual(['gw'])
    expect(await done(desk.search({ serialNumber: SERIAL, programmingMode: false }))).toMatchObject([{ opened: true }])
  })

  it('is not opened by another password, and the site keeps no keys for it', async () => {
    await expect(done(desk.open({ serialNumber: SERIAL, password: 'ABY8B77J50YXMUDW3DG5' }))).rejects.toMatchObject({
      code: 'knx.password-wrong',
    })
    expect(keys.device(SERIAL)).toBeUndefined()
    expect(device.changes).toEqual([])
  })

  it('is not opened without a password where no label was read', async () => {
    await expect(done(desk.open({ serialNumber: SERIAL }))).rejects.toMatchObject({ code: 'input.invalid' })
  })

  it('is not configured before it is opened', async () => {
    await expect(done(desk.configure({ serialNumber: SERIAL, unsecured: false, configuration }))).rejects.toMatchObject({
      code: 'knx.not-opened',
    })
    // Without keys a device of a product refuses.
    await expect(done(desk.configure({ serialNumber: SERIAL, unsecured: true, configuration }))).rejects.toMatchObject({
      code: 'knx.no-access',
    })
  })

  it('that does not answer is told so', async () => {
    device.close()
    await expect(done(desk.open({ serialNumber: SERIAL, password: PASSWORD }))).rejects.toMatchObject({
      code: 'knx.not-found',
      retryable: true,
    })
  })
})

describe('a device that was opened', () => {
  beforeEach(() => done(desk.open({ serialNumber: SERIAL, password: PASSWORD })))

  it('is configured, and unchanged the second time', async () => {
    expect(await done(desk.configure({ serialNumber: SERIAL, unsecured: false, configuration }))).toEqual({ outcome: 'written' })
    expect(await done(desk.show({ serialNumber: SERIAL, unsecured: false }))).toMatchObject({
      model: 'Push Button',
      firmwareVersion: '1.2.3',
      individualAddress: '1.1.1',
      loadState: 'loaded',
      objects: [
        { href: '/p/o_1_1', groupAddresses: ['0/0/1'], flags: ['communicate', 'read', 'transmit'] },
        { href: '/p/o_2_2', groupAddresses: ['0/0/2'], flags: ['communicate', 'write', 'update'] },
      ],
      sendsTo: ['0/0/1'],
      listensTo: ['0/0/1', '0/0/2'],
    })
    const changes = device.changes.length
    expect(await done(desk.configure({ serialNumber: SERIAL, unsecured: false, configuration }))).toEqual({ outcome: 'unchanged' })
    expect(device.changes).toHaveLength(changes)
    // Keys of the groups go before the tables become effective.
    expect(device.changes.lastIndexOf('POST /auth/at')).toBeLessThan(device.changes.lastIndexOf('POST /a/lsm'))
  })

  it('hears what the tool says to the group, under the tool’s own context, and nothing twice under one number', async () => {
    await done(desk.configure({ serialNumber: SERIAL, unsecured: false, configuration }))
    const installation = book.installation()
    device.listen(groupMulticastAddress(installation, groupIdOf(2), 'site-local'), {
      ...keys.group(2),
      idContext: senderContextId(installation, 0xfffe),
    })
    await done(desk.send({ groupAddress: '0/0/2', value: true, unsecured: false }))
    await done(desk.send({ groupAddress: '0/0/2', value: false, unsecured: false }))
    expect(device.heard).toEqual([
      { service: 'write', sender: 0xfffe, groupAddress: 2, value: true },
      { service: 'write', sender: 0xfffe, groupAddress: 2, value: false },
    ])
  })

  it('is reset, and says when it is back', async () => {
    expect(await done(desk.reset({ serialNumber: SERIAL, unsecured: false, kind: 'tables' }))).toEqual({ seconds: 2 })
  })

  it('belongs to an installation: its keys are sealed, and another keyring does not open them', () => {
    const stored = [...meta.values()].map(String).join(' ')
    const secret = keys.device(SERIAL)?.masterSecret ?? new Uint8Array(0)
    expect(secret).toHaveLength(16)
    expect(stored).not.toContain(Buffer.from(secret).toString('hex'))
    const other = new KnxKeyStore(
      { getMeta: (key) => meta.get(key), setMeta: () => undefined },
      {
        ...sealer,
        open: () => {
          throw new AppError('crypto.authentication-failed', 'another keyring')
        },
      },
      seededRandom(2),
    )
    expect(() => other.device(SERIAL)).toThrow(expect.objectContaining({ code: 'security.locked' }) as Error)
  })
})

it.each(['0.0.0', '15.15.254', '15.15.255', 'x'])('%s is no address for a device', async (individualAddress) => {
  const work = desk.configure({ serialNumber: SERIAL, unsecured: true, configuration: { ...configuration, individualAddress } })
  await expect(done(work)).rejects.toMatchObject({ code: 'input.invalid' })
})

describe('what the site keeps of each device', () => {
  const serialOf = (index: number): string => `00fa${index.toString(16).padStart(8, '0')}`
  const reopened = (): KnxBook =>
    new KnxBook(
      {
        getMeta: (key) => meta.get(key),
        metaUnder: (prefix) => new Map([...meta].filter(([key]) => key.startsWith(prefix))),
        setMeta: (key, value) => void meta.set(key, value),
      },
      seededRandom(2),
    )

  it('is one row, written when the device changes and not with any other', () => {
    const addresses = Array.from({ length: 300 }, (_, index) => book.individualAddress(serialOf(index)))
    expect(new Set(addresses).size).toBe(300)
    expect(addresses.filter((address) => (address & 0xff) === 0)).toEqual([])
    book.setBindings(serialOf(7), 1, [{ href: '/p/1', flags: ['write'] }])
    expect(written).toEqual([...Array.from({ length: 300 }, (_, index) => `knx-entry-${serialOf(index)}`), `knx-entry-${serialOf(7)}`])
    for (const row of meta.values()) expect(JSON.stringify(row).length).toBeLessThan(200)
    expect(reopened().knownAddress(serialOf(299))).toBe(addresses[299])
    expect(reopened().bindings(serialOf(7), 1)).toEqual([{ href: '/p/1', flags: ['write'] }])
  })

  it('is read from the one row of earlier versions, and changed in rows of their own', () => {
    meta.set('knx-devices', {
      [serialOf(1)]: { address: 0x1101, bindings: { 9: [{ href: '/p/1', flags: ['write'] }] } },
      [serialOf(2)]: { address: 0x1102, bindings: {} },
    })
    const before = reopened()
    expect(before.individualAddress(serialOf(3))).toBe(0x1103)
    before.setAddress(serialOf(1), 0x2201)
    const after = reopened()
    expect([1, 2, 3].map((index) => after.knownAddress(serialOf(index)))).toEqual([0x2201, 0x1102, 0x1103])
    expect(after.bindings(serialOf(1), 9)).toEqual([{ href: '/p/1', flags: ['write'] }])
    // What the move left is given out again, and nobody gets what somebody has.
    expect(after.individualAddress(serialOf(4))).toBe(0x1101)
    expect(() => after.setAddress(serialOf(4), 0x1102)).toThrow(serialOf(2))
  })

  it('says so when no address is left, and takes one that a person gives', () => {
    const free = 0xfffe - 0x1101 - (0xff - 0x11)
    for (let index = 0; index < free; index++) book.individualAddress(serialOf(index))
    expect(book.knownAddress(serialOf(free - 1))).toBe(0xfffd)
    expect(() => book.individualAddress(serialOf(free))).toThrow(expect.objectContaining({ code: 'knx.addresses-used-up' }))
    book.setAddress(serialOf(free), 0x1001)
    expect(book.individualAddress(serialOf(free))).toBe(0x1001)
    book.setAddress(serialOf(5), 0x1002)
    expect(book.individualAddress(serialOf(free + 1))).toBe(0x1106)
  })
})
