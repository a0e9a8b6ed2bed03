// One dongle from being plugged in to being closed: finds, opens, probes and drives it, again and again, behind one lasting PacketLink.
import { AppError, delay, isAbort, silentLogger, toAppError, type Logger } from '#main/base/index.ts'
import { connectDongle, refusalOf, type Connection, type ProbeReport } from './connect.ts'
import { FrameTrace } from './frame-trace.ts'
import { LinkTally, type LinkCounters } from './life-counters.ts'
import type { DongleOptions, DongleState } from './life-types.ts'
import type { LineSettings } from './line-serial.ts'
import type { PortEntry } from './ports.ts'
import type { LinkAddress, LinkDriver, PacketLink, PacketLinkEvent, SerialLine } from './types.ts'

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** A session that lasted as long starts the waiting times anew. */
const GOOD_SESSION_MS = 10_000
/** For the system to set permissions of a port that has just come. */
const SETTLE_MS = 300
/** A path typed by hand shows in no list: it is simply tried. */
const ABSENT_LOOK_MS = 2_000
const MTU_BYTES = 1280

interface Session<Driver> {
  readonly line: SerialLine
  readonly driver: Driver
  readonly report: ProbeReport
}

export class DongleLink<Driver extends LinkDriver = LinkDriver> implements PacketLink {
  readonly id: string
  readonly mtuBytes = MTU_BYTES
  readonly #options: DongleOptions<Driver>
  readonly #logger: Logger
  readonly #tally: LinkTally
  readonly #closing = new AbortController()
  readonly #listeners = new Set<(event: PacketLinkEvent) => void>()
  readonly #stateListeners = new Set<(state: DongleState) => void>()
  readonly #groups = new Set<string>()
  #state: DongleState = { kind: 'absent' }
  #session: Session<Driver> | undefined
  #up = false
  #carries = { multicast: false, linkLocal: false }
  #wake: () => void = () => undefined
  #endSession: (error: AppError | undefined) => void = () => undefined
  /** The session is over; what its driver still has to tell of its state no longer counts. */
  #ending = false
  #attempt = 0
  #mayReset = true
  /** At which it answered last time. */
  #proven: LineSettings | undefined
  #running: Promise<void> | undefined

  constructor(options: DongleOptions<Driver>) {
    this.id = options.id
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child({ link: options.id })
    this.#tally = new LinkTally(options.tap)
  }

  get state(): DongleState {
    return this.#state
  }

  /** While a session lasts: what only this firmware can do (form, scan, tables …). Another one after each reconnect. */
  get driver(): Driver | undefined {
    return this.#session?.driver
  }

  get up(): boolean {
    return this.#up
  }

  get addresses(): readonly LinkAddress[] {
    return this.#up ? (this.#session?.driver.addresses ?? []) : []
  }

  get carries(): { readonly multicast: boolean; readonly linkLocal: boolean } {
    return this.#carries
  }

  /** Begins to look for the dongle. It goes on until `close`. */
  open(): void {
    this.#running ??= this.#run()
  }

  send(packet: Uint8Array): void {
    if (this.#session !== undefined && this.#up) {
      this.#session.driver.send(packet)
      return
    }
    this.#tally.failedWithoutDriver()
    this.#emit({ kind: 'send-failed', packet, error: new AppError('network.down', `${this.id} is not up`, { retryable: true }) })
  }

  joinGroup(address: string): void {
    this.#groups.add(address)
    this.#session?.driver.joinGroup(address)
  }

  leaveGroup(address: string): void {
    if (this.#groups.delete(address)) this.#session?.driver.leaveGroup(address)
  }

  subscribe(listener: (event: PacketLinkEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onState(listener: (state: DongleState) => void): () => void {
    this.#stateListeners.add(listener)
    return () => this.#stateListeners.delete(listener)
  }

  counters(): LinkCounters {
    return this.#tally.read(this.#session?.driver.counters(), this.#session?.line.queuedBytes ?? 0)
  }

  /** Tries at once what is refused or waits; a running session is closed and opened anew. */
  retry(): void {
    this.#attempt = 0
    this.#wake()
    this.#endSession(undefined)
  }

  /** Leaves the dongle clean. Resolves when the port is free again. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#endSession(undefined)
    await this.#running
    this.#setState({ kind: 'closed' })
    this.#listeners.clear()
    this.#stateListeners.clear()
  }

  async #run(): Promise<void> {
    const unwatch =
      this.#options.target.key === undefined ? undefined : this.#options.watch.subscribe((change) => this.#portsChanged(change))
    try {
      while (!this.#isClosing) await this.#once()
    } finally {
      unwatch?.()
    }
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted
  }

  async #once(): Promise<void> {
    let connection: Connection | undefined
    try {
      const port = await this.#find()
      if (port === undefined) {
        await this.#absent()
        return
      }
      connection = await this.#connect(port)
      const refusal = refusalOf(connection.report)
      if (refusal !== undefined) throw refusal
      this.#proven = connection.report.settings
      await this.#drive(connection)
    } catch (thrown) {
      await connection?.line.close()
      if (!this.#isClosing) await this.#failed(isAbort(thrown) ? lost(this.id) : toAppError(thrown), connection?.report)
    }
  }

  /** Where the dongle is now. */
  async #find(): Promise<{ readonly path: string; readonly entry: PortEntry | undefined } | undefined> {
    const { target, watch } = this.#options
    if (target.key === undefined) return { path: target.path, entry: undefined }
    await watch.look()
    const entry = watch.ports.find((port) => port.key === target.key)
    return entry === undefined ? undefined : { path: entry.path, entry }
  }

  async #connect(port: { readonly path: string; readonly entry: PortEntry | undefined }): Promise<Connection> {
    const { target, clock, binding, system } = this.#options
    const suggested = this.#proven ?? port.entry?.settings
    return connectDongle({
      path: port.path,
      clock,
      signal: this.#closing.signal,
      onPhase: (kind) => this.#setState({ kind, path: port.path }),
      wrap: (line) => this.#tally.wrap(line),
      ...(binding === undefined ? {} : { binding }),
      ...(system === undefined ? {} : { platform: system.platform }),
      ...(target.settings === undefined ? {} : { settings: target.settings }),
      ...(suggested === undefined ? {} : { suggested }),
    })
  }

  /** Until the line ends, the driver gives up, or somebody wants it to end. */
  async #drive({ line, report }: Connection): Promise<void> {
    const { clock, random, createDriver, onFrame } = this.#options
    if (onFrame !== undefined) this.#tally.trace = new FrameTrace(report.firmware === 'slip-router' ? 'slip' : 'spinel', onFrame)
    const driver = createDriver({ line, id: this.id, report, clock, random, logger: this.#logger })
    const ended = Promise.withResolvers<AppError | undefined>()
    const giveUp = new AbortController()
    this.#endSession = (error) => {
      ended.resolve(error)
      giveUp.abort()
    }
    this.#session = { line, driver, report }
    this.#carries = driver.carries
    this.#tally.sessions++
    const place = { path: line.path, report }
    const unsubscribeLine = line.subscribe((event) => {
      if (event.kind === 'closed') this.#endSession(event.error ?? lost(this.id))
    })
    const unsubscribe = driver.subscribe((event) => this.#fromDriver(event, place))
    const startedMs = clock.monotonicMs()
    let failure: AppError | undefined
    try {
      this.#setState({ kind: 'starting', ...place })
      for (const group of this.#groups) driver.joinGroup(group)
      await driver.start({ mayReset: this.#mayReset, signal: giveUp.signal })
      if (!driver.up) this.#setState({ kind: 'attaching', ...place })
      failure = await ended.promise
    } catch (thrown) {
      // A line that was lost while starting says more than the driver's cancelled wait.
      failure = giveUp.signal.aborted ? await ended.promise : toAppError(thrown)
    } finally {
      this.#endSession = () => undefined
      this.#ending = true
      this.#setUp(false, failure)
      // A port that vanished comes back with a dongle that has just booted, maybe over its own reset: a second one would make it vanish again.
      this.#mayReset = failure?.code !== 'link.closed'
      if (clock.monotonicMs() - startedMs > GOOD_SESSION_MS) this.#attempt = 0
      if (failure?.code === 'link.closed') this.#tally.losses++
      await driver.stop()
      unsubscribe()
      unsubscribeLine()
      await line.close()
      this.#tally.sessionEnded(driver.counters())
      this.#tally.trace = undefined
      this.#session = undefined
      this.#ending = false
    }
    if (failure !== undefined) throw failure
  }

  #fromDriver(event: PacketLinkEvent, place: { readonly path: string; readonly report: ProbeReport }): void {
    if (this.#ending && (event.kind === 'up' || event.kind === 'down')) return
    switch (event.kind) {
      case 'up':
        this.#setState({ kind: 'up', ...place })
        this.#setUp(true, undefined)
        return
      case 'down':
        if (event.error === undefined) this.#setState({ kind: 'attaching', ...place })
        this.#setUp(false, event.error)
        if (event.error !== undefined) this.#endSession(event.error)
        return
      case 'addresses':
      case 'packet':
      case 'send-failed':
        this.#emit(event)
        return
    }
  }

  #setUp(up: boolean, error: AppError | undefined): void {
    if (up === this.#up) return
    this.#up = up
    if (up) this.#emit({ kind: 'up' })
    else this.#emit(error === undefined ? { kind: 'down' } : { kind: 'down', error })
  }

  async #absent(): Promise<void> {
    this.#setState({ kind: 'absent' })
    await this.#pause(this.#options.target.key === undefined ? ABSENT_LOOK_MS : undefined)
    if (!this.#isClosing) await this.#pause(SETTLE_MS)
  }

  async #failed(error: AppError, report: ProbeReport | undefined): Promise<void> {
    const { target, random } = this.#options
    if (error.code === 'link.port-missing' && target.key === undefined) {
      await this.#absent()
      return
    }
    if (!error.retryable) {
      this.#logger.warn({ code: error.code, reason: error.details.reason }, 'the dongle is refused')
      this.#setState({ kind: 'refused', path: report?.path ?? target.path, error, report })
      await this.#pause(undefined)
      return
    }
    this.#attempt++
    const longestMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#attempt - 1))
    const waitMs = Math.round(longestMs * (0.8 + 0.4 * random.fraction()))
    this.#logger.info({ code: error.code, attempt: this.#attempt, waitMs }, 'the dongle is tried again')
    this.#setState({ kind: 'retrying', error, attempt: this.#attempt, waitMs })
    await this.#pause(waitMs)
  }

  #portsChanged(change: { readonly appeared: readonly PortEntry[]; readonly vanished: readonly PortEntry[] }): void {
    const isMine = (entry: PortEntry): boolean => entry.key === this.#options.target.key
    if (change.appeared.some(isMine)) {
      this.#attempt = 0
      this.#wake()
    } else if (change.vanished.some(isMine) && this.#session === undefined) this.#wake()
  }

  /** So long, or for ever, until something changes. */
  async #pause(timeoutMs: number | undefined): Promise<void> {
    const awake = new AbortController()
    this.#wake = () => awake.abort()
    const signal = AbortSignal.any([awake.signal, this.#closing.signal])
    try {
      if (timeoutMs !== undefined) await delay(this.#options.clock, timeoutMs, signal)
      else if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    } catch (thrown) {
      if (!isAbort(thrown)) throw thrown
    }
    this.#wake = () => undefined
  }

  #setState(state: DongleState): void {
    this.#state = state
    for (const listener of [...this.#stateListeners]) listener(state)
  }

  #emit(event: PacketLinkEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}

function lost(id: string): AppError {
  return new AppError('link.closed', `The line of ${id} was closed`, { retryable: true })
}
