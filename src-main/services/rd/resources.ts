// The directory's registration interface: registration, update, reading and removal as a resource (RFC 9176 §4.3, §5, §5.3).
import { AppError, utf8ToText } from '#main/base/index.ts'
import {
  ContentFormat,
  OptionNumber,
  stringOption,
  type EchoPolicy,
  type IncomingRequest,
  type OutgoingResponse,
  type ResourceRegistry,
} from '#main/wire/coap/index.ts'
import { answering, charging, linksResponse, sourceOf, wantsOtherFormat } from './answers.ts'
import type { Directory } from './directory.ts'
import { readParameters } from './parameters.ts'
import type { SourceRates } from './source-rates.ts'

export interface ServingOptions {
  readonly registry: ResourceRegistry
  readonly rates: SourceRates | undefined
  readonly proveAddresses: boolean
}

/** How long a proven address stays proven: a registrant is asked once for a registration and what follows it. */
export const ADDRESS_FRESHNESS_MS = 300_000

/** Hangs `/rd` up; the returned function takes it away. */
export function serveRegistrations(directory: Directory, { registry, rates, proveAddresses }: ServingOptions): () => void {
  const echo: EchoPolicy = { freshnessMs: ADDRESS_FRESHNESS_MS, methods: ['POST', 'DELETE'] }
  return registry.add('/rd', {
    attributes: { rt: 'core.rd', ct: '40' },
    subtree: true,
    handlers: {
      POST: charging(rates, (request) => (request.path.length === 1 ? register(directory, request) : update(directory, request))),
      GET: answering((request) => read(directory, request)),
      DELETE: charging(rates, (request) => remove(directory, request)),
    },
    ...(proveAddresses ? { echo } : {}),
  })
}

async function register(directory: Directory, request: IncomingRequest): Promise<OutgoingResponse> {
  if (request.contentFormat !== undefined && request.contentFormat !== ContentFormat.LINK_FORMAT) return { code: '4.15' }
  if (request.payload.length > directory.limits.linkBytes) return { code: '4.13' }
  const links = utf8ToText(request.payload)
  if (links === undefined) throw new AppError('rd.links-invalid', 'The links are not UTF-8')
  const { id } = await directory.registerFrom(readParameters(request.query), links, sourceOf(request))
  return { code: '2.01', options: ['rd', id].map((segment) => stringOption(OptionNumber.LOCATION_PATH, segment)) }
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
  if (wantsOtherFormat(request)) return { code: '4.06' }
  const id = registrationId(request)
  const links = id === undefined ? undefined : directory.linksOf(id)
  return links === undefined ? { code: '4.04' } : linksResponse(links)
}

async function remove(directory: Directory, request: IncomingRequest): Promise<OutgoingResponse> {
  if (request.path.length === 1) return { code: '4.05' }
  const id = registrationId(request)
  return { code: id !== undefined && (await directory.removeFrom(id, sourceOf(request))) ? '2.02' : '4.04' }
}

function registrationId(request: IncomingRequest): string | undefined {
  return request.path.length === 2 ? request.path[1] : undefined
}
