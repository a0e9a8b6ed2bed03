// A proxy, and a pledge behind it, in the hands of the test: it says which header goes with what.
import {
  seededRandom,
  utf8,
  utf8ToText,
  type ChannelEvent,
  type Datagram,
  type DatagramChannel,
  type SocketAddress,
} from '#main/base/index.ts'
import {
  createJoinPort,
  decodeJpy,
  encodeJpy,
  isJpyFault,
  type JoinPort,
  type JoinPortEvent,
  type JoinPortOptions,
  type JpyVersion,
} from '#main/services/join/index.ts'
import { DtlsEngine, type DtlsOutput } from '#main/wire/dtls/index.ts'
import { Attacker } from '../../wire/dtls/attacker.ts'
import { byCertificate, hearing, multiHomed, REGISTRAR, registrarSettings, type World } from './port-harness.ts'

export interface Way {
  readonly key: string
  readonly version: JpyVersion
  readonly header: Uint8Array
}

/** A proxy in the hands of the test: pledges behind it are engines, headers are what the test says. */
export class HandProxy {
  readonly channel: DatagramChannel
  readonly engine: DtlsEngine<Way>
  readonly outputs: Array<DtlsOutput<Way>> = []
  readonly data: string[] = []
  readonly heard: Datagram[]
  /** In the place of the header that the pledge belongs to. */
  rewrite: (way: Way) => Way = (way) => way

  constructor(of: World, address: string, seed = 5, connectionIdBytes = 6) {
    this.channel = of.routed.channel({ address, port: 700 })
    this.heard = hearing(this.channel)
    this.engine = new DtlsEngine<Way>({
      ...of.common,
      random: seededRandom(seed),
      client: () => byCertificate,
      limits: { connectionIdBytes },
      maxDatagramBytes: 976,
      output: (output) => {
        this.outputs.push(output)
        if (output.kind === 'data') this.data.push(utf8ToText(output.payload) ?? '?')
        if (output.kind !== 'datagram') return
        const { version, header } = this.rewrite(output.peer)
        this.channel.send(encodeJpy({ version, header, content: output.payload }), REGISTRAR)
      },
    })
    this.channel.subscribe((event) => {
      if (event.kind !== 'datagram') return
      const message = decodeJpy(event.datagram.payload)
      if (!isJpyFault(message)) this.engine.receive(way(message.header, message.version), message.content)
    })
  }
}

export function way(header: Uint8Array, version: JpyVersion = '20'): Way {
  return { key: `${version} ${Buffer.from(header).toString('hex')}`, version, header }
}

/** Behind a proxy in the hands of the test, and without time between. */
export class HandPledge extends Attacker {
  carry: (content: Uint8Array) => void = () => undefined

  override datagram(bytes: Uint8Array): void {
    this.carry(bytes)
  }
}

export function behindHand(of: World): {
  readonly port: JoinPort
  readonly events: JoinPortEvent[]
  readonly attacker: HandPledge
  /** Another hello of the same pledge. */
  readonly again: (seed: number) => HandPledge
} {
  let listener: ((event: ChannelEvent) => void) | undefined
  let speaking: HandPledge | undefined
  const channel: DatagramChannel = {
    ...multiHomed({}, REGISTRAR),
    send: (payload) => {
      const message = decodeJpy(payload)
      if (!isJpyFault(message)) speaking?.inbox.push(message.content.slice())
    },
    subscribe: (told) => {
      listener = told
      return () => undefined
    },
  }
  const { port, events } = portIn(of, { channel, dtls: { connectionIdBytes: 0 } })
  const again = (seed: number): HandPledge => {
    const one = new HandPledge()
    one.hello = { ...one.hello, random: seededRandom(seed).bytes(32) }
    one.carry = (content) => {
      speaking = one
      const payload = encodeJpy({ version: '20', header: utf8('by hand'), content })
      const source = { address: '2001:db8::2', port: 700 }
      listener?.({ kind: 'datagram', datagram: { payload, source, destination: undefined, multicast: false } })
    }
    return one
  }
  return { port, events, attacker: again(7), again }
}

export function portIn(
  of: World,
  options: Partial<JoinPortOptions> = {},
): { readonly port: JoinPort; readonly heard: Datagram[]; readonly events: JoinPortEvent[] } {
  const events: JoinPortEvent[] = []
  const port = createJoinPort({
    ...of.common,
    channel: options.channel ?? of.routed.channel(REGISTRAR),
    server: registrarSettings,
    onEvent: (event) => events.push(event),
    ...options,
  })
  return { port, heard: hearing(port), events }
}

/** Of the first session. */
export function establishedSource(events: readonly JoinPortEvent[]): SocketAddress {
  for (const event of events) if (event.kind === 'established') return event.source
  throw new TypeError('Nobody has a session')
}
