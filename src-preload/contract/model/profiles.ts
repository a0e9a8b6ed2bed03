// Device profiles: what kinds of devices the program knows, and how one of them fares with a device.
import { z } from 'zod'
import { deviceType } from './states.ts'

export const profileFinding = z.object({
  line: z.number().int(),
  column: z.number().int(),
  severity: z.enum(['error', 'warning']),
  message: z.string(),
})
export type ProfileFindingRow = z.infer<typeof profileFinding>

export const profileRow = z.object({
  id: z.string(),
  name: z.string(),
  /** A file, by its name, or the program itself. */
  source: z.enum(['file', 'program']),
  fileName: z.string().nullable(),
  /** How many devices of the site are of it. */
  devices: z.number().int(),
  /** False: its groups are set by other means. */
  groupTable: z.boolean(),
  /** What such a device can hold; null where nothing is known of it. */
  memberships: z.number().int().nullable(),
  keys: z.number().int().nullable(),
  actions: z.array(z.object({ id: z.string(), label: z.string(), types: z.array(deviceType) })),
  /** What is wrong with its file, or could be better. */
  findings: z.array(profileFinding),
})
export type ProfileRow = z.infer<typeof profileRow>

export const profileList = z.object({
  profiles: z.array(profileRow),
  /** Files that could not be used. */
  broken: z.array(z.object({ fileName: z.string(), findings: z.array(profileFinding) })),
  /** Where own files are put. */
  folder: z.string(),
})
export type ProfileList = z.infer<typeof profileList>

export const profileTrialStep = z.object({
  step: z.enum(['recognise', 'identity', 'memberships', 'read-back', 'identify', 'write', 'written', 'remove', 'removed']),
  /** `skipped`: it would change the device. */
  outcome: z.enum(['ok', 'failed', 'skipped']),
  text: z.string(),
})
export type ProfileTrialStep = z.infer<typeof profileTrialStep>
