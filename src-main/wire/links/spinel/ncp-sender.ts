// IPv6 packets on their way to the NCP: a bounded queue, a window of two, and the NCP's verdict on each (STREAM_NET with a
// transaction id). Accepted is not delivered, and a packet that was lost on the line is lost as on any link.
import { AppError, BoundedQueue, type Clock } from '#main/base/index.ts'
import type { SpinelSession } from './session.ts'
import { pack } from './pack.ts'
import { PROP } from './properties.ts'
import { STATUS, statusOf } from './status.ts'

export const MTU_BYTES = 1280
const HEADER_BYTES = 40
const MOST_QUEUED = 64
/** Two: the next packet is on the line while the NCP deals with the last; the other transactions stay free for questions. */
const WINDOW = 2
/** An NCP without a free buffer gets time to send what it has. */
const NO_BUFFER_WAIT_MS = 50
const NO_BUFFER_TRIES = 6

export interface SenderCounters {
  readonly packetsOut: number
  readonly packetsFailed: number
  readonly packetsUnconfirmed: number
  readonly queuedPackets: number
}

export class PacketSender {
  readonly #session: SpinelSession
  readonly #clock: Clock
  readonly #onFailed: (packet: Uint8Array, error: AppError) => void
  readonly #queue = new BoundedQueue<Uint8Array>(MOST_QUEUED, 'drop-newest')
  #underWay = 0
  #out = 0
  #failed = 0
  #unconfirmed = 0

  constructor(session: SpinelSession, clock: Clock, onFailed: (packet: Uint8Array, error: AppError) => void) {
    this.#session = session
    this.#clock = clock
    this.#onFailed = onFailed
  }

  send(packet: Uint8Array): void {
    if (packet.length > MTU_BYTES) {
      this.fail(packet, new AppError('link.too-large', `The packet has ${packet.length} bytes, the link carries ${MTU_BYTES}`))
    } else if (!isWholeIp6(packet)) {
      this.fail(packet, new AppError('network.send-failed', 'Not a whole IPv6 packet'))
    } else if (this.#queue.push(packet)) this.#pump()
    else this.fail(packet, new AppError('link.queue-full', 'Too many packets wait for the dongle', { retryable: true }))
  }

  fail(packet: Uint8Array, error: AppError): void {
    this.#failed++
    this.#onFailed(packet, error)
  }

  /** What waits has failed. */
  clear(error: AppError): void {
    for (let packet = this.#queue.shift(); packet !== undefined; packet = this.#queue.shift()) this.fail(packet, error)
  }

  counters(): SenderCounters {
    return {
      packetsOut: this.#out,
      packetsFailed: this.#failed,
      packetsUnconfirmed: this.#unconfirmed,
      queuedPackets: this.#queue.size + this.#underWay,
    }
  }

  #pump(): void {
    while (this.#underWay < WINDOW) {
      const packet = this.#queue.shift()
      if (packet === undefined) return
      this.#underWay++
      void this.#deliver(packet).finally(() => {
        this.#underWay--
        this.#pump()
      })
    }
  }

  async #deliver(packet: Uint8Array): Promise<void> {
    const value = pack(PROP.STREAM_NET.type, { packet, metadata: new Uint8Array(0) })
    for (let tries = 1; ; tries++) {
      try {
        await this.#session.ask({ verb: 'set', property: PROP.STREAM_NET.number, value }, { attempts: 1 })
        this.#out++
        return
      } catch (thrown) {
        if (!(thrown instanceof AppError)) throw thrown
        if (statusOf(thrown) === STATUS.NOMEM && tries < NO_BUFFER_TRIES) {
          await new Promise<void>((resolve) => void this.#clock.setTimer(NO_BUFFER_WAIT_MS * tries, resolve))
          continue
        }
        this.#verdict(packet, thrown)
        return
      }
    }
  }

  #verdict(packet: Uint8Array, error: AppError): void {
    if (error.code === 'link.no-answer') {
      this.#unconfirmed++
    } else if (statusOf(error) === STATUS.DROPPED && isWideMulticast(packet)) {
      // To groups beyond the realm it is delivered, yet reported as dropped: a false alarm of widespread firmware.
      this.#out++
    } else {
      this.fail(
        packet,
        new AppError('network.send-failed', error.message, { retryable: error.retryable, details: error.details, cause: error }),
      )
    }
  }
}

function isWholeIp6(packet: Uint8Array): boolean {
  if (packet.length < HEADER_BYTES || (packet[0] ?? 0) >> 4 !== 6) return false
  return HEADER_BYTES + (((packet[4] ?? 0) << 8) | (packet[5] ?? 0)) === packet.length
}

/** A multicast destination of a scope beyond the realm (ff03). */
function isWideMulticast(packet: Uint8Array): boolean {
  return packet[24] === 0xff && ((packet[25] ?? 0) & 0x0f) > 3
}
