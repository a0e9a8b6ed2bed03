// Maintenance of groups: looked at first, then done as one edit of the project and one job.
import { z } from 'zod'
import { maintenanceOperation, maintenancePlan } from '../model.ts'
import { id } from './common.ts'

export const maintenanceOps = {
  'maintenance.preview': { in: z.object({ operation: maintenanceOperation }), out: maintenancePlan },
  /** `jobId` is null where no device has to be told anything, or none can be reached now. */
  'maintenance.run': {
    in: z.object({ operation: maintenanceOperation }),
    out: z.object({ jobId: id.nullable(), steps: z.number().int(), unreachable: z.number().int() }),
  },
} as const
