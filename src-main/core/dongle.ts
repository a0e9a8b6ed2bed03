// One dongle of the open site, from its port to its CoAP channel: link, IPv6 host and endpoint, opened and closed together.
import { AppError, toAppError } from '#main/base/index.ts'
import type { Clock, Logger, Random, Timer } from '#main/base/index.ts'
import { createIpHost, parseIpv6 } from '#main/wire/ip/index.ts'
import type { IpHost } from '#main/wire/ip/index.ts'
import { DongleLink, driverFor, NcpLink } from '#main/wire/links/index.ts'
import type {
  DongleDriver,
  LineFrame,
  NetworkProgress,
  PermissionRemedy,
  PortSystem,
  PortWatch,
  SerialBinding,
} from '#main/wire/links/index.ts'
import type { LinkRow, LinkTaskKind } from '#contract/model.ts'
import { rowOf } from './dongle-row.ts'
import type { RowHead } from './dongle-row.ts'
import type { SiteNetwork } from './network.ts'

/** Which dongle it is. `id` names its link, its CoAP channel and the zone of its link-local addresses. */
export interface DongleSpec {
  readonly id: string
  readonly name: string
  readonly path: string
  readonly key: string | null
  /** Part of the demo site: where its port is, and the one address that its devices know this computer by. */
  readonly simulated?: { readonly binding: SerialBinding | undefined; readonly address: string }
}

/** Told of what passes: for the trace. */
export interface DongleEar {
  frame(id: string, frame: LineFrame, host: IpHost): void
  opened(id: string, host: IpHost): void
}

export interface DonglePorts {
  readonly network: SiteNetwork
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly watch: PortWatch
  readonly binding?: SerialBinding | undefined
  readonly system?: PortSystem | undefined
  readonly ear?: DongleEar | undefined
  /** What to do about a port that may not be opened. */
  readonly remedyFor: (path: string) => Promise<PermissionRemedy | undefined>
}

interface Task {
  readonly row: NonNullable<LinkRow['task']>
  readonly abort: AbortController
}

interface Running {
  readonly link: DongleLink<DongleDriver>
  readonly host: IpHost
}

export type NcpTask<Value> = (
  driver: NcpLink,
  options: { readonly signal: AbortSignal; readonly onProgress: (progress: NetworkProgress) => void },
) => Promise<Value>

const COAP_PORT = 5683
/** For so long an absence is loss, which CoAP repeats, and no failure: time enough to plug it in again. */
const PAUSE_MS = 30_000
/** Counters and tables are looked at as often. */
const LOOK_MS = 2_000
/** All CoAP Nodes: the mesh first, dongles have room for two (RFC 7252 §12.8). */
const ALL_COAP_NODES = ['ff03::fd', 'ff05::fd', 'ff02::fd']

export class SiteDongle {
  readonly spec: DongleSpec
  readonly #ports: DonglePorts
  readonly #changed: (row: LinkRow, reachChanged: boolean) => void
  #running: Running | undefined
  #closing: Promise<void> = Promise.resolve()
  #since: number
  #retryAt: number | null = null
  #remedy: LinkRow['remedy'] = null
  #task: Task | undefined
  #look: Timer | undefined
  #row: LinkRow

  constructor(spec: DongleSpec, ports: DonglePorts, changed: (row: LinkRow, reachChanged: boolean) => void) {
    this.spec = spec
    this.#ports = ports
    this.#changed = changed
    this.#since = ports.clock.now()
    this.#row = rowOf(this.#head(), undefined)
  }

  get row(): LinkRow {
    return this.#row
  }

  get isOpen(): boolean {
    return this.#running !== undefined
  }

  get isUp(): boolean {
    return this.#running?.link.up === true
  }

  get host(): IpHost | undefined {
    return this.#running?.host
  }

  /** Begins to look for it, and goes on until `close`. */
  async open(): Promise<void> {
    await this.#closing
    if (this.#running !== undefined) return
    const { spec } = this
    const { network, clock, random, logger, watch, ear } = this.#ports
    const binding = spec.simulated === undefined ? this.#ports.binding : spec.simulated.binding
    const { system } = this.#ports
    const link: DongleLink<DongleDriver> = new DongleLink<DongleDriver>({
      id: spec.id,
      target: spec.key === null ? { path: spec.path } : { path: spec.path, key: spec.key },
      createDriver: driverFor(),
      clock,
      random,
      logger,
      watch,
      ...(binding === undefined ? {} : { binding }),
      ...(system === undefined || spec.simulated !== undefined ? {} : { system }),
      ...(ear === undefined ? {} : { onFrame: (frame: LineFrame) => ear.frame(spec.id, frame, host) }),
    })
    const host: IpHost = createIpHost({ link, clock, random, logger, pauseMs: PAUSE_MS })
    const own = spec.simulated === undefined ? {} : { address: spec.simulated.address }
    const channel = host.openUdp({ port: COAP_PORT, id: spec.id, ...own })
    ear?.opened(spec.id, host)
    for (const group of ALL_COAP_NODES) channel.joinGroup(group)
    network.attach(channel, {
      isUp: () => link.up,
      carriesMulticast: () => link.carries.multicast,
      reaches: (address) => spec.simulated !== undefined || reaches(link, address),
      openPort: (port, id) => host.openUdp({ port, id }),
    })
    this.#running = { link, host }
    link.onState((state) => {
      this.#since = clock.now()
      this.#retryAt = state.kind === 'retrying' ? clock.now() + state.waitMs : null
      if (state.kind === 'refused' && state.error.code === 'link.no-permission') void this.#findRemedy(state.path)
      else this.#remedy = null
      this.#show(true)
    })
    link.subscribe((event) => {
      if (event.kind === 'up' || event.kind === 'down' || event.kind === 'addresses') this.#show(true)
    })
    link.open()
    this.#show(true)
    this.#lookAgain()
  }

  /** Leaves the dongle clean and its port free. */
  async close(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    this.#look?.cancel()
    this.#task?.abort.abort()
    if (running !== undefined) {
      this.#closing = this.#end(running)
      this.#since = this.#ports.clock.now()
      this.#retryAt = null
      this.#remedy = null
    }
    await this.#closing
    if (running !== undefined && !this.isOpen) this.#show(true)
  }

  retry(): void {
    this.#running?.link.retry()
  }

  /** Asks the dongle for its tables, signal strengths and counters. */
  async refresh(): Promise<void> {
    const driver = this.#running?.link.driver
    if (driver instanceof NcpLink && this.#task === undefined) await driver.refresh()
    this.#show(false)
  }

  cancelTask(): void {
    this.#task?.abort.abort()
  }

  /** Does something with the network that the dongle is in: one thing at a time. */
  async ncp<Value>(kind: LinkTaskKind, work: NcpTask<Value>): Promise<Value> {
    if (this.#task !== undefined) {
      throw new AppError('link.refused', `${this.spec.name} is busy: ${this.#task.row.kind}`, { retryable: true })
    }
    const driver = this.driver()
    const abort = new AbortController()
    const { clock } = this.#ports
    this.#task = { row: { kind, phase: null, startedAt: clock.now() }, abort }
    this.#show(false)
    try {
      return await work(driver, {
        signal: abort.signal,
        onProgress: ({ phase }) => {
          if (this.#task?.abort !== abort) return
          this.#task = { abort, row: { ...this.#task.row, phase } }
          this.#show(false)
        },
      })
    } catch (thrown) {
      if (abort.signal.aborted) throw new AppError('cancelled', 'It was stopped')
      throw thrown
    } finally {
      this.#task = undefined
      this.#show(true)
    }
  }

  /** The driver of an OpenThread NCP; throws where there is none, or another firmware. */
  driver(): NcpLink {
    const driver = this.#running?.link.driver
    if (driver instanceof NcpLink) return driver
    if (driver === undefined) {
      throw new AppError('link.closed', `${this.spec.name} is not connected`, { retryable: true, details: { path: this.spec.path } })
    }
    throw new AppError('link.refused', 'A SLIP border router is in the network that its firmware was built for', {
      details: { reason: 'slip-router' },
    })
  }

  #head(): RowHead {
    const { id, name, path, key, simulated } = this.spec
    return {
      id,
      name,
      path,
      key,
      simulated: simulated !== undefined,
      since: this.#since,
      retryAt: this.#retryAt,
      remedy: this.#remedy,
      task: this.#task?.row ?? null,
    }
  }

  #show(reachChanged: boolean): void {
    const row = rowOf(this.#head(), this.#running?.link)
    if (JSON.stringify(row) === JSON.stringify(this.#row)) return
    this.#row = row
    this.#changed(row, reachChanged)
  }

  #lookAgain(): void {
    if (this.#running === undefined) return
    this.#look = this.#ports.clock.setTimer(LOOK_MS, () => {
      this.#show(false)
      this.#lookAgain()
    })
  }

  async #findRemedy(path: string): Promise<void> {
    const remedy = await this.#ports.remedyFor(path)
    const { state } = this.#running?.link ?? {}
    if (remedy === undefined || state?.kind !== 'refused') return
    this.#remedy = remedyRow(remedy)
    this.#show(false)
  }

  async #end({ link, host }: Running): Promise<void> {
    const { network, logger } = this.#ports
    for (const step of [() => network.detach(this.spec.id), () => host.close(), () => link.close()]) {
      try {
        await step()
      } catch (thrown) {
        logger.error({ link: this.spec.id, code: toAppError(thrown).code }, 'a dongle did not close cleanly')
      }
    }
  }
}

export function remedyRow({ group, installRule, joinGroup }: PermissionRemedy): NonNullable<LinkRow['remedy']> {
  return { group: group ?? null, installRule: [...installRule], joinGroup: joinGroup ?? null }
}

/** Whether the address lies in a prefix that the dongle has an address of. */
function reaches(link: DongleLink<DongleDriver>, address: string): boolean {
  const bytes = parseIpv6(address)
  if (bytes === undefined) return false
  return link.addresses.some((own) => {
    const ownBytes = own.origin === 'link-local' ? undefined : parseIpv6(own.address)
    return ownBytes?.subarray(0, 8).every((byte, index) => byte === bytes[index]) === true
  })
}
