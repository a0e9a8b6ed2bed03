// Room types and the rooms that have them.
import { z } from 'zod'
import { templateChange, templateText } from '../model.ts'
import { done, id, ids } from './common.ts'

const rooms = z.object({ templateId: id, roomIds: z.array(id).min(1).max(5000) })

export const templateOps = {
  /** Makes a template, or changes the one of that id: rooms that have it keep what they have until it is applied anew. */
  'templates.save': { in: z.object({ id: id.optional(), template: templateText }), out: z.object({ id }) },
  /** What rooms have from it stays; nothing keeps it up any more. */
  'templates.remove': { in: z.object({ id }), out: done },
  'templates.preview': { in: rooms, out: z.array(templateChange) },
  /** Makes roles, groups, protection and memberships of the rooms what the template says. */
  'templates.apply': { in: rooms, out: z.object({ groups: z.number().int(), memberships: z.number().int(), undecided: z.number().int() }) },
  /** Gives devices of a room a role, or none; their memberships follow. */
  'templates.assign': { in: z.object({ deviceIds: ids, role: z.string().max(40).nullable() }), out: done },
  /** The rooms go on without a template. */
  'templates.detach': { in: z.object({ roomIds: z.array(id).min(1).max(5000) }), out: done },
} as const
