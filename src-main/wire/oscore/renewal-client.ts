// Renews contexts by itself when their sender state is lost, as after a site file was copied or restored, or numbers are used up
// (RFC 8613 §7.2.1, §7.5.1, Appendix B.2).
import { AppError, type Clock, type SocketAddress } from '#main/base/index.ts'
import type { CoapClient } from '#main/wire/coap/index.ts'
import type { SenderRenewal } from './layer.ts'
import { renewContext, type RenewalInput, type RenewalPorts } from './renewal.ts'
import { staleSender } from './sender-sequence.ts'

/** After an attempt that failed the next waits, twice as long each time. */
const FIRST_PAUSE_MS = 30_000
const LONGEST_PAUSE_MS = 3_600_000

interface Known {
  readonly input: RenewalInput
  running: Promise<void> | undefined
  failures: number
  notBeforeMs: number
}

/** Hang it into the layer by `layer.renewSendersBy`. */
export class RenewalClient implements SenderRenewal {
  readonly #ports: RenewalPorts & { readonly clock: Clock }
  readonly #known = new Map<string, Known>()

  constructor(ports: RenewalPorts & { readonly clock: Clock }) {
    this.#ports = ports
  }

  /** A peer whose context may be renewed; the new context has the input's name. */
  allow(input: RenewalInput): () => void {
    const known: Known = { input, running: undefined, failures: 0, notBeforeMs: Number.NEGATIVE_INFINITY }
    this.#known.set(input.name, known)
    return () => {
      if (this.#known.get(input.name) === known) this.#known.delete(input.name)
    }
  }

  /** One attempt at a time for each peer, whoever asks. Fails with `oscore.sender-stale` where the peer does not take part. */
  renew(name: string, client: Pick<CoapClient, 'request'>, to: SocketAddress): Promise<void> | undefined {
    const known = this.#known.get(name)
    if (known === undefined) return undefined
    if (known.running !== undefined) return known.running
    if (this.#ports.clock.monotonicMs() < known.notBeforeMs) return undefined
    known.running = this.#attempt(known, client, to).finally(() => {
      known.running = undefined
    })
    return known.running
  }

  async #attempt(known: Known, client: Pick<CoapClient, 'request'>, to: SocketAddress): Promise<void> {
    const { clock, onRenewed } = this.#ports
    try {
      await renewContext(client, to, known.input, {
        ...this.#ports,
        onRenewed: (name, idContext) => {
          // What nobody allows any more must not come back with the end of the attempt.
          if (this.#known.get(name) !== known) throw staleSender()
          onRenewed?.(name, idContext)
        },
      })
      known.failures = 0
    } catch (thrown) {
      known.notBeforeMs = clock.monotonicMs() + Math.min(FIRST_PAUSE_MS * 2 ** known.failures++, LONGEST_PAUSE_MS)
      if (thrown instanceof AppError && thrown.code !== 'oscore.member-unknown') throw thrown
      throw new AppError('oscore.sender-stale', staleSender().message, { cause: thrown })
    }
  }
}
