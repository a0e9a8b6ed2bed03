// How the directory's resources answer: failures that a request may cause become responses with a diagnostic payload
// (RFC 7252 §5.5.2), and each request is charged to its source first (RFC 8516).
import { AppError, utf8 } from '#main/base/index.ts'
import {
  ContentFormat,
  OptionNumber,
  uintOption,
  type IncomingRequest,
  type OutgoingResponse,
  type ResourceHandler,
} from '#main/wire/coap/index.ts'
import type { SourceRates } from './source-rates.ts'
import type { RegistrationSource } from './types.ts'

/** When to try again where the directory is full (RFC 7252 §5.9.3.4). */
const FULL_RETRY_S = 60

export function answering(handle: (request: IncomingRequest) => OutgoingResponse | Promise<OutgoingResponse>): ResourceHandler {
  return async (request) => {
    try {
      return await handle(request)
    } catch (thrown) {
      return responseTo(thrown)
    }
  }
}

/** The same, when its source has not asked too often. */
export function charging(
  rates: SourceRates | undefined,
  handle: (request: IncomingRequest) => OutgoingResponse | Promise<OutgoingResponse>,
): ResourceHandler {
  return answering((request) => {
    rates?.charge(sourceOf(request), request.payload.length)
    return handle(request)
  })
}

export function sourceOf({ source: address, channelId, peer }: IncomingRequest): RegistrationSource {
  return peer === undefined ? { address, channelId } : { address, channelId, identity: `${peer.scheme}:${peer.name}` }
}

export function linksResponse(text: string): OutgoingResponse {
  return { code: '2.05', contentFormat: ContentFormat.LINK_FORMAT, payload: utf8(text) }
}

/** Whether the client wants what only application/link-format can give. */
export function wantsOtherFormat(request: IncomingRequest): boolean {
  return request.accept !== undefined && request.accept !== ContentFormat.LINK_FORMAT
}

export function refusal(code: OutgoingResponse['code'], reason: string, retryAfterS?: number): OutgoingResponse {
  const payload = utf8(reason)
  return retryAfterS === undefined ? { code, payload } : { code, payload, options: [uintOption(OptionNumber.MAX_AGE, retryAfterS)] }
}

/** Throws what is no fault of the request. */
export function responseTo(thrown: unknown): OutgoingResponse {
  if (!(thrown instanceof AppError)) throw thrown
  const { code, message } = thrown
  if (code === 'rd.parameter-invalid' || code === 'rd.links-invalid') return refusal('4.00', message)
  if (code === 'access.denied') return refusal('4.03', message)
  if (code === 'coap.too-large') return refusal('4.13', message)
  if (code !== 'rd.full') throw thrown
  const { retryAfterS } = thrown.details
  return typeof retryAfterS === 'number' ? refusal('4.29', message, retryAfterS) : refusal('5.03', message, FULL_RETRY_S)
}
