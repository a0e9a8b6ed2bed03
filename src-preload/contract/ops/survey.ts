// Drift of devices from what was applied to them; reading what a network has already and adopting it; differences to another export.
import { z } from 'zod'
import { foundGroup, foundVerdict, siteDifference, watchSettings } from '../model.ts'
import { done, fileText, id, ids, jobReply, nothing, page } from './common.ts'

/** Entries of group tables, each by its device and its name there. */
const entries = z
  .array(z.object({ deviceId: id, name: z.string().min(1).max(255) }))
  .min(1)
  .max(20_000)
const taken = z.object({ groups: z.number().int(), memberships: z.number().int() })

export const surveyOps = {
  /** Switches the watch on or off and sets how much air time it may take. */
  'drift.watch': { in: watchSettings.partial(), out: done },
  /** Reads group tables now: of the given devices, or of all that have groups. */
  'drift.read': { in: z.object({ deviceIds: ids.optional() }), out: jobReply },
  /** Applies again what has drifted: on the given devices, of the given groups, or everything. Throws `job.nothing-to-do`. */
  'drift.repair': { in: z.object({ deviceIds: ids.optional(), groupIds: ids.optional() }), out: jobReply },
  /** Takes foreign entries of group tables into the project, as they were read. Throws `group.*`. */
  'drift.adopt': { in: z.object({ entries }), out: taken },
  /** Removes foreign entries from their devices. Throws `group.*`, `job.nothing-to-do`. */
  'drift.remove': { in: z.object({ entries }), out: jobReply },
  /** Looks for groups that are there already (groupcomm-bis Appendix C, RFC 9176 Appendix A, device tables); the `survey` feed tells how it goes. */
  'survey.read': {
    in: z.object({
      servers: z.boolean().default(true),
      directory: z.boolean().default(true),
      tables: z.boolean().default(true),
      /** Other Resource Directories: an IP address, with or without a port. */
      directories: z.array(z.string().min(1).max(80)).max(8).default([]),
      /** Group types to ask for besides `g.*`. */
      types: z.array(z.string().min(1).max(60)).max(8).default([]),
    }),
    out: done,
  },
  'survey.stop': { in: nothing, out: done },
  'survey.found': {
    in: page.extend({ verdicts: z.array(foundVerdict).optional() }),
    out: z.object({ total: z.number().int(), rows: z.array(foundGroup) }),
  },
  /**
   * Takes found groups into the project as one edit. `found`: as they are out there; `project`: the project's own address stays and the
   * members are to be moved. Without choices: everything that has no conflict.
   */
  'survey.adopt': {
    in: z.object({
      choices: z
        .array(z.object({ key: z.string().min(1).max(400), as: z.enum(['found', 'project']), name: z.string().min(1).max(120).optional() }))
        .min(1)
        .max(5000)
        .optional(),
    }),
    out: taken.extend({
      /** Members that are taken in as a wish: nobody has read them at the device, or they are to be moved. */
      planned: z.number().int(),
      /** Members that are not in the inventory and were left out. */
      strangers: z.number().int(),
    }),
  },
  /** What another site export has that the project has not, and the other way round. Throws `import.*`. */
  'survey.diff': {
    in: z.object({ text: fileText }),
    out: z.object({ site: z.string(), total: z.number().int(), differences: z.array(siteDifference) }),
  },
  /** Takes over differences as `survey.diff` named them. Throws `import.*`. */
  'survey.take': {
    in: z.object({ text: fileText, ids: z.array(z.string().min(1).max(300)).min(1).max(50_000) }),
    out: z.object({
      taken: z.number().int(),
      left: z.array(z.object({ id: z.string(), code: z.string(), message: z.string() })),
    }),
  },
} as const
