// groupwright groups …
import { z } from 'zod'
import { deviceType } from '#contract/model.ts'
import { AppError } from '#main/base/index.ts'
import type { CommandContext } from '../context.ts'
import { EXIT } from '../output.ts'
import { findDevice, findGroup } from './find.ts'
import { withSite } from './with-site.ts'

export async function listGroups(context: CommandContext): Promise<number> {
  return withSite(context, ({ session }) => {
    context.output.table(session.rows('applicationGroups'), ['name', 'uri', 'members', 'confirmed'])
    return Promise.resolve(EXIT.ok)
  })
}

export async function groupsFromRooms(context: CommandContext): Promise<number> {
  const types = z.array(deviceType).safeParse(context.options.types)
  if (!types.success)
    throw new AppError('input.invalid', `Device types are ${deviceType.options.join(', ')}`, { details: { option: '--types' } })
  return withSite(context, async ({ session }) => {
    const result = await session.call('groups.fromRooms', { types: types.data })
    context.output.value(result, `${result.groups} groups, ${result.memberships} memberships added`)
    return EXIT.ok
  })
}

export async function createGroup(context: CommandContext, name = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { address, port } = context.options
    const coapGroup =
      address === undefined && port === 5683
        ? undefined
        : await session.call('groups.createCoap', { name, ...(address === undefined ? {} : { address }), port })
    const { id } = await session.call('groups.createApplication', {
      name,
      ...(coapGroup === undefined ? {} : { coapGroupId: coapGroup.id }),
    })
    const row = await session.when('applicationGroups', (group) => group.id === id)
    context.output.value(row, row.uri)
    return EXIT.ok
  })
}

export async function addMembers(context: CommandContext, group = '', ...devices: readonly string[]): Promise<number> {
  return withSite(context, async ({ session }) => {
    const groupId = findGroup(session, group).id
    const changes = devices.map((name) => ({ deviceId: findDevice(session, name).id, groupId, desired: true }))
    await session.call('groups.setMemberships', { changes })
    context.output.value({ changes }, `${changes.length} planned`)
    return EXIT.ok
  })
}

export async function removeGroup(context: CommandContext, group = ''): Promise<number> {
  return withSite(context, async ({ session }) => {
    const { id } = findGroup(session, group)
    await session.call('groups.removeApplication', { id })
    context.output.value({ removed: id }, 'removed; members let go of it with the next apply')
    return EXIT.ok
  })
}
