// Concise problem details: why a request failed, for machines and people (RFC 9290 §2, §3, Appendix A).
import { AppError, CborTag, decodeCbor, encodeCbor, type CborKey, type CborValue } from '#main/base/index.ts'
import { isResponseCode } from './codes.ts'
import type { OutgoingResponse, ResponseCode } from './types.ts'

/** application/concise-problem-details+cbor */
export const PROBLEM_DETAILS = 257

export type Direction = 'ltr' | 'rtl' | 'auto'

/** A text in a language of its own (tag 38). */
export interface LanguageText {
  readonly text: string
  readonly language: string
  readonly direction?: Direction
}

export interface Problem {
  readonly title?: string | LanguageText
  readonly detail?: string | LanguageText
  readonly instance?: string
  readonly responseCode?: ResponseCode
  readonly baseUri?: string
  readonly baseLanguage?: string
  readonly baseDirection?: Direction
  /** Standard entries that are not named here, by their negative keys. */
  readonly standard?: ReadonlyMap<number, CborValue>
  /** Entries of applications, by number or URI. */
  readonly custom?: ReadonlyMap<number | string, ReadonlyMap<CborKey, CborValue>>
}

const TITLE = -1
const DETAIL = -2
const INSTANCE = -3
const RESPONSE_CODE = -4
const BASE_URI = -5
const BASE_LANGUAGE = -6
const BASE_DIRECTION = -7
const LANGUAGE_TAG = 38
/** Tags that entries of others may hold: times, URIs, UUIDs, language-tagged texts. */
const TAGS: readonly number[] = [0, 1, 32, 37, LANGUAGE_TAG]
const MAX_BYTES = 16 * 1024

export function encodeProblem(problem: Problem): Uint8Array {
  const entries = new Map<CborKey, CborValue>()
  const put = (key: CborKey, value: CborValue): void => {
    if (value !== undefined) entries.set(key, value)
  }
  put(TITLE, problem.title === undefined ? undefined : encodeText(problem.title))
  put(DETAIL, problem.detail === undefined ? undefined : encodeText(problem.detail))
  put(INSTANCE, problem.instance)
  put(RESPONSE_CODE, problem.responseCode === undefined ? undefined : numberOfCode(problem.responseCode))
  put(BASE_URI, problem.baseUri)
  put(BASE_LANGUAGE, problem.baseLanguage)
  put(BASE_DIRECTION, problem.baseDirection === undefined ? undefined : directionValue(problem.baseDirection))
  for (const [key, value] of problem.standard ?? []) {
    if (key >= 0 || key >= BASE_DIRECTION) throw invalid('a standard entry with a key that is taken')
    put(key, value)
  }
  for (const [key, value] of problem.custom ?? []) {
    if (typeof key === 'number' && key < 0) throw invalid('a custom entry with a negative key')
    if (value.size === 0) throw invalid('a custom entry without content')
    put(key, value)
  }
  if (entries.size === 0) throw invalid('nothing is said')
  return encodeCbor(entries)
}

/** Fails with `cbor.invalid` for anything that is no problem details item. Entries unknown here are kept (§3). */
export function decodeProblem(bytes: Uint8Array): Problem {
  const entries = decodeCbor(bytes, { maxBytes: MAX_BYTES, tags: TAGS })
  if (!(entries instanceof Map) || entries.size === 0) throw invalid('not a map with entries')
  const problem: { -readonly [Key in keyof Problem]: Problem[Key] } = {}
  const standard = new Map<number, CborValue>()
  const custom = new Map<number | string, ReadonlyMap<CborKey, CborValue>>()
  for (const [key, value] of mapEntries(entries)) {
    switch (key) {
      case TITLE:
        problem.title = decodeText(value)
        break
      case DETAIL:
        problem.detail = decodeText(value)
        break
      case INSTANCE:
        problem.instance = textOf(value)
        break
      case RESPONSE_CODE:
        problem.responseCode = codeOfNumber(value)
        break
      case BASE_URI:
        problem.baseUri = textOf(value)
        break
      case BASE_LANGUAGE:
        problem.baseLanguage = textOf(value)
        break
      case BASE_DIRECTION:
        problem.baseDirection = directionOf(value)
        break
      default:
        if (typeof key === 'bigint') throw invalid('a key out of range')
        if (typeof key === 'number' && key < 0) standard.set(key, value)
        else custom.set(key, customEntry(value))
    }
  }
  if (standard.size > 0) problem.standard = standard
  if (custom.size > 0) problem.custom = custom
  return problem
}

/** An error response with its reasons; the response code is repeated in them. */
export function problemResponse(code: ResponseCode, problem: Omit<Problem, 'responseCode'>): OutgoingResponse {
  return { code, payload: encodeProblem({ ...problem, responseCode: code }), contentFormat: PROBLEM_DETAILS }
}

function encodeText(text: string | LanguageText): CborValue {
  if (typeof text === 'string') return text
  const parts: CborValue[] = [text.language, text.text]
  if (text.direction !== undefined) parts.push(directionValue(text.direction))
  return new CborTag(LANGUAGE_TAG, parts)
}

function decodeText(value: CborValue): string | LanguageText {
  if (typeof value === 'string') return value
  if (!(value instanceof CborTag) || value.tag !== LANGUAGE_TAG) throw invalid('no text')
  const parts = listOf(value.value)
  if (parts.length < 2 || parts.length > 3) throw invalid('no language-tagged text')
  const [language, text, direction] = parts
  if (typeof language !== 'string' || typeof text !== 'string') throw invalid('no language-tagged text')
  return parts.length === 2 ? { text, language } : { text, language, direction: directionOf(direction) }
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid('no language-tagged text')
  return value
}

function textOf(value: CborValue): string {
  if (typeof value !== 'string') throw invalid('no text')
  return value
}

function directionValue(direction: Direction): boolean | null {
  return direction === 'auto' ? null : direction === 'rtl'
}

function directionOf(value: unknown): Direction {
  if (value === null) return 'auto'
  if (typeof value !== 'boolean') throw invalid('no direction')
  return value ? 'rtl' : 'ltr'
}

/** `4.04` is 132 (§2). */
function numberOfCode(code: ResponseCode): number {
  return Number(code[0]) * 32 + Number(code.slice(2))
}

function codeOfNumber(value: CborValue): ResponseCode {
  if (typeof value !== 'number' || value < 0 || value > 255) throw invalid('no response code')
  const code = `${value >> 5}.${String(value & 31).padStart(2, '0')}`
  if (!isResponseCode(code)) throw invalid('no response code')
  return code
}

function customEntry(value: CborValue): ReadonlyMap<CborKey, CborValue> {
  if (!(value instanceof Map) || value.size === 0) throw invalid('a custom entry is a map with entries')
  return new Map(mapEntries(value))
}

function mapEntries(map: ReadonlyMap<CborKey, CborValue>): Iterable<[CborKey, CborValue]> {
  return map.entries()
}

function invalid(reason: string): AppError {
  return new AppError('cbor.invalid', `Invalid problem details: ${reason}`)
}
