// Security groups: who can read what is sent to a group (draft-ietf-core-groupcomm-bis §2.1.3, §2.1.4, §5). Never key material.
import { z } from 'zod'
import { failure, outcome, shortText, timeMs } from './states.ts'

/** Algorithms that go together, by name: `key-groupcomm-oscore` §14 for the defaults. */
export const securitySuite = z.enum(['standard', 'p256', 'long-tag', 'counter'])
export type SecuritySuite = z.infer<typeof securitySuite>

export const securityPolicy = z.object({
  /** New keys before somebody new gets any, so that it cannot read what was sent before (backward security). */
  rekeyOnJoin: z.boolean(),
  /** So many leaves are gathered for one rekeying; 1: each has its own (forward security at once). */
  rekeyAfterLeaves: z.number().int().min(1).max(1000),
  /** A leave waits no longer than this for the rekeying. */
  rekeyWithinMinutes: z.number().int().min(1).max(10_080),
  /** New keys are made when these are so old. */
  lifetimeDays: z.number().int().min(1).max(3650),
})
export type SecurityPolicy = z.infer<typeof securityPolicy>

/** What the members are known to have of the newest keys. */
export const securityMemberKeys = z.enum(['none', 'behind', 'told', 'current'])
export type SecurityMemberKeys = z.infer<typeof securityMemberKeys>

export const securityGroupRow = z.object({
  id: z.string(),
  name: shortText,
  comment: z.string(),
  roomId: z.string().nullable(),
  suite: securitySuite,
  policy: securityPolicy,
  /** Whether the tool made it by itself, for the groups of a room. */
  automatic: z.boolean(),
  /** `planned`: not at the Group Manager yet; `failed`: it could not be made there. */
  outcome,
  failure: failure.nullable(),
  /** Application groups that it protects. */
  groupIds: z.array(z.string()),
  /** Version of the keys; null before there are any. */
  generation: z.number().int().nullable(),
  /** The Gid that goes with them, in hex: it stands in every message and is no secret. */
  gid: z.string().nullable(),
  rekeyedAt: timeMs.nullable(),
  expiresAt: timeMs.nullable(),
  /** Devices that shall be members; that are; and of those that shall be, how many have confirmed the newest keys or were given them as they joined. */
  wanted: z.number().int(),
  joined: z.number().int(),
  current: z.number().int(),
  /** Leaves that wait for a rekeying, and when that comes. */
  leavesWaiting: z.number().int(),
  rekeyDueAt: timeMs.nullable(),
  /** Whether this tool can send to it. */
  toolIsMember: z.boolean(),
})
export type SecurityGroupRow = z.infer<typeof securityGroupRow>

/** How requests to an application group are protected. */
export const groupProtectionRow = z.object({
  groupId: z.string(),
  /** `open`: nobody has chosen, and they are unprotected; `nosec`: unprotected by choice. */
  mode: z.enum(['secured', 'nosec', 'open']),
  securityGroupIds: z.array(z.string()),
  /** Why it may be unprotected. */
  reason: z.string().nullable(),
  automatic: z.boolean(),
})
export type GroupProtectionRow = z.infer<typeof groupProtectionRow>

export const securityMemberRow = z.object({
  /** `<deviceId> <securityGroupId>` */
  key: z.string(),
  deviceId: z.string(),
  securityGroupId: z.string(),
  desired: z.boolean(),
  requester: z.boolean(),
  responder: z.boolean(),
  outcome,
  keys: securityMemberKeys,
  /** Version of the keys that it has, as far as is known. */
  generation: z.number().int().nullable(),
  /** So often have the newest keys failed to reach it. */
  failures: z.number().int(),
  at: timeMs,
  failure: failure.nullable(),
})
export type SecurityMemberRow = z.infer<typeof securityMemberRow>

/** What applying would do: one device, one security group. */
export const securityPlanLine = z.object({
  /** The key of the member. */
  id: z.string(),
  change: z.enum(['join', 'update', 'leave']),
  deviceId: z.string(),
  deviceName: z.string(),
  securityGroupId: z.string(),
  securityGroupName: z.string(),
  requester: z.boolean(),
  responder: z.boolean(),
  /** Names of the application groups whose requests it shall take under this protection alone. */
  applicationGroups: z.array(z.string()),
  failure: failure.nullable(),
  blocked: z.enum(['not-seen', 'no-security', 'not-enrolled', 'no-place']).nullable(),
})
export type SecurityPlanLine = z.infer<typeof securityPlanLine>

/** What a device can do about security groups. */
export const securityDeviceRow = z.object({
  deviceId: z.string(),
  /** Whether it offers to be told of security groups; null while that is not known. */
  supported: z.boolean().nullable(),
  /** Whether it shares an OSCORE context with this tool. */
  enrolled: z.boolean(),
  /** Security groups that it has keys for at most; null: it does not say. */
  places: z.number().int().nullable(),
  /** Places that the project needs. */
  needed: z.number().int(),
})
export type SecurityDeviceRow = z.infer<typeof securityDeviceRow>

export const securityRule = z.enum([
  'nosec-open',
  'nosec-chosen',
  'nosec-global',
  'nosec-beside-secured',
  'name-nosec',
  'several-for-access',
  'several-algorithms',
  'shared-by-groups',
  'shared-address',
  'unused',
  'member-cannot-join',
  'capacity-exceeded',
  'no-requester',
  'no-responder',
  'members-behind',
  'leaves-waiting',
])
export type SecurityRule = z.infer<typeof securityRule>

/** What a check of the relations between groups has found. The words are those of `security.rule.<rule>`. */
export const securityFindingRow = z.object({
  id: z.string(),
  rule: securityRule,
  severity: z.enum(['error', 'warning', 'info']),
  /** Where it is written, e.g. `draft-ietf-core-groupcomm-bis-18 §2.1.4`. */
  section: z.string(),
  subject: z.object({ kind: z.enum(['group', 'security-group', 'coap-group', 'device']), id: z.string(), name: z.string() }),
  params: z.record(z.string(), z.union([z.string(), z.number()])),
})
export type SecurityFindingRow = z.infer<typeof securityFindingRow>

export const securityStateRow = z.object({
  key: z.literal('security'),
  /** `locked`: what is in the site file was sealed with another keyring. */
  state: z.enum(['ready', 'locked', 'off']),
  /** What keeps the keyring safe: the system's key store, a passphrase, or file permissions alone. */
  protection: z.enum(['system', 'passphrase', 'file']).nullable(),
  failure: failure.nullable(),
  enrolled: z.number().int(),
})
export type SecurityStateRow = z.infer<typeof securityStateRow>

/** What evicting would do, told before it is done. */
export const evictionEffect = z.object({
  securityGroupName: z.string(),
  /** Devices that lose access. */
  losers: z.array(z.object({ deviceId: z.string(), name: z.string(), isMember: z.boolean() })),
  /** Application groups whose requests they take and send no longer. */
  applicationGroups: z.array(z.string()),
  /** Members that get new keys. */
  remaining: z.number().int(),
  /** Of those, how many cannot be told and have to ask. */
  unreachable: z.number().int(),
  messages: z.number().int(),
  airTimeMs: z.number().int(),
})
export type EvictionEffect = z.infer<typeof evictionEffect>
