// A device profile whose behaviour is written in a file: requests with placeholders, and where in the answers to look.
// Governed by docs/device-profiles.md.
import { AppError, parseEui64, utf8ToText, type JsonValue } from '#main/base/index.ts'
import type { ClientRequest, ClientResponse, Link } from '#main/wire/coap/index.ts'
import { normaliseAddress } from '#main/wire/ip/index.ts'
import type { DeviceType } from '#contract/model.ts'
import { atPointer, equalJson, isJsonArray, parseJson } from './json-pointer.ts'
import type { DeviceContact, DeviceIdentity, DeviceProfile, GroupTableEntry, GroupTarget, StateVerdict } from './profile.ts'
import type { LinkMatch, ProfileSource } from './profile-schema.ts'
import { renderRequest, requestText, type PlaceholderValues, type RequestTemplate } from './profile-template.ts'

/** CoAP's default port (RFC 7252 §6.1), for group tables that do not write one. */
const DEFAULT_PORT = 5683
/** More entries than any device has: an answer with more is not a group table. */
const MOST_TABLE_ENTRIES = 1000
const LONGEST_ANSWER_BYTES = 256 * 1024
const CONTENT = ['2.05']

export function createDeclarativeProfile(source: ProfileSource): DeviceProfile {
  const { identity, identify, memberships } = source
  const actions = new Map(source.actions.map((action) => [action.id, action]))
  return {
    id: source.id,
    name: source.name,
    capacity: source.limits,
    actions: source.actions.map(({ id, label, types }) => ({ id, label, types })),
    recognises: (links) => recognises(source.recognise, links),
    async readIdentity(contact, signal) {
      const answer = await readJson(contact, identity.request, {}, signal)
      return identityFrom(identity, answer)
    },
    async identify(contact, seconds, signal) {
      await send(contact, identify.request, { seconds }, identify.expect, signal)
    },
    async readMemberships(contact, signal) {
      return tableFrom(memberships.read, await readJson(contact, memberships.read.request, {}, signal))
    },
    table: {
      request: renderRequest(memberships.read.request, {}),
      read: (response) => tableFrom(memberships.read, checkedJson(response, renderRequest(memberships.read.request, {}))),
    },
    async writeMembership(contact, group, signal) {
      await send(contact, memberships.write.request, groupValues(group), memberships.write.expect, signal)
    },
    async removeMembership(contact, group, signal) {
      await send(contact, memberships.remove.request, groupValues(group), memberships.remove.expect, signal)
    },
    describe: (change, group) => [requestText((change === 'remove' ? memberships.remove : memberships.write).request, groupValues(group))],
    groupRequest(actionId, group) {
      const action = actions.get(actionId)
      return action === undefined ? undefined : renderRequest(action.group, groupValues(group))
    },
    async readBack(contact, actionId, group, signal) {
      const readBack = actions.get(actionId)?.readBack
      if (readBack === undefined) return 'unreadable'
      const response = await contact.client.request(contact.at, renderRequest(readBack.request, groupValues(group)), options(signal))
      return response.code === '2.05' ? verdictOn(jsonOf(response), readBack.expect) : 'unreadable'
    },
  }
}

// ---- Requests ----------------------------------------------------------------------------------------------------

function groupValues(group: GroupTarget): PlaceholderValues {
  return { 'group.name': group.name, 'group.address': group.address, 'group.port': group.port }
}

function options(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}

async function send(
  contact: DeviceContact,
  template: RequestTemplate,
  values: PlaceholderValues,
  expect: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ClientResponse> {
  const request = renderRequest(template, values)
  const response = await contact.client.request(contact.at, request, options(signal))
  if (!expect.includes(response.code)) throw unexpected(response, request, diagnostic(response))
  return response
}

async function readJson(
  contact: DeviceContact,
  template: RequestTemplate,
  values: PlaceholderValues,
  signal: AbortSignal | undefined,
): Promise<{ readonly value: JsonValue; readonly fail: (text: string) => AppError }> {
  return checkedJson(await send(contact, template, values, CONTENT, signal), renderRequest(template, values))
}

function checkedJson(
  response: ClientResponse,
  request: ClientRequest,
): { readonly value: JsonValue; readonly fail: (text: string) => AppError } {
  if (!CONTENT.includes(response.code)) throw unexpected(response, request, diagnostic(response))
  const fail = (text: string): AppError => unexpected(response, request, text)
  const value = jsonOf(response)
  if (value === undefined) throw fail('the answer is not JSON')
  return { value, fail }
}

function jsonOf(response: ClientResponse): JsonValue | undefined {
  if (response.payload.length > LONGEST_ANSWER_BYTES) return undefined
  const text = utf8ToText(response.payload)
  return text === undefined ? undefined : parseJson(text)
}

function unexpected(response: ClientResponse, request: ClientRequest, text: string): AppError {
  const asked = `${request.method} /${request.path.join('/')}`
  return new AppError('profile.reply-unexpected', `${response.code} ${text} for ${asked}`.replace(/ {2,}/g, ' '), {
    // Only a server error may go away by itself (RFC 7252 §5.9.3).
    retryable: response.code.startsWith('5.'),
    details: { code: response.code, text, request: asked },
  })
}

/** The diagnostic payload of an error (RFC 7252 §5.5.2), cut and without control characters. */
function diagnostic(response: ClientResponse): string {
  if (response.contentFormat !== undefined && response.contentFormat !== 0) return ''
  return printable(utf8ToText(response.payload.subarray(0, 600)) ?? '', 200)
}

function printable(text: string, length: number): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, length)
}

// ---- What the answers say ----------------------------------------------------------------------------------------

function recognises(rule: ProfileSource['recognise'], links: readonly Link[]): boolean {
  const has = (match: LinkMatch): boolean => links.some((link) => linkMatches(link, match))
  return (rule.all?.every(has) ?? true) && (rule.any?.some(has) ?? true)
}

/** As the query filtering of RFC 6690 §4.1: space-separated values count each, and a trailing `*` matches any ending. */
function linkMatches(link: Link, match: LinkMatch): boolean {
  return Object.entries(match).every(([name, wanted]) => {
    const fits = (value: string): boolean => (wanted.endsWith('*') ? value.startsWith(wanted.slice(0, -1)) : value === wanted)
    if (name === 'href') return fits(link.href)
    return link.attributes.some(
      (attribute) =>
        attribute.name === name && attribute.value !== null && (fits(attribute.value) || attribute.value.split(' ').some(fits)),
    )
  })
}

function identityFrom(rule: ProfileSource['identity'], { value }: { readonly value: JsonValue }): DeviceIdentity {
  const text = (pointer: string | undefined): string | undefined => {
    const found = pointer === undefined ? undefined : atPointer(value, pointer)
    const written = typeof found === 'number' ? String(found) : found
    const clean = typeof written === 'string' ? printable(written, 80) : ''
    return clean === '' ? undefined : clean
  }
  const eui64 = text(rule.eui64)
  return {
    eui64: eui64 === undefined ? undefined : parseEui64(eui64),
    serial: text(rule.serial),
    model: text(rule.model),
    type: typeof rule.type === 'string' ? rule.type : typeFrom(rule.type.values, text(rule.type.pointer)),
  }
}

function typeFrom(values: Readonly<Record<string, DeviceType>>, said: string | undefined): DeviceType {
  return (said !== undefined && Object.hasOwn(values, said) ? values[said] : undefined) ?? 'unknown'
}

function tableFrom(
  rule: ProfileSource['memberships']['read'],
  { value, fail }: { readonly value: JsonValue; readonly fail: (text: string) => AppError },
): readonly GroupTableEntry[] {
  const items = atPointer(value, rule.items)
  if (!isJsonArray(items)) throw fail('the group table is not an array')
  if (items.length > MOST_TABLE_ENTRIES) throw fail('the group table has too many entries')
  return items.map((item, index) => {
    const name = atPointer(item, rule.name)
    const written = atPointer(item, rule.address)
    // In the form that the project writes (RFC 5952), whatever form the device keeps it in.
    const address = typeof written === 'string' ? normaliseAddress(written) : undefined
    const port = rule.port === undefined ? DEFAULT_PORT : (atPointer(item, rule.port) ?? DEFAULT_PORT)
    if (
      typeof name !== 'string' ||
      address === undefined ||
      typeof port !== 'number' ||
      !Number.isInteger(port) ||
      port < 1 ||
      port > 65_535
    ) {
      throw fail(`entry ${index + 1} of the group table has no name, address or port`)
    }
    return { name, address, port }
  })
}

function verdictOn(answer: JsonValue | undefined, expect: Readonly<Record<string, JsonValue>>): StateVerdict {
  if (answer === undefined) return 'unreadable'
  const pairs = Object.entries(expect).map(([pointer, wanted]) => ({ found: atPointer(answer, pointer), wanted }))
  if (pairs.some(({ found }) => found === undefined)) return 'unreadable'
  return pairs.every(({ found, wanted }) => equalJson(found, wanted)) ? 'as-commanded' : 'different'
}
