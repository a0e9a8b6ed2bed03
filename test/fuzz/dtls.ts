// Mutated records into living DTLS handshakes and sessions of both sides: nothing may escape, nothing that nobody sent may come out,
// and what is held stays bounded.
import { concatBytes, seededRandom, utf8, utf8ToText, type Random } from '#main/base/index.ts'
import { DtlsEngine, type DtlsCounters, type DtlsOutput } from '#main/wire/dtls/index.ts'
import { decodeFragments, encodeWhole } from '#main/wire/dtls/messages/handshake-header.ts'
import { decodeRecords, encodeRecord, type DtlsRecord } from '#main/wire/dtls/record.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { PSK } from '../wire/dtls/harness.ts'
import { certificateCredential, judge } from '../wire/dtls/pki.ts'
import { mutate } from './corpus.ts'

export interface DtlsFuzzOptions {
  readonly records: number
  readonly seed: number
  readonly onProgress?: (done: number, heapBytes: number) => void
}

export interface DtlsFuzzReport {
  readonly faults: readonly string[]
  readonly alive: boolean
  readonly server: Readonly<DtlsCounters>
  readonly client: Readonly<DtlsCounters>
  readonly delivered: number
}

interface Peer {
  readonly key: string
}

interface Flying {
  readonly to: 'client' | 'server'
  readonly peer: Peer
  readonly payload: Uint8Array
}

const PEERS = 60
const LIMITS = { maxHalfOpen: 20, maxSessions: 30, handshakeMs: 20_000, idleMs: 100_000 }
const HONEST = ['honest words', 'honest answer']
const KEPT = 400
/** Certificates cost a hundred times as much. */
const byCertificate = (peer: Peer): boolean => peer.key.endsWith('7')

export async function fuzzDtls(options: DtlsFuzzOptions): Promise<DtlsFuzzReport> {
  const random = seededRandom(options.seed)
  const clock = new VirtualClock()
  const faults: string[] = []
  const fault = (what: string): void => {
    if (faults.length < 100) faults.push(what)
  }
  const air: Flying[] = []
  let delivered = 0
  const output =
    (to: 'client' | 'server', answer: (peer: Peer) => void) =>
    (event: DtlsOutput<Peer>): void => {
      if (event.kind === 'datagram') {
        if (air.length < 200) air.push({ to, peer: event.peer, payload: event.payload })
      } else if (event.kind === 'data') {
        delivered++
        const said = utf8ToText(event.payload) ?? '?'
        if (!HONEST.includes(said)) fault(`somebody else's words came through: ${said}`)
        answer(event.peer)
      } else if (event.kind === 'failed' && event.error.code === 'internal') fault(`internal: ${event.error.message}`)
    }
  const common = { clock, limits: LIMITS, maxDatagramBytes: 400 }
  const server: DtlsEngine<Peer> = new DtlsEngine<Peer>({
    ...common,
    random: seededRandom(options.seed + 1),
    server: { credential: certificateCredential('server'), verifyPeer: judge, clientCertificates: 'required', psk: { keyOf: () => PSK } },
    output: output('client', (peer) => void server.send(peer, utf8('honest answer'))),
  })
  const client = new DtlsEngine<Peer>({
    ...common,
    random: seededRandom(options.seed + 2),
    client: (peer) =>
      byCertificate(peer)
        ? { verifyPeer: judge, credential: certificateCredential('client') }
        : { psk: { identity: utf8('thing'), key: PSK } },
    output: output('server', () => undefined),
  })
  const deliver = (to: 'client' | 'server', peer: Peer, payload: Uint8Array): void => {
    try {
      ;(to === 'client' ? client : server).receive(peer, payload)
    } catch (thrown) {
      fault(`a datagram threw ${String(thrown)}: ${Buffer.from(payload).toString('hex')}`)
    }
  }

  const kept: Flying[] = []
  const pick = (): Uint8Array => kept[random.below(kept.length)]?.payload ?? new Uint8Array(0)
  for (let done = 0; done < options.records;) {
    if (random.below(3) === 0 || air.length === 0) client.send({ key: `peer ${random.below(PEERS)}` }, utf8('honest words'))
    if (random.below(40) === 0) client.disconnect({ key: `peer ${random.below(PEERS)}` })
    for (let steps = random.below(8); steps > 0; steps--) {
      const next = air.shift()
      if (next === undefined) break
      if (kept.length < KEPT) kept.push(next)
      else kept[random.below(KEPT)] = next
      if (random.below(30) > 0) deliver(next.to, next.peer, next.payload)
    }
    for (let count = random.below(12); count > 0 && kept.length > 0; count--, done++) {
      const model = kept[random.below(kept.length)]
      if (model === undefined) break
      const to = random.below(10) === 0 ? (model.to === 'client' ? 'server' : 'client') : model.to
      const peer = random.below(4) === 0 ? { key: `peer ${random.below(PEERS)}` } : model.peer
      deliver(to, peer, random.below(2) === 0 ? mutate(model.payload, random, pick) : spoilt(model.payload, random, pick))
      if (done % 100_000 === 0) options.onProgress?.(done, process.memoryUsage().heapUsed)
    }
    if (random.below(8) === 0) await clock.advance(random.below(3) === 0 ? 1500 : 5)
    for (const engine of [client, server]) {
      const { halfOpen, sessions } = engine.holdings()
      if (halfOpen < 0 || sessions < 0 || halfOpen > LIMITS.maxHalfOpen || sessions > LIMITS.maxSessions)
        fault(`held: ${JSON.stringify(engine.holdings())}`)
    }
    if (done % 5000 < 12) await new Promise((resolve) => setImmediate(resolve))
  }
  const alive = await isAlive()
  client.close()
  server.close()
  await clock.advance(200_000)
  if (clock.pendingTimers > 0) fault(`${clock.pendingTimers} timers are left`)
  return { faults, alive, server: server.counters(), client: client.counters(), delivered }

  async function isAlive(): Promise<boolean> {
    air.length = 0
    await clock.advance(120_000)
    air.length = 0
    for (const key of ['new 1', 'new 7']) {
      const before = delivered
      client.send({ key }, utf8('honest words'))
      for (let steps = 0; steps < 60; steps++) {
        for (const { to, peer, payload } of air.splice(0)) deliver(to, peer, payload)
        await clock.advance(100)
      }
      if (delivered < before + 2) return false
    }
    return true
  }
}

/** Keeps the form and spoils the content: the lengths are right, so that more than the outermost reader gets to see it. */
function spoilt(datagram: Uint8Array, random: Random, other: () => Uint8Array): Uint8Array {
  const records = decodeRecords(datagram, 6)
  return concatBytes(...records.map((record) => encodeRecord(random.below(2) === 0 ? record : spoiltRecord(record, random, other))))
}

function spoiltRecord(record: DtlsRecord, random: Random, other: () => Uint8Array): DtlsRecord {
  const [fragment] = record.type === 22 && record.epoch === 0 ? (decodeFragments(record.fragment) ?? []) : []
  switch (random.below(fragment === undefined ? 3 : 6)) {
    case 0:
      return { ...record, fragment: mutate(record.fragment, random, other).slice(0, 2000) }
    case 1:
      return { ...record, epoch: random.below(3), sequence: random.below(100) }
    case 2:
      return { ...record, type: 20 + random.below(4) }
    default: {
      if (fragment === undefined) return record
      const body = mutate(fragment.bytes, random, other).slice(0, 2000)
      const sequence = random.below(3) === 0 ? random.below(12) : fragment.sequence
      const type = random.below(6) === 0 ? random.below(25) : fragment.type
      return { ...record, fragment: encodeWhole({ type, sequence, body }) }
    }
  }
}
