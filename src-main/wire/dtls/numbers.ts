// Code points of DTLS 1.2 as IANA's TLS registries have them (RFC 5246 Appendix A, RFC 6347, RFC 9146).

export const DTLS_1_2 = 0xfefd
/** What the record layer of a first ClientHello says; DTLS 1.0's number. */
export const DTLS_1_0 = 0xfeff

export const CONTENT = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23, withCid: 25 } as const

export const HANDSHAKE = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const

export const EXTENSION = {
  serverName: 0,
  maxFragmentLength: 1,
  supportedGroups: 10,
  ecPointFormats: 11,
  signatureAlgorithms: 13,
  clientCertificateType: 19,
  serverCertificateType: 20,
  extendedMasterSecret: 23,
  connectionId: 54,
  renegotiationInfo: 0xff01,
} as const

/** RFC 5746 §3.3: a suite that stands for an empty renegotiation_info. */
export const EMPTY_RENEGOTIATION_INFO_SCSV = 0x00ff

/** RFC 7250 §3. */
export const CERTIFICATE_TYPE = { x509: 0, rawPublicKey: 2 } as const
/** RFC 5246 §7.4.4, RFC 8422 §5.5. */
export const ECDSA_SIGN = 64
/** RFC 8422 §5.1.2: the one point format that is left. */
export const UNCOMPRESSED = 0
/** RFC 8422 §5.4. */
export const NAMED_CURVE = 3

/** What a handshake message of another type than a certificate's may measure, and those. */
export const MAX_MESSAGE_BYTES = 2048
export const MAX_CERTIFICATE_BYTES = 16_384
/** RFC 5246 §6.2.1: the longest plaintext of a record. */
export const MAX_PLAINTEXT_BYTES = 16_384
