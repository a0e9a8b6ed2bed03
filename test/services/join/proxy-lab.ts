// A stateless proxy between bare channels.
import { utf8, type Datagram, type DatagramChannel } from '#main/base/index.ts'
import { decodeJpy, encodeJpy, isJpyFault, type JpyMessage, type JpyVersion, type StatelessOptions } from '#main/services/join/index.ts'
import { hearing, REGISTRAR, stateless, world, type World } from './port-harness.ts'

export const UPLINK = { address: '2001:db8::2', port: 49_152 }
export const HELLO = utf8('what a pledge says, and rather at length')

/** A proxy between bare channels. */
export function lab(options: Partial<StatelessOptions> = {}): ReturnType<typeof labIn> {
  return labIn(world(), options)
}

export function labIn(
  of: World,
  options: Partial<StatelessOptions>,
): {
  readonly of: World
  readonly proxy: ReturnType<typeof stateless>
  readonly registrar: DatagramChannel
  readonly atRegistrar: Datagram[]
  readonly speaker: (address: string, port?: number) => { readonly channel: DatagramChannel; readonly heard: Datagram[] }
} {
  const proxy = stateless(of, options)
  const at = of.routed.channel(REGISTRAR)
  return {
    of,
    proxy,
    registrar: at,
    atRegistrar: hearing(at),
    speaker: (address, port = 5000) => {
      const channel = of.link.channel({ address, port })
      return { channel, heard: hearing(channel) }
    },
  }
}

export function messageOf(datagram: Datagram | undefined): JpyMessage {
  const message = decodeJpy(datagram?.payload ?? new Uint8Array(0))
  if (isJpyFault(message)) throw new TypeError(message.fault)
  return message
}

export const answer = (header: Uint8Array, content: Uint8Array, version: JpyVersion = '20'): Uint8Array =>
  encodeJpy({ version, header, content })
