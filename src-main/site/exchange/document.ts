// The site export, version 2: its shape as a zod schema, from which the published JSON Schema is made. The rows are facts of the
// site alone (no secrets, nothing of this machine, no time of export), so that export, import, export gives the same bytes.
import { z } from 'zod'

export const SITE_FORMAT = 'groupwright-site'
export const SITE_VERSION = 2

const id = z.string().min(1).max(80)
const text = (limit: number): z.ZodString => z.string().max(limit)
const label = z.string().min(1).max(120)
const port = z.number().int().min(1).max(65_535)
/** UTC with milliseconds, in the one form that `toISOString` writes. */
const time = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
  .refine((value) => isInstant(value), { message: 'Not a time since 1970' })
  .meta({ description: 'RFC 3339 time in UTC with milliseconds' })

function isInstant(value: string): boolean {
  const ms = Date.parse(value)
  return ms >= 0 && new Date(ms).toISOString() === value
}

const source = z.enum(['operator', 'import', 'discovery', 'registration', 'admission', 'apply', 'verify', 'test'])
const failure = z
  .strictObject({ code: text(80), message: text(2000), retryable: z.boolean(), details: z.record(z.string(), z.json()) })
  .nullable()

const site = z.strictObject({
  id,
  kind: z.enum(['demo', 'network']),
  name: label,
  organisation: text(120),
  address: text(240),
  operator: text(120),
  createdAt: time,
  demo: z
    .strictObject({
      devices: z.number().int().min(1).max(10_000),
      lossPercent: z.number().min(0).max(90),
      seed: z.number().int().nonnegative(),
    })
    .nullable()
    .meta({ description: 'How the simulated devices of a demo site are made; null for a real site' }),
})

const room = z.strictObject({
  id,
  parentId: id.nullable(),
  kind: z.enum(['building', 'floor', 'room', 'zone']),
  name: label,
  position: z.number().int(),
})

const device = z.strictObject({
  id,
  name: label,
  type: z.enum(['luminaire', 'switch', 'presence-sensor', 'blind', 'thermostat', 'sensor', 'actuator', 'unknown']),
  roomId: id.nullable(),
  state: z.enum(['planned', 'expected', 'seen', 'joining', 'enrolled', 'configured', 'verified', 'faulty']),
  stateAt: time,
  stateSource: source,
  eui64: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .nullable(),
  serial: text(120).nullable(),
  model: text(200).nullable(),
  profileId: text(120).nullable(),
  endpointName: text(120).nullable(),
  address: z
    .strictObject({ address: z.string().min(1).max(64), port, zone: text(64).nullable() })
    .nullable()
    .meta({ description: 'Where it was heard last' }),
  lastHeardAt: time.nullable(),
  comment: text(500),
  links: text(100_000).nullable().meta({ description: 'Its /.well-known/core in link format (RFC 6690)' }),
})

const coapGroup = z.strictObject({
  id,
  name: label,
  address: z.string().min(1).max(64).meta({ description: 'IP multicast address in canonical text' }),
  port,
  allocated: z.boolean().meta({ description: 'Whether the tool chose the address' }),
})

const applicationGroup = z.strictObject({
  id,
  name: label,
  coapGroupId: id,
  roomId: id.nullable(),
  comment: text(500),
  retired: z.boolean().meta({ description: 'Removed from the project, but some devices have it still' }),
})

const membership = z.strictObject({
  deviceId: id,
  groupId: id,
  desired: z.boolean(),
  outcome: z.enum(['planned', 'confirmed', 'failed', 'unknown']),
  at: time,
  source,
  failure,
  applied: z
    .strictObject({ name: text(200), address: text(64), port: z.number().int().min(0).max(65_535) })
    .nullable()
    .meta({ description: "Entry of the device's group table when it was last read" }),
})

const testRun = z.strictObject({
  id,
  groupId: id,
  groupName: text(120),
  action: text(40),
  state: z.enum(['done', 'failed']),
  startedAt: time,
  finishedAt: time.nullable(),
  repeats: z.number().int().min(1),
  repeat: z.number().int().min(0),
  uri: text(500),
  messageBytes: z.number().int().min(0),
  protection: text(120).nullable().meta({ description: 'Security group that protected the requests; null: they were unprotected' }),
  spreadMs: z.number().min(0).nullable(),
  medianMs: z.number().min(0).nullable(),
  members: z.array(
    z.strictObject({
      deviceId: id,
      verdict: z.enum(['waiting', 'heard', 'silent-changed', 'not-changed', 'unreachable', 'rejected', 'unreadable']),
      answerMs: z.number().min(0).nullable(),
      heardCount: z.number().int().min(0),
      code: text(10).nullable(),
      seen: z.boolean().nullable(),
    }),
  ),
  failure,
})

const securityGroup = z.strictObject({
  id,
  name: label,
  comment: text(500),
  roomId: id.nullable(),
  suite: z.enum(['standard', 'p256', 'long-tag', 'counter']),
  algorithms: z
    .strictObject({
      groupEncryption: z.number().int(),
      signature: z.number().int(),
      pairwise: z.number().int().nullable(),
      hkdf: z.number().int(),
    })
    .meta({ description: 'COSE numbers of the suite; pairwise null: group mode alone' }),
  policy: z.strictObject({
    rekeyOnJoin: z.boolean(),
    rekeyAfterLeaves: z.number().int().min(1).max(1000),
    rekeyWithinMinutes: z.number().int().min(1).max(10_080),
    lifetimeDays: z.number().int().min(1).max(3650),
  }),
  automatic: z.boolean().meta({ description: 'Whether the tool made it by itself' }),
  keys: z
    .strictObject({ generation: z.number().int().min(0), gid: z.string().regex(/^([0-9a-f]{2}){1,32}$/), rekeyedAt: time, expiresAt: time })
    .nullable()
    .meta({ description: 'Version of the keys and the Gid that goes with them, never the keys; not taken over by an import' }),
  members: z
    .array(
      z.strictObject({
        deviceId: id,
        requester: z.boolean(),
        responder: z.boolean(),
        outcome: z.enum(['planned', 'confirmed', 'failed', 'unknown']),
        keys: z.enum(['none', 'behind', 'told', 'current']),
        generation: z.number().int().min(0).nullable(),
      }),
    )
    .max(50_000)
    .meta({ description: 'Devices that are or shall be members; not taken over by an import' }),
})

const protection = z.strictObject({
  groupId: id,
  securityGroupIds: z.array(id).max(8).meta({ description: 'None: unprotected (NoSec), with the reason' }),
  reason: text(300).nullable(),
  automatic: z.boolean(),
})

export const siteDocument = z
  .strictObject({
    format: z.literal(SITE_FORMAT),
    version: z.literal(SITE_VERSION),
    site,
    rooms: z.array(room).max(20_000),
    devices: z.array(device).max(50_000),
    coapGroups: z.array(coapGroup).max(20_000),
    applicationGroups: z.array(applicationGroup).max(20_000),
    memberships: z.array(membership).max(1_000_000),
    securityGroups: z.array(securityGroup).max(20_000),
    protections: z.array(protection).max(20_000),
    testRuns: z.array(testRun).max(1000),
  })
  .meta({
    title: 'Groupwright site export, version 2',
    description:
      'A commissioned site: rooms, devices, groups, memberships, security groups and test evidence. Rows are in the order of their ids.',
  })

/** A site as it is handed over. */
export type SiteDocument = z.infer<typeof siteDocument>

/** The published JSON Schema (draft 2020-12) of the site export, as the text of `docs/site-export.schema.json`. */
export function siteJsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(siteDocument), null, 2)}\n`
}
