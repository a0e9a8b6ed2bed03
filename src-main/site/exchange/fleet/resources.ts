// What a device offers, read from its links (RFC 6690): which resources, of what kind, and what may be done with them.
import { linkAttribute, linkValues, parseLinkFormat, type Link } from '#main/wire/coap/index.ts'

export interface FleetResource {
  readonly path: string
  readonly types: readonly string[]
  readonly interfaces: readonly string[]
  readonly title: string | undefined
  readonly contentType: string
  readonly observable: boolean
  readonly readable: boolean
  readonly writable: boolean
}

/** Content-Formats that devices mostly have (IANA CoRE parameters). */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '0': 'text/plain',
  '40': 'application/link-format',
  '42': 'application/octet-stream',
  '50': 'application/json',
  '60': 'application/cbor',
  '110': 'application/senml+json',
  '112': 'application/senml+cbor',
}
const MOST_RESOURCES = 256
/** Interfaces that only read (draft-ietf-core-interfaces: sensor and read-only parameter); actuators and parameters are written, too. */
const READ_ONLY = new Set(['core.s', 'core.rp', 'core.ll', 'if.s', 'if.r', 'if.ll'])
const WRITABLE = new Set(['core.a', 'core.p', 'core.lb', 'core.b', 'if.a', 'if.p', 'if.lb', 'if.b'])

/** In the order of their paths. Links that cannot be read give none: the device said something that is none. */
export function resourcesOf(links: string | null): readonly FleetResource[] {
  let parsed: readonly Link[]
  try {
    parsed = links === null ? [] : parseLinkFormat(links)
  } catch {
    return []
  }
  const seen = new Map<string, FleetResource>()
  for (const link of parsed) {
    const path = pathOf(link)
    if (path !== undefined && !seen.has(path) && seen.size < MOST_RESOURCES) seen.set(path, resourceOf(link, path))
  }
  return [...seen.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Of the device itself, and none of CoRE's own. */
function pathOf({ href, attributes }: Link): string | undefined {
  const isAnchored = attributes.some(({ name }) => name === 'anchor' || name === 'rel')
  return !isAnchored && /^\/[!-~]*$/.test(href) && !href.startsWith('//') && href !== '/.well-known/core' ? href : undefined
}

function resourceOf(link: Link, path: string): FleetResource {
  const interfaces = linkValues(link, 'if')
  const [format = ''] = linkValues(link, 'ct')
  return {
    path,
    types: linkValues(link, 'rt'),
    interfaces,
    title: linkAttribute(link, 'title') ?? undefined,
    contentType: CONTENT_TYPES[format] ?? 'application/octet-stream',
    observable: linkAttribute(link, 'obs') !== undefined,
    // Links say nothing of methods: reading is what every client may try.
    readable: true,
    writable: interfaces.some((each) => WRITABLE.has(each)) && !interfaces.some((each) => READ_ONLY.has(each)),
  }
}

/** A member's name from a path: `/sensors/temp` is `sensors_temp`. */
export function nameOfPath(path: string): string {
  const name = path
    .replace(/^\//, '')
    .replaceAll(/[^A-Za-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '')
  return name === '' ? 'root' : name
}

/** Names that differ, whatever the paths: a second one of a name gets a number. */
export function named<Value extends { readonly path: string }>(values: readonly Value[]): ReadonlyArray<readonly [string, Value]> {
  const taken = new Set<string>()
  return values.map((value) => {
    const base = nameOfPath(value.path)
    let name = base
    for (let number = 2; taken.has(name); number++) name = `${base}_${number}`
    taken.add(name)
    return [name, value] as const
  })
}
