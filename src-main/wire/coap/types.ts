// The shapes of CoAP as the rooms above see them: requests, responses, resources. No I/O.
import type { SocketAddress } from '#main/base/index.ts'

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
}

export interface RequestOptions {
  /** Unicast only; true by default. */
  readonly confirmable?: boolean
  readonly signal?: AbortSignal
  /** Gives up earlier than the protocol's own MAX_TRANSMIT_WAIT. */
  readonly timeoutMs?: number
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
}

export interface GroupRequestOptions {
  /** Stops collecting after this time; pick it from Leisure and the network's delay. */
  readonly deadlineMs: number
  /** Stops as soon as so many different servers have answered. */
  readonly expected?: number
  readonly signal?: AbortSignal
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
  /** Whether it also serves every path below its own. */
  readonly subtree?: boolean
  /** Critical options that its handlers honour besides those of every resource, e.g. If-Match; others are answered 4.02. */
  readonly criticalOptions?: readonly number[]
}

/** Where resources are hung up; several channels serve the same tree. */
export interface ResourceRegistry {
  /** Adds a resource at an absolute path such as `/rd`; the returned function takes it away. */
  add(path: string, resource: Resource): () => void
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
