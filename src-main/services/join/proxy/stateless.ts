// The stateless join proxy: the way back travels with each message (draft-ietf-anima-constrained-join-proxy-20 §4.4, draft -01 §5.2).
import type { ChannelEvent, Datagram, SocketAddress } from '#main/base/index.ts'
import { decodeJpy, encodeJpy, isJpyFault, type JpyVersion } from '../jpy/index.ts'
import { LinkNumbers, plainHeaderOf, pledgeOfPlainHeader } from './pledge-address.ts'
import { isAt, PledgeSide } from './pledge-side.ts'
import { HeaderSeal } from './sealed-header.ts'
import { DEFAULT_PROXY_LIMITS, newProxyCounters, type JoinProxy, type JoinProxyCounters, type StatelessOptions } from './types.ts'

export class StatelessJoinProxy implements JoinProxy {
  readonly mode = 'stateless'
  readonly joinPort: SocketAddress
  readonly #options: StatelessOptions
  readonly #version: JpyVersion
  readonly #links = new LinkNumbers()
  readonly #seal: HeaderSeal
  readonly #pledges: PledgeSide
  readonly #counters: JoinProxyCounters = newProxyCounters()
  readonly #unsubscribe: () => void

  constructor(options: StatelessOptions) {
    const { clock, random, pledges, uplink, keyTimes } = options
    this.joinPort = pledges.local
    this.#options = options
    this.#version = options.version ?? '20'
    this.#seal = new HeaderSeal(clock, random, this.#links, keyTimes)
    const limits = { ...DEFAULT_PROXY_LIMITS, ...options.limits }
    this.#pledges = new PledgeSide(options, limits, this.#counters, (pledge, payload) => this.#toRegistrar(pledge, payload))
    this.#unsubscribe = uplink.subscribe((event) => this.#onUplink(event))
  }

  counters(): Readonly<JoinProxyCounters> {
    return { ...this.#counters }
  }

  holdings(): { readonly pledges: number; readonly mappings: number } {
    return { pledges: this.#pledges.remembered, mappings: 0 }
  }

  close(): Promise<void> {
    this.#pledges.close()
    this.#unsubscribe()
    return Promise.resolve()
  }

  #toRegistrar(pledge: SocketAddress, content: Uint8Array): void {
    const { uplink } = this.#options
    const registrar = this.#options.registrar()
    if (registrar === undefined) {
      this.#counters.noRegistrar++
      this.#options.onEvent?.({ kind: 'pledge-refused', pledge, reason: 'no-registrar' })
      return
    }
    const header = this.#version === '20' ? this.#seal.seal(pledge) : plainHeaderOf(pledge, this.#links)
    if (header === undefined) {
      this.#counters.noPlace++
      return
    }
    const message = encodeJpy({ version: this.#version, header, content })
    if (message.length > uplink.maxPayloadBytes) this.#counters.tooLarge++
    else uplink.send(message, registrar)
  }

  #onUplink(event: ChannelEvent): void {
    if (event.kind === 'send-failed') {
      // Which pledge it was about cannot be told (draft -20 §4.4).
      this.#counters.sendErrors++
      this.#options.onEvent?.({ kind: 'registrar-unreachable', registrar: event.to, error: event.error })
    } else if (event.kind === 'datagram') this.#onDatagram(event.datagram)
  }

  #onDatagram({ source, payload, multicast }: Datagram): void {
    const registrar = this.#options.registrar()
    // Draft -20 §4.5.5: the least that any proxy has to ask.
    if (multicast || registrar === undefined || !isAt(source, registrar)) {
      this.#counters.fromStrangers++
      return
    }
    const message = decodeJpy(payload)
    if (isJpyFault(message) || message.version !== this.#version) {
      this.#counters.malformed++
      return
    }
    const { header, content } = message
    const pledge = this.#version === '20' ? this.#seal.open(header) : pledgeOfPlainHeader(header, this.#links)
    if (pledge === undefined) this.#counters.badHeaders++
    else this.#pledges.send(pledge, content)
  }
}
