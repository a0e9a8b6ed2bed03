// What this program sees of the directory and may do to it: registrations, rows to look through, lookups as text, settings.
import type { LinkAttribute } from '#main/wire/coap/index.ts'
import type {
  DirectoryEvent,
  DirectoryLimits,
  GroupInput,
  Registration,
  RegistrationInput,
  RegistrationPolicy,
  RegistrationSource,
  SourceLimits,
} from './types.ts'

export type DirectorySort =
  /** The order in which they were first made. */
  | 'made'
  | 'endpointName'
  | 'sector'
  | 'base'
  | 'endpointType'
  | 'linkCount'
  | 'lifetimeS'
  | 'expiresAt'
  | 'registeredAt'
  | 'renewedAt'
  | 'source'

export interface DirectoryViewQuery {
  /**
   * Words that must all be met: `name=value` and `name=prefix*` as lookups have them (RFC 9176 §6.2), any other word as a part of the
   * name, sector, base, location, source, attributes or links, whatever its case.
   */
  readonly search?: string
  /** All unless told otherwise. */
  readonly show?: 'all' | 'endpoints' | 'groups'
  /** `made` unless told otherwise. */
  readonly sort?: DirectorySort
  readonly descending?: boolean
  readonly offset: number
  /** At most 1000 rows come at once. */
  readonly limit: number
}

export interface DirectoryPage {
  readonly version: number
  /** Rows that meet the query, on all pages. */
  readonly total: number
  readonly offset: number
  readonly rows: readonly DirectoryRow[]
}

/** A live registration as a list shows it. Times are milliseconds since the Unix epoch. */
export interface DirectoryRow {
  readonly id: string
  readonly location: string
  readonly endpointName: string
  /** Empty when it belongs to no sector. */
  readonly sector: string
  readonly base: string
  readonly lifetimeS: number
  readonly secondsLeft: number
  /** The first `et`; undefined where it has none. */
  readonly endpointType: string | undefined
  readonly linkCount: number
  /** An application group (RFC 9176 Appendix A). */
  readonly isGroup: boolean
  /** Made by this program, and closed to requests. */
  readonly isOwn: boolean
  readonly attributes: readonly LinkAttribute[]
  readonly source: RegistrationSource | undefined
  readonly registeredAt: number
  readonly renewedAt: number
  readonly expiresAt: number
}

/** A registration that the operator makes for an endpoint that cannot do so itself (RFC 9176 §2: a commissioning tool). */
export interface RegistrationTextInput {
  readonly endpointName: string
  readonly sector?: string
  readonly lifetimeS?: number
  readonly base: string
  readonly attributes?: readonly LinkAttribute[]
  /** application/link-format. */
  readonly links: string
}

export interface DirectorySettings {
  readonly policy: RegistrationPolicy
  readonly proveAddresses: boolean
  readonly limits: DirectoryLimits
  /** Undefined where sources may ask for and keep what they like. */
  readonly sourceLimits: SourceLimits | undefined
}

export interface DirectorySettingsChange {
  readonly policy?: RegistrationPolicy
  readonly proveAddresses?: boolean
  readonly limits?: Partial<DirectoryLimits>
  /** What is left out stays as it is, or as by default; null takes all of them away. */
  readonly sourceLimits?: Partial<SourceLimits> | null
}

export interface ResourceDirectory {
  /** Registrations whose lifetime has not ended. */
  readonly size: number
  /** In the order in which they were first made. */
  list(offset: number, limit: number): readonly Registration[]
  get(id: string): Registration | undefined
  find(endpointName: string, sector?: string): Registration | undefined
  /** Makes or replaces a registration; durable on return. Throws `rd.parameter-invalid`, `rd.links-invalid`, `rd.full`. */
  register(input: RegistrationInput): Registration
  /** Announces an application group, or replaces what was announced of it; durable on return. Throws as `register` does. */
  registerGroup(input: GroupInput): Registration
  /**
   * Registers what this program itself serves, such as the security groups of its Group Manager, and replaces what it registered under
   * that name. Stays until it is removed unless told otherwise. Throws as `register` does, and `access.denied` where an endpoint has
   * that name already.
   */
  registerOwnLinks(input: RegistrationInput): Registration
  /** As `register`, of links that are text already: the operator's own, or for an endpoint that cannot register itself. */
  registerText(input: RegistrationTextInput): Registration
  /** False when there is no such registration. */
  remove(id: string): boolean
  /** Live registrations as a list shows them. */
  view(query: DirectoryViewQuery): DirectoryPage
  row(id: string): DirectoryRow | undefined
  /** The links as they were submitted; undefined when there is no such registration. */
  linksOf(id: string): string | undefined
  /** A lookup of resources or endpoints by the query of its URI, as application/link-format. Throws `rd.parameter-invalid`. */
  lookup(kind: 'res' | 'ep', query: string): string
  /** Grows with each change. */
  readonly version: number
  /** Told of the version now and then while it grows, at most ten times a second. */
  watch(listener: (version: number) => void): () => void
  readonly settings: DirectorySettings
  /** In force at once and until the directory closes. Throws `rd.parameter-invalid`. */
  configure(change: DirectorySettingsChange): DirectorySettings
  /** Told after each change is durable. */
  onChange(listener: (event: DirectoryEvent) => void): () => void
  close(): void
}
