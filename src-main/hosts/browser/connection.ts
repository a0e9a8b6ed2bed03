// One WebSocket connection: frames in, calls and subscriptions out, everything within limits.
// Close codes are those of RFC 6455 §7.4.1.
import type { WebSocket } from 'ws'
import { toAppError } from '#main/base/index.ts'
import type { Clock, Logger } from '#main/base/index.ts'
import { ClientSubscriptions } from '#main/ipc/index.ts'
import type { ContractService } from '#main/ipc/index.ts'
import { parseFrame } from './frames.ts'
import { TokenBucket } from './token-bucket.ts'

/** The largest op input is the text of a file that a person chose. */
export const MAX_FRAME_BYTES = 32 * 1024 * 1024
export const MAX_CALLS_IN_FLIGHT = 256
/** What may wait for a window that does not read; feeds stop long before, since they wait for acknowledgements. */
export const MAX_BUFFERED_BYTES = 64 * 1024 * 1024
const FRAMES_PER_SECOND = 500
const FRAME_BURST = 1500

const CLOSE_UNSUPPORTED = 1003
const CLOSE_INVALID = 1007
const CLOSE_POLICY = 1008

export interface ConnectionOptions {
  readonly service: ContractService
  readonly clock: Clock
  readonly logger: Logger
}

export function serveConnection(socket: WebSocket, { service, clock, logger }: ConnectionOptions): void {
  const bucket = new TokenBucket(clock, FRAMES_PER_SECOND, FRAME_BURST)
  const subscriptions = new ClientSubscriptions(service, (id, message) => send({ feed: id, message }))
  let callsInFlight = 0
  let ended = false

  function send(frame: unknown): void {
    if (socket.readyState !== socket.OPEN) return
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      logger.warn({ bufferedBytes: socket.bufferedAmount }, 'window does not read its answers and was cut off')
      socket.terminate()
    } else {
      socket.send(JSON.stringify(frame))
    }
  }

  function end(code: number, reason: string): void {
    if (ended) return
    ended = true
    logger.warn({ code, reason }, 'window connection refused a frame and closed')
    subscriptions.clear()
    socket.close(code, reason)
  }

  async function call(id: number, op: string, input: unknown): Promise<void> {
    callsInFlight += 1
    try {
      const reply = await service.call(op, input, { actor: 'operator' })
      send({ id, reply })
    } catch (thrown) {
      // A service that breaks its promise not to throw must not take the other windows down.
      const { code, message, retryable } = toAppError(thrown)
      logger.error({ code, op }, 'a call ended in a throw')
      send({ id, reply: { ok: false, error: { code, message, retryable, details: {} } } })
    } finally {
      callsInFlight -= 1
    }
  }

  function take(text: string): void {
    const frame = parseFrame(text)
    if (frame === undefined) {
      end(CLOSE_INVALID, 'not a frame of this protocol')
    } else if (frame.kind === 'call') {
      if (callsInFlight >= MAX_CALLS_IN_FLIGHT) end(CLOSE_POLICY, 'too many calls at once')
      else void call(frame.id, frame.op, frame.input)
    } else if (frame.kind === 'subscribe') {
      const outcome = subscriptions.subscribe(frame.id, frame.feed)
      if (outcome !== 'subscribed') end(CLOSE_POLICY, outcome)
    } else if (frame.kind === 'unsubscribe') {
      subscriptions.unsubscribe(frame.id)
    } else {
      subscriptions.acknowledge(frame.id)
    }
  }

  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (ended) return
    if (!bucket.take()) end(CLOSE_POLICY, 'too many frames')
    else if (isBinary) end(CLOSE_UNSUPPORTED, 'text frames only')
    else take(data.toString('utf8'))
  })
  socket.on('close', () => {
    ended = true
    subscriptions.clear()
  })
  // Oversized and malformed frames: `ws` closes with the fitting code by itself.
  socket.on('error', (error) => logger.warn({ reason: error.message }, 'window connection failed'))
}
