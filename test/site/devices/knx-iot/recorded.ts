// A device of the public KNX IoT stack as it was recorded (test/vectors/knx-iot): it answers each request as it did then, by what the
// request says, the oldest answer that was not given yet first.
import { readFileSync } from 'node:fs'
import { decodeCbor, fromHex, toHex, type CborValue } from '#main/base/index.ts'
import { decodeMessage, type ClientRequest, type ClientResponse, type CoapClient, type CoapMessage } from '#main/wire/coap/index.ts'

export interface Recorded {
  readonly note: string
  readonly to: string
  readonly request: CoapMessage
  readonly answer: CoapMessage | undefined
  /** All of them, where a group was asked. */
  readonly answers: readonly CoapMessage[]
}

interface Line {
  readonly note: string
  readonly to?: string
  readonly request?: string
  readonly responses?: ReadonlyArray<{ readonly hex: string; readonly from: string }>
}

function messageOf(hex: string): CoapMessage {
  return decodeMessage(fromHex(hex) ?? new Uint8Array(0))
}

export function linesOf(file: string): readonly Line[] {
  return readFileSync(new URL(`../../../vectors/knx-iot/${file}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

/** Requests with what answered them; an empty acknowledgement before the answer is left out. */
export function exchangesOf(file: string): readonly Recorded[] {
  return linesOf(file).flatMap(({ note, to, request, responses = [] }) => {
    const asked = request === undefined ? undefined : messageOf(request)
    const answers = responses.map(({ hex }) => messageOf(hex)).filter(({ code }) => code !== '0.00')
    return asked === undefined || to === undefined ? [] : [{ note, to, request: asked, answer: answers[0], answers }]
  })
}

const URI_PATH = 11
const URI_QUERY = 15

function texts(message: CoapMessage, number: number): readonly string[] {
  return message.options.filter((option) => option.number === number).map(({ value }) => new TextDecoder().decode(value))
}

/** Independent of how the CBOR is written. */
function meaning(payload: Uint8Array): string {
  if (payload.length === 0) return ''
  const show = (value: CborValue): unknown => {
    if (value instanceof Map) return [...(value as ReadonlyMap<unknown, CborValue>)].map(([key, item]) => [String(key), show(item)]).sort()
    if (value instanceof Uint8Array) return toHex(value)
    if (Array.isArray(value)) return (value as readonly CborValue[]).map(show)
    return typeof value === 'bigint' ? String(value) : value
  }
  return JSON.stringify(show(decodeCbor(payload)))
}

export class RecordedDevice {
  readonly #left: Recorded[]
  readonly asked: string[] = []

  /** Requests that went to `to`. */
  constructor(file: string, to: string) {
    this.#left = exchangesOf(file).filter((exchange) => exchange.to === to)
  }

  get client(): CoapClient {
    return {
      channelId: 'recorded',
      request: (_, request) => Promise.resolve(this.#answer(request)),
      groupRequest: () => {
        throw new TypeError('The recorded device takes no group request')
      },
      groupRequestBytes: () => 0,
    }
  }

  #answer(request: ClientRequest): ClientResponse {
    const wanted = keyOf(
      `0.0${['GET', 'POST', 'PUT', 'DELETE'].indexOf(request.method) + 1}`,
      request.path,
      request.query ?? [],
      request.payload,
    )
    this.asked.push(wanted)
    const index = this.#left.findIndex(
      ({ request: { code, payload }, request: message }) =>
        keyOf(code, texts(message, URI_PATH), texts(message, URI_QUERY), payload) === wanted,
    )
    const found = this.#left[index]
    if (found?.answer === undefined) throw new TypeError(`Not recorded: ${wanted}`)
    // Reads may come again; what changes the device happened once.
    if (request.method !== 'GET') this.#left.splice(0, index + 1)
    const { code, options, payload } = found.answer
    return {
      code,
      options,
      payload,
      contentFormat: undefined,
      source: { address: 'fd01:db8::2', port: 5683 },
      elapsedMs: 1,
    } as ClientResponse
  }
}

function keyOf(code: string, path: readonly string[], query: readonly string[], payload: Uint8Array | undefined): string {
  return `${code} /${path.join('/')}${query.length === 0 ? '' : `?${query.join('&')}`} ${meaning(payload ?? new Uint8Array(0))}`
}
