// What devices hold against what was applied to them (drift), what a network has of groups already, and what another site export has.
import { z } from 'zod'
import { failure, timeMs } from './states.ts'

/** How the group table of a device was come by: a notification of it, a reading in a quiet moment, a job, or the reading of what is there. */
export const readingMeans = z.enum(['observe', 'poll', 'job', 'survey'])
export type ReadingMeans = z.infer<typeof readingMeans>

const endpoint = z.object({ address: z.string(), port: z.number().int() })
const tableEntry = endpoint.extend({ name: z.string() })

/** `reset`: the table is empty, though memberships were confirmed. `unknown`: a write whose answer was lost, and nobody has read since. */
export const driftKind = z.enum(['missing', 'differs', 'foreign', 'reset', 'unknown'])
export type DriftKind = z.infer<typeof driftKind>

export const driftFinding = z.object({
  kind: driftKind,
  /** The application group it concerns; null for what the project does not know. */
  groupId: z.string().nullable(),
  groupName: z.string(),
  /** What was applied; null for a foreign entry. */
  wanted: endpoint.nullable(),
  /** What the device holds in its place. */
  found: tableEntry.nullable(),
})
export type DriftFinding = z.infer<typeof driftFinding>

/** One device: what is known of its group table, from when, and by which means. */
export const driftRow = z.object({
  deviceId: z.string(),
  /** `silent`: the newest attempt to read it failed, so that what is shown is older than it should be. */
  state: z.enum(['as-applied', 'differs', 'not-read', 'silent']),
  readAt: timeMs.nullable(),
  means: readingMeans.nullable(),
  /** Entries of its table when it was read. */
  entries: z.number().int().nullable(),
  /** How it is kept an eye on. */
  watch: z.enum(['observe', 'poll', 'none']),
  /** The newest attempt that failed, where none has succeeded since. */
  failedAt: timeMs.nullable(),
  failure: failure.nullable(),
  findings: z.array(driftFinding),
  /** Findings beyond those listed. */
  more: z.number().int(),
})
export type DriftRow = z.infer<typeof driftRow>

export const watchSettings = z.object({
  on: z.boolean(),
  /** The most devices that are read in a minute. */
  readsPerMinute: z.number().int().min(1).max(60),
  /** The most group tables that are observed at once. */
  observations: z.number().int().min(0).max(256),
})
export type WatchSettings = z.infer<typeof watchSettings>

export const surveySource = z.enum(['server', 'directory', 'foreign-directory', 'table'])
export type SurveySource = z.infer<typeof surveySource>

/** The single row of the `survey` feed. */
export const surveyRow = z.object({
  key: z.literal('survey'),
  watch: watchSettings,
  /** What the watch does now; `busy`: it waits until nothing else uses the air. */
  watching: z.enum(['off', 'quiet', 'reading', 'busy']),
  observing: z.number().int(),
  reading: z.object({
    state: z.enum(['idle', 'running']),
    step: surveySource.nullable(),
    done: z.number().int(),
    total: z.number().int(),
    startedAt: timeMs.nullable(),
    finishedAt: timeMs.nullable(),
    /** Groups found so far. */
    groups: z.number().int(),
    /** Parts of it that failed, the first ones. */
    failures: z.array(z.object({ about: z.string(), failure })),
  }),
})
export type SurveyRow = z.infer<typeof surveyRow>

/** What a found group is to the project. */
export const foundVerdict = z.enum([
  'new',
  /** It is in the project as it was found. */
  'known',
  /** In the project, with fewer members than were found. */
  'more-members',
  /** A group of the name is in the project at another address or port. */
  'elsewhere',
  /** Found with this name at several addresses. */
  'ambiguous',
  'no-address',
  'name-invalid',
  'address-invalid',
])
export type FoundVerdict = z.infer<typeof foundVerdict>

export const foundMember = z.object({
  /** Null for somebody who is not in the inventory. */
  deviceId: z.string().nullable(),
  label: z.string(),
  sources: z.array(surveySource),
})

export const foundGroup = z.object({
  key: z.string(),
  name: z.string(),
  /** An address literal, or the host name of a group URI, which nobody here resolves; null where nobody has said it. */
  address: z.string().nullable(),
  port: z.number().int(),
  verdict: foundVerdict,
  /** Where the project has the group of this name; null without one. */
  here: endpoint.nullable(),
  /** Group types (`rt=g.…`, `gpt`). */
  types: z.array(z.string()),
  sources: z.array(surveySource),
  memberCount: z.number().int(),
  /** Members that are not in the inventory. */
  strangers: z.number().int(),
  /** The first of them. */
  members: z.array(foundMember),
  /** Names of security groups (`sec-gp`) said to protect it. */
  securityGroups: z.array(z.string()),
})
export type FoundGroup = z.infer<typeof foundGroup>

export const siteDifference = z.object({
  id: z.string(),
  kind: z.enum(['room', 'device', 'coap-group', 'group', 'membership']),
  /** As seen from the project: the other export has more, less, or something else. */
  change: z.enum(['added', 'removed', 'changed']),
  name: z.string(),
  fields: z.array(z.object({ field: z.string(), here: z.string(), there: z.string() })),
})
export type SiteDifference = z.infer<typeof siteDifference>
