// The modelled mesh: nodes with queues on one medium, fragments over several hops, sleeping leaves, multicast by MPL (RFC 7731).
import type { Clock, Random } from '#main/base/index.ts'
import { EventQueue } from './event-queue.ts'
import type { Links } from './links.ts'
import { frameSizes, headerSizes, type LowpanProfile } from './lowpan.ts'
import { Medium, type Frame, type Transmission } from './medium.ts'
import {
  addressKey,
  destinationOf,
  DONGLE,
  type Arrive,
  type Mesh,
  type MeshCounters,
  type MeshLoad,
  type MeshNeighbour,
  type Parcel,
} from './mesh-types.ts'
import { MplForwarder, type MplParameters } from './mpl.ts'
import { Reassembly } from './reassembly.ts'
import { planRoutes, type NodeKind, type Routes } from './routes.ts'
import { SleepyLeaves } from './sleepy.ts'

export interface MeshNode extends NodeKind {
  /** How often a battery device asks its parent; absent for one that listens always. */
  readonly pollMs?: number
}

export interface RadioMeshOptions {
  readonly clock: Clock
  readonly random: Random
  readonly links: Links
  /** The dongle first. */
  readonly nodes: readonly MeshNode[]
  readonly profile: LowpanProfile
  readonly lossPercent: number
  readonly maxFrameRetries: number
  readonly mostRouters: number
  readonly mpl: MplParameters
  /** Where packets for unknown addresses go to: the host behind a border router, or nowhere. */
  readonly unknownTo: 'dongle' | 'nowhere'
  readonly arrive: Arrive
  readonly observe?: (transmission: Transmission) => void
}

type MeshFrame = Frame<MeshLoad>

interface NodeState {
  readonly queue: Array<{ readonly frame: MeshFrame; readonly done: ((ok: boolean) => void) | undefined }>
  readonly reassembly: Reassembly
  /** The last frame of each sender: what comes again after a lost acknowledgement is no new one. */
  readonly lastFrom: Map<number, MeshFrame>
  readonly mpl: MplForwarder
  isSending: boolean
}

/** OpenThread's pool is 44 message buffers; a frame takes about one. */
const MOST_QUEUED_FRAMES = 44
const LINK_SCOPE = 2

export class RadioMesh implements Mesh {
  readonly #options: RadioMeshOptions
  readonly #events: EventQueue
  readonly #medium: Medium<MeshLoad>
  readonly #sleepy: SleepyLeaves
  readonly #nodes: readonly NodeState[]
  readonly #nodeOf = new Map<string, number>()
  readonly #members = new Map<string, Set<number>>()
  readonly #powered = new Set<number>([DONGLE])
  readonly #counters = { packetsSent: 0, packetsDelivered: 0, packetsLost: 0 }
  #routes: Routes | undefined
  #nextKey = 0

  constructor(options: RadioMeshOptions) {
    this.#options = options
    const { random, links, nodes } = options
    const events = new EventQueue(options.clock)
    this.#events = events
    this.#medium = new Medium<MeshLoad>({
      queue: events,
      random,
      links,
      maxFrameRetries: options.maxFrameRetries,
      isPowered: (node) => this.#powered.has(node),
      onFrame: (at, frame) => this.#onFrame(at, frame),
      ...(options.observe === undefined ? {} : { observe: options.observe }),
    })
    this.#medium.setLossRate(options.lossPercent / 100)
    this.#nodes = nodes.map(() => ({
      queue: [],
      reassembly: new Reassembly(),
      lastFrom: new Map<number, MeshFrame>(),
      mpl: new MplForwarder(options.mpl, events, random),
      isSending: false,
    }))
    this.#sleepy = new SleepyLeaves({
      events,
      random,
      pollMs: nodes.map((node) => node.pollMs),
      isPowered: (node) => this.#powered.has(node),
      parentOf: (node) => this.#plan().parentOf(node),
      sendPoll: (child, parent, bytes, done) => this.#enqueue(child, this.#pollFrame(child, parent, bytes), done),
      sendHeld: (parent, frame, done) => this.#enqueue(parent, frame, done, true),
    })
  }

  send(node: number, packet: Uint8Array): boolean {
    if (!this.#powered.has(node)) return false
    this.#counters.packetsSent++
    const copy = packet.slice()
    const destination = destinationOf(copy)
    if (destination[0] === 0xff) return this.#sendMulticast(node, copy)
    const to = this.#nodeOf.get(addressKey(destination)) ?? (this.#options.unknownTo === 'dongle' && node !== DONGLE ? DONGLE : undefined)
    if (to === undefined) {
      this.#counters.packetsLost++
      return true
    }
    this.#sleepy.expectAnswer(node)
    return this.#forward(node, { key: this.#nextKey++, packet: copy, origin: node, to })
  }

  bind(node: number, address: Uint8Array): void {
    this.#nodeOf.set(addressKey(address), node)
  }

  unbind(address: Uint8Array): void {
    this.#nodeOf.delete(addressKey(address))
  }

  listen(node: number, group: Uint8Array): void {
    const key = addressKey(group)
    const members = this.#members.get(key)
    if (members === undefined) this.#members.set(key, new Set([node]))
    else members.add(node)
  }

  unlisten(node: number, group: Uint8Array): void {
    const key = addressKey(group)
    const members = this.#members.get(key)
    members?.delete(node)
    if (members?.size === 0) this.#members.delete(key)
  }

  /** Neighbours are re-attached and paths found anew at once: the seconds that a real mesh takes for it are not modelled. */
  setPower(node: number, on: boolean): void {
    if (this.#powered.has(node) === on) return
    if (on) this.#powered.add(node)
    else this.#powered.delete(node)
    const state = this.#nodes[node]
    if (!on && state !== undefined) {
      state.queue.length = 0
      state.reassembly.clear()
      state.mpl.clear()
      this.#sleepy.forget(node)
    }
    this.#routes = undefined
  }

  setLoss(percent: number): void {
    this.#medium.setLossRate(percent / 100)
  }

  neighbours(): readonly MeshNeighbour[] {
    const { links, nodes } = this.#options
    const routes = this.#plan()
    return links
      .hearers(DONGLE)
      .filter((node) => this.#powered.has(node) && (routes.routers.has(node) || routes.parentOf(node) === DONGLE))
      .map((node) => ({
        node,
        rssiDbm: Math.round(links.rssiDbm(node, DONGLE)),
        role: routes.routers.has(node) ? 'router' : nodes[node]?.pollMs === undefined ? 'child' : 'sleepy-child',
      }))
  }

  routers(): readonly number[] {
    return [...this.#plan().routers]
  }

  hops(from: number, to: number): number {
    return this.#plan().hops(from, to)
  }

  counters(): MeshCounters {
    const { frames, retries, collisions, busyUs } = this.#medium.counters()
    const unfinished = this.#nodes.reduce((sum, node) => sum + node.reassembly.lost, 0)
    const { packetsSent, packetsDelivered, packetsLost } = this.#counters
    return { packetsSent, packetsDelivered, packetsLost: packetsLost + unfinished, frames, retries, collisions, busyMs: busyUs / 1000 }
  }

  close(): void {
    this.#events.clear()
    this.#powered.clear()
  }

  #plan(): Routes {
    const { links, nodes, mostRouters } = this.#options
    this.#routes ??= planRoutes(links, nodes, (node) => this.#powered.has(node), mostRouters)
    return this.#routes
  }

  #sendMulticast(node: number, packet: Uint8Array): boolean {
    const parcel: Parcel = { key: this.#nextKey++, packet, origin: node, to: undefined }
    const isLinkScope = ((packet[25] ?? 0) & 0x0f) <= LINK_SCOPE
    if (isLinkScope) {
      this.#holdForChildren(node, parcel)
      return this.#broadcast(node, parcel)
    }
    this.#nodes[node]?.mpl.isNew(parcel.key)
    this.#spread(node, parcel)
    return true
  }

  /** An MPL forwarder's part: repeats the packet by trickle, and keeps it for its sleeping children. */
  #spread(node: number, parcel: Parcel): void {
    this.#holdForChildren(node, parcel)
    this.#nodes[node]?.mpl.start(parcel.key, () => {
      if (this.#powered.has(node)) this.#broadcast(node, parcel)
    })
  }

  #broadcast(node: number, parcel: Parcel): boolean {
    return this.#fragment(node, undefined, parcel, undefined)
  }

  #holdForChildren(node: number, parcel: Parcel): void {
    const members = this.#members.get(addressKey(destinationOf(parcel.packet)))
    if (members === undefined) return
    for (const child of this.#plan().childrenOf(node)) {
      if (members.has(child) && this.#sleepy.isSleepy(child)) this.#fragment(node, child, parcel, undefined)
    }
  }

  #forward(node: number, parcel: Parcel): boolean {
    const next = parcel.to === undefined ? undefined : this.#plan().nextHop(node, parcel.to)
    if (next === undefined) {
      this.#counters.packetsLost++
      return true
    }
    return this.#fragment(node, next, parcel, () => this.#counters.packetsLost++)
  }

  /** Queues the frames of a whole packet, all or none. */
  #fragment(node: number, next: number | undefined, parcel: Parcel, lost: (() => void) | undefined): boolean {
    const { profile } = this.#options
    const isRouteOver = profile.meshHeaderBytes === 0
    const carried = { source: isRouteOver && node === parcel.origin, destination: isRouteOver && next === parcel.to }
    const isSeveralHops = parcel.to !== undefined && next !== parcel.to
    const sizes = frameSizes(parcel.packet.length, headerSizes(parcel.packet, profile, carried), profile, isSeveralHops)
    const frames = sizes.map((bytes, index): MeshFrame => ({
      from: node,
      to: next,
      bytes,
      load: { kind: 'data', parcel, index, count: sizes.length },
    }))
    const sleeper = next !== undefined && this.#sleepy.isSleepy(next) ? next : undefined
    const queued = sleeper === undefined ? (this.#nodes[node]?.queue.length ?? 0) : this.#sleepy.held(sleeper)
    if (queued + frames.length > MOST_QUEUED_FRAMES) {
      this.#counters.packetsLost++
      return false
    }
    let isLost = false
    const done = (ok: boolean): void => {
      if (!ok && !isLost) {
        isLost = true
        lost?.()
      }
    }
    for (const frame of frames) {
      if (sleeper === undefined) this.#enqueue(node, frame, done)
      else this.#sleepy.hold(sleeper, frame)
    }
    return true
  }

  #enqueue(node: number, frame: MeshFrame, done: ((ok: boolean) => void) | undefined, isFirst = false): void {
    const state = this.#nodes[node]
    if (state === undefined) return
    if (isFirst) state.queue.unshift({ frame, done })
    else state.queue.push({ frame, done })
    this.#sendNext(node, state)
  }

  #sendNext(node: number, state: NodeState): void {
    if (state.isSending || !this.#powered.has(node)) return
    const next = state.queue.shift()
    if (next === undefined) return
    state.isSending = true
    this.#medium.send(next.frame, (ok) => {
      state.isSending = false
      next.done?.(ok)
      this.#sendNext(node, state)
    })
  }

  #onFrame(at: number, frame: MeshFrame): void {
    const state = this.#nodes[at]
    if (state === undefined) return
    const { parcel, index, count, kind } = frame.load
    if (frame.to !== undefined) {
      if (state.lastFrom.get(frame.from) === frame) return
      state.lastFrom.set(frame.from, frame)
    } else if (this.#sleepy.isSleepy(at)) return
    if (kind === 'poll') {
      this.#sleepy.polled(frame.from, at)
      return
    }
    const isMeshUnder = this.#options.profile.meshHeaderBytes > 0
    if (parcel.to !== undefined && parcel.to !== at && isMeshUnder) {
      this.#passOn(at, frame)
      return
    }
    if (!state.reassembly.take(parcel.key, index, count, this.#events.nowUs)) return
    if (parcel.to === undefined) this.#heard(at, state, parcel, frame)
    else if (parcel.to === at) this.#deliver(at, parcel, frame.from)
    else this.#forward(at, parcel)
  }

  /** Mesh-under: a fragment goes on as it came, the packet is put together at its end alone (RFC 4944 §11). */
  #passOn(at: number, frame: MeshFrame): void {
    const { to } = frame.load.parcel
    const next = to === undefined ? undefined : this.#plan().nextHop(at, to)
    const queued = this.#nodes[at]?.queue.length ?? 0
    if (next === undefined || queued >= MOST_QUEUED_FRAMES) {
      this.#counters.packetsLost++
      return
    }
    const onward: MeshFrame = { ...frame, from: at, to: next }
    if (this.#sleepy.isSleepy(next)) this.#sleepy.hold(next, onward)
    else
      this.#enqueue(at, onward, (ok) => {
        if (!ok) this.#counters.packetsLost++
      })
  }

  #heard(at: number, state: NodeState, parcel: Parcel, frame: MeshFrame): void {
    // A copy that the parent kept for a sleeping child is for that child alone.
    if (!state.mpl.isNew(parcel.key)) {
      state.mpl.heardAgain(parcel.key)
      return
    }
    const group = destinationOf(parcel.packet)
    if (at === DONGLE || this.#members.get(addressKey(group))?.has(at) === true) this.#deliver(at, parcel, frame.from)
    const isForwarder = frame.to === undefined && ((group[1] ?? 0) & 0x0f) > LINK_SCOPE && this.#plan().routers.has(at)
    if (isForwarder) this.#spread(at, parcel)
  }

  #deliver(at: number, parcel: Parcel, from: number): void {
    this.#counters.packetsDelivered++
    this.#options.arrive(at, parcel.packet, Math.round(this.#options.links.rssiDbm(from, at)))
  }

  #pollFrame(child: number, parent: number, bytes: number): MeshFrame {
    const parcel: Parcel = { key: this.#nextKey++, packet: NO_BYTES, origin: child, to: parent }
    return { from: child, to: parent, bytes, load: { kind: 'poll', parcel, index: 0, count: 1 } }
  }
}

const NO_BYTES = new Uint8Array(0)
