// A simulated Contiki-NG border router with embedded SLIP: prefix and MAC handshake, log lines, unicast between host and mesh.
import { concatBytes, toHex, utf8, type Schedule, type Timer } from '#main/base/index.ts'
import type { Dongle, MeshPort } from './dongle.ts'
import { decodeUdp, echoReply, isWholePacket, portUnreachable, timeExceeded } from '../net/packets.ts'

export interface SlipRouterOptions {
  readonly eui64: Uint8Array
  readonly schedule: Schedule
  readonly mesh: MeshPort
  /** Whether an address belongs to a node of the mesh: all else goes to the host. */
  readonly isInMesh: (address: Uint8Array) => boolean
  /** The host's first prefix: the radio comes on. */
  readonly onPrefix: (prefix: Uint8Array) => void
  /** `framed` puts log lines into frames of their own, as boards do whose log shares the UART. */
  readonly logLines?: 'bare' | 'framed'
}

const END = 0xc0
const ESC = 0xdb
const ESC_END = 0xdc
const ESC_ESC = 0xdd
/** UIP_BUFSIZE and a little, counted after escaping. */
const MOST_RECEIVED = 1296
const ASK_EVERY_MS = 1000
const MOST_TO_MESH_BYTES = 1240

export class SlipRouter implements Dongle {
  readonly #options: SlipRouterOptions
  #listener: ((bytes: Uint8Array) => void) | undefined
  #received: number[] = []
  #count = 0
  #isEscaped = false
  #isBroken = false
  #prefix: Uint8Array | undefined
  #timer: Timer | undefined

  constructor(options: SlipRouterOptions) {
    this.#options = options
    this.#ask()
  }

  /** The router's own address in its prefix; undefined until the host has given one. */
  get address(): Uint8Array | undefined {
    if (this.#prefix === undefined) return undefined
    const iid = this.#options.eui64.slice()
    iid[0] = (iid[0] ?? 0) ^ 0x02
    return concatBytes(this.#prefix, iid)
  }

  write(bytes: Uint8Array): void {
    for (const byte of bytes) this.#take(byte)
  }

  onBytes(listener: ((bytes: Uint8Array) => void) | undefined): void {
    this.#listener = listener
  }

  receive(packet: Uint8Array): void {
    if (this.#prefix === undefined || !isWholePacket(packet)) return
    const { address } = this
    const destination = packet.subarray(24, 40)
    if (address !== undefined && toHex(address) === toHex(destination)) {
      const answer = this.#serve(packet, address)
      if (answer !== undefined) this.#options.mesh.send(answer)
      return
    }
    if (destination[0] === 0xff || destination[0] === 0xfe) return
    const hopLimit = packet[7] ?? 0
    if (hopLimit <= 1) return
    const copy = packet.slice()
    copy[7] = hopLimit - 1
    this.#send(copy)
  }

  reset(): void {
    this.#received = []
    this.#count = 0
    this.#isBroken = false
    this.#prefix = undefined
    this.#log('Main', 'Starting Contiki-NG')
    this.#ask()
  }

  close(): void {
    this.#timer?.cancel()
    this.#listener = undefined
  }

  #ask(): void {
    this.#timer?.cancel()
    this.#timer = this.#options.schedule.setTimer(ASK_EVERY_MS, () => {
      if (this.#prefix !== undefined) return
      this.#log('BR', 'Waiting for prefix')
      this.#send(utf8('?P'))
      this.#ask()
    })
  }

  #take(byte: number): void {
    if (byte === END) {
      const frame = Uint8Array.from(this.#received)
      const isGood = !this.#isBroken && this.#count <= MOST_RECEIVED && frame.length > 0
      this.#received = []
      this.#count = 0
      this.#isEscaped = false
      this.#isBroken = false
      if (isGood) this.#obey(frame)
      return
    }
    this.#count++
    if (this.#count > MOST_RECEIVED) return
    if (this.#isEscaped) {
      this.#isEscaped = false
      if (byte === ESC_END) this.#received.push(END)
      else if (byte === ESC_ESC) this.#received.push(ESC)
      else this.#isBroken = true
    } else if (byte === ESC) this.#isEscaped = true
    else this.#received.push(byte)
  }

  #obey(frame: Uint8Array): void {
    if (frame[0] === 0x21) this.#obeyOrder(frame)
    else if (frame[0] === 0x3f) {
      if (frame[1] === 0x4d) this.#send(utf8(`!M${toHex(this.#options.eui64)}`))
    } else if (isWholePacket(frame)) this.#packetFromHost(frame)
  }

  #obeyOrder(frame: Uint8Array): void {
    // A running router keeps the prefix that it has.
    if (frame[1] !== 0x50 || frame.length < 10 || this.#prefix !== undefined) return
    this.#prefix = frame.slice(2, 10)
    this.#timer?.cancel()
    this.#options.onPrefix(this.#prefix)
    this.#log('BR', 'Server IPv6 addresses:')
    const { address } = this
    if (address !== undefined) this.#options.mesh.bind(address)
  }

  #packetFromHost(packet: Uint8Array): void {
    const destination = packet.subarray(24, 40)
    const { address } = this
    if (address === undefined || destination[0] === 0xff || destination[0] === 0xfe) return
    if (toHex(packet.subarray(8, 24)) === toHex(address)) return
    if (toHex(destination) === toHex(address)) {
      const answer = this.#serve(packet, address)
      if (answer !== undefined) this.#send(answer)
      return
    }
    const hopLimit = packet[7] ?? 0
    if (hopLimit <= 1) {
      this.#send(timeExceeded(packet, address))
      return
    }
    // RPL adds headers: what leaves no room for them does not get through.
    if (packet.length > MOST_TO_MESH_BYTES || !this.#options.isInMesh(destination)) return
    const copy = packet.slice()
    copy[7] = hopLimit - 1
    this.#options.mesh.send(copy)
  }

  /** What is for the router itself: echo requests; no port is open. */
  #serve(packet: Uint8Array, own: Uint8Array): Uint8Array | undefined {
    return decodeUdp(packet) === undefined ? echoReply(packet, own) : portUnreachable(packet, own)
  }

  #log(module: string, text: string): void {
    const line = utf8(`[INFO: ${module.padEnd(10)}] ${text}\n`)
    if (this.#options.logLines === 'framed') this.#emit(concatBytes(Uint8Array.of(END, 0x0d), line, Uint8Array.of(END)))
    else this.#emit(line)
  }

  #send(frame: Uint8Array): void {
    const out: number[] = [END]
    for (const byte of frame) {
      if (byte === END) out.push(ESC, ESC_END)
      else if (byte === ESC) out.push(ESC, ESC_ESC)
      else out.push(byte)
    }
    out.push(END)
    this.#emit(Uint8Array.from(out))
  }

  #emit(bytes: Uint8Array): void {
    this.#listener?.(bytes)
  }
}
