// Maintenance of groups: draft-ietf-core-groupcomm-bis §2.2.4.
import { z } from 'zod'
import { planLine } from './jobs.ts'

const id = z.string().min(1).max(80)
const ids = z.array(id).max(20_000)
const text = z.string().trim().min(1).max(120)

/** What can be done to groups and their members, each as one edit of the project and one job. */
export const maintenanceOperation = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('members'), groupId: id, add: ids.default([]), remove: ids.default([]) }),
  z.object({ kind: z.literal('rename'), groupId: id, name: text }),
  /** To another address or port; without either a new address is chosen. Groups on the same CoAP group move along. */
  z.object({
    kind: z.literal('move'),
    groupId: id,
    address: z.string().max(64).optional(),
    port: z.number().int().min(1).max(65_535).optional(),
  }),
  /** Another group URI: another name, another CoAP group, or both. */
  z.object({ kind: z.literal('uri'), groupId: id, name: text.optional(), coapGroupId: id.optional() }),
  /** Some of the members become a group of their own, protected as the old one. */
  z.object({ kind: z.literal('split'), groupId: id, name: text, members: ids.min(1), sameCoapGroup: z.boolean().default(false) }),
  /** The members of the groups go into one; the others are retired. */
  z.object({ kind: z.literal('merge'), into: id, groupIds: ids.min(1) }),
  z.object({ kind: z.literal('security'), groupId: id, securityGroupId: id }),
  z.object({ kind: z.literal('rekey'), securityGroupId: id }),
  /** The new device takes over name, room, comment and memberships; the old one loses keys and certificates and leaves the project. */
  z.object({ kind: z.literal('replace'), deviceId: id, byId: id }),
  z.object({ kind: z.literal('retire'), groupId: id }),
])
export type MaintenanceOperation = z.infer<typeof maintenanceOperation>
export type MaintenanceKind = MaintenanceOperation['kind']

/** Why the steps of a phase come when they come. Phases are worked on in this order. */
export const maintenancePhase = z.enum([
  /** Keys, and what the tool does by itself. */
  'keys',
  /** Those that react listen to the new before anybody sends to it. */
  'members',
  /** Those that send change over. */
  'clients',
  /** Those that send stop before nobody listens any more. */
  'clients-stop',
  'members-stop',
  /** Old keys go last. */
  'keys-stop',
])
export type MaintenancePhase = z.infer<typeof maintenancePhase>

export const maintenanceStep = z.object({
  phase: maintenancePhase,
  change: z.enum(['add', 'update', 'remove', 'join', 'leave', 'rekey', 'evict', 'revoke']),
  /** Null: the tool does it by itself. */
  deviceId: z.string().nullable(),
  deviceName: z.string(),
  role: z.enum(['member', 'client']).nullable(),
  groupName: z.string(),
  /** Group URI that it is about; empty for keys. */
  uri: z.string(),
  blocked: planLine.shape.blocked,
})
export type MaintenanceStep = z.infer<typeof maintenanceStep>

/** What an operation comes to, before it is done. */
export const maintenancePlan = z.object({
  /** As it will be run: what was left open is chosen. */
  operation: maintenanceOperation,
  name: z.string(),
  /** In the order in which they are sent; the first of them where there are many. */
  steps: z.array(maintenanceStep),
  counts: z.array(z.object({ phase: maintenancePhase, steps: z.number().int(), airTimeMs: z.number() })),
  devices: z.number().int(),
  /** Devices that cannot be reached now: the plan keeps what they have to be told. */
  unreachable: z.array(z.string()),
  messages: z.number().int(),
  airTimeMs: z.number(),
  /** For so long some devices have the new address or name and others the old. */
  betweenMs: z.number(),
  /** What undo does not bring back. */
  irreversible: z.array(z.enum(['keys', 'certificate'])),
})
export type MaintenancePlan = z.infer<typeof maintenancePlan>

/** An operation that has not reached every device yet. */
export const maintenanceRow = z.object({
  id: z.string(),
  kind: z.string(),
  name: z.string(),
  at: z.number(),
  jobId: z.string().nullable(),
  total: z.number().int(),
  left: z.number().int(),
  /** The first of the devices that have something to be told yet. */
  waitingFor: z.array(z.string()),
})
export type MaintenanceRow = z.infer<typeof maintenanceRow>
