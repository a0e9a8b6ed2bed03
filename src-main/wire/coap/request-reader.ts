// A request message read as a request, with the checks of options that RFC 7252 §5.4 and §5.7.2 demand.
import { decodeUint } from '#main/base/index.ts'
import { methodOfCode } from './codes.ts'
import type { Origin } from './message-layer.ts'
import { isCritical, optionFormat, OptionNumber, optionText } from './options.ts'
import { abbreviatedPath } from './path-abbreviations.ts'
import type { CoapMessage, IncomingRequest, ResponseCode } from './types.ts'

export interface ReadRequest {
  readonly request: IncomingRequest
  /** Critical options whose meaning is up to the resource. */
  readonly conditional: readonly number[]
  /** Classes of responses that the client wants to be spared, as bits (RFC 7967 §2.1). */
  readonly noResponse: number
}

export interface Refusal {
  readonly refused: ResponseCode
}

/** Critical options that are honoured here for every resource. */
const HONOURED = new Set<number>([
  OptionNumber.URI_HOST,
  OptionNumber.URI_PORT,
  OptionNumber.URI_PATH,
  OptionNumber.URI_PATH_ABBREV,
  OptionNumber.URI_QUERY,
  OptionNumber.ACCEPT,
  OptionNumber.BLOCK1,
  OptionNumber.BLOCK2,
])

const NO_NUMBERS: readonly number[] = []

export function readRequest(message: CoapMessage, origin: Origin, channelId: string): ReadRequest | Refusal {
  const method = methodOfCode(message.code)
  if (method === undefined) return { refused: '4.05' }
  let path: string[] = []
  let abbreviated: readonly string[] | undefined
  const query: string[] = []
  let contentFormat: number | undefined
  let accept: number | undefined
  let noResponse = 0
  let conditional: number[] | undefined
  let refused: ResponseCode | undefined
  let before = -1
  for (const { number, value } of message.options) {
    const format = optionFormat(number)
    // One too many, or of a wrong length, is treated as unknown (§5.4.3, §5.4.5); unknown elective options are ignored (§5.4.1).
    const sound =
      format !== undefined && value.length >= format.minBytes && value.length <= format.maxBytes && (format.repeatable || number !== before)
    before = number
    if (!sound) {
      if (isCritical(number)) {
        if (format === undefined) (conditional ??= []).push(number)
        else refused ??= '4.02'
      }
      continue
    }
    switch (number) {
      case OptionNumber.URI_PATH:
      case OptionNumber.URI_QUERY: {
        const text = optionText(value)
        if (text === undefined) refused ??= '4.02'
        else (number === OptionNumber.URI_PATH ? path : query).push(text)
        break
      }
      case OptionNumber.URI_PATH_ABBREV:
        // Never 4.04 for a number that is not known: the path may well be here (draft-ietf-core-uri-path-abbrev-05 §2.1).
        abbreviated = abbreviatedPath(decodeUint(value))
        if (abbreviated === undefined) refused ??= '4.02'
        break
      case OptionNumber.CONTENT_FORMAT:
        contentFormat = decodeUint(value)
        break
      case OptionNumber.ACCEPT:
        accept = decodeUint(value)
        break
      case OptionNumber.NO_RESPONSE:
        noResponse = decodeUint(value)
        break
      case OptionNumber.PROXY_URI:
      case OptionNumber.PROXY_SCHEME:
      case OptionNumber.PROXY_CRI:
      case OptionNumber.PROXY_SCHEME_NUMBER:
        // This endpoint is an origin server (§5.7.2).
        refused = '5.05'
        break
      default:
        if (isCritical(number) && !HONOURED.has(number)) (conditional ??= []).push(number)
    }
  }
  if (refused !== undefined) return { refused }
  if (abbreviated !== undefined) {
    if (path.length > 0) return { refused: '4.02' }
    path = [...abbreviated]
  }
  return {
    request: {
      method,
      path,
      query,
      payload: message.payload,
      contentFormat,
      accept,
      options: message.options,
      source: origin.source,
      destination: origin.destination,
      multicast: origin.multicast,
      channelId,
      ...(origin.identity === undefined ? {} : { peer: origin.identity }),
    },
    conditional: conditional ?? NO_NUMBERS,
    noResponse,
  }
}

/** The No-Response bit of a response's class: 2 for 2.xx, 8 for 4.xx, 16 for 5.xx (RFC 7967 §2.1). */
export function noResponseBit(code: ResponseCode): number {
  return 1 << (Number(code[0]) - 1)
}
