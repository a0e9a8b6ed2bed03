// Finds devices: by multicast requests for `/.well-known/core` (RFC 7252 §8, RFC 6690 §4) and by registrations that arrive (RFC 9176).
import {
  AppError,
  formatSocketAddress,
  KeyedFeed,
  toAppError,
  type Clock,
  type DeviceId,
  type Logger,
  type SocketAddress,
  type Timer,
} from '#main/base/index.ts'
import { normaliseAddress } from '#main/wire/ip/index.ts'
import type { ClientResponse, CoapClient } from '#main/wire/coap/index.ts'
import type { DiscoveryRow } from '#contract/model.ts'
import type { Hearing } from './hearing.ts'
import type { Inventory } from './inventory-types.ts'
import { searchPatiently } from './patient-search.ts'
import type { DeviceProfile } from './profile.ts'
import { linksOf, recognise, type Stranger } from './recognition.ts'
import { WorkQueue } from './work-queue.ts'

/** A channel to look for devices on, and the All CoAP Nodes addresses that make sense there. */
export interface DiscoveryChannel {
  readonly client: CoapClient
  readonly allNodes: readonly SocketAddress[]
  /** Whether an address is the tool's own, whose answers do not count. */
  readonly isOwn?: (at: SocketAddress) => boolean
  /** A medium of low rate, which is asked with patience; `bytesPerS` is what it carries of responses, undefined where no multicast. */
  readonly slow?: { readonly bytesPerS: number | undefined }
  /** Where devices of the channel were last: whom to ask one by one. */
  readonly known?: () => readonly SocketAddress[]
}

export interface DiscoveryOptions {
  readonly inventory: Inventory
  /** The channels that are up now. */
  readonly channels: () => readonly DiscoveryChannel[]
  readonly clock: Clock
  readonly logger: Logger
  readonly profiles: readonly DeviceProfile[]
}

/** A registration as the Resource Directory got it. */
export interface ArrivedRegistration {
  readonly endpointName: string
  /** Base URI, e.g. `coap://[fd00::17]:5683`. */
  readonly base: string
  /** Link-format text. */
  readonly links: string
  readonly channelId: string | undefined
  /** Where the registration came from: tells the zone of a link-local base. */
  readonly source?: SocketAddress | undefined
}

export interface Discovery {
  readonly feed: KeyedFeed<DiscoveryRow>
  /** Looks for so long. Throws `discovery.running`, and `network.down` without a channel. */
  start(options: { readonly seconds: number }): void
  stop(): void
  registrationArrived(registration: ArrivedRegistration): void
  /** Resolves when the run has ended and everybody who was heard was asked. */
  idle(): Promise<void>
  close(): Promise<void>
}

const COAP_PORT = 5683
/** Multicast and its answers are lost now and then (one in ten at 5 % loss each way): the question goes out every two seconds or so. */
const ASK_EVERY_S = 2
const FEWEST_SENDINGS = 3
const MOST_SENDINGS = 6
const IDENTITIES_AT_ONCE = 8
/** For two retransmissions (RFC 7252 §4.8): a search has more to ask. */
const ANSWER_WITHIN_MS = 12_000
/** Also the most devices that are taken in from one run. */
const QUEUE_CAPACITY = 20_000

const IDLE: DiscoveryRow = { key: 'discovery', state: 'idle', startedAt: null, deadlineAt: null, heard: 0, added: 0, failure: null }

/** All CoAP Nodes (RFC 7252 §12.8) for a kind of network: a radio mesh, or an interface of the system by address family. */
export function allCoapNodes(network: 'mesh' | 'ipv6' | 'ipv4', zone?: string): readonly SocketAddress[] {
  if (network === 'ipv4') return [{ address: '224.0.1.187', port: COAP_PORT }]
  if (network === 'mesh') return [{ address: 'ff03::fd', port: COAP_PORT }]
  return ['ff02::fd', 'ff05::fd'].map((address) => ({ address, port: COAP_PORT, ...(zone === undefined ? {} : { zone }) }))
}

export function createDiscovery(options: DiscoveryOptions): Discovery {
  return new NetworkDiscovery(options)
}

interface Run {
  readonly abort: AbortController
  readonly timers: Timer[]
  /** Where answers came from, and the devices behind them: one device may answer from several addresses. */
  readonly responders: Set<string>
  readonly devices: Set<DeviceId>
  readonly ended: Promise<undefined>
  readonly end: () => void
  /** On a slow medium, registrations during the run count as answers. */
  readonly isPatient: boolean
  /** What was found out in this run, by where: who answers and registers is read once. */
  readonly readings: Map<string, Promise<Hearing>>
  sent: number
}

interface Job extends Stranger {
  /** The run that it counts for. */
  readonly run: Run | undefined
}

class NetworkDiscovery implements Discovery {
  readonly feed = new KeyedFeed<DiscoveryRow>((row) => row.key)
  readonly #options: DiscoveryOptions
  readonly #closing = new AbortController()
  /** Each its own queue: a flood of registrations does not keep a discovery waiting. */
  readonly #answers: WorkQueue<Job>
  readonly #registrations: WorkQueue<Job>
  #row: DiscoveryRow = IDLE
  #run: Run | undefined

  constructor(options: DiscoveryOptions) {
    this.#options = options
    const limits = { concurrency: IDENTITIES_AT_ONCE, capacity: QUEUE_CAPACITY }
    this.#answers = new WorkQueue<Job>({ ...limits, run: (job) => this.#identify(job) })
    this.#registrations = new WorkQueue<Job>({ ...limits, run: (job) => this.#identify(job) })
    this.feed.set(this.#row)
  }

  start({ seconds }: { readonly seconds: number }): void {
    const { clock } = this.#options
    if (this.#row.state === 'running') throw new AppError('discovery.running', 'A discovery is under way already')
    const up = this.#options.channels()
    const channels = up.filter(({ allNodes, slow }) => allNodes.length > 0 || slow !== undefined)
    if (this.#closing.signal.aborted || channels.length === 0) {
      // Loopback is up and has no multicast: the help text tells these two apart.
      const details = { reason: up.length === 0 ? 'no-channel' : 'no-multicast' }
      throw new AppError('network.down', 'No channel is up to discover on', { retryable: true, details })
    }
    const durationMs = seconds * 1000
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const run: Run = {
      abort: new AbortController(),
      timers: [],
      responders: new Set(),
      devices: new Set(),
      ended: promise,
      end: () => resolve(undefined),
      isPatient: channels.some(({ slow }) => slow !== undefined),
      readings: new Map(),
      sent: 0,
    }
    this.#run = run
    const startedAt = clock.now()
    const unicastOnly = channels.some(({ allNodes }) => allNodes.length === 0) ? { unicastOnly: true } : {}
    this.#show({ ...IDLE, state: 'running', startedAt, deadlineAt: startedAt + durationMs, ...unicastOnly })
    const quick = channels.filter(({ slow }) => slow === undefined)
    const searches = channels.flatMap((channel) =>
      channel.slow === undefined ? [] : [this.#search(run, channel, channel.slow, durationMs)],
    )
    const sendings = quick.length === 0 ? 0 : Math.min(MOST_SENDINGS, Math.max(FEWEST_SENDINGS, Math.floor(seconds / ASK_EVERY_S)))
    for (let sending = 0; sending < sendings; sending++) {
      const part = sending / sendings
      run.timers.push(clock.setTimer(durationMs * part, () => this.#ask(run, quick, durationMs * (1 - part))))
    }
    if (quick.length > 0) searches.push(new Promise((done) => run.timers.push(clock.setTimer(durationMs, () => done()))))
    void Promise.all(searches).then(() => this.#end(run))
  }

  stop(): void {
    if (this.#run !== undefined) this.#end(this.#run)
  }

  registrationArrived(registration: ArrivedRegistration): void {
    const { endpointName, channelId, links } = registration
    const at = reachOf(registration)
    if (this.#isNews(registration, at)) {
      const client =
        channelId === undefined ? undefined : this.#options.channels().find(({ client }) => client.channelId === channelId)?.client
      const job: Job = { source: 'registration', endpointName, at, channelId: channelId ?? null, client, links, run: undefined }
      const taken = this.#registrations.offer(endpointName, job)
      if (!taken) this.#options.logger.debug({ endpointName }, 'A registration waits for its next renewal to be looked at')
    } else {
      const reach = { at, channelId: channelId ?? null, endpointName }
      const heard = this.#hear({ source: 'registration', ...reach, identity: undefined, profileId: null, links, failure: undefined })
      if (heard !== undefined && this.#patientRun !== undefined) this.#count(this.#patientRun, heard, reach)
    }
  }

  async idle(): Promise<void> {
    await this.#run?.ended
    await this.#answers.idle()
    await this.#registrations.idle()
  }

  async close(): Promise<void> {
    this.stop()
    this.#closing.abort()
    this.#answers.clear()
    this.#registrations.clear()
    await this.#answers.idle()
    await this.#registrations.idle()
  }

  // ---- Asking everybody ------------------------------------------------------------------------------------------

  #ask(run: Run, channels: readonly DiscoveryChannel[], remainingMs: number): void {
    for (const channel of channels) {
      for (const to of channel.allNodes) void this.#askGroup(run, channel, to, remainingMs)
    }
  }

  async #askGroup(run: Run, channel: DiscoveryChannel, to: SocketAddress, deadlineMs: number): Promise<void> {
    const { client } = channel
    try {
      const request = { method: 'GET', path: ['.well-known', 'core'] } as const
      const answers = client.groupRequest(to, request, { deadlineMs, signal: run.abort.signal })
      for await (const answer of answers) {
        if (channel.isOwn?.(answer.source) !== true) this.#answered(run, client, answer)
      }
      run.sent += 1
    } catch (thrown) {
      if (run.abort.signal.aborted) return
      const { code, message, retryable, details } = toAppError(thrown)
      this.#options.logger.warn({ code, to: formatSocketAddress(to), channel: client.channelId }, 'A discovery request failed')
      // One address that cannot be used is no failure while another one can.
      if (this.#run === run && run.sent === 0 && run.responders.size === 0)
        this.#show({ ...this.#row, failure: { code, message, retryable, details: { ...details } } })
    }
  }

  /** Looks for devices on a slow medium. */
  #search(
    run: Run,
    channel: DiscoveryChannel,
    { bytesPerS }: { readonly bytesPerS: number | undefined },
    atLeastMs: number,
  ): Promise<void> {
    const { clock, inventory } = this.#options
    const { channelId } = channel.client
    return searchPatiently({
      clock,
      signal: run.abort.signal,
      atLeastMs,
      bytesPerS: channel.allNodes.length === 0 ? undefined : bytesPerS,
      expected: () => {
        const here = inventory.all().filter((device) => device.channelId === null || device.channelId === channelId)
        return { all: here.length, missing: here.filter(({ id }) => !run.devices.has(id)).length }
      },
      reachable: () => (channel.known?.() ?? []).filter((at) => !run.responders.has(reachKey(channelId, at))),
      news: () => run.responders.size,
      isBusy: () => this.#answers.isBusy,
      askAll: (deadlineMs) => {
        for (const to of channel.allNodes) void this.#askGroup(run, channel, to, deadlineMs)
      },
      askOne: (to) => this.#askOne(run, channel.client, to),
      onDeadline: (inMs) => {
        if (this.#run === run) this.#show({ ...this.#row, deadlineAt: Math.max(this.#row.deadlineAt ?? 0, Math.round(clock.now() + inMs)) })
      },
    })
  }

  async #askOne(run: Run, client: CoapClient, to: SocketAddress): Promise<void> {
    try {
      const request = { method: 'GET', path: ['.well-known', 'core'] } as const
      const answer = await client.request(to, request, { signal: run.abort.signal, timeoutMs: ANSWER_WITHIN_MS })
      run.sent += 1
      this.#answered(run, client, answer)
    } catch (thrown) {
      this.#options.logger.debug({ code: toAppError(thrown).code, to: formatSocketAddress(to) }, 'A known device did not answer')
    }
  }

  #answered(run: Run, client: CoapClient, answer: ClientResponse): void {
    const key = reachKey(client.channelId, answer.source)
    if (run.responders.has(key) || run.responders.size >= QUEUE_CAPACITY) return
    run.responders.add(key)
    const job: Job = {
      source: 'discovery',
      endpointName: null,
      at: answer.source,
      channelId: client.channelId,
      client,
      links: linksOf(answer),
      run,
    }
    this.#answers.offer(key, job)
  }

  #end(run: Run): void {
    for (const timer of run.timers) timer.cancel()
    run.abort.abort()
    run.end()
    if (this.#run !== run) return
    const answered = run.sent > 0 || run.responders.size > 0
    if (this.#row.state === 'running') this.#show({ ...this.#row, state: 'idle', failure: answered ? null : this.#row.failure })
  }

  // ---- Asking one ------------------------------------------------------------------------------------------------

  async #identify({ run = this.#patientRun, ...stranger }: Job): Promise<void> {
    try {
      const heard = this.#hear(await this.#recognise(stranger))
      if (run !== undefined && heard !== undefined) this.#count(run, heard, stranger)
    } catch (thrown) {
      if (!this.#closing.signal.aborted) this.#lost(thrown)
    }
  }

  /** Who answers a question and registers meanwhile is asked who it is once. */
  async #recognise(stranger: Stranger): Promise<Hearing> {
    const { profiles, logger } = this.#options
    const read = (): Promise<Hearing> => recognise(stranger, profiles, this.#closing.signal, logger)
    const readings = this.#patientRun?.readings
    if (readings === undefined || stranger.at === null || stranger.channelId === null) return read()
    const key = reachKey(stranger.channelId, stranger.at)
    const { source, endpointName, links } = stranger
    const known = await readings.get(key)?.catch(() => undefined)
    if (known?.identity !== undefined) return { ...known, source, endpointName, links: links ?? known.links }
    const reading = read()
    if (readings.size < QUEUE_CAPACITY) readings.set(key, reading)
    return reading
  }

  get #patientRun(): Run | undefined {
    return this.#row.state === 'running' && this.#run?.isPatient === true ? this.#run : undefined
  }

  #count(
    run: Run,
    { id, added }: { readonly id: DeviceId; readonly added: boolean },
    { at, channelId }: Pick<Stranger, 'at' | 'channelId'>,
  ): void {
    if (run.isPatient && at !== null && channelId !== null && run.responders.size < QUEUE_CAPACITY)
      run.responders.add(reachKey(channelId, at))
    run.devices.add(id)
    if (run === this.#run) this.#show({ ...this.#row, heard: run.devices.size, added: this.#row.added + (added ? 1 : 0) })
  }

  /** Undefined where the inventory could not take it, which the log tells: it will be heard again. */
  #hear(hearing: Hearing): ReturnType<Inventory['heard']> | undefined {
    try {
      return this.#options.inventory.heard(hearing)
    } catch (thrown) {
      this.#lost(thrown)
      return undefined
    }
  }

  #lost(thrown: unknown): void {
    const { code, message } = toAppError(thrown)
    this.#options.logger.error({ code, message }, 'A device that was heard could not be taken in')
  }

  /** Whether a registration tells more than that a known device is still there. */
  #isNews({ endpointName, channelId }: ArrivedRegistration, at: SocketAddress | null): boolean {
    const { inventory } = this.#options
    const known = inventory.byEndpointName(endpointName)
    if (known?.profileId === undefined || known.profileId === null || (known.eui64 === null && known.serial === null)) return true
    if (known.at === null || at === null || known.channelId !== channelId) return true
    return formatSocketAddress(known.at) !== formatSocketAddress(at)
  }

  #show(row: DiscoveryRow): void {
    this.#row = row
    this.feed.set(row)
  }
}

function reachKey(channelId: string, at: SocketAddress): string {
  return `${channelId} ${formatSocketAddress(at)}`
}

/** The socket that a registration's base URI names; null where it is not an address of ours to use (a host name, another scheme). */
function reachOf({ base, source }: Pick<ArrivedRegistration, 'base' | 'source'>): SocketAddress | null {
  const match = /^coap:\/\/(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::(\d{1,5}))?\/?$/i.exec(base)
  const address = normaliseAddress(match?.[1] ?? match?.[2] ?? '')
  const port = match?.[3] === undefined ? COAP_PORT : Number(match[3])
  if (address === undefined || port === 0 || port > 65_535) return null
  return { address, port, ...(source?.zone !== undefined && source.address === address ? { zone: source.zone } : {}) }
}
