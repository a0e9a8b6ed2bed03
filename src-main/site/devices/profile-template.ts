// Request templates of declarative profiles: placeholders in path segments, queries and payloads (docs/device-profiles.md).
import { AppError, utf8, type JsonValue } from '#main/base/index.ts'
import type { ClientRequest, Method } from '#main/wire/coap/index.ts'
import { isJsonArray } from './json-pointer.ts'

/** A request as a profile writes it; at most one of `json` and `text` is there. */
export interface RequestTemplate {
  readonly method: Method
  readonly path: string
  readonly query?: readonly string[] | undefined
  readonly json?: JsonValue | undefined
  readonly text?: string | undefined
  readonly accept?: number | undefined
}

/** What placeholders stand for, by name without braces. */
export type PlaceholderValues = Readonly<Record<string, string | number>>

/** `{name}`, or a doubled brace that stands for itself. */
const TOKEN = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g
/** Content-Formats of RFC 7252 §12.3. */
const TEXT_PLAIN = 0
const APPLICATION_JSON = 50
/** Longest Uri-Path and Uri-Query value (RFC 7252 §5.10). */
const LONGEST_OPTION_BYTES = 255

/** What is wrong with the placeholders of a template text, or undefined. */
export function templateFault(text: string, allowed: readonly string[]): string | undefined {
  for (const match of text.matchAll(TOKEN)) {
    const [token, name] = match
    if (token === '{{' || token === '}}') continue
    if (name === undefined) return `a lone ${token}; write ${token}${token} for the character itself`
    if (!allowed.includes(name)) {
      const choice = allowed.length === 0 ? 'none is known here' : `known here: ${allowed.map((known) => `{${known}}`).join(', ')}`
      return `unknown placeholder {${name}}; ${choice}`
    }
  }
  return undefined
}

function fill(text: string, values: PlaceholderValues): string {
  return text.replace(TOKEN, (token: string, name: string | undefined) => {
    if (token === '{{') return '{'
    if (token === '}}') return '}'
    return name === undefined ? token : String(values[name] ?? '')
  })
}

/** A string that is one placeholder and nothing else takes the value with its type, so that ports stay numbers. */
function fillJson(value: JsonValue, values: PlaceholderValues): JsonValue {
  if (typeof value === 'string') {
    const whole = /^\{([^{}]+)\}$/.exec(value)?.[1]
    return whole !== undefined && values[whole] !== undefined ? values[whole] : fill(value, values)
  }
  if (isJsonArray(value)) return value.map((item) => fillJson(item, values))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fillJson(item, values)]))
  }
  return value
}

/** The request with every placeholder filled in. Throws `group.name-invalid` where a value cannot stand in a path. */
export function renderRequest(template: RequestTemplate, values: PlaceholderValues): ClientRequest {
  // Segments are split before they are filled, so a name with a slash stays one segment.
  const path = template.path
    .split('/')
    .slice(1)
    .map((segment) => checkedSegment(fill(segment, values)))
  const payload = renderPayload(template, values)
  return {
    method: template.method,
    path: path.length === 1 && path[0] === '' ? [] : path,
    ...(template.query === undefined ? {} : { query: template.query.map((query) => fill(query, values)) }),
    ...(payload === undefined
      ? {}
      : { payload: utf8(payload), contentFormat: template.json === undefined ? TEXT_PLAIN : APPLICATION_JSON }),
    ...(template.accept === undefined ? {} : { accept: template.accept }),
  }
}

function renderPayload(template: RequestTemplate, values: PlaceholderValues): string | undefined {
  if (template.json !== undefined) return JSON.stringify(fillJson(template.json, values))
  return template.text === undefined ? undefined : fill(template.text, values)
}

/** RFC 7252 §5.10.1: no segment is `.` or `..`, and none is longer than 255 bytes. */
function checkedSegment(segment: string): string {
  if (segment === '.' || segment === '..' || utf8(segment).length > LONGEST_OPTION_BYTES) {
    throw new AppError('group.name-invalid', `"${segment.slice(0, 80)}" cannot be a segment of a CoAP path`, {
      details: { name: segment.slice(0, 300) },
    })
  }
  return segment
}

/** The request as a line for people: `PUT coap://device/groups/2.14-light  {"a":"ff35:…","p":5683}`. */
export function requestText(template: RequestTemplate, values: PlaceholderValues, host = 'device'): string {
  const request = renderRequest(template, values)
  const path = request.path.map((segment) => `/${encodeURIComponent(segment)}`).join('')
  const query =
    request.query === undefined ? '' : `?${request.query.map((part) => encodeURIComponent(part).replaceAll('%3D', '=')).join('&')}`
  const payload = renderPayload(template, values)
  return `${request.method} coap://${host}${path}${query}${payload === undefined ? '' : `  ${payload}`}`
}
