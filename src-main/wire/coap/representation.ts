// What a handler says of representations: entity-tags, preconditions, validity, age and location (RFC 7252 §5.6.2, §5.10.5 to §5.10.8),
// and that it gets too many requests (RFC 8516 §3).
import { AppError, equalBytes, sha256 } from '#main/base/index.ts'
import { findOption, findOptions, OptionNumber, stringOption, uintOption } from './options.ts'
import type { CoapOption, IncomingRequest, OutgoingResponse } from './types.ts'

/** For `Resource.criticalOptions` of a resource whose handlers ask `checkPreconditions`. */
export const PRECONDITION_OPTIONS: readonly number[] = [OptionNumber.IF_MATCH, OptionNumber.IF_NONE_MATCH]

const ETAG_BYTES = 8

/** An ETag option that differs for different representations, content-format included. */
export function entityTag(payload: Uint8Array, contentFormat?: number): CoapOption {
  const format = Uint8Array.of((contentFormat ?? 0xffff) >> 8, (contentFormat ?? 0xffff) & 0xff)
  return { number: OptionNumber.ETAG, value: sha256(format, payload).subarray(0, ETAG_BYTES) }
}

/**
 * The 4.12 that If-Match or If-None-Match calls for, or undefined where the request may be done. `current` is the ETag option of the
 * representation that is there, `exists` of one without ETag, undefined where there is none.
 */
export function checkPreconditions(request: IncomingRequest, current: CoapOption | 'exists' | undefined): OutgoingResponse | undefined {
  const matches = findOptions(request.options, OptionNumber.IF_MATCH)
  if (matches.length > 0) {
    const tag = current === undefined || current === 'exists' ? undefined : current.value
    const met = matches.some(({ value }) => (value.length === 0 ? current !== undefined : tag !== undefined && equalBytes(value, tag)))
    if (!met) return { code: '4.12' }
  }
  const mustBeNew = findOption(request.options, OptionNumber.IF_NONE_MATCH) !== undefined
  return mustBeNew && current !== undefined ? { code: '4.12' } : undefined
}

/** The response to a GET or FETCH: 2.03 without payload where the client has the representation already (§5.10.6.2). */
export function validated(request: IncomingRequest, response: OutgoingResponse): OutgoingResponse {
  const tag = response.code === '2.05' ? findOption(response.options ?? [], OptionNumber.ETAG) : undefined
  if (tag === undefined || !findOptions(request.options, OptionNumber.ETAG).some(({ value }) => equalBytes(value, tag.value)))
    return response
  return { code: '2.03', options: response.options ?? [] }
}

export function maxAge(seconds: number): CoapOption {
  return uintOption(OptionNumber.MAX_AGE, Math.min(Math.max(0, Math.floor(seconds)), 0xffffffff))
}

/** Location-Path and Location-Query. Fails with `input.invalid` for `.`, `..` and what is longer than an option holds (§5.10.7). */
export function location(path: readonly string[], query: readonly string[] = []): CoapOption[] {
  const options = [
    ...path.map((segment) => stringOption(OptionNumber.LOCATION_PATH, segment)),
    ...query.map((part) => stringOption(OptionNumber.LOCATION_QUERY, part)),
  ]
  if (path.some((segment) => segment === '.' || segment === '..') || options.some(({ value }) => value.length > 255)) {
    throw new AppError('input.invalid', 'Not a location', { details: { path } })
  }
  return options
}

export function tooManyRequests(retryAfterS: number): OutgoingResponse {
  return { code: '4.29', options: [maxAge(retryAfterS)] }
}
