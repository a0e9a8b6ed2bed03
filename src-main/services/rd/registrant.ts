// The other side: this program as a registrant at a directory elsewhere, found by its resource types (RFC 9176 §4.3, §5, §5.3, §6).
import { AppError, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import {
  ContentFormat,
  linkValues,
  locationOf,
  parseLinkFormat,
  type ClientRequest,
  type ClientResponse,
  type CoapClient,
  type Link,
  type RequestOptions,
} from '#main/wire/coap/index.ts'
import { draftOfInput } from './drafts.ts'
import type { RegistrationInput } from './types.ts'
import { isUri, splitUri } from './uri.ts'

/** Path segments of a directory's interfaces, decoded; undefined where it has none. */
export interface RemoteDirectory {
  readonly register: readonly string[] | undefined
  readonly lookupResources: readonly string[] | undefined
  readonly lookupEndpoints: readonly string[] | undefined
}

export interface RemoteRegistration {
  /** Path segments of the registration resource, where it is updated and removed. */
  readonly location: readonly string[]
}

/** Asks for the interfaces. Fails as `request` does, and with `coap.response-error`, `link-format.invalid`. */
export async function discoverDirectory(client: CoapClient, at: SocketAddress, options?: RequestOptions): Promise<RemoteDirectory> {
  const links = await getLinks(client, at, { method: 'GET', path: ['.well-known', 'core'], query: ['rt=core.rd*'] }, options)
  const pathOf = (type: string): readonly string[] | undefined => {
    // Interfaces on another host would have to be asked there.
    const link = links.find((one) => linkValues(one, 'rt').includes(type) && !isUri(one.href) && one.href.startsWith('/'))
    return link === undefined ? undefined : segmentsOf(link.href)
  }
  return { register: pathOf('core.rd'), lookupResources: pathOf('core.rd-lookup-res'), lookupEndpoints: pathOf('core.rd-lookup-ep') }
}

/** Registers, or replaces what was registered under the name. Throws `rd.parameter-invalid`, `coap.response-error`, and as `request` does. */
export async function registerAt(
  client: CoapClient,
  at: SocketAddress,
  register: readonly string[],
  input: RegistrationInput,
  options?: RequestOptions,
): Promise<RemoteRegistration> {
  const draft = draftOfInput(input)
  const query = [`ep=${draft.endpointName}`]
  if (draft.sector !== '') query.push(`d=${draft.sector}`)
  query.push(`lt=${draft.lifetimeS}`, `base=${draft.base}`)
  for (const { name, value } of draft.attributes) query.push(value === null ? name : `${name}=${value}`)
  const response = await ask(
    client,
    at,
    { method: 'POST', path: register, query, contentFormat: ContentFormat.LINK_FORMAT, payload: utf8(draft.links) },
    '2.01',
    options,
  )
  const location = locationOf(response.options)?.path
  if (location === undefined) throw new AppError('coap.response-error', 'The directory gave the registration no location')
  return { location }
}

/** Starts the lifetime anew, as it was or with another length (§5.3.1). Fails with `coap.response-error` where it is not known any more. */
export async function renewAt(
  client: CoapClient,
  at: SocketAddress,
  { location }: RemoteRegistration,
  lifetimeS?: number,
  options?: RequestOptions,
): Promise<void> {
  const query = lifetimeS === undefined ? [] : [`lt=${lifetimeS}`]
  await ask(client, at, { method: 'POST', path: location, query }, '2.04', options)
}

export async function removeAt(
  client: CoapClient,
  at: SocketAddress,
  { location }: RemoteRegistration,
  options?: RequestOptions,
): Promise<void> {
  await ask(client, at, { method: 'DELETE', path: location }, '2.02', options)
}

/** Links that a directory elsewhere knows; criteria as `name=value`. */
export async function lookUpAt(
  client: CoapClient,
  at: SocketAddress,
  lookup: readonly string[],
  criteria: readonly string[],
  options?: RequestOptions,
): Promise<readonly Link[]> {
  return getLinks(client, at, { method: 'GET', path: lookup, query: criteria }, options)
}

async function getLinks(client: CoapClient, at: SocketAddress, request: ClientRequest, options?: RequestOptions): Promise<readonly Link[]> {
  const { payload } = await ask(client, at, { ...request, accept: ContentFormat.LINK_FORMAT }, '2.05', options)
  const text = utf8ToText(payload)
  if (text === undefined) throw new AppError('link-format.invalid', 'The directory’s answer is no text')
  return parseLinkFormat(text)
}

async function ask(
  client: CoapClient,
  at: SocketAddress,
  request: ClientRequest,
  expected: ClientResponse['code'],
  options?: RequestOptions,
): Promise<ClientResponse> {
  const response = await client.request(at, request, options)
  if (response.code === expected) return response
  throw new AppError('coap.response-error', `The directory answered ${response.code}`, { details: { code: response.code } })
}

function segmentsOf(href: string): readonly string[] {
  return splitUri(href)
    .path.slice(1)
    .split('/')
    .map((segment) => {
      try {
        return decodeURIComponent(segment)
      } catch {
        return segment
      }
    })
}
