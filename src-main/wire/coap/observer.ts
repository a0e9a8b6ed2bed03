// An entry of a list of observers, and what it shares with others: the client endpoint and the observed resource (RFC 7641 §4.1, §4.5.1).
import type { SocketAddress, Timer } from '#main/base/index.ts'
import type { Sent } from './message-layer.ts'
import type { CoapMessage, IncomingRequest, MessageProtection, ObservableSource, OutgoingResponse, ResourceHandler } from './types.ts'

/** One entry of a list of observers: a client endpoint and its token (§4.1). */
export interface Observer {
  readonly key: string
  readonly lane: Lane
  readonly to: SocketAddress
  /** Protects its notifications, where the registration came protected. */
  reply: MessageProtection | undefined
  /** The request that registered; each notification answers it anew. */
  message: CoapMessage
  request: IncomingRequest
  handler: ResourceHandler
  /** Undefined once the entry is no longer in the list. */
  subject: Subject | undefined
  /** Registered by a group request: each notification waits for a moment of its own (groupcomm-bis §3.7). */
  group: boolean
  /** The initial response has left. */
  established: boolean
  /** That of the first representation; undefined while the client has been given none. */
  contentFormat: number | 'none' | undefined
  /** The state has changed since the last notification. */
  changed: boolean
  /** Holds one of the peer's NSTART places. */
  busy: boolean
  /** What the last notification said, where the resource tells of differences alone. */
  state: string | undefined
  /** The last notification was Non-confirmable: it may be lost. */
  uncertain: boolean
  /** The next notification has to be Confirmable. */
  mustConfirm: boolean
  lastSentMs: number
  confirmedMs: number
  /** What remains to be said to a client that is no observer any more. */
  last: OutgoingResponse | undefined
  sent: Sent | undefined
  timer: Timer | undefined
}

/** What is outstanding towards one client endpoint (§4.5.1). */
export interface Lane {
  readonly peer: string
  observers: number
  outstanding: number
  readonly waiting: Set<Observer>
  rttMs: number | undefined
  /** Turns are being given. */
  turning: boolean
}

export interface Subject {
  readonly source: ObservableSource
  readonly observers: Set<Observer>
  readonly unsubscribe: () => void
}
