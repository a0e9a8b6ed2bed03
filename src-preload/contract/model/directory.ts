// The Resource Directory as it is looked at and steered: its state, registrations and their links in pages (RFC 9176).
import { z } from 'zod'
import { failure, timeMs } from './states.ts'

/** Who may register and change what is registered (RFC 9176 §7). */
export const directoryPolicy = z.enum(['open', 'first-come', 'enrolled-only'])
export type DirectoryPolicy = z.infer<typeof directoryPolicy>

export const linkAttribute = z.object({ name: z.string(), value: z.string().nullable() })

export const registrationRow = z.object({
  id: z.string(),
  endpointName: z.string(),
  sector: z.string().nullable(),
  base: z.string(),
  lifetimeS: z.number().int(),
  registeredAt: timeMs,
  renewedAt: timeMs,
  expiresAt: timeMs,
  /** Endpoint type (`et`); `core.rd-group` for an application group. */
  endpointType: z.string().nullable(),
  /** Further endpoint attributes, `et` among them. */
  attributes: z.array(linkAttribute),
  linkCount: z.number().int(),
  isGroup: z.boolean(),
  /** `[address]:port` that it came from; null for what this program registered itself. */
  source: z.string().nullable(),
  /** The links as they were submitted, application/link-format; empty where a list was asked for without them. */
  links: z.string(),
})
export type RegistrationRow = z.infer<typeof registrationRow>

export const registrationSort = z.enum([
  'endpointName',
  'sector',
  'base',
  'endpointType',
  'linkCount',
  'lifetimeS',
  'expiresAt',
  'registeredAt',
  'renewedAt',
  'source',
])
export type RegistrationSort = z.infer<typeof registrationSort>

/** One link as a resource lookup shows it: target and anchor resolved (RFC 9176 §6). */
export const directoryLinkRow = z.object({
  href: z.string(),
  attributes: z.array(linkAttribute),
})
export type DirectoryLinkRow = z.infer<typeof directoryLinkRow>

/** Which registrations a list shows: endpoints without application groups, these alone, or both. */
export const registrationKind = z.enum(['endpoints', 'groups', 'all'])
export type RegistrationKind = z.infer<typeof registrationKind>

/** The directory's advertisement by DNS-SD (RFC 9176 §4.1.2, RFC 6763). */
export const advertisement = z.object({
  wanted: z.boolean(),
  /** `no-network`: wanted, but nothing listens beyond this computer. */
  state: z.enum(['off', 'no-network', 'starting', 'announced', 'failed']),
  /** The service instance as others see it. */
  name: z.string().nullable(),
  failure: failure.nullable(),
})
export type Advertisement = z.infer<typeof advertisement>

/** The single row of the `directory` feed; rows themselves are pulled in pages. */
export const directoryRow = z.object({
  key: z.literal('directory'),
  /** Another number whenever anything registered has changed. */
  version: z.number().int(),
  endpoints: z.number().int(),
  groups: z.number().int(),
  policy: directoryPolicy,
  /** False while the policy follows from where the directory listens. */
  policyChosen: z.boolean(),
  advertisement,
})
export type DirectoryRow = z.infer<typeof directoryRow>
