// What the users of this room hand in and get back.
import type { AppError, PeerIdentity, SigningKey } from '#main/base/index.ts'
import type { AlertName } from './alert.ts'
import type { GroupName } from './groups.ts'
import type { Role } from './key-schedule.ts'
import type { SuiteName } from './suites.ts'

/** How this side proves who it is: with a chain in DER, the end entity first, or with a raw public key (RFC 7250). */
export type Credential =
  | { readonly kind: 'certificate'; readonly chain: readonly Uint8Array[]; readonly key: SigningKey }
  | { readonly kind: 'public-key'; readonly key: SigningKey }

/** What the other side has shown; that it holds the key is proven already when the verifier is asked. */
export type PeerCredential =
  { readonly kind: 'certificate'; readonly chain: readonly Uint8Array[] } | { readonly kind: 'public-key'; readonly spki: Uint8Array }

export interface PeerQuestion {
  readonly credential: PeerCredential
  /** The peer's part: a client's certificate needs other key usages than a server's. */
  readonly peerRole: Role
  /** Whom a client wanted to reach. */
  readonly serverName: string | undefined
}

/** `name` takes the place of the credential's fingerprint in the peer's identity. */
export type Verdict =
  { readonly ok: true; readonly name?: string } | { readonly ok: false; readonly alert: AlertName; readonly reason: string }

/** Judges chains, names and dates; the handshake waits for the verdict. */
export type PeerVerifier = (question: PeerQuestion) => Verdict | Promise<Verdict>

interface CommonSettings {
  /** In order of preference; all by default. */
  readonly suites?: readonly SuiteName[]
  readonly groups?: readonly GroupName[]
  readonly credential?: Credential | undefined
  readonly verifyPeer?: PeerVerifier
  /** Whether the peer may prove itself with a raw public key too. */
  readonly acceptsRawPublicKeys?: boolean
  /** Refuses peers without RFC 7627; off by default, since there are devices in the field that lack it. */
  readonly requiresExtendedMasterSecret?: boolean
}

export interface DtlsServerSettings extends CommonSettings {
  readonly psk?: {
    /** Undefined for an identity that is not known; the client learns no more than with a wrong key. */
    readonly keyOf: (identity: Uint8Array) => Uint8Array | undefined
    readonly hint?: Uint8Array
  }
  /** `none` by default. With `requested` a client may stay anonymous. */
  readonly clientCertificates?: 'none' | 'requested' | 'required'
}

export interface DtlsClientSettings extends CommonSettings {
  readonly psk?: { readonly identity: Uint8Array; readonly key: Uint8Array }
  /** For the server_name extension and the verifier. */
  readonly serverName?: string
  /** Asks the server for records no longer than that (RFC 6066 §4). */
  readonly maxFragmentBytes?: 512 | 1024 | 2048 | 4096
}

export interface DtlsLimits {
  /** The first wait for an answer to a flight; it doubles (RFC 6347 §4.2.4.1). */
  readonly retransmitMs: number
  readonly maxRetransmitMs: number
  /** After that an unfinished handshake ends. */
  readonly handshakeMs: number
  /** After that an unused session is closed. */
  readonly idleMs: number
  /** A session that we opened and whose peer has been silent for so long, though we have sent, is given up for a new one: the peer may have lost it. */
  readonly staleMs: number
  readonly maxHalfOpen: number
  /** Where all places are taken, the oldest handshake gives up its own to a newcomer once it is that old. */
  readonly halfOpenGraceMs: number
  readonly maxSessions: number
  /** Payloads that wait for one handshake. */
  readonly maxQueued: number
  readonly maxQueuedBytes: number
  /** Length of the connection ids that this side gives out (RFC 9146); 0 for none. */
  readonly connectionIdBytes: number
  /** How long a cookie holds at least; at most twice that. */
  readonly cookieMs: number
}

export const DEFAULT_LIMITS: DtlsLimits = {
  retransmitMs: 1000,
  maxRetransmitMs: 60_000,
  handshakeMs: 60_000,
  idleMs: 24 * 3_600_000,
  // Beyond CoAP's MAX_TRANSMIT_WAIT.
  staleMs: 100_000,
  maxHalfOpen: 512,
  halfOpenGraceMs: 5000,
  maxSessions: 4096,
  maxQueued: 16,
  maxQueuedBytes: 32_768,
  connectionIdBytes: 6,
  cookieMs: 60_000,
}

/** A finished handshake. */
export interface DtlsSession {
  readonly role: Role
  readonly suite: SuiteName
  /** Undefined with a pre-shared key alone. */
  readonly group: GroupName | undefined
  /** Undefined for a client without a certificate. */
  readonly identity: PeerIdentity | undefined
  readonly extendedMasterSecret: boolean
  readonly maxFragmentBytes: number
  readonly connectionIds: boolean
  /** Content of the first Finished message, the client's: `tls-unique` (RFC 5929 §3). Unsafe without the extended master secret too. */
  readonly firstFinished: Uint8Array
  /** Key material of both sides alone (RFC 5705). Unsafe as a name for the session without the extended master secret. */
  exportKey(label: string, context: Uint8Array | undefined, length: number): Uint8Array
}

/** What the engine knows a peer by: an address, one behind a join proxy with its header, a serial link. */
export interface DtlsPeer {
  readonly key: string
}

export type DtlsOutput<Peer extends DtlsPeer> =
  | { readonly kind: 'datagram'; readonly peer: Peer; readonly payload: Uint8Array }
  | { readonly kind: 'data'; readonly peer: Peer; readonly payload: Uint8Array; readonly session: DtlsSession }
  | DtlsEvent<Peer>

/** For timelines, traces and timeouts. */
export type DtlsEvent<Peer extends DtlsPeer> =
  | { readonly kind: 'started'; readonly peer: Peer; readonly role: Role }
  | { readonly kind: 'established'; readonly peer: Peer; readonly session: DtlsSession }
  /** A handshake came to nothing, or a session broke; `unsent` payloads were waiting. */
  | { readonly kind: 'failed'; readonly peer: Peer; readonly error: AppError; readonly unsent: number }
  | { readonly kind: 'closed'; readonly peer: Peer; readonly by: 'us' | 'peer' | 'idle' | 'limit' | 'replaced' | 'stale' }
  /** The peer goes on from another address (RFC 9146 §6). */
  | { readonly kind: 'moved'; readonly from: Peer; readonly peer: Peer }
