// Differences between two sites, and taking them over.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { differencesOf, takeDifferences, type SiteSnapshot, type TakePorts } from '#main/site/survey/index.ts'
import { createBench } from '../groups/doubles.ts'

const EMPTY: SiteSnapshot = { rooms: [], devices: [], coapGroups: [], applicationGroups: [], memberships: [] }
const device = (id: string, change: Partial<SiteSnapshot['devices'][number]> = {}): SiteSnapshot['devices'][number] => ({
  id,
  name: id,
  type: 'luminaire',
  roomId: null,
  eui64: null,
  serial: null,
  endpointName: null,
  comment: '',
  ...change,
})
const room = (id: string, name: string, parentId: string | null = null): SiteSnapshot['rooms'][number] => ({
  id,
  name,
  parentId,
  kind: 'room',
})

/** A site of one floor with a room, one device in it, one group with it as a member; ids begin with the prefix. */
function site(prefix: string, change: Partial<SiteSnapshot> = {}): SiteSnapshot {
  return {
    rooms: [room(`${prefix}f`, 'Floor'), room(`${prefix}r`, '2.14', `${prefix}f`)],
    devices: [device(`${prefix}d`, { name: 'Lamp', serial: 'S-1', roomId: `${prefix}r` })],
    coapGroups: [{ id: `${prefix}c`, name: 'hall', address: 'ff05::db8:1', port: 5683 }],
    applicationGroups: [{ id: `${prefix}g`, name: 'hall', coapGroupId: `${prefix}c`, roomId: null, comment: '', retired: false }],
    memberships: [{ deviceId: `${prefix}d`, groupId: `${prefix}g`, desired: true }],
    ...change,
  }
}

const kinds = (here: SiteSnapshot, there: SiteSnapshot): readonly string[] =>
  differencesOf(here, there).differences.map(({ kind, change, name }) => `${kind} ${change} ${name}`)

describe('differences to another export', () => {
  it('are none to the same site, also under other ids: rooms by their place, devices by serial, groups by name', () => {
    expect(kinds(site('a'), site('a'))).toEqual([])
    expect(kinds(site('a'), site('b'))).toEqual([])
  })

  it('name what is more, less and different, with both sides', () => {
    const there = site('b', {
      devices: [device('bd', { name: 'Panel', serial: 's-1', roomId: null }), device('new', { eui64: '020000fffe000001' })],
      coapGroups: [{ id: 'bc', name: 'hall', address: 'ff05::db8:2', port: 61_616 }],
      memberships: [{ deviceId: 'new', groupId: 'bg', desired: true }],
    })
    const { differences } = differencesOf(site('a'), there)
    expect(differences.map(({ kind, change, name, fields }) => [kind, change, name, fields])).toEqual([
      [
        'device',
        'changed',
        'Lamp',
        [
          { field: 'name', here: 'Lamp', there: 'Panel' },
          { field: 'room', here: 'Floor / 2.14', there: '' },
        ],
      ],
      ['device', 'added', 'new', []],
      ['group', 'changed', 'hall', [{ field: 'address', here: '[ff05::db8:1]:5683', there: '[ff05::db8:2]:61616' }]],
      ['membership', 'added', 'new · hall', []],
      ['membership', 'removed', 'Lamp · hall', []],
    ])
    expect(kinds(site('a'), EMPTY).filter((line) => !line.includes('removed'))).toEqual([])
  })

  it('never take one row for two, and no id twice', () => {
    const name = fc.constantFrom('a', 'b', 'c')
    const rows = fc.array(fc.record({ id: fc.constantFrom('1', '2', '3', '4'), serial: fc.option(name), eui64: fc.option(name) }), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(rows, rows, (mine, theirs) => {
        const snapshot = (list: typeof mine): SiteSnapshot => ({
          ...EMPTY,
          devices: [...new Map(list.map((row) => [row.id, device(row.id, row)])).values()],
        })
        const { differences, same } = differencesOf(snapshot(mine), snapshot(theirs))
        expect(new Set(same.devices.values()).size).toBe(same.devices.size)
        expect(new Set(differences.map(({ id }) => id)).size).toBe(differences.length)
      }),
    )
  })
})

describe('taking differences over', () => {
  function portsOver(bench: ReturnType<typeof createBench>): TakePorts & { readonly log: string[] } {
    const log: string[] = []
    let rooms = 0
    return {
      log,
      groups: bench.engine,
      inventory: {
        create: ({ name, roomId }) => {
          log.push(`create ${name} in ${roomId ?? '-'}`)
          return bench.devices.add(100).id
        },
        update: (ids, { name }) => void log.push(`update ${ids.join()} ${name ?? ''}`),
        remove: (ids) => void log.push(`remove ${ids.join()}`),
        createRoom: ({ name, parentId }) => {
          log.push(`room ${name} in ${parentId ?? '-'}`)
          return `r${++rooms}`
        },
        updateRoom: (id) => void log.push(`change ${id}`),
        removeRoom: (id) => void log.push(`clear ${id}`),
      },
    }
  }
  const here = (bench: ReturnType<typeof createBench>): SiteSnapshot => ({
    rooms: [],
    devices: bench.devices.all(),
    coapGroups: [...bench.engine.book.coap.values()],
    applicationGroups: [...bench.engine.book.groups.values()],
    memberships: bench.engine.membershipFeed.rows(),
  })

  it('brings rooms before what is in them and devices before memberships, which come as a wish; then nothing is left', () => {
    const bench = createBench()
    const ports = portsOver(bench)
    const there = site('b')
    const comparison = differencesOf(here(bench), there)
    const ids = comparison.differences.map(({ id }) => id)
    expect(takeDifferences(ports, there, comparison, ids.toReversed())).toEqual({ taken: 5, left: [] })
    expect(ports.log).toEqual(['room Floor in -', 'room 2.14 in r1', 'create Lamp in r2'])
    expect(bench.engine.applicationFeed.rows()).toMatchObject([
      { name: 'hall', members: 1, confirmed: 0, uri: 'coap://[ff05::db8:1]/gp/hall' },
    ])
  })

  it('takes what is chosen alone, and tells what cannot be taken with its reason', () => {
    const bench = createBench()
    const there = site('b')
    const comparison = differencesOf(here(bench), there)
    const membership = comparison.differences.find(({ kind }) => kind === 'membership')!
    expect(takeDifferences(portsOver(bench), there, comparison, [membership.id, 'device + nobody'])).toMatchObject({
      taken: 0,
      left: [
        { id: 'device + nobody', code: 'input.invalid' },
        { id: membership.id, code: 'device.not-found' },
      ],
    })
  })

  it('moves a group to the address that it has there, in place of its own', () => {
    const bench = createBench(1)
    const id = bench.engine.createApplication({ name: 'hall', members: ['d1'] })
    const there: SiteSnapshot = {
      ...site('b'),
      devices: [device('d1', { name: 'Device 1' })],
      rooms: [],
      memberships: [{ deviceId: 'd1', groupId: 'bg', desired: true }],
    }
    const comparison = differencesOf(here(bench), there)
    expect(comparison.differences.map(({ kind, change }) => `${kind} ${change}`)).toEqual(['group changed'])
    takeDifferences(portsOver(bench), there, comparison, [comparison.differences[0]!.id])
    expect(bench.engine.book.target(id)).toEqual({ name: 'hall', address: 'ff05::db8:1', port: 5683 })
    expect(bench.engine.coapFeed.size).toBe(1)
    expect(differencesOf(here(bench), there).differences).toEqual([])
  })
})
