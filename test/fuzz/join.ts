// Mutated datagrams from everywhere into living join proxies and a registrar's join port: nothing may escape, no words that nobody said may
// come through, no datagram may leave for anybody but neighbours and proxies, and what is held stays bounded.
import {
  concatBytes,
  formatSocketAddress,
  seededRandom,
  silentLogger,
  utf8,
  utf8ToText,
  type ChannelEvent,
  type DatagramChannel,
  type Random,
  type SocketAddress,
} from '#main/base/index.ts'
import {
  createJoinPort,
  createJoinProxy,
  decodeJpy,
  encodeJpy,
  isJpyFault,
  type JoinPortCounters,
  type JoinProxyCounters,
} from '#main/services/join/index.ts'
import { createDtlsChannel } from '#main/wire/dtls/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { PSK } from '../wire/dtls/harness.ts'
import { mutate } from './corpus.ts'

export interface JoinFuzzOptions {
  readonly datagrams: number
  readonly seed: number
  readonly onProgress?: (done: number, heapBytes: number) => void
}

export interface JoinFuzzReport {
  readonly faults: readonly string[]
  readonly alive: boolean
  readonly port: Readonly<JoinPortCounters>
  readonly proxies: ReadonlyArray<Readonly<JoinProxyCounters>>
  readonly heard: number
  readonly answered: number
}

interface Flying {
  readonly from: SocketAddress
  readonly to: SocketAddress
  readonly payload: Uint8Array
}

const REGISTRAR: SocketAddress = { address: '2001:db8::1', port: 7634 }
const COAPS: SocketAddress = { address: '2001:db8::1', port: 5684 }
const PROXIES = [
  { joinPort: { address: 'fe80::1', port: 8485 }, uplink: { address: '2001:db8::21', port: 700 }, kind: '20' },
  { joinPort: { address: 'fe80::2', port: 8485 }, uplink: { address: '2001:db8::22', port: 700 }, kind: '01' },
  { joinPort: { address: 'fe80::3', port: 8485 }, uplink: { address: '2001:db8::23', port: 700 }, kind: 'stateful' },
] as const
const PLEDGES = 24
const KEPT = 400
const LIMITS = { maxHalfOpen: 20, maxSessions: 30, handshakeMs: 20_000, idleMs: 100_000 }
const RATE = { perSecond: 1e9, burst: 1e9 }
const WORDS = 'honest words of '
const ANSWER = 'honest answer to '

/** Channels whose datagrams the fuzzer carries, and may pretend to come from anybody. */
class Air {
  readonly flying: Flying[] = []
  readonly #listeners = new Map<string, Set<(event: ChannelEvent) => void>>()
  onSend: (flying: Flying) => void = () => undefined

  channel(local: SocketAddress): DatagramChannel {
    const key = formatSocketAddress(local)
    const own = new Set<(event: ChannelEvent) => void>()
    this.#listeners.set(key, own)
    return {
      id: key,
      local,
      maxPayloadBytes: 1232,
      send: (payload, to) => {
        const flying = { from: local, to, payload: payload.slice() }
        this.onSend(flying)
        if (this.flying.length < 500) this.flying.push(flying)
      },
      subscribe: (listener) => {
        own.add(listener)
        return () => own.delete(listener)
      },
      joinGroup: () => undefined,
      leaveGroup: () => undefined,
      counters: () => ({ sent: 0, received: 0, sendErrors: 0, dropped: 0 }),
      close: () => {
        this.#listeners.delete(key)
        return Promise.resolve()
      },
    }
  }

  deliver({ from, to, payload }: Flying): void {
    const event: ChannelEvent = { kind: 'datagram', datagram: { payload, source: from, destination: to, multicast: false } }
    for (const listener of this.#listeners.get(formatSocketAddress(to)) ?? []) listener(event)
  }
}

export async function fuzzJoin(options: JoinFuzzOptions): Promise<JoinFuzzReport> {
  const random = seededRandom(options.seed)
  const clock = new VirtualClock()
  const air = new Air()
  const common = { clock, random: seededRandom(options.seed + 1), logger: silentLogger }
  const faults: string[] = []
  const fault = (what: string): void => {
    if (faults.length < 100) faults.push(what)
  }
  // Of proxies: the registrar answers whoever seems to have asked.
  air.onSend = ({ from, to }) => {
    const isJoinPort = PROXIES.some(({ joinPort }) => joinPort.address === from.address)
    const isUplink = PROXIES.some(({ uplink }) => uplink.address === from.address)
    if ((isJoinPort && !to.address.startsWith('fe80:')) || (isUplink && to.address !== REGISTRAR.address))
      fault(`${formatSocketAddress(from)} sent to ${formatSocketAddress(to)}`)
  }

  const server = { psk: { keyOf: () => PSK } }
  const limits = { proxyRate: RATE, maxHalfOpenPerProxy: 8, maxSessionsPerProxy: 12 }
  const port = createJoinPort({ ...common, channel: air.channel(REGISTRAR), server, dtls: LIMITS, limits })
  const coaps = createDtlsChannel({ ...common, channel: air.channel(COAPS), server, limits: LIMITS })
  let heard = 0
  for (const channel of [port, coaps])
    channel.subscribe((event) => {
      if (event.kind !== 'datagram') return
      heard++
      const text = utf8ToText(event.datagram.payload) ?? '?'
      if (!text.startsWith(WORDS)) fault(`somebody else's words came through: ${text}`)
      channel.send(utf8(text.replace(WORDS, ANSWER)), event.datagram.source)
    })
  let nextPort = 1000
  const proxies = PROXIES.map(({ joinPort, uplink, kind }) => {
    const pledges = air.channel(joinPort)
    const wide = { pledgeRate: RATE, totalRate: RATE, maxPledges: 100 }
    if (kind !== 'stateful')
      return createJoinProxy({
        ...common,
        mode: 'stateless',
        version: kind,
        pledges,
        uplink: air.channel(uplink),
        registrar: () => REGISTRAR,
        limits: wide,
      })
    const openUplink = (): Promise<DatagramChannel> => Promise.resolve(air.channel({ ...uplink, port: (nextPort++ % 60_000) + 1000 }))
    return createJoinProxy({ ...common, mode: 'stateful', pledges, openUplink, registrar: () => COAPS, limits: wide })
  })
  let answered = 0
  const client = { psk: { identity: utf8('thing'), key: PSK } }
  const pledges = Array.from({ length: PLEDGES }, (_, index) => {
    const channel = createDtlsChannel({
      ...common,
      channel: air.channel({ address: pledgeAddress(index), port: 4000 }),
      client,
      limits: LIMITS,
    })
    channel.subscribe((event) => {
      if (event.kind !== 'datagram') return
      answered++
      const text = utf8ToText(event.datagram.payload) ?? '?'
      if (text !== `${ANSWER}${index}`) fault(`pledge ${index} heard: ${text}`)
    })
    return channel
  })
  const speak = (index: number): void => pledges[index]?.send(utf8(`${WORDS}${index}`), PROXIES[index % PROXIES.length]!.joinPort)
  const deliver = (flying: Flying): void => {
    try {
      air.deliver(flying)
    } catch (thrown) {
      fault(`a datagram threw ${String(thrown)}: ${Buffer.from(flying.payload).toString('hex')}`)
    }
  }

  const kept: Flying[] = []
  const pick = (): Uint8Array => kept[random.below(kept.length)]?.payload ?? new Uint8Array(0)
  for (let done = 0; done < options.datagrams;) {
    if (random.below(3) === 0 || air.flying.length === 0) speak(random.below(PLEDGES))
    if (random.below(60) === 0) pledges[random.below(PLEDGES)]?.disconnect(PROXIES[random.below(3)]!.joinPort)
    for (let steps = random.below(10); steps > 0; steps--) {
      const next = air.flying.shift()
      if (next === undefined) break
      if (kept.length < KEPT) kept.push(next)
      else kept[random.below(KEPT)] = next
      if (random.below(30) > 0) deliver(next)
    }
    for (let count = random.below(12); count > 0 && kept.length > 0; count--, done++) {
      const model = kept[random.below(kept.length)]!
      const other = kept[random.below(kept.length)]!
      const from = random.below(5) === 0 ? other.from : model.from
      const to = random.below(8) === 0 ? other.to : model.to
      deliver({
        from,
        to,
        payload: random.below(2) === 0 ? mutate(model.payload, random, pick) : spoilt(model.payload, other.payload, random, pick),
      })
      if (done % 100_000 === 0) options.onProgress?.(done, process.memoryUsage().heapUsed)
    }
    if (random.below(8) === 0) await clock.advance(random.below(3) === 0 ? 1500 : 5)
    const { halfOpen, sessions, proxies: known } = port.holdings()
    if (halfOpen > LIMITS.maxHalfOpen || sessions > LIMITS.maxSessions || known > LIMITS.maxHalfOpen + LIMITS.maxSessions)
      fault(`held: ${JSON.stringify(port.holdings())}`)
    for (const proxy of proxies)
      if (proxy.holdings().pledges > 100 || proxy.holdings().mappings > 10) fault(`held: ${JSON.stringify(proxy.holdings())}`)
    if (done % 5000 < 12) await new Promise((resolve) => setImmediate(resolve))
  }
  const alive = await isAlive()
  const counted = { port: port.joinCounters(), proxies: proxies.map((proxy) => proxy.counters()) }
  await Promise.all([...pledges, port, coaps, ...proxies].map((each) => each.close()))
  await clock.advance(400_000)
  if (clock.pendingTimers > 0) fault(`${clock.pendingTimers} timers are left`)
  return { faults, alive, ...counted, heard, answered }

  async function isAlive(): Promise<boolean> {
    air.flying.length = 0
    await clock.advance(150_000)
    air.flying.length = 0
    for (let index = 0; index < 6; index++) {
      const before = answered
      speak(index)
      for (let steps = 0; steps < 60; steps++) {
        for (const flying of air.flying.splice(0)) deliver(flying)
        await clock.advance(100)
      }
      if (answered === before) return false
    }
    return true
  }
}

function pledgeAddress(index: number): string {
  return `fe80::99:${(index + 1).toString(16)}`
}

/** Keeps the form of a JPY message and spoils what is in it: another header, another content, the other version, further elements. */
function spoilt(datagram: Uint8Array, other: Uint8Array, random: Random, pick: () => Uint8Array): Uint8Array {
  const message = decodeJpy(datagram)
  if (isJpyFault(message)) return mutate(datagram, random, pick)
  const second = decodeJpy(other)
  switch (random.below(5)) {
    case 0:
      return encodeJpy({ ...message, header: mutate(message.header, random, pick).slice(0, 100) })
    case 1:
      return encodeJpy({ ...message, content: mutate(message.content, random, pick) })
    case 2:
      return encodeJpy({ ...message, header: isJpyFault(second) ? random.bytes(29) : second.header })
    case 3:
      return encodeJpy({ ...message, version: message.version === '01' ? '20' : '01' })
    default:
      return concatBytes(Uint8Array.of(0x83), encodeJpy(message).subarray(1), mutate(Uint8Array.of(0), random, pick))
  }
}
