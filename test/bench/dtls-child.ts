// Measured in a process of its own, so that node:crypto can be made poorer; prints one JSON object.
import {
  generateAgreementKey,
  importAesKey,
  importVerifyingKey,
  recordAeads,
  signAs,
  spkiOfCertificate,
  systemRandom,
  utf8,
  verifyAs,
} from '#main/base/index.ts'
import { DtlsEngine, type DtlsClientSettings, type DtlsLimits, type DtlsOutput, type DtlsServerSettings } from '#main/wire/dtls/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { certificateCredential, derOf } from '../wire/dtls/pki.ts'
import { compareCpu, heapBytes, type RatePair } from './cpu.ts'

interface Peer {
  readonly key: string
}

/** The system counts processor time in steps of some milliseconds: fewer would be counted by the dozen. */
const HANDSHAKES = 400
const RECORDS = 16_000
const HELD = 2000

const ours = certificateCredential('server')
const theirs = certificateCredential('client')
const lenient = (): { readonly ok: true } => ({ ok: true })
const PSK = utf8('0123456789abcdef')
const psk = { identity: utf8('thing'), key: PSK }

/** Client and server in one thread, without a line between them. */
class Pair {
  readonly clock = new VirtualClock()
  readonly client: DtlsEngine<Peer>
  readonly server: DtlsEngine<Peer>
  readonly #queue: Array<() => void> = []
  established = 0
  received = 0
  deaf = false

  constructor(client: DtlsClientSettings, server: DtlsServerSettings, limits: Partial<DtlsLimits> = {}) {
    const common = { clock: this.clock, random: systemRandom, maxDatagramBytes: 1232, limits }
    const output =
      (to: () => DtlsEngine<Peer>, drops: () => boolean) =>
      (event: DtlsOutput<Peer>): void => {
        if (event.kind === 'datagram' && !drops()) this.#queue.push(() => to().receive(event.peer, event.payload))
        if (event.kind === 'established') this.established++
        if (event.kind === 'data') this.received++
      }
    this.client = new DtlsEngine<Peer>({
      ...common,
      client: () => client,
      output: output(
        () => this.server,
        () => false,
      ),
    })
    this.server = new DtlsEngine<Peer>({
      ...common,
      server,
      output: output(
        () => this.client,
        () => this.deaf,
      ),
    })
  }

  /** So many datagrams. */
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

const keys = ['server.cert.pem', 'client.cert.pem'].map((file) => spkiOfCertificate(derOf(file)))

/** What both sides of a mutual handshake cannot do without: two fresh keys, two agreements, two signatures by known keys, two verified by keys not seen before. */
function bareMutual(group: 'P-256' | 'X25519'): void {
  const message = new Uint8Array(200)
  const one = generateAgreementKey(group)
  const other = generateAgreementKey(group)
  one.agree(other.point)
  other.agree(one.point)
  for (const [index, { key }] of [ours, theirs].entries())
    verifyAs(importVerifyingKey(keys[index] ?? message), { family: 'ecdsa', hash: 'sha256' }, message, signAs(key, message))
}

function handshakes(client: DtlsClientSettings, server: DtlsServerSettings): () => void {
  const pair = new Pair(client, server)
  let next = 0
  return () => {
    for (let count = 0; count < HANDSHAKES; count++) {
      pair.client.connect({ key: `peer ${next++}` })
      pair.run()
    }
    if (pair.established !== 2 * next) throw new TypeError('A handshake failed')
  }
}

function repeated(count: number, work: () => void): () => void {
  return () => {
    for (let left = count; left > 0; left--) work()
  }
}

function mutual(group: 'P-256' | 'X25519'): RatePair {
  const client = { credential: theirs, verifyPeer: lenient, groups: [group] }
  const server = { credential: ours, verifyPeer: lenient, clientCertificates: 'required', groups: [group] } as const
  return compareCpu(
    HANDSHAKES,
    handshakes(client, server),
    repeated(HANDSHAKES, () => bareMutual(group)),
  )
}

function records(): RatePair {
  const pair = new Pair({ psk }, { psk: { keyOf: () => PSK } }, { connectionIdBytes: 0 })
  const peer = { key: 'peer' }
  const payload = new Uint8Array(100)
  pair.client.connect(peer)
  pair.run()
  const work = repeated(RECORDS, () => {
    pair.client.send(peer, payload)
    pair.run()
  })
  const aead = recordAeads['AES-128-CCM-8']
  const key = importAesKey(PSK)
  const nonce = new Uint8Array(12)
  const aad = new Uint8Array(13)
  return compareCpu(
    RECORDS,
    work,
    repeated(RECORDS, () => aead.open(key, nonce, aad, aead.seal(key, nonce, aad, payload))),
  )
}

/** Of the server's side alone. */
function memory(isHalfOpen: boolean): number {
  const server = { credential: ours, verifyPeer: lenient, clientCertificates: 'required' } as const
  const pair = new Pair({ credential: theirs, verifyPeer: lenient }, server, { maxHalfOpen: HELD + 1, maxSessions: HELD + 1 })
  for (let index = 0; index < HELD; index++) {
    const peer = { key: `peer ${index}` }
    pair.deaf = false
    pair.client.connect(peer)
    if (isHalfOpen) {
      // The cookie reaches the client, the server's flight does not.
      pair.step(2)
      pair.deaf = true
      pair.run()
    } else {
      pair.run()
      pair.client.send(peer, PSK)
      pair.run()
    }
  }
  const { halfOpen, sessions } = pair.server.holdings()
  if ((isHalfOpen ? halfOpen : sessions) !== HELD) throw new TypeError('Not all are held')
  const withServer = heapBytes()
  pair.deaf = true
  pair.server.close()
  pair.drop()
  return (withServer - heapBytes()) / HELD
}

const result = {
  rates: [
    {
      name: 'mutual certificates on P-256, both sides, against their bare asymmetric operations',
      unit: 'handshakes/CPU s',
      ...mutual('P-256'),
    },
    {
      name: 'mutual certificates on X25519, both sides, against their bare asymmetric operations',
      unit: 'handshakes/CPU s',
      ...mutual('X25519'),
    },
    { name: 'records of 100 bytes by CCM_8, sent and received, against their bare AEAD', unit: 'records/CPU s', ...records() },
  ],
  bytes: [
    { name: 'memory of a half-open handshake, server’s side', value: memory(true) },
    { name: 'memory of a session with a chain of two certificates, server’s side', value: memory(false) },
  ],
}
console.log(JSON.stringify(result))
