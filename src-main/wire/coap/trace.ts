// What an endpoint tells of itself: the messages on the wire as they go and come, and counters.
import type { SocketAddress } from '#main/base/index.ts'
import type { CoapMessage } from './types.ts'

export interface TraceEvent {
  readonly direction: 'sent' | 'received'
  readonly peer: SocketAddress
  /** The own end: the channel's address, or the group that a received datagram was sent to where the channel tells. */
  readonly local: SocketAddress
  /** Wall clock. */
  readonly atMs: number
  readonly bytes: number
  /** The datagram itself. */
  readonly datagram: Uint8Array
  readonly multicast: boolean
  /** Undefined where the datagram is no message. */
  readonly message: CoapMessage | undefined
  /** `again`: a retransmission of ours, or a duplicate of theirs. */
  readonly note: 'first' | 'again' | 'malformed'
}

export interface CoapCounters {
  messagesSent: number
  messagesReceived: number
  retransmissions: number
  duplicates: number
  /** Datagrams that are no messages. */
  malformed: number
  /** Messages that nobody waited for or that the rules tell to ignore. */
  ignored: number
  resetsSent: number
  resetsReceived: number
  /** Confirmable messages that were never acknowledged. */
  timeouts: number
  requestsServed: number
  /** Responses to group requests that were held back (groupcomm-bis §3.1.2). */
  suppressed: number
  /** Messages dropped because a bound was reached. */
  overload: number
}

export function newCounters(): CoapCounters {
  return {
    messagesSent: 0,
    messagesReceived: 0,
    retransmissions: 0,
    duplicates: 0,
    malformed: 0,
    ignored: 0,
    resetsSent: 0,
    resetsReceived: 0,
    timeouts: 0,
    requestsServed: 0,
    suppressed: 0,
    overload: 0,
  }
}
