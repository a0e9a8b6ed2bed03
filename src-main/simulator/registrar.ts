// The devices' side of the Resource Directory (RFC 9176 §5): register some seconds after power-up, renew in time, start over on failure.
import { generate, type ParsedPacket } from 'coap-packet'
import { formatSocketAddress, type Random, type Schedule, type SocketAddress, type Timer } from '#main/base/index.ts'
import type { DemoDevice } from './demo-device.ts'

export interface RegistrarOptions {
  readonly devices: readonly DemoDevice[]
  readonly directory: SocketAddress
  readonly lifetimeS: number
  /** Devices register spread over this time after power-up. */
  readonly spreadMs: number
  readonly schedule: Schedule
  readonly random: Random
  readonly send: (index: number, payload: Uint8Array, to: SocketAddress) => void
}

/** RFC 7252 §4.8. */
const ACK_TIMEOUT_MS = 2000
const ACK_RANDOM_FACTOR = 1.5
const MAX_RETRANSMIT = 4
const FIRST_DELAY_MS = 1000
const RETRY_MS = 30_000
/** Message IDs from here on: the device's protected side, which shares the port, has those below. */
const FIRST_MESSAGE_ID = 0xe000
/** How long to wait for a response that was promised by an empty acknowledgement. */
const SEPARATE_RESPONSE_MS = 60_000

interface Exchange {
  readonly messageId: number
  readonly token: Buffer
  readonly datagram: Uint8Array
  tries: number
  timeoutMs: number
}

interface Client {
  location: readonly string[] | undefined
  exchange: Exchange | undefined
  timer: Timer | undefined
  nextMessageId: number
}

export class Registrar {
  readonly #options: RegistrarOptions
  readonly #clients = new Map<number, Client>()

  constructor(options: RegistrarOptions) {
    this.#options = options
  }

  /** Devices that hold a location at the directory. */
  get registered(): number {
    return [...this.#clients.values()].filter((client) => client.location !== undefined).length
  }

  powerOn(index: number): void {
    this.powerOff(index)
    const { random, spreadMs } = this.#options
    const client: Client = {
      location: undefined,
      exchange: undefined,
      timer: undefined,
      nextMessageId: FIRST_MESSAGE_ID + random.below(0x1_0000 - FIRST_MESSAGE_ID),
    }
    this.#clients.set(index, client)
    this.#in(client, FIRST_DELAY_MS + random.fraction() * spreadMs, () => this.#start(index, client))
  }

  powerOff(index: number): void {
    this.#clients.get(index)?.timer?.cancel()
    this.#clients.delete(index)
  }

  close(): void {
    for (const client of this.#clients.values()) client.timer?.cancel()
    this.#clients.clear()
  }

  /** Whether it was an answer to the device's registration. */
  receive(index: number, packet: ParsedPacket, from: SocketAddress): boolean {
    const client = this.#clients.get(index)
    const exchange = client?.exchange
    const isDirectory = formatSocketAddress(from) === formatSocketAddress(this.#options.directory)
    if (client === undefined || exchange === undefined || !isDirectory) return false
    if (packet.code === '0.00') {
      if (packet.messageId !== exchange.messageId) return false
      if (packet.reset) this.#startAgain(index, client)
      else if (packet.ack) this.#in(client, SEPARATE_RESPONSE_MS, () => this.#startAgain(index, client))
      return true
    }
    if (!packet.token.equals(exchange.token) || (packet.ack && packet.messageId !== exchange.messageId)) return false
    if (packet.confirmable) this.#options.send(index, generate({ code: '0.00', messageId: packet.messageId, ack: true }), from)
    this.#finish(index, client, packet)
    return true
  }

  #finish(index: number, client: Client, packet: ParsedPacket): void {
    client.exchange = undefined
    if (packet.code === '2.01')
      client.location = packet.options.filter(({ name }) => name === 'Location-Path').map(({ value }) => value.toString('utf8'))
    else if (packet.code !== '2.04') {
      // Also after a failed update: the registration is made anew (RFC 9176 §5.3.1).
      const wasRegistered = client.location !== undefined
      client.location = undefined
      this.#in(client, wasRegistered ? 0 : this.#jitter(RETRY_MS), () => this.#start(index, client))
      return
    }
    this.#in(client, this.#options.lifetimeS * 1000 * (0.6 + 0.2 * this.#options.random.fraction()), () => this.#start(index, client))
  }

  /** Sends a registration, or an update where there is a location. */
  #start(index: number, client: Client): void {
    const device = this.#options.devices[index]
    if (device === undefined) return
    const messageId = client.nextMessageId
    client.nextMessageId = messageId === 0xffff ? FIRST_MESSAGE_ID : messageId + 1
    const token = Buffer.from(this.#options.random.bytes(4))
    const path = client.location ?? ['rd']
    const query =
      client.location === undefined ? [`ep=${device.endpointName}`, `et=gw.${device.plan.type}`, `lt=${this.#options.lifetimeS}`] : []
    const options = [
      ...path.map((segment) => ({ name: 'Uri-Path', value: Buffer.from(segment) })),
      ...(client.location === undefined ? [{ name: 'Content-Format', value: Buffer.of(40) }] : []),
      ...query.map((part) => ({ name: 'Uri-Query', value: Buffer.from(part) })),
    ]
    const payload = Buffer.from(client.location === undefined ? device.links : '')
    const datagram = generate({ code: '0.02', confirmable: true, messageId, token, options, payload })
    client.exchange = {
      messageId,
      token,
      datagram,
      tries: 0,
      timeoutMs: ACK_TIMEOUT_MS * (1 + (ACK_RANDOM_FACTOR - 1) * this.#options.random.fraction()),
    }
    this.#transmit(index, client, client.exchange)
  }

  #transmit(index: number, client: Client, exchange: Exchange): void {
    this.#options.send(index, exchange.datagram, this.#options.directory)
    this.#in(client, exchange.timeoutMs * 2 ** exchange.tries, () => {
      if (exchange.tries++ < MAX_RETRANSMIT) this.#transmit(index, client, exchange)
      else this.#startAgain(index, client)
    })
  }

  #startAgain(index: number, client: Client): void {
    client.exchange = undefined
    client.location = undefined
    this.#in(client, this.#jitter(RETRY_MS), () => this.#start(index, client))
  }

  #jitter(delayMs: number): number {
    return delayMs * (1 + this.#options.random.fraction())
  }

  #in(client: Client, delayMs: number, work: () => void): void {
    client.timer?.cancel()
    client.timer = this.#options.schedule.setTimer(delayMs, work)
  }
}
