// The directory's shapes and the port for what it keeps at rest (RFC 9176).
import type { Clock, Logger, Random, SocketAddress } from '#main/base/index.ts'
import type { CoapClient, Link, LinkAttribute, ResourceRegistry } from '#main/wire/coap/index.ts'

/** Where a registration came from, and on which channel: the only way back to an endpoint behind a dongle. */
export interface RegistrationSource {
  readonly address: SocketAddress
  readonly channelId: string
  /** The credential that DTLS or OSCORE has proven; absent where the request was not protected. */
  readonly identity?: string
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
  /** The wall clock was put right by so much: the times of all registrations go with it. */
  | { readonly kind: 'shift'; readonly byMs: number }

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

export type RegistrationPolicy = 'open' | 'first-come' | 'enrolled-only'

export interface DirectoryOptions {
  readonly store: RegistrationStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly registry: ResourceRegistry
  readonly limits?: Partial<DirectoryLimits>
  /**
   * Who may register and change a registration (RFC 9176 §7); `open` unless told otherwise. `open`: anybody, which suits a link of
   * one's own. `first-come`: whoever made it, told by address and channel. `enrolled-only`: whom `isEnrolled` knows under that name.
   * What this program registered itself is closed to all requests.
   */
  readonly policy?: RegistrationPolicy
  /** For `enrolled-only`, asked before each operation: whether the source speaks for that endpoint. Without it nobody does. */
  readonly isEnrolled?: (candidate: EnrolmentCandidate) => boolean
  /**
   * The name of whom the directory knows, so that a registration may leave `ep` out (RFC 9176 §5); nobody's by default.
   */
  readonly nameOf?: (source: RegistrationSource) => { readonly endpointName: string; readonly sector?: string } | undefined
  /** Registrations, updates and removals need proof that their source address is true (RFC 9175 §2.4); not asked for by default. */
  readonly proveAddresses?: boolean
  /** What one source may ask for and keep, what is left out as by default; without it there is no limit. */
  readonly sourceLimits?: Partial<SourceLimits>
  /** Turns simple registration on (RFC 9176 §5.1). */
  readonly simple?: SimpleRegistrationOptions
  /** The scheme of requests on a channel; `coap` unless told otherwise. */
  readonly schemeOf?: (channelId: string) => 'coap' | 'coaps'
}

export interface EnrolmentCandidate {
  readonly endpointName: string
  readonly sector: string
  readonly source: RegistrationSource
}

/** Of one source: an address on a channel, whatever the port. */
export interface SourceLimits {
  /** Registrations of its own in the directory; more are answered 4.29 (RFC 8516). */
  readonly registrations: number
  /** Bytes of links and attributes in the directory. */
  readonly bytes: number
  /** Observations of lookups. */
  readonly observers: number
  /** The same three, of all sources in one IPv6 /64 on a channel together. */
  readonly prefixRegistrations: number
  readonly prefixBytes: number
  readonly prefixObservers: number
  /** Registrations, updates and removals; more are answered 4.29, with the time to wait. */
  readonly requestsPerMinute: number
  readonly requestBurst: number
  /** Bytes of payloads that come with them. */
  readonly bytesPerMinute: number
  readonly byteBurst: number
  /** Sources that are told apart; more than so many within a short time share the limits of one. */
  readonly sources: number
}

export interface SimpleRegistrationOptions {
  /** The client on the channel from which a request came; undefined where there is none any more. */
  readonly clientOf: (channelId: string) => CoapClient | undefined
  /**
   * What keeps others from having the directory send to an address that is not theirs (RFC 9176 §5.1). `echo`: the address is proven
   * first (RFC 9175 §2.4). `small-fetch`, for registrants that do not know Echo: one datagram of some 30 bytes, not repeated, and none
   * for a growing time where nobody answered. `echo` unless told otherwise.
   */
  readonly proof?: 'echo' | 'small-fetch'
  readonly limits?: Partial<SimpleRegistrationLimits>
}

export interface SimpleRegistrationLimits {
  /** Fetches under way, of all registrants and of one address. */
  readonly fetches: number
  readonly fetchesPerAddress: number
  /** How long a fetch may take, and how often it is tried where the address is proven. */
  readonly timeoutMs: number
  readonly attempts: number
  /** Before the second attempt; from one to the next it doubles. */
  readonly pauseMs: number
  /** An address that failed is left alone for so long at first, and twice as long after each further failure. */
  readonly holdOffMs: number
  readonly longestHoldOffMs: number
  /** Fetched documents that are kept while they are fresh, and failures that are remembered. */
  readonly remembered: number
  readonly rememberedBytes: number
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

/** An application group to announce (RFC 9176 Appendix A). */
export interface GroupInput {
  /** Found as the endpoint's name. */
  readonly name: string
  readonly sector?: string
  /** Address of its CoAP group, e.g. `coap://[ff35:30:2001:db8::1]`; a literal address must be a multicast one. */
  readonly base: string
  /** What all members serve. */
  readonly links: readonly Link[]
  /** Besides `et=core.rd-group`. */
  readonly attributes?: readonly LinkAttribute[]
  /** Stays until it is removed unless told otherwise. */
  readonly lifetimeS?: number
}

export interface DirectoryEvent {
  readonly kind: 'registered' | 'updated' | 'removed' | 'expired'
  readonly registration: Registration
  /** What it was before an update. */
  readonly previous?: Registration
}
