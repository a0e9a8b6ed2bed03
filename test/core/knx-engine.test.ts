// KNX IoT devices through the ordinary engine: found by discovery, planned, applied, verified, identified, tested, moved, removed.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeCbor, type CborKey, type CborValue } from '#main/base/index.ts'
import { KnxKeyStore } from '#main/core/knx-keys.ts'
import { multicastAddressOf, senderContextId, tryProfile } from '#main/site/devices/index.ts'
import { apply, runJob } from '../site/groups/doubles.ts'
import { createKnxBench, type KnxBench } from './knx-bench.ts'
import { SimulatedKnxDevice } from './knx-device.ts'
import { RecordedStackDevice } from './knx-recorded.ts'

const SERIAL = '00fa10010700'
const PASSWORD = '0MK4U5LV950ST3VRXL8G'

let bench: KnxBench
let device: SimulatedKnxDevice

beforeEach(async () => {
  bench = createKnxBench()
  const { network, clock } = bench
  device = new SimulatedKnxDevice({ network, clock, at: { address: '2001:db8::2', port: 5683 }, serialNumber: SERIAL, password: PASSWORD })
  device.begin()
  bench.discovery.start({ seconds: 8 })
  await bench.done(bench.discovery.idle())
})

afterEach(async () => {
  device.close()
  await bench.done(bench.close())
})

const only = () => bench.inventory.all()[0]!
const inGroup = (groupAddress = '1/0/1'): string => {
  const groupId = bench.groups.createApplication({ name: 'Hall lights', members: [only().id] })
  bench.knx.desk.setGroupAddress({ groupId, groupAddress })
  return groupId
}
const opened = (): Promise<void> => bench.done(bench.knx.desk.open({ serialNumber: SERIAL, password: PASSWORD }))
const applied = async (): Promise<string[]> => [...(await bench.done(apply({ engine: bench.groups }))).values()].map(({ code }) => code)
const verify = (groupId: string): Promise<Map<string, unknown>> =>
  bench.done(runJob(bench.groups, 'verify', bench.groups.verifyItems([groupId])))
const table = (name: 'fp/g' | 'fp/r' | 'fp/p' | 'auth/at'): CborValue[][] =>
  device.table(name).map((entry) => [...entry].filter(([key]) => key !== 8).map(([, value]) => value))

describe('a KNX device that was discovered', () => {
  it('is in the inventory by its serial number, with where it answers from and what it is', () => {
    expect(bench.inventory.all()).toMatchObject([
      { serial: SERIAL, profileId: 'knx-iot', type: 'luminaire', state: 'seen', at: { address: '2001:db8::2', port: 5683 } },
    ])
    expect(bench.knx.desk.device(only().id)).toMatchObject({ heardAddress: null, individualAddress: null, opened: false, groups: [] })
  })

  it('is not configured before its label was read: the line fails with what to do, and nothing is written', async () => {
    inGroup()
    expect(await applied()).toEqual(['knx.not-opened'])
    expect(device.changes).toEqual([])
  })
})

it('a KNX device whose label was scanned is opened when it is worked with first, not when it is found', async () => {
  expect(device.table('auth/at')).toEqual([])
  bench.labels.set(SERIAL, PASSWORD)
  inGroup()
  expect(await applied()).toEqual([])
  expect(table('auth/at').map(([id]) => id)).toEqual(['gw', 'g2049'])
})

describe('a KNX device that was opened', () => {
  beforeEach(opened)

  it('gets address, tables and key by an apply job, and a verification confirms it', async () => {
    const groupId = inGroup()
    const [line] = bench.groups.planFeed.rows()
    expect(line).toMatchObject({ change: 'add', blocked: null })
    expect(bench.groups.requests([line?.id ?? ''])[0]?.requests.join(' ')).toContain('1/0/1')
    expect(await applied()).toEqual([])
    expect(bench.groups.planFeed.rows()).toEqual([])
    expect(table('fp/g')).toEqual([[1, [0x801], '/p/o_2_2']])
    expect(table('fp/p')).toEqual([[1, [0x801], 0x8000_0801]])
    expect(table('auth/at').map(([id]) => id)).toEqual(['gw', 'g2049'])
    expect(device.loadState).toBe(1)
    expect(bench.knx.desk.device(only().id)).toMatchObject({
      individualAddress: '1.1.1',
      groups: [{ groupAddress: '1/0/1', objects: null }],
    })
    const before = device.changes.length
    expect(await verify(groupId)).toEqual(new Map())
    expect(only().state).toBe('verified')
    expect(device.changes).toHaveLength(before)
  })

  it('is planned again when its tables were lost behind the tool’s back', async () => {
    const groupId = inGroup()
    await applied()
    await bench.done(bench.knx.desk.reset({ serialNumber: SERIAL, unsecured: false, kind: 'tables' }))
    await verify(groupId)
    expect(bench.groups.planFeed.rows()).toMatchObject([{ change: 'add' }])
  })

  it('is as wished after an apply that broke off at any request', { timeout: 60_000 }, async () => {
    inGroup()
    for (let lost = 1; lost < 60; lost += 3) {
      device.silentAfter = lost
      await applied()
      device.silentAfter = Infinity
      if (bench.groups.planFeed.rows().length === 0) break
    }
    device.silentAfter = Infinity
    await applied()
    expect(bench.groups.planFeed.rows()).toEqual([])
    expect(table('fp/g')).toEqual([[1, [0x801], '/p/o_2_2']])
    expect(device.loadState).toBe(1)
  })

  it('moves with its group to another group address, datapoint and all, and leaves the old one', async () => {
    const groupId = inGroup()
    await applied()
    bench.knx.desk.setGroupAddress({ groupId, groupAddress: '1/0/2' })
    expect(bench.groups.planFeed.rows()).toMatchObject([{ change: 'update' }])
    expect(await applied()).toEqual([])
    expect(table('fp/g')).toEqual([[1, [0x802], '/p/o_2_2']])
    expect(table('fp/p').map(([, addresses]) => addresses)).toEqual([[0x802]])
    expect(table('auth/at').map(([id]) => id)).toEqual(['gw', 'g2050'])
  })

  it('draws a new context for all of its keys whenever one is written: the older stack counts from zero then', async () => {
    inGroup()
    await applied()
    const contextOf = (id: string): unknown => {
      const token = device.table('auth/at').find((entry) => entry.get(0) === id)
      const keys = token?.get(8) as ReadonlyMap<CborKey, ReadonlyMap<CborKey, CborValue>>
      return keys.get(4)?.get(6)
    }
    const first = contextOf('g2049')
    const second = bench.groups.createApplication({ name: 'Stairs', members: [only().id] })
    bench.knx.desk.setGroupAddress({ groupId: second })
    expect(await applied()).toEqual([])
    expect(contextOf('g2049')).toEqual(contextOf('g2050'))
    expect(contextOf('g2049')).not.toEqual(first)
  })

  it('takes the datapoints that a person chose', async () => {
    bench.knx.desk.bind({ serialNumber: SERIAL, groupAddress: '1/0/1', objects: [{ href: '/p/o_1_1', flags: ['transmit'] }] })
    inGroup()
    expect(await applied()).toEqual([])
    expect(table('fp/g')).toEqual([[1, [0x801], '/p/o_1_1']])
    expect(table('fp/r')).toEqual([[1, [0x801], 0x8000_0801]])
  })

  it('lets go of the group, of its key and of its routes', async () => {
    const groupId = inGroup()
    await applied()
    bench.groups.removeApplication(groupId)
    expect(await applied()).toEqual([])
    expect([table('fp/g'), table('fp/p'), table('fp/r')]).toEqual([[], [], []])
    expect(table('auth/at').map(([id]) => id)).toEqual(['gw'])
    expect(only().state).toBe('seen')
  })

  it('says that a group without a KNX address needs one', async () => {
    bench.groups.createApplication({
      name: 'Elsewhere',
      members: [only().id],
      coapGroupId: bench.groups.createCoap({ name: 'Elsewhere', address: 'ff35:30:fd00:1:2:0:8000:1' }),
    })
    expect(await applied()).toEqual(['knx.no-group-address'])
  })

  it('is in a group whose address was allocated: the site’s own prefix is the installation', async () => {
    bench.groups.createApplication({ name: 'Allocated', members: [only().id] })
    expect(await applied()).toEqual([])
    expect(bench.groups.planFeed.rows()).toEqual([])
  })

  it('can be tried with the profile, and is as it was afterwards', async () => {
    const contact = bench.inventory.contact(only().id).contact
    const steps = await bench.done(tryProfile(bench.knx.profile, contact, { clock: bench.clock, write: true }))
    expect(steps.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual([
      'recognise ok',
      'identity ok',
      'memberships ok',
      'read-back ok',
      'read-back ok',
      'identify ok',
      'write ok',
      'written ok',
      'remove ok',
      'removed ok',
    ])
    expect([table('fp/g'), table('fp/p'), table('fp/r')]).toEqual([[], [], []])
  })

  it('shows itself by programming mode, and leaves it again', async () => {
    await bench.done(runJob(bench.groups, 'identify', bench.groups.identifyItems([only().id])))
    expect(device.programming).toEqual([true, false])
  })

  it('obeys the test bench, silently, and what it did is read back', async () => {
    const groupId = inGroup()
    await applied()
    const installation = BigInt(`0x${bench.knx.desk.settings().installation}`)
    const seal = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 0xff)
    const keys = new KnxKeyStore({ getMeta: (key) => bench.meta.get(key), setMeta: () => undefined }, { seal, open: seal }, {
      bytes: () => new Uint8Array(0),
    } as never)
    device.listen(multicastAddressOf(installation, 0x801), { ...keys.group(0x801), idContext: senderContextId(installation, 0xfffe) })
    expect(bench.tests.actions(groupId)).toMatchObject([{ id: 'on', members: 1 }, { id: 'off' }])
    const { finished } = bench.tests.run(groupId, 'on', 1)
    expect(await bench.done(finished)).toMatchObject({ failure: null, members: [{ verdict: 'silent-changed' }] })
    expect(device.heard).toMatchObject([{ service: 'write', groupAddress: 0x801, value: true }])
    device.deaf = true
    const again = bench.tests.run(groupId, 'off', 1)
    expect(await bench.done(again.finished)).toMatchObject({ members: [{ verdict: 'not-changed' }] })
  })
})

it('a site keeps no key of KNX in the clear', async () => {
  await opened()
  const kept = [...bench.meta].filter(([key]) => key.startsWith('knx-device-')).map(([, value]) => JSON.stringify(value))
  expect(kept).toHaveLength(1)
  expect(() => decodeCbor(Buffer.from(kept[0]?.replaceAll('"', '') ?? '', 'hex'))).toThrow()
})

describe('the public stack’s actuator, made of its recorded exchanges', () => {
  it('goes through discovery, plan, apply, verification and removal by the engine', async () => {
    const recorded = new RecordedStackDevice(SERIAL, { address: 'fd01:db8::3', port: 33_482 })
    const replay = createKnxBench(recorded.client)
    try {
      replay.discovery.start({ seconds: 8 })
      await replay.done(replay.discovery.idle())
      const [found] = replay.inventory.all()
      // It answers from a port of its own.
      expect(found).toMatchObject({ serial: SERIAL, profileId: 'knx-iot', type: 'luminaire', at: { port: 33_482 } })
      replay.knx.desk.changeSettings({ installation: 'd773e094b6', fabricId: 0x1234, unsecured: true })
      replay.knx.desk.setAddress({ serialNumber: SERIAL, individualAddress: '1.1.2' })
      const groupId = replay.groups.createApplication({ name: 'Hall', members: [found?.id ?? ''] })
      expect(replay.knx.desk.setGroupAddress({ groupId, groupAddress: '0/0/1' }).address).toBe('ff35:30:fdd7:73e0:94b6:0:8000:1')
      expect(await replay.done(apply({ engine: replay.groups }))).toEqual(new Map())
      expect(replay.groups.planFeed.rows()).toEqual([])
      expect(recorded.changes).toEqual(['POST /.well-known/knx/ia', 'POST /a/lsm', 'POST /fp/g', 'POST /fp/p', 'POST /a/lsm'])
      expect(await replay.done(runJob(replay.groups, 'verify', replay.groups.verifyItems([groupId])))).toEqual(new Map())
      expect(replay.inventory.all()[0]?.state).toBe('verified')
      replay.groups.removeApplication(groupId)
      expect(await replay.done(apply({ engine: replay.groups }))).toEqual(new Map())
      expect(replay.groups.planFeed.rows()).toEqual([])
    } finally {
      await replay.done(replay.close())
    }
  })
})
