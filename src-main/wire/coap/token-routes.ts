// Responses to tokens that stay in use beyond one exchange: observations, and probes with tokens of unusual length.
import { toHex } from '#main/base/index.ts'
import type { Origin } from './message-layer.ts'
import type { CoapMessage } from './types.ts'

/** Whether the message was wanted. */
export type TokenRoute = (message: CoapMessage, origin: Origin) => boolean

export class TokenRoutes {
  readonly #routes = new Map<string, TokenRoute>()

  add(token: Uint8Array, route: TokenRoute): () => void {
    const key = toHex(token)
    this.#routes.set(key, route)
    return () => {
      if (this.#routes.get(key) === route) this.#routes.delete(key)
    }
  }

  onResponse(message: CoapMessage, origin: Origin): boolean {
    if (this.#routes.size === 0) return false
    return this.#routes.get(toHex(message.token))?.(message, origin) ?? false
  }

  clear(): void {
    this.#routes.clear()
  }
}
