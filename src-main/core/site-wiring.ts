// What parts of an open site say to each other in the terms of the other.
import { toAppError } from '#main/base/index.ts'
import type { Logger } from '#main/base/index.ts'
import type { Registration } from '#main/services/rd/index.ts'
import type { ArrivedRegistration, ImportPorts } from '#main/site/devices/index.ts'
import { checkGroupName } from '#main/site/groups/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'

export type ImportGroups = Pick<ImportPorts, 'groupNames' | 'checkGroupName' | 'assignGroups'>

export function arrived(registration: Registration): ArrivedRegistration {
  const { endpointName, base, links, source } = registration
  return { endpointName, base, links, channelId: source?.channelId, source: source?.address }
}

export function importGroups(groups: GroupEngine): ImportGroups {
  return {
    groupNames: (id) =>
      groups.book.cellsOfDevice(id).flatMap((cell) => (cell.desired ? (groups.book.groups.get(cell.groupId)?.name ?? []) : [])),
    checkGroupName,
    assignGroups: (assignments) =>
      groups.assign(assignments.flatMap(({ deviceId, names }) => names.map((groupName) => ({ deviceId, groupName })))),
  }
}

/** One after the other, each of them whatever becomes of the others. */
export async function closeAll(steps: ReadonlyArray<() => unknown>, logger: Logger): Promise<void> {
  for (const step of steps) {
    try {
      await step()
    } catch (thrown) {
      logger.error({ code: toAppError(thrown).code }, 'a part of the site did not close cleanly')
    }
  }
}
