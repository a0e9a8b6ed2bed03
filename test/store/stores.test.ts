import { describe, expect, test } from 'vitest'
import type { TestRunRow } from '#contract/model.ts'
import type { DeviceRecord, RoomRecord } from '#main/site/devices/index.ts'
import type { CoapGroupRecord, MembershipRecord } from '#main/site/groups/index.ts'
import { openSiteFile } from '#main/store/index.ts'
import { storePorts, temporarySite } from '../support/site-file.ts'

const failure = { code: 'coap.timeout', message: 'No answer', retryable: true, details: { tries: 5 } }

function device(id: string, more: Partial<DeviceRecord> = {}): DeviceRecord {
  return {
    id,
    name: `Luminaire ${id}`,
    type: 'luminaire',
    roomId: null,
    state: 'planned',
    stateAt: 1000,
    stateSource: 'import',
    eui64: null,
    serial: null,
    model: null,
    profileId: null,
    endpointName: null,
    at: null,
    channelId: null,
    lastHeardAt: null,
    comment: '',
    ...more,
  }
}

const floor: RoomRecord = { id: 'floor', parentId: null, kind: 'floor', name: '2', position: 0 }
const room: RoomRecord = { id: 'room', parentId: 'floor', kind: 'room', name: '2.14 “Küche”', position: 1 }
const coapGroup: CoapGroupRecord = { id: 'c1', name: 'Light 2.14', address: 'ff35:30:fd00::1:1', port: 5683, allocated: true }
const group = { id: 'g1', name: '2.14-light', coapGroupId: 'c1', roomId: 'room', comment: '', retired: false }

function membership(deviceId: string, more: Partial<MembershipRecord> = {}): MembershipRecord {
  return { deviceId, groupId: 'g1', desired: true, outcome: 'planned', at: 5, source: 'operator', failure: null, applied: null, ...more }
}

describe('devices and rooms', () => {
  test('come back as they were saved, after the file was closed and opened', () => {
    const site = temporarySite()
    const full = device('d1', {
      roomId: 'room',
      eui64: '020000fffe000001',
      serial: 'GW-1',
      model: 'Panel',
      profileId: 'demo',
      endpointName: 'ep',
      at: { address: 'fe80::1', port: 5683, zone: 'eth0' },
      channelId: 'demo',
      lastHeardAt: 77,
      comment: 'above the door',
    })
    site.devices.saveRooms([room, floor])
    site.devices.saveDevices([full, device('d2', { at: { address: '192.0.2.7', port: 61_616 } })])
    site.devices.saveLinks('d1', '</state>;rt="gw.luminaire"')
    site.devices.addEvents([
      { deviceId: 'd1', at: 1, source: 'import', event: 'planned', params: { line: 2, name: 'x' }, failure: null },
      { deviceId: 'd1', at: 2, source: 'apply', event: 'failed', params: {}, failure },
    ])
    site.close()
    const again = openSiteFile(site.path, storePorts())
    expect(again.devices.rooms()).toEqual([floor, room])
    expect(again.devices.devices()).toEqual([full, device('d2', { at: { address: '192.0.2.7', port: 61_616 } })])
    expect(again.devices.links('d1')).toBe('</state>;rt="gw.luminaire"')
    expect(again.devices.links('d2')).toBeUndefined()
    expect(again.devices.events('d1', 10).map((event) => [event.event, event.failure])).toEqual([
      ['failed', failure],
      ['planned', null],
    ])
    expect(again.devices.events('d1', 1)).toHaveLength(1)
    again.close()
  })

  test('saving again changes, and removing a device takes its links, history and memberships along', () => {
    const { devices, groups } = temporarySite()
    devices.saveRooms([floor, room])
    devices.saveDevices([device('d1'), device('d2')])
    devices.saveLinks('d1', '</a>')
    groups.saveCoapGroup(coapGroup)
    groups.saveApplicationGroup(group)
    groups.saveMemberships([membership('d1'), membership('d2')])
    devices.saveDevices([device('d1', { name: 'Renamed', state: 'faulty' })])
    expect(devices.devices()[0]).toMatchObject({ name: 'Renamed', state: 'faulty' })
    devices.removeDevices(['d1', 'd-unknown'])
    expect(devices.devices().map(({ id }) => id)).toEqual(['d2'])
    expect(devices.links('d1')).toBeUndefined()
    expect(groups.memberships().map(({ deviceId }) => deviceId)).toEqual(['d2'])
  })

  test('an identifier that another device has is `device.duplicate`, and nothing of that call is kept', () => {
    const { devices } = temporarySite()
    devices.saveDevices([device('d1', { eui64: '020000fffe000001', serial: 'S1' })])
    expect(() => devices.saveDevices([device('d2'), device('d3', { eui64: '020000fffe000001' })])).toThrow(
      expect.objectContaining({ code: 'device.duplicate' }),
    )
    expect(() => devices.saveDevices([device('d2', { serial: 'S1' })])).toThrow(expect.objectContaining({ code: 'device.duplicate' }))
    expect(devices.devices()).toHaveLength(1)
  })

  test('a history is kept to its newest 500 events', () => {
    const { devices } = temporarySite()
    devices.saveDevices([device('d1'), device('d2')])
    devices.addEvents([{ deviceId: 'd2', at: 0, source: 'import', event: 'kept', params: {}, failure: null }])
    for (let batch = 0; batch < 6; batch++) {
      devices.addEvents(
        Array.from({ length: 100 }, (_, i) => ({
          deviceId: 'd1',
          at: batch * 100 + i,
          source: 'test',
          event: 'x',
          params: {},
          failure: null,
        })),
      )
    }
    const events = devices.events('d1', 1000)
    expect(events).toHaveLength(500)
    expect(events[0]?.at).toBe(599)
    expect(devices.events('d2', 10)).toHaveLength(1)
  })

  test('a transaction that throws leaves nothing behind, inner ones included', () => {
    const site = temporarySite()
    expect(() =>
      site.devices.transaction(() => {
        site.devices.saveDevices([device('d1')])
        site.groups.transaction(() => site.groups.saveCoapGroup(coapGroup))
        throw new RangeError('changed my mind')
      }),
    ).toThrow(RangeError)
    expect(site.devices.devices()).toEqual([])
    expect(site.groups.coapGroups()).toEqual([])
    expect(site.revision).toBe(0)
  })

  test('10 000 devices load in less than 200 ms', () => {
    const { devices } = temporarySite()
    devices.saveDevices(
      Array.from({ length: 10_000 }, (_, i) =>
        device(`device-${i}`, {
          eui64: i.toString(16).padStart(16, '0'),
          serial: `GW-24-${i}`,
          model: 'Demo Panel 600',
          profileId: 'groupwright-demo',
          endpointName: `ep-${i}`,
          at: { address: `fd00::${i.toString(16)}`, port: 5683 },
          channelId: 'demo',
          lastHeardAt: i,
        }),
      ),
    )
    expect(devices.devices()).toHaveLength(10_000)
  })
})

describe('groups', () => {
  test('come back as they were saved', () => {
    const { devices, groups } = temporarySite()
    devices.saveRooms([floor, room])
    devices.saveDevices([device('d1'), device('d2')])
    groups.saveCoapGroup(coapGroup)
    groups.saveApplicationGroup(group)
    const applied = { name: '2.14-light', address: coapGroup.address, port: 5683 }
    const memberships = [
      membership('d1', { outcome: 'confirmed', applied }),
      membership('d2', { desired: false, outcome: 'failed', failure }),
    ]
    groups.saveMemberships(memberships)
    expect(groups.coapGroups()).toEqual([coapGroup])
    expect(groups.applicationGroups()).toEqual([group])
    expect(groups.memberships()).toEqual(memberships)
    groups.removeMemberships([{ deviceId: 'd1', groupId: 'g1' }])
    groups.saveApplicationGroup({ ...group, retired: true, roomId: null })
    expect(groups.memberships()).toHaveLength(1)
    expect(groups.applicationGroups()[0]).toMatchObject({ retired: true, roomId: null })
    groups.removeApplicationGroup('g1')
    groups.removeCoapGroup('c1')
    expect([groups.memberships(), groups.applicationGroups(), groups.coapGroups()]).toEqual([[], [], []])
  })

  test('a taken name or address has its code', () => {
    const { groups } = temporarySite()
    groups.saveCoapGroup(coapGroup)
    expect(() => groups.saveCoapGroup({ ...coapGroup, id: 'c2', name: 'Other' })).toThrow(
      expect.objectContaining({ code: 'group.address-taken' }),
    )
    expect(() => groups.saveCoapGroup({ ...coapGroup, id: 'c2', port: 5684 })).toThrow(
      expect.objectContaining({ code: 'group.name-taken' }),
    )
  })

  test('test runs come newest first, and a run is saved over itself', () => {
    const { groups } = temporarySite()
    const run: TestRunRow = {
      id: 't1',
      groupId: 'g1',
      groupName: '2.14-light',
      action: 'on',
      state: 'sending',
      startedAt: 10,
      finishedAt: null,
      repeats: 1,
      repeat: 1,
      uri: 'coap://[ff35::1]/gp/x/state',
      messageBytes: 40,
      spreadMs: null,
      medianMs: null,
      members: [],
      strangers: 0,
      failure: null,
    }
    groups.saveTestRun(run)
    groups.saveTestRun({ ...run, id: 't2', startedAt: 20 })
    groups.saveTestRun({ ...run, state: 'done', finishedAt: 15 })
    expect(groups.testRuns(10).map(({ id, state }) => [id, state])).toEqual([
      ['t2', 'sending'],
      ['t1', 'done'],
    ])
    expect(groups.testRuns(1)).toHaveLength(1)
  })
})

describe('the revision', () => {
  test('grows by one with each transaction that changes the project, and with nothing else', () => {
    const site = temporarySite()
    const told: number[] = []
    site.onRevision(() => told.push(site.revision))
    site.devices.saveRooms([floor, room])
    site.devices.saveDevices(Array.from({ length: 50 }, (_, i) => device(`d${i}`)))
    expect(site.revision).toBe(2)
    site.devices.saveDevices([device('d1', { state: 'seen', lastHeardAt: 9, at: { address: '::1', port: 1 } })])
    site.devices.addEvents([{ deviceId: 'd1', at: 1, source: 'test', event: 'x', params: {}, failure: null }])
    site.devices.saveLinks('d1', '</a>')
    expect(site.revision).toBe(2)
    site.transaction(() => {
      site.groups.saveCoapGroup(coapGroup)
      site.groups.saveApplicationGroup(group)
      site.groups.saveMemberships([membership('d1')])
    })
    expect(site.revision).toBe(3)
    site.groups.saveMemberships([membership('d1', { outcome: 'confirmed' })])
    expect(site.revision).toBe(3)
    site.groups.saveMemberships([membership('d1', { desired: false })])
    site.setDetails({ ...site.meta().details, operator: 'J. Okafor' })
    site.setDetails({ ...site.meta().details })
    site.bumpRevision()
    site.devices.removeDevices(['d2'])
    expect(site.revision).toBe(7)
    expect(told).toEqual([1, 2, 3, 4, 5, 6, 7])
  })
})

describe('a site file from somewhere else', () => {
  test.each([
    ['a state nobody knows', `UPDATE device SET state = 'toString'`],
    ['a history that is no JSON', `UPDATE device_event SET params = '{'`],
    ['a history of another shape', `UPDATE device_event SET params = '[1]'`],
    ['a failure of another shape', `UPDATE device_event SET failure = '{"code":1}'`],
    ['a test run of another shape', `UPDATE test_run SET body = '{"id":"t"}'`],
    ['details of another shape', `UPDATE meta SET value = '"x"' WHERE key = 'details'`],
    ['no details', `DELETE FROM meta WHERE key = 'details'`],
  ])('with %s is `store.corrupt` when that is read', (_name, sql) => {
    const site = temporarySite()
    site.devices.saveDevices([device('d1')])
    site.devices.addEvents([{ deviceId: 'd1', at: 1, source: 'test', event: 'x', params: {}, failure }])
    site.database.prepare(`INSERT INTO test_run VALUES ('t', 'g', 1, '{}')`).run()
    site.database.exec(sql)
    const corrupt = expect.objectContaining({ code: 'store.corrupt' }) as Error
    expect(() => {
      site.devices.devices()
      site.devices.events('d1', 9)
      site.meta()
      if (sql.includes('test_run')) site.groups.testRuns(9)
    }).toThrow(corrupt)
  })
})

describe('exports', () => {
  test('are listed newest first', () => {
    const { exports } = temporarySite()
    const record = { handle: 'x1', format: 'json', path: '/tmp/a.json', bytes: 12, sha256: 'ab', at: 1, revision: 4 } as const
    exports.add(record)
    exports.add({ ...record, handle: 'x2', format: 'report-html', at: 2 })
    expect(exports.list().map(({ handle }) => handle)).toEqual(['x2', 'x1'])
    expect(exports.list(5)[1]).toEqual(record)
  })
})
