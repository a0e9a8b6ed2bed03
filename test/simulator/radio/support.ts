// Packets and meshes for the tests of the radio.
import { seededRandom } from '#main/base/index.ts'
import {
  linksOf,
  RadioMesh,
  THREAD_MPL,
  threadProfile,
  type Links,
  type MeshNode,
  type RadioMeshOptions,
} from '../../../src-main/simulator/radio/index.ts'
import { encodeUdp } from '../../../src-main/simulator/net/packets.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

export const PREFIX = Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0)

export function address(node: number): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes.set(PREFIX)
  bytes.set([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, node >> 8, node & 0xff], 8)
  return bytes
}

export const ALL_COAP_NODES = Uint8Array.of(0xff, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfd)

export function udp(from: Uint8Array, to: Uint8Array, payloadBytes: number): Uint8Array {
  return encodeUdp({
    source: from,
    sourcePort: 5683,
    destination: to,
    destinationPort: 5683,
    payload: new Uint8Array(payloadBytes).fill(0x2a),
  })
}

export interface Arrival {
  readonly node: number
  readonly bytes: number
  readonly atMs: number
}

export interface MeshBench {
  readonly clock: VirtualClock
  readonly mesh: RadioMesh
  readonly arrivals: Arrival[]
}

export function meshBench(nodes: readonly MeshNode[], links: Links, options: Partial<RadioMeshOptions> = {}): MeshBench {
  const clock = new VirtualClock()
  const arrivals: Arrival[] = []
  const mesh = new RadioMesh({
    clock,
    random: seededRandom(3),
    links,
    nodes,
    profile: threadProfile(PREFIX),
    lossPercent: 0,
    maxFrameRetries: 15,
    mostRouters: 32,
    mpl: THREAD_MPL,
    unknownTo: 'nowhere',
    arrive: (node, packet) => arrivals.push({ node, bytes: packet.length, atMs: clock.monotonicMs() }),
    ...options,
  })
  for (let node = 0; node < nodes.length; node++) {
    mesh.setPower(node, true)
    mesh.bind(node, address(node))
    mesh.listen(node, ALL_COAP_NODES)
  }
  return { clock, mesh, arrivals }
}

/** Nodes in a row: each hears the next one well and nobody else at all. */
export function row(count: number): Links {
  return linksOf(count, (a, b) => (Math.abs(a - b) === 1 ? -60 : -120))
}

/** Everybody hears everybody. */
export function cell(count: number, rssiDbm = -60): Links {
  return linksOf(count, () => rssiDbm)
}

/** All hear the dongle and it hears them, but they do not hear each other. */
export function hidden(count: number): Links {
  return linksOf(count, (a, b) => (a === 0 || b === 0 ? -60 : -120))
}

export function mains(count: number): readonly MeshNode[] {
  return Array.from({ length: count }, () => ({ isMains: true }))
}
