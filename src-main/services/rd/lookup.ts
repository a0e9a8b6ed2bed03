// Resource and endpoint lookup (RFC 9176 §6): filters, pages, and what link-local registrations may be shown to whom.
import type { Link } from '#main/wire/coap/index.ts'
import { endpointLink, endpointMatches, linkMatches, type Criterion, type LookupQuery } from './filter.ts'
import { eachLink } from './link-scan.ts'
import { parseLinks, resolveLinks } from './links.ts'
import type { RegistrationTable } from './table.ts'
import type { RegistrationRecord } from './types.ts'
import { isLinkLocalUri } from './uri.ts'

/** Who asks: how it addresses this server, and over which link. */
export interface LookupContext {
  /** `scheme://authority` forms under which the asker knows this server. */
  readonly origins: readonly string[]
  readonly channelId: string
  readonly zone: string | undefined
  /** The operator of the directory itself sees link-local registrations of every link. */
  readonly isOperator?: boolean
}

/** Links of resources, resolved; those whose endpoint meets a criterion meet it too. */
export function lookupResources(table: RegistrationTable, query: LookupQuery, context: LookupContext): readonly Link[] {
  return page(query, matchingLinks(table, query.criteria, context))
}

/** Links of endpoints; those of which a resource link meets a criterion meet it too. */
export function lookupEndpoints(table: RegistrationTable, query: LookupQuery, context: LookupContext): readonly Link[] {
  return page(query, matchingEndpoints(table, query.criteria, context))
}

function* matchingLinks(table: RegistrationTable, criteria: readonly Criterion[], context: LookupContext): Generator<Link> {
  for (const entry of table.candidates(criteria)) {
    if (!isVisible(entry.record, context)) continue
    const open = criteria.filter((criterion) => !endpointMatches(criterion, entry.record, context.origins))
    yield* linksThatMeet(entry.record, open)
  }
}

function* matchingEndpoints(table: RegistrationTable, criteria: readonly Criterion[], context: LookupContext): Generator<Link> {
  for (const entry of table.candidates(criteria)) {
    if (isVisible(entry.record, context) && meetsAll(entry.record, criteria, context.origins)) yield endpointLink(entry.record)
  }
}

/** Whether the endpoint or one of its links meets each criterion (RFC 9176 §6.2). */
export function meetsAll(record: RegistrationRecord, criteria: readonly Criterion[], origins: readonly string[]): boolean {
  return criteria.every((criterion) => {
    if (endpointMatches(criterion, record, origins)) return true
    return linksThatMeet(record, [criterion]).next().done !== true
  })
}

/** Of a registration's links, as lookups show them, those that meet all criteria. Of the others only the text is looked at. */
function* linksThatMeet(record: RegistrationRecord, criteria: readonly Criterion[]): Generator<Link> {
  const part = partOfText(record.links, criteria)
  if (part !== undefined && !record.links.includes(part)) return
  for (const text of eachLink(record.links)) {
    if (part !== undefined && !text.includes(part)) continue
    for (const link of resolveLinks(parseLinks(text), record.base))
      if (criteria.every((criterion) => linkMatches(criterion, link))) yield link
  }
}

/** What stands in the text of every link that meets the criteria; undefined where that cannot be said. */
function partOfText(links: string, criteria: readonly Criterion[]): string | undefined {
  // Quoted pairs hide what a value is (RFC 6690 §2); targets and anchors are compared when they are resolved.
  if (links.includes('\\')) return undefined
  return criteria.find(({ name, text }) => name !== 'href' && name !== 'anchor' && text !== '')?.text
}

function page(query: LookupQuery, results: Iterable<Link>): readonly Link[] {
  const links: Link[] = []
  let position = 0
  if (query.take === 0) return links
  for (const link of results) {
    if (position++ < query.skip) continue
    links.push(link)
    if (links.length >= query.take) break
  }
  return links
}

/** A link-local base is shown only on the link from which it was registered (RFC 9176 §6.1, §6.4). */
function isVisible(record: RegistrationRecord, context: LookupContext): boolean {
  if (context.isOperator === true || !isLinkLocalUri(record.base)) return true
  return record.source?.channelId === context.channelId && record.source.address.zone === context.zone
}
