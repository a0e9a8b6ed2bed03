// The journal of an open site: who takes over what undo brings back, in the order in which they depend on each other.
import type { Clock, Logger } from '#main/base/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import type { GroupEngine } from '#main/site/groups/index.ts'
import { createHistory, type History, type HistoryKind, type Touched } from '#main/site/history/index.ts'
import type { Templates } from '#main/site/templates/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import type { SiteSecurity } from './security.ts'

export interface SiteHistoryPorts {
  readonly file: SiteFile
  readonly inventory: Inventory
  readonly groups: GroupEngine
  readonly security: Pick<SiteSecurity, 'engine'>
  readonly templates: Pick<Templates, 'reload'>
  readonly clock: Clock
  readonly logger: Logger
}

const NOTHING: ReadonlySet<string> = new Set()

export function createSiteHistory({ file, inventory, groups, security, templates, clock, logger }: SiteHistoryPorts): History {
  const of = (touched: Touched, kind: HistoryKind): ReadonlySet<string> => touched.get(kind) ?? NOTHING
  return createHistory({
    store: file.history,
    clock,
    logger,
    devicesToApply: (touched) => devicesToApply(touched, groups, security),
    followers: [
      {
        flush: () => inventory.flush(),
        adopt(touched) {
          const chosen = { securityGroups: of(touched, 'securityGroup'), protections: of(touched, 'protection') }
          security.engine.reload(chosen, () => {
            groups.book.reload({
              coap: of(touched, 'coapGroup'),
              groups: of(touched, 'applicationGroup'),
              cells: of(touched, 'membership'),
            })
            // Groups first: they are not to be told of rooms and devices that go with them.
            inventory.reload({ rooms: of(touched, 'room'), devices: of(touched, 'device') })
          })
          if (touched.has('template') || touched.has('templateUse')) templates.reload()
        },
      },
    ],
  })
}

/** Devices that what was touched is planned for. */
function devicesToApply(touched: Touched, groups: GroupEngine, security: Pick<SiteSecurity, 'engine'>): number {
  const ids = new Set<string>()
  const [devices, cells] = [touched.get('device') ?? NOTHING, touched.get('membership') ?? NOTHING]
  const coap = touched.get('coapGroup') ?? NOTHING
  const groupIds = new Set(touched.get('applicationGroup'))
  for (const id of coap) for (const group of groups.book.groupsOn(id)) groupIds.add(group.id)
  for (const line of groups.planFeed.rows())
    if (cells.has(line.id) || devices.has(line.deviceId) || groupIds.has(line.groupId)) ids.add(line.deviceId)
  const securityGroups = touched.get('securityGroup') ?? NOTHING
  for (const line of security.engine.feeds.plan.rows())
    if (securityGroups.has(line.securityGroupId) || ids.has(line.deviceId)) ids.add(line.deviceId)
  return ids.size
}
