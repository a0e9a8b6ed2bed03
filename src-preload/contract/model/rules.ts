// Rules for groups: what a check has found and what can be done about it; how the groups of a site are named and addressed.
import { z } from 'zod'
import { timeMs } from './states.ts'
import { securityRule } from './security.ts'

/** Checks of groups, besides those of the security layer (`securityRule`). Words: `rules.rule.<rule>`. */
export const groupRule = z.enum([
  'port-coaps',
  'port-not-dynamic',
  'ports-on-one-address',
  'members-elsewhere',
  'address-invalid',
  'address-ipv4-mesh',
  'address-on-link',
  'address-on-mesh',
  'address-outside-policy',
  'scope-wide',
  'scope-narrow',
  'coap-group-unused',
  'group-without-members',
  'group-without-clients',
  'members-differ',
  'member-without-key',
  'memberships-exceeded',
  'name-nosec',
  'name-ambiguous',
  'name-not-carried',
  'name-long',
  'naming-not-recommended',
  'naming-option-unregistered',
  'naming-without-dns',
  'delimiter-long',
  'addresses-used-up',
])
export type GroupRule = z.infer<typeof groupRule>

/** What can be done about a finding at the press of a button. Words: `rules.remedy.<id>` and, told before, `rules.effect.<id>`. */
export const remedyId = z.enum([
  'default-port',
  'own-port',
  'own-address',
  'own-coap-group',
  'short-name',
  'label-name',
  'other-name',
  'remove-group',
  'remove-coap-group',
  'fill-from-room',
  'add-room-clients',
  'drop-planned',
  'apply',
  'name-by-path',
  'short-delimiter',
  'allocate-by-prefix',
  'protect',
  'rekey',
  'remove-security-group',
])
export type RemedyId = z.infer<typeof remedyId>

export const findingParams = z.record(z.string(), z.union([z.string(), z.number()]))
export type FindingParams = z.infer<typeof findingParams>

export const findingRemedy = z.object({
  id: remedyId,
  /** For the sentence that tells the effect. */
  params: findingParams,
})
export type FindingRemedy = z.infer<typeof findingRemedy>

export const findingSeverity = z.enum(['error', 'warning', 'advice'])
export type FindingSeverity = z.infer<typeof findingSeverity>

export const findingRow = z.object({
  id: z.string(),
  /** Whose words it has: `rules.rule.<rule>` or `security.rule.<rule>`. */
  source: z.enum(['groups', 'security']),
  rule: z.union([groupRule, securityRule]),
  severity: findingSeverity,
  /** Where it is written, e.g. `draft-ietf-core-groupcomm-bis-18 §3.4`. */
  sections: z.array(z.string()),
  subject: z.object({ kind: z.enum(['group', 'coap-group', 'security-group', 'device', 'site']), id: z.string(), name: z.string() }),
  params: findingParams,
  remedies: z.array(findingRemedy),
})
export type FindingRow = z.infer<typeof findingRow>

/** How the name of an application group travels in a request: draft-ietf-core-groupcomm-bis-18 §2.2.1.2 and Appendix B, -11 B.4 to B.6. */
export const namingMethod = z.enum([
  'path',
  'query',
  'query-parameter',
  'authority',
  'host',
  'host-label',
  'port',
  'option',
  /** Left out: the address tells it. */
  'none',
])
export type NamingMethod = z.infer<typeof namingMethod>

const segment = /^[A-Za-z0-9._~-]+$/
const hostName = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*)?$/

const namingShape = {
  method: namingMethod,
  /** The path segment before the name, or the name of the query parameter. */
  delimiter: z.string().regex(segment).max(16),
  /** Path segments before the delimiter. */
  base: z.array(z.string().regex(segment).max(32)).max(4),
  /** What follows the label of a group in host names; empty: the address stands in the authority. */
  domain: z.string().toLowerCase().regex(hostName).max(200),
  /** Whether the network resolves host names. */
  hasDns: z.boolean(),
  /** Number of the option of one's own, from the range for experiments (RFC 7252 §12.2). */
  optionNumber: z.number().int().min(65_000).max(65_535),
  /** Names of groups made from rooms, such as `{floor}-{room}-{function}`; empty: the shortest that is free. */
  template: z
    .string()
    .max(120)
    .regex(/^(?:[^{}]|\{(?:building|floor|room|number|function)\})*$/),
}
export const namingSettings = z.object({
  method: namingShape.method.default('path'),
  delimiter: namingShape.delimiter.default('gp'),
  base: namingShape.base.default([]),
  domain: namingShape.domain.default(''),
  hasDns: namingShape.hasDns.default(false),
  optionNumber: namingShape.optionNumber.default(65_001),
  template: namingShape.template.default(''),
})
export type NamingSettings = z.infer<typeof namingSettings>
/** What is left out stays as it is: no defaults. */
export const namingPatch = z.object(namingShape).partial()

export const allocationPolicy = z.enum(['prefix', 'transient', 'list', 'knx', 'ipv4'])
export type AllocationPolicyName = z.infer<typeof allocationPolicy>

const allocationShape = {
  policy: allocationPolicy,
  /** `auto`: as small as the members allow. */
  scope: z.enum(['auto', 'link-local', 'realm-local', 'admin-local', 'site-local', 'organization-local', 'global']),
  /** Unicast prefix that the addresses are based on, such as `2001:db8:1::/48`; empty: a unique local one of the site's own. */
  prefix: z.string().max(50),
  /** Addresses, or ranges `first-last`, that the network's owner has given. */
  list: z.array(z.string().max(100)).max(200),
  /** KNX installation identifier: up to ten hex digits. */
  installation: z.string().regex(/^[0-9a-fA-F]{0,10}$/),
  /** IPv4 range. */
  range: z.string().max(20),
  /** Port of new groups. */
  port: z.number().int().min(1).max(65_535),
}
export const allocationSettings = z.object({
  policy: allocationShape.policy.default('prefix'),
  scope: allocationShape.scope.default('auto'),
  prefix: allocationShape.prefix.default(''),
  list: allocationShape.list.default([]),
  installation: allocationShape.installation.default(''),
  range: allocationShape.range.default('239.192.0.0/14'),
  port: allocationShape.port.default(5683),
})
export type AllocationSettings = z.infer<typeof allocationSettings>
/** What is left out stays as it is: no defaults. */
export const allocationPatch = z.object(allocationShape).partial()

/** An address that no group has any more, but that some device may still listen to: it is not given out again. */
export const heldAddress = z.object({
  address: z.string(),
  since: timeMs,
  /** Names of the devices that may have it. */
  devices: z.array(z.string()),
})
export type HeldAddress = z.infer<typeof heldAddress>

export const groupSettingsRow = z.object({
  key: z.literal('groupSettings'),
  naming: namingSettings,
  allocation: allocationSettings,
  /** The scope that new addresses get. */
  scope: z.string(),
  held: z.array(heldAddress),
})
export type GroupSettingsRow = z.infer<typeof groupSettingsRow>

/** What a group would look like on the wire. */
export const namingPreview = z.object({
  method: namingMethod,
  uri: z.string(),
  /** The name as it travels; empty where it does not. */
  wireName: z.string(),
  /** Whether the name can be carried at all, and if not, why. */
  failure: z.string().nullable(),
  /** Options of the request as `Uri-Path: "gp"`. */
  options: z.array(z.string()),
  /** The CoAP message, unprotected and under Group OSCORE, and the IEEE 802.15.4 frames of each. */
  messageBytes: z.number().int(),
  frames: z.number().int(),
  securedBytes: z.number().int(),
  securedFrames: z.number().int(),
  /** Room of one frame for the message; bytes that the name costs. */
  roomBytes: z.number().int(),
  nameBytes: z.number().int(),
})
export type NamingPreview = z.infer<typeof namingPreview>
