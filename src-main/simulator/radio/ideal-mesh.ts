// An ideal radio: one to four hops of some milliseconds and as much room as anybody wants. For sites beyond what one channel bears.
import type { Random, Schedule } from '#main/base/index.ts'
import { addressKey, destinationOf, DONGLE, type Arrive, type Mesh, type MeshCounters } from './mesh-types.ts'

export interface IdealMeshOptions {
  readonly lossPercent: number
  /** Where packets for unknown addresses go to: the host behind a border router, or nowhere. */
  readonly unknownTo: 'dongle' | 'nowhere'
  readonly schedule: Schedule
  readonly random: Random
  readonly arrive: Arrive
}

const MOST_HOPS = 4
const HOP_MS = { min: 4, max: 10 }
/** Packets in the air; more are lost, as on any radio. */
const MOST_IN_FLIGHT = 100_000
const RSSI_DBM = -60

export function createIdealMesh(options: IdealMeshOptions): Mesh {
  const { schedule, random, arrive } = options
  const powered = new Set([DONGLE])
  const nodeOf = new Map<string, number>()
  const members = new Map<string, Set<number>>()
  const counters = { packetsSent: 0, packetsDelivered: 0, packetsLost: 0, frames: 0, retries: 0, collisions: 0, busyMs: 0 }
  let lossRate = options.lossPercent / 100
  let inFlight = 0
  let open = true

  const hops = (from: number, to: number): number => 1 + ((from === DONGLE ? to : from) % MOST_HOPS)
  const travelMs = (from: number, to: number): number => {
    let delayMs = 0
    for (let hop = 0; hop < hops(from, to); hop++) delayMs += HOP_MS.min + random.fraction() * (HOP_MS.max - HOP_MS.min)
    return delayMs
  }
  const offer = (from: number, to: number, packet: Uint8Array): void => {
    const isLost = lossRate > 0 && random.fraction() < lossRate
    if (!powered.has(to) || isLost || inFlight >= MOST_IN_FLIGHT) {
      counters.packetsLost++
      return
    }
    inFlight++
    schedule.setTimer(travelMs(from, to), () => {
      inFlight--
      if (!open || !powered.has(to)) return
      counters.packetsDelivered++
      arrive(to, packet, RSSI_DBM)
    })
  }
  return {
    send(node, packet) {
      if (!open || !powered.has(node)) return false
      counters.packetsSent++
      const copy = packet.slice()
      const destination = destinationOf(copy)
      if (destination[0] === 0xff) {
        for (const member of members.get(addressKey(destination)) ?? []) if (member !== node) offer(node, member, copy)
        if (node !== DONGLE) offer(node, DONGLE, copy)
        return true
      }
      const elsewhere = options.unknownTo === 'dongle' && node !== DONGLE ? DONGLE : undefined
      const to = nodeOf.get(addressKey(destination)) ?? elsewhere
      if (to === undefined) counters.packetsLost++
      else offer(node, to, copy)
      return true
    },
    bind: (node, address) => void nodeOf.set(addressKey(address), node),
    unbind: (address) => void nodeOf.delete(addressKey(address)),
    listen(node, group) {
      const key = addressKey(group)
      const heard = members.get(key)
      if (heard === undefined) members.set(key, new Set([node]))
      else heard.add(node)
    },
    unlisten(node, group) {
      const key = addressKey(group)
      const heard = members.get(key)
      heard?.delete(node)
      if (heard?.size === 0) members.delete(key)
    },
    setPower(node, on) {
      if (on) powered.add(node)
      else powered.delete(node)
    },
    setLoss: (percent) => void (lossRate = Math.min(100, Math.max(0, percent)) / 100),
    neighbours: () => [],
    routers: () => [DONGLE],
    hops,
    counters: (): MeshCounters => ({ ...counters }),
    close: () => void (open = false),
  }
}
