// Runs many demo devices on one server of the `coap` package, a CoAP stack that is not this program's own, and registers them.
// One socket object stands for the sockets of all devices: the address that it tells the server names the device, too.
import { Socket } from 'node:dgram'
import { createServer, type IncomingMessage, type OutgoingMessage } from 'coap'
import { generate, parse, type ParsedPacket } from 'coap-packet'
import { utf8, type Logger, type Random, type SocketAddress } from '#main/base/index.ts'
import type { DemoDevice, DeviceReply, DeviceRequest } from './demo-device.ts'

export interface GroupAddress {
  readonly address: string
  readonly port: number
}

export interface DeviceHostOptions {
  readonly devices: readonly DemoDevice[]
  readonly random: Random
  readonly logger: Logger
  /** Carries a datagram from a device, `holdMs` from now. */
  readonly send: (index: number, payload: Uint8Array, to: SocketAddress, holdMs: number) => void
  /** Takes what is no request: acknowledgements, resets and responses. */
  readonly onAnswer?: (index: number, packet: ParsedPacket, from: SocketAddress, payload: Uint8Array) => void
  /** Takes a request that OSCORE protects; false where the device has no keys at all. */
  readonly onProtected?: (index: number, payload: Uint8Array, from: SocketAddress, group: GroupAddress | undefined) => boolean
  /** Over how long answers to a group are spread; a second unless told (RFC 7252 §8.2). */
  readonly leisureMs?: (group: GroupAddress) => number
  /** Told of each request that a device has served. */
  readonly onServed?: (index: number, request: DeviceRequest, reply: DeviceReply) => void
}

/** Leisure of these devices (RFC 7252 §8.2). */
const LEISURE_MS = 1000
/** Remembered responses for all devices, in bytes; the server keeps some timers with each. */
const RESPONSE_CACHE_BYTES = 128 * 1024
const OPTION_OBSERVE = 'Observe'
const OPTION_OSCORE = 'OSCORE'
const FORMATS: Readonly<Record<number, string>> = { 40: 'application/link-format', 50: 'application/json' }

interface Peer {
  readonly index: number
  readonly from: SocketAddress
  readonly group: GroupAddress | undefined
}

interface Serving extends Peer {
  readonly packet: ParsedPacket
}

export class DeviceHost {
  readonly #options: DeviceHostOptions
  readonly #socket: HostSocket
  readonly #server: ReturnType<typeof createServer>
  /** The datagram in hand: the server works on each to its end before it returns. */
  #serving: Serving | undefined

  constructor(options: DeviceHostOptions) {
    this.#options = options
    this.#socket = new HostSocket((payload, port, key) => this.#send(payload, port, key))
    this.#server = createServer({ type: 'udp6', cacheSize: RESPONSE_CACHE_BYTES, piggybackReplyMs: 50 })
    // Every failure of the package is an event, and an unheard one ends the process.
    this.#server.on('error', (error: unknown) => this.#options.logger.debug({ error }, 'demo device server'))
    this.#server.on('request', (request: IncomingMessage, response: OutgoingMessage) => this.#serve(request, response))
    this.#server.listen(this.#socket)
  }

  /** A datagram for a device; `group` is the multicast address that it came by. Whatever the bytes, nothing is thrown. */
  receive(index: number, payload: Uint8Array, from: SocketAddress, group: GroupAddress | undefined): void {
    const packet = readPacket(payload)
    if (packet === undefined) return
    if (!packet.code.startsWith('0.') || packet.code === '0.00' || packet.ack || packet.reset) {
      this.#receiveAnswer(index, packet, from, group, payload)
      return
    }
    if (isProtected(packet) && this.#options.onProtected?.(index, payload, from, group) === true) return
    // A group request is Non-confirmable (RFC 7252 §8.1).
    if (group !== undefined && packet.confirmable) return
    this.#serving = { index, from, group, packet }
    try {
      this.#socket.emit('message', withoutObserve(payload, packet), {
        address: keyOf(this.#serving),
        family: 'IPv6',
        port: from.port,
        size: payload.length,
      })
    } catch (error) {
      this.#options.logger.debug({ error }, 'demo device')
    } finally {
      this.#serving = undefined
    }
  }

  close(): void {
    this.#server.close()
    this.#socket.close()
  }

  #receiveAnswer(index: number, packet: ParsedPacket, from: SocketAddress, group: GroupAddress | undefined, payload: Uint8Array): void {
    if (group !== undefined) return
    if (packet.code === '0.00' && packet.confirmable) {
      // A ping (RFC 7252 §4.3), which the package would answer with 4.04.
      this.#options.send(index, generate({ code: '0.00', messageId: packet.messageId, reset: true }), from, 0)
      return
    }
    this.#options.onAnswer?.(index, packet, from, payload)
  }

  #serve(request: IncomingMessage, response: OutgoingMessage): void {
    request.on('error', (error: unknown) => this.#options.logger.debug({ error }, 'demo device request'))
    response.on('error', (error: unknown) => this.#options.logger.debug({ error }, 'demo device response'))
    const serving = this.#serving
    const device = serving === undefined ? undefined : this.#options.devices[serving.index]
    if (serving === undefined || device === undefined) return
    const { index, packet, group } = serving
    const asked: DeviceRequest = {
      method: request.method,
      path: textsOf(packet, 'Uri-Path'),
      query: textsOf(packet, 'Uri-Query'),
      // The package has put a blockwise body together.
      payload: request.payload,
      contentFormat: formatOf(packet),
      group,
    }
    const reply = isProtected(packet) ? refusal(device, asked) : device.handle(asked)
    if (reply === undefined) return
    this.#options.onServed?.(index, asked, reply)
    response.code = reply.code
    const format = reply.contentFormat === undefined ? undefined : FORMATS[reply.contentFormat]
    if (format !== undefined) response.setOption('Content-Format', format)
    if (reply.payload === undefined) response.end()
    else response.end(Buffer.from(reply.payload))
  }

  #send(payload: Uint8Array, port: number, key: string | undefined): void {
    // Errors of its own the package sends without an address; they belong to whoever is being served.
    const peer = key === undefined ? this.#serving : peerOf(key, port)
    if (peer === undefined) return
    const isError = (payload[1] ?? 0) >> 5 >= 4
    if (peer.group !== undefined && isError) return
    const leisureMs = peer.group === undefined ? 0 : (this.#options.leisureMs?.(peer.group) ?? LEISURE_MS)
    const holdMs = leisureMs === 0 ? 0 : this.#options.random.fraction() * leisureMs
    this.#options.send(peer.index, payload.slice(), peer.from, holdMs)
  }
}

/**
 * Never bound: it only passes datagrams between the server and the devices' own sockets. It is a real `Socket`, because the
 * server answers repeated requests from its memory on nothing else.
 */
class HostSocket extends Socket {
  readonly #pass: (payload: Uint8Array, port: number, key: string | undefined) => void

  constructor(pass: (payload: Uint8Array, port: number, key: string | undefined) => void) {
    const options = { type: 'udp6', captureRejections: false }
    super(options)
    this.#pass = pass
  }

  override send(message: unknown, ...rest: unknown[]): void {
    const [, , port, key, callback] = rest
    if (message instanceof Uint8Array && typeof port === 'number') this.#pass(message, port, typeof key === 'string' ? key : undefined)
    if (isSent(callback)) callback(null, message instanceof Uint8Array ? message.length : 0)
  }
}

function isSent(callback: unknown): callback is (error: null, bytes: number) => void {
  return typeof callback === 'function'
}

/** The message, or undefined for what no message of RFC 7252 is. Long tokens are none: one of them can end the package's server. */
function readPacket(payload: Uint8Array): ParsedPacket | undefined {
  const first = payload[0]
  if (first === undefined || payload.length < 4 || first >> 6 !== 1 || (first & 0x0f) > 8) return undefined
  try {
    return parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength))
  } catch {
    return undefined
  }
}

function isProtected(packet: ParsedPacket): boolean {
  return packet.options.some(({ name }) => name === OPTION_OSCORE)
}

/** A device without keys finds none for the message (RFC 8613 §8.2); to one that knows nothing of OSCORE the option is unknown and critical. */
function refusal(device: DemoDevice, { group }: DeviceRequest): DeviceReply | undefined {
  if (group !== undefined) return undefined
  return device.takesKeys ? { code: '4.01', payload: utf8('Security context not found') } : { code: '4.02' }
}

/** Devices are not observed: the package would open a stream that outlives the request. */
function withoutObserve(payload: Uint8Array, packet: ParsedPacket): Buffer {
  if (!packet.options.some((option) => option.name === OPTION_OBSERVE)) return Buffer.from(payload)
  return generate({ ...packet, options: packet.options.filter((option) => option.name !== OPTION_OBSERVE) })
}

function textsOf(packet: ParsedPacket, name: string): readonly string[] {
  return packet.options.filter((option) => option.name === name).map((option) => option.value.toString('utf8'))
}

function formatOf(packet: ParsedPacket): number | undefined {
  const option = packet.options.find((one) => one.name === 'Content-Format')
  return option?.value.reduce((value, byte) => value * 256 + byte, 0)
}

/** The peer as the server's idea of an address: it comes back with the response. */
function keyOf(peer: Peer): string {
  const group = peer.group === undefined ? '' : `${peer.group.address} ${peer.group.port}`
  return [peer.index, group, peer.from.zone ?? '', peer.from.address].join('|')
}

function peerOf(key: string, port: number): Peer | undefined {
  const [index, group, zone, address] = key.split('|')
  if (address === undefined || group === undefined) return undefined
  const [groupAddress, groupPort] = group.split(' ')
  return {
    index: Number(index),
    from: zone === undefined || zone === '' ? { address, port } : { address, port, zone },
    group: groupPort === undefined || groupAddress === undefined ? undefined : { address: groupAddress, port: Number(groupPort) },
  }
}
