// What goes before a protected request, and its response as the exchange that waits for it shall see it (RFC 8613 §8.4, Appendix B.2).
import { AppError, type SocketAddress } from '#main/base/index.ts'
import type { CoapClient, CoapMessage, ExchangeSecurity, Origin, RequestSecurity } from './types.ts'

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

/** Waits until the security can protect; undefined where it can. Who gives up waiting does not end what others wait for, too. */
export function prepared(
  security: RequestSecurity | undefined,
  client: Pick<CoapClient, 'request'>,
  to: SocketAddress,
  signal: AbortSignal | undefined,
): Promise<void> | undefined {
  const preparing = security?.prepare?.(client, to)
  if (preparing === undefined || signal === undefined) return preparing
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(cancelled(signal))
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    preparing.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

export function cancelled(signal: AbortSignal): AppError {
  const reason: unknown = signal.reason
  return reason instanceof AppError ? reason : new AppError('cancelled', 'The request was cancelled', { cause: reason })
}
