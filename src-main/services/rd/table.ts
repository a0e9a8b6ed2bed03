// The live registrations in memory, with the indexes that keep lookups from reading all of them (RFC 9176 §6).
import type { Link } from '#main/wire/coap/index.ts'
import { ENDPOINT_RESOURCE_TYPE, matchesText, REGISTRATION_PATH, valuesOf, type Criterion } from './filter.ts'
import { ParsedLinks, parseLinks, resolveLinks } from './links.ts'
import { TermIndex, type Term } from './term-index.ts'
import type { RegistrationRecord } from './types.ts'
import { isUri, originOf } from './uri.ts'

/** One registration; the record is replaced as a whole when it changes. */
export interface Entry {
  record: RegistrationRecord
}

/** Attributes whose values are indexed, of endpoints and of links alike. Others are looked for among what the indexed ones leave. */
const INDEXED = new Set(['ep', 'd', 'base', 'et', 'rt', 'if'])
/** Not an attribute: scheme and authority of the base and of all full URIs in the links, for `href` and `anchor`. */
const ORIGIN = ' origin'

export class RegistrationTable {
  readonly #live = new Map<string, Entry>()
  readonly #index = new TermIndex<Entry>()
  readonly #parsed = new ParsedLinks()

  get size(): number {
    return this.#live.size
  }

  /** In the order in which they were first made. */
  entries(): Iterable<Entry> {
    return this.#live.values()
  }

  /** `links` are the entry's links where they have been read already. */
  add(entry: Entry, links?: readonly Link[]): void {
    this.#live.set(entry.record.id, entry)
    for (const term of termsOf(entry.record, links)) this.#index.add(term, entry)
  }

  delete(entry: Entry): void {
    if (!this.#live.delete(entry.record.id)) return
    for (const term of termsOf(entry.record)) this.#index.delete(term, entry)
    this.#parsed.forget(entry.record.id)
  }

  /** Puts another record in the entry's place; its position in the order stays. */
  replace(entry: Entry, record: RegistrationRecord, links?: readonly Link[]): void {
    const before = entry.record
    const sameTerms =
      before.links === record.links &&
      before.base === record.base &&
      JSON.stringify(before.attributes) === JSON.stringify(record.attributes)
    if (!sameTerms) for (const term of termsOf(before)) this.#index.delete(term, entry)
    entry.record = record
    if (!sameTerms) for (const term of termsOf(record, links)) this.#index.add(term, entry)
  }

  /** The entry's links as lookups show them. */
  links(entry: Entry): readonly Link[] {
    return this.#parsed.of(entry.record)
  }

  /** The fewest entries among which all matches of the criteria are. */
  candidates(criteria: readonly Criterion[]): Iterable<Entry> {
    let best: (Iterable<Entry> & { readonly size: number }) | undefined
    for (const criterion of criteria) {
      const found = this.#candidatesOf(criterion, best?.size ?? this.#live.size)
      if (found !== undefined && (best === undefined || found.size < best.size)) best = found
    }
    return best ?? this.#live.values()
  }

  #candidatesOf(criterion: Criterion, most: number): (Iterable<Entry> & { readonly size: number }) | undefined {
    const { name, text, prefix } = criterion
    if (name === 'href' || name === 'anchor') return this.#candidatesOfUri(criterion)
    if (!INDEXED.has(name)) return undefined
    // Every endpoint's own link has this resource type (RFC 9176 §6.4).
    if (name === 'rt' && matchesText(criterion, ENDPOINT_RESOURCE_TYPE)) return undefined
    return prefix ? this.#index.withPrefix(name, text, most) : this.#index.exact(name, text)
  }

  #candidatesOfUri(criterion: Criterion): (Iterable<Entry> & { readonly size: number }) | undefined {
    const { name, text, prefix } = criterion
    if (name === 'href' && text.includes(REGISTRATION_PATH)) {
      // A registration resource, as a path or as one of this server's URIs; of the latter some links may share the origin.
      if (prefix || isUri(text)) return undefined
      const entry = this.#live.get(text.slice(REGISTRATION_PATH.length))
      return new Set(entry === undefined ? [] : [entry])
    }
    // Targets of links are shown as full URIs only.
    if (!prefix && text.startsWith('/')) return new Set<Entry>()
    const origin = originOf(text)
    // A prefix that ends within the authority is shared by several origins.
    if (origin === undefined || (prefix && origin === text)) return undefined
    return this.#index.exact(ORIGIN, origin)
  }
}

function termsOf(record: RegistrationRecord, links: readonly Link[] = parseLinks(record.links)): Iterable<Term> {
  const terms = new Map<string, Term>()
  const add = (name: string, value: string): void => void terms.set(`${name}=${value}`, { name, value })
  add('ep', record.endpointName)
  if (record.sector !== '') add('d', record.sector)
  add('base', record.base)
  addOrigin(record.base)
  for (const attribute of record.attributes)
    if (INDEXED.has(attribute.name)) for (const value of valuesOf(attribute)) add(attribute.name, value)
  for (const link of resolveLinks(links, record.base)) {
    addOrigin(link.href)
    for (const attribute of link.attributes) {
      if (attribute.name === 'anchor') addOrigin(attribute.value ?? '')
      else if (INDEXED.has(attribute.name)) for (const value of valuesOf(attribute)) add(attribute.name, value)
    }
  }
  return terms.values()

  function addOrigin(uri: string): void {
    const origin = originOf(uri)
    if (origin !== undefined) add(ORIGIN, origin)
  }
}
