// CoAP groups, application groups and memberships.
import { z } from 'zod'
import { factSource, failure, outcome, shortText, timeMs } from './states.ts'

export const multicastScope = z.enum(['link-local', 'realm-local', 'admin-local', 'site-local', 'organization-local', 'global', 'ipv4'])
export type MulticastScope = z.infer<typeof multicastScope>

/** How requests are addressed: draft-ietf-core-groupcomm-bis §2.1.1. */
export const coapGroupRow = z.object({
  id: z.string(),
  name: shortText,
  address: z.string(),
  port: z.number().int(),
  scope: multicastScope,
  /** `coap://[address]:port`, without the default port. */
  uri: z.string(),
  /** Whether the tool chose the address. */
  allocated: z.boolean(),
})
export type CoapGroupRow = z.infer<typeof coapGroupRow>

/** Who reacts: draft-ietf-core-groupcomm-bis §2.1.2. */
export const applicationGroupRow = z.object({
  id: z.string(),
  name: shortText,
  coapGroupId: z.string(),
  roomId: z.string().nullable(),
  comment: z.string(),
  /** Group URI with the application group in its path. */
  uri: z.string(),
  /** Members that it shall have, and how many of them are confirmed as it is now. */
  members: z.number().int(),
  confirmed: z.number().int(),
})
export type ApplicationGroupRow = z.infer<typeof applicationGroupRow>

/** A cell of the matrix: desired or still applied membership of a device in an application group. */
export const membershipRow = z.object({
  /** `<deviceId> <groupId>` */
  key: z.string(),
  deviceId: z.string(),
  groupId: z.string(),
  desired: z.boolean(),
  outcome,
  at: timeMs,
  source: factSource,
  failure: failure.nullable(),
})
export type MembershipRow = z.infer<typeof membershipRow>

export const membershipChange = z.object({ deviceId: z.string(), groupId: z.string(), desired: z.boolean() })
export type MembershipChange = z.infer<typeof membershipChange>
