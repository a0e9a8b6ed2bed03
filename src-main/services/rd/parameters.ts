// Query parameters of registrations and updates (RFC 9176 §5, §5.3.1, §9.3): what may be given, and in which shape.
import { AppError, utf8 } from '#main/base/index.ts'
import type { LinkAttribute } from '#main/wire/coap/index.ts'
import { whyNoBase } from './uri.ts'

export const DEFAULT_LIFETIME_S = 90_000
export const LONGEST_LIFETIME_S = 4_294_967_295
const LONGEST_NAME_BYTES = 63

/** Names that the endpoint's own link gives a meaning to, or a lookup does: they cannot be endpoint attributes. */
const RESERVED = new Set(['href', 'anchor', 'rt', 'page', 'count'])
/** A token of RFC 8288 that link-format can write as a parameter name (RFC 6690 §2, RFC 8187 §3.2.1). */
const ATTRIBUTE_NAME = /^[A-Za-z0-9!#$&+\-.^_`|~]{1,63}$/

export interface RegistrationParameters {
  readonly endpointName: string | undefined
  readonly sector: string | undefined
  readonly lifetimeS: number | undefined
  readonly base: string | undefined
  readonly attributes: readonly LinkAttribute[]
}

/** Reads the Uri-Query options of a registration or an update. Throws `rd.parameter-invalid`. */
export function readParameters(query: readonly string[]): RegistrationParameters {
  const single = new Map<string, string>()
  const attributes: LinkAttribute[] = []
  for (const part of query) {
    const equals = part.indexOf('=')
    const name = equals < 0 ? part : part.slice(0, equals)
    const value = equals < 0 ? null : part.slice(equals + 1)
    if (name === 'ep' || name === 'd' || name === 'lt' || name === 'base') {
      if (single.has(name)) throw invalid(name, `${name} is given more than once`)
      single.set(name, value ?? '')
    } else attributes.push(checkAttribute({ name, value }))
  }
  return {
    endpointName: optional(single.get('ep'), (text) => checkName('ep', text)),
    sector: optional(single.get('d'), (text) => checkName('d', text)),
    lifetimeS: optional(single.get('lt'), readLifetime),
    base: optional(single.get('base'), checkBase),
    attributes,
  }
}

/** An endpoint name or a sector: up to 63 bytes without control characters; a sector may be empty, which is none. */
export function checkName(name: 'ep' | 'd', text: string): string {
  if (text === '' && name === 'ep') throw invalid(name, 'ep is empty')
  if (utf8(text).length > LONGEST_NAME_BYTES) throw invalid(name, `${name} is longer than ${LONGEST_NAME_BYTES} bytes`)
  if (/\p{Cc}/u.test(text)) throw invalid(name, `${name} holds a control character`)
  return text
}

export function checkLifetime(lifetimeS: number): number {
  if (!Number.isInteger(lifetimeS) || lifetimeS < 1 || lifetimeS > LONGEST_LIFETIME_S) {
    throw invalid('lt', `lt must be a number of seconds from 1 to ${LONGEST_LIFETIME_S}`)
  }
  return lifetimeS
}

export function checkBase(base: string): string {
  const reason = whyNoBase(base)
  if (reason !== undefined) throw invalid('base', reason)
  return base
}

/** An endpoint attribute, its name in small letters: such names know no case (RFC 8288 §3). */
export function checkAttribute(attribute: LinkAttribute): LinkAttribute {
  const name = attribute.name.toLowerCase()
  if (RESERVED.has(name)) throw invalid(name, `${name} cannot be a registration parameter`)
  if (!ATTRIBUTE_NAME.test(name)) throw invalid(name, 'A parameter name is no token')
  if (attribute.value !== null && /\p{Cc}/u.test(attribute.value)) throw invalid(name, `${name} holds a control character`)
  return { name, value: attribute.value }
}

function readLifetime(text: string): number {
  return checkLifetime(/^\d{1,10}$/.test(text) ? Number(text) : Number.NaN)
}

function optional<Value>(text: string | undefined, read: (text: string) => Value): Value | undefined {
  return text === undefined ? undefined : read(text)
}

export function invalid(parameter: string, message: string): AppError {
  return new AppError('rd.parameter-invalid', message, { details: { parameter: parameter.slice(0, 64) } })
}
