// Maintenance of groups (draft-ietf-core-groupcomm-bis §2.2.4): what is previewed is what is done, in an order in which the room keeps working.
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { MaintenanceOperation } from '#contract/model.ts'
import { exported } from '../../history/project.ts'
import { addressOf, createCare, furnish, type Care } from './bench.ts'

async function room(luminaires = 3): Promise<{ care: Care; ids: readonly string[]; groupId: string }> {
  const care = createCare()
  onTestFinished(() => care.close())
  const ids = furnish(care, luminaires)
  const groupId = care.project.groups.createApplication({ name: 'hall', members: ids })
  await apply(care)
  return { care, ids, groupId }
}

async function apply({ jobs, project }: Care): Promise<void> {
  const items = project.groups.applyItems()
  if (items.length > 0) await jobs.finished(jobs.start('apply', 'apply', items))
}

/** Notes in which order devices are written to. */
function listen(care: Care, ids: readonly string[]): string[] {
  const seen: string[] = []
  ids.forEach((id, index) => {
    const fake = care.project.fake(addressOf(index))
    fake.fate = (operation) => {
      if (operation !== 'read') seen.push(`${care.project.inventory.get(id)?.name ?? id} ${operation}`)
      return 'ok'
    }
  })
  return seen
}

const tableOf = (care: Care, index: number): readonly string[] => [...care.project.fake(addressOf(index)).table.keys()].sort()

describe('maintenance', () => {
  it('previews what is sent to whom, and changes nothing by it', async () => {
    const { care, ids, groupId } = await room()
    const before = exported(care.project)
    const plan = care.maintenance.preview({ kind: 'split', groupId, name: 'window', members: ids.slice(0, 1), sameCoapGroup: false })
    expect(plan.counts.map(({ phase, steps }) => [phase, steps])).toEqual([
      ['members', 1],
      ['members-stop', 1],
    ])
    expect(plan.steps.map(({ change, deviceName, groupName }) => `${change} ${deviceName} ${groupName}`)).toEqual([
      'add Lamp 1 window',
      'remove Lamp 1 hall',
    ])
    expect(plan).toMatchObject({ name: 'hall', devices: 1, unreachable: [], irreversible: [] })
    expect(plan.airTimeMs).toBeGreaterThan(0)
    expect(exported(care.project)).toBe(before)
    expect(care.project.groups.planFeed.size).toBe(0)
    expect(care.project.history.list({ offset: 0, limit: 10 }).total).toBe(0)
  })

  it.each<[string, (groupId: string, otherId: string, ids: readonly string[]) => MaintenanceOperation]>([
    ['members', (groupId, _, ids) => ({ kind: 'members', groupId, add: [], remove: ids.slice(0, 2) })],
    ['rename', (groupId) => ({ kind: 'rename', groupId, name: 'foyer' })],
    ['move', (groupId) => ({ kind: 'move', groupId })],
    ['uri', (groupId) => ({ kind: 'uri', groupId, name: 'foyer' })],
    ['split', (groupId, _, ids) => ({ kind: 'split', groupId, name: 'window', members: ids.slice(0, 2), sameCoapGroup: false })],
    ['merge', (groupId, otherId) => ({ kind: 'merge', into: otherId, groupIds: [groupId] })],
    ['replace', (_, __, ids) => ({ kind: 'replace', deviceId: ids[0]!, byId: ids[1]! })],
    ['retire', (groupId) => ({ kind: 'retire', groupId })],
  ])('of kind %s sends what it previewed, leaves an empty plan, and is undone as one edit', async (_, operationOf) => {
    const { care, ids, groupId } = await room()
    const otherId = care.project.groups.createApplication({ name: 'stairs', members: ids.slice(2, 3) })
    await apply(care)
    await care.world.clock.advance(60_000)
    const before = exported(care.project)
    const operation = operationOf(groupId, otherId, ids)
    const plan = care.maintenance.preview(operation)
    const { start } = care.project.history.action({ op: 'maintenance.run', actor: 'test' }, () => care.maintenance.edit(operation, 'test'))
    expect(care.project.groups.planFeed.size).toBe(plan.steps.filter(({ change }) => ['add', 'update', 'remove'].includes(change)).length)
    care.project.history.undo()
    // Devices that lost their keys with a replacement are told so; all else is as it was.
    expect(exported(care.project)).toBe(before)
    care.project.history.redo()
    const { jobId } = start()
    if (jobId !== null) expect((await care.jobs.finished(jobId)).counts.failed).toBe(0)
    expect(care.project.groups.planFeed.rows()).toEqual([])
    expect(care.maintenance.feed.rows()).toEqual([])
    const { devicesToApply } = care.project.history.undo()
    expect(devicesToApply).toBe(new Set(care.project.groups.planFeed.rows().map(({ deviceId }) => deviceId)).size)
  })

  it('lets members listen to the new before clients send to it, and clients stop before members do', async () => {
    const { care, ids, groupId } = await room(2)
    const otherId = care.project.groups.createApplication({ name: 'stairs' })
    const seen = listen(care, ids)
    await care.run({ kind: 'merge', into: otherId, groupIds: [groupId] })
    expect(seen.map((line) => line.replace(/Lamp \d/, 'Lamp'))).toEqual([
      'Lamp write',
      'Lamp write',
      'Switch write',
      'Switch remove',
      'Lamp remove',
      'Lamp remove',
    ])
    expect(tableOf(care, 0)).toEqual(['stairs'])
  })

  it('looks at each device of a large group a few times, not at all of them for each', async () => {
    const { care, groupId } = await room(80)
    const otherId = care.project.groups.createApplication({ name: 'stairs' })
    const get = vi.spyOn(care.project.groups.planFeed, 'get')
    expect(await care.run({ kind: 'merge', into: otherId, groupIds: [groupId] })).toMatchObject({ failed: 0 })
    expect(care.maintenance.feed.rows()).toEqual([])
    // Two changes for each of the 81.
    expect(get.mock.calls.length).toBeLessThan(2 * 81 * 20)
  })

  it('takes nothing away while what replaces it is missing, tells whom it waits for, and goes on when tried again', async () => {
    const { care, ids, groupId } = await room(2)
    const otherId = care.project.groups.createApplication({ name: 'stairs' })
    care.project.fake(addressOf(0)).fate = () => 'refused'
    const { jobId, failed } = await care.run({ kind: 'merge', into: otherId, groupIds: [groupId] })
    // Lamp 1 refuses both; the switch must go on reaching it, so nobody lets go but those that nobody needs any more.
    expect(failed).toBeGreaterThan(1)
    expect(tableOf(care, 2)).toEqual(['hall', 'stairs'])
    expect(care.maintenance.feed.rows().find(({ kind }) => kind === 'merge')).toMatchObject({
      name: 'stairs',
      waitingFor: expect.arrayContaining(['Lamp 1']) as unknown,
    })
    const waits = care.jobs.items(jobId!, 0, 100).filter(({ failure }) => failure?.code === 'maintenance.waiting')
    expect(waits.flatMap(({ failure }) => failure?.details.devices)).toContain('Lamp 1')
    care.project.fake(addressOf(0)).fate = () => 'ok'
    expect(await care.retry(jobId!)).toMatchObject({ failed: 0 })
    expect(care.project.groups.planFeed.rows()).toEqual([])
    expect(ids.map((_, index) => tableOf(care, index))).toEqual([['stairs'], ['stairs'], ['stairs']])
  })

  it('tracks a retired group to the last device', async () => {
    const { care, groupId } = await room(2)
    care.project.fake(addressOf(1)).fate = () => 'lost'
    await care.run({ kind: 'retire', groupId })
    expect(care.maintenance.feed.rows().filter(({ waitingFor }) => waitingFor.includes('Lamp 2'))).toHaveLength(1)
    expect(care.project.groups.book.groups.get(groupId)?.retired).toBe(true)
    care.project.fake(addressOf(1)).fate = () => 'ok'
    await apply(care)
    expect(care.project.groups.book.groups.has(groupId)).toBe(false)
  })

  it('brings a retired group back, while devices still hold it and after the last one has let go', async () => {
    const { care, ids, groupId } = await room(2)
    const shown = care.project.groups.applicationFeed.get(groupId)
    care.project.fake(addressOf(1)).fate = () => 'lost'
    await care.run({ kind: 'retire', groupId })
    // Lamp 2 was asked in vain: it still has what is wished again.
    expect(care.project.history.undo()).toMatchObject({ devicesToApply: 2, kept: 0 })
    expect(care.project.groups.applicationFeed.get(groupId)).toMatchObject({ name: 'hall', uri: shown?.uri, members: 3 })
    care.project.fake(addressOf(1)).fate = () => 'ok'
    await apply(care)
    await care.run({ kind: 'retire', groupId })
    expect(care.project.groups.book.groups.has(groupId)).toBe(false)
    expect(care.project.history.undo()).toMatchObject({ devicesToApply: 3 })
    expect(care.project.groups.applicationFeed.get(groupId)).toMatchObject({ uri: shown?.uri, members: 3 })
    await apply(care)
    expect(ids.map((_, index) => tableOf(care, index))).toEqual([['hall'], ['hall'], ['hall']])
  })

  it('replaces a device: the new one takes name, room and memberships, the old one loses its certificate and leaves', async () => {
    const { care, ids, groupId } = await room(2)
    const { inventory, history } = care.project
    const roomId = inventory.createRoom({ parentId: null, kind: 'room', name: 'Hall' })
    inventory.update([ids[0]!], { roomId, comment: 'above the door' })
    const plan = care.maintenance.preview({ kind: 'replace', deviceId: ids[0]!, byId: ids[2]! })
    expect(plan.irreversible).toEqual(['certificate'])
    await care.run({ kind: 'replace', deviceId: ids[0]!, byId: ids[2]! })
    expect(care.revokers).toEqual(['M. Lindqvist'])
    expect(inventory.get(ids[0]!)).toBeUndefined()
    expect(inventory.get(ids[2]!)).toMatchObject({ name: 'Lamp 1', roomId, comment: 'above the door' })
    expect(care.project.groups.book.cell(ids[2]!, groupId)?.desired).toBe(true)
    expect(care.revoked).toEqual([`${ids[0]!}-1`])
    expect(history.undo().withoutKeys).toBe(1)
    expect(inventory.get(ids[0]!)).toMatchObject({ name: 'Lamp 1', roomId })
    expect(inventory.get(ids[2]!)).toMatchObject({ name: 'Switch', roomId: null })
  })

  it('goes on after a restart in the order it had', async () => {
    const first = createCare()
    const ids = furnish(first, 2)
    const groupId = first.project.groups.createApplication({ name: 'hall', members: ids })
    await apply(first)
    const otherId = first.project.groups.createApplication({ name: 'stairs' })
    first.project.history
      .action({ op: 'maintenance.run', actor: 'test' }, () =>
        first.maintenance.edit({ kind: 'merge', into: otherId, groupIds: [groupId] }, 'test'),
      )
      .start()
    const { path } = first.project.file
    await first.close()
    const second = createCare(first.world, path)
    onTestFinished(() => second.close())
    await Promise.all(
      second.jobs.feed
        .rows()
        .filter(({ finishedAt }) => finishedAt === null)
        .map(({ id }) => second.jobs.finished(id)),
    )
    expect(second.project.groups.planFeed.rows()).toEqual([])
    expect(ids.map((_, index) => tableOf(second, index))).toEqual([['stairs'], ['stairs'], ['stairs']])
  })
})
