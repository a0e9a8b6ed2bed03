// Room types: which devices a room has, in which roles, and which groups they make.
import { z } from 'zod'
import { deviceType, shortText } from './states.ts'

/** Names of roles and groups within a template; they stay when what people read is changed. */
const key = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/)

export const templateRole = z.object({
  key,
  name: shortText,
  type: deviceType,
  /** How many devices a room should have in it; null: any number. */
  count: z.number().int().min(1).max(500).nullable(),
})
export type TemplateRole = z.infer<typeof templateRole>

export const templateGroup = z.object({
  key,
  /** `{building}`, `{floor}`, `{room}` and `{number}` stand for the room's own. */
  name: z.string().trim().min(1).max(120),
  /** Roles whose devices are in it. Switches and sensors send to it, the others react. */
  roles: z.array(key).min(1).max(32),
  /** The CoAP group: its own, or that of another group of the template. */
  coapWith: key.nullable(),
  /** Who can read it: keys of its own by default, those of another group of the template, or nobody is kept out, for a reason. */
  security: z.discriminatedUnion('mode', [
    z.object({ mode: z.literal('automatic') }),
    z.object({ mode: z.literal('with'), group: key }),
    z.object({ mode: z.literal('nosec'), reason: z.string().trim().min(3).max(300) }),
  ]),
  /** What shows that it works: an action of the test bench, sent so many times. */
  test: z.object({ action: z.string().max(40), repeats: z.number().int().min(1).max(20) }).nullable(),
})
export type TemplateGroup = z.infer<typeof templateGroup>

export const templateText = z.object({
  name: shortText,
  comment: z.string().max(500),
  roles: z.array(templateRole).min(1).max(32),
  groups: z.array(templateGroup).min(1).max(32),
})
export type TemplateText = z.infer<typeof templateText>

export const templateRow = templateText.extend({
  id: z.string(),
  /** Grows with each change. */
  version: z.number().int(),
  /** Rooms that it was applied to, and those of them that have an older version. */
  rooms: z.number().int(),
  outdated: z.number().int(),
})
export type TemplateRow = z.infer<typeof templateRow>

/** One room that a template was applied to. */
export const templateUseRow = z.object({
  roomId: z.string(),
  templateId: z.string(),
  version: z.number().int(),
  outdated: z.boolean(),
  /** Role of each device that has one. */
  roles: z.record(z.string(), z.string()),
  /** Devices of the room that could have several roles, and have none yet. */
  undecided: z.array(z.string()),
  /** Roles with fewer or more devices than they should have. */
  counts: z.array(z.object({ role: z.string(), wanted: z.number().int(), have: z.number().int() })),
  tests: z.array(z.object({ groupId: z.string(), action: z.string(), repeats: z.number().int() })),
})
export type TemplateUseRow = z.infer<typeof templateUseRow>

/** What applying a template to a room would change. */
export const templateChange = z.object({
  roomId: z.string(),
  roomName: z.string(),
  groups: z.array(
    z.object({
      key: z.string(),
      groupId: z.string().nullable(),
      name: z.string(),
      /** `taken`: another room's group has the name; the group is left out. */
      change: z.enum(['create', 'adopt', 'rename', 'keep', 'retire', 'taken']),
      /** Its name before, where it is renamed. */
      before: z.string().nullable(),
      joins: z.array(z.string()),
      leaves: z.array(z.string()),
    }),
  ),
  undecided: z.array(z.string()),
  counts: templateUseRow.shape.counts,
})
export type TemplateChange = z.infer<typeof templateChange>
