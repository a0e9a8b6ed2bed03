// A simulated OpenThread NCP: Spinel over HDLC-lite on one side, the simulated radio on the other. What it answers was measured on the real one.
import { concatBytes, equalBytes, toHex, utf8, type Logger, type Random, type Schedule } from '#main/base/index.ts'
import type { MeshNeighbour } from '../radio/index.ts'
import type { Dongle, MeshPort } from './dongle.ts'
import { FrameReader, frameOf, type HdlcFault } from './hdlc.ts'
import { propertiesOf, type Property } from './ncp-properties.ts'
import { isForHost, judgeFromHost } from './ncp-traffic.ts'
import { NetData } from './net-data.ts'
import { Scanner } from './scanner.ts'
import { COMMAND, counted, packed, PROPERTY, readPacked, STATUS } from './spinel.ts'
import { ThreadNode, type NcpIdentity } from './thread-node.ts'

export interface NcpOptions {
  readonly identity: NcpIdentity
  readonly schedule: Schedule
  readonly random: Random
  readonly logger: Logger
  readonly mesh: MeshPort
  readonly saved?: Uint8Array
  readonly siteDataset?: Uint8Array
  readonly version?: string
  readonly neighbours?: () => readonly MeshNeighbour[]
  readonly extendedAddressOf?: (node: number) => Uint8Array
}

const VERSION = 'OPENTHREAD/demo; SIMULATION'
/** The order in which changed properties are told. */
const TOLD_ORDER = [
  PROPERTY.LL_ADDRESS,
  PROPERTY.ML_ADDRESS,
  PROPERTY.ADDRESS_TABLE,
  PROPERTY.NET_ROLE,
  PROPERTY.NET_PARTITION,
  PROPERTY.LEADER_NET_DATA,
  PROPERTY.ON_MESH_NETS,
  PROPERTY.OFF_MESH_ROUTES,
  PROPERTY.MULTICAST_TABLE,
  PROPERTY.NET_KEY_SEQUENCE,
  PROPERTY.PHY_CHAN,
  PROPERTY.MAC_PANID,
  PROPERTY.NET_NAME,
  PROPERTY.NET_KEY,
  PROPERTY.NET_PSKC,
]
const BOOT_MS = 2
const ECHO_AGAIN_MS = 18
const TOTAL_BUFFERS = 44
/** A packet waits in the NCP for its turn on the air; buffers hold about 128 bytes each. */
const BUFFER_BYTES = 128
const DUMPED_BYTES = 41
const FAULT_NUMBER: Readonly<Record<HdlcFault, number>> = { 'bad-frame': 6, 'too-long': 3 }

export class Ncp implements Dongle {
  readonly node: ThreadNode
  readonly #options: NcpOptions
  readonly #properties: ReadonlyMap<number, Property>
  readonly #scanner: Scanner
  readonly #netData: NetData
  readonly #changed = new Set<number>()
  readonly #silenced = new Set<number>()
  readonly #bound = new Map<string, Uint8Array>()
  #reader: FrameReader
  #listener: ((bytes: Uint8Array) => void) | undefined
  #lastStatus = STATUS.RESET_POWER_ON
  /** A status of a packet that nobody asked for: told with the next traffic, once. */
  #owedStatus: number | undefined
  #isBooting = false
  #usedBuffers = 0

  constructor(options: NcpOptions) {
    this.#options = options
    const { schedule, random } = options
    this.node = new ThreadNode({
      identity: options.identity,
      schedule,
      random,
      ...(options.saved === undefined ? {} : { saved: options.saved }),
      ...(options.siteDataset === undefined ? {} : { siteDataset: options.siteDataset }),
      onChange: (property) => this.#noteChange(property),
    })
    const neighbours = (): readonly MeshNeighbour[] => options.neighbours?.() ?? []
    const extendedAddressOf = options.extendedAddressOf ?? (() => new Uint8Array(8))
    this.#scanner = new Scanner({
      schedule,
      random,
      siteDataset: options.siteDataset,
      inReach: () => neighbours().map(({ node, rssiDbm }) => ({ extendedAddress: extendedAddressOf(node), rssiDbm })),
      tell: (command, property, value) => this.#answer(0, command === 'is' ? COMMAND.IS : COMMAND.INSERTED, property, value),
    })
    this.#netData = new NetData(this.node, random, (property) => this.#noteChange(property))
    this.#properties = propertiesOf({
      node: this.node,
      scanner: this.#scanner,
      netData: this.#netData,
      random,
      version: options.version ?? VERSION,
      silenced: this.#silenced,
      neighbours: () => (this.node.isInSite ? neighbours() : []),
      extendedAddressOf,
      lastStatus: () => this.#lastStatus,
      freeBuffers: () => TOTAL_BUFFERS - this.#usedBuffers,
      left: () => {
        this.#tellChanges()
        this.#answer(0, COMMAND.IS, PROPERTY.NET_LEAVE, NO_BYTES)
      },
      packet: (packet) => this.#packetFromHost(packet),
    })
    this.#reader = this.#newReader()
  }

  write(bytes: Uint8Array): void {
    if (!this.#isBooting) this.#reader.push(bytes)
  }

  onBytes(listener: ((bytes: Uint8Array) => void) | undefined): void {
    this.#listener = listener
  }

  receive(packet: Uint8Array): void {
    if (this.#isBooting || !this.node.isInSite || !isForHost(packet, this.node)) return
    this.#tellOwed()
    this.#answer(0, COMMAND.IS, PROPERTY.STREAM_NET, counted(packet))
  }

  reset(): void {
    this.#scanner.stop()
    this.#silenced.clear()
    this.#netData.clear()
    this.#changed.clear()
    this.#owedStatus = undefined
    this.#usedBuffers = 0
    this.node.restart()
    this.#changed.clear()
    this.#rebind()
    this.#reader = this.#newReader()
    this.#isBooting = true
    this.#options.schedule.setTimer(BOOT_MS, () => {
      this.#isBooting = false
      this.#status(0, STATUS.RESET_POWER_ON)
    })
  }

  close(): void {
    this.#scanner.stop()
    this.node.close()
    this.#listener = undefined
  }

  #newReader(): FrameReader {
    return new FrameReader(
      (frame) => this.#take(frame),
      (fault, received) => this.#complain(fault, received),
    )
  }

  #take(frame: Uint8Array): void {
    const header = frame[0] ?? 0
    if (header >> 6 !== 2) return
    const tid = header & 0x0f
    if ((header & 0x30) !== 0) {
      this.#send(concatBytes(Uint8Array.of(header, COMMAND.IS), packed(PROPERTY.LAST_STATUS), packed(STATUS.INVALID_INTERFACE)))
      return
    }
    const command = readPacked(frame, 1)
    const owed = this.#owedStatus
    this.#owedStatus = undefined
    if (command === undefined) this.#status(tid, STATUS.PARSE_ERROR)
    else this.#obey(tid, command.value, frame.subarray(command.next))
    if (owed !== undefined) this.#status(0, owed)
    this.#tellChanges()
  }

  #obey(tid: number, command: number, body: Uint8Array): void {
    switch (command) {
      case COMMAND.NOOP:
        if (tid !== 0) this.#status(tid, STATUS.OK)
        return
      case COMMAND.RESET:
        this.reset()
        return
      case COMMAND.NET_CLEAR:
        if (!this.node.isStackUp) this.node.clearFlash()
        this.#status(tid, this.node.isStackUp ? STATUS.INVALID_STATE : STATUS.OK)
        return
      case COMMAND.GET:
      case COMMAND.SET:
      case COMMAND.INSERT:
      case COMMAND.REMOVE:
        this.#access(tid, command, body)
        return
      default:
        this.#status(tid, STATUS.INVALID_COMMAND)
    }
  }

  #access(tid: number, command: number, body: Uint8Array): void {
    const number = readPacked(body, 0)
    if (number === undefined) {
      this.#status(tid, STATUS.PARSE_ERROR)
      return
    }
    const property = this.#properties.get(number.value)
    const value = body.subarray(number.next)
    if (command === COMMAND.GET) this.#tellValue(tid, number.value, property?.get)
    else this.#write(tid, command, number.value, property, value)
  }

  #write(tid: number, command: number, number: number, property: Property | undefined, value: Uint8Array): void {
    const take = command === COMMAND.SET ? property?.set : command === COMMAND.INSERT ? property?.insert : property?.remove
    if (take === undefined) {
      this.#status(tid, STATUS.PROP_NOT_FOUND)
      return
    }
    const status = take(value)
    if (status !== undefined) {
      if (tid !== 0) this.#status(tid, status)
      else if (status === STATUS.DROPPED || status === STATUS.NOMEM) this.#owedStatus = status
    } else if (tid === 0) return
    else if (command === COMMAND.SET) this.#tellValue(tid, number, property?.get)
    else this.#answer(tid, command === COMMAND.INSERT ? COMMAND.INSERTED : COMMAND.REMOVED, number, value)
  }

  #tellValue(tid: number, number: number, get: Property['get']): void {
    const value = get === undefined ? STATUS.PROP_NOT_FOUND : get()
    if (typeof value === 'number') this.#status(tid, value)
    else this.#answer(tid, COMMAND.IS, number, value)
  }

  #packetFromHost(packet: Uint8Array): number {
    const verdict = judgeFromHost(packet, this.node)
    const { schedule } = this.#options
    let { status } = verdict
    if (verdict.isSent && this.node.isInSite) {
      const isTaken = this.#options.mesh.send(packet)
      if (!isTaken) status = STATUS.NOMEM
      else this.#occupy(packet.length)
    }
    const copy = packet.slice()
    const echo = (): void => this.#answer(0, COMMAND.IS, PROPERTY.STREAM_NET, counted(copy))
    if (verdict.echoes > 0) schedule.setTimer(0, echo)
    if (verdict.echoes > 1) schedule.setTimer(ECHO_AGAIN_MS, echo)
    return status
  }

  /** The buffers of a packet are free again once it has been on the air. */
  #occupy(bytes: number): void {
    const buffers = Math.min(TOTAL_BUFFERS - this.#usedBuffers, Math.ceil(bytes / BUFFER_BYTES))
    this.#usedBuffers += buffers
    this.#options.schedule.setTimer(buffers * 5, () => void (this.#usedBuffers = Math.max(0, this.#usedBuffers - buffers)))
  }

  #noteChange(property: number): void {
    this.#changed.add(property)
    this.#options.schedule.setTimer(0, () => this.#tellChanges())
    if (property === PROPERTY.ADDRESS_TABLE) this.#rebind()
  }

  #tellChanges(): void {
    if (this.#isBooting || this.#changed.size === 0) return
    const changed = TOLD_ORDER.filter((property) => this.#changed.has(property) && !this.#silenced.has(property))
    this.#changed.clear()
    for (const property of changed) this.#tellValue(0, property, this.#properties.get(property)?.get)
  }

  #tellOwed(): void {
    const status = this.#owedStatus
    this.#owedStatus = undefined
    if (status !== undefined) this.#status(0, status)
  }

  /** The radio delivers to exactly the addresses that the table tells. */
  #rebind(): void {
    const { mesh } = this.#options
    const addresses = this.node.isAttached ? this.node.addresses : []
    for (const [key, address] of this.#bound) {
      if (addresses.some((kept) => equalBytes(kept, address))) continue
      mesh.unbind(address)
      this.#bound.delete(key)
    }
    for (const address of addresses) {
      mesh.bind(address)
      this.#bound.set(toHex(address), address)
    }
  }

  #complain(fault: HdlcFault, received: Uint8Array): void {
    const dump = [...received.subarray(0, DUMPED_BYTES)].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0'))
    const text = (part: string): void => this.#answer(0, COMMAND.IS, PROPERTY.STREAM_DEBUG, utf8(part))
    text(`Framing error ${FAULT_NUMBER[fault]}: [`)
    text(`${dump.join(' ')}]\n`)
  }

  #status(tid: number, status: number): void {
    this.#lastStatus = status
    this.#answer(tid, COMMAND.IS, PROPERTY.LAST_STATUS, packed(status))
  }

  #answer(tid: number, command: number, property: number, value: Uint8Array): void {
    this.#send(concatBytes(Uint8Array.of(0x80 | tid, command), packed(property), value))
  }

  #send(frame: Uint8Array): void {
    this.#listener?.(frameOf(frame))
  }
}

const NO_BYTES = new Uint8Array(0)
