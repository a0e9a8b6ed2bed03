// A client's and a server's engine on a line whose every datagram the test may drop, double, hold back or replace; time is virtual.
import { seededRandom, utf8, utf8ToText, type AppError } from '#main/base/index.ts'
import {
  DtlsEngine,
  type DtlsClientSettings,
  type DtlsLimits,
  type DtlsOutput,
  type DtlsServerSettings,
  type DtlsSession,
} from '#main/wire/dtls/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { certificateCredential, judge } from './pki.ts'

export interface Peer {
  readonly key: string
}

export type Side = 'client' | 'server'
/** A number is a delay in milliseconds; bytes come in the place of the datagram. */
export type Fate = 'pass' | 'drop' | 'double' | 'late' | number | readonly Uint8Array[]

export interface End {
  readonly engine: DtlsEngine<Peer>
  readonly outputs: Array<DtlsOutput<Peer>>
  /** Payloads that came, as text. */
  readonly data: string[]
  readonly sessions: DtlsSession[]
  readonly failures: AppError[]
}

export interface Line {
  readonly clock: VirtualClock
  readonly client: End
  readonly server: End
  /** What left, by sender, in order. */
  readonly sent: Array<{ readonly from: Side; readonly payload: Uint8Array; readonly atMs: number }>
  fate: (from: Side, index: number, payload: Uint8Array) => Fate
  /** Where the client seems to be. */
  clientAt: Peer
  /** The handshake, then a word each way. */
  readonly greet: () => Promise<void>
}

export const SERVER: Peer = { key: 'server' }

export interface LineOptions {
  readonly client?: Partial<DtlsClientSettings>
  readonly server?: Partial<DtlsServerSettings>
  readonly limits?: Partial<DtlsLimits>
  readonly maxDatagramBytes?: number
  readonly seed?: number
}

export const withCertificates: LineOptions = {
  client: { verifyPeer: judge, credential: certificateCredential('client') },
  server: { verifyPeer: judge, credential: certificateCredential('server'), clientCertificates: 'required' },
}

export const PSK = utf8('a key of the two')
export const withPsk: LineOptions = {
  client: { psk: { identity: utf8('thing-1'), key: PSK } },
  server: { psk: { keyOf: (identity) => (utf8ToText(identity) === 'thing-1' ? PSK : undefined) } },
}

const DELAY_MS = 5
const LATE_MS = 40

export function line(options: LineOptions = withCertificates): Line {
  const clock = new VirtualClock()
  const indexes = { client: 0, server: 0 }
  const carry = (from: Side, payload: Uint8Array): void => {
    const index = indexes[from]++
    self.sent.push({ from, payload, atMs: clock.monotonicMs() })
    const fate = self.fate(from, index, payload)
    const source = from === 'client' ? self.clientAt : SERVER
    const to = from === 'client' ? self.server : self.client
    const deliver = (bytes: Uint8Array, delayMs: number): void => {
      clock.setTimer(delayMs, () => to.engine.receive(source, bytes))
    }
    if (fate === 'drop') return
    if (fate === 'pass' || fate === 'double') deliver(payload, DELAY_MS)
    if (fate === 'double') deliver(payload, DELAY_MS + 1)
    if (fate === 'late') deliver(payload, LATE_MS)
    if (typeof fate === 'number') deliver(payload, fate)
    if (typeof fate === 'object') for (const bytes of fate) deliver(bytes, DELAY_MS)
  }
  const common = { clock, maxDatagramBytes: options.maxDatagramBytes ?? 1232, ...(options.limits && { limits: options.limits }) }
  const seed = options.seed ?? 6347
  const client = end(
    (output) => {
      const { client: settings } = options
      return new DtlsEngine<Peer>({
        ...common,
        random: seededRandom(seed),
        output,
        ...(settings && { client: () => settings }),
      })
    },
    (payload) => carry('client', payload),
  )
  const server = end(
    (output) =>
      new DtlsEngine<Peer>({ ...common, random: seededRandom(seed + 1), output, ...(options.server && { server: options.server }) }),
    (payload, to) => {
      if (to.key === self.clientAt.key) carry('server', payload)
    },
  )
  const self: Line = {
    clock,
    client,
    server,
    sent: [],
    fate: () => 'pass',
    clientAt: { key: 'client' },
    greet: async () => {
      client.engine.send(SERVER, utf8('ping'))
      for (let waitedMs = 0; server.data.length === 0 && waitedMs < 120_000; waitedMs += 50) await clock.advance(50)
      server.engine.send(self.clientAt, utf8('pong'))
      await clock.advance(100)
    },
  }
  return self
}

function end(
  make: (output: (output: DtlsOutput<Peer>) => void) => DtlsEngine<Peer>,
  transmit: (payload: Uint8Array, to: Peer) => void,
): End {
  const outputs: Array<DtlsOutput<Peer>> = []
  const data: string[] = []
  const sessions: DtlsSession[] = []
  const failures: AppError[] = []
  const engine = make((output) => {
    if (output.kind === 'datagram') transmit(output.payload, output.peer)
    else outputs.push(output)
    if (output.kind === 'data') data.push(utf8ToText(output.payload) ?? '?')
    if (output.kind === 'established') sessions.push(output.session)
    if (output.kind === 'failed') failures.push(output.error)
  })
  return { engine, outputs, data, sessions, failures }
}
