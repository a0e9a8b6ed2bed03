// What the interop tests of CoAP have in common: our endpoint on a system socket, with resources that every peer asks for.
import { delay, silentLogger, systemClock, systemRandom, utf8, type DatagramChannel, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, Observable, ResourceTree, type OutgoingResponse, type TraceEvent } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'

export const BIG = pattern(65_536)
export const MEGABYTE = pattern(1 << 20)
export const FAMILIES = [
  ['IPv6', '::1'],
  ['IPv4', '127.0.0.1'],
] as const

export interface Ours {
  readonly endpoint: CoapEndpoint
  readonly channel: DatagramChannel
  readonly at: SocketAddress
  readonly store: Map<string, Uint8Array>
  /** Changes `/count`, which can be observed and counts its changes. */
  change(): void
  close(): Promise<void>
}

export interface OursOptions {
  readonly port?: number
  readonly multicastInterface?: string
  readonly onTrace?: (event: TraceEvent) => void
}

/** Printable, and different from block to block. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => 32 + ((index * 7 + (index >> 8)) % 90))
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

export function uri(at: SocketAddress, path: string): string {
  const zone = at.zone === undefined ? '' : `%${at.zone}`
  return `coap://${at.address.includes(':') ? `[${at.address}${zone}]` : at.address}:${at.port}${path}`
}

export async function ours(address: string, options: OursOptions = {}): Promise<Ours> {
  const { port = 0, multicastInterface, onTrace } = options
  const channel = await openUdpChannel({
    bindAddress: address,
    port,
    logger: silentLogger,
    ...(multicastInterface === undefined ? {} : { multicastInterface }),
  })
  const store = new Map<string, Uint8Array>()
  const tree = treeOf(store)
  const observable = new Observable()
  let changes = 0
  tree.add('/count', { observable, handlers: { GET: () => ({ code: '2.05', payload: utf8(`${changes}\n`), contentFormat: 0 }) } })
  const endpoint = new CoapEndpoint({
    channel,
    tree,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    ...(onTrace === undefined ? {} : { onTrace }),
  })
  return {
    endpoint,
    channel,
    at: channel.local,
    store,
    change: () => {
      changes++
      observable.notify()
    },
    close: async () => {
      endpoint.close()
      await channel.close()
    },
  }
}

/** A port that nobody has. */
export async function freePort(address: string): Promise<number> {
  const free = await openUdpChannel({ bindAddress: address, port: 0, logger: silentLogger })
  await free.close()
  return free.local.port
}

function treeOf(store: Map<string, Uint8Array>): ResourceTree {
  const tree = new ResourceTree()
  tree.add('/big', { handlers: { GET: () => ({ code: '2.05', payload: BIG, contentFormat: 0 }) }, attributes: { rt: 'big', sz: '65536' } })
  tree.add('/megabyte', { handlers: { GET: () => ({ code: '2.05', payload: MEGABYTE, contentFormat: 0 }) } })
  tree.add('/group', {
    answersGroupRequests: true,
    attributes: { rt: 'group' },
    handlers: { GET: () => ({ code: '2.05', payload: utf8('one of many'), contentFormat: 0 }) },
  })
  tree.add('/slow', {
    handlers: { GET: () => delay(systemClock, 1200).then((): OutgoingResponse => ({ code: '2.05', payload: utf8('at last') })) },
  })
  tree.add('/store', {
    subtree: true,
    handlers: {
      GET: ({ path }) => {
        const payload = store.get(path.join('/'))
        return payload === undefined ? { code: '4.04' } : { code: '2.05', payload, contentFormat: 0 }
      },
      PUT: ({ path, payload }) => {
        const known = store.has(path.join('/'))
        store.set(path.join('/'), payload)
        return { code: known ? '2.04' : '2.01' }
      },
      POST: ({ payload }) => ({ code: '2.04', payload: payload.toReversed() }),
      FETCH: ({ payload }) => ({ code: '2.05', payload: payload.toReversed(), contentFormat: 0 }),
      DELETE: ({ path }) => {
        store.delete(path.join('/'))
        return { code: '2.02' }
      },
    },
  })
  return tree
}
