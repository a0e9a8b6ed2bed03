// Lookup filtering (RFC 9176 §6.2 with RFC 6690 §4.1): criteria from the query, and whether a link or an endpoint meets one.
import { AppError } from '#main/base/index.ts'
import type { Link, LinkAttribute } from '#main/wire/coap/index.ts'
import { invalid } from './parameters.ts'
import type { RegistrationRecord } from './types.ts'

export interface Criterion {
  readonly name: string
  /** The text to find, without the wildcard. */
  readonly text: string
  /** Whether a trailing `*` stood behind the text. */
  readonly prefix: boolean
}

export interface LookupQuery {
  readonly criteria: readonly Criterion[]
  /** Results to skip, and to return at most. */
  readonly skip: number
  readonly take: number
}

const MOST_CRITERIA = 32
/** Attributes that RFC 6690 §2 defines as relation-types: several values in one, separated by spaces. */
const MULTI_VALUED = new Set(['rel', 'rev', 'rt', 'if'])
export const ENDPOINT_RESOURCE_TYPE = 'core.rd-ep'
export const REGISTRATION_PATH = '/rd/'

/** Reads the Uri-Query options of a lookup. Throws `rd.parameter-invalid`. */
export function readLookupQuery(query: readonly string[]): LookupQuery {
  const numbers = new Map<string, number>()
  const criteria: Criterion[] = []
  for (const part of query) {
    const equals = part.indexOf('=')
    const name = (equals < 0 ? part : part.slice(0, equals)).toLowerCase()
    const value = equals < 0 ? '*' : part.slice(equals + 1)
    if (name === '') throw invalid(name, 'A search criterion has no name')
    if (name !== 'page' && name !== 'count') {
      const prefix = value.endsWith('*')
      criteria.push({ name, text: prefix ? value.slice(0, -1) : value, prefix })
    } else if (numbers.has(name) || !/^\d{1,9}$/.test(value)) throw invalid(name, `${name} must be one number`)
    else numbers.set(name, Number(value))
  }
  if (criteria.length > MOST_CRITERIA) throw new AppError('rd.parameter-invalid', 'Too many search criteria')
  const count = numbers.get('count')
  const page = numbers.get('page')
  if (page !== undefined && count === undefined) throw invalid('page', 'page cannot be used without count')
  return { criteria, skip: (page ?? 0) * (count ?? 0), take: count ?? Number.POSITIVE_INFINITY }
}

export function matchesText(criterion: Criterion, text: string): boolean {
  return criterion.prefix ? text.startsWith(criterion.text) : text === criterion.text
}

/** The values that a criterion is compared with, one by one. */
export function valuesOf(attribute: LinkAttribute): readonly string[] {
  const value = attribute.value ?? ''
  return MULTI_VALUED.has(attribute.name) && value.includes(' ') ? value.split(' ').filter((word) => word !== '') : [value]
}

export function matchesAttributes(criterion: Criterion, attributes: readonly LinkAttribute[]): boolean {
  return attributes.some(
    (attribute) => attribute.name === criterion.name && valuesOf(attribute).some((value) => matchesText(criterion, value)),
  )
}

/** Whether a resolved link itself meets the criterion; `href` matches its target. */
export function linkMatches(criterion: Criterion, link: Link): boolean {
  return criterion.name === 'href' ? matchesText(criterion, link.href) : matchesAttributes(criterion, link.attributes)
}

/** Whether the endpoint's own link meets the criterion; `origins` are this server's own `scheme://authority` forms. */
export function endpointMatches(criterion: Criterion, record: RegistrationRecord, origins: readonly string[]): boolean {
  switch (criterion.name) {
    case 'href': {
      const path = REGISTRATION_PATH + record.id
      // A wildcard that ends within this server's own authority asks for link targets, not for registrations.
      const isOwnUri = (origin: string): boolean =>
        criterion.text.startsWith(origin + REGISTRATION_PATH) && matchesText(criterion, origin + path)
      return matchesText(criterion, path) || origins.some(isOwnUri)
    }
    case 'ep':
      return matchesText(criterion, record.endpointName)
    case 'd':
      return record.sector !== '' && matchesText(criterion, record.sector)
    case 'base':
      return matchesText(criterion, record.base)
    case 'rt':
      return matchesText(criterion, ENDPOINT_RESOURCE_TYPE)
    default:
      return matchesAttributes(criterion, record.attributes)
  }
}

/** The link that stands for an endpoint in lookups (RFC 9176 §6.4): the lifetime is not told. */
export function endpointLink(record: RegistrationRecord): Link {
  const attributes: LinkAttribute[] = [{ name: 'ep', value: record.endpointName }]
  if (record.sector !== '') attributes.push({ name: 'd', value: record.sector })
  attributes.push({ name: 'base', value: record.base }, ...record.attributes, { name: 'rt', value: ENDPOINT_RESOURCE_TYPE })
  return { href: REGISTRATION_PATH + record.id, attributes }
}
