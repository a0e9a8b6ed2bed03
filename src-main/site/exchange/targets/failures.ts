// What goes wrong on the way to a destination, in the words of failures: by whom, and whether trying again may help.
import { AppError } from '#main/base/index.ts'

/** What OpenSSL and Node say where the other side is not who it should be. */
const UNTRUSTED = /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|HOSTNAME_MISMATCH|ERR_TLS_CERT_)/
const REASON_CHARACTERS = 200

export function connectionFailure(cause: unknown): AppError {
  if (cause instanceof AppError) return cause
  const reason = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  if (UNTRUSTED.test(reason))
    return new AppError('push.untrusted', 'The destination could not prove who it is', { details: { reason }, cause })
  const words = cause instanceof Error ? cause.message.slice(0, REASON_CHARACTERS) : ''
  return new AppError('push.unreachable', 'The destination cannot be reached', {
    retryable: true,
    details: { reason: reason === '' ? words : reason },
    cause,
  })
}

/** Words of somebody else, for people: cut, on one line. */
export function plainWords(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, REASON_CHARACTERS)
}
