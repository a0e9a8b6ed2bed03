// Undo and redo case by case: what comes back, what stays because the network has told of it, and what cannot come back.
import { describe, expect, it, onTestFinished } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { createHistory } from '#main/site/history/index.ts'
import { runJob } from '../groups/doubles.ts'
import { exported, hear, names, newWorld, openProject, reopened, type Project } from './project.ts'

const EUI = '02-00-00-00-00-00-00-01'
const AT = '2001:db8::1'

function open(keys = false): Project {
  const project = openProject(newWorld(), undefined, { keys })
  onTestFinished(() => project.file.close())
  return project
}

function edit<Result>({ history }: Project, op: string, work: () => Result): Result {
  return history.action({ op, actor: 'M. Lindqvist' }, work)
}

const lamp = (project: Project, eui64: string | null = EUI): string =>
  edit(project, 'devices.create', () =>
    project.inventory.create({ name: 'Lamp', type: 'luminaire', roomId: null, eui64, serial: null, comment: '' }),
  )

const apply = (project: Project) => runJob(project.groups, 'apply', project.groups.applyItems())

describe('undo', () => {
  it('tells of each entry who did what, to how many, and by which name', () => {
    const project = open()
    const id = lamp(project)
    edit(project, 'groups.createApplication', () => project.groups.createApplication({ name: 'hall', members: [id] }))
    edit(project, 'groups.setMemberships', () =>
      project.groups.setMemberships([{ deviceId: id, groupId: project.groups.applicationFeed.rows()[0]!.id, desired: false }]),
    )
    edit(project, 'rooms.create', () => undefined)
    expect(
      project.history.feed
        .rows()
        .map(({ op, name, counts, actor }) => ({ op, name, counts, actor }))
        .sort((a, b) => (a.op < b.op ? -1 : 1)),
    ).toEqual([
      { op: 'devices.create', name: 'Lamp', counts: { device: 1 }, actor: 'M. Lindqvist' },
      { op: 'groups.createApplication', name: 'hall', counts: { applicationGroup: 1, coapGroup: 1, membership: 1 }, actor: 'M. Lindqvist' },
      { op: 'groups.setMemberships', name: 'hall', counts: { membership: 1 }, actor: 'M. Lindqvist' },
    ])
  })

  it('refuses when there is nothing, and forgets what could be done again after a new edit', () => {
    const project = open()
    expect(() => project.history.undo()).toThrow(expect.objectContaining({ code: 'history.nothing' }) as AppError)
    lamp(project)
    project.history.undo()
    expect(() => project.history.undo()).toThrow(AppError)
    lamp(project, '02-00-00-00-00-00-00-02')
    expect(() => project.history.redo()).toThrow(expect.objectContaining({ code: 'history.nothing' }) as AppError)
    expect(names(project.history.list({ offset: 0, limit: 10 }).entries)).toEqual(['devices.create done'])
  })

  it('leaves no entry where an edit was refused', () => {
    const project = open()
    lamp(project)
    expect(() => lamp(project)).toThrow(AppError)
    expect(project.history.list({ offset: 0, limit: 10 }).total).toBe(1)
  })

  it('keeps a device that was heard since it was entered', () => {
    const project = open()
    const id = lamp(project)
    hear(project, EUI, AT)
    expect(project.history.undo()).toMatchObject({ kept: 1 })
    expect(project.inventory.get(id)).toMatchObject({ at: { address: AT } })
  })

  it('makes a removed device that was heard again one with it: the old place in the plan, where it is now', () => {
    const project = open()
    const id = lamp(project)
    const groupId = edit(project, 'groups.createApplication', () => project.groups.createApplication({ name: 'hall', members: [id] }))
    edit(project, 'devices.remove', () => project.inventory.remove([id]))
    const stranger = hear(project, EUI, AT)
    expect(stranger).not.toBe(id)
    project.history.undo()
    expect(project.inventory.all().map((device) => device.id)).toEqual([id])
    expect(project.inventory.get(id)).toMatchObject({ name: 'Lamp', at: { address: AT }, state: 'seen' })
    expect(project.groups.book.cell(id, groupId)?.desired).toBe(true)
    project.history.redo()
    expect(project.inventory.all()).toEqual([])
  })

  it('brings links and history of a removed device back with it', () => {
    const project = open()
    const id = hear(project, EUI, AT)
    const before = project.inventory.detail(id)
    edit(project, 'devices.remove', () => project.inventory.remove([id]))
    expect(project.history.undo()).toMatchObject({ withoutKeys: 1 })
    expect(project.inventory.detail(id)).toEqual(before)
  })

  it('does not undo what devices hold: a group that was applied is retired by undoing its making, and the plan has them let go', async () => {
    const project = open()
    const id = hear(project, EUI, AT)
    const groupId = edit(project, 'groups.createApplication', () => project.groups.createApplication({ name: 'hall', members: [id] }))
    await apply(project)
    expect(project.history.undo()).toMatchObject({ devicesToApply: 1 })
    expect(project.groups.book.groups.get(groupId)?.retired).toBe(true)
    expect(project.groups.planFeed.rows()).toMatchObject([{ change: 'remove', deviceId: id }])
    expect([...project.fake(AT).table.keys()]).toEqual(['hall'])
    project.history.redo()
    expect(project.groups.planFeed.rows()).toEqual([])
    project.history.undo()
    await apply(project)
    expect([...project.fake(AT).table.keys()]).toEqual([])
    expect(project.groups.book.groups.size).toBe(0)
    project.history.redo()
    expect(project.groups.planFeed.rows()).toMatchObject([{ change: 'add', deviceId: id }])
  })

  it('takes back only what the edit had changed where something else of the row has changed since', () => {
    const project = open()
    const id = hear(project, EUI, AT)
    edit(project, 'devices.update', () => project.inventory.update([id], { name: 'Lamp at the door' }))
    project.inventory.setState(id, 'configured', { source: 'apply', event: 'configured', params: { groups: 1 } })
    project.history.undo()
    expect(project.inventory.get(id)).toMatchObject({ state: 'configured', name: expect.not.stringContaining('door') as string })
    expect(project.inventory.detail(id).history[0]?.event).toBe('renamed')
  })

  it('passes over edits of keys, which cannot be undone, and says so of them', () => {
    const project = open(true)
    lamp(project)
    project.history.action({ op: 'security.rekey', actor: 'M. Lindqvist', final: true }, () => undefined)
    expect(names(project.history.list({ offset: 0, limit: 10 }).entries)).toEqual(['security.rekey final', 'devices.create done'])
    expect(names(project.history.undo().entries)).toEqual(['devices.create undone'])
    expect(() =>
      project.history.action({ op: 'security.rekey', actor: 'x', final: true }, () => {
        throw new AppError('security.locked', 'No keys')
      }),
    ).toThrow(AppError)
    expect(project.history.list({ offset: 0, limit: 10 }).total).toBe(2)
  })

  it('does not take away a security group that devices were told of', () => {
    const project = open(true)
    const id = hear(project, EUI, AT)
    const guard = edit(project, 'security.create', () => project.security.create({ name: 'sec-hall' }))
    project.file.security.saveSecurityMembers([
      {
        deviceId: id,
        securityGroupId: guard,
        outcome: 'confirmed',
        at: 0,
        failure: null,
        told: { roles: { requester: false, responder: true }, applicationGroups: [] },
      },
    ])
    expect(project.history.undo()).toMatchObject({ kept: 1 })
    expect(project.security.feeds.groups.get(guard)).toBeDefined()
  })

  it('undoes back to an entry at once, and tells what each was', () => {
    const project = open()
    lamp(project)
    const start = exported(project)
    const second = edit(project, 'rooms.create', () => project.inventory.createRoom({ parentId: null, kind: 'room', name: 'Hall' }))
    edit(project, 'rooms.update', () => project.inventory.updateRoom(second, { name: 'Foyer' }))
    const [, made] = project.history.list({ offset: 0, limit: 10 }).entries
    expect(names(project.history.undo(made!.entry).entries)).toEqual(['rooms.update undone', 'rooms.create undone'])
    expect(exported(project)).toBe(start)
  })

  it('undoes nothing at all where one of the edits may not be undone by whoever asks', () => {
    const project = open()
    lamp(project)
    edit(project, 'rooms.create', () => project.inventory.createRoom({ parentId: null, kind: 'room', name: 'Hall' }))
    const before = exported(project)
    const [, first] = project.history.list({ offset: 0, limit: 10 }).entries
    const check = ({ op }: { op: string }): void => {
      if (op === 'devices.create') throw new AppError('access.role-needed', 'Not this one')
    }
    expect(() => project.history.undo(first!.entry, check)).toThrow(expect.objectContaining({ code: 'access.role-needed' }) as AppError)
    expect(exported(project)).toBe(before)
  })

  it('keeps the newest entries from one opening to the next, and all of them while it is open', () => {
    const world = newWorld()
    let project = openProject(world, undefined, { keys: false })
    const many = 30
    for (let number = 0; number < many; number++)
      edit(project, 'rooms.create', () => project.inventory.createRoom({ parentId: null, kind: 'room', name: `R${number}` }))
    expect(project.history.list({ offset: 0, limit: 1 }).total).toBe(many)
    const limited = {
      store: project.file.history,
      clock: project.clock,
      logger: { warn: () => undefined } as never,
      followers: [],
      devicesToApply: () => 0,
    }
    expect(createHistory({ ...limited, keep: { entries: 10, changes: 1000 } }).list({ offset: 0, limit: 1 }).total).toBe(10)
    expect(createHistory({ ...limited, keep: { entries: 10, changes: 4 } }).list({ offset: 0, limit: 1 }).total).toBe(4)
    project = reopened(world, project)
    onTestFinished(() => project.file.close())
    expect(project.history.list({ offset: 0, limit: 1 }).total).toBe(4)
    project.history.undo()
    expect(project.inventory.rooms()).toHaveLength(many - 1)
  })

  it('rolls the entry back with an edit whose transaction fails', () => {
    const project = open()
    const id = lamp(project)
    expect(() =>
      edit(project, 'groups.createApplication', () =>
        project.file.transaction(() => {
          project.file.groups.saveCoapGroup({ id: 'coap-1', name: 'x', address: 'ff35::1', port: 5683, allocated: false })
          throw new AppError('store.disk-full', 'No room')
        }),
      ),
    ).toThrow(AppError)
    expect(project.history.list({ offset: 0, limit: 10 }).total).toBe(1)
    project.history.undo()
    expect(project.inventory.get(id)).toBeUndefined()
  })
})
