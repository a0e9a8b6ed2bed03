// Findings of the checks and their remedies; naming and addressing of groups.
import { z } from 'zod'
import { allocationPatch, findingRow, namingMethod, namingPatch, namingPreview, namingSettings, remedyId } from '../model.ts'
import { done, id, nothing } from './common.ts'

export const rulesOps = {
  /** Everything that the checks say now, errors first. */
  'rules.check': { in: nothing, out: z.array(findingRow) },
  /** Does what the remedy says, by ordinary edits. Fails with `rules.not-found` where the finding is gone. */
  'rules.remedy': {
    in: z.object({ findingId: z.string().min(1).max(400), remedyId }),
    out: z.object({
      /** The job that was started, where the remedy is one for devices. */
      jobId: id.nullable(),
    }),
  },
  /** The wire form of groups: of those that are there, or of a name, by the settings of the site or by others. */
  'naming.preview': {
    in: z.object({
      groupId: id.optional(),
      name: z.string().max(120).optional(),
      naming: namingSettings.optional(),
      /** Each of these methods with the other settings; absent: the method of the settings. */
      methods: z.array(namingMethod).max(9).optional(),
    }),
    out: z.array(namingPreview),
  },
  'naming.set': { in: namingPatch, out: done },
  /** Fails with `group.address-invalid` where a prefix, range or list makes no group addresses. */
  'allocation.set': { in: allocationPatch, out: done },
  /** Addresses that somebody has made sure of: no device listens to them any more. */
  'allocation.release': { in: z.object({ addresses: z.array(z.string().max(64)).min(1).max(1000) }), out: done },
} as const
