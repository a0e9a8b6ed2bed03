// What a reverse proxy to other authorities is told: which servers there are, who goes where, and what is done to messages on their way (RFC 9482 §3).
import type { Protector } from '../cmp/protection.ts'
import type { CmpTransport } from '../client/transport.ts'
import type { Certificate } from '../x509/certificate.ts'

export interface UpstreamServer {
  readonly name: string
  /** Opens the way there for one transaction. */
  readonly connect: () => CmpTransport
  /** Requests on the path of this profile, or for this Uri-Host; `default` for all others. */
  readonly select: { readonly profile: string } | { readonly host: string } | 'default'
  /**
   * What is done to requests (RFC 9483 §5.2): `forward` leaves them as they are, `nest` wraps them in a message of this authority,
   * `replace` puts its own protection in the place of the device's.
   */
  readonly mode: 'forward' | 'nest' | 'replace'
  /** For `replace`: whether the device's proof of possession stays, or this authority vouches for it. */
  readonly popo?: 'keep' | 'raVerified'
  /** With what this authority protects towards the server; needed by `nest` and `replace`. */
  readonly protector?: Protector
  /** Roots of the server, in DER: who may sign its answers and its devices' certificates. Without any, answers are only read, not believed. */
  readonly anchors: readonly Uint8Array[]
  /** Whether the server's authority has revoked a certificate: such a device gets nowhere, and such a signer is not believed. */
  readonly isRevoked?: (certificate: Certificate) => boolean
  /** Whether messages under secrets that only the server knows go on unchecked; only `forward` can. They do not unless told. */
  readonly passSecrets?: boolean
}

/**
 * `queued`: a request that waits for its server. `answered`, `failed`: what has become of it, until the device comes for it. `running`: a
 * transaction that may go on; `done`: one to which nothing follows, remembered for a device that has lost the last answer. `sent`: a request as
 * it went to the server.
 */
export type UpstreamState = 'queued' | 'answered' | 'failed' | 'running' | 'done' | 'sent'

/** A transaction with a server above, as it is kept at rest. */
export interface UpstreamRecord {
  /** Of the transaction, hex. */
  readonly id: string
  /** Name of the server. */
  readonly server: string
  readonly requester: string
  /** The kind of body that began it. */
  readonly operation: string
  readonly state: UpstreamState
  /** SHA-256 of the device's last message, hex. */
  readonly requestHash: string
  /** By the key vault: the request that is `queued`, the server's answer, or the last one that the device had. */
  readonly sealed: Uint8Array | undefined
  /** Of what has `failed`. */
  readonly failInfo: string | undefined
  readonly why: string
  /** When it is over. */
  readonly untilAt: number
}

/** Port: transactions with servers above. Writes are durable when they return. */
export interface UpstreamStore {
  /** Oldest first. */
  upstreamRecords(): readonly UpstreamRecord[]
  saveUpstream(record: UpstreamRecord): void
  removeUpstream(id: string): void
}

export interface UpstreamLimits {
  /** Transactions under way to all servers. */
  readonly transactions: number
  /** A transaction that is silent for so long is dropped, with its connection. */
  readonly idleS: number
  /** Requests that wait for a server which cannot be reached. */
  readonly queued: number
  /** Bytes of all of them together. */
  readonly queuedBytes: number
  /** How long they wait. */
  readonly queueS: number
  /** First pause between attempts; it doubles up to ten minutes. */
  readonly retryS: number
  /** What waiting devices are told (checkAfter). */
  readonly checkAfterS: number
}

export const DEFAULT_UPSTREAM_LIMITS: UpstreamLimits = {
  transactions: 256,
  idleS: 120,
  queued: 1000,
  queuedBytes: 8 * 1024 * 1024,
  queueS: 86_400,
  retryS: 15,
  checkAfterS: 60,
}
