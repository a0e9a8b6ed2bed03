// Mutated datagrams against an endpoint that serves a Resource Directory and observable resources and has requests of its own under way:
// nothing may escape from it, and what it holds must stay bounded.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  AppError,
  isMulticastAddress,
  seededRandom,
  utf8,
  type ChannelEvent,
  type ChannelCounters,
  type DatagramChannel,
  type Logger,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import { createResourceDirectory } from '#main/services/rd/index.ts'
import {
  CoapEndpoint,
  decodeMessage,
  encodeMessage,
  Observable,
  ResourceTree,
  stringOption,
  type CoapCounters,
} from '#main/wire/coap/index.ts'
import { all } from '../wire/coap/harness.ts'
import { MemoryRegistrationStore } from '../services/rd/harness.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { mutate } from './corpus.ts'

export interface FuzzOptions {
  readonly datagrams: number
  readonly seed: number
  readonly corpus: readonly Uint8Array[]
  readonly onProgress?: (done: number, heapBytes: number) => void
}

export interface FuzzReport {
  /** What should not have happened, the first hundred of it. */
  readonly faults: readonly string[]
  /** Whether the endpoint and the directory still answer as they should. */
  readonly alive: boolean
  readonly counters: Readonly<CoapCounters>
  readonly holdings: Readonly<Record<string, number>>
  readonly sent: number
  /** Of the JavaScript heap and of array buffers, after a collection: at the start, half way, at the end, and when all is closed. */
  readonly heap: { readonly start: number; readonly middle: number; readonly end: number; readonly closed: number }
}

const LOCAL: SocketAddress = { address: '2001:db8::1', port: 5683 }
const PEERS = 4000
const YIELD_EVERY = 50
const TIME_EVERY = 2000
const TIME_STEP_MS = 1500
/** 2.05 twice, 2.31, 2.04, 4.04, 5.00, 4.08, and as it stands. */
const LEADING_CODES = [0x45, 0x45, 0x5f, 0x44, 0x84, 0xa0, 0x88, undefined]

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const random = seededRandom(options.seed)
  const faults: string[] = []
  const fault = (what: string): void => {
    if (faults.length < 100) faults.push(what)
  }
  const onRejection = (reason: unknown): void => fault(`unhandled rejection: ${describe(reason)}`)
  process.on('unhandledRejection', onRejection)
  try {
    return await run(options, random, faults, fault)
  } finally {
    process.off('unhandledRejection', onRejection)
  }
}

async function run(options: FuzzOptions, random: Random, faults: readonly string[], fault: (what: string) => void): Promise<FuzzReport> {
  const clock = new VirtualClock()
  const channel = new FuzzChannel()
  const logger = faultLogger(fault)
  const tree = new ResourceTree()
  const observable = new Observable()
  serve(tree, observable)
  createResourceDirectory({ store: new MemoryRegistrationStore(), registry: tree, clock, random: seededRandom(options.seed + 1), logger })
  const endpoint = new CoapEndpoint({ channel, tree, clock, random: seededRandom(options.seed + 2), logger, cache: {} })
  const pick = (): Uint8Array => options.corpus[random.below(options.corpus.length)] ?? new Uint8Array(0)

  const start = heapBytes()
  let middle = start
  let observing = new AbortController()
  for (let done = 0; done < options.datagrams; done++) {
    if (done % TIME_EVERY === 0) {
      observing.abort()
      observing = new AbortController()
      clientWork(endpoint, random, fault, observing.signal)
      observable.notify()
      await clock.advance(TIME_STEP_MS)
    }
    if (done % YIELD_EVERY === 0) await new Promise((resolve) => setImmediate(resolve))
    if (done === options.datagrams >> 1) middle = heapBytes()
    if (done % 100_000 === 0) options.onProgress?.(done, process.memoryUsage().heapUsed)
    const imitation = random.below(4) === 0 ? channel.responseWith(pick(), random) : undefined
    const payload = mutate(imitation?.payload ?? pick(), random, pick)
    const source = imitation?.source ?? peer(random.below(PEERS))
    try {
      channel.deliver(payload, source, imitation === undefined && random.below(10) === 0)
    } catch (thrown) {
      fault(`a datagram threw: ${describe(thrown)}: ${Buffer.from(payload).toString('hex')}`)
    }
  }
  const end = heapBytes()
  const alive = await isAlive(endpoint, channel, clock)
  const { holdings, counters } = { holdings: { ...endpoint.holdings() }, counters: endpoint.counters() }
  endpoint.close()
  await clock.advance(1000)
  return { faults, alive, counters, holdings, sent: channel.sent, heap: { start, middle, end, closed: heapBytes() } }
}

function serve(tree: ResourceTree, observable: Observable): void {
  const kept = new Map<string, Uint8Array>()
  const big = new Uint8Array(20_000).fill(65)
  tree.add('/big', { answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: big, contentFormat: 0 }) } })
  tree.add('/count', { observable, answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: utf8('1') }) } })
  tree.add('/time', { observable, handlers: { GET: async () => Promise.resolve({ code: '2.05', payload: utf8('now') }) } })
  tree.add('/store', {
    subtree: true,
    handlers: {
      GET: ({ path }) => ({ code: '2.05', payload: kept.get(path.join('/').slice(0, 20)) ?? big }),
      PUT: ({ path, payload }) => {
        if (kept.size < 100) kept.set(path.join('/').slice(0, 20), payload.slice(0, 2000))
        return { code: '2.04' }
      },
      POST: ({ payload }) => ({ code: '2.04', payload: payload.toReversed() }),
      FETCH: ({ payload }) => ({ code: '2.05', payload }),
      PATCH: () => ({ code: '2.04' }),
      DELETE: () => ({ code: '2.02' }),
    },
  })
}

/** A few requests of its own, whose responses the fuzzer imitates. */
function clientWork(endpoint: CoapEndpoint, random: Random, fault: (what: string) => void, signal: AbortSignal): void {
  const settle = (promise: Promise<unknown>): void => {
    promise.catch((thrown: unknown) => {
      if (!(thrown instanceof AppError) || thrown.code === 'internal') fault(`a request failed with ${describe(thrown)}`)
    })
  }
  const to = peer(random.below(PEERS))
  const request = { method: 'GET', path: ['count'] } as const
  settle(endpoint.request(to, request, { timeoutMs: 20_000 }))
  settle(endpoint.request(peer(random.below(PEERS)), { method: 'PUT', path: ['x'], payload: new Uint8Array(3000) }, { timeoutMs: 20_000 }))
  settle(all(endpoint.groupRequest({ address: 'ff05::fd', port: 5683 }, request, { deadlineMs: 10_000 })))
  settle(all(endpoint.observe(to, request, { signal })))
}

async function isAlive(endpoint: CoapEndpoint, channel: FuzzChannel, clock: VirtualClock): Promise<boolean> {
  const asker: SocketAddress = { address: '2001:db8:ffff::1', port: 40_000 }
  const paths = [
    ['.well-known', 'core'],
    ['store', 'a'],
    ['rd-lookup', 'ep'],
  ]
  for (const [index, path] of paths.entries()) {
    channel.lastTo.delete(asker.address)
    const options = path.map((segment) => stringOption(11, segment))
    const token = Uint8Array.of(index)
    channel.deliver(
      encodeMessage({ type: 'CON', code: '0.01', messageId: index, token, options, payload: new Uint8Array(0) }),
      asker,
      false,
    )
    await clock.advance(100)
    const reply = channel.lastTo.get(asker.address)
    if (reply === undefined) return false
    const message = decodeMessage(reply)
    if (message.type !== 'ACK' || message.code !== '2.05' || message.token[0] !== index) return false
  }
  return endpoint.counters().requestsServed > 0
}

function peer(index: number): SocketAddress {
  return { address: `2001:db8:1::${(index >> 3).toString(16)}`, port: 5683 + (index & 7) }
}

class FuzzChannel implements DatagramChannel {
  readonly id = 'fuzz'
  readonly local = LOCAL
  readonly maxPayloadBytes = 1232
  readonly lastTo = new Map<string, Uint8Array>()
  readonly #recent: Array<{ readonly payload: Uint8Array; readonly to: SocketAddress }> = []
  #listener: (event: ChannelEvent) => void = () => undefined
  sent = 0

  send(payload: Uint8Array, to: SocketAddress): void {
    this.#recent[this.sent++ % 64] = { payload: payload.slice(), to }
    if (to.address.startsWith('2001:db8:ffff')) this.lastTo.set(to.address, payload)
  }

  deliver(payload: Uint8Array, source: SocketAddress, multicast: boolean): void {
    const destination = multicast ? { address: 'ff05::fd', port: LOCAL.port } : LOCAL
    this.#listener({ kind: 'datagram', datagram: { payload, source, destination, multicast } })
  }

  /**
   * The datagram made to look like the response to something that was sent lately: from where that went, with its Message ID and token,
   * and often with a code that leads further.
   */
  responseWith(bytes: Uint8Array, random: Random): { readonly payload: Uint8Array; readonly source: SocketAddress } | undefined {
    const sent = this.#recent[random.below(this.#recent.length)]
    if (sent === undefined || sent.payload.length < 4 || bytes.length < 4) return undefined
    const request = sent.payload
    const tokenBytes = (request[0] ?? 0) & 15
    const start = 4 + ((bytes[0] ?? 0) & 15)
    const payload = new Uint8Array(4 + tokenBytes + Math.max(0, bytes.length - start))
    payload.set(request.subarray(0, 4 + tokenBytes))
    payload[0] = 0x40 | (random.below(4) << 4) | tokenBytes
    payload[1] = LEADING_CODES[random.below(LEADING_CODES.length)] ?? bytes[1] ?? 0
    payload.set(bytes.subarray(start), 4 + tokenBytes)
    return { payload, source: isMulticastAddress(sent.to.address) ? peer(random.below(PEERS)) : sent.to }
  }

  subscribe(listener: (event: ChannelEvent) => void): () => void {
    this.#listener = listener
    return () => {
      this.#listener = () => undefined
    }
  }

  joinGroup(): void {
    // Every datagram says itself whether it came by multicast.
  }

  leaveGroup(): void {
    // As above.
  }

  counters(): ChannelCounters {
    return { sent: this.sent, received: 0, sendErrors: 0, dropped: 0 }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** An error in the log is a defect: nothing that a peer sends may be one. */
function faultLogger(fault: (what: string) => void): Logger {
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (fields, message) => fault(`${message}: ${describe(fields.err)}`),
    child: () => logger,
  }
  return logger
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // Twice: what finalisers let go of is found the second time.
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
