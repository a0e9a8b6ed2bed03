// Resource and endpoint lookup (RFC 9176 §6): filters, pages, and what link-local registrations may be shown to whom.
import type { Link } from '#main/wire/coap/index.ts'
import { endpointLink, endpointMatches, linkMatches, type Criterion, type LookupQuery } from './filter.ts'
import type { Entry, RegistrationTable } from './table.ts'
import type { RegistrationRecord } from './types.ts'
import { isLinkLocalUri } from './uri.ts'

/** Who asks: how it addresses this server, and over which link. */
export interface LookupContext {
  /** `scheme://authority` forms under which the asker knows this server. */
  readonly origins: readonly string[]
  readonly channelId: string
  readonly zone: string | undefined
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
    for (const link of table.links(entry)) if (open.every((criterion) => linkMatches(criterion, link))) yield link
  }
}

function* matchingEndpoints(table: RegistrationTable, criteria: readonly Criterion[], context: LookupContext): Generator<Link> {
  for (const entry of table.candidates(criteria)) {
    if (isVisible(entry.record, context) && criteria.every((criterion) => meets(table, entry, criterion, context)))
      yield endpointLink(entry.record)
  }
}

function meets(table: RegistrationTable, entry: Entry, criterion: Criterion, context: LookupContext): boolean {
  return endpointMatches(criterion, entry.record, context.origins) || table.links(entry).some((link) => linkMatches(criterion, link))
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
  if (!isLinkLocalUri(record.base)) return true
  return record.source?.channelId === context.channelId && record.source.address.zone === context.zone
}
