// A device of the public KNX IoT stack made of its recorded exchanges (test/vectors/knx-iot): it takes table entries only with the keys that
// it was recorded to take there, only while loading, and every answer is in the bytes that it was recorded to give, where it gave one.
import { decodeCbor, encodeCbor, toHex, utf8, type CborKey, type CborValue, type SocketAddress } from '#main/base/index.ts'
import type { ClientRequest, ClientResponse, CoapClient, CoapMessage } from '#main/wire/coap/index.ts'
import { exchangesOf, type Recorded } from '../site/devices/knx-iot/recorded.ts'

type Items = ReadonlyMap<CborKey, CborValue>

const NONE = new Uint8Array(0)
const URI_PATH = 11
const URI_QUERY = 15

export class RecordedStackDevice {
  readonly at: SocketAddress
  /** Requests that changed it, in turn. */
  readonly changes: string[] = []
  readonly #exchanges: readonly Recorded[]
  readonly #serialNumber: string
  readonly #tables = new Map<string, Map<CborKey, Items>>(['fp/g', 'fp/r', 'fp/p'].map((name) => [name, new Map()]))
  readonly #resources = new Map<string, CborValue>()
  #state = 0

  /** `to`: where it answered the recorded requests. */
  constructor(serialNumber: string, at: SocketAddress) {
    this.at = at
    this.#serialNumber = serialNumber
    this.#exchanges = ['unsecured-discovery', 'unsecured-commission', 'unsecured-smode'].flatMap((name) => exchangesOf(`${name}.jsonl`))
  }

  get client(): CoapClient {
    const answer = (request: ClientRequest): ClientResponse => this.#response(this.#answer(request))
    const isCore = ({ path }: ClientRequest): boolean => path.join('/') === '.well-known/core'
    return {
      channelId: 'recorded',
      request: (_, request) => Promise.resolve(answer(request)),
      async *groupRequest(_, request) {
        if (isCore(request)) yield await Promise.resolve(answer({ ...request, query: ['ep=knx://sn.*'] }))
      },
      groupRequestBytes: () => 0,
    }
  }

  #response([code, payload]: readonly [string, Uint8Array]): ClientResponse {
    return { code, options: [], payload, contentFormat: undefined, source: this.at, elapsedMs: 1 } as ClientResponse
  }

  #answer({ method, path, query = [], payload = NONE }: ClientRequest): readonly [string, Uint8Array] {
    const where = path.join('/')
    if (method !== 'GET') this.changes.push(`${method} /${where}`)
    if (where === '.well-known/core') return this.#core(query)
    if (where === 'a/lsm') return this.#loadState(method, payload)
    if (where === '.well-known/knx/ia') return this.#identity(payload)
    if (where === 'auth/at') return ['5.00', NONE]
    const table = this.#tables.get(path.slice(0, 2).join('/'))
    if (table !== undefined) return method === 'GET' ? this.#read(path, table) : this.#write(where, table, payload)
    const set = this.#resources.get(where)
    if (set !== undefined)
      return ['2.05', this.#recordedAnswer('0.01', where, (value) => value.get(1) === set) ?? encodeCbor(new Map([[1, set]]))]
    const value = this.#recordedAnswer('0.01', where, () => true)
    return value === undefined ? ['4.04', NONE] : ['2.05', value]
  }

  /** To a group, both devices were recorded to answer: the one of this device counts. */
  #core(query: readonly string[]): readonly [string, Uint8Array] {
    const heard = this.#exchanges.flatMap(({ request, answers }) =>
      pathOf(request) === '.well-known/core' && texts(request, URI_QUERY).join('&') === query.join('&') ? answers : [],
    )
    const own = heard.find(({ payload }) => {
      const said = new TextDecoder().decode(payload)
      return said.includes(this.#serialNumber) || said.includes('.417')
    })
    return own === undefined ? ['4.04', NONE] : ['2.05', own.payload]
  }

  #loadState(method: string, payload: Uint8Array): readonly [string, Uint8Array] {
    const event = method === 'POST' ? (decodeCbor(payload) as Items).get(2) : undefined
    if (event !== undefined) this.#state = event === 1 ? 2 : 1
    const wanted = this.#recordedAnswer(method === 'POST' ? '0.02' : '0.01', 'a/lsm', (value) => value.get(3) === this.#state)
    return [method === 'POST' ? '2.04' : '2.05', wanted ?? encodeCbor(new Map([[3, this.#state]]))]
  }

  #identity(payload: Uint8Array): readonly [string, Uint8Array] {
    const values = decodeCbor(payload) as Items
    const recorded = this.#exchanges.find(
      ({ request, answer }) =>
        pathOf(request) === '.well-known/knx/ia' && answer?.code === '2.04' && sameMap(decodeCbor(request.payload) as Items, values),
    )
    if (recorded === undefined) throw new TypeError('The stack was given no such address when it was recorded')
    this.#resources.set('dev/sna', Number(values.get(12)) >> 8)
    this.#resources.set('dev/da', Number(values.get(12)) & 0xff)
    this.#resources.set('dev/iid', values.get(26) ?? 0)
    return ['2.04', NONE]
  }

  #read(path: readonly string[], table: Map<CborKey, Items>): readonly [string, Uint8Array] {
    const [, , id] = path
    if (id === undefined) {
      const links = [...table.keys()].map((key) => `</${path.join('/')}/${String(key)}>;ct=60`)
      return links.length === 0 ? ['4.04', NONE] : ['2.05', utf8(links.join(',\n'))]
    }
    const entry = table.get(Number(id))
    if (entry === undefined) return ['4.04', NONE]
    // As the stack writes it: of indefinite length, and with what it adds.
    const recorded = this.#recordedAnswer('0.01', path.join('/'), (value) =>
      [...entry].every(([key, wanted]) => same(value.get(key), wanted)),
    )
    return ['2.05', recorded ?? encodeCbor(entry)]
  }

  #write(where: string, table: Map<CborKey, Items>, payload: Uint8Array): readonly [string, Uint8Array] {
    if (this.#state !== 2) return ['4.05', NONE]
    for (const entry of decodeCbor(payload) as readonly Items[]) {
      const id = entry.get(0) ?? null
      if (entry.size === 1) {
        table.delete(id as CborKey)
        continue
      }
      const isKnown = this.#exchanges.some(
        ({ request, answer }) =>
          pathOf(request) === where &&
          answer?.code === '2.01' &&
          (decodeCbor(request.payload) as readonly Items[]).some((taken) => [...entry.keys()].every((key) => taken.has(key))),
      )
      if (!isKnown) return ['4.00', NONE]
      table.set(id as CborKey, entry)
    }
    return ['2.01', NONE]
  }

  #recordedAnswer(code: string, where: string, fits: (value: Items) => boolean): Uint8Array | undefined {
    return this.#exchanges.find(({ request, answer }) => {
      if (request.code !== code || pathOf(request) !== where || answer?.code.startsWith('2.') !== true) return false
      const value = answer.payload.length === 0 ? undefined : decodeCbor(answer.payload)
      return value instanceof Map && fits(value)
    })?.answer?.payload
  }
}

function pathOf(message: CoapMessage): string {
  return texts(message, URI_PATH).join('/')
}

function texts(message: CoapMessage, number: number): readonly string[] {
  return message.options.filter((option) => option.number === number).map(({ value }) => new TextDecoder().decode(value))
}

function same(a: CborValue | undefined, b: CborValue): boolean {
  return a !== undefined && toHex(encodeCbor(a)) === toHex(encodeCbor(b))
}

function sameMap(a: Items, b: Items): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.has(key) && same(value, b.get(key) ?? null))
}
