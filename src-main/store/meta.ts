// What the site file says about itself: key and JSON value.
import type { DemoOptions, NetworkOptions, SiteDetails, SiteKind } from '#contract/model.ts'
import type { JsonValue, SiteId } from '#main/base/index.ts'
import { canonicalJson, fromJson, knownWord } from './json.ts'
import { isDemoOptions, isNetworkOptions, isSiteDetails, isText, isWhole } from './shapes.ts'
import type { Database, SiteDatabase } from './site-database.ts'
import { guarded } from './sqlite-failure.ts'
import { siteKinds } from './words.ts'

export interface NewSite {
  readonly id: SiteId
  readonly kind: SiteKind
  readonly details: SiteDetails
  /** How the demo site is made up; null for a real network. */
  readonly demo: DemoOptions | null
  /** Where the CoAP endpoint binds; null for the demo site. */
  readonly network: NetworkOptions | null
}

export interface SiteMeta extends NewSite {
  readonly name: string
  readonly createdAt: number
  /** Version of the program that created the file. */
  readonly createdWith: string
}

export type SiteSummary = Pick<SiteMeta, 'id' | 'name' | 'kind'>

/** Name and kind over any connection, also one that may only read. */
export function readSummary(raw: Database): SiteSummary {
  const read = raw.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?')
  const value = (key: string): string => read.get(key)?.value ?? ''
  const kind = knownWord(siteKinds, fromJson(value('kind'), isText))
  return { id: fromJson(value('id'), isText), kind, name: fromJson(value('details'), isSiteDetails).name }
}

export class MetaStore {
  readonly #database: SiteDatabase
  readonly #read
  readonly #readUnder
  readonly #write

  constructor(database: SiteDatabase) {
    this.#database = database
    this.#read = database.raw.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?')
    this.#readUnder = database.raw.prepare<[string, string], { key: string; value: string }>(
      'SELECT key, value FROM meta WHERE substr(key, 1, length(?)) = ? ORDER BY key',
    )
    this.#write = database.raw.prepare<[string, string]>(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
  }

  get(key: string): JsonValue | undefined {
    const text = this.#text(key)
    return text === undefined ? undefined : fromJson(text, isJson)
  }

  /** Keys that begin so, with their values. */
  under(prefix: string): ReadonlyMap<string, JsonValue> {
    return new Map(guarded(() => this.#readUnder.all(prefix, prefix)).map(({ key, value }) => [key, fromJson(value, isJson)]))
  }

  /** Not for project data: the revision stays. */
  set(key: string, value: JsonValue): void {
    this.#database.transaction(() => this.#write.run(key, canonicalJson(value)))
  }

  create(site: NewSite, createdAt: number, createdWith: string): void {
    const { id, kind, details, demo, network } = site
    const { coapsPort, ...always } = network ?? {}
    const listening = network === null ? null : { ...always, ...(coapsPort === undefined ? {} : { coapsPort }) }
    const values: Readonly<Record<string, JsonValue>> = { id, kind, details, demo, network: listening, createdAt, createdWith, revision: 0 }
    this.#database.transaction(() => {
      for (const [key, value] of Object.entries(values)) this.#write.run(key, canonicalJson(value))
    })
  }

  site(): SiteMeta {
    const details = this.details()
    return {
      id: this.#must('id', isText),
      kind: knownWord(siteKinds, this.#must('kind', isText)),
      name: details.name,
      details,
      demo: this.#must('demo', isDemoOptions),
      network: this.#must('network', isNetworkOptions),
      createdAt: this.#must('createdAt', isWhole),
      createdWith: this.#must('createdWith', isText),
    }
  }

  details(): SiteDetails {
    return this.#must('details', isSiteDetails)
  }

  /** The details are part of the project: the revision grows when they change. */
  setDetails(details: SiteDetails): void {
    if (canonicalJson(details) === canonicalJson(this.details())) return
    this.#database.transaction(() => {
      this.set('details', details)
      this.#database.bumpRevision()
    })
  }

  #must<Value>(key: string, isValue: (value: unknown) => value is Value): Value {
    return fromJson(this.#text(key) ?? '', isValue)
  }

  #text(key: string): string | undefined {
    return guarded(() => this.#read.get(key))?.value
  }
}

/** Whatever JSON.parse gives is JSON. */
function isJson(value: unknown): value is JsonValue {
  return value !== undefined
}
