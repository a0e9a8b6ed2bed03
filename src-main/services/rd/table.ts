// The live registrations in memory, with the indexes that keep lookups from reading all of them (RFC 9176 §6).
import { ENDPOINT_RESOURCE_TYPE, matchesText, REGISTRATION_PATH, valuesOf, type Criterion } from './filter.ts'
import { INDEXED, readTerms } from './link-terms.ts'
import { TermIndex } from './term-index.ts'
import type { RegistrationRecord } from './types.ts'
import { isUri, originOf } from './uri.ts'

/** One registration; the record is replaced as a whole when it changes. */
export interface Entry {
  record: RegistrationRecord
}

/** Not an attribute: scheme and authority of the base and of all full URIs in the links, for `href` and `anchor`. */
const ORIGIN = ' origin'

export class RegistrationTable {
  readonly #live = new Map<string, Entry>()
  readonly #index = new TermIndex<Entry>()

  get size(): number {
    return this.#live.size
  }

  /** In the order in which they were first made. */
  entries(): Iterable<Entry> {
    return this.#live.values()
  }

  add(entry: Entry): void {
    this.#live.set(entry.record.id, entry)
    forEachTerm(entry.record, (name, value) => this.#index.add(name, value, entry))
  }

  delete(entry: Entry): void {
    if (!this.#live.delete(entry.record.id)) return
    forEachTerm(entry.record, (name, value) => this.#index.delete(name, value, entry))
  }

  /** Puts another record in the entry's place; its position in the order stays. */
  replace(entry: Entry, record: RegistrationRecord): void {
    const before = entry.record
    const sameTerms = before.links === record.links && before.base === record.base && haveSameAttributes(before, record)
    if (!sameTerms) forEachTerm(before, (name, value) => this.#index.delete(name, value, entry))
    entry.record = record
    if (!sameTerms) forEachTerm(record, (name, value) => this.#index.add(name, value, entry))
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

  /** Exactly the entries that meet the criterion, by themselves or by one of their links; undefined where no index says so. */
  whoMeets({ name, text, prefix }: Criterion): ReadonlySet<Entry> | undefined {
    // Every endpoint's own link has that resource type, too, and no index (RFC 9176 §6.4).
    if (!INDEXED.has(name) || (name === 'rt' && matchesText({ name, text, prefix }, ENDPOINT_RESOURCE_TYPE))) return undefined
    return prefix ? this.#index.withPrefix(name, text, Number.POSITIVE_INFINITY) : this.#index.exact(name, text)
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

export function haveSameAttributes({ attributes: one }: RegistrationRecord, { attributes: other }: RegistrationRecord): boolean {
  return (
    one === other ||
    (one.length === other.length && one.every(({ name, value }, at) => other[at]?.name === name && other[at].value === value))
  )
}

/** Some more than once. */
function forEachTerm(record: RegistrationRecord, visit: (name: string, value: string) => void): void {
  visit('ep', record.endpointName)
  if (record.sector !== '') visit('d', record.sector)
  visit('base', record.base)
  const origin = originOf(record.base)
  if (origin !== undefined) visit(ORIGIN, origin)
  for (const attribute of record.attributes)
    if (INDEXED.has(attribute.name)) for (const value of valuesOf(attribute)) visit(attribute.name, value)
  const { attributes, origins } = readTerms(record.links)
  for (let index = 0; index < attributes.length; index += 2) visit(attributes[index] ?? '', attributes[index + 1] ?? '')
  for (const one of origins) visit(ORIGIN, one)
}
