// What the registrar and those who decide about pledges say to each other (draft-ietf-anima-constrained-voucher-31 §6, RFC 8995 §5):
// the room declares the gate, site/admission keeps it.

/** Who asks to be let in, as its birth certificate (IDevID) and its way to us tell. */
export interface PledgeIdentity {
  /** Lower-case hex SHA-256 of the end-entity IDevID certificate: the same for every attempt of one device. */
  readonly key: string
  /** X520SerialNumber of the IDevID's subject, else its hardwareModuleName (RFC 8995 §2.3.1); undefined where it has neither. */
  readonly serialNumber: string | undefined
  /** In DER, the end entity first. */
  readonly chain: readonly Uint8Array[]
  /** Subject of the IDevID's issuer, for people. */
  readonly manufacturer: string
  /** Whether the chain ends at an anchor of a manufacturer whom the site trusts. */
  readonly isKnownMaker: boolean
  /** Join proxy by which it came, as `address` or `address%zone`; undefined where it came directly. */
  readonly proxy: string | undefined
}

/** In the order in which a pledge goes through them; a pledge that only enrols (RFC 9148) or only re-enrols leaves some out. */
export const JOIN_STEPS = [
  /** Its first flight has come. */
  'seen',
  /** The DTLS session stands; its IDevID is known. */
  'connected',
  /** Its voucher request was read and a person or the list has admitted it. */
  'admitted',
  /** A voucher for it is in hand: from its maker, or from a file. */
  'voucher',
  /** It has told that it accepts the voucher (RFC 8995 §5.7). */
  'trusts-us',
  /** It has the site's CA certificates. */
  'anchors',
  /** It has a certificate of the site. */
  'certificate',
  /** It has told that it works with the certificate (RFC 8995 §5.9.4). */
  'enrolled',
  /** It shares an OSCORE context with the Group Manager. */
  'secured',
] as const

export type JoinStepName = (typeof JOIN_STEPS)[number]

export interface JoinStep {
  readonly pledge: PledgeIdentity
  readonly step: JoinStepName
  readonly outcome: 'done' | 'waiting' | 'failed'
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** A code of contract/failures.ts; only where it failed or waits. */
  readonly code?: string
  /** What the pledge or the MASA said, in its words, cut to 200 characters. */
  readonly detail?: string
  /** Serial number of the certificate that it got, lower-case hex. */
  readonly certificateSerial?: string
}

export type GateVerdict =
  | { readonly kind: 'admit' }
  /** Somebody has to decide, or the window is closed but may open: the pledge asks again after so long. */
  | { readonly kind: 'wait'; readonly code: string; readonly retryAfterS: number }
  | { readonly kind: 'deny'; readonly code: string }

/** Decides who may join, and is told of each step. Neither call throws. */
export interface JoinGate {
  /** Asked at each voucher request and each enrolment with a birth certificate; the same pledge may be asked about many times. */
  admits(pledge: PledgeIdentity): GateVerdict
  note(step: JoinStep): void
}
