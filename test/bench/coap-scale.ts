// What a request costs a client that observes much. In one process, without sockets: the channel hands datagrams in and throws away what
// comes out, so that nothing but the endpoint is measured.
import { seededRandom, silentLogger, systemClock, type ChannelEvent, type DatagramChannel, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, decodeMessage, encodeMessage, OptionNumber, uintOption, type CoapMessage } from '#main/wire/coap/index.ts'
import { median } from './measure.ts'
import type { BenchResult } from './types.ts'

const MANY_OBSERVATIONS = 10_000
const REQUESTS = 10_000
const ROUNDS = 5
const PORT = 5683
const NO_BYTES = new Uint8Array(0)
const HERE: SocketAddress = { address: '2001:db8::1', port: PORT }

interface Wire extends DatagramChannel {
  /** Hands a datagram in. */
  arrive(payload: Uint8Array, source: SocketAddress): void
  /** What was sent last. */
  readonly last: Uint8Array
}

function wire(): Wire {
  let listener: ((event: ChannelEvent) => void) | undefined
  let last: Uint8Array = NO_BYTES
  return {
    id: 'bench',
    local: HERE,
    maxPayloadBytes: 1232,
    send: (payload) => {
      last = payload
    },
    subscribe: (added) => {
      listener = added
      return () => (listener = undefined)
    },
    joinGroup: () => undefined,
    leaveGroup: () => undefined,
    counters: () => ({ sent: 0, received: 0, sendErrors: 0, dropped: 0 }),
    close: () => Promise.resolve(),
    arrive: (payload, source) => listener?.({ kind: 'datagram', datagram: { payload, source, destination: HERE, multicast: false } }),
    get last() {
      return last
    },
  }
}

interface Place {
  readonly channel: Wire
  readonly endpoint: CoapEndpoint
}

function place(): Place {
  const channel = wire()
  const common = { clock: systemClock, random: seededRandom(1), logger: silentLogger }
  return { channel, endpoint: new CoapEndpoint({ ...common, channel }) }
}

function peer(index: number): SocketAddress {
  return { address: `2001:db8::2:${index.toString(16)}`, port: PORT }
}

function message(parts: Partial<CoapMessage>): Uint8Array {
  return encodeMessage({ type: 'CON', code: '0.01', messageId: 0, token: Uint8Array.of(1), options: [], payload: NO_BYTES, ...parts })
}

/** Microseconds that a request and its response cost the client. */
async function ask({ channel, endpoint }: Place, count: number): Promise<number> {
  const to = peer(0xffff)
  const started = performance.now()
  for (let index = 0; index < count; index++) {
    const answer = endpoint.request(to, { method: 'GET', path: ['t'] })
    const { messageId, token } = decodeMessage(channel.last)
    channel.arrive(message({ type: 'ACK', code: '2.05', messageId, token }), to)
    await answer
  }
  return ((performance.now() - started) * 1000) / count
}

async function withObservations(count: number): Promise<Place> {
  const made = place()
  for (let index = 0; index < count; index++) {
    const to = peer(index)
    const observation = made.endpoint.observe(to, { method: 'GET', path: ['t'] })
    const { messageId, token } = decodeMessage(made.channel.last)
    const options = [uintOption(OptionNumber.OBSERVE, 1), uintOption(OptionNumber.MAX_AGE, 3600)]
    made.channel.arrive(message({ type: 'ACK', code: '2.05', messageId, token, options }), to)
    await Promise.resolve()
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (!observation.active) throw new Error('An observation was not accepted')
  }
  return made
}

/** How the cost of a request grows with the observations that the client has outstanding: a ratio of 1 is flat. */
export async function benchCoapScale(): Promise<BenchResult[]> {
  const few = await withObservations(1)
  const many = await withObservations(MANY_OBSERVATIONS)
  const costs: { few: number[]; many: number[] } = { few: [], many: [] }
  await ask(few, REQUESTS)
  await ask(many, REQUESTS)
  // In turns, so that whatever else the machine does hits both alike.
  for (let round = 0; round < ROUNDS; round++) {
    costs.few.push(await ask(few, REQUESTS))
    costs.many.push(await ask(many, REQUESTS))
  }
  few.endpoint.close()
  many.endpoint.close()
  const value = median(costs.many)
  const baseline = median(costs.few)
  const name = 'Request and response at the client, with 10 000 observations outstanding, against 1'
  return [{ area: 'coap', name, value, unit: 'us/req', baseline, ratio: value / baseline }]
}
