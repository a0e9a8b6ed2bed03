// What EST asks of whoever runs it: who a request is from and whether it may, and where the story of a device is told.
import type { IncomingRequest } from '#main/wire/coap/index.ts'
import type { DtlsSession } from '#main/wire/dtls/index.ts'

export type EstOperation = 'crts' | 'sen' | 'sren' | 'skg' | 'skc' | 'att'

export interface EstCaller {
  /** The same text for the same certificate. */
  readonly key: string
  /** In DER, the end entity first, as shown in the DTLS handshake. */
  readonly chain: readonly Uint8Array[]
  /** By a certificate of this site; else by one from its maker. */
  readonly isMember: boolean
  /** Whether somebody has admitted it. */
  readonly isAdmitted: boolean
}

export type EstVerdict =
  | { readonly kind: 'allow'; readonly caller: EstCaller }
  /** Somebody has to decide: the same request again after so long. */
  | { readonly kind: 'wait'; readonly retryAfterS: number; readonly why: string }
  | { readonly kind: 'refuse'; readonly code: '4.01' | '4.03'; readonly why: string }

export type EstNews =
  | { readonly kind: 'anchors' }
  | { readonly kind: 'issued'; readonly serial: string }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'refused'; readonly why: string; readonly failInfo: string }

export interface EstAccess {
  judge(request: IncomingRequest, operation: EstOperation): Promise<EstVerdict>
  /** Told of what came of it. Does not throw. */
  tell(caller: EstCaller, news: EstNews): void
  /** The session that carried the request, where binding requests to it is wanted. */
  sessionOf?(request: IncomingRequest): DtlsSession | undefined
}
