// What the registrar's join port takes and tells (draft-ietf-anima-constrained-join-proxy-20 §4.4, §4.5.7; draft -01 §5.2).
import type { AppError, Clock, DatagramChannel, Logger, Random, SocketAddress } from '#main/base/index.ts'
import type { DtlsCounters, DtlsLimits, DtlsServerSettings, DtlsSession } from '#main/wire/dtls/index.ts'
import type { JpyVersion } from '../jpy/index.ts'
import type { Rate } from '../proxy/rates.ts'

/** By which way a pledge is reached. */
export interface JoinPath {
  readonly proxy: SocketAddress
  readonly version: JpyVersion
  /** Given back as it came; nothing here looks into it. */
  readonly header: Uint8Array
}

export interface JoinPortLimits {
  /** JPY messages of one proxy. */
  readonly proxyRate: Rate
  /** Proxies whose rates are remembered. */
  readonly maxProxies: number
  /** Handshakes under way by one proxy, and sessions: one proxy, or who pretends to be pledges behind it, leaves places for the others. */
  readonly maxHalfOpenPerProxy: number
  readonly maxSessionsPerProxy: number
  /** A header is to have 32 bytes at most (draft -20 §4.5.2); longer ones than this are not taken. */
  readonly maxHeaderBytes: number
  /** What is put into one message: a path MTU of 1024 bytes is recommended for handshakes through a proxy (cBRSKI §6.1.4). */
  readonly maxContentBytes: number
}

export const DEFAULT_PORT_LIMITS: JoinPortLimits = {
  proxyRate: { perSecond: 1000, burst: 4000 },
  maxProxies: 1024,
  maxHalfOpenPerProxy: 256,
  maxSessionsPerProxy: 2048,
  maxHeaderBytes: 64,
  maxContentBytes: 1024 - 48,
}

/** `path` is the same text for the same pledge at the same proxy, also before there is a session. */
export type JoinPortEvent =
  /** A pledge has shown that an answer reaches it, and shakes hands. */
  | { readonly kind: 'started'; readonly path: string; readonly proxy: SocketAddress }
  | {
      readonly kind: 'established'
      readonly path: string
      readonly proxy: SocketAddress
      /** What its datagrams come from, and what answers go to. */
      readonly source: SocketAddress
      readonly session: DtlsSession
    }
  | { readonly kind: 'failed'; readonly path: string; readonly proxy: SocketAddress; readonly error: AppError }
  | { readonly kind: 'closed'; readonly path: string; readonly proxy: SocketAddress; readonly source: SocketAddress }

export interface JoinPortOptions {
  /** Plain UDP, a port of its own. Stays open when the join port closes. */
  readonly channel: DatagramChannel
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly server: DtlsServerSettings
  /** Those that are answered; both unless told. */
  readonly versions?: readonly JpyVersion[]
  readonly dtls?: Partial<DtlsLimits>
  readonly limits?: Partial<JoinPortLimits>
  readonly id?: string
  readonly onEvent?: (event: JoinPortEvent) => void
}

export interface JoinPortCounters {
  /** JPY messages, by version. */
  received01: number
  received20: number
  sent01: number
  sent20: number
  malformed: number
  /** Thrown away by a proxy's rate. */
  proxyRate: number
  /** Handshakes that found all places of their proxy taken, and those that gave theirs up. */
  halfOpenRefused: number
  halfOpenEvicted: number
  sessionsEvicted: number
  sendErrors: number
}

/** A channel on which CoAP runs: each pledge has an address of its own, and its datagrams say who it is. */
export interface JoinPort extends DatagramChannel {
  /** By which way the pledge with that address is reached now; undefined where its session is over. */
  pathOf(source: SocketAddress): JoinPath | undefined
  sessionWith(source: SocketAddress): DtlsSession | undefined
  disconnect(source: SocketAddress): void
  joinCounters(): Readonly<JoinPortCounters>
  dtlsCounters(): Readonly<DtlsCounters>
  holdings(): { readonly halfOpen: number; readonly sessions: number; readonly proxies: number }
}
