// The directory's shapes and the port for what it keeps at rest (RFC 9176).
import type { Clock, Logger, Random, SocketAddress } from '#main/base/index.ts'
import type { Link, LinkAttribute, ResourceRegistry } from '#main/wire/coap/index.ts'

/** Where a registration came from, and on which channel: the only way back to an endpoint behind a dongle. */
export interface RegistrationSource {
  readonly address: SocketAddress
  readonly channelId: string
}

/** A registration as others see it. Times are milliseconds since the Unix epoch. */
export interface Registration {
  readonly id: string
  /** Path of the registration resource, e.g. `/rd/4521`. */
  readonly location: string
  readonly endpointName: string
  /** Empty when it belongs to no sector. */
  readonly sector: string
  readonly base: string
  /** Whether the registrant gave the base; otherwise it follows the registrant's source address (RFC 9176 §5.3.1). */
  readonly baseExplicit: boolean
  readonly lifetimeS: number
  readonly registeredAt: number
  readonly expiresAt: number
  /** Further endpoint attributes, `et` among them, in order. */
  readonly attributes: readonly LinkAttribute[]
  /** The links as they were submitted, application/link-format. */
  readonly links: string
  /** Undefined for registrations that this program made itself. */
  readonly source: RegistrationSource | undefined
}

/** A registration at rest. */
export type RegistrationRecord = Omit<Registration, 'location'>

export type RegistrationChange =
  | { readonly kind: 'save'; readonly record: RegistrationRecord }
  /** Everything but the links, which stay as they are. */
  | { readonly kind: 'renew'; readonly record: RegistrationRecord }
  | { readonly kind: 'remove'; readonly id: string }

/** Port: registrations at rest. */
export interface RegistrationStore {
  /** All of them, in the order in which they were first made. */
  load(): Iterable<RegistrationRecord>
  /** All changes or none; durable when the call returns, or within a transaction when that ends. */
  apply(changes: readonly RegistrationChange[]): void
  /** Runs `work` as one transaction: all that it applies is durable when this returns, or nothing is when it throws. */
  transaction<Result>(work: () => Result): Result
}

export interface DirectoryLimits {
  /** Registrations that are kept, lapsed ones included. */
  readonly registrations: number
  /** Bytes of link-format text in one registration. */
  readonly linkBytes: number
  readonly links: number
  /** Bytes of all further endpoint attributes of one registration. */
  readonly attributeBytes: number
  /** How long a lapsed registration can still be renewed at its location (RFC 9176 §5.3). */
  readonly graceS: number
}

export interface DirectoryOptions {
  readonly store: RegistrationStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly registry: ResourceRegistry
  readonly limits?: Partial<DirectoryLimits>
  /**
   * Who may change a registration (RFC 9176 §7): anybody, which suits a link of one's own, or only whoever made it, told by
   * address and channel. What this program registered itself is then closed to all requests. `open` unless told otherwise.
   */
  readonly policy?: 'open' | 'first-come'
  /** The scheme of requests on a channel; `coap` unless told otherwise. */
  readonly schemeOf?: (channelId: string) => 'coap' | 'coaps'
}

/** A registration made by this program itself, or by a commissioning tool through it. */
export interface RegistrationInput {
  readonly endpointName: string
  readonly sector?: string
  readonly lifetimeS?: number
  readonly base: string
  readonly attributes?: readonly LinkAttribute[]
  readonly links: readonly Link[]
}

export interface DirectoryEvent {
  readonly kind: 'registered' | 'updated' | 'removed' | 'expired'
  readonly registration: Registration
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
  /** False when there is no such registration. */
  remove(id: string): boolean
  /** Told after each change is durable. */
  onChange(listener: (event: DirectoryEvent) => void): () => void
  close(): void
}
