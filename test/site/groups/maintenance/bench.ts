// A project with maintenance over it, its jobs, and an authority that only notes what is revoked.
import { seededRandom, silentLogger } from '#main/base/index.ts'
import type { Maintenance } from '#main/site/groups/index.ts'
import { createJobs, type JobService } from '#main/site/jobs/index.ts'
import type { MaintenanceOperation } from '#contract/model.ts'
import { createSiteMaintenance, inOrder } from '../../../../src-main/core/maintenance.ts'
import { hear, newWorld, openProject, type Project, type World } from '../../history/project.ts'

export interface Care {
  readonly project: Project
  readonly world: World
  readonly maintenance: Maintenance
  readonly jobs: JobService
  readonly revoked: string[]
  /** Who did it. */
  readonly revokers: string[]
  /** Edit and job, as the op does it; resolves when the job has ended. */
  run(operation: MaintenanceOperation): Promise<{ jobId: string | null; failed: number }>
  retry(jobId: string): Promise<{ jobId: string; failed: number }>
  close(): Promise<void>
}

export function createCare(world: World = newWorld(), path?: string): Care {
  const project = openProject(world, path, { keys: false })
  const { file, inventory, groups, security, clock, history } = project
  const ports = { clock, random: seededRandom(world.seed++), logger: silentLogger }
  const jobs = createJobs({ store: file.jobs, ...ports })
  const revoked: string[] = []
  const revokers: string[] = []
  const maintenance: Maintenance = createSiteMaintenance({
    file,
    inventory,
    groups,
    security: { engine: security },
    jobs,
    enrolment: () => ({
      desk: {
        certificates: ({ deviceId }) => (deviceId === undefined || revoked.includes(`${deviceId}-1`) ? [] : [certificate(`${deviceId}-1`)]),
        revoke: ({ serial }, actor) => {
          revoked.push(serial)
          revokers.push(actor)
        },
      },
    }),
    ...ports,
  })
  for (const runner of groups.runners) {
    jobs.register(inOrder(runner, () => maintenance))
  }
  jobs.resumeUnfinished()
  const finish = async (jobId: string): Promise<number> => {
    const row = await jobs.finished(jobId)
    return row.counts.failed
  }
  return {
    project,
    world,
    maintenance,
    jobs,
    revoked,
    revokers,
    async run(operation) {
      const { start } = history.action({ op: 'maintenance.run', actor: 'M. Lindqvist' }, () => maintenance.edit(operation, 'M. Lindqvist'))
      const { jobId } = start()
      return { jobId, failed: jobId === null ? 0 : await finish(jobId) }
    },
    async retry(failedId) {
      const jobId = jobs.retryFailed(failedId)
      return { jobId, failed: await finish(jobId) }
    },
    async close() {
      await jobs.close()
      maintenance.close()
      project.close()
    },
  }
}

function certificate(serial: string): never {
  // Only the serial number is looked at.
  return { serial } as never
}

/** So many luminaires and a switch, all heard; ids in their order, the switch last. */
export function furnish(care: Care, luminaires: number): readonly string[] {
  const ids = Array.from({ length: luminaires + 1 }, (_, index) =>
    hear(care.project, `02-00-00-00-00-00-01-${(index + 1).toString(16).padStart(2, '0')}`, addressOf(index)),
  )
  care.project.inventory.update(ids.slice(-1), { type: 'switch', name: 'Switch' })
  ids.slice(0, -1).forEach((id, index) => care.project.inventory.update([id], { name: `Lamp ${index + 1}` }))
  return ids
}

export function addressOf(index: number): string {
  return `2001:db8::1${index.toString(16)}`
}
