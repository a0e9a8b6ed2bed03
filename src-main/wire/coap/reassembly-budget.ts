// The bound on bodies of responses that are being put together: in all, and for each peer that sends them.
import { AppError } from '#main/base/index.ts'
import type { CoapParameters } from './parameters.ts'

/** What one transfer holds. */
export interface Share {
  /** Fails with `coap.too-large` where the bound does not allow so many bytes more. */
  take(bytes: number): void
  release(): void
}

export class ReassemblyBudget {
  readonly #parameters: CoapParameters
  readonly #ofPeer = new Map<string, number>()
  #bytes = 0

  constructor(parameters: CoapParameters) {
    this.#parameters = parameters
  }

  get bytes(): number {
    return this.#bytes
  }

  open(peer: string): Share {
    const { maxBlockwiseBytes, maxBlockwiseBytesPerPeer } = this.#parameters
    let held = 0
    return {
      take: (bytes) => {
        const ofPeer = (this.#ofPeer.get(peer) ?? 0) + bytes
        if (this.#bytes + bytes > maxBlockwiseBytes || ofPeer > maxBlockwiseBytesPerPeer) {
          throw new AppError('coap.too-large', 'Too many large responses at once', { retryable: true, details: { bytes: held + bytes } })
        }
        held += bytes
        this.#bytes += bytes
        this.#ofPeer.set(peer, ofPeer)
      },
      release: () => {
        this.#bytes -= held
        const left = (this.#ofPeer.get(peer) ?? 0) - held
        if (left > 0) this.#ofPeer.set(peer, left)
        else this.#ofPeer.delete(peer)
        held = 0
      },
    }
  }
}
