// What a person does to groups: creation, names, addresses, memberships, groups from rooms, retirement.
// draft-ietf-core-groupcomm-bis §2.2.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { checkGroupName } from '#main/site/groups/index.ts'
import type { RoomRecord } from '#main/site/devices/index.ts'
import { apply, createBench } from './doubles.ts'

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'done'
  } catch (thrown) {
    return thrown instanceof AppError ? thrown.code : String(thrown)
  }
}

describe('names of groups', () => {
  it.each(['', '  ', 'a/b', 'what?', 'a#b', '50%', 'a;b', 'a\u0000b', '.', '..', 'NoSec', 'nosec', 'NOSEC', 'ä'.repeat(32), '\ud800x'])(
    '%j is refused',
    (name) => {
      expect(codeOf(() => checkGroupName(name))).toBe('group.name-invalid')
    },
  )

  it('may be any other text of up to 63 bytes of UTF-8', () => {
    expect(checkGroupName(' 2.14-light ')).toBe('2.14-light')
    expect(checkGroupName('Büro Ost, Licht')).toBe('Büro Ost, Licht')
    expect(checkGroupName('ä'.repeat(31) + 'x')).toHaveLength(32)
  })

  it('are refused or kept, never anything else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => ['done', 'group.name-invalid'].includes(codeOf(() => checkGroupName(text)))),
    )
  })
})

describe('application groups and CoAP groups', () => {
  it('come linked: a new application group has a CoAP group of its name with an allocated address', () => {
    const { engine, store } = createBench(2)
    const id = engine.createApplication({ name: '2.14-light', members: ['d1', 'd2'] })
    const row = engine.applicationFeed.get(id)!
    const coap = engine.coapFeed.get(row.coapGroupId)!
    expect(row).toMatchObject({ name: '2.14-light', members: 2, confirmed: 0, uri: `coap://[${coap.address}]/gp/2.14-light` })
    expect(coap).toMatchObject({ name: '2.14-light', port: 5683, scope: 'site-local', allocated: true, uri: `coap://[${coap.address}]` })
    expect(store.memberships()).toHaveLength(2)
    expect(engine.planFeed.rows().map((line) => line.change)).toEqual(['add', 'add'])
  })

  it('encode the application group in the path (Appendix B.1) and the port where it is not the default', () => {
    const { engine } = createBench()
    const coapGroupId = engine.createCoap({ name: 'floor', address: 'ff05::db8:8000:1', port: 5685 })
    const id = engine.createApplication({ name: 'Büro 1', coapGroupId })
    expect(engine.applicationFeed.get(id)?.uri).toBe('coap://[ff05::db8:8000:1]:5685/gp/B%C3%BCro%201')
  })

  it('refuse taken names, taken addresses, the port of coaps (§3.4), and removal while in use', () => {
    const { engine } = createBench()
    const coapGroupId = engine.createCoap({ name: 'floor', address: 'ff05::db8:1' })
    engine.createApplication({ name: 'light', coapGroupId })
    expect(codeOf(() => engine.createApplication({ name: 'light' }))).toBe('group.name-taken')
    expect(codeOf(() => engine.createCoap({ name: 'floor' }))).toBe('group.name-taken')
    expect(codeOf(() => engine.createCoap({ name: 'other', address: 'FF05:0::DB8:1' }))).toBe('group.address-taken')
    expect(codeOf(() => engine.createCoap({ name: 'other', port: 5684 }))).toBe('group.port-reserved')
    expect(codeOf(() => engine.createCoap({ name: 'other', address: '2001:db8::1' }))).toBe('group.address-invalid')
    expect(codeOf(() => engine.removeCoap(coapGroupId))).toBe('group.in-use')
    expect(codeOf(() => engine.updateApplication('group-x', {}))).toBe('group.not-found')
    expect(codeOf(() => engine.setMemberships([{ deviceId: 'd9', groupId: 'group-x', desired: true }]))).toBe('group.not-found')
  })

  it('tell of project changes, and leave nothing half done when the disk is full', () => {
    let changes = 0
    const { engine, store } = createBench(1, { onProjectChange: () => changes++ })
    engine.createApplication({ name: 'a', members: ['d1'] })
    expect(changes).toBe(1)
    let left = 2
    store.beforeWrite = () => {
      if (left-- === 0) throw new AppError('store.disk-full', 'full')
    }
    expect(codeOf(() => engine.createApplication({ name: 'b', members: ['d1'] }))).toBe('store.disk-full')
    expect(changes).toBe(1)
    expect(engine.applicationFeed.rows().map((row) => row.name)).toEqual(['a'])
    expect(store.coapGroups()).toHaveLength(1)
    expect(engine.planFeed.size).toBe(1)
  })

  it('keep an own CoAP group in step with the name, and drop it when another serves', () => {
    const { engine } = createBench()
    const id = engine.createApplication({ name: 'old' })
    engine.updateApplication(id, { name: 'new' })
    expect(engine.coapFeed.rows().map((row) => row.name)).toEqual(['new'])
    const coapGroupId = engine.createCoap({ name: 'shared' })
    engine.updateApplication(id, { coapGroupId })
    expect(engine.coapFeed.rows().map((row) => row.name)).toEqual(['shared'])
  })
})

describe('memberships', () => {
  it('that were never sent leave no trace when the wish is taken back', () => {
    const { engine, store, devices } = createBench(1)
    const groupId = engine.createApplication({ name: 'a', members: ['d1'] })
    expect(devices.counts.get('d1')).toBe(1)
    engine.setMemberships([{ deviceId: 'd1', groupId, desired: false }])
    expect(store.memberships()).toEqual([])
    expect(engine.planFeed.size).toBe(0)
    expect(engine.membershipFeed.size).toBe(0)
    expect(devices.counts.get('d1')).toBeUndefined()
  })

  it('go back to confirmed when a change of address is taken back before it was applied', async () => {
    const bench = createBench(1)
    const { engine } = bench
    const coapGroupId = engine.createCoap({ name: 'c', address: 'ff05::db8:1' })
    const groupId = engine.createApplication({ name: 'a', coapGroupId, members: ['d1'] })
    await apply(bench)
    engine.updateCoap(coapGroupId, { address: 'ff05::db8:2' })
    expect(engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('planned')
    expect(engine.planFeed.get(`d1 ${groupId}`)?.change).toBe('update')
    engine.updateCoap(coapGroupId, { address: 'ff05::db8:1' })
    expect(engine.membershipFeed.get(`d1 ${groupId}`)?.outcome).toBe('confirmed')
    expect(engine.planFeed.size).toBe(0)
    expect(engine.applicationFeed.get(groupId)).toMatchObject({ members: 1, confirmed: 1 })
  })

  it('of devices that were not seen or have no profile are planned but blocked, until that changes', () => {
    const { engine, devices } = createBench(1)
    devices.add(2, { at: null })
    devices.add(3, { profileId: null })
    const groupId = engine.createApplication({ name: 'a', members: ['d1', 'd2', 'd3'] })
    const blocked = (): unknown[] => ['d1', 'd2', 'd3'].map((id) => engine.planFeed.get(`${id} ${groupId}`)?.blocked)
    expect(blocked()).toEqual([null, 'not-seen', 'no-profile'])
    expect(engine.applyItems().map((item) => item.subject)).toEqual([`d1 ${groupId}`])
    devices.change('d3', { profileId: 'fake', name: 'Lamp' })
    expect(blocked()).toEqual([null, 'not-seen', null])
    expect(engine.planFeed.get(`d3 ${groupId}`)?.deviceName).toBe('Lamp')
  })

  it('go with their device', () => {
    const { engine, devices, store } = createBench(2)
    const id = engine.createApplication({ name: 'a', members: ['d1', 'd2'] })
    devices.remove(['d1'])
    expect(store.memberships().map((cell) => cell.deviceId)).toEqual(['d2'])
    expect(engine.applicationFeed.get(id)?.members).toBe(1)
    expect(engine.planFeed.size).toBe(1)
  })

  it('can be given by group name, as an imported list does, making the groups that are missing', () => {
    const { engine } = createBench(2)
    const known = engine.createApplication({ name: 'a' })
    engine.assign([
      { deviceId: 'd1', groupName: 'a' },
      { deviceId: 'd1', groupName: 'b' },
      { deviceId: 'd2', groupName: 'b' },
    ])
    expect(engine.applicationFeed.rows().map((row) => [row.name, row.members])).toEqual([
      ['a', 1],
      ['b', 2],
    ])
    expect(engine.applicationFeed.get(known)?.members).toBe(1)
  })
})

describe('what is asked for at once', () => {
  function counted(deviceCount: number) {
    const bench = createBench(deviceCount)
    let transactions = 0
    const { store } = bench
    const transaction = store.transaction.bind(store)
    store.transaction = (work) => {
      transactions++
      return transaction(work)
    }
    return { ...bench, transactions: () => transactions }
  }

  it('is one transaction, however many groups come from rooms', () => {
    const { engine, devices, store, transactions } = counted(0)
    const known = engine.createApplication({ name: 'R1-light' })
    devices.roomRecords = Array.from({ length: 300 }, (_, position) => ({
      id: `r${position}`,
      parentId: null,
      kind: 'room' as const,
      name: `R${position}`,
      position,
    }))
    for (let number = 0; number < 600; number++) devices.add(number + 1, { roomId: `r${number % 300}`, type: 'luminaire' })
    const before = transactions()
    expect(engine.fromRooms({ types: ['luminaire'] })).toEqual({ groups: 299, memberships: 600 })
    expect(transactions() - before).toBe(1)
    expect(new Set(store.coapGroups().map((group) => group.address)).size).toBe(300)
    expect(engine.applicationFeed.get(known)).toMatchObject({ roomId: 'r1', members: 2 })
    expect(engine.fromRooms({ types: ['luminaire'] })).toEqual({ groups: 0, memberships: 0 })
    expect(transactions() - before).toBe(1)
  })

  it('is one transaction for an imported list, and nothing of it stays when one line of it is wrong', () => {
    const { engine, store, transactions } = counted(100)
    const pairs = Array.from({ length: 100 }, (_, index) => ({ deviceId: `d${index + 1}`, groupName: `g${index % 40}` }))
    expect(codeOf(() => engine.assign([...pairs, { deviceId: 'd1', groupName: 'no/name' }]))).toBe('group.name-invalid')
    expect(codeOf(() => engine.assign([...pairs, { deviceId: 'd999', groupName: 'g1' }]))).toBe('device.not-found')
    expect([transactions(), store.applicationGroups().length, engine.planFeed.size]).toEqual([0, 0, 0])
    engine.assign(pairs)
    expect([transactions(), store.applicationGroups().length, engine.planFeed.size]).toEqual([1, 40, 100])
  })

  it('leaves nothing behind when the disk is full in the middle', () => {
    const { engine, devices, store } = counted(0)
    devices.roomRecords = [{ id: 'r', parentId: null, kind: 'room', name: 'R', position: 0 }]
    devices.add(1, { roomId: 'r', type: 'luminaire' })
    devices.add(2, { roomId: 'r', type: 'blind' })
    store.beforeWrite = () => {
      if (store.writes === 3) throw new AppError('store.disk-full', 'full')
    }
    expect(codeOf(() => engine.fromRooms({ types: ['luminaire', 'blind'] }))).toBe('store.disk-full')
    expect(store.applicationGroups()).toEqual([])
    expect(engine.applicationFeed.size + engine.coapFeed.size + engine.planFeed.size).toBe(0)
  })
})

describe('a removed group', () => {
  it('that no device has vanishes at once, with its CoAP group', () => {
    const { engine, store } = createBench(1)
    engine.removeApplication(engine.createApplication({ name: 'a', members: ['d1'] }))
    expect(store.applicationGroups()).toEqual([])
    expect(store.coapGroups()).toEqual([])
    expect(engine.coapFeed.size + engine.applicationFeed.size + engine.planFeed.size).toBe(0)
  })

  it('is retired until the last device has let go, and only then forgotten', async () => {
    const bench = createBench(2)
    const { engine, store, devices } = bench
    const id = engine.createApplication({ name: 'a', members: ['d1', 'd2'] })
    await apply(bench)
    engine.removeApplication(id)
    expect(engine.applicationFeed.size).toBe(0)
    expect(engine.coapFeed.size).toBe(0)
    expect(store.applicationGroups()).toMatchObject([{ name: 'a', retired: true }])
    expect(engine.planFeed.rows().map((line) => line.change)).toEqual(['remove', 'remove'])
    devices.fake('d2').fate = () => 'lost'
    await apply(bench)
    expect(devices.fake('d1').table.size).toBe(0)
    expect(store.applicationGroups()).toHaveLength(1)
    devices.fake('d2').fate = () => 'ok'
    await apply(bench)
    expect(store.applicationGroups()).toEqual([])
    expect(store.coapGroups()).toEqual([])
    expect(devices.get('d1')?.state).toBe('seen')
  })

  it('comes back to life when a group of its name is made: devices tell groups apart by name', async () => {
    const bench = createBench(2)
    const { engine, devices } = bench
    const id = engine.createApplication({ name: 'a', members: ['d1', 'd2'] })
    await apply(bench)
    engine.removeApplication(id)
    expect(engine.createApplication({ name: 'a', members: ['d2'] })).toBe(id)
    await apply(bench)
    expect(devices.fake('d1').table.size).toBe(0)
    expect(devices.fake('d2').table.size).toBe(1)
    expect(devices.fake('d2').log).toEqual(['write a'])
    expect(engine.planFeed.size).toBe(0)
  })
})

describe('groups from rooms', () => {
  const rooms: RoomRecord[] = [
    { id: 'f1', parentId: null, kind: 'floor', name: '1', position: 0 },
    { id: 'f2', parentId: null, kind: 'floor', name: '2', position: 1 },
    { id: 'r1', parentId: 'f1', kind: 'room', name: 'Office', position: 0 },
    { id: 'r2', parentId: 'f2', kind: 'room', name: 'Office', position: 0 },
    { id: 'r3', parentId: 'f2', kind: 'room', name: '2.14', position: 1 },
  ]

  function floor() {
    const bench = createBench()
    bench.devices.roomRecords = rooms
    const places = [
      ['r1', 'luminaire'],
      ['r1', 'luminaire'],
      ['r2', 'luminaire'],
      ['r3', 'luminaire'],
      ['r3', 'blind'],
      ['r3', 'switch'],
    ] as const
    places.forEach(([roomId, type], index) => bench.devices.add(index + 1, { roomId, type }))
    bench.devices.add(9, { type: 'luminaire', roomId: null })
    return bench
  }

  it('have short names, take the floor in where rooms share a name, and are complete at once', () => {
    const { engine } = floor()
    expect(engine.fromRooms({ types: ['luminaire', 'blind'] })).toEqual({ groups: 4, memberships: 5 })
    expect(engine.applicationFeed.rows().map((row) => [row.name, row.roomId, row.members])).toEqual([
      ['Office-light', 'r1', 2],
      ['2-Office-light', 'r2', 1],
      ['2.14-light', 'r3', 1],
      ['2.14-blind', 'r3', 1],
    ])
  })

  it('are completed, not doubled, the second time', () => {
    const { engine, devices } = floor()
    engine.fromRooms({ types: ['luminaire'] })
    devices.add(20, { roomId: 'r2', type: 'luminaire' })
    expect(engine.fromRooms({ types: ['luminaire'] })).toEqual({ groups: 0, memberships: 1 })
    expect(engine.fromRooms({ types: ['luminaire'] })).toEqual({ groups: 0, memberships: 0 })
  })

  it('take a group of the name that has no room yet, and rooms below a chosen one', () => {
    const { engine } = floor()
    const id = engine.createApplication({ name: '2.14-light' })
    expect(engine.fromRooms({ types: ['luminaire'], roomIds: ['f2'] })).toEqual({ groups: 1, memberships: 2 })
    expect(engine.applicationFeed.get(id)).toMatchObject({ roomId: 'r3', members: 1 })
  })

  it('give a group without a room to one of two rooms of the same name, not to both', () => {
    const { engine } = floor()
    const id = engine.createApplication({ name: 'Office-light' })
    engine.fromRooms({ types: ['luminaire'], roomIds: ['r1', 'r2'] })
    expect(engine.applicationFeed.get(id)).toMatchObject({ roomId: 'r1', members: 2 })
    expect(engine.applicationFeed.rows().map((row) => row.name)).toEqual(['Office-light', '2-Office-light'])
  })

  it('find the group of a room again under a numbered name, whatever became of the names before it', () => {
    const { engine, devices } = floor()
    devices.roomRecords = ['a', 'b', 'c'].map((id, position) => ({ id, parentId: null, kind: 'room', name: 'Lab', position }))
    for (const [index, roomId] of ['a', 'b', 'c'].entries()) devices.add(40 + index, { roomId, type: 'thermostat' })
    expect(engine.fromRooms({ types: ['thermostat'] }).groups).toBe(3)
    const [, second] = engine.applicationFeed.rows()
    engine.removeApplication(second!.id)
    expect(engine.fromRooms({ types: ['thermostat'], roomIds: ['c'] })).toEqual({ groups: 0, memberships: 0 })
  })

  it('get valid names from any room name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (name) => {
        const bench = createBench()
        bench.devices.roomRecords = [{ id: 'r', parentId: null, kind: 'room', name, position: 0 }]
        bench.devices.add(1, { roomId: 'r' })
        expect(bench.engine.fromRooms({ types: ['luminaire'] })).toEqual({ groups: 1, memberships: 1 })
        expect(bench.engine.fromRooms({ types: ['luminaire'] })).toEqual({ groups: 0, memberships: 0 })
      }),
    )
  })
})
