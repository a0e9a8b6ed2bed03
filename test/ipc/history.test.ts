// The journal at the contract: each op that edits is one entry with who did it, maintenance is told by its kind, and whoever takes an edit
// back needs the role that it took.
import { describe, expect, it, onTestFinished } from 'vitest'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Shared', organisation: '', address: '', operator: '' }
const NETWORK = { bindAddress: '::1', coapPort: 0 }

async function opened() {
  const made = testProgram(temporaryFolder())
  onTestFinished(() => made.program.close())
  await made.session.call('site.create', { kind: 'network', details, network: NETWORK })
  return made.session
}

describe('the journal at the contract', () => {
  it('has an entry for each edit, and none for what only looks', async () => {
    const session = await opened()
    await session.call('site.update', { organisation: 'Blue Quay Ltd' })
    const { id } = await session.call('rooms.create', { parentId: null, kind: 'room', name: 'Hall' })
    const lamp = await session.call('devices.create', {
      name: 'Lamp',
      type: 'luminaire',
      roomId: id,
      eui64: null,
      serial: 'S1',
      comment: '',
    })
    await session.call('groups.fromRooms', { types: ['luminaire'] })
    const [group] = session.rows('applicationGroups')
    await session.call('maintenance.preview', { operation: { kind: 'retire', groupId: group!.id } })
    await session.call('maintenance.run', { operation: { kind: 'rename', groupId: group!.id, name: 'foyer' } })
    await session.call('devices.remove', { ids: [lamp.id] })
    const { entries, total } = await session.call('history.list', { offset: 0, limit: 10 })
    expect(entries.map(({ op, actor, state }) => `${op} ${actor} ${state}`)).toEqual(
      ['devices.remove', 'maintenance.rename', 'groups.fromRooms', 'devices.create', 'rooms.create', 'site.update'].map(
        (op) => `${op} command line done`,
      ),
    )
    expect(total).toBe(6)
    await session.call('history.undo', { id: entries.at(-1)!.entry })
    expect(session.rows('session')[0]?.site?.details.organisation).toBe('')
    expect([session.rows('devices'), session.rows('rooms'), session.rows('applicationGroups')]).toEqual([[], [], []])
    await session.call('history.redo', { id: entries[1]!.entry })
    expect(session.rows('applicationGroups').map(({ name, members }) => [name, members])).toEqual([['foyer', 1]])
    expect((await session.call('audit.page', { limit: 3, search: '' })).map(({ action }) => action)).toEqual([
      'history.redo',
      'history.undo',
      'devices.remove',
    ])
  })

  it('lets nobody take back what he could not have done', async () => {
    const session = await opened()
    await session.call('groups.createCoap', { name: 'g1' })
    await session.call('access.setPin', { role: 'engineer', pin: '4711' })
    await session.call('access.lock', {})
    await session.call('rooms.create', { parentId: null, kind: 'room', name: '1.01' })
    const { entries } = await session.call('history.list', { offset: 0, limit: 10 })
    await expect(session.call('history.undo', { id: entries[1]!.entry })).rejects.toMatchObject({ code: 'access.role-needed' })
    expect(session.rows('rooms')).toHaveLength(1)
    await session.call('history.undo', {})
    await expect(session.call('history.undo', {})).rejects.toMatchObject({ code: 'access.role-needed' })
    await session.call('access.unlock', { role: 'engineer', pin: '4711' })
    await session.call('history.undo', {})
    expect(session.rows('coapGroups')).toEqual([])
  })
})
