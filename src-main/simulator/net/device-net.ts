// The devices' IPv6 ends: what a device sends becomes a packet on the mesh, what arrives for one of its ports becomes a datagram.
import type { Schedule, SocketAddress } from '#main/base/index.ts'
import { formatIpv6 } from '#main/wire/ip/index.ts'
import type { GroupAddress } from '../device-host.ts'
import type { Mesh } from '../radio/index.ts'
import { addressBytesOf, bytesOfAddress, COAP_PORT, linkLocalBytesOf } from './addresses.ts'
import { decodeUdp, echoReply, encodeUdp } from './packets.ts'

export interface DeviceNetOptions {
  /** By index; node `index + 1` of the mesh. */
  readonly eui64s: readonly string[]
  readonly mesh: Mesh
  readonly schedule: Schedule
  readonly arrive: (index: number, payload: Uint8Array, from: SocketAddress, group: GroupAddress | undefined) => void
  /** Takes what is for another port of the device than its CoAP server's. */
  readonly arriveElsewhere?: (index: number, port: number, payload: Uint8Array, from: SocketAddress) => void
}

/** All CoAP Nodes in link, realm and site scope (RFC 7252 §12.8). */
const ALL_COAP_NODES = ['ff02::fd', 'ff03::fd', 'ff05::fd']

export class DeviceNet {
  readonly #options: DeviceNetOptions
  readonly #ends: ReadonlyArray<{ readonly meshLocal: Uint8Array; readonly linkLocal: Uint8Array }>
  /** Ports of each group that a device listens to. */
  readonly #groups: ReadonlyArray<Map<string, Set<number>>>
  readonly #powered = new Set<number>()

  constructor(options: DeviceNetOptions) {
    this.#options = options
    this.#ends = options.eui64s.map((eui64) => ({ meshLocal: addressBytesOf(eui64), linkLocal: linkLocalBytesOf(eui64) }))
    this.#groups = options.eui64s.map(() => new Map<string, Set<number>>())
    for (const [index, end] of this.#ends.entries()) {
      options.mesh.bind(nodeOf(index), end.meshLocal)
      options.mesh.bind(nodeOf(index), end.linkLocal)
      for (const address of ALL_COAP_NODES) this.listen(index, { address, port: COAP_PORT })
    }
  }

  setPower(index: number, on: boolean): void {
    if (on) this.#powered.add(index)
    else this.#powered.delete(index)
    this.#options.mesh.setPower(nodeOf(index), on)
  }

  listen(index: number, { address, port }: GroupAddress): void {
    const group = bytesOfAddress(address)
    const groups = this.#groups[index]
    if (group === undefined || groups === undefined) return
    const key = formatIpv6(group)
    const ports = groups.get(key) ?? new Set<number>()
    if (ports.size === 0) this.#options.mesh.listen(nodeOf(index), group)
    groups.set(key, ports.add(port))
  }

  unlisten(index: number, { address, port }: GroupAddress): void {
    const group = bytesOfAddress(address)
    const groups = this.#groups[index]
    if (group === undefined || groups === undefined) return
    const key = formatIpv6(group)
    const ports = groups.get(key)
    ports?.delete(port)
    if (ports?.size !== 0) return
    groups.delete(key)
    this.#options.mesh.unlisten(nodeOf(index), group)
  }

  /** From the device's CoAP port unless told, `holdMs` from now; its power may be gone by then. */
  send(index: number, payload: Uint8Array, to: SocketAddress, holdMs: number, sourcePort = COAP_PORT): void {
    const destination = bytesOfAddress(to.address)
    const end = this.#ends[index]
    if (destination === undefined || end === undefined) return
    const source = destination[0] === 0xfe ? end.linkLocal : end.meshLocal
    const packet = encodeUdp({ source, sourcePort, destination, destinationPort: to.port, payload })
    const send = (): void => {
      if (this.#powered.has(index)) this.#options.mesh.send(nodeOf(index), packet)
    }
    if (holdMs > 0) this.#options.schedule.setTimer(holdMs, send)
    else send()
  }

  /** A packet has reached a node. */
  receive(node: number, packet: Uint8Array): void {
    const index = node - 1
    const end = this.#ends[index]
    if (end === undefined || !this.#powered.has(index)) return
    const datagram = decodeUdp(packet)
    if (datagram === undefined) {
      const isLinkLocal = packet[24] === 0xfe
      const reply = echoReply(packet, isLinkLocal ? end.linkLocal : end.meshLocal)
      if (reply !== undefined) this.#options.mesh.send(node, reply)
      return
    }
    const from: SocketAddress = { address: formatIpv6(datagram.source), port: datagram.sourcePort }
    const isMulticast = datagram.destination[0] === 0xff
    if (!isMulticast) {
      if (datagram.destinationPort === COAP_PORT) this.#options.arrive(index, datagram.payload, from, undefined)
      else this.#options.arriveElsewhere?.(index, datagram.destinationPort, datagram.payload, from)
      return
    }
    const address = formatIpv6(datagram.destination)
    const port = datagram.destinationPort
    if (this.#groups[index]?.get(address)?.has(port) === true) this.#options.arrive(index, datagram.payload, from, { address, port })
  }
}

/** The dongle is node 0. */
function nodeOf(index: number): number {
  return index + 1
}
