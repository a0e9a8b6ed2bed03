// The response to a protected request, as the exchange that waits for it shall see it (RFC 8613 §8.4).
import type { CoapMessage, ExchangeSecurity, Origin } from './types.ts'

/** Undefined where the message is none. */
export function openResponse(
  security: ExchangeSecurity | undefined,
  message: CoapMessage,
  origin: Origin,
): { readonly message: CoapMessage; readonly origin: Origin } | undefined {
  if (security === undefined) return { message, origin }
  const opened = security.unprotect(message)
  if (opened === undefined) return undefined
  return { message: opened.message, origin: { ...origin, identity: opened.identity } }
}
