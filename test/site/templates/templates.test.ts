// Room types applied to rooms, in the program over a site file: what a template makes, follows and leaves alone.
import { describe, expect, it, onTestFinished } from 'vitest'
import type { TemplateText } from '#contract/model.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { testProgram } from '../../support/program.ts'
import { temporaryFolder } from '../../support/site-file.ts'

const OFFICE: TemplateText = {
  name: 'Office',
  comment: '',
  roles: [
    { key: 'window', name: 'Window row', type: 'luminaire', count: 2 },
    { key: 'wall', name: 'Wall row', type: 'luminaire', count: 1 },
    { key: 'button', name: 'Push button', type: 'switch', count: 1 },
  ],
  groups: [
    {
      key: 'light',
      name: '{number}-light',
      roles: ['window', 'wall', 'button'],
      coapWith: null,
      security: { mode: 'automatic' },
      test: { action: 'on', repeats: 2 },
    },
    {
      key: 'window',
      name: '{number}-window',
      roles: ['window', 'button'],
      coapWith: 'light',
      security: { mode: 'nosec', reason: 'Daylight only, nothing to steal' },
      test: null,
    },
  ],
}

interface Site {
  readonly session: Session
  readonly rooms: readonly string[]
  readonly devices: readonly string[]
}

/** Two rooms; in the first three lights and a switch, in the second a light. */
async function site(): Promise<Site> {
  const { program, session } = testProgram(temporaryFolder())
  onTestFinished(() => program.close())
  const details = { name: 'Types', organisation: '', address: '', operator: '' }
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  const rooms: string[] = []
  const devices: string[] = []
  for (const [name, types] of [
    ['2.14 Office', ['luminaire', 'luminaire', 'luminaire', 'switch']],
    ['2.15 Office', ['luminaire']],
  ] as const) {
    const { id: roomId } = await session.call('rooms.create', { parentId: null, kind: 'room', name })
    rooms.push(roomId)
    for (const type of types) {
      const { id } = await session.call('devices.create', {
        name: `${type} ${devices.length}`,
        type,
        roomId,
        eui64: null,
        serial: null,
        comment: '',
      })
      devices.push(id)
    }
  }
  return { session, rooms, devices }
}

function members(session: Session, name: string): readonly string[] {
  const group = session.rows('applicationGroups').find((row) => row.name === name)
  return session
    .rows('memberships')
    .filter((cell) => cell.groupId === group?.id && cell.desired)
    .map(({ deviceId }) => deviceId)
    .sort()
}

describe('room types', () => {
  it('make groups in all three layers, and say which devices could have several roles', async () => {
    const { session, rooms, devices } = await site()
    const { id } = await session.call('templates.save', { template: OFFICE })
    const preview = await session.call('templates.preview', { templateId: id, roomIds: [...rooms] })
    expect(preview.map(({ groups }) => groups.map(({ name, change }) => `${change} ${name}`))).toEqual([
      ['create 2.14-light', 'create 2.14-window'],
      ['create 2.15-light', 'create 2.15-window'],
    ])
    expect(session.rows('applicationGroups')).toEqual([])
    expect(await session.call('templates.apply', { templateId: id, roomIds: [...rooms] })).toEqual({
      groups: 4,
      memberships: 2,
      undecided: 4,
    })
    const groups = session.rows('applicationGroups')
    const [light, window] = ['2.14-light', '2.14-window'].map((name) => groups.find((group) => group.name === name))
    expect([light?.roomId, window?.coapGroupId]).toEqual([rooms[0], light?.coapGroupId])
    expect(session.rows('protections').find(({ groupId }) => groupId === window?.id)?.mode).toBe('nosec')
    expect(members(session, '2.14-light')).toEqual([devices[3]])

    const [a = '', b = '', c = ''] = devices
    await session.call('templates.assign', { deviceIds: [a, b], role: 'window' })
    await session.call('templates.assign', { deviceIds: [c], role: 'wall' })
    expect(members(session, '2.14-light')).toEqual(devices.slice(0, 4).toSorted())
    expect(members(session, '2.14-window')).toEqual([a, b, devices[3]].toSorted())
    expect(session.rows('templateUses').find(({ roomId }) => roomId === rooms[0])).toMatchObject({
      outdated: false,
      undecided: [],
      counts: [],
      tests: [{ groupId: light?.id, action: 'on', repeats: 2 }],
    })
  })

  it('show what a change would change, and leave alone what was done by hand', async () => {
    const { session, rooms, devices } = await site()
    const [a = '', b = '', c = '', , stranger = ''] = devices
    const room = rooms[0] ?? ''
    const { id } = await session.call('templates.save', { template: OFFICE })
    await session.call('templates.apply', { templateId: id, roomIds: [room] })
    await session.call('templates.assign', { deviceIds: [a, b], role: 'window' })
    await session.call('templates.assign', { deviceIds: [c], role: 'wall' })
    const light = session.rows('applicationGroups').find(({ name }) => name === '2.14-light')?.id ?? ''
    await session.call('groups.setMemberships', { changes: [{ deviceId: stranger, groupId: light, desired: true }] })
    await session.call('groups.updateApplication', { id: light, patch: { name: 'Lobby lights' } })

    const [group] = OFFICE.groups
    if (group === undefined) throw new Error('the template has no group')
    const changed: TemplateText = { ...OFFICE, groups: [{ ...group, name: '{number}-all', roles: ['window', 'button'] }] }
    await session.call('templates.save', { id, template: changed })
    expect(session.rows('templates')).toMatchObject([{ version: 2, rooms: 1, outdated: 1 }])
    const [change] = await session.call('templates.preview', { templateId: id, roomIds: [room] })
    expect(change?.groups).toMatchObject([
      { key: 'light', change: 'keep', name: 'Lobby lights', joins: [], leaves: [c] },
      { key: 'window', change: 'retire' },
    ])
    await session.call('templates.apply', { templateId: id, roomIds: [room] })
    expect(members(session, 'Lobby lights')).toEqual([a, b, devices[3], stranger].toSorted())
    expect(session.rows('applicationGroups').map(({ name }) => name)).toEqual(['Lobby lights'])
    expect(session.rows('templates')).toMatchObject([{ outdated: 0 }])
  })

  it('change nothing else in a room with an older version when one device is placed there', async () => {
    const { session, rooms, devices } = await site()
    const room = rooms[0] ?? ''
    const { id } = await session.call('templates.save', { template: OFFICE })
    await session.call('templates.apply', { templateId: id, roomIds: [room, room] })
    const before = session.rows('applicationGroups').map(({ name }) => name)
    const [light] = OFFICE.groups
    if (light === undefined) throw new Error('the template has no group')
    const groups = [
      { ...light, name: '{number}-all' },
      { ...light, key: 'more', name: '{number}-more' },
    ]
    await session.call('templates.save', { id, template: { ...OFFICE, groups } })
    await session.call('templates.assign', { deviceIds: [devices[0] ?? ''], role: 'window' })
    expect(session.rows('applicationGroups').map(({ name }) => name)).toEqual(before)
    expect(members(session, '2.14-light')).toEqual([devices[0], devices[3]].toSorted())
    expect(session.rows('templateUses')[0]?.outdated).toBe(true)
    await session.call('templates.assign', { deviceIds: [devices[0] ?? ''], role: null })
    expect(members(session, '2.14-light')).toEqual([devices[3]])
  })

  it('rename a group that kept the name it was given', async () => {
    const { session, rooms } = await site()
    const room = rooms[0] ?? ''
    const { id } = await session.call('templates.save', { template: OFFICE })
    await session.call('templates.apply', { templateId: id, roomIds: [room] })
    const groups = OFFICE.groups.map((group) => ({ ...group, name: group.name.replace('{number}', 'r{number}') }))
    await session.call('templates.save', { id, template: { ...OFFICE, groups } })
    const [change] = await session.call('templates.preview', { templateId: id, roomIds: [room] })
    expect(change?.groups.map(({ before, name }) => `${before} → ${name}`)).toEqual([
      '2.14-light → r2.14-light',
      '2.14-window → r2.14-window',
    ])
  })

  it('leave a name to the room that has it, and adopt a group of the room itself', async () => {
    const { session, rooms } = await site()
    const [first = '', second = ''] = rooms
    await session.call('groups.createApplication', { name: '2.14-light', roomId: second })
    await session.call('groups.createApplication', { name: '2.14-window', roomId: first })
    const { id } = await session.call('templates.save', {
      template: { ...OFFICE, groups: OFFICE.groups.map((group) => ({ ...group, coapWith: null })) },
    })
    const [change] = await session.call('templates.preview', { templateId: id, roomIds: [first] })
    expect(change?.groups.map((group) => group.change)).toEqual(['taken', 'adopt'])
  })

  it('are undone and redone as one edit, and follow devices that move', async () => {
    const { session, rooms, devices } = await site()
    const room = rooms[0] ?? ''
    const { id } = await session.call('templates.save', { template: OFFICE })
    await session.call('templates.apply', { templateId: id, roomIds: [room] })
    await session.call('history.undo', {})
    expect([session.rows('applicationGroups'), session.rows('templateUses')]).toEqual([[], []])
    await session.call('history.redo', {})
    expect(session.rows('templateUses')).toHaveLength(1)
    expect(members(session, '2.14-light')).toEqual([devices[3]])
    await session.call('devices.update', { ids: [devices[3] ?? ''], patch: { roomId: rooms[1] ?? null } })
    expect(session.rows('templateUses')[0]?.counts).toContainEqual({ role: 'button', wanted: 1, have: 0 })
    await session.call('rooms.remove', { id: room }).catch(() => undefined)
    await session.call('templates.detach', { roomIds: [room] })
    expect(session.rows('templateUses')).toEqual([])
  })

  it('are refused where they mean nothing', async () => {
    const { session } = await site()
    const [light, window] = OFFICE.groups
    if (light === undefined || window === undefined) throw new Error('the template has no groups')
    const bad: ReadonlyArray<readonly [string, TemplateText]> = [
      ['unknown-role', { ...OFFICE, groups: [{ ...light, roles: ['nobody'] }] }],
      ['unknown-group', { ...OFFICE, groups: [window] }],
      ['shared-in-turn', { ...OFFICE, groups: [{ ...light, coapWith: 'light' }] }],
      ['shared-in-turn', { ...OFFICE, groups: [light, window, { ...light, key: 'third', name: 'third', coapWith: 'window' }] }],
      ['twice', { ...OFFICE, groups: [light, light] }],
    ]
    for (const [reason, template] of bad)
      await expect(session.call('templates.save', { template })).rejects.toMatchObject({ code: 'template.invalid', details: { reason } })
    await expect(session.call('templates.preview', { templateId: 'none', roomIds: ['x'] })).rejects.toMatchObject({
      code: 'template.not-found',
    })
  })
})
