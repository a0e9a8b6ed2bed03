// Our end of a DTLS path on loopback, and programs of others that take text on standard input and give it on standard output.
import { spawn } from 'node:child_process'
import {
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
  utf8,
  utf8ToText,
  type AppError,
  type DatagramChannel,
  type SocketAddress,
} from '#main/base/index.ts'
import {
  createDtlsChannel,
  type DtlsChannel,
  type DtlsChannelOptions,
  type DtlsServerSettings,
  type DtlsSession,
} from '#main/wire/dtls/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { certificateCredential, judge } from '../wire/dtls/pki.ts'

export const LOOPBACK = '127.0.0.1'
export const PSK = utf8('0123456789abcdef')
export const PSK_HEX = '30313233343536373839616263646566'
export const PSK_IDENTITY = 'thing-1'

export interface OurDtlsEnd {
  readonly channel: DtlsChannel
  readonly at: SocketAddress
  readonly data: string[]
  readonly sessions: DtlsSession[]
  readonly failures: AppError[]
  close(): Promise<void>
}

/** `loss` is the share of our datagrams that never leave. With an echo where it serves, unless something above it answers. */
export async function openOurEnd(
  options: Omit<DtlsChannelOptions, 'channel' | 'clock' | 'random' | 'logger'>,
  { loss = 0, echoes = options.server !== undefined }: { readonly loss?: number; readonly echoes?: boolean } = {},
): Promise<OurDtlsEnd> {
  const udp = await openUdpChannel({ bindAddress: LOOPBACK, port: 0, logger: silentLogger })
  const data: string[] = []
  const sessions: DtlsSession[] = []
  const failures: AppError[] = []
  const chance = seededRandom(11)
  const below: DatagramChannel = {
    id: udp.id,
    local: udp.local,
    maxPayloadBytes: udp.maxPayloadBytes,
    send: (payload, to) => {
      if (chance.fraction() >= loss) udp.send(payload, to)
    },
    subscribe: (listener) => udp.subscribe(listener),
    joinGroup: (address, on) => udp.joinGroup(address, on),
    leaveGroup: (address, on) => udp.leaveGroup(address, on),
    counters: () => udp.counters(),
    close: () => udp.close(),
  }
  const channel = createDtlsChannel({
    ...options,
    channel: below,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    onEvent: (event) => {
      if (event.kind === 'established') sessions.push(event.session)
      if (event.kind === 'failed') failures.push(event.error)
      options.onEvent?.(event)
    },
  })
  channel.subscribe((event) => {
    if (event.kind !== 'datagram') return
    data.push((utf8ToText(event.datagram.payload) ?? '?').trim())
    if (echoes) channel.send(event.datagram.payload, event.datagram.source)
  })
  return {
    channel,
    at: udp.local,
    data,
    sessions,
    failures,
    close: async () => {
      await channel.close()
      await udp.close()
    },
  }
}

export function serverSettings(extra: Partial<DtlsServerSettings> = {}): DtlsServerSettings {
  return {
    credential: certificateCredential('server'),
    verifyPeer: judge,
    psk: { keyOf: (identity) => (utf8ToText(identity) === PSK_IDENTITY ? PSK : undefined) },
    ...extra,
  }
}

export interface TalkingPeer {
  readonly output: () => string
  /** Resolves as soon as the pattern has come on either output; false once the program has ended without, or after the time. */
  heard(pattern: RegExp, timeoutMs?: number): Promise<boolean>
  say(text: string): void
  stop(): Promise<void>
}

export function talkTo(program: string, args: readonly string[]): TalkingPeer {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let ended = false
  const wake = new Set<() => void>()
  const hear = (chunk: Uint8Array): void => {
    output += new TextDecoder().decode(chunk)
    for (const each of wake) each()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  child.stdin.on('error', () => undefined)
  const end = new Promise<void>((resolve) => {
    child.on('close', () => {
      ended = true
      for (const each of wake) each()
      resolve()
    })
  })
  return {
    output: () => output,
    heard: (pattern, timeoutMs = 8000) =>
      new Promise((resolve) => {
        const done = (found: boolean): void => {
          clearTimeout(timer)
          wake.delete(look)
          resolve(found)
        }
        const look = (): void => {
          if (pattern.test(output)) done(true)
          else if (ended) done(false)
        }
        const timer = setTimeout(() => done(pattern.test(output)), timeoutMs)
        wake.add(look)
        look()
      }),
    say: (text) => {
      child.stdin.write(text)
    },
    stop: async () => {
      child.stdin.end()
      if (!ended) child.kill('SIGKILL')
      await end
    },
  }
}

/** Waits in real time until the condition holds. */
export async function eventually(condition: () => boolean, timeoutMs = 8000): Promise<boolean> {
  for (const endMs = performance.now() + timeoutMs; performance.now() < endMs;) {
    if (condition()) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return condition()
}
