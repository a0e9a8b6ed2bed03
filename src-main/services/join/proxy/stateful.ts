// The stateful join proxy: a port of its own towards the registrar for each pledge (draft-ietf-anima-constrained-join-proxy-20 §4.3,
// draft -01 §5.1), so that datagrams stay as they are.
import { AppError, formatSocketAddress, type ChannelEvent, type DatagramChannel, type SocketAddress, type Timer } from '#main/base/index.ts'
import { isAt, neighbourKey, PledgeSide } from './pledge-side.ts'
import {
  DEFAULT_PROXY_LIMITS,
  newProxyCounters,
  type JoinProxy,
  type JoinProxyCounters,
  type JoinProxyLimits,
  type StatefulOptions,
  type UnreachableCode,
} from './types.ts'

interface Mapping {
  readonly key: string
  readonly pledge: SocketAddress
  readonly registrar: SocketAddress
  readonly beganMs: number
  /** Undefined until its port is open. */
  uplink: DatagramChannel | undefined
  readonly waiting: Uint8Array[]
  /** The last datagram of the pledge, for ICMP errors. */
  last: Uint8Array
  lastMs: number
  timer: Timer
  unsubscribe: () => void
  isOver: boolean
}

export class StatefulJoinProxy implements JoinProxy {
  readonly mode = 'stateful'
  readonly joinPort: SocketAddress
  readonly #options: StatefulOptions
  readonly #limits: JoinProxyLimits
  readonly #pledges: PledgeSide
  readonly #counters: JoinProxyCounters = newProxyCounters()
  /** By the pledge's address and port; the oldest first. */
  readonly #mappings = new Map<string, Mapping>()
  /** Ports that are being closed. */
  readonly #closing = new Set<Promise<void>>()

  constructor(options: StatefulOptions) {
    this.joinPort = options.pledges.local
    this.#options = options
    this.#limits = { ...DEFAULT_PROXY_LIMITS, ...options.limits }
    this.#pledges = new PledgeSide(options, this.#limits, this.#counters, (pledge, payload) => this.#toRegistrar(pledge, payload))
  }

  counters(): Readonly<JoinProxyCounters> {
    return { ...this.#counters }
  }

  holdings(): { readonly pledges: number; readonly mappings: number } {
    return { pledges: this.#pledges.remembered, mappings: this.#mappings.size }
  }

  async close(): Promise<void> {
    this.#pledges.close()
    for (const mapping of [...this.#mappings.values()]) this.#end(mapping)
    await Promise.all(this.#closing)
  }

  #toRegistrar(pledge: SocketAddress, payload: Uint8Array): void {
    const mapping = this.#mappings.get(formatSocketAddress(pledge)) ?? this.#begin(pledge, payload)
    if (mapping === undefined) return
    mapping.last = payload
    if (mapping.uplink !== undefined) this.#forward(mapping, mapping.uplink, payload)
    else if (mapping.waiting.length < this.#limits.maxWaiting) mapping.waiting.push(payload)
  }

  #forward(mapping: Mapping, uplink: DatagramChannel, payload: Uint8Array): void {
    if (payload.length > uplink.maxPayloadBytes) {
      this.#counters.tooLarge++
      return
    }
    mapping.lastMs = this.#options.clock.monotonicMs()
    uplink.send(payload, mapping.registrar)
  }

  // ---- Mappings ----

  #begin(pledge: SocketAddress, payload: Uint8Array): Mapping | undefined {
    const registrar = this.#options.registrar()
    if (registrar === undefined) {
      this.#counters.noRegistrar++
      this.#options.onEvent?.({ kind: 'pledge-refused', pledge, reason: 'no-registrar' })
      return undefined
    }
    if (!this.#hasPlace(pledge)) {
      this.#counters.noPlace++
      this.#options.onEvent?.({ kind: 'pledge-refused', pledge, reason: 'no-place' })
      this.#options.unreachable?.(pledge, 'prohibited', payload)
      return undefined
    }
    const nowMs = this.#options.clock.monotonicMs()
    const mapping: Mapping = {
      key: formatSocketAddress(pledge),
      pledge,
      registrar,
      beganMs: nowMs,
      uplink: undefined,
      waiting: [],
      last: payload,
      lastMs: nowMs,
      timer: this.#options.clock.setTimer(this.#limits.mappingMs, () => this.#watch(mapping)),
      unsubscribe: () => undefined,
      isOver: false,
    }
    this.#mappings.set(mapping.key, mapping)
    this.#options.openUplink().then(
      (uplink) => this.#opened(mapping, uplink),
      (cause: unknown) => {
        this.#counters.sendErrors++
        this.#options.logger.warn({ err: cause }, 'No port for a pledge could be opened')
        this.#end(mapping)
      },
    )
    return mapping
  }

  #opened(mapping: Mapping, uplink: DatagramChannel): void {
    if (mapping.isOver) {
      this.#shut(uplink)
      return
    }
    mapping.uplink = uplink
    mapping.unsubscribe = uplink.subscribe((event) => this.#onUplink(mapping, event))
    for (const payload of mapping.waiting.splice(0)) this.#forward(mapping, uplink, payload)
  }

  /** Draft -20 §4.3: few of one pledge, not many of one link. */
  #hasPlace(pledge: SocketAddress): boolean {
    const nowMs = this.#options.clock.monotonicMs()
    const own = neighbourKey(pledge)
    let ofPledge = 0
    let ofLink = 0
    let unproven: Mapping | undefined
    for (const mapping of this.#mappings.values()) {
      if (mapping.pledge.zone !== pledge.zone) continue
      ofLink++
      if (neighbourKey(mapping.pledge) === own) ofPledge++
      const isOld = nowMs - mapping.beganMs >= this.#limits.mappingGraceMs
      if (unproven === undefined && isOld && !this.#pledges.isProven(mapping.pledge)) unproven = mapping
    }
    if (ofPledge >= this.#limits.maxMappingsPerPledge) return false
    if (ofLink < this.#limits.maxMappingsPerLink) return true
    if (unproven === undefined) return false
    this.#end(unproven)
    return true
  }

  #watch(mapping: Mapping): void {
    const leftMs = mapping.lastMs + this.#limits.mappingMs - this.#options.clock.monotonicMs()
    if (leftMs <= 0) this.#end(mapping)
    else mapping.timer = this.#options.clock.setTimer(leftMs, () => this.#watch(mapping))
  }

  #end(mapping: Mapping): void {
    if (mapping.isOver) return
    mapping.isOver = true
    mapping.timer.cancel()
    mapping.unsubscribe()
    mapping.waiting.length = 0
    this.#mappings.delete(mapping.key)
    if (mapping.uplink !== undefined) this.#shut(mapping.uplink)
  }

  #shut(uplink: DatagramChannel): void {
    const closing = uplink
      .close()
      .catch((cause: unknown) => this.#options.logger.warn({ err: cause }, 'The port of a pledge could not be closed'))
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }

  // ---- From the registrar ----

  #onUplink(mapping: Mapping, event: ChannelEvent): void {
    switch (event.kind) {
      case 'datagram': {
        const { source, payload, multicast } = event.datagram
        if (multicast || !isAt(source, mapping.registrar)) {
          this.#counters.fromStrangers++
          return
        }
        mapping.lastMs = this.#options.clock.monotonicMs()
        this.#pledges.send(mapping.pledge, payload)
        return
      }
      case 'send-failed':
        this.#counters.sendErrors++
        // An equivalent ICMP error for the pledge that it was about (draft -20 §4.3).
        this.#options.unreachable?.(mapping.pledge, unreachableCode(event.error), mapping.last)
        this.#options.onEvent?.({ kind: 'registrar-unreachable', registrar: mapping.registrar, error: event.error })
        return
      case 'closed':
        this.#end(mapping)
    }
  }
}

function unreachableCode(error: Error): UnreachableCode {
  const code = error instanceof AppError ? error.code : undefined
  if (code === 'network.port-unreachable') return 'port-unreachable'
  return code === 'network.no-route' ? 'no-route' : 'address-unreachable'
}
