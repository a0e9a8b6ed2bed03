// The shapes of CoAP as the rooms above see them: requests, responses, resources. No I/O.
import type { PeerIdentity, SocketAddress } from '#main/base/index.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'FETCH' | 'PATCH' | 'iPATCH'
export type MessageType = 'CON' | 'NON' | 'ACK' | 'RST'
/** `class.detail` as RFC 7252 §5.9 writes it, e.g. `2.05`. */
export type ResponseCode = `${2 | 4 | 5}.${string}`

/** An option by its number (RFC 7252 §5.10), its value as on the wire. */
export interface CoapOption {
  readonly number: number
  readonly value: Uint8Array
}

/** A message as it is on the wire (RFC 7252 §3). `code` is `class.detail`, `0.00` when empty. */
export interface CoapMessage {
  readonly type: MessageType
  readonly code: string
  readonly messageId: number
  readonly token: Uint8Array
  readonly options: readonly CoapOption[]
  readonly payload: Uint8Array
}

// ---- Client ------------------------------------------------------------------------------------------------------

export interface ClientRequest {
  readonly method: Method
  /** Path segments, decoded. */
  readonly path: readonly string[]
  readonly query?: readonly string[]
  readonly payload?: Uint8Array
  readonly contentFormat?: number
  readonly accept?: number
  /** Further options; those above must not be repeated here. */
  readonly options?: readonly CoapOption[]
  /** Protects the request and every further one that it takes (blocks, registrations); only what proves itself answers it. */
  readonly security?: RequestSecurity
}

export interface RequestOptions {
  /** Unicast only; true by default. */
  readonly confirmable?: boolean
  readonly signal?: AbortSignal
  /** Gives up earlier than the protocol's own MAX_TRANSMIT_WAIT. */
  readonly timeoutMs?: number
  /** Largest block to ask for and to send, a power of two from 16 to 1024: early negotiation (RFC 7959 §2.3, §2.4). */
  readonly blockBytes?: number
  /** `bypass` neither asks the cache nor fills it; by default it is used where the endpoint has one. */
  readonly cache?: 'use' | 'bypass'
}

/** A request that wants no response (RFC 7967); Non-confirmable unless told. */
export interface TellOptions {
  readonly confirmable?: boolean
  readonly signal?: AbortSignal
}

export interface ObserveOptions {
  /** Of the requests that register and cancel; true by default. */
  readonly confirmable?: boolean
  /** Cancels the observation as `cancel` does. */
  readonly signal?: AbortSignal
  readonly blockBytes?: number
  /** Told of each notification, the first response among them, in the order in which the server sent them. */
  readonly onNotification?: (notification: ClientResponse) => void
}

/**
 * An observation (RFC 7641 §3). Iterating yields notifications from the one that waits longest; of more than 16 that nobody takes the
 * oldest go, for only the newest state counts. The iteration ends when the server ends the observation, after its last response, or
 * it is cancelled; it throws where the registration fails.
 */
export interface Observation extends AsyncIterable<ClientResponse> {
  /** Whether the server keeps the client informed, as far as is known. */
  readonly active: boolean
  /** Whether the newest notification is within its Max-Age (§3.3.1). */
  readonly fresh: boolean
  /** Tells the server, and resolves when it has answered or cannot be reached (§3.6). */
  cancel(): Promise<void>
  /** Stops listening; the server's next notification is rejected with a Reset (§3.6). */
  forget(): void
}

export interface ClientResponse {
  readonly code: ResponseCode
  readonly options: readonly CoapOption[]
  readonly payload: Uint8Array
  readonly contentFormat: number | undefined
  /** Who answered; in a group request not the address that was asked. */
  readonly source: SocketAddress
  /** Milliseconds from the first transmission. */
  readonly elapsedMs: number
  /** How long it has stood in this client's cache; absent where it came over the network. */
  readonly ageMs?: number
  /** Who answered, as the security layer has proven it; absent for errors that the server could not protect. */
  readonly peer?: PeerIdentity
}

export interface GroupRequestOptions {
  /** Stops collecting after this time; pick it from Leisure and the network's delay. */
  readonly deadlineMs: number
  /** Stops as soon as so many different servers have answered. */
  readonly expected?: number
  /** Addresses of the servers that are expected; stops as soon as each has answered. */
  readonly members?: readonly string[]
  /** So many of the members are enough. */
  readonly quorum?: number
  /** Sends the request again while the collection is not complete (groupcomm-bis §3.1.3). */
  readonly repeat?: readonly GroupRepeat[]
  readonly signal?: AbortSignal
}

export interface GroupRepeat {
  /** From the first transmission. */
  readonly afterMs: number
  /** `new`: every server acts again, which makes good lost responses too. `same`: only those act that missed the request. */
  readonly messageId: 'new' | 'same'
}

/** What a client of CoAP may do on one channel. */
export interface CoapClient {
  readonly channelId: string
  /** One request, one response of any class. Fails with `coap.timeout`, `coap.reset`, `coap.message-invalid`, `coap.option-unsupported`, `coap.too-large`, `network.send-failed`, `network.down`, `cancelled`. */
  request(to: SocketAddress, request: ClientRequest, options?: RequestOptions): Promise<ClientResponse>
  /** One Non-confirmable request to a group; yields each response as it comes (draft-ietf-core-groupcomm-bis §3.1). */
  groupRequest(to: SocketAddress, request: ClientRequest, options: GroupRequestOptions): AsyncIterable<ClientResponse>
  /** The size in bytes of the datagram that `groupRequest` would send. */
  groupRequestBytes(request: ClientRequest): number
}

/** What an endpoint can do besides: observe a resource, and tell a peer something without waiting for an answer. */
export interface ObservingClient extends CoapClient {
  /** Registers at once. The notifications go to the iteration and to `onNotification`. */
  observe(to: SocketAddress, request: ClientRequest, options?: ObserveOptions): Observation
  /** Resolves when the request has left or, Confirmable, is acknowledged. Fails as `request` does. */
  tell(to: SocketAddress, request: ClientRequest, options?: TellOptions): Promise<void>
}

// ---- Server ------------------------------------------------------------------------------------------------------

export interface IncomingRequest {
  readonly method: Method
  readonly path: readonly string[]
  readonly query: readonly string[]
  readonly payload: Uint8Array
  readonly contentFormat: number | undefined
  readonly accept: number | undefined
  readonly options: readonly CoapOption[]
  readonly source: SocketAddress
  readonly destination: SocketAddress | undefined
  readonly multicast: boolean
  readonly channelId: string
  /** Who the client is, where DTLS or OSCORE has proven it. */
  readonly peer?: PeerIdentity
}

export interface OutgoingResponse {
  readonly code: ResponseCode
  readonly payload?: Uint8Array
  readonly contentFormat?: number
  readonly options?: readonly CoapOption[]
}

/** Answers a request; undefined stays silent, which only group requests permit. A throw becomes 5.00. */
export type ResourceHandler = (request: IncomingRequest) => OutgoingResponse | undefined | Promise<OutgoingResponse | undefined>

export interface Resource {
  /** Target attributes for `/.well-known/core` (RFC 6690); a value of null is an attribute without value. Absent: not listed. */
  readonly attributes?: Readonly<Record<string, string | null>>
  readonly handlers: Partial<Record<Method, ResourceHandler>>
  /** Whether it answers requests that came by multicast; false by default (groupcomm-bis §3.1.2). */
  readonly answersGroupRequests?: boolean
  /** How it answers them. */
  readonly group?: GroupPolicy
  /** Whether it also serves every path below its own. */
  readonly subtree?: boolean
  /** Makes it observable by GET and FETCH (RFC 7641, RFC 8132 §2.4); it tells of each change. */
  readonly observable?: ObservableSource
  /** Asks for proof that a request is fresh and its source address true (RFC 9175 §2.3). */
  readonly echo?: EchoPolicy
  /** Whether only requests that DTLS or OSCORE protects are served; others are answered 4.01. A list names the schemes that will do. */
  readonly protection?: 'required' | ReadonlyArray<PeerIdentity['scheme']>
  /** Critical options that its handlers honour besides those of every resource, e.g. If-Match; others are answered 4.02. */
  readonly criticalOptions?: readonly number[]
}

/** The first digit of a response code (RFC 7252 §3). */
export type ResponseClass = 2 | 4 | 5

/** How a resource answers group requests (groupcomm-bis §3.1.2, §3.6, §6.3, §6.5). */
export interface GroupPolicy {
  /** Classes of responses that leave; by default 2.xx alone. Registrations of observers are answered in any case. */
  readonly answers?: readonly ResponseClass[]
  /** No-Response of an authenticated client may ask for responses that else stay unsent. Anybody's may ask for fewer. */
  readonly heedsNoResponse?: boolean
  /** Requests of clients that the channel has not authenticated are ignored. */
  readonly authenticatedOnly?: boolean
  /** To a client that is not authenticated: the largest payload as a multiple of the request's size, 3 by default; what is larger goes in blocks. */
  readonly maxAmplification?: number
  /** A payload of this size leaves whatever the request's size; 256 by default. */
  readonly maxResponseBytes?: number
  /** What Leisure is computed from (RFC 7252 §8.2); without it, the endpoint's `leisureMs`. */
  readonly leisure?: LeisureEstimate
}

export interface LeisureEstimate {
  /** G: servers in the group. */
  readonly groupSize: number
  /** R: what the network may carry of responses. */
  readonly bytesPerS: number
  /** S: the average response of all servers; by default the size of the own one. */
  readonly responseBytes?: number
}

/** What a resource that may be observed refers to; `Observable` is one. */
export interface ObservableSource {
  /** A client is told of a change only where the response to its own request differs from the last. */
  readonly onlyDifferences?: boolean
  subscribe(listener: ObservableListener): () => void
}

export interface ObservableListener {
  /** The state has changed for the observers whose request the filter picks; for all without one. */
  changed(concerns: ((request: IncomingRequest) => boolean) | undefined): void
  ended(code: ResponseCode): void
}

export interface EchoPolicy {
  /** How old the Echo value of a request may be. */
  readonly freshnessMs: number
  /** The methods that need one; all by default. */
  readonly methods?: readonly Method[]
}

/** Where resources are hung up; several channels serve the same tree. */
export interface ResourceRegistry {
  /** Adds a resource at an absolute path such as `/rd`; the returned function takes it away. */
  add(path: string, resource: Resource): () => void
}

// ---- Protection --------------------------------------------------------------------------------------------------

/** Where a message came from, and the key that its source has in every table. */
export interface Origin {
  readonly source: SocketAddress
  readonly peer: string
  readonly destination: SocketAddress | undefined
  readonly multicast: boolean
  /** Who the sender is, where the channel or a security layer has proven it. */
  readonly identity?: PeerIdentity | undefined
  /** Protects what answers a protected request. */
  readonly reply?: MessageProtection | undefined
}

/** A message without the parts that this layer gives it. */
export interface MessageContent {
  readonly code: string
  readonly token: Uint8Array
  readonly options: readonly CoapOption[]
  readonly payload: Uint8Array
  /** What leaves is its outcome, made once: retransmissions and answers to duplicates are the same bytes. */
  readonly protection?: MessageProtection | undefined
}

// Where a security layer stands: below the exchange and above the message layer, so that requests, blocks, notifications and group
// responses are protected one by one (RFC 8613 §2, §8). What protects them, and with which keys, is the layer's affair.

/** The keys of a request and of its responses. Whoever asks names them in the request. */
export interface RequestSecurity {
  /** What it adds to a request at most. */
  readonly overheadBytes: number
  /** For each token anew. */
  open(): ExchangeSecurity
  /** What protects a further request to one who has answered: of a group, one member alone. */
  towards(responder: PeerIdentity): RequestSecurity
  /** What must be done with the peer before anything can be protected for it; undefined where that is nothing. */
  prepare?(client: Pick<CoapClient, 'request'>, to: SocketAddress): Promise<void> | undefined
}

/** Takes messages in their plain form and gives those that leave. */
export interface MessageProtection {
  /** Undefined where nothing may leave. Throws where the keys must not be used any more. */
  protect(content: MessageContent): MessageContent | undefined
}

/** The requests of one token, and what answers them. */
export interface ExchangeSecurity extends MessageProtection {
  /** Undefined for what is not authentic, or was received before. */
  unprotect(response: CoapMessage): OpenedResponse | undefined
}

export interface OpenedResponse {
  readonly message: CoapMessage
  /** Absent for an error that the server could not protect (RFC 8613 §8.2): nobody has vouched for it. */
  readonly identity: PeerIdentity | undefined
}

/** `plain`: nothing protects the request. `answer`: the layer's own reply, `reply` where it is to be protected. */
export type OpenedRequest =
  | { readonly kind: 'plain' }
  | { readonly kind: 'request'; readonly message: CoapMessage; readonly identity: PeerIdentity; readonly reply: MessageProtection }
  | { readonly kind: 'answer'; readonly content: MessageContent }
  | { readonly kind: 'drop' }

/** What an endpoint asks of each request that comes in. */
export interface MessageSecurity {
  openRequest(message: CoapMessage, origin: Origin): OpenedRequest
}

// ---- Link format (RFC 6690) --------------------------------------------------------------------------------------

export interface Link {
  /** URI reference as written between the angle brackets. */
  readonly href: string
  /** In order; a value of null is an attribute without value. Names repeat only where RFC 6690 lets them. */
  readonly attributes: readonly LinkAttribute[]
}

export interface LinkAttribute {
  readonly name: string
  readonly value: string | null
}
