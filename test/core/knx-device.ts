// A KNX IoT device on a network in memory, secured as the public stack is: the password's handshake from the other side, tokens as OSCORE
// contexts, tables only while loading, group messages under the sender's own context.
import { p256 } from '@noble/curves/nist.js'
import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  hkdf,
  HmacSha256,
  pbkdf2,
  seededRandom,
  sha256,
  silentLogger,
  utf8,
  type CborKey,
  type CborValue,
  type Clock,
  type SocketAddress,
} from '#main/base/index.ts'
import { decodeGroupMessage, type GroupMessage } from '#main/site/devices/index.ts'
import { CoapEndpoint, ResourceTree, type IncomingRequest, type OutgoingResponse } from '#main/wire/coap/index.ts'
import type { MemoryNetwork } from '#main/wire/ip/index.ts'
import { OscoreLayer, UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'

type Items = ReadonlyMap<CborKey, CborValue>

const Point = p256.Point
const M = Point.fromHex('02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f')
const N = Point.fromHex('03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49')
const ITERATIONS = 1000
const CBOR = 60
const NONE = new Uint8Array(0)
const FUNCTION = { href: '/f/00417_01', attributes: [{ name: 'rt', value: ':fb.417' }] }

export interface KnxDeviceOptions {
  readonly network: MemoryNetwork
  readonly clock: Clock
  readonly at: SocketAddress
  readonly serialNumber: string
  readonly password: string
}

export class SimulatedKnxDevice {
  readonly heard: GroupMessage[] = []
  /** Paths of protected and of plain requests that change something. */
  readonly changes: string[] = []
  loadState = 0
  /** Requests that are still answered. */
  silentAfter = Infinity
  /** Whether group messages reach it no more. */
  deaf = false
  /** Of its datapoint /p/o_2_2. */
  value: CborValue = false
  /** What /dev/pm was set to, in turn. */
  readonly programming: CborValue[] = []
  readonly #options: KnxDeviceOptions
  readonly #random = seededRandom(4711)
  readonly #layer: OscoreLayer
  readonly #endpoint: CoapEndpoint
  readonly #tables = new Map<string, Map<CborKey, Items>>(['fp/g', 'fp/r', 'fp/p', 'auth/at'].map((name) => [name, new Map()]))
  readonly #channel
  #individualAddress = 0xffff
  #installation = 0
  #handshake: { readonly id: string; readonly stretched: Uint8Array; confirmP: Uint8Array; key: Uint8Array } | undefined

  constructor(options: KnxDeviceOptions) {
    this.#options = options
    this.#channel = options.network.channel(options.at)
    this.#layer = new OscoreLayer({ random: this.#random })
    const tree = new ResourceTree()
    const { serialNumber } = options
    tree.addLinks(({ query: [asked = ''] }) => {
      const names = [`knx://sn.${serialNumber}`, `knx://ia.${this.#installation.toString(16)}.${this.#individualAddress.toString(16)}`]
      // The tree's filter takes the whole value or its beginning.
      const value = asked === 'ep=knx://sn.*' ? names.join(' ') : names.find((name) => asked === `ep=${name}`)
      if (asked === '') return [{ href: '', attributes: [{ name: 'ep', value: names.join(' ') }] }, FUNCTION]
      return value === undefined ? [] : [{ href: '', attributes: [{ name: 'ep', value }] }]
    })
    for (const path of ['dev', 'a', 'fp', 'auth', 'p', 'k', '.well-known/knx']) {
      const handle = (request: IncomingRequest): Promise<OutgoingResponse | undefined> => this.#answer(request)
      tree.add(`/${path}`, {
        handlers: { GET: handle, POST: handle, PUT: handle, DELETE: handle },
        subtree: true,
        answersGroupRequests: path === 'k',
      })
    }
    this.#endpoint = new CoapEndpoint({
      channel: this.#channel,
      tree,
      clock: options.clock,
      random: this.#random,
      logger: silentLogger,
      security: this.#layer,
    })
  }

  table(name: 'fp/g' | 'fp/r' | 'fp/p' | 'auth/at'): readonly Items[] {
    return [...(this.#tables.get(name)?.values() ?? [])]
  }

  /** Hears searches from now on. */
  begin(): void {
    this.#channel.joinGroup('ff05::fd')
  }

  /** As a receiver would: hears the group, and knows the sender's context by kid and context id. */
  listen(
    address: string,
    keys: { readonly senderId: Uint8Array; readonly masterSecret: Uint8Array; readonly idContext: Uint8Array },
  ): void {
    this.#channel.joinGroup(address)
    const { senderId, masterSecret, idContext } = keys
    this.#layer.add(
      new UnicastContext(
        { name: `sender ${senderId.join('.')}`, masterSecret, senderId: utf8('-'), recipientId: senderId, idContext },
        { sequences: volatileSequences(), received: 'fresh' },
      ),
    )
  }

  close(): void {
    this.#endpoint.close()
  }

  async #answer(request: IncomingRequest): Promise<OutgoingResponse | undefined> {
    const path = request.path.join('/')
    if (this.silentAfter-- <= 0) return undefined
    if (this.deaf && path === 'k') return undefined
    if (path === '.well-known/knx/spake') return this.#spake(decodeCbor(request.payload) as Items)
    if (request.peer === undefined) return { code: '4.01' }
    if (request.method !== 'GET') this.changes.push(`${request.method} /${path}`)
    const content = (value: CborValue): OutgoingResponse => ({
      code: request.method === 'GET' ? '2.05' : '2.04',
      payload: encodeCbor(value),
      contentFormat: CBOR,
    })
    const text = (value: string): OutgoingResponse => content(new Map([[1, value]]))
    const number = (value: number): OutgoingResponse => content(new Map([[1, value]]))
    switch (path) {
      case 'k':
        this.heard.push(decodeGroupMessage(request.payload))
        this.value = this.heard.at(-1)?.value ?? this.value
        return undefined
      case 'p/o_2_2':
        return content(new Map([[1, this.value]]))
      case 'dev/pm':
        this.programming.push((decodeCbor(request.payload) as Items).get(1) ?? null)
        return { code: '2.04' }
      case 'dev/sn':
        return text(this.#options.serialNumber)
      case 'dev/hwt':
        return text('000000000001')
      case 'dev/model':
        return text('Push Button')
      case 'dev/hwv':
      case 'dev/fwv':
        return content(new Map([[1, [1, 2, 3]]]))
      case 'dev/sna':
        return number(this.#individualAddress >> 8)
      case 'dev/da':
        return number(this.#individualAddress & 0xff)
      case 'dev/iid':
        return number(this.#installation)
      case 'p':
        return {
          code: '2.05',
          payload: utf8('</p/o_1_1>;rt=":dpa.417.51";if=":if.s";ct=60,\n</p/o_2_2>;rt=":dpa.417.61";if=":if.a";ct=60'),
          contentFormat: 40,
        }
      case '.well-known/knx':
        this.#tables.forEach((table) => table.clear())
        return content(
          new Map<CborKey, CborValue>([
            ['code', 0],
            ['time', 2],
          ]),
        )
      case '.well-known/knx/ia': {
        const values = decodeCbor(request.payload) as Items
        this.#individualAddress = Number(values.get(12))
        this.#installation = Number(values.get(26))
        return { code: '2.04' }
      }
      case 'a/lsm':
        if (request.method === 'POST') this.loadState = (decodeCbor(request.payload) as Items).get(2) === 1 ? 2 : 1
        return content(new Map([[3, this.loadState]]))
    }
    return this.#table(request)
  }

  #table({ method, path, payload }: IncomingRequest): OutgoingResponse {
    const name = path.slice(0, 2).join('/')
    const table = this.#tables.get(name)
    const [, , id] = path
    if (table === undefined) return { code: '4.04' }
    if (method === 'DELETE') return { code: id !== undefined && table.delete(id) ? '2.02' : '4.04' }
    if (method === 'POST') {
      if (name !== 'auth/at' && this.loadState !== 2) return { code: '4.05' }
      for (const entry of decodeCbor(payload) as readonly Items[]) {
        const key = entry.get(0) as CborKey
        if (entry.size === 1) table.delete(key)
        else table.set(key, entry)
        if (name === 'auth/at') this.#install(entry)
      }
      return { code: '2.01' }
    }
    const entry = id === undefined ? undefined : (table.get(id) ?? table.get(Number(id)))
    if (id !== undefined) return entry === undefined ? { code: '4.04' } : { code: '2.05', payload: encodeCbor(entry), contentFormat: CBOR }
    if (table.size === 0) return { code: '4.04' }
    return { code: '2.05', payload: utf8([...table.keys()].map((key) => `</${name}/${String(key)}>;ct=60`).join(',\n')), contentFormat: 40 }
  }

  /** A token of interfaces is a context of its holder. */
  #install(token: Items): void {
    const scope = token.get(9) as readonly CborValue[]
    if (typeof scope[0] !== 'string') return
    const keys = (token.get(8) as Items).get(4) as Items
    this.#serve(textOf(token.get(0)), keys.get(0) as Uint8Array, keys.get(2) as Uint8Array)
  }

  #serve(name: string, recipientId: Uint8Array, masterSecret: Uint8Array): void {
    this.#layer.add(
      new UnicastContext({ name, masterSecret, senderId: NONE, recipientId }, { sequences: volatileSequences(), received: 'fresh' }),
    )
  }

  async #spake(values: Items): Promise<OutgoingResponse> {
    const changed = (entries: ReadonlyArray<readonly [number, CborValue]>): OutgoingResponse => ({
      code: '2.04',
      payload: encodeCbor(new Map(entries)),
      contentFormat: CBOR,
    })
    if (values.has(15)) {
      if (this.loadState !== 0) return { code: '4.00' }
      const salt = new Uint8Array(32).fill(5)
      const password = utf8(this.#options.password)
      const stretchInput = concatBytes(Uint8Array.of(password.length, 0, 0, 0, 0, 0, 0, 0), password, new Uint8Array(16))
      const stretched = await pbkdf2('sha256', stretchInput, salt, ITERATIONS, 80)
      this.#handshake = { id: textOf(values.get(0)), stretched, confirmP: NONE, key: NONE }
      return changed([
        [15, new Uint8Array(32)],
        [
          12,
          new Map<CborKey, CborValue>([
            [16, ITERATIONS],
            [5, salt],
          ]),
        ],
      ])
    }
    const handshake = this.#handshake
    if (handshake === undefined) return { code: '4.00' }
    const shareP = values.get(10)
    if (shareP instanceof Uint8Array) {
      const scalar = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`) % Point.Fn.ORDER
      const w0 = scalar(handshake.stretched.subarray(0, 40))
      const w1 = scalar(handshake.stretched.subarray(40))
      const y = scalar(this.#random.bytes(40))
      const shareV = Point.BASE.multiply(y).add(N.multiply(w0)).toBytes(false)
      const blinded = Point.fromBytes(shareP).subtract(M.multiply(w0))
      const items = [utf8('knxpase'), NONE, NONE, M.toBytes(false), N.toBytes(false), shareP, shareV, blinded.multiply(y).toBytes(false)]
      items.push(Point.BASE.multiply(w1).multiply(y).toBytes(false), trimmed(Point.Fn.toBytes(w0)))
      const main = sha256(...items.flatMap((item) => [Uint8Array.of(item.length, 0, 0, 0, 0, 0, 0, 0), item]))
      const confirmation = hkdf('sha256', main, NONE, utf8('ConfirmationKeys'), 64)
      handshake.confirmP = new HmacSha256(confirmation.subarray(0, 32)).of(shareV)
      handshake.key = hkdf('sha256', main, NONE, utf8('SharedKey'), 16)
      return changed([
        [11, shareV],
        [13, new HmacSha256(confirmation.subarray(32)).of(shareP)],
      ])
    }
    const proof = values.get(14)
    if (!(proof instanceof Uint8Array) || Buffer.compare(proof, handshake.confirmP) !== 0) return { code: '4.00' }
    this.#serve(handshake.id, utf8(handshake.id), handshake.key)
    this.#tables.get('auth/at')?.set(
      handshake.id,
      new Map<CborKey, CborValue>([
        [0, handshake.id],
        [9, ['if.sec']],
      ]),
    )
    return { code: '2.04' }
  }
}

function trimmed(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(
    Math.max(
      0,
      bytes.findIndex((byte) => byte !== 0),
    ),
  )
}

function textOf(value: CborValue): string {
  return typeof value === 'string' ? value : ''
}
