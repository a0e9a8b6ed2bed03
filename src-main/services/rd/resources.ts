// The directory's CoAP interface: registration, update, removal and lookups as resources (RFC 9176 §4.3, §5, §6).
import { AppError, encodeUint, utf8, utf8ToText } from '#main/base/index.ts'
import {
  formatLinkFormat,
  type IncomingRequest,
  type Link,
  type OutgoingResponse,
  type ResourceHandler,
  type ResourceRegistry,
} from '#main/wire/coap/index.ts'
import type { Directory } from './directory.ts'
import { readLookupQuery } from './filter.ts'
import type { LookupContext } from './lookup.ts'
import { readParameters } from './parameters.ts'
import type { RegistrationSource } from './types.ts'

const LINK_FORMAT = 40
const OPTION_URI_HOST = 3
const OPTION_URI_PORT = 7
const OPTION_LOCATION_PATH = 8
const OPTION_MAX_AGE = 14
/** When to try again where the directory is full (RFC 7252 §5.9.3.4). */
const FULL_RETRY_S = 60

/** Hangs the directory's resources up; the returned function takes them away. */
export function serveDirectory(directory: Directory, registry: ResourceRegistry): () => void {
  const lookup = (find: (request: IncomingRequest) => readonly Link[]): ResourceHandler =>
    answering((request) => {
      if (request.accept !== undefined && request.accept !== LINK_FORMAT) return { code: '4.06' }
      return { code: '2.05', contentFormat: LINK_FORMAT, payload: utf8(formatLinkFormat(find(request))) }
    })
  const takeAway = [
    registry.add('/rd', {
      attributes: { rt: 'core.rd', ct: '40' },
      subtree: true,
      handlers: {
        POST: answering((request) => (request.path.length === 1 ? register(directory, request) : update(directory, request))),
        GET: answering((request) => read(directory, request)),
        DELETE: answering((request) => remove(directory, request)),
      },
    }),
    registry.add('/rd-lookup/res', {
      attributes: { rt: 'core.rd-lookup-res', ct: '40' },
      handlers: { GET: lookup((request) => directory.lookupResources(readLookupQuery(request.query), contextOf(request))) },
    }),
    registry.add('/rd-lookup/ep', {
      attributes: { rt: 'core.rd-lookup-ep', ct: '40' },
      handlers: { GET: lookup((request) => directory.lookupEndpoints(readLookupQuery(request.query), contextOf(request))) },
    }),
  ]
  return () => takeAway.forEach((take) => take())
}

async function register(directory: Directory, request: IncomingRequest): Promise<OutgoingResponse> {
  if (request.contentFormat !== undefined && request.contentFormat !== LINK_FORMAT) return { code: '4.15' }
  if (request.payload.length > directory.limits.linkBytes) return { code: '4.13' }
  const links = utf8ToText(request.payload)
  if (links === undefined) throw new AppError('rd.links-invalid', 'The links are not UTF-8')
  const { id } = await directory.registerFrom(readParameters(request.query), links, sourceOf(request))
  const location = ['rd', id].map((segment) => ({ number: OPTION_LOCATION_PATH, value: utf8(segment) }))
  return { code: '2.01', options: location }
}

async function update(directory: Directory, request: IncomingRequest): Promise<OutgoingResponse> {
  const id = registrationId(request)
  if (id === undefined || directory.linksOf(id) === undefined) return { code: '4.04' }
  // POST with links is left to future standards (RFC 9176 §5.3.1).
  if (request.payload.length > 0) throw new AppError('rd.parameter-invalid', 'An update has no payload')
  const updated = await directory.updateFrom(id, readParameters(request.query), sourceOf(request))
  return { code: updated === undefined ? '4.04' : '2.04' }
}

function read(directory: Directory, request: IncomingRequest): OutgoingResponse {
  if (request.path.length === 1) return { code: '4.05' }
  if (request.accept !== undefined && request.accept !== LINK_FORMAT) return { code: '4.06' }
  const id = registrationId(request)
  const links = id === undefined ? undefined : directory.linksOf(id)
  return links === undefined ? { code: '4.04' } : { code: '2.05', contentFormat: LINK_FORMAT, payload: utf8(links) }
}

async function remove(directory: Directory, request: IncomingRequest): Promise<OutgoingResponse> {
  if (request.path.length === 1) return { code: '4.05' }
  const id = registrationId(request)
  return { code: id !== undefined && (await directory.removeFrom(id, sourceOf(request))) ? '2.02' : '4.04' }
}

function registrationId(request: IncomingRequest): string | undefined {
  return request.path.length === 2 ? request.path[1] : undefined
}

function sourceOf(request: IncomingRequest): RegistrationSource {
  return { address: request.source, channelId: request.channelId }
}

function contextOf(request: IncomingRequest): LookupContext {
  return { origins: ownOrigins(request), channelId: request.channelId, zone: request.source.zone }
}

/** How the asker writes this server's URIs: by the address it sent to, and by Uri-Host where it gave one (RFC 7252 §6.5). */
function ownOrigins(request: IncomingRequest): readonly string[] {
  const { destination } = request
  const hostOption = request.options.find((option) => option.number === OPTION_URI_HOST)
  const portOption = request.options.find((option) => option.number === OPTION_URI_PORT)
  const hosts = destination === undefined ? [] : [destination.address.includes(':') ? `[${destination.address}]` : destination.address]
  const named = hostOption === undefined ? undefined : utf8ToText(hostOption.value)
  if (named !== undefined) hosts.push(named)
  const port = portOption === undefined ? (destination?.port ?? 5683) : portOption.value.reduce((value, byte) => value * 256 + byte, 0)
  return hosts.flatMap((host) => (port === 5683 ? [`coap://${host}`, `coap://${host}:5683`] : [`coap://${host}:${port}`]))
}

/** Turns the failures that a request may cause into responses with a diagnostic payload (RFC 7252 §5.5.2). */
function answering(handle: (request: IncomingRequest) => OutgoingResponse | Promise<OutgoingResponse>): ResourceHandler {
  return async (request) => {
    try {
      return await handle(request)
    } catch (thrown) {
      const response = thrown instanceof AppError ? responseTo(thrown) : undefined
      if (response === undefined) throw thrown
      return response
    }
  }
}

function responseTo(failure: AppError): OutgoingResponse | undefined {
  const payload = utf8(failure.message)
  const { code } = failure
  if (code === 'rd.parameter-invalid' || code === 'rd.links-invalid') return { code: '4.00', payload }
  if (code === 'access.denied') return { code: '4.03', payload }
  if (code === 'coap.too-large') return { code: '4.13', payload }
  if (code === 'rd.full') return { code: '5.03', payload, options: [{ number: OPTION_MAX_AGE, value: encodeUint(FULL_RETRY_S) }] }
  return undefined
}
