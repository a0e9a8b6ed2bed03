// Constrained Resource Identifiers as far as proxies speak of them: CRIs of the CoAP schemes, and references with authority or path
// (draft-ietf-core-href-30 §5.1, §8.1). Decoding is total and takes deterministic CBOR only, which also rules out indefinite lengths.
import { AppError, concatBytes, decodeCbor, encodeCbor, type CborValue } from '#main/base/index.ts'

/** Table 3 of href: the schemes of CoAP and their default ports. */
const SCHEMES = [
  { name: 'coap', number: 0, port: 5683 },
  { name: 'coaps', number: 1, port: 5684 },
  { name: 'coap+tcp', number: 6, port: 5683 },
  { name: 'coaps+tcp', number: 7, port: 5684 },
  { name: 'coap+ws', number: 24, port: 80 },
  { name: 'coaps+ws', number: 25, port: 443 },
] as const

export type CriScheme = (typeof SCHEMES)[number]['name']

export type CriHost =
  /** Four or sixteen bytes. */
  | { readonly kind: 'ip'; readonly bytes: Uint8Array; readonly zone?: string }
  /** Lower case, labels joined by dots. */
  | { readonly kind: 'name'; readonly name: string }

export interface CriAuthority {
  readonly host: CriHost
  /** Undefined: the scheme's own. */
  readonly port: number | undefined
}

export interface Cri {
  readonly scheme: CriScheme
  readonly authority: CriAuthority
  readonly path: readonly string[]
  readonly query: readonly string[]
}

/** A reference without scheme, query and fragment, which gives an authority, a path from the root, or both. */
export interface CriReference {
  readonly authority: CriAuthority | undefined
  readonly path: readonly string[] | undefined
}

const MAX_BYTES = 1034
/** The array, its authority or path, and what is in those. */
const MAX_DEPTH = 3

export function schemeOfNumber(number: number): CriScheme | undefined {
  return SCHEMES.find((scheme) => scheme.number === number)?.name
}

export function numberOfScheme(name: CriScheme): number {
  return SCHEMES.find((scheme) => scheme.name === name)?.number ?? 0
}

export function isCriScheme(name: string): name is CriScheme {
  return SCHEMES.some((scheme) => scheme.name === name)
}

export function defaultPortOf(name: CriScheme): number {
  return SCHEMES.find((scheme) => scheme.name === name)?.port ?? 5683
}

export function encodeCri(cri: Cri): Uint8Array {
  const { scheme, authority, path, query } = cri
  // The default port and trailing defaults are left off (§2 C7, §5.1).
  const port = authority.port === defaultPortOf(scheme) ? undefined : authority.port
  const sections: CborValue[] = [-1 - numberOfScheme(scheme), authorityItems({ host: authority.host, port })]
  if (path.length + query.length > 0) sections.push(path)
  if (query.length > 0) sections.push(query)
  return encodeCbor(sections)
}

/** Fails with `cbor.invalid`. */
export function decodeCri(bytes: Uint8Array): Cri {
  return readCri(decodeItem(bytes))
}

export function encodeCriReference(reference: CriReference): Uint8Array {
  const { authority, path } = reference
  if (authority === undefined) return encodeCbor([true, path ?? []])
  return encodeCbor(path === undefined ? [null, authorityItems(authority)] : [null, authorityItems(authority), path])
}

/** Fails with `cbor.invalid`. */
export function decodeCriReference(bytes: Uint8Array): CriReference {
  return readReference(decodeItem(bytes))
}

/** One or two items behind one another (RFC 8742), as the value of Reply-From is made. Fails with `cbor.invalid`. */
export function decodeCriSequence(bytes: Uint8Array): { readonly cri: Cri; readonly reference: CriReference | undefined } {
  const items = decodeSequence(bytes)
  const [first, second] = items
  if (first === undefined) throw invalid('an empty sequence')
  return { cri: readCri(first), reference: second === undefined ? undefined : readReference(second) }
}

/** Read as the array that the sequence would be with a head before it, so that one walk checks all of it. */
function decodeSequence(bytes: Uint8Array): readonly CborValue[] {
  let failure: unknown
  for (const count of [1, 2]) {
    try {
      const value = decodeCbor(concatBytes(Uint8Array.of(0x80 + count), bytes), {
        maxBytes: MAX_BYTES + 1,
        maxDepth: MAX_DEPTH + 1,
        deterministic: true,
      })
      return arrayOf(value)
    } catch (thrown) {
      failure = thrown
    }
  }
  throw invalid('no sequence of one or two items', failure)
}

function decodeItem(bytes: Uint8Array): CborValue {
  return decodeCbor(bytes, { maxBytes: MAX_BYTES, maxDepth: MAX_DEPTH, deterministic: true })
}

function readCri(value: CborValue): Cri {
  const [scheme, authority, path, query, fragment, ...rest] = arrayOf(value)
  if (rest.length > 0) throw invalid('too many sections')
  if (fragment !== undefined && fragment !== null) throw invalid('a fragment')
  if (typeof scheme !== 'number') throw invalid('no scheme number')
  const name = schemeOfNumber(-1 - scheme)
  if (name === undefined) throw invalid('a scheme that is not of CoAP')
  const read = readAuthority(authority)
  const port = read.port === defaultPortOf(name) ? undefined : read.port
  return { scheme: name, authority: { host: read.host, port }, path: textsOf(path) ?? [], query: textsOf(query) ?? [] }
}

function readReference(value: CborValue): CriReference {
  const [first, second, third, query, fragment, ...rest] = arrayOf(value)
  const beyond = first === null ? [query, fragment, ...rest] : [third, query, fragment, ...rest]
  if (beyond.some((section) => section !== undefined && section !== null)) throw invalid('a query or fragment in a reference')
  const isNetworkPath = first === null
  if (!isNetworkPath && first !== true) throw invalid('a reference that is relative to a path')
  const authority = isNetworkPath && second !== null && second !== undefined ? readAuthority(second) : undefined
  const path = textsOf(isNetworkPath ? third : second)
  if (authority === undefined && path === undefined) throw invalid('a reference with neither authority nor path')
  return { authority, path }
}

function readAuthority(value: CborValue): CriAuthority {
  const items = [...arrayOf(value)]
  const last = items.at(-1)
  let port: number | undefined
  if (typeof last === 'number') {
    if (last < 0 || last > 65_535) throw invalid('a port out of range')
    port = last
    items.pop()
  }
  const [first, zone, ...rest] = items
  if (first instanceof Uint8Array) {
    if ((first.length !== 4 && first.length !== 16) || rest.length > 0) throw invalid('an address of a wrong length')
    if (zone === undefined) return { host: { kind: 'ip', bytes: first }, port }
    if (typeof zone !== 'string') throw invalid('a zone that is no text')
    return { host: { kind: 'ip', bytes: first, zone }, port }
  }
  const labels = textsOf(items)
  // A dot inside a label would be a label more once the name is written out; an empty host is of no use to a proxy.
  if (labels === undefined || labels.length === 0 || labels.some((label) => label === '' || label.includes('.'))) throw invalid('no host')
  return { host: { kind: 'name', name: labels.join('.') }, port }
}

function authorityItems(authority: CriAuthority): readonly CborValue[] {
  const { host, port } = authority
  const items: CborValue[] = host.kind === 'name' ? [...host.name.split('.')] : [host.bytes]
  if (host.kind === 'ip' && host.zone !== undefined) items.push(host.zone)
  if (port !== undefined) items.push(port)
  return items
}

function arrayOf(value: CborValue): readonly CborValue[] {
  if (!isArray(value)) throw invalid('not an array')
  return value
}

function isArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value)
}

/** Undefined where the section is not set. */
function textsOf(value: CborValue): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  return arrayOf(value).map((item) => {
    if (typeof item !== 'string') throw invalid('an item that is no text')
    return item
  })
}

function invalid(what: string, cause?: unknown): AppError {
  return new AppError('cbor.invalid', `Not a CRI: ${what}`, { cause })
}
