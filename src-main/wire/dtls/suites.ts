// The cipher suites that are spoken, best first: RFC 7251 (ECDHE_ECDSA with CCM), RFC 5289 (GCM), RFC 6655 and RFC 5487 (PSK).
import { recordAeads, type RecordAead } from '#main/base/index.ts'

export interface CipherSuite {
  readonly id: number
  /** As IANA's registry writes it, without `TLS_`. */
  readonly name: SuiteName
  readonly keyExchange: 'ECDHE_ECDSA' | 'PSK'
  readonly aead: RecordAead
}

export type SuiteName =
  | 'ECDHE_ECDSA_WITH_AES_128_CCM_8'
  | 'ECDHE_ECDSA_WITH_AES_128_CCM'
  | 'ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
  | 'PSK_WITH_AES_128_CCM_8'
  | 'PSK_WITH_AES_128_GCM_SHA256'

/** CCM_8 first: the one that RFC 7252 §9.1.3 makes every device of the field have. */
export const SUITES: readonly CipherSuite[] = [
  { id: 0xc0ae, name: 'ECDHE_ECDSA_WITH_AES_128_CCM_8', keyExchange: 'ECDHE_ECDSA', aead: recordAeads['AES-128-CCM-8'] },
  { id: 0xc0ac, name: 'ECDHE_ECDSA_WITH_AES_128_CCM', keyExchange: 'ECDHE_ECDSA', aead: recordAeads['AES-128-CCM'] },
  { id: 0xc02b, name: 'ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', keyExchange: 'ECDHE_ECDSA', aead: recordAeads['AES-128-GCM'] },
  { id: 0xc0a8, name: 'PSK_WITH_AES_128_CCM_8', keyExchange: 'PSK', aead: recordAeads['AES-128-CCM-8'] },
  { id: 0x00a8, name: 'PSK_WITH_AES_128_GCM_SHA256', keyExchange: 'PSK', aead: recordAeads['AES-128-GCM'] },
]

/** The suites of those names in their order; all without names. */
export function suitesNamed(names: readonly SuiteName[] | undefined): readonly CipherSuite[] {
  if (names === undefined) return SUITES
  return names.flatMap((name) => SUITES.filter((suite) => suite.name === name))
}
