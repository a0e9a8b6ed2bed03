// One KNX IoT device: its resources as calls. Requests are protected by whatever keys the reach has; test builds take them plain.
import { AppError, utf8ToText, type CborKey, type CborValue, type SocketAddress } from '#main/base/index.ts'
import {
  parseLinkFormat,
  type ClientRequest,
  type ClientResponse,
  type CoapClient,
  type Method,
  type RequestSecurity,
} from '#main/wire/coap/index.ts'
import { parseSerialNumber, type InstallationId, type SerialNumber } from './addresses.ts'
import {
  decodeGroupObject,
  decodeGroupRoute,
  decodeMap,
  encodeDeletions,
  encodeGroupObjects,
  encodeGroupRoutes,
  encodeMap,
  encodeTokens,
  KEY,
  numberIn,
  unexpected,
  type GroupObject,
  type GroupRoute,
  type GroupToken,
  type UnicastToken,
} from './tables.ts'

/** `at` has the port from which the device answered the search: not all answer on the default one. */
export interface KnxReach {
  readonly client: CoapClient
  readonly at: SocketAddress
  readonly security?: RequestSecurity
}

export interface KnxIdentity {
  readonly serialNumber: SerialNumber
  readonly hardwareType: string
  readonly hardwareVersion: string
  readonly firmwareVersion: string
  readonly model: string
}

export type LoadState = 'unloaded' | 'loaded' | 'loading' | 'unloading' | 'load-completing'
export type LoadEvent = 'start-loading' | 'load-complete' | 'unload'
/** Group objects; where it sends to; what it receives. */
export type TableName = 'g' | 'r' | 'p'
/** `factory`: everything, all tokens too. `tables`: tables and the tokens of the application. `address`: the individual address alone. */
export type ResetKind = 'factory' | 'tables' | 'address'

export interface Datapoint {
  readonly href: string
  /** e.g. `:dpa.421.61`. */
  readonly resourceTypes: readonly string[]
  /** e.g. `:if.a`: what it can do. */
  readonly interfaces: readonly string[]
}

const STATES: ReadonlyMap<number, LoadState> = new Map([
  [0, 'unloaded'],
  [1, 'loaded'],
  [2, 'loading'],
  [4, 'unloading'],
  [5, 'load-completing'],
])
const EVENTS: Readonly<Record<LoadEvent, number>> = { 'start-loading': 1, 'load-complete': 2, unload: 4 }
const RESETS: Readonly<Record<ResetKind, number>> = { factory: 2, tables: 7, address: 3 }
const CBOR = 60
const PAGE_ENTRIES = 20
const MOST_PAGES = 50
const LONGEST_LIST_BYTES = 64 * 1024
const LONGEST_RESET_S = 120

export class KnxDevice {
  readonly #reach: KnxReach
  readonly #signal: AbortSignal | undefined

  constructor(reach: KnxReach, signal?: AbortSignal) {
    this.#reach = reach
    this.#signal = signal
  }

  /** How it is reached, for requests that another signal ends. */
  get reach(): KnxReach {
    return this.#reach
  }

  async identity(): Promise<KnxIdentity> {
    const serialNumber = parseSerialNumber(await this.#text(['dev', 'sn']))
    if (serialNumber === undefined) throw unexpected('has no serial number')
    return {
      serialNumber,
      hardwareType: await this.#text(['dev', 'hwt']),
      hardwareVersion: await this.#version(['dev', 'hwv']),
      firmwareVersion: await this.#version(['dev', 'fwv']),
      model: await this.#text(['dev', 'model']),
    }
  }

  /** Undefined until it was given one. */
  async individualAddress(): Promise<number | undefined> {
    const subnet = await this.#number(['dev', 'sna'])
    const address = ((subnet & 0xff) << 8) | ((await this.#number(['dev', 'da'])) & 0xff)
    return address === 0xffff ? undefined : address
  }

  async installation(): Promise<InstallationId> {
    const value = await this.#value(['dev', 'iid'])
    if (typeof value === 'bigint') return value
    if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
    throw unexpected('has no installation id')
  }

  async assignAddress(individualAddress: number, installation: InstallationId, fabricId?: number): Promise<void> {
    const payload = encodeMap([
      [KEY.individualAddress, individualAddress],
      ...(fabricId === undefined ? [] : [[KEY.fabricId, fabricId] as const]),
      [KEY.installationId, Number(installation)],
    ])
    await this.#send('POST', ['.well-known', 'knx', 'ia'], payload)
  }

  async loadState(): Promise<LoadState> {
    return stateIn(decodeMap((await this.#send('GET', ['a', 'lsm'])).payload))
  }

  async changeLoadState(event: LoadEvent): Promise<LoadState> {
    const answer = await this.#send('POST', ['a', 'lsm'], encodeMap([[KEY.command, EVENTS[event]]]))
    return stateIn(decodeMap(answer.payload))
  }

  async groupObjects(): Promise<readonly GroupObject[]> {
    return this.#entries('g', decodeGroupObject)
  }

  /** Multicast groups alone. */
  async routes(table: 'r' | 'p'): Promise<readonly GroupRoute[]> {
    return (await this.#entries(table, decodeGroupRoute)).filter((route) => route !== undefined)
  }

  /** One entry a request: small devices have no room for more. Only while loading. */
  async writeGroupObjects(objects: readonly GroupObject[]): Promise<void> {
    for (const object of objects) await this.#send('POST', ['fp', 'g'], encodeGroupObjects([object]))
  }

  async writeRoutes(table: 'r' | 'p', routes: readonly GroupRoute[]): Promise<void> {
    for (const route of routes) await this.#send('POST', ['fp', table], encodeGroupRoutes([route]))
  }

  async removeEntries(table: TableName, ids: readonly number[]): Promise<void> {
    for (const id of ids) await this.#send('POST', ['fp', table], encodeDeletions([id]))
  }

  async entryIds(table: TableName): Promise<readonly number[]> {
    const ids = (await this.#list(['fp', table])).map((href) => Number(href.split('/').at(-1)))
    if (!ids.every((id) => Number.isInteger(id) && id >= 0)) throw unexpected('lists strange entries')
    return ids
  }

  /** Their names. */
  async tokenIds(): Promise<readonly string[]> {
    return (await this.#list(['auth', 'at'])).map((href) => href.split('/').at(-1) ?? '').filter((id) => id !== '')
  }

  async writeTokens(tokens: ReadonlyArray<UnicastToken | GroupToken>): Promise<void> {
    for (const token of tokens) await this.#send('POST', ['auth', 'at'], encodeTokens([token]))
  }

  async removeToken(id: string): Promise<void> {
    const path = ['auth', 'at', id]
    const response = await this.#request('DELETE', path)
    // One that is not there is 4.04, or 4.00 to the older stack.
    if (response.code !== '4.04' && response.code !== '4.00') accepted(response, 'DELETE', path)
  }

  /** By the search for datapoints, which everybody may do and which names their interfaces; else by the list of the device. */
  async datapoints(): Promise<readonly Datapoint[]> {
    const { client, at } = this.#reach
    const found = await new KnxDevice({ client, at }, this.#signal).#searchedDatapoints()
    return found.length > 0 ? found : datapointsIn(linksIn(await this.#send('GET', ['p'])))
  }

  async #searchedDatapoints(): Promise<readonly Datapoint[]> {
    const response = await this.#request('GET', ['.well-known', 'core'], undefined, ['rt=urn:knx:dpa.*'])
    return response.code === '2.05' ? datapointsIn(linksIn(response)) : []
  }

  /** Numbers of its functional blocks, e.g. 417; everybody may ask. */
  async functionalBlocks(): Promise<readonly number[]> {
    const response = await this.#request('GET', ['.well-known', 'core'])
    const numbersIn = (points: readonly Datapoint[], pattern: RegExp): readonly number[] =>
      points.flatMap(({ resourceTypes }) => resourceTypes.flatMap((type) => Number(pattern.exec(type)?.[1] ?? 0) || []))
    const listed = response.code === '2.05' ? numbersIn(datapointsIn(linksIn(response)), /:fb\.(\d{1,5})$/) : []
    return listed.length > 0 ? listed : numbersIn(await this.#searchedDatapoints(), /:dpa\.(\d{1,5})\./)
  }

  /** The value of a datapoint; undefined where it has none to tell. */
  async readValue(href: string): Promise<CborValue | undefined> {
    const response = await this.#request('GET', pathOf(href))
    return response.code === '2.05' ? decodeMap(response.payload).get(KEY.value) : undefined
  }

  /** The device's LED blinks, or whatever it has to show itself. It stays so until it is told otherwise, past a restart too. */
  async setProgrammingMode(on: boolean): Promise<void> {
    await this.#send('PUT', ['dev', 'pm'], encodeMap([[KEY.value, on]]))
  }

  /** Changes whenever the tables may have; undefined unless loaded. */
  async fingerprint(): Promise<number | undefined> {
    const response = await this.#request('GET', ['.well-known', 'knx', 'f'])
    if (response.code === '5.03') return undefined
    return numberIn(decodeMap(accepted(response, 'GET', ['.well-known', 'knx', 'f']).payload), KEY.value)
  }

  /** Seconds until it is back. */
  async reset(kind: ResetKind): Promise<number> {
    const payload = encodeMap([
      [KEY.value, RESETS[kind]],
      [KEY.command, 'reset'],
    ])
    const answer = decodeMap((await this.#send('POST', ['.well-known', 'knx'], payload)).payload)
    const time = answer.get('time')
    return typeof time === 'number' && time >= 0 ? Math.min(time, LONGEST_RESET_S) : 0
  }

  async #entries<Entry>(table: TableName, decode: (payload: Uint8Array) => Entry): Promise<readonly Entry[]> {
    const entries: Entry[] = []
    for (const id of await this.entryIds(table)) entries.push(decode((await this.#send('GET', ['fp', table, String(id)])).payload))
    return entries
  }

  /** Paths in a collection, all pages of it; an empty one is 4.04, 5.00 or an empty answer. */
  async #list(path: readonly string[]): Promise<readonly string[]> {
    const found = new Set<string>()
    for (let page = 0; page < MOST_PAGES; page++) {
      const response = await this.#request('GET', path, undefined, page === 0 ? [] : [`pn=${page}`])
      if (response.code === '4.04' || (response.code === '5.00' && path[0] === 'auth')) break
      const links = linksIn(accepted(response, 'GET', path))
      const before = found.size
      for (const { href } of links) found.add(href)
      if (links.length < PAGE_ENTRIES || found.size === before) break
    }
    return [...found]
  }

  async #value(path: readonly string[]): Promise<CborValue> {
    return decodeMap((await this.#send('GET', path)).payload).get(KEY.value)
  }

  async #text(path: readonly string[]): Promise<string> {
    const value = await this.#value(path)
    if (typeof value !== 'string') throw unexpected(`has no text at /${path.join('/')}`)
    return value.replace(/\p{Cc}/gu, ' ').slice(0, 80)
  }

  async #number(path: readonly string[]): Promise<number> {
    return numberIn(decodeMap((await this.#send('GET', path)).payload), KEY.value)
  }

  async #version(path: readonly string[]): Promise<string> {
    const value = await this.#value(path)
    return Array.isArray(value) ? value.map(String).join('.').slice(0, 40) : ''
  }

  async #send(method: Method, path: readonly string[], payload?: Uint8Array): Promise<ClientResponse> {
    return accepted(await this.#request(method, path, payload), method, path)
  }

  #request(method: Method, path: readonly string[], payload?: Uint8Array, query: readonly string[] = []): Promise<ClientResponse> {
    const { client, at, security } = this.#reach
    const request: ClientRequest = {
      method,
      path,
      ...(query.length === 0 ? {} : { query }),
      ...(payload === undefined ? {} : { payload, contentFormat: CBOR }),
      ...(security === undefined ? {} : { security }),
    }
    return client.request(at, request, this.#signal === undefined ? {} : { signal: this.#signal })
  }
}

function pathOf(href: string): readonly string[] {
  return href.split('/').filter((segment) => segment !== '')
}

function datapointsIn(links: ReturnType<typeof parseLinkFormat>): readonly Datapoint[] {
  const words = (attributes: (typeof links)[number]['attributes'], wanted: string): readonly string[] =>
    (attributes.find(({ name }) => name === wanted)?.value ?? '').split(' ').filter((word) => word !== '')
  return links
    .filter(({ href }) => href.startsWith('/'))
    .map(({ href, attributes }) => ({ href, resourceTypes: words(attributes, 'rt'), interfaces: words(attributes, 'if') }))
}

function stateIn(map: ReadonlyMap<CborKey, CborValue>): LoadState {
  const state = STATES.get(numberIn(map, KEY.status))
  if (state === undefined) throw unexpected('has a strange load state')
  return state
}

function linksIn(response: ClientResponse): ReturnType<typeof parseLinkFormat> {
  if (response.payload.length > LONGEST_LIST_BYTES) throw unexpected('is a list too long')
  // The older stack breaks its lines behind the commas.
  return parseLinkFormat((utf8ToText(response.payload) ?? '').replace(/,\s+</g, ',<').trim())
}

function accepted(response: ClientResponse, method: Method, path: readonly string[]): ClientResponse {
  const { code } = response
  if (code.startsWith('2.')) return response
  const request = `${method} /${path.join('/')}`
  const details = { code, text: '', request }
  if (code === '4.01') throw new AppError('knx.no-access', `The device refuses ${request}: the keys have no right to it`, { details })
  throw new AppError('profile.reply-unexpected', `${code} for ${request}`, { retryable: code.startsWith('5.'), details })
}
