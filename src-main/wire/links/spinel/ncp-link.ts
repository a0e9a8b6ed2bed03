// The driver of an OpenThread NCP: a link that carries IPv6 packets over Spinel, follows the dongle's addresses, keeps groups, own
// addresses and prefixes over resets, and leaves the dongle clean (draft-rquattle-spinel-unified; OpenThread's header files since).
import { AppError, toAppError, type Clock, type Logger, type Timer } from '#main/base/index.ts'
import type { NetworkDescription, OperationalDataset } from '../dataset.ts'
import { HDLC_FLAG } from '../hdlc.ts'
import type { DriverCounters, DriverStart, LinkAddress, LinkDriver, PacketLinkEvent, SerialLine } from '../types.ts'
import * as commissioner from './commissioner.ts'
import { checkFirmware } from './ncp-firmware.ts'
import { GroupKeeper } from './ncp-groups.ts'
import { DebugStream } from './ncp-log.ts'
import {
  attachNetwork,
  formNetwork,
  joinByPassphrase,
  leaveNetwork,
  readDataset,
  resumeNetwork,
  withSignal,
  type NetworkOptions,
} from './ncp-network.ts'
import { OwnEntries } from './ncp-own-entries.ts'
import { scanEnergy, scanNetworks, type ChannelNoise, type FoundNetwork, type ScanOptions } from './ncp-scan.ts'
import { Pulse } from './ncp-pulse.ts'
import { askAll, startProperties, tableProperties, tryUnpack, vitalProperties } from './ncp-questions.ts'
import { MTU_BYTES, PacketSender } from './ncp-sender.ts'
import { NcpState, type NcpStatus } from './ncp-status.ts'
import { PROP } from './properties.ts'
import { SpinelSession, type SessionEvent } from './session.ts'

export interface NcpLinkOptions {
  readonly line: SerialLine
  /** Stable name within the site; the zone of link-local addresses too. */
  readonly id: string
  readonly clock: Clock
  readonly logger: Logger
  /** Brings a network that the dongle has saved up by itself; true by default. */
  readonly resume?: boolean
}

/** After a reset a second one may follow at once: initialised once it is quiet. */
const SETTLE_MS = 300
const STOP_MS = 800
const MOST_STARTS = 4
const SOURCE_AT = 8

type Phase = 'new' | 'starting' | 'running' | 'stopped'

export class NcpLink implements LinkDriver {
  readonly id: string
  readonly mtuBytes = MTU_BYTES
  readonly carries = { multicast: true, linkLocal: true }
  readonly #line: SerialLine
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #resume: boolean
  readonly #session: SpinelSession
  readonly #state = new NcpState()
  readonly #sender: PacketSender
  readonly #groups: GroupKeeper
  readonly #own: OwnEntries
  readonly #debug: DebugStream
  readonly #pulse: Pulse
  readonly #listeners = new Set<(event: PacketLinkEvent) => void>()
  readonly #statusListeners = new Set<(status: NcpStatus) => void>()
  #phase: Phase = 'new'
  #up = false
  #addresses: readonly LinkAddress[] = []
  #groupTable: readonly string[] = []
  #packetsIn = 0
  #loopedBack = 0
  #operations: Promise<unknown> = Promise.resolve()
  #restart: Timer | undefined

  constructor(options: NcpLinkOptions) {
    this.id = options.id
    this.#line = options.line
    this.#clock = options.clock
    this.#logger = options.logger
    this.#resume = options.resume ?? true
    this.#session = new SpinelSession(options)
    this.#sender = new PacketSender(this.#session, options.clock, (packet, error) => this.#emit({ kind: 'send-failed', packet, error }))
    this.#groups = new GroupKeeper(this.#session, this.#state, options.logger)
    this.#own = new OwnEntries(this.#session, this.#state)
    this.#debug = new DebugStream(options.logger)
    this.#pulse = new Pulse(this.#session, this.#state, options.clock, options.logger)
    this.#session.subscribe((event) => this.#heard(event))
    this.#state.watch(() => this.#changed())
  }

  get up(): boolean {
    return this.#up
  }

  get addresses(): readonly LinkAddress[] {
    return this.#up ? this.#addresses : []
  }

  /** What is known now; `refresh` asks for more. */
  get status(): NcpStatus {
    return this.#state.status
  }

  subscribe(listener: (event: PacketLinkEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Called with each change of the status. */
  watchStatus(listener: (status: NcpStatus) => void): () => void {
    this.#statusListeners.add(listener)
    return () => this.#statusListeners.delete(listener)
  }

  /** Fails with `link.wrong-firmware`, `link.no-answer`, `link.closed`, `cancelled`. */
  async start({ mayReset, signal }: DriverStart): Promise<void> {
    if (this.#phase !== 'new') throw new AppError('internal', 'A driver starts once')
    this.#phase = 'starting'
    // Ends what the dongle may have half received from whoever had the port before.
    this.#line.write(HDLC_FLAG)
    await withSignal(
      this.#exclusively(() => this.#initialise(mayReset)),
      signal,
    )
    if (this.#isStopped) return
    this.#phase = 'running'
    this.#pulse.start()
    this.#changed()
  }

  send(packet: Uint8Array): void {
    if (this.#up) this.#sender.send(packet)
    else this.#sender.fail(packet, new AppError('network.down', 'The dongle is not attached to a network', { retryable: true }))
  }

  joinGroup(address: string): void {
    this.#groups.join(address)
  }

  leaveGroup(address: string): void {
    this.#groups.leave(address)
  }

  counters(): DriverCounters & { readonly packetsUnconfirmed: number; readonly loopedBack: number; readonly strayFrames: number } {
    return { ...this.#session.counters(), ...this.#sender.counters(), packetsIn: this.#packetsIn, loopedBack: this.#loopedBack }
  }

  /** Asks for tables, signal strengths and counters, for a link page. */
  async refresh(): Promise<NcpStatus> {
    await askAll(this.#session, [...vitalProperties, ...tableProperties])
    return this.status
  }

  /** The dataset of the network that the dongle is in or has saved, keys included: to hand on, never to log. Undefined where it has none. */
  dataset(): Promise<OperationalDataset | undefined> {
    return readDataset(this.#session)
  }

  /** Makes a network; see `newDataset`. Whatever network the dongle was in is forgotten. */
  form(dataset: OperationalDataset, options: NetworkOptions = {}): Promise<NcpStatus> {
    return this.#operation((context) => formNetwork(context, dataset, options))
  }

  /** Joins a network that exists, by its dataset or by a description. */
  attach(network: OperationalDataset | NetworkDescription, options: NetworkOptions = {}): Promise<NcpStatus> {
    return this.#operation((context) => attachNetwork(context, network, options))
  }

  /** Joins by a passphrase that the network's commissioner has let in. */
  join(passphrase: string, options: NetworkOptions = {}): Promise<NcpStatus> {
    return this.#operation((context) => joinByPassphrase(context, passphrase, options))
  }

  /** Leaves the network, forgets it, and restarts the dongle; where the port vanishes over that, it has been done. */
  async leave(options: NetworkOptions = {}): Promise<void> {
    await this.#exclusively(async () => {
      await leaveNetwork(this.#context, options).catch((error: unknown) => {
        if (toAppError(error).code !== 'link.closed' || this.#state.status.networkSaved) throw error
      })
      this.#forget()
      await this.#initialise(false).catch((error: unknown) => {
        if (toAppError(error).code !== 'link.closed') throw error
      })
    })
  }

  scan(kind: 'beacon' | 'discover', options: ScanOptions = {}): Promise<readonly FoundNetwork[]> {
    return this.#exclusively(() => scanNetworks(this.#context, kind, options))
  }

  scanEnergy(options: ScanOptions = {}): Promise<readonly ChannelNoise[]> {
    return this.#exclusively(() => scanEnergy(this.#context, options))
  }

  /** An address of the host's own choice; kept over resets, taken away by `stop`. Room is for four, those the dongle makes included. */
  addAddress(address: string): Promise<void> {
    return this.#exclusively(() => this.#own.addAddress(address))
  }

  removeAddress(address: string): Promise<void> {
    return this.#exclusively(() => this.#own.removeAddress(address))
  }

  /** A /64 from which all devices of the mesh make addresses; kept over resets, taken away by `stop`. */
  addOnMeshPrefix(prefix: string): Promise<void> {
    return this.#exclusively(() => this.#own.addPrefix(prefix))
  }

  removeOnMeshPrefix(prefix: string): Promise<void> {
    return this.#exclusively(() => this.#own.removePrefix(prefix))
  }

  startCommissioner(signal?: AbortSignal): Promise<void> {
    return this.#exclusively(() => commissioner.startCommissioner(this.#context, signal))
  }

  stopCommissioner(): Promise<void> {
    return this.#exclusively(() => commissioner.stopCommissioner(this.#context))
  }

  inviteJoiner(invitation: commissioner.JoinerInvitation): Promise<void> {
    return commissioner.inviteJoiner(this.#context, invitation)
  }

  invitedJoiners(): Promise<readonly commissioner.InvitedJoiner[]> {
    return commissioner.invitedJoiners(this.#context)
  }

  async stop(): Promise<void> {
    if (this.#phase === 'stopped') return
    this.#phase = 'stopped'
    this.#pulse.stop()
    this.#restart?.cancel()
    this.#sender.clear(new AppError('network.down', 'The link is being closed'))
    const { promise: late, resolve } = Promise.withResolvers<undefined>()
    const timer = this.#clock.setTimer(STOP_MS, () => resolve(undefined))
    await Promise.race([Promise.allSettled([this.#groups.clear(), this.#own.clear()]), late])
    timer.cancel()
    await Promise.race([this.#line.drained(), late])
    this.#session.close()
    this.#setUp(false)
    this.#listeners.clear()
    this.#statusListeners.clear()
  }

  get #isStopped(): boolean {
    return this.#phase === 'stopped'
  }

  get #context(): { session: SpinelSession; state: NcpState; clock: Clock } {
    return { session: this.#session, state: this.#state, clock: this.#clock }
  }

  async #operation(run: (context: { session: SpinelSession; state: NcpState; clock: Clock }) => Promise<void>): Promise<NcpStatus> {
    await this.#exclusively(async () => {
      this.#groups.forget()
      await run(this.#context).catch(async (error: unknown) => {
        // What has become of the dongle is worth knowing, but not worth hiding why it failed.
        await askAll(this.#session, [PROP.NET_SAVED, ...vitalProperties]).catch(() => undefined)
        throw error
      })
      await askAll(this.#session, [...startProperties, ...vitalProperties])
      await this.#own.restore()
    })
    return this.status
  }

  /** One after another: they set the same few properties. */
  #exclusively<Value>(run: () => Promise<Value>): Promise<Value> {
    const next = this.#operations.then(run)
    this.#operations = next.catch(() => undefined)
    return next
  }

  /** Begins anew where the dongle tells of a start meanwhile, as it does once or twice after a reset. */
  async #initialise(mayReset: boolean): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#initialiseOnce(mayReset)
        return
      } catch (error) {
        if (toAppError(error).code !== 'link.was-reset' || tries === MOST_STARTS) throw error
      }
    }
  }

  async #initialiseOnce(mayReset: boolean): Promise<void> {
    try {
      await checkFirmware(this.#session)
    } catch (error) {
      if (!mayReset || toAppError(error).code !== 'link.no-answer') throw error
      this.#logger.info({}, 'The dongle is silent; it is restarted')
      await this.#session.reset()
      await checkFirmware(this.#session)
    }
    await askAll(this.#session, [...startProperties, ...vitalProperties])
    const { networkSaved, stackUp } = this.status
    if (this.#resume && networkSaved && !stackUp) await resumeNetwork(this.#context)
    await this.#own.restore()
  }

  #heard(event: SessionEvent): void {
    switch (event.kind) {
      case 'update':
        if (event.verb === 'is' && event.property === PROP.STREAM_NET.number) this.#packet(event.value)
        else if (event.verb === 'is' && event.property === PROP.STREAM_DEBUG.number) this.#debug.push(event.value)
        else if (event.verb === 'is' && event.property === PROP.STREAM_LOG.number) this.#logLine(event.value)
        else this.#state.apply(event.verb, event.property, event.value)
        return
      case 'reset':
        this.#forget()
        this.#reinitialiseSoon()
        return
      case 'silent':
      case 'closed':
        this.#restart?.cancel()
        this.#pulse.stop()
        if (this.#phase === 'running') this.#setUp(false, event.error)
        return
    }
  }

  #packet(value: Uint8Array): void {
    const packet = tryUnpack(PROP.STREAM_NET, value)?.packet
    if (packet === undefined || packet.length < SOURCE_AT + 16 || !this.#up) return
    // The NCP gives a host its own multicasts back where their source is link-local or on-mesh.
    if (this.#state.isOwn(packet.subarray(SOURCE_AT, SOURCE_AT + 16))) {
      this.#loopedBack++
      return
    }
    this.#packetsIn++
    this.#emit({ kind: 'packet', packet })
  }

  #logLine(value: Uint8Array): void {
    const line = tryUnpack(PROP.STREAM_LOG, value)?.line
    if (line !== undefined) this.#debug.message(line)
  }

  #forget(): void {
    this.#groups.forget()
    this.#state.forgetVolatile()
  }

  #reinitialiseSoon(): void {
    if (this.#phase !== 'running') return
    this.#restart?.cancel()
    this.#restart = this.#clock.setTimer(SETTLE_MS, () => {
      this.#restart = undefined
      this.#exclusively(() => this.#initialise(false)).catch((error: unknown) => {
        // Another reset meanwhile begins anew by itself; anything else means that the dongle is of no use.
        if (toAppError(error).code !== 'link.was-reset' && this.#phase === 'running') this.#setUp(false, toAppError(error))
      })
    })
  }

  #changed(): void {
    const { addresses, groups, interfaceUp } = this.status
    const moved = addresses.length !== this.#addresses.length || addresses.some((own, index) => !sameAddress(own, this.#addresses[index]))
    this.#addresses = addresses
    const wasUp = this.#up
    this.#setUp(this.#phase === 'running' && this.#state.attached)
    if (moved && wasUp && this.#up) this.#emit({ kind: 'addresses' })
    if (this.#phase === 'running' && interfaceUp && (groups !== this.#groupTable || !wasUp)) this.#groups.reconcile()
    this.#groupTable = groups
    for (const listener of [...this.#statusListeners]) listener(this.status)
  }

  #setUp(up: boolean, error?: AppError): void {
    if (this.#up === up && error === undefined) return
    this.#up = up
    if (!up) this.#sender.clear(error ?? new AppError('network.down', 'The dongle has left the network', { retryable: true }))
    if (up) this.#emit({ kind: 'up' })
    else this.#emit(error === undefined ? { kind: 'down' } : { kind: 'down', error })
  }

  #emit(event: PacketLinkEvent): void {
    for (const listener of [...this.#listeners]) listener(event)
  }
}

function sameAddress(one: LinkAddress, other: LinkAddress | undefined): boolean {
  return one.address === other?.address && one.origin === other.origin && one.prefixLength === other.prefixLength
}
