// Maintenance of an open site's groups: over the security layer, the device list, the authority's certificates, and the site's file.
import { toAppError, type Clock, type Logger, type Random } from '#main/base/index.ts'
import type { Inventory } from '#main/site/devices/index.ts'
import { createMaintenance, type GroupEngine, type Maintenance, type MaintenanceRecord } from '#main/site/groups/index.ts'
import type { JobRunner, JobService } from '#main/site/jobs/index.ts'
import type { SiteFile } from '#main/store/index.ts'
import { z } from 'zod'
import type { SiteEnrolment } from './enrolment.ts'
import type { SiteSecurity } from './security.ts'

export interface SiteMaintenancePorts {
  readonly file: SiteFile
  readonly inventory: Inventory
  readonly groups: GroupEngine
  readonly security: Pick<SiteSecurity, 'engine'>
  readonly jobs: JobService
  readonly enrolment: () => { readonly desk: Pick<SiteEnrolment['desk'], 'certificates' | 'revoke'> }
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The runner of apply jobs is there before what its items wait for. */
export function inOrder(runner: JobRunner, maintenance: () => Maintenance): JobRunner {
  if (runner.kind !== 'apply') return runner
  return { ...runner, run: (subject, context) => maintenance().inOrder(runner).run(subject, context) }
}

const KEY = 'maintenance'
const CERTIFICATES = 100

const kinds = ['members', 'rename', 'move', 'uri', 'split', 'merge', 'security', 'rekey', 'replace', 'retire'] as const
const recordsAtRest: z.ZodType<readonly MaintenanceRecord[]> = z.array(
  z.object({
    id: z.string(),
    kind: z.enum(kinds),
    name: z.string(),
    at: z.number(),
    jobId: z.string().nullable(),
    phases: z.record(z.string(), z.number()),
  }),
)

export function createSiteMaintenance(ports: SiteMaintenancePorts): Maintenance {
  const { file, inventory, groups, jobs, enrolment, clock, random, logger } = ports
  const { engine } = ports.security
  const { feeds } = engine
  const membersWithKeys = (id: string) => feeds.members.rows().filter((row) => row.securityGroupId === id && row.keys !== 'none')
  return createMaintenance({
    ...{ groups, devices: inventory, jobs, clock, random },
    store: {
      load: () => recordsAtRest.safeParse(file.getMeta(KEY)).data ?? [],
      save: (records) =>
        file.setMeta(
          KEY,
          records.map(({ phases, ...record }) => ({ ...record, phases: { ...phases } })),
        ),
    },
    security: {
      protectionOf: (groupId) => feeds.protections.get(groupId)?.securityGroupIds ?? [],
      nameOf: (id) => feeds.groups.get(id)?.name ?? id,
      protect: (ids, securityGroupIds) => engine.protect(ids, { mode: 'secured', securityGroupIds }),
      rekey: (id) => void engine.rekey(id),
      rekeyingOf(id) {
        const { messages, airTimeMs } = engine.evictionEffect(id, [])
        const unreachable = membersWithKeys(id).flatMap(({ deviceId }) => (inventory.get(deviceId)?.at === null ? [deviceId] : []))
        return { messages, airTimeMs, unreachable }
      },
      keyedGroupsOf: (deviceId) =>
        feeds.members.rows().flatMap((row) => (row.deviceId === deviceId && row.keys !== 'none' ? [row.securityGroupId] : [])),
      evict: (id, ids) => void engine.evict(id, ids),
      plan: feeds.plan,
    },
    deviceCare: {
      rename: (id, patch) => inventory.update([id], patch),
      remove: (id) => inventory.remove([id]),
      certificatesOf(deviceId) {
        try {
          const found = enrolment().desk.certificates({ offset: 0, limit: CERTIFICATES, search: '', state: 'valid', deviceId })
          return found.map(({ serial }) => serial)
        } catch (thrown) {
          // A site whose authority cannot be opened has none that it could revoke.
          logger.warn({ code: toAppError(thrown).code }, 'certificates of a device could not be looked up')
          return []
        }
      },
      revoke(serials, actor) {
        for (const serial of serials) enrolment().desk.revoke({ serial, reason: 'superseded' }, actor)
      },
    },
  })
}
