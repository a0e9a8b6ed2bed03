// Names of application groups in group requests, by every method of draft-ietf-core-groupcomm-bis Appendix B: -18 B.1 to B.3, and
// -11 B.4 (host), B.5 (port) and B.6 (custom option). Pure; the server side reads what the client side writes.
import { AppError, utf8 } from '#main/base/index.ts'
import { COAPS_PORT, formatAuthority, isIpLiteral, parseAuthority, type GroupTarget } from './group-uri.ts'
import { findStrings, optionFormat, stringOption } from './options.ts'

export type GroupNaming =
  /** `/<base>/gp/APPNAME/resource` (-18 Figures 8 and 9); `base` is what stands before the delimiter. */
  | { readonly method: 'path'; readonly delimiter: string; readonly base?: readonly string[] }
  /** `?APPNAME`: the one parameter of the query (-18 Figure 10). */
  | { readonly method: 'query' }
  /** `?gp=APPNAME`, among others (-18 Figure 11). */
  | { readonly method: 'query-parameter'; readonly indicator: string }
  /** Host and port together (-18 Figure 12). */
  | { readonly method: 'authority' }
  /** The host as a whole (-11 Figure 8). */
  | { readonly method: 'host' }
  /** The leftmost label of the host, before a domain that is the same for all (-18 Figure 13). */
  | { readonly method: 'host-label'; readonly domain: string }
  /** The port as a number (-18 Figure 14), or as a name that is agreed for it (-11 Figure 9). */
  | { readonly method: 'port'; readonly names?: ReadonlyMap<string, number> }
  /** An option of one's own (-11 Figure 10). */
  | { readonly method: 'option'; readonly number: number }

export interface NamedTarget {
  readonly name: string
  /** The target as it is without the name: for a path the resource below the group. */
  readonly target: GroupTarget
}

const MAX_PART_BYTES = 255
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** The target with the name in it. Fails with `group.name-invalid` where the method cannot carry the name, with `group.port-reserved` for port 5684. */
export function encodeGroupName(naming: GroupNaming, name: string, target: GroupTarget): GroupTarget {
  switch (naming.method) {
    case 'path':
      if (name === '.' || name === '..') throw invalid(name, 'A path segment is never "." or ".."')
      return { ...target, path: [...(naming.base ?? []), naming.delimiter, fitting(name, name), ...target.path] }
    case 'query':
      if (target.query.length > 0) throw invalid(name, 'The name is the only parameter of the query')
      if (name.includes('=')) throw invalid(name, 'A parameter without value has no equals sign')
      return { ...target, query: [fitting(name, name)] }
    case 'query-parameter':
      if (name === '') throw invalid(name, 'The name is empty')
      if (target.query.some((part) => part.startsWith(`${naming.indicator}=`))) throw invalid(name, 'The query names a group already')
      return { ...target, query: [...target.query, fitting(`${naming.indicator}=${name}`, name)] }
    case 'authority': {
      const authority = parseAuthority(name)
      if (authority === undefined) throw invalid(name, 'Not an authority')
      return { ...target, ...withPort(authority.port), host: authority.host }
    }
    case 'host': {
      const authority = parseAuthority(name.includes(':') ? `[${name}]` : name)
      if (authority === undefined || name.includes('%')) throw invalid(name, 'Not a host')
      return { ...target, host: authority.host }
    }
    case 'host-label':
      if (!LABEL.test(name)) throw invalid(name, 'Not a label of a host name')
      return { ...target, host: fitting(`${name}.${naming.domain.toLowerCase()}`, name) }
    case 'port': {
      const port = naming.names === undefined ? portNumber(name) : naming.names.get(name)
      if (port === undefined) throw invalid(name, 'No port goes by that name')
      return { ...target, ...withPort(port) }
    }
    case 'option':
      if (optionFormat(naming.number) !== undefined) throw invalid(name, 'The option number has another meaning')
      return { ...target, options: [...target.options, stringOption(naming.number, fitting(name, name))] }
  }
}

/** The name in a target and the target without it; undefined where there is none. Never fails. */
export function decodeGroupName(naming: GroupNaming, target: GroupTarget): NamedTarget | undefined {
  switch (naming.method) {
    case 'path': {
      const base = naming.base ?? []
      const name = target.path[base.length + 1]
      const named = base.every((segment, index) => target.path[index] === segment) && target.path[base.length] === naming.delimiter
      if (!named || name === undefined || name === '') return undefined
      return { name, target: { ...target, path: target.path.slice(base.length + 2) } }
    }
    case 'query': {
      const [name, ...more] = target.query
      if (name === undefined || name === '' || more.length > 0 || name.includes('=')) return undefined
      return { name, target: { ...target, query: [] } }
    }
    case 'query-parameter': {
      const prefix = `${naming.indicator}=`
      const found = target.query.filter((part) => part.startsWith(prefix))
      const name = found[0]?.slice(prefix.length)
      if (name === undefined || name === '' || found.length > 1) return undefined
      return { name, target: { ...target, query: target.query.filter((part) => !part.startsWith(prefix)) } }
    }
    case 'authority':
      return { name: formatAuthority(target.host, target.port), target }
    case 'host':
      return { name: target.host, target }
    case 'host-label': {
      const suffix = `.${naming.domain.toLowerCase()}`
      const name = target.host.endsWith(suffix) ? target.host.slice(0, -suffix.length) : ''
      return isIpLiteral(target.host) || !LABEL.test(name) ? undefined : { name, target }
    }
    case 'port': {
      if (naming.names === undefined) return { name: String(target.port), target }
      for (const [name, port] of naming.names) if (port === target.port) return { name, target }
      return undefined
    }
    case 'option': {
      const names = findStrings(target.options, naming.number)
      const name = names?.[0]
      if (names === undefined || name === undefined || name === '' || names.length > 1) return undefined
      return { name, target: { ...target, options: target.options.filter((option) => option.number !== naming.number) } }
    }
  }
}

function fitting(part: string, name: string): string {
  if (name === '') throw invalid(name, 'The name is empty')
  if (!part.isWellFormed()) throw invalid(name, 'The name is not Unicode')
  if (utf8(part).length > MAX_PART_BYTES) throw invalid(name, 'The name is too long for an option')
  return part
}

function portNumber(name: string): number | undefined {
  const port = /^[1-9]\d{0,4}$/.test(name) ? Number(name) : undefined
  return port === undefined || port > 65_535 ? undefined : port
}

function withPort(port: number): { readonly port: number } {
  if (port === COAPS_PORT)
    throw new AppError('group.port-reserved', 'Port 5684 is for DTLS, which does not protect groups', { details: { port } })
  return { port }
}

function invalid(name: string, why: string): AppError {
  return new AppError('group.name-invalid', why, { details: { name: name.slice(0, 300) } })
}
