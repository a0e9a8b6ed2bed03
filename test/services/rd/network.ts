// A directory behind a CoAP endpoint on a network in memory, and devices that are endpoints themselves.
import { silentLogger, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import { createResourceDirectory, type DirectoryOptions, type ResourceDirectory } from '#main/services/rd/index.ts'
import {
  ResourceTree,
  type ClientResponse,
  type CoapClient,
  type CoapEndpoint,
  type IncomingRequest,
  type Method,
  type OutgoingResponse,
  type RequestOptions,
} from '#main/wire/coap/index.ts'
import { bench, OURS, type Bench } from '../../wire/coap/harness.ts'
import { MemoryRegistrationStore } from './harness.ts'

export interface Device {
  readonly endpoint: CoapEndpoint
  readonly at: SocketAddress
  /** How often its links were asked for. */
  fetched: number
  /** What it serves at `/.well-known/core`; replaceable. */
  serve: (request: IncomingRequest) => OutgoingResponse | Promise<OutgoingResponse>
}

export interface RdNetwork extends Bench {
  readonly directory: ResourceDirectory
  readonly store: MemoryRegistrationStore
  readonly device: (address: string, links?: string) => Device
  readonly ask: (from: Device, method: Method, uri: string, payload?: string) => Promise<ClientResponse>
}

export function rdNetwork(
  options: Partial<DirectoryOptions> = {},
  simple: Partial<NonNullable<DirectoryOptions['simple']>> = {},
): RdNetwork {
  const place = bench()
  const store = new MemoryRegistrationStore()
  const directory = createResourceDirectory({
    store,
    clock: place.clock,
    random: place.random,
    logger: silentLogger,
    registry: place.tree,
    simple: { clientOf: (channelId) => (channelId === place.channel.id ? place.endpoint : undefined), ...simple },
    ...options,
  })
  return {
    ...place,
    directory,
    store,
    device: (address, links = '') => {
      const tree = new CoreTree()
      const device: Device = {
        endpoint: place.another(address, { tree }),
        at: { address, port: 5683 },
        fetched: 0,
        serve: () => ({ code: '2.05', contentFormat: 40, payload: utf8(links) }),
      }
      tree.core = (request) => {
        device.fetched++
        return device.serve(request)
      }
      return device
    },
    ask: (from, method, uri, payload) => place.clock.until(request(from.endpoint, method, uri, payload)),
  }
}

export function request(
  client: CoapClient,
  method: Method,
  uri: string,
  payload?: string,
  options?: RequestOptions,
): Promise<ClientResponse> {
  const [path = '', query] = uri.split('?')
  return client.request(
    OURS,
    {
      method,
      path: path.split('/').slice(1),
      ...(query === undefined ? {} : { query: query.split('&') }),
      ...(payload === undefined ? {} : { payload: utf8(payload), contentFormat: 40 }),
    },
    options,
  )
}

export function textOf(response: ClientResponse): string {
  return utf8ToText(response.payload) ?? ''
}

/** Answers for `/.well-known/core` as the test says. */
class CoreTree extends ResourceTree {
  core: (request: IncomingRequest) => OutgoingResponse | Promise<OutgoingResponse> = () => ({ code: '4.04' })

  override find(path: readonly string[]): ReturnType<ResourceTree['find']> {
    return path.join('/') === '.well-known/core' ? { handlers: { GET: (request) => this.core(request) } } : super.find(path)
  }
}
