// Tests beside a profile: requests and answers as they were seen on a device, run through the profile without one (docs/device-profiles.md).
import { z } from 'zod'
import { AppError, toAppError, utf8, utf8ToText, type JsonValue } from '#main/base/index.ts'
import { parseLinkFormat, type ClientRequest, type ClientResponse, type CoapClient } from '#main/wire/coap/index.ts'
import { equalJson, parseJson } from './json-pointer.ts'
import type { DeviceContact, DeviceProfile, GroupTarget } from './profile.ts'
import { readYaml, type Place } from './profile-text.ts'

const json: z.ZodType<JsonValue> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(json), z.record(z.string(), json)]),
)
const payload = { json: json.optional(), text: z.string().max(10_000).optional() }
const group = z.strictObject({ name: z.string().min(1), address: z.string().min(2), port: z.int().min(1).max(65_535).default(5683) })
const request = z.strictObject({
  method: z.enum(['GET', 'POST', 'PUT', 'DELETE', 'FETCH', 'PATCH', 'iPATCH']),
  path: z.string().regex(/^\//, 'must begin with /'),
  query: z.array(z.string()).optional(),
  ...payload,
})
const exchange = z.strictObject({
  request,
  response: z.strictObject({ code: z.string().regex(/^[245]\.\d\d$/, 'must be a response code in quotes, such as "2.04"'), ...payload }),
})
const name = z.string().trim().min(1).max(200)
const exchanges = z.array(exchange).max(20)
/** Where it is given, the step must fail so. */
const fails = z.string().optional()

const test = z.discriminatedUnion('do', [
  z.strictObject({ name, do: z.literal('recognise'), links: z.string(), expect: z.boolean() }),
  z.strictObject({ name, do: z.literal('identity'), exchanges, expect: z.record(z.string(), json).optional(), fails }),
  z.strictObject({ name, do: z.literal('identify'), seconds: z.int().min(1).max(300), exchanges, fails }),
  z.strictObject({ name, do: z.literal('read'), exchanges, expect: z.array(group).optional(), fails }),
  z.strictObject({ name, do: z.literal('write'), group, exchanges, fails }),
  z.strictObject({ name, do: z.literal('remove'), group, exchanges, fails }),
  z.strictObject({ name, do: z.literal('action'), action: z.string(), group, expect: request }),
  z.strictObject({
    name,
    do: z.literal('read-back'),
    action: z.string(),
    group,
    exchanges,
    expect: z.enum(['as-commanded', 'different', 'unreadable']).optional(),
    fails,
  }),
])
const testFile = z.strictObject({
  profileTest: z.literal(1, 'must be 1, the only version of the test format that this program knows'),
  tests: z.array(test).min(1).max(200),
})
type Test = z.output<typeof test>
type Exchange = z.output<typeof exchange>
type ExpectedRequest = z.output<typeof request>

export interface ProfileTestResult extends Place {
  readonly name: string
  /** Why it failed; null where it passed. */
  readonly failure: string | null
}

/** Throws `profile.invalid` where the file is no test file. */
export async function runProfileTests(profile: DeviceProfile, fileName: string, text: string): Promise<readonly ProfileTestResult[]> {
  const { source, placeOf } = readYaml(fileName, text, testFile)
  const results: ProfileTestResult[] = []
  for (const [index, each] of source.tests.entries())
    results.push({ name: each.name, ...placeOf(['tests', index]), failure: await failureOf(profile, each) })
  return results
}

async function failureOf(profile: DeviceProfile, each: Test): Promise<string | null> {
  const device = new ScriptedDevice('exchanges' in each ? each.exchanges : [])
  const expected = 'fails' in each ? each.fails : undefined
  try {
    const failure = await perform(profile, each, device.contact)
    if (failure !== null) return failure
    if (device.unasked > 0) return `${device.unasked} of the requests were not sent`
    return expected === undefined ? null : `did not fail with ${expected}`
  } catch (thrown) {
    if (device.surprise !== undefined) return device.surprise
    const { code, message } = toAppError(thrown)
    return code === expected ? null : `${code}: ${message}`
  }
}

async function perform(profile: DeviceProfile, each: Test, contact: DeviceContact): Promise<string | null> {
  switch (each.do) {
    case 'recognise':
      return profile.recognises(parseLinkFormat(each.links)) === each.expect ? null : `recognised: ${!each.expect}`
    case 'identity': {
      const said = { ...(await profile.readIdentity(contact)) }
      const wrong = Object.entries(each.expect ?? {}).find(([key, wanted]) => !equalJson(Reflect.get(said, key) as JsonValue, wanted))
      return wrong === undefined ? null : `${wrong[0]} is ${JSON.stringify(Reflect.get(said, wrong[0]))}`
    }
    case 'identify':
      await profile.identify(contact, each.seconds)
      return null
    case 'read': {
      const table = (await profile.readMemberships(contact)).map((entry) => ({ ...entry }))
      return each.expect === undefined || equalJson(table, each.expect) ? null : `read ${JSON.stringify(table)}`
    }
    case 'write':
      await profile.writeMembership(contact, each.group)
      return null
    case 'remove':
      await profile.removeMembership(contact, each.group)
      return null
    case 'action':
      return actionFailure(profile, each.action, each.group, each.expect)
    case 'read-back': {
      const verdict = await profile.readBack(contact, each.action, each.group)
      return each.expect === undefined || verdict === each.expect ? null : `is ${verdict}`
    }
  }
}

function actionFailure(profile: DeviceProfile, action: string, target: GroupTarget, expected: ExpectedRequest): string | null {
  const sent = profile.groupRequest(action, target)
  if (sent === undefined) return `there is no action ${action}`
  return differenceOf(sent, expected)
}

/** Answers each request as the test says, in its order. */
class ScriptedDevice {
  /** What was asked that the test does not expect. */
  surprise: string | undefined
  readonly #left: Exchange[]

  constructor(script: readonly Exchange[]) {
    this.#left = [...script]
  }

  get unasked(): number {
    return this.#left.length
  }

  get contact(): DeviceContact {
    const at = { address: '::1', port: 5683 }
    const none = (): never => {
      throw new AppError('profile.not-supported', 'A test has no network')
    }
    const client: CoapClient = {
      channelId: 'test',
      request: (_, sent) => Promise.resolve(this.#answer(sent)),
      groupRequest: none,
      groupRequestBytes: () => 0,
    }
    return { client, at }
  }

  #answer(sent: ClientRequest): ClientResponse {
    const next = this.#left.shift()
    const difference = next === undefined ? `sent ${shown(sent)}, which is not expected` : differenceOf(sent, next.request)
    if (next === undefined || difference !== null) {
      this.surprise = difference ?? ''
      throw new AppError('profile.reply-unexpected', this.surprise)
    }
    const { code, json: value, text } = next.response
    const written = value === undefined ? (text ?? '') : JSON.stringify(value)
    return {
      code: code as ClientResponse['code'],
      options: [],
      payload: utf8(written),
      contentFormat: value === undefined ? undefined : 50,
      source: { address: '::1', port: 5683 },
      elapsedMs: 1,
    }
  }
}

function differenceOf(sent: ClientRequest, expected: ExpectedRequest): string | null {
  const path = `/${sent.path.join('/')}`
  const sentText = sent.payload === undefined ? undefined : utf8ToText(sent.payload)
  const same =
    sent.method === expected.method &&
    path === expected.path &&
    equalJson([...(sent.query ?? [])], expected.query ?? []) &&
    (expected.json === undefined ? sentText === expected.text : equalJson(parseJson(sentText ?? ''), expected.json))
  return same ? null : `sent ${shown(sent)}`
}

function shown({ method, path, query = [], payload: bytes }: ClientRequest): string {
  const asked = query.length === 0 ? '' : `?${query.join('&')}`
  const body = bytes === undefined ? '' : ` ${utf8ToText(bytes)?.slice(0, 200) ?? `${bytes.length} bytes`}`
  return `${method} /${path.join('/')}${asked}${body}`
}
