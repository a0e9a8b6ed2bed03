// A SLIP border router (Contiki-NG's, as tunslip6 serves it) as a PacketLink: prefix and MAC handshake, log text, pacing, liveness.
import { AppError, delay, equalBytes, silentLogger, type Clock, type Eui64, type Logger, type Timer } from '#main/base/index.ts'
import type { DriverCounters, DriverStart, LinkAddress, LinkDriver, PacketLinkEvent, SerialLine } from './types.ts'
import { encodeEchoProbe, isEchoProbeReply } from './echo-probe.ts'
import { formatIp6, parseIp6 } from './spinel/ip6-text.ts'
import { RoundTrip } from './round-trip.ts'
import { ASK_MAC, encodePrefixReply, readRouterMessage, type RouterMessage } from './slip-control.ts'
import { SLIP_MTU_BYTES, SlipPacer } from './slip-pacer.ts'
import { SlipDecoder, type SlipItem } from './slip.ts'

export interface SlipLinkOptions {
  readonly line: SerialLine
  readonly id: string
  readonly clock: Clock
  readonly logger?: Logger
  /** The /64 that the router is given, e.g. `fd00::`; this host is its `::1`. */
  readonly prefix?: string
  readonly spacingMs?: number
  /** Speed of the line where it has one: frames are handed over in time for it to stay busy. */
  readonly baudRate?: number
  readonly mostQueued?: number
  /** How often an idle router is asked whether it is there; 0 never. */
  readonly keepAliveMs?: number
}

/** What is known of the router, for the link page. */
export interface SlipRouterStatus {
  readonly eui64: Eui64 | undefined
  readonly prefix: string
  readonly routerAddress: string | undefined
  /** The newest line of its log. */
  readonly lastText: string | undefined
}

export const DEFAULT_SLIP_PREFIX = 'fd00::'
const ASK_TIMES = 3
const ANSWER_MS = 1_000
/** Long enough for a router without prefix to ask (every second) and to set its network up (within a second). */
const ECHO_TIMES = 8
const ECHO_MS = 500
const MOST_MISSED = 3
const LOG_TEXT_CHARACTERS = 200

export class SlipRouterLink implements LinkDriver {
  readonly id: string
  readonly mtuBytes = SLIP_MTU_BYTES
  /** Stock firmware drops multicast and link-local destinations that come from its serial side. */
  readonly carries = { multicast: false, linkLocal: false } as const
  readonly #line: SerialLine
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #prefix: Uint8Array
  readonly #own: Uint8Array
  readonly #keepAliveMs: number
  readonly #pacer: SlipPacer
  readonly #decoder: SlipDecoder
  readonly #roundTrip = new RoundTrip()
  readonly #listeners = new Set<(event: PacketLinkEvent) => void>()
  readonly #watchers = new Set<(event: RouterMessage | { readonly kind: 'echo' }) => void>()
  #unsubscribe: () => void = () => undefined
  #up = false
  #stopped = false
  #eui64: Eui64 | undefined
  #lastText: string | undefined
  #keepAlive: Timer | undefined
  #missed = 0
  #framesIn = 0
  #controlOut = 0
  #damaged = 0
  #packetsIn = 0
  #failed = 0
  #retries = 0

  constructor(options: SlipLinkOptions) {
    const { line, id, clock, logger = silentLogger, prefix = DEFAULT_SLIP_PREFIX, spacingMs = 10, mostQueued = 64 } = options
    this.id = id
    this.#line = line
    this.#clock = clock
    this.#logger = logger
    this.#keepAliveMs = options.keepAliveMs ?? 30_000
    this.#prefix = parsePrefix64(prefix)
    this.#own = this.#prefix.slice()
    this.#own[15] = 1
    this.#decoder = new SlipDecoder((item) => this.#item(item))
    this.#pacer = new SlipPacer({
      line,
      clock,
      spacingMs,
      baudRate: options.baudRate,
      mostQueued,
      onFailed: (packet, error) => this.#sendFailed(packet, error),
    })
  }

  get up(): boolean {
    return this.#up
  }

  get addresses(): readonly LinkAddress[] {
    return this.#up ? [{ address: formatIp6(this.#own), prefixLength: 64, origin: 'assigned' }] : []
  }

  async start({ signal }: DriverStart): Promise<void> {
    this.#unsubscribe = this.#line.subscribe((event) => {
      if (event.kind === 'bytes') this.#decoder.push(event.bytes)
      else this.#goDown(event.error)
    })
    const wanted = await this.#greet(signal)
    await this.#confirmPrefix(wanted, signal)
    this.#goUp()
  }

  status(): SlipRouterStatus {
    const address = this.#routerAddress()
    return {
      eui64: this.#eui64,
      prefix: `${formatIp6(this.#prefix)}/64`,
      routerAddress: address === undefined ? undefined : formatIp6(address),
      lastText: this.#lastText,
    }
  }

  send(packet: Uint8Array): void {
    const refusal = this.#refusalOf(packet)
    if (refusal === undefined) this.#pacer.send(packet)
    else this.#sendFailed(packet, refusal)
  }

  joinGroup(): void {
    // The router passes no multicast to its serial side; `carries` says so.
  }

  leaveGroup(): void {
    // As above.
  }

  subscribe(listener: (event: PacketLinkEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  counters(): DriverCounters {
    return {
      framesIn: this.#framesIn,
      framesOut: this.#pacer.sent + this.#controlOut,
      damagedFrames: this.#damaged,
      packetsIn: this.#packetsIn,
      packetsOut: this.#pacer.sent,
      packetsFailed: this.#failed,
      queuedPackets: this.#pacer.queued,
      retries: this.#retries,
      roundTripMs: this.#roundTrip.value,
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#goDown(undefined)
    this.#unsubscribe()
    await Promise.race([this.#line.drained(), delay(this.#clock, 1_000)])
  }

  /** Asks for the EUI-64 and answers the router's question for a prefix. Tells whether it asked for one. */
  async #greet(signal: AbortSignal): Promise<boolean> {
    const listening = this.#watch((event) => (event.kind === 'prefix-wanted' ? true : undefined))
    try {
      for (let round = 0; round < ASK_TIMES && this.#eui64 === undefined; round++) {
        if (round > 0) this.#retries++
        const answer = await this.#ask(signal)
        if (answer === 'slip-radio') throw slipRadio(this.#line.path)
      }
      if (this.#eui64 === undefined && listening.found() === undefined) {
        throw new AppError('link.no-answer', `The border router on ${this.#line.path} does not answer`, { retryable: true })
      }
      return listening.found() ?? false
    } finally {
      listening.stop()
    }
  }

  async #ask(signal: AbortSignal): Promise<'mac' | 'slip-radio' | undefined> {
    const startedMs = this.#clock.monotonicMs()
    const watch = this.#watch((event) => (event.kind === 'mac' || event.kind === 'slip-radio' ? event.kind : undefined))
    this.#writeControl(ASK_MAC)
    const answer = await watch.within(ANSWER_MS, signal)
    if (answer === 'mac') this.#roundTrip.add(this.#clock.monotonicMs() - startedMs)
    return answer
  }

  /** Sees the router answer under the prefix: its network is on only then (it takes up to a second), and it ignores a second prefix. */
  async #confirmPrefix(asked: boolean, signal: AbortSignal): Promise<void> {
    const router = this.#routerAddress()
    if (router === undefined) return
    const listening = this.#watch((event) => (event.kind === 'prefix-wanted' ? true : undefined))
    try {
      for (let sequence = 1; sequence <= ECHO_TIMES; sequence++) {
        const watch = this.#watch((event) => (event.kind === 'echo' ? true : undefined))
        this.#pacer.send(encodeEchoProbe(this.#own, router, sequence))
        if (await watch.within(ECHO_MS, signal)) return
      }
    } finally {
      listening.stop()
    }
    // A router that took the prefix a moment ago and answers no echo is used all the same.
    if (asked || listening.found() === true) return
    const prefix = `${formatIp6(this.#prefix)}/64`
    throw new AppError('link.prefix-differs', `The border router does not answer under ${prefix}`, { details: { prefix } })
  }

  #item(item: SlipItem): void {
    if (item.kind === 'damaged') {
      this.#damaged++
      return
    }
    if (item.kind === 'text') {
      this.#lastText = item.line.slice(0, LOG_TEXT_CHARACTERS)
      this.#logger.debug({ link: this.id, text: this.#lastText }, 'the dongle says')
    } else this.#framesIn++
    if (item.kind === 'packet') this.#packet(item.bytes)
    const message = readRouterMessage(item)
    if (message !== undefined) this.#message(message)
  }

  #packet(packet: Uint8Array): void {
    const router = this.#routerAddress()
    if (router !== undefined && isEchoProbeReply(packet, router)) {
      for (const watcher of [...this.#watchers]) watcher({ kind: 'echo' })
      return
    }
    this.#packetsIn++
    this.#emit({ kind: 'packet', packet })
  }

  #message(message: RouterMessage): void {
    if (message.kind === 'mac') this.#eui64 = message.eui64
    if (message.kind === 'prefix-wanted') {
      this.#writeControl(encodePrefixReply(this.#prefix))
      if (this.#up) void this.#restarted()
    }
    for (const watcher of [...this.#watchers]) watcher(message)
  }

  /** The router asks for its prefix while it was up: it has restarted, and its mesh forms anew. */
  async #restarted(): Promise<void> {
    this.#logger.info({ link: this.id }, 'the border router has restarted')
    this.#setDown(undefined)
    try {
      await this.#confirmPrefix(true, new AbortController().signal)
      this.#goUp()
    } catch (thrown) {
      this.#goDown(thrown instanceof AppError ? thrown : undefined)
    }
  }

  #goUp(): void {
    if (this.#stopped || this.#up) return
    this.#up = true
    this.#missed = 0
    this.#armKeepAlive()
    this.#emit({ kind: 'up' })
    this.#emit({ kind: 'addresses' })
  }

  #goDown(error: AppError | undefined): void {
    this.#stopped = true
    this.#pacer.stop(error ?? linkDown(this.id))
    this.#setDown(error)
  }

  #setDown(error: AppError | undefined): void {
    this.#keepAlive?.cancel()
    if (!this.#up) return
    this.#up = false
    this.#emit(error === undefined ? { kind: 'down' } : { kind: 'down', error })
    this.#emit({ kind: 'addresses' })
  }

  #armKeepAlive(): void {
    if (this.#keepAliveMs <= 0 || this.#eui64 === undefined) return
    this.#keepAlive = this.#clock.setTimer(this.#keepAliveMs, () => void this.#checkAlive())
  }

  async #checkAlive(): Promise<void> {
    const answer = await this.#ask(new AbortController().signal)
    if (!this.#up) return
    this.#missed = answer === undefined ? this.#missed + 1 : 0
    if (this.#missed >= MOST_MISSED) {
      this.#goDown(new AppError('link.no-answer', `The border router on ${this.#line.path} no longer answers`, { retryable: true }))
    } else if (this.#missed > 0) {
      this.#retries++
      void this.#checkAlive()
    } else this.#armKeepAlive()
  }

  #writeControl(frame: Uint8Array): void {
    this.#controlOut++
    this.#line.write(frame)
  }

  /** Prefix and the EUI-64 with its universal bit turned (RFC 4291, appendix A). */
  #routerAddress(): Uint8Array | undefined {
    if (this.#eui64 === undefined) return undefined
    const address = this.#prefix.slice()
    for (let index = 0; index < 8; index++) address[8 + index] = Number.parseInt(this.#eui64.slice(index * 2, index * 2 + 2), 16)
    address[8] = (address[8] ?? 0) ^ 0x02
    return address
  }

  #refusalOf(packet: Uint8Array): AppError | undefined {
    if (!this.#up) return linkDown(this.id)
    const multicast = packet[24] === 0xff
    const linkLocal = packet[24] === 0xfe && ((packet[25] ?? 0) & 0xc0) === 0x80
    if (!multicast && !linkLocal) return undefined
    const details = { reason: multicast ? 'multicast' : 'link-local' }
    return new AppError('link.not-carried', 'A SLIP border router carries unicast to routable addresses only', { details })
  }

  #sendFailed(packet: Uint8Array, error: AppError): void {
    this.#failed++
    this.#emit({ kind: 'send-failed', packet, error })
  }

  #emit(event: PacketLinkEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }

  /** Watches what the router says until `pick` finds something. */
  #watch<Found>(pick: (event: RouterMessage | { readonly kind: 'echo' }) => Found | undefined): {
    within(timeoutMs: number, signal: AbortSignal): Promise<Found | undefined>
    found(): Found | undefined
    stop(): void
  } {
    let found: Found | undefined
    let wake: () => void = () => undefined
    const watcher = (event: RouterMessage | { readonly kind: 'echo' }): void => {
      found ??= pick(event)
      if (found !== undefined) wake()
    }
    this.#watchers.add(watcher)
    const stop = (): void => void this.#watchers.delete(watcher)
    const within = async (timeoutMs: number, signal: AbortSignal): Promise<Found | undefined> => {
      const awake = new AbortController()
      wake = () => awake.abort()
      try {
        if (found === undefined) await delay(this.#clock, timeoutMs, AbortSignal.any([signal, awake.signal]))
      } catch (thrown) {
        if (signal.aborted) throw thrown
      } finally {
        stop()
      }
      return found
    }
    return { within, found: () => found, stop }
  }
}

function slipRadio(path: string): AppError {
  const details = { path, reason: 'slip-radio' }
  return new AppError('link.wrong-firmware', `${path} is a slip-radio: its host would have to bring 6LoWPAN and RPL`, { details })
}

function linkDown(id: string): AppError {
  return new AppError('network.down', `${id} is not up`, { retryable: true })
}

/** The prefix bytes, the last eight zero; its text may end in `/64`. */
export function parsePrefix64(text: string): Uint8Array {
  const bytes = parseIp6(text.replace(/\/64$/, ''))
  if (bytes === undefined || !equalBytes(bytes.subarray(8), new Uint8Array(8)) || bytes[0] === 0xff || (bytes[0] ?? 0) < 0x20) {
    throw new AppError('input.invalid', `${text} is not a /64 prefix`, { details: { prefix: text } })
  }
  return bytes
}
