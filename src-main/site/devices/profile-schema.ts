// The schema of a declarative device profile, version 1 (docs/device-profiles.md).
import { z } from 'zod'
import type { JsonValue } from '#main/base/index.ts'
import { deviceType } from '#contract/model.ts'
import { isJsonPointer } from './json-pointer.ts'
import { templateFault } from './profile-template.ts'

const GROUP = ['group.name', 'group.address', 'group.port']

const pointer = z.string().refine(isJsonPointer, 'must be a JSON Pointer such as /name, or an empty string for the whole answer')
// An unquoted 2.10 would reach us as the number 2.1, so the quotes are asked for.
const responseCode = z
  .string('must be a response code in quotes, such as "2.04"')
  .regex(/^[245]\.(0\d|[12]\d|3[01])$/, 'must be a response code such as "2.04"')
const codes = z.array(responseCode).min(1).max(8)

const json: z.ZodType<JsonValue> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(json), z.record(z.string(), json)], 'must be a JSON value'),
)

function template(allowed: readonly string[]): z.ZodString {
  return z.string().superRefine((text, context) => {
    const fault = templateFault(text, allowed)
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
  })
}

function jsonFaults(
  value: JsonValue,
  allowed: readonly string[],
  path: readonly PropertyKey[],
  tell: (message: string, path: readonly PropertyKey[]) => void,
): void {
  if (typeof value === 'string') {
    const fault = templateFault(value, allowed)
    if (fault !== undefined) tell(fault, path)
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) jsonFaults(item, allowed, [...path, Array.isArray(value) ? Number(name) : name], tell)
  }
}

function request(allowed: readonly string[]) {
  return z
    .strictObject({
      method: z.enum(['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH']),
      path: template(allowed)
        .max(500)
        .regex(/^\//, 'must begin with /')
        .regex(/^[^%?#]*$/, 'must be written without %, ? and #: segments are not percent-encoded here, and queries go into "query"'),
      query: z.array(template(allowed).max(255)).max(16).optional(),
      json: json.optional(),
      text: template(allowed).max(10_000).optional(),
      accept: z.int().min(0).max(65_535).optional(),
    })
    .superRefine((value, context) => {
      const tell = (message: string, path: readonly PropertyKey[]): void => context.addIssue({ code: 'custom', message, path: [...path] })
      if (value.json !== undefined && value.text !== undefined) tell('cannot have both json and text', ['text'])
      if (value.json !== undefined) jsonFaults(value.json, allowed, ['json'], tell)
    })
}

/** Attribute names with the values that one and the same link must have. */
const linkMatch = z
  .record(z.string().regex(/^[^\s=;,"<>]{1,40}$/, 'must be the name of a link attribute, or href'), z.string().max(255))
  .refine((match) => Object.keys(match).length > 0, 'must name at least one attribute')
const linkMatches = z.array(linkMatch).min(1).max(32)

const action = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'must be lower-case letters, digits and hyphens, at most 40'),
  label: z.string('must be text; put words such as On and Off in quotes').trim().min(1).max(60),
  types: z.array(deviceType).min(1),
  group: request(GROUP),
  readBack: z
    .strictObject({
      request: request(GROUP),
      expect: z.record(pointer, json).refine((expect) => Object.keys(expect).length > 0, 'must expect at least one value'),
    })
    .optional(),
})

export const profileSchema = z.strictObject({
  profile: z.literal(1, 'must be 1, the only version of the profile format that this program knows'),
  id: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'must be lower-case letters, digits, dots and hyphens, at most 64'),
  name: z.string().trim().min(1).max(120),
  recognise: z
    .strictObject({ all: linkMatches.optional(), any: linkMatches.optional() })
    .refine((rule) => rule.all !== undefined || rule.any !== undefined, 'needs "all" or "any"'),
  identity: z.strictObject({
    request: request([]),
    eui64: pointer.optional(),
    serial: pointer.optional(),
    model: pointer.optional(),
    type: z.union([deviceType, z.strictObject({ pointer, values: z.record(z.string(), deviceType) })], {
      error: 'must be a device type, or a pointer with values',
    }),
  }),
  identify: z.strictObject({ request: request(['seconds']), expect: codes }),
  memberships: z.strictObject({
    read: z.strictObject({
      request: request([]),
      items: pointer.default(''),
      name: pointer,
      address: pointer,
      port: pointer.optional(),
    }),
    write: z.strictObject({ request: request(GROUP), expect: codes }),
    remove: z.strictObject({ request: request(GROUP), expect: codes }),
  }),
  /** How much such a device can hold, for the checks before anything is sent. */
  limits: z
    .strictObject({ memberships: z.int().min(1).max(1000).optional(), keys: z.int().min(0).max(1000).optional() })
    .refine((limits) => limits.memberships !== undefined || limits.keys !== undefined, 'must limit memberships or keys')
    .optional(),
  actions: z
    .array(action)
    .max(40)
    .superRefine((actions, context) => {
      actions.forEach(({ id }, index) => {
        if (actions.findIndex((other) => other.id === id) < index)
          context.addIssue({ code: 'custom', message: `there is another action "${id}"`, path: [index, 'id'] })
      })
    }),
})

/** The same as JSON Schema (2020-12), for editors; placeholders and pointers are checked by this program alone. */
export function profileJsonSchema(): string {
  const schema = z.toJSONSchema(profileSchema, { io: 'input' })
  return `${JSON.stringify({ title: 'Groupwright device profile, version 1', ...schema }, null, 2)}\n`
}

export type ProfileSource = z.output<typeof profileSchema>
export type LinkMatch = z.output<typeof linkMatch>
