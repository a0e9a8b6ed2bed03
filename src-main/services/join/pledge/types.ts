// What a pledge is told, keeps and tells (draft-ietf-anima-constrained-voucher §6.7, RFC 8995 §2.5, §5).
import type { Clock, DatagramChannel, Logger, Random, SigningAlgorithm, SigningKey, SocketAddress } from '#main/base/index.ts'
import type { Certificate } from '#main/services/ra/index.ts'
import type { ClientRequest, ClientResponse, CoapParameters } from '#main/wire/coap/index.ts'
import type { DtlsLimits } from '#main/wire/dtls/index.ts'

export const DEFAULT_BLOCK_BYTES = 512

export interface PledgeCredential {
  readonly key: SigningKey
  /** In DER, the device's own certificate first. */
  readonly chain: readonly Uint8Array[]
}

/** Port: what outlives a power cut. The bytes hold a private key. */
export interface PledgeKeeper {
  load(): Uint8Array | undefined
  save(bytes: Uint8Array): void
}

export type PledgeStep = 'connect' | 'voucher' | 'voucher-status' | 'anchors' | 'attributes' | 'certificate' | 'enrol-status'

export interface PledgeOptions {
  /** Plain datagrams, to the registrar or to a join proxy; stays open. */
  readonly channel: DatagramChannel
  readonly to: SocketAddress
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** By which it was born. */
  readonly birth: PledgeCredential
  /** Its maker's, for vouchers, in DER. */
  readonly makerAnchors: readonly Uint8Array[]
  readonly keeper?: PledgeKeeper
  /** Whether it knows the time; then dates count, and it may take vouchers without nonce. It does unless told otherwise. */
  readonly hasClock?: boolean
  readonly acceptsNonceless?: boolean
  /** In DER; the subject of the birth certificate unless told (§6.7.1). */
  readonly subject?: Uint8Array
  readonly keyAlgorithm?: SigningAlgorithm
  /** `first`: asks for all CA certificates before it enrols. `as-needed`: only where the voucher's is not enough (§6.7.1); unless told. */
  readonly anchors?: 'first' | 'as-needed'
  /** Whether it asks what its request should hold; a pledge need not (§6.7.1). */
  readonly asksAttributes?: boolean
  /** Whether it binds its request to the session (RFC 9148 §3). */
  readonly bindsRequest?: boolean
  /** Largest block, 64 to 1024; 512 unless told. */
  readonly blockBytes?: number
  readonly coap?: Partial<CoapParameters>
  readonly dtls?: Partial<DtlsLimits>
  /** How long it puts up with waiting for somebody's decision, 4 days unless told (RFC 8995 §5.6). */
  readonly patienceMs?: number
  /** Attempts of a step that brings no answer. */
  readonly attempts?: number
  /** Further requests in the session that its new certificate has opened, before that closes; a failure of theirs is one of joining. */
  readonly afterwards?: (request: (message: ClientRequest) => Promise<ClientResponse>) => Promise<void>
  readonly onStep?: (step: PledgeStep, outcome: 'begun' | 'done' | 'waiting' | 'failed', detail?: string) => void
}

export interface JoinedPledge {
  readonly key: SigningKey
  readonly certificate: Certificate
  /** The CA certificates that it trusts from now on, in DER. */
  readonly anchors: readonly Uint8Array[]
  /** What goes with its certificate towards others, in DER: the authorities between it and a root. */
  readonly chain: readonly Uint8Array[]
}
