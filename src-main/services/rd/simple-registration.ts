// Simple registration: a POST without links, which the directory then fetches from the registrant (RFC 9176 §5.1).
import type { Clock, Random } from '#main/base/index.ts'
import type { IncomingRequest, OutgoingResponse, ResourceRegistry } from '#main/wire/coap/index.ts'
import { charging, refusal, sourceOf } from './answers.ts'
import { CoreFetcher } from './core-fetcher.ts'
import type { Directory } from './directory.ts'
import { invalid, readParameters } from './parameters.ts'
import { ADDRESS_FRESHNESS_MS } from './resources.ts'
import type { SourceRates } from './source-rates.ts'
import type { SimpleRegistrationOptions } from './types.ts'

export interface SimpleServingOptions {
  readonly simple: SimpleRegistrationOptions
  readonly registry: ResourceRegistry
  readonly rates: SourceRates | undefined
  readonly clock: Clock
  readonly random: Random
}

/** Hangs `/.well-known/rd` up; the returned function takes it away and ends what is under way. */
export function serveSimpleRegistration(directory: Directory, options: SimpleServingOptions): () => void {
  const { simple, registry, rates } = options
  const fetcher = new CoreFetcher({ ...simple, clock: options.clock, random: options.random, maxBytes: directory.limits.linkBytes })
  const takeAway = registry.add('/.well-known/rd', {
    handlers: { POST: charging(rates, (request) => register(directory, fetcher, request)) },
    ...(simple.proof === 'small-fetch' ? {} : { echo: { freshnessMs: ADDRESS_FRESHNESS_MS } }),
  })
  return () => {
    takeAway()
    fetcher.close()
  }
}

async function register(directory: Directory, fetcher: CoreFetcher, request: IncomingRequest): Promise<OutgoingResponse> {
  if (request.payload.length > 0) return refusal('4.00', 'A simple registration has no payload')
  const parameters = readParameters(request.query)
  if (parameters.base !== undefined) throw invalid('base', 'A simple registration has no base')
  const source = sourceOf(request)
  directory.checkMayRegister(parameters, source)
  const fetched = await fetcher.fetch(source)
  if ('refused' in fetched) return fetched.refused
  await directory.registerFrom(parameters, fetched.text, source, true)
  return { code: '2.04' }
}
