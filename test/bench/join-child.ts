// Pledges that shake hands through a join proxy, beside the same without one; what a handshake and a session cost the registrar. In a
// process of its own; prints one JSON object.
import {
  formatSocketAddress,
  silentLogger,
  systemRandom,
  utf8,
  type ChannelEvent,
  type DatagramChannel,
  type SocketAddress,
} from '#main/base/index.ts'
import { createJoinPort, createJoinProxy, type JoinPort, type JoinPortLimits, type JpyVersion } from '#main/services/join/index.ts'
import { createDtlsChannel, DtlsEngine, type DtlsChannel, type DtlsLimits } from '#main/wire/dtls/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { certificateCredential } from '../wire/dtls/pki.ts'
import { compareCpu, heapBytes, type RatePair } from './cpu.ts'

const JOINS = 300
const RELAYED = 20_000
const HELD = 2000
const REGISTRAR: SocketAddress = { address: '2001:db8::1', port: 7634 }
const COAPS: SocketAddress = { address: '2001:db8::1', port: 5684 }
const JOIN_PORT: SocketAddress = { address: 'fe80::1', port: 8485 }
const RATE = { perSecond: 1e9, burst: 1e9 }
const PROXY_LIMITS = { pledgeRate: RATE, totalRate: RATE, maxMappingsPerLink: 1e9, maxMappingsPerPledge: 1e9 }

const lenient = (): { readonly ok: true } => ({ ok: true })
const client = { credential: certificateCredential('client'), verifyPeer: lenient }
const server = { credential: certificateCredential('server'), verifyPeer: lenient, clientCertificates: 'required' } as const
const wide: Partial<DtlsLimits> = { maxHalfOpen: HELD + 1, maxSessions: 1e6 }

/** Datagrams one after the other, in one thread, without a line between them. */
class Air {
  readonly clock = new VirtualClock()
  readonly #queue: Array<() => void> = []
  readonly #listeners = new Map<string, (event: ChannelEvent) => void>()
  deaf: SocketAddress | undefined

  channel(local: SocketAddress): DatagramChannel {
    const key = formatSocketAddress(local)
    return {
      id: key,
      local,
      maxPayloadBytes: 1232,
      send: (payload, to) => {
        if (to === this.deaf || local === this.deaf) return
        this.#queue.push(() =>
          this.#listeners.get(formatSocketAddress(to))?.({
            kind: 'datagram',
            datagram: { payload, source: local, destination: to, multicast: false },
          }),
        )
      },
      subscribe: (listener) => {
        this.#listeners.set(key, listener)
        return () => this.#listeners.delete(key)
      },
      joinGroup: () => undefined,
      leaveGroup: () => undefined,
      counters: () => ({ sent: 0, received: 0, sendErrors: 0, dropped: 0 }),
      close: () => Promise.resolve(),
    }
  }

  step(count: number): void {
    for (let left = count; left > 0; left--) this.#queue.shift()?.()
  }

  drop(): void {
    this.#queue.length = 0
  }

  run(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next()
  }
}

interface Place {
  readonly air: Air
  readonly common: { readonly clock: VirtualClock; readonly random: typeof systemRandom; readonly logger: typeof silentLogger }
  readonly established: () => number
}

function place(make: (place: Omit<Place, 'established'>, count: () => void) => void): Place {
  const air = new Air()
  const common = { clock: air.clock, random: systemRandom, logger: silentLogger }
  let established = 0
  make({ air, common }, () => {
    established++
  })
  return { air, common, established: () => established }
}

function openPort({ air, common }: Omit<Place, 'established'>, count: () => void, limits: Partial<JoinPortLimits> = {}): JoinPort {
  return createJoinPort({
    ...common,
    channel: air.channel(REGISTRAR),
    server,
    dtls: wide,
    limits: { proxyRate: RATE, maxHalfOpenPerProxy: HELD + 1, maxSessionsPerProxy: 1e6, ...limits },
    onEvent: ({ kind }) => {
      if (kind === 'established') count()
    },
  })
}

function openCoaps({ air, common }: Omit<Place, 'established'>, at: SocketAddress, count: () => void): DtlsChannel {
  return createDtlsChannel({
    ...common,
    channel: air.channel(at),
    server,
    limits: wide,
    onEvent: ({ kind }) => {
      if (kind === 'established') count()
    },
  })
}

function stateless({ air, common }: Omit<Place, 'established'>, version: JpyVersion): void {
  createJoinProxy({
    ...common,
    mode: 'stateless',
    version,
    pledges: air.channel(JOIN_PORT),
    uplink: air.channel({ address: '2001:db8::2', port: 700 }),
    registrar: () => REGISTRAR,
    limits: PROXY_LIMITS,
  })
}

/** Pledges one after the other, each with a channel of its own, to the join-port. */
function joins({ air, common, established }: Place): () => void {
  let next = 0
  return () => {
    for (let count = 0; count < JOINS; count++) {
      next++
      const at = { address: `fe80::9:${(next >> 8).toString(16)}:${(next & 255).toString(16)}`, port: 4000 }
      const pledge = createDtlsChannel({ ...common, channel: air.channel(at), client })
      pledge.connect(JOIN_PORT)
      air.run()
    }
    if (established() !== next) throw new TypeError(`Of ${next} handshakes ${established()} came about`)
  }
}

function direct(): Place {
  return place((of, count) => void openCoaps(of, JOIN_PORT, count))
}

function compareJoins(version: JpyVersion): RatePair {
  const proxied = place((of, count) => {
    openPort(of, count)
    stateless(of, version)
  })
  return compareCpu(JOINS, joins(proxied), joins(direct()))
}

/** One pledge and one that sinks what it says. */
async function relaying(mode: 'stateless' | 'stateful'): Promise<() => void> {
  const air = new Air()
  const common = { clock: air.clock, random: systemRandom, logger: silentLogger }
  let arrived = 0
  for (const at of [REGISTRAR, COAPS])
    air.channel(at).subscribe(() => {
      arrived++
    })
  if (mode === 'stateless') stateless({ air, common }, '20')
  else {
    const openUplink = (): Promise<DatagramChannel> => Promise.resolve(air.channel({ address: '2001:db8::2', port: 701 }))
    createJoinProxy({ ...common, mode, pledges: air.channel(JOIN_PORT), openUplink, registrar: () => COAPS, limits: PROXY_LIMITS })
  }
  const pledge = air.channel({ address: 'fe80::9', port: 4000 })
  const payload = new Uint8Array(200)
  pledge.send(payload, JOIN_PORT)
  air.run()
  // The port of a mapping opens in a later turn.
  await air.clock.advance(1)
  air.run()
  return () => {
    const before = arrived
    for (let count = 0; count < RELAYED; count++) {
      pledge.send(payload, JOIN_PORT)
      air.run()
    }
    if (arrived - before !== RELAYED) throw new TypeError(`Only ${arrived - before} datagrams arrived`)
  }
}

interface Way {
  readonly key: string
  readonly address: SocketAddress
}

/** Of the registrar's side alone: port, DTLS, and what the header takes. */
function memory(isHalfOpen: boolean): number {
  const air = new Air()
  const of = { air, common: { clock: air.clock, random: systemRandom, logger: silentLogger } }
  const port = openPort(of, () => undefined)
  port.subscribe(() => undefined)
  stateless(of, '20')
  const channels = new Map<string, DatagramChannel>()
  let isDeaf = false
  const pledges = new DtlsEngine<Way>({
    ...of.common,
    client: () => client,
    limits: { maxHalfOpen: HELD + 1, maxSessions: HELD + 1 },
    maxDatagramBytes: 1232,
    output: (output) => {
      if (output.kind === 'datagram' && !isDeaf) channels.get(output.peer.key)?.send(output.payload, JOIN_PORT)
    },
  })
  for (let index = 0; index < HELD; index++) {
    const address = { address: `fe80::9:${(index >> 8).toString(16)}:${(index & 255).toString(16)}`, port: 4000 }
    const peer: Way = { key: formatSocketAddress(address), address }
    const channel = air.channel(address)
    channel.subscribe((event) => {
      if (event.kind === 'datagram') pledges.receive(peer, event.datagram.payload)
    })
    channels.set(peer.key, channel)
    pledges.connect(peer)
    if (isHalfOpen) {
      // Hello, cookie, hello: four datagrams by way of the proxy and two more; then the pledge falls silent.
      air.step(6)
      isDeaf = true
      air.run()
      isDeaf = false
    } else {
      air.run()
      pledges.send(peer, utf8('x'))
      air.run()
    }
  }
  const { halfOpen, sessions } = port.holdings()
  if ((isHalfOpen ? halfOpen : sessions) !== HELD) throw new TypeError(`Of ${HELD} are held ${halfOpen} and ${sessions}`)
  const withPort = heapBytes()
  air.deaf = REGISTRAR
  void port.close()
  air.drop()
  return (withPort - heapBytes()) / HELD
}

const result = {
  rates: [
    {
      name: 'pledges that shake hands through a stateless join proxy, all three sides, against without one',
      unit: 'handshakes/CPU s',
      ...compareJoins('20'),
    },
    {
      name: 'the same by draft -01',
      unit: 'handshakes/CPU s',
      ...compareJoins('01'),
    },
    {
      name: 'datagrams of 200 bytes relayed by a stateless join proxy, against a stateful one',
      unit: 'datagrams/CPU s',
      ...compareCpu(RELAYED, await relaying('stateless'), await relaying('stateful')),
    },
  ],
  bytes: [
    { name: 'memory of a half-open handshake by the join port', value: memory(true) },
    { name: 'memory of a session by the join port, with a chain of two certificates', value: memory(false) },
  ],
}
console.log(JSON.stringify(result))
