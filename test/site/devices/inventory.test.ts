// The inventory: the life of a device from the plan to the network, and the tree of rooms.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '#main/base/index.ts'
import type { DeviceId } from '#main/base/index.ts'
import { roomPath } from '#main/site/devices/index.ts'
import { address, hearingOf, makeSite, planned } from './fixtures.ts'

const events = (detail: { readonly history: ReadonlyArray<{ readonly event: string }> }): readonly string[] =>
  detail.history.map(({ event }) => event)

describe('a planned device', () => {
  it('is planned without an identifier, and expected with one', () => {
    const { inventory } = makeSite()
    const a = inventory.create(planned)
    const b = inventory.create({ ...planned, eui64: '02-00-00-FF-FE-00-00-01' })
    const c = inventory.create({ ...planned, serial: ' SN-3 ' })
    expect([a, b, c].map((id) => inventory.get(id)?.state)).toEqual(['planned', 'expected', 'expected'])
    expect(inventory.get(b)?.eui64).toBe('020000fffe000001')
    expect(inventory.get(c)?.serial).toBe('SN-3')
    expect(events(inventory.detail(a))).toEqual(['created'])
  })

  it('is refused with a bad or a taken identifier, or in a room that is not there', () => {
    const { inventory } = makeSite()
    inventory.create({ ...planned, eui64: '020000fffe000001', serial: 'SN-1' })
    expect(() => inventory.create({ ...planned, eui64: '0200' })).toThrow(expect.objectContaining({ code: 'input.invalid' }))
    expect(() => inventory.create({ ...planned, eui64: '020000FFFE000001' })).toThrow(expect.objectContaining({ code: 'device.duplicate' }))
    expect(() => inventory.create({ ...planned, serial: 'sn-1' })).toThrow(expect.objectContaining({ code: 'device.duplicate' }))
    expect(() => inventory.create({ ...planned, roomId: 'room-x' })).toThrow(expect.objectContaining({ code: 'room.not-found' }))
    expect(inventory.all()).toHaveLength(1)
  })

  it('tells followers of every change, and each change once in its history', () => {
    const { inventory } = makeSite()
    const told: string[] = []
    inventory.feed.subscribe((keys) => told.push(...keys))
    const id = inventory.create(planned)
    inventory.update([id, id], { name: 'Light 2', comment: 'by the door' })
    inventory.update([id], { name: 'Light 2' })
    expect(told).toEqual([id, id])
    expect(inventory.feed.get(id)).toMatchObject({ name: 'Light 2', comment: 'by the door', address: null, groups: 0 })
    expect(events(inventory.detail(id))).toEqual(['comment-changed', 'renamed', 'created'])
  })

  it('is changed together with others or not at all', () => {
    const { inventory } = makeSite()
    const id = inventory.create(planned)
    expect(() => inventory.update([id, 'dev-x'], { name: 'N' })).toThrow(expect.objectContaining({ code: 'device.not-found' }))
    expect(inventory.get(id)?.name).toBe('Light 1')
  })

  it('stays as it was in memory when the store cannot write', () => {
    const { inventory, store } = makeSite()
    const id = inventory.create(planned)
    store.failNext = new AppError('store.disk-full', 'full')
    expect(() => inventory.update([id], { name: 'N' })).toThrow(expect.objectContaining({ code: 'store.disk-full' }))
    expect(inventory.get(id)?.name).toBe('Light 1')
    expect(inventory.feed.get(id)?.name).toBe('Light 1')
  })
})

describe('a device that is heard', () => {
  it('becomes seen when it is in the plan by EUI-64, keeping what the plan says', () => {
    const { inventory } = makeSite()
    const id = inventory.create({ ...planned, eui64: '020000fffe000001' })
    expect(inventory.heard(hearingOf(1))).toEqual({ id, added: false })
    expect(inventory.get(id)).toMatchObject({
      state: 'seen',
      stateSource: 'discovery',
      name: 'Light 1',
      serial: 'SN-1',
      model: 'Demo Panel 600',
      at: address(1),
    })
    expect(inventory.feed.get(id)?.address).toBe('[fd00::1]:5683')
    expect(events(inventory.detail(id))).toEqual(['heard-first', 'created'])
    expect(inventory.detail(id).resources).toEqual([{ href: '/dev', attributes: [{ name: 'rt', value: 'gw.device' }] }])
  })

  it('is found by serial, and by an endpoint name that is its EUI-64', () => {
    const { inventory } = makeSite()
    const bySerial = inventory.create({ ...planned, serial: 'sn-1' })
    const byName = inventory.create({ ...planned, eui64: '020000fffe000002' })
    expect(inventory.heard(hearingOf(1)).id).toBe(bySerial)
    expect(inventory.heard(hearingOf(2, { source: 'registration', endpointName: '020000fffe000002', identity: undefined })).id).toBe(byName)
    expect(inventory.get(byName)).toMatchObject({ state: 'seen', stateSource: 'registration', endpointName: '020000fffe000002' })
  })

  it('is added as unplanned when it is not in the plan, named by model and EUI-64', () => {
    const { inventory } = makeSite()
    const { id, added } = inventory.heard(hearingOf(0xab12))
    expect(added).toBe(true)
    expect(inventory.get(id)).toMatchObject({ name: 'Demo Panel 600 AB12', type: 'luminaire', state: 'seen', roomId: null })
    expect(inventory.heard(hearingOf(0xab12))).toEqual({ id, added: false })
    expect(events(inventory.detail(id))).toEqual(['appeared'])
  })

  it('is not the planned device when serial and EUI-64 contradict each other', () => {
    const { inventory } = makeSite()
    const id = inventory.create({ ...planned, eui64: '020000fffe0000ff', serial: 'SN-1' })
    const heard = inventory.heard(hearingOf(1))
    expect(heard.added).toBe(true)
    expect(inventory.get(heard.id)?.serial).toBeNull()
    expect(inventory.get(id)?.state).toBe('expected')
  })

  it('keeps the state it has earned; only its address changes', () => {
    const { inventory, clock } = makeSite()
    const { id } = inventory.heard(hearingOf(1))
    for (const state of ['configured', 'verified', 'faulty'] as const) {
      inventory.setState(id, state, { source: 'apply', event: 'state' })
      clock.jumpWallClock(120_000)
      inventory.heard(hearingOf(1, { at: address(0x100 + (clock.now() % 97)) }))
      expect(inventory.get(id)).toMatchObject({ state, stateSource: 'apply' })
    }
  })

  it('does not hop between its addresses while one of them is fresh', async () => {
    const { inventory, clock } = makeSite()
    const { id } = inventory.heard(hearingOf(1))
    inventory.heard(hearingOf(1, { at: address(0x99) }))
    expect(inventory.get(id)?.at).toEqual(address(1))
    await clock.advance(61_000)
    inventory.heard(hearingOf(1, { at: address(0x99) }))
    expect(inventory.get(id)?.at).toEqual(address(0x99))
    inventory.heard(hearingOf(1, { source: 'registration', at: address(0x9a) }))
    expect(inventory.get(id)?.at).toEqual(address(0x9a))
  })

  it('takes its address from whoever had it before', () => {
    const { inventory } = makeSite()
    const { id: old } = inventory.heard(hearingOf(1))
    const { id } = inventory.heard(hearingOf(2, { at: address(1) }))
    expect(inventory.get(id)?.at).toEqual(address(1))
    expect(inventory.get(old)?.at).toBeNull()
    expect(() => inventory.contact(old)).toThrow(expect.objectContaining({ code: 'device.no-address' }))
  })

  it('absorbs the unknown device that it was before it could be identified', () => {
    const { inventory } = makeSite()
    const removed: DeviceId[] = []
    inventory.onRemoved((ids) => removed.push(...ids))
    const id = inventory.create({ ...planned, eui64: '020000fffe000001' })
    const unknown = inventory.heard(hearingOf(1, { identity: undefined, profileId: null })).id
    expect(inventory.get(unknown)).toMatchObject({ type: 'unknown', name: 'Device [fd00::1]:5683' })
    expect(inventory.heard(hearingOf(1)).id).toBe(id)
    expect(inventory.all().map((device) => device.id)).toEqual([id])
    expect(removed).toEqual([unknown])
  })

  it('becomes identified in place when it was unplanned and unknown', () => {
    const { inventory } = makeSite()
    const { id } = inventory.heard(hearingOf(1, { identity: undefined, profileId: null }))
    expect(inventory.heard(hearingOf(1))).toEqual({ id, added: false })
    expect(inventory.get(id)).toMatchObject({ type: 'luminaire', eui64: '020000fffe000001', serial: 'SN-1' })
  })

  it('has an identity that could not be read once in its history, not at each hearing', () => {
    const { inventory } = makeSite()
    const failure = { code: 'coap.timeout', message: 'm', retryable: true, details: {} }
    const { id } = inventory.heard(hearingOf(1, { identity: undefined, failure }))
    inventory.heard(hearingOf(1, { identity: undefined, failure }))
    expect(events(inventory.detail(id))).toEqual(['identity-unread', 'appeared'])
    expect(inventory.detail(id).history[0]?.failure).toEqual(failure)
  })

  it('is written once in a while only, when nothing but the time is new', async () => {
    const { inventory, clock, store, reopen } = makeSite()
    const { id } = inventory.heard(hearingOf(1))
    const writes = store.deviceWrites
    for (let second = 0; second < 20; second++) {
      await clock.advance(1000)
      for (let times = 0; times < 5; times++) inventory.heard(hearingOf(1))
    }
    expect(store.deviceWrites - writes).toBeLessThanOrEqual(4)
    inventory.flush()
    expect(reopen().get(id)?.lastHeardAt).toBe(clock.now())
    expect(clock.pendingTimers).toBe(0)
  })

  it('is talked to through its channel and profile, and the failures say what is missing', () => {
    const { inventory, client } = makeSite()
    const { id } = inventory.heard(hearingOf(1))
    expect(inventory.contact(id).contact).toEqual({ client, at: address(1), deviceId: id, serial: 'SN-1' })
    const unheard = inventory.create(planned)
    const strange = inventory.heard(hearingOf(2, { profileId: null })).id
    const elsewhere = inventory.heard(hearingOf(3, { channelId: 'gone' })).id
    const codes = ['dev-x', unheard, strange, elsewhere].map((device) => {
      try {
        return inventory.contact(device).profile.id
      } catch (thrown) {
        return thrown instanceof AppError ? thrown.code : 'other'
      }
    })
    expect(codes).toEqual(['device.not-found', 'device.no-address', 'device.no-profile', 'network.down'])
  })
})

describe('the inventory', () => {
  it('tells who follows removals, and forgets the device', () => {
    const { inventory, reopen } = makeSite()
    const removed: DeviceId[] = []
    const stop = inventory.onRemoved((ids) => removed.push(...ids))
    const a = inventory.create(planned)
    const b = inventory.heard(hearingOf(1)).id
    inventory.remove([a, b, a])
    stop()
    expect(removed).toEqual([a, b])
    expect(inventory.feed.size).toBe(0)
    expect(reopen().all()).toEqual([])
    expect(inventory.heard(hearingOf(1)).added).toBe(true)
  })

  it('does not grow without end by strangers, and still hears those that it has', () => {
    const { inventory } = makeSite()
    const state = { type: 'unknown', roomId: null, state: 'seen', stateAt: 0, stateSource: 'registration' } as const
    const nothing = {
      serial: null,
      model: null,
      profileId: null,
      endpointName: null,
      at: null,
      channelId: null,
      lastHeardAt: null,
      comment: '',
    }
    const eui64 = (number: number): string => `020000fffe${number.toString(16).padStart(6, '0')}`
    const devices = Array.from({ length: 50_000 }, (_, number) => ({
      ...state,
      ...nothing,
      id: `dev-${number}`,
      name: `D ${number}`,
      eui64: eui64(number),
    }))
    inventory.commit({ devices })
    expect(() => inventory.heard(hearingOf(60_000))).toThrow(expect.objectContaining({ code: 'input.too-large' }))
    expect(inventory.heard(hearingOf(7))).toEqual({ id: 'dev-7', added: false })
    expect(inventory.all()).toHaveLength(50_000)
  })

  it('shows the number of groups and touches only rows where it changed', () => {
    const { inventory } = makeSite()
    const [a, b] = [inventory.create(planned), inventory.create(planned)]
    const told: string[] = []
    inventory.feed.subscribe((keys) => told.push(...keys))
    inventory.setGroupCounts(new Map([[a, 2]]))
    inventory.setGroupCounts(new Map([[a, 2]]))
    inventory.setGroupCounts(new Map([[b, 1]]))
    expect(told).toEqual([a, a, b])
    expect(inventory.feed.get(a)?.groups).toBe(0)
  })

  it('is after any hearings the same when opened again, and has every identifier once', () => {
    const hearing = fc.record({
      number: fc.integer({ min: 1, max: 4 }),
      at: fc.integer({ min: 1, max: 4 }),
      source: fc.constantFrom('discovery', 'registration'),
      endpoint: fc.option(fc.constantFrom('a', 'b', '020000fffe000001'), { nil: null }),
      identified: fc.constantFrom('both', 'eui64', 'serial', 'none'),
      waitMs: fc.constantFrom(0, 100_000),
    })
    fc.assert(
      fc.property(fc.array(hearing, { maxLength: 25 }), (hearings) => {
        const { inventory, clock, reopen } = makeSite()
        inventory.create({ ...planned, eui64: '020000fffe000001', serial: 'SN-2' })
        inventory.create({ ...planned, serial: 'SN-3' })
        for (const { number, at, source, endpoint, identified, waitMs } of hearings) {
          clock.jumpWallClock(waitMs)
          const whole = hearingOf(number).identity
          const identity =
            whole === undefined || identified === 'none'
              ? undefined
              : {
                  ...whole,
                  eui64: identified === 'serial' ? undefined : whole.eui64,
                  serial: identified === 'eui64' ? undefined : whole.serial,
                }
          inventory.heard(hearingOf(number, { source: source, at: address(at), endpointName: endpoint, identity }))
        }
        inventory.flush()
        const devices = inventory.all()
        for (const key of ['eui64', 'serial', 'endpointName', 'at'] as const) {
          const values = devices.map((device) => JSON.stringify(device[key])).filter((value) => value !== 'null')
          expect(new Set(values).size).toBe(values.length)
        }
        const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1)
        expect([...reopen().all()].sort(byId)).toEqual([...devices].sort(byId))
        expect([...inventory.feed.rows()].map(({ id }) => id).sort()).toEqual(devices.map(({ id }) => id).sort())
      }),
    )
  })
})

describe('rooms', () => {
  it('make a tree, with positions in the order of creation', () => {
    const { inventory, reopen } = makeSite()
    const building = inventory.createRoom({ parentId: null, kind: 'building', name: 'A' })
    const floor = inventory.createRoom({ parentId: building, kind: 'floor', name: '2' })
    const other = inventory.createRoom({ parentId: building, kind: 'floor', name: '3' })
    const room = inventory.createRoom({ parentId: floor, kind: 'room', name: '2.14' })
    expect(roomPath(new Map(inventory.rooms().map((record) => [record.id, record])), room)).toEqual(['A', '2', '2.14'])
    expect(inventory.rooms().map(({ position }) => position)).toEqual([0, 0, 1, 0])
    inventory.updateRoom(room, { parentId: other, name: '3.14' })
    expect(inventory.roomFeed.get(room)).toEqual({ id: room, parentId: other, kind: 'room', name: '3.14', position: 0 })
    expect(reopen().rooms()).toEqual(inventory.rooms())
  })

  it('cannot lie inside themselves', () => {
    const { inventory } = makeSite()
    const a = inventory.createRoom({ parentId: null, kind: 'building', name: 'A' })
    const b = inventory.createRoom({ parentId: a, kind: 'floor', name: 'B' })
    const c = inventory.createRoom({ parentId: b, kind: 'room', name: 'C' })
    for (const parentId of [a, b, c])
      expect(() => inventory.updateRoom(a, { parentId })).toThrow(expect.objectContaining({ code: 'room.cycle' }))
    expect(() => inventory.updateRoom(a, { parentId: 'room-x' })).toThrow(expect.objectContaining({ code: 'room.not-found' }))
  })

  it('are removed when they are empty, and only then', () => {
    const { inventory, reopen } = makeSite()
    const a = inventory.createRoom({ parentId: null, kind: 'floor', name: 'A' })
    const b = inventory.createRoom({ parentId: a, kind: 'room', name: 'B' })
    const device = inventory.create({ ...planned, roomId: b })
    expect(() => inventory.removeRoom(a)).toThrow(
      expect.objectContaining({ code: 'room.not-empty', details: { name: 'A', rooms: 1, devices: 0 } }),
    )
    expect(() => inventory.removeRoom(b)).toThrow(
      expect.objectContaining({ code: 'room.not-empty', details: { name: 'B', rooms: 0, devices: 1 } }),
    )
    inventory.update([device], { roomId: null })
    inventory.removeRoom(b)
    inventory.removeRoom(a)
    expect(reopen().rooms()).toEqual([])
    expect(() => inventory.removeRoom(a)).toThrow(expect.objectContaining({ code: 'room.not-found' }))
  })
})
