// Alerts (RFC 5246 §7.2): their names, their two bytes, and the failure that ends a handshake with one.
import { AppError } from '#main/base/index.ts'
import type { FailureCode } from '#contract/failures.ts'

const NUMBERS = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  user_canceled: 90,
  no_renegotiation: 100,
  unsupported_extension: 110,
  unknown_psk_identity: 115,
} as const

export type AlertName = keyof typeof NUMBERS

const NAMES = new Map<number, AlertName>()
for (const name of Object.keys(NUMBERS)) if (isAlertName(name)) NAMES.set(NUMBERS[name], name)
const WARNING = 1
const FATAL = 2

export function isAlertName(name: string): name is AlertName {
  return Object.hasOwn(NUMBERS, name)
}

export interface Alert {
  readonly fatal: boolean
  /** Undefined for a number that no specification names. */
  readonly name: AlertName | undefined
  readonly number: number
}

export function encodeAlert(name: AlertName): Uint8Array {
  const isWarning = name === 'close_notify' || name === 'no_renegotiation' || name === 'user_canceled'
  return Uint8Array.of(isWarning ? WARNING : FATAL, NUMBERS[name])
}

/** Undefined for what is no alert. */
export function decodeAlert(bytes: Uint8Array): Alert | undefined {
  const [level, number] = bytes
  if (bytes.length !== 2 || number === undefined || (level !== WARNING && level !== FATAL)) return undefined
  return { fatal: level === FATAL, name: NAMES.get(number), number }
}

/** What ends a handshake on our side: the alert goes to the peer, the failure to whoever asked. */
export class AlertFailure extends AppError {
  readonly alert: AlertName

  constructor(alert: AlertName, message: string, code: FailureCode = 'dtls.handshake-failed') {
    super(code, message, { details: { alert } })
    this.alert = alert
  }
}
