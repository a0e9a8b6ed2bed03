// Ways of pledges to the registrar: who hears the dongle talks to it itself (cBRSKI-31 §10), others to a router next to them that passes it on,
// statelessly (draft-ietf-anima-constrained-join-proxy-20 §4.4). A proxy is made when a pledge first needs it.
import type { Clock, Logger, Random, SocketAddress } from '#main/base/index.ts'
import { createJoinProxy, type JoinProxy } from '#main/services/join/index.ts'
import { DONGLE, type Mesh } from './radio/index.ts'
import { DevicePort } from './secure/device-port.ts'

export interface JoinProxiesOptions {
  /** Devices that may be proxies: those that listen always. */
  readonly mains: readonly number[]
  readonly mesh: Pick<Mesh, 'routers' | 'hops'>
  readonly addressOf: (index: number) => string
  readonly linkLocalOf: (index: number) => string
  /** The registrar's join port. */
  readonly registrar: SocketAddress
  /** Its coaps port for neighbours of the dongle; undefined where the dongle is a router between. */
  readonly onLink: SocketAddress | undefined
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly send: (index: number, port: number, payload: Uint8Array, to: SocketAddress) => void
}

interface Running {
  readonly proxy: JoinProxy
  readonly pledges: DevicePort
  readonly uplink: DevicePort
}

/** Where pledges send to, and from where what they say goes on. */
export const JOIN_PORT = 5686
const UPLINK_PORT = 5687
/** On a mesh without routers of its own, as the ideal one is. */
const MOST_WITHOUT_ROUTERS = 16

export class JoinProxies {
  readonly #options: JoinProxiesOptions
  readonly #running = new Map<number, Running>()

  constructor(options: JoinProxiesOptions) {
    this.#options = options
  }

  /** Devices that are proxies for somebody. */
  get count(): number {
    return this.#running.size
  }

  /** Where that device sends to: the registrar, else its nearest router, of those the one that is nearest to the dongle. Undefined where nobody is. */
  wayOf(index: number): SocketAddress | undefined {
    const { mesh, mains, linkLocalOf, onLink } = this.#options
    if (onLink !== undefined && mesh.hops(index + 1, DONGLE) === 1) return onLink
    const others = (nodes: readonly number[]): readonly number[] => nodes.filter((candidate) => candidate !== index)
    const routers = others(mesh.routers().flatMap((node) => (node === DONGLE ? [] : node - 1)))
    const hasRouters = mesh.routers().some((node) => node !== DONGLE)
    // The only router of a mesh has none beside it: any device that listens will do for it.
    const candidates = routers.length > 0 ? routers : others(hasRouters ? mains : mains.slice(0, MOST_WITHOUT_ROUTERS + 1))
    const costs = (candidate: number): number =>
      hasRouters ? mesh.hops(index + 1, candidate + 1) * 100 + mesh.hops(candidate + 1, DONGLE) : (candidate + index) % candidates.length
    const best = candidates.reduce<number | undefined>(
      (found, candidate) => (found === undefined || costs(candidate) < costs(found) ? candidate : found),
      undefined,
    )
    return best === undefined ? undefined : { address: linkLocalOf(best), port: JOIN_PORT }
  }

  /** True for what is a proxy's to take. */
  receive(index: number, port: number, payload: Uint8Array, from: SocketAddress): boolean {
    if (port !== JOIN_PORT && port !== UPLINK_PORT) return false
    const running = this.#running.get(index) ?? (port === JOIN_PORT ? this.#start(index) : undefined)
    const end = port === JOIN_PORT ? running?.pledges : running?.uplink
    end?.receive(payload, from, undefined)
    return true
  }

  powerOff(index: number): void {
    const running = this.#running.get(index)
    this.#running.delete(index)
    void running?.proxy.close()
  }

  close(): void {
    for (const index of [...this.#running.keys()]) this.powerOff(index)
  }

  #start(index: number): Running {
    const { addressOf, linkLocalOf, registrar, clock, random, logger, send } = this.#options
    const portOf = (address: string, port: number): DevicePort =>
      new DevicePort({ address, port }, (payload, to) => send(index, port, payload, to))
    const pledges = portOf(linkLocalOf(index), JOIN_PORT)
    const uplink = portOf(addressOf(index), UPLINK_PORT)
    const proxy = createJoinProxy({ mode: 'stateless', pledges, uplink, registrar: () => registrar, clock, random, logger })
    const running = { proxy, pledges, uplink }
    this.#running.set(index, running)
    return running
  }
}
