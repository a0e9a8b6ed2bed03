// Join proxies as the registrars that are known take them: one join-port for each, opened and closed as they come and go
// (draft-ietf-anima-constrained-join-proxy-20 §4.1, §4.6, §5.3).
import { formatSocketAddress, type Clock, type DatagramChannel, type Logger, type Random, type Timer } from '#main/base/index.ts'
import type { JoinPortLink } from './announce.ts'
import type { RegistrarRoute } from './find-registrar.ts'
import { createJoinProxy } from './join-proxy.ts'
import { RegistrarFinder, type RegistrarFinderOptions } from './registrar-finder.ts'
import type { JoinProxy, JoinProxyEvent, JoinProxyLimits, StatefulOptions } from './types.ts'

export interface JoinServiceOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** A port on the links of the pledges; the service closes it. */
  readonly openJoinPort: () => Promise<DatagramChannel>
  /** A port from which the registrar can be reached; the service closes it. */
  readonly openUplink: (route: RegistrarRoute) => Promise<DatagramChannel>
  readonly registrars: Pick<RegistrarFinderOptions, 'configured' | 'search' | 'refreshMs' | 'pauseMs'>
  /** Registrars that are served at once. */
  readonly maxRegistrars?: number
  readonly limits?: Partial<JoinProxyLimits>
  readonly unreachable?: StatefulOptions['unreachable']
  readonly onEvent?: (event: JoinProxyEvent, route: RegistrarRoute) => void
  /** Called when a join-port has been opened or closed. */
  readonly onChange?: () => void
}

export interface JoinService {
  /** For the announcement: those that are open. */
  joinPorts(): readonly JoinPortLink[]
  proxies(): ReadonlyArray<{ readonly route: RegistrarRoute; readonly proxy: JoinProxy }>
  /** Resolves when all that is known now is open, or has failed. */
  settled(): Promise<void>
  close(): Promise<void>
}

interface Served {
  readonly route: RegistrarRoute
  readonly opening: Promise<void>
  proxy: JoinProxy | undefined
  channels: DatagramChannel[]
  isOver: boolean
}

const MAX_REGISTRARS = 2
const RETRY_MS = 30_000

export function openJoinService(options: JoinServiceOptions): JoinService {
  const service = new Service(options)
  service.start()
  return service
}

class Service implements JoinService {
  readonly #options: JoinServiceOptions
  readonly #finder: RegistrarFinder
  readonly #served = new Map<string, Served>()
  readonly #closing = new Set<Promise<void>>()
  #retry: Timer | undefined
  #isOpen = true

  constructor(options: JoinServiceOptions) {
    this.#options = options
    this.#finder = new RegistrarFinder({
      ...options.registrars,
      clock: options.clock,
      logger: options.logger,
      onChange: (routes) => this.#serve(routes),
    })
  }

  start(): void {
    this.#serve(this.#finder.routes())
    this.#finder.start()
  }

  joinPorts(): readonly JoinPortLink[] {
    return this.proxies().map(({ proxy }) => ({ port: proxy.joinPort.port }))
  }

  proxies(): ReadonlyArray<{ readonly route: RegistrarRoute; readonly proxy: JoinProxy }> {
    return [...this.#served.values()].flatMap(({ route, proxy }) => (proxy === undefined ? [] : [{ route, proxy }]))
  }

  async settled(): Promise<void> {
    await Promise.all([...this.#served.values()].map(({ opening }) => opening))
  }

  async close(): Promise<void> {
    this.#isOpen = false
    this.#finder.close()
    this.#retry?.cancel()
    for (const key of [...this.#served.keys()]) this.#drop(key)
    await Promise.all(this.#closing)
  }

  #serve(routes: readonly RegistrarRoute[]): void {
    if (!this.#isOpen) return
    const wanted = new Map(routes.slice(0, this.#options.maxRegistrars ?? MAX_REGISTRARS).map((route) => [keyOf(route), route]))
    for (const key of [...this.#served.keys()]) if (!wanted.has(key)) this.#drop(key)
    for (const [key, route] of wanted) if (!this.#served.has(key)) this.#begin(key, route)
  }

  #begin(key: string, route: RegistrarRoute): void {
    const served: Served = {
      route,
      proxy: undefined,
      channels: [],
      isOver: false,
      opening: Promise.resolve().then(() => this.#open(key, served)),
    }
    this.#served.set(key, served)
  }

  async #open(key: string, served: Served): Promise<void> {
    const { route } = served
    try {
      const pledges = await this.#keep(served, this.#options.openJoinPort())
      const { clock, random, logger, limits, unreachable } = this.#options
      const common = {
        clock,
        random,
        logger,
        pledges,
        registrar: () => route.at,
        onEvent: (event: JoinProxyEvent) => this.#onEvent(event, route),
        ...(limits === undefined ? {} : { limits }),
      }
      const openUplink = (): Promise<DatagramChannel> => this.#options.openUplink(route)
      const uplink = route.mode === 'stateless' ? await this.#keep(served, openUplink()) : undefined
      if (served.isOver) this.#close(served)
      else
        served.proxy =
          uplink === undefined
            ? createJoinProxy({ ...common, mode: 'stateful', openUplink, ...(unreachable === undefined ? {} : { unreachable }) })
            : createJoinProxy({ ...common, mode: 'stateless', version: route.version, uplink })
      if (!served.isOver) this.#options.onChange?.()
    } catch (cause) {
      this.#options.logger.warn({ err: cause, registrar: route.at }, 'A join proxy could not be opened')
      if (this.#served.get(key) === served) this.#drop(key)
      else this.#close(served)
      if (this.#isOpen)
        this.#retry ??= this.#options.clock.setTimer(RETRY_MS, () => {
          this.#retry = undefined
          this.#serve(this.#finder.routes())
        })
    }
  }

  async #keep(served: Served, opening: Promise<DatagramChannel>): Promise<DatagramChannel> {
    const channel = await opening
    served.channels.push(channel)
    return channel
  }

  #onEvent(event: JoinProxyEvent, route: RegistrarRoute): void {
    if (event.kind === 'registrar-unreachable') this.#finder.lost(event.registrar)
    this.#options.onEvent?.(event, route)
  }

  #drop(key: string): void {
    const served = this.#served.get(key)
    if (served === undefined) return
    this.#served.delete(key)
    served.isOver = true
    this.#close(served)
    this.#options.onChange?.()
  }

  /** Also what opens only after the end. */
  #close(served: Served): void {
    const { proxy, channels } = served
    served.proxy = undefined
    served.channels = []
    const closing = (async () => {
      await proxy?.close()
      await Promise.all(channels.map((channel) => channel.close()))
    })()
      .catch((cause: unknown) => this.#options.logger.warn({ err: cause }, 'A join proxy could not be closed'))
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}

function keyOf({ mode, version, at }: RegistrarRoute): string {
  return `${mode} ${version} ${formatSocketAddress(at)}`
}
