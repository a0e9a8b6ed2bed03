// The tables that a simulated NCP keeps of the nodes around it (Spinel's THREAD_CHILD_TABLE, _NEIGHBOR_TABLE and _ROUTER_TABLE).
import { concatBytes } from '#main/base/index.ts'
import type { MeshNeighbour } from '../radio/index.ts'
import { counted, little } from './spinel.ts'
import type { ThreadNode } from './thread-node.ts'

export interface Neighbourhood {
  /** Whom the dongle hears; nobody while it is not in the site's network. */
  neighbours(): readonly MeshNeighbour[]
  /** The MAC address of a device. */
  extendedAddressOf(node: number): Uint8Array
}

const CHILD_TIMEOUT_S = 240
const AGE_S = 2
const NET_DATA_VERSION = 0x94
const GOOD_LQI = 3
const LISTENING_MODE = 0x0b
const SLEEPING_MODE = 0x00

export function childTable(around: Neighbourhood, node: ThreadNode): Uint8Array {
  const children = around.neighbours().filter(({ role }) => role !== 'router')
  return concatBytes(
    ...children.map((child, index) =>
      counted(
        around.extendedAddressOf(child.node),
        little(node.identity.rloc16 + index + 1, 2),
        little(CHILD_TIMEOUT_S, 4),
        little(AGE_S, 4),
        Uint8Array.of(NET_DATA_VERSION, GOOD_LQI, child.rssiDbm & 0xff, modeOf(child), child.rssiDbm & 0xff),
      ),
    ),
  )
}

export function neighborTable(around: Neighbourhood, node: ThreadNode): Uint8Array {
  let children = 0
  return concatBytes(
    ...around.neighbours().map((neighbour) => {
      const isChild = neighbour.role !== 'router'
      const locator = isChild ? node.identity.rloc16 + ++children : locatorOf(neighbour.node)
      return counted(
        around.extendedAddressOf(neighbour.node),
        little(locator, 2),
        little(AGE_S, 4),
        Uint8Array.of(GOOD_LQI, neighbour.rssiDbm & 0xff, modeOf(neighbour), isChild ? 1 : 0),
        little(0, 4),
        little(1, 4),
        Uint8Array.of(neighbour.rssiDbm & 0xff),
      )
    }),
  )
}

/** The NCP itself first, then the routers it has a link with. */
export function routerTable(around: Neighbourhood, node: ThreadNode): Uint8Array {
  if (!node.isAttached) return new Uint8Array(0)
  const own = routerEntry(node.identity.extendedAddress, node.identity.rloc16, 0, 0)
  const others = around.neighbours().filter(({ role }) => role === 'router')
  return concatBytes(own, ...others.map(({ node: at }) => routerEntry(around.extendedAddressOf(at), locatorOf(at), GOOD_LQI, 1)))
}

function routerEntry(address: Uint8Array, locator: number, lqi: number, isLinked: number): Uint8Array {
  const none = 0x3f
  return counted(address, little(locator, 2), Uint8Array.of(locator >> 10, none, isLinked, lqi, lqi, 0, isLinked))
}

/** A router's short address has its number in the upper six bits. */
function locatorOf(node: number): number {
  return (node % 62) << 10
}

function modeOf(neighbour: MeshNeighbour): number {
  return neighbour.role === 'sleepy-child' ? SLEEPING_MODE : LISTENING_MODE
}
