// Group tests: the roll call of a group’s members.
import { z } from 'zod'
import { failure, timeMs } from './states.ts'

export const testAction = z.object({ id: z.string(), label: z.string(), members: z.number().int() })
export type TestAction = z.infer<typeof testAction>

/** What a member did: it answered, it changed without an answer, it did not, it cannot be reached, or it refused. */
export const memberVerdict = z.enum(['waiting', 'heard', 'silent-changed', 'not-changed', 'unreachable', 'rejected', 'unreadable'])
export type MemberVerdict = z.infer<typeof memberVerdict>

export const testMember = z.object({
  deviceId: z.string(),
  verdict: memberVerdict,
  /** Milliseconds from sending to the first answer. */
  answerMs: z.number().nullable(),
  /** In how many of the run's repeats it was heard. */
  heardCount: z.number().int(),
  /** Response code of a refusal, e.g. `4.04`. */
  code: z.string().nullable(),
  /** What a person saw, for what no reading can prove. */
  seen: z.boolean().nullable(),
})
export type TestMember = z.infer<typeof testMember>

export const testRunRow = z.object({
  id: z.string(),
  groupId: z.string(),
  groupName: z.string(),
  action: z.string(),
  state: z.enum(['sending', 'reading-back', 'done', 'failed']),
  startedAt: timeMs,
  finishedAt: timeMs.nullable(),
  repeats: z.number().int(),
  repeat: z.number().int(),
  uri: z.string(),
  /** The datagram, its protection included. */
  messageBytes: z.number().int(),
  /** First to last answer, and their median, in milliseconds. */
  spreadMs: z.number().nullable(),
  medianMs: z.number().nullable(),
  members: z.array(testMember),
  /** Servers that answered and are no members, such as a device that was removed and still has the group. */
  strangers: z.number().int(),
  failure: failure.nullable(),
  /** The dongle carries no multicast: the members were asked one by one. */
  unicastOnly: z.boolean().optional(),
  /** The security group that protected the requests; absent: they were not protected. */
  protection: z.string().optional(),
  /** What the protection adds to the message: OSCORE option, tag and countersignature. */
  protectionBytes: z.number().int().optional(),
  /** Frames of 802.15.4 that the request takes on a constrained network; the loss of one loses it all. Absent elsewhere. */
  frames: z.number().int().optional(),
})
export type TestRunRow = z.infer<typeof testRunRow>
