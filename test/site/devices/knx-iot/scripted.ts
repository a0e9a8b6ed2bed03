// A device that keeps its tables as the public stack does: load states, writes to tables only while loading, entries deleted by their id alone.
import { AppError, decodeCbor, encodeCbor, type CborKey, type CborValue } from '#main/base/index.ts'
import type { ClientRequest, ClientResponse } from '#main/wire/coap/index.ts'
import type { KnxReach } from '#main/site/devices/knx-iot/index.ts'

type Map0 = ReadonlyMap<CborKey, CborValue>

export class ScriptedDevice {
  state = 0
  /** Requests that change something, as `path payload`. */
  readonly writes: string[] = []
  /** What was refused. */
  readonly refusals: string[] = []
  /** Requests that are still answered. */
  breaksAfter = Infinity
  #individualAddress = 0xffff
  #installation = 0
  readonly #tables = new Map<string, Map<CborKey, Map0>>(['fp/g', 'fp/r', 'fp/p', 'auth/at'].map((name) => [name, new Map()]))

  get reach(): KnxReach {
    const at = { address: 'fd01:db8::9', port: 5683 }
    return {
      at,
      client: {
        channelId: 'scripted',
        request: (_, request) => {
          if (this.breaksAfter-- <= 0) return Promise.reject(new AppError('coap.timeout', 'No answer', { retryable: true }))
          const [code, payload] = this.#answer(request)
          if (code.startsWith('4.') && request.method !== 'GET') this.refusals.push(`${code} ${request.path.join('/')}`)
          return Promise.resolve({ code, options: [], payload, contentFormat: undefined, source: at, elapsedMs: 1 } as ClientResponse)
        },
        groupRequest: () => {
          throw new TypeError('no groups')
        },
        groupRequestBytes: () => 0,
      },
    }
  }

  #answer({ method, path, payload = new Uint8Array(0) }: ClientRequest): readonly [string, Uint8Array] {
    const none = new Uint8Array(0)
    const where = path.join('/')
    if (method === 'POST') this.writes.push(`/${where} ${String(payload.length)}`)
    const map = (...entries: ReadonlyArray<readonly [CborKey, CborValue]>): Uint8Array => encodeCbor(new Map(entries))
    switch (where) {
      case '.well-known/knx/ia': {
        const values = decodeCbor(payload) as Map0
        this.#individualAddress = values.get(12) as number
        this.#installation = values.get(26) as number
        return ['2.04', none]
      }
      case 'dev/sna':
        return ['2.05', map([1, this.#individualAddress >> 8])]
      case 'dev/da':
        return ['2.05', map([1, this.#individualAddress & 0xff])]
      case 'dev/iid':
        return ['2.05', map([1, this.#installation])]
      case 'a/lsm': {
        if (method === 'POST') this.state = (decodeCbor(payload) as Map0).get(2) === 1 ? 2 : 1
        return [method === 'POST' ? '2.04' : '2.05', map([3, this.state])]
      }
    }
    const name = path.slice(0, 2).join('/')
    const table = this.#tables.get(name)
    if (table === undefined) return ['4.04', none]
    if (method === 'POST') {
      if (this.state !== 2) return ['4.05', none]
      for (const entry of decodeCbor(payload) as readonly Map0[]) {
        const id = entry.get(0)
        if (typeof id !== 'number' && typeof id !== 'string') return ['4.00', none]
        if (entry.size === 1) table.delete(id)
        else table.set(id, entry)
      }
      return ['2.04', none]
    }
    const entry = path[2] === undefined ? undefined : table.get(Number(path[2]))
    if (path[2] !== undefined) return entry === undefined ? ['4.04', none] : ['2.05', encodeCbor(entry)]
    if (table.size === 0) return ['4.04', none]
    return ['2.05', new TextEncoder().encode([...table.keys()].map((id) => `</${name}/${String(id)}>;ct=60`).join(',\n'))]
  }
}
