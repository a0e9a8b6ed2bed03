// What a group request under way offers to those who collect its responses, and how servers are told apart (groupcomm-bis-18 §3.1).
import type { AppError, Clock, SocketAddress } from '#main/base/index.ts'
import type { CoapRequester } from './client.ts'
import type { Delivery, MessageLayer, Origin, Sent } from './message-layer.ts'
import type { CoapParameters } from './parameters.ts'
import type { CoapMessage, CoapOption } from './types.ts'

export interface GroupCallListener {
  /** Whether the response is wanted; one of an observation that is not is answered with a Reset. */
  onResponse(message: CoapMessage, origin: Origin): boolean
  onEnd(error: AppError): void
}

/** A group request under way: a token that is its own, and messages that carry it. */
export interface GroupCall {
  /** Calls back when the request's turn has come: at once where nothing is outstanding towards the group (§3.6). */
  begin(act: () => void): void
  /** Sends the request: with a Message ID of its own (servers act again), or that of the time before (only those act who missed it; §3.1.3). Options of `extra` take the place of those with their number. */
  send(messageId: 'new' | 'same', extra?: readonly CoapOption[]): void
  /** The request as a Confirmable message to one server, with the same token (§3.7). */
  sendTo(server: SocketAddress, extra: readonly CoapOption[], delivery: Delivery): Sent
  /** No answer is waited for: the next request to the group may leave. */
  giveWay(): void
  /** Responses are heard no more. */
  close(): void
}

/** What collectors of responses work with. */
export interface GroupCallContext {
  readonly messages: MessageLayer
  readonly requester: CoapRequester
  readonly clock: Clock
  readonly parameters: CoapParameters
  readonly open: (listener: GroupCallListener) => GroupCall
}

/** The name that a server has among the responders: its address, with the zone where there is one; its port may change from response to response (§3.1.4). */
export function serverKey(at: SocketAddress): string {
  return at.zone === undefined ? at.address : `${at.address}%${at.zone}`
}
