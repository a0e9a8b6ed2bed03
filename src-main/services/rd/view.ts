// The operator's list of registrations: filtered, sorted, and read page by page, so that 100 000 rows cost what is seen of them.
import type { Clock } from '#main/base/index.ts'
import { GROUP_ENDPOINT_TYPE } from '#main/wire/coap/index.ts'
import type { Criterion } from './filter.ts'
import { countLinks } from './link-scan.ts'
import { meetsAll } from './lookup.ts'
import { naturalKey } from './natural-order.ts'
import type { DirectoryPage, DirectoryRow, DirectorySort, DirectoryViewQuery } from './operator-types.ts'
import type { Entry, RegistrationTable } from './table.ts'
import type { RegistrationRecord } from './types.ts'

const MOST_ROWS = 1000
/** While the directory changes, filtering and sorting anew take at most this part of the time. */
const SHARE = 10
const CRITERION = /^([A-Za-z0-9!#$&+\-.^_`|~]+\*?)=(.*)$/s

interface Found {
  readonly key: string
  readonly entries: readonly Entry[]
  readonly version: number
  readonly freshUntilMs: number
}

export class DirectoryView {
  readonly #clock: Clock
  #found: Found | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** After what the operator did himself he sees it at once. */
  forget(): void {
    this.#found = undefined
  }

  page(table: RegistrationTable, version: number, query: DirectoryViewQuery): DirectoryPage {
    const { entries } = this.#find(table, version, query)
    const offset = Math.max(0, Math.floor(query.offset))
    const limit = Math.min(MOST_ROWS, Math.max(0, Math.floor(query.limit)))
    const nowMs = this.#clock.now()
    const rows = entries.slice(offset, offset + limit).map(({ record }) => rowOf(record, nowMs))
    return { version, total: entries.length, offset, rows }
  }

  #find(
    table: RegistrationTable,
    version: number,
    { search = '', show = 'all', sort = 'made', descending = false }: DirectoryViewQuery,
  ): Found {
    const key = JSON.stringify([search, show, sort, descending])
    const startedMs = this.#clock.monotonicMs()
    const known = this.#found
    if (known?.key === key && (known.version === version || startedMs < known.freshUntilMs)) return known
    const entries = sorted(matching(table, wordsOf(search), show), sort)
    if (descending) entries.reverse()
    const endedMs = this.#clock.monotonicMs()
    this.#found = { key, entries, version, freshUntilMs: endedMs + (endedMs - startedMs) * SHARE }
    return this.#found
  }
}

export function rowOf(record: RegistrationRecord, nowMs: number): DirectoryRow {
  const { id, endpointName, sector, base, lifetimeS, attributes, source, registeredAt, expiresAt } = record
  return {
    ...{ id, endpointName, sector, base, lifetimeS, attributes, source, registeredAt, expiresAt },
    location: `/rd/${id}`,
    secondsLeft: Math.max(0, Math.ceil((expiresAt - nowMs) / 1000)),
    endpointType: endpointTypeOf(record),
    linkCount: countLinks(record.links),
    isGroup: isGroup(record),
    isOwn: source === undefined,
    renewedAt: renewedAt(record),
  }
}

interface Words {
  readonly criteria: readonly Criterion[]
  readonly parts: readonly RegExp[]
}

function wordsOf(search: string): Words {
  const criteria: Criterion[] = []
  const parts: RegExp[] = []
  for (const word of search.split(/\s+/)) {
    if (word === '') continue
    const [, name, value] = CRITERION.exec(word) ?? []
    if (name === undefined || value === undefined) parts.push(new RegExp(word.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&'), 'i'))
    else {
      const prefix = value.endsWith('*')
      criteria.push({ name: name.toLowerCase(), text: prefix ? value.slice(0, -1) : value, prefix })
    }
  }
  return { criteria, parts }
}

function matching(table: RegistrationTable, { criteria, parts }: Words, show: DirectoryViewQuery['show']): Entry[] {
  const found: Entry[] = []
  // Where an index knows who meets a criterion, nobody's links are read for it.
  const indexed = criteria.flatMap((criterion) => table.whoMeets(criterion) ?? [])
  const others = criteria.filter((criterion) => table.whoMeets(criterion) === undefined)
  for (const entry of table.entries()) {
    const { record } = entry
    if (show !== 'all' && isGroup(record) !== (show === 'groups')) continue
    if (!indexed.every((set) => set.has(entry))) continue
    if (parts.every((part) => holds(record, part)) && meetsAll(record, others, [])) found.push(entry)
  }
  return found
}

function holds({ endpointName, sector, base, id, source, attributes, links }: RegistrationRecord, part: RegExp): boolean {
  return (
    part.test(endpointName) ||
    part.test(sector) ||
    part.test(base) ||
    part.test(links) ||
    part.test(`/rd/${id}`) ||
    (source !== undefined && part.test(source.address.address)) ||
    attributes.some(({ name, value }) => part.test(`${name}=${value ?? ''}`))
  )
}

function sorted(entries: Entry[], sort: DirectorySort): Entry[] {
  if (sort === 'made') return entries
  const keyed = entries.map((entry) => ({ entry, key: sortKey(entry.record, sort) }))
  // Of the same key, the order in which they were made.
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  return keyed.map(({ entry }) => entry)
}

function sortKey(record: RegistrationRecord, sort: Exclude<DirectorySort, 'made'>): string | number {
  switch (sort) {
    case 'linkCount':
      return countLinks(record.links)
    case 'renewedAt':
      return renewedAt(record)
    case 'endpointType':
      return naturalKey(endpointTypeOf(record) ?? '')
    case 'source':
      return naturalKey(record.source?.address.address ?? '')
    case 'lifetimeS':
    case 'expiresAt':
    case 'registeredAt':
      return record[sort]
    case 'endpointName':
    case 'sector':
    case 'base':
      return naturalKey(record[sort])
  }
}

function isGroup(record: RegistrationRecord): boolean {
  return record.attributes.some(({ name, value }) => name === 'et' && value?.split(' ').includes(GROUP_ENDPOINT_TYPE) === true)
}

function endpointTypeOf(record: RegistrationRecord): string | undefined {
  return record.attributes.find(({ name }) => name === 'et')?.value ?? undefined
}

function renewedAt(record: RegistrationRecord): number {
  return record.expiresAt - record.lifetimeS * 1000
}
