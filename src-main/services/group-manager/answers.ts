// Responses and errors of the Group Manager (RFC 9594 §4.1.2, key-groupcomm-oscore-21 §13).
import { encodeCbor, type CborValue } from '#main/base/index.ts'
import {
  ContentFormat,
  encodeProblem,
  PROBLEM_DETAILS,
  type CoapOption,
  type OutgoingResponse,
  type ResponseCode,
} from '#main/wire/coap/index.ts'
import { AceFormat, ERROR_TITLES, type ErrorId, PROBLEM_ENTRY, PROBLEM_ERROR_ID } from './labels.ts'
import { encodeEntries, type Entries } from './payloads.ts'

const CODES: Readonly<Record<ErrorId, ResponseCode>> = {
  0: '4.03',
  1: '4.00',
  2: '4.00',
  3: '4.00',
  4: '5.03',
  5: '4.04',
  6: '4.04',
  7: '4.00',
  8: '4.03',
  9: '5.03',
  10: '4.00',
  11: '5.03',
  12: '5.03',
}

/** The error with its identifier as problem details. */
export function groupcommError(id: ErrorId, detail?: string): OutgoingResponse {
  const payload = encodeProblem({
    title: ERROR_TITLES[id],
    ...(detail === undefined ? {} : { detail }),
    custom: new Map([[PROBLEM_ENTRY, new Map([[PROBLEM_ERROR_ID, id]])]]),
  })
  return { code: CODES[id], payload, contentFormat: PROBLEM_DETAILS }
}

/** A request that is not as it has to be, where nothing better is to be said. */
export function malformed(detail: string): OutgoingResponse {
  return { code: '4.00', payload: encodeProblem({ title: 'Bad Request', detail }), contentFormat: PROBLEM_DETAILS }
}

export function groupcomm(code: ResponseCode, entries: Entries, options: readonly CoapOption[] = []): OutgoingResponse {
  return { code, payload: encodeEntries(entries), contentFormat: AceFormat.GROUPCOMM, options }
}

/** Nothing is found: an empty byte string stands for the map. */
export function groupcommNothing(): OutgoingResponse {
  return { code: '2.05', payload: encodeCbor(new Uint8Array(0)), contentFormat: AceFormat.GROUPCOMM }
}

export function cborItem(value: CborValue): OutgoingResponse {
  return { code: '2.05', payload: encodeCbor(value), contentFormat: ContentFormat.CBOR }
}
