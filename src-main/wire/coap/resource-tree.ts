// Resources by path, and the description of them that `/.well-known/core` gives (RFC 7252 §7, RFC 6690 §4).
import { AppError, utf8 } from '#main/base/index.ts'
import { formatLinkFormat, linkMatches } from './link-format.ts'
import { ContentFormat } from './options.ts'
import type { IncomingRequest, Link, OutgoingResponse, Resource, ResourceRegistry } from './types.ts'

/** Links that are no resources of the tree, or depend on who asks. */
export type LinkSource = (request: IncomingRequest) => readonly Link[]

interface Node {
  readonly children: Map<string, Node>
  resource: Resource | undefined
}

const WELL_KNOWN_CORE = '/.well-known/core'

export class ResourceTree implements ResourceRegistry {
  readonly #root: Node = { children: new Map(), resource: undefined }
  readonly #links = new Map<string, Link>()
  readonly #furtherLinks = new Set<LinkSource>()
  /** The whole description, until a resource comes or goes. */
  #description: Uint8Array | undefined

  constructor() {
    this.add(WELL_KNOWN_CORE, { handlers: { GET: (request) => this.#describe(request) }, answersGroupRequests: true })
  }

  add(path: string, resource: Resource): () => void {
    const node = this.#nodeAt(path)
    if (node.resource !== undefined) throw new AppError('internal', 'Two resources at one path', { details: { path } })
    node.resource = resource
    const { attributes } = resource
    if (attributes !== undefined) {
      // RFC 7641 §6: a hint that the resource is useful to observe.
      const hint = resource.observable === undefined ? {} : { obs: null }
      const link: Link = { href: path, attributes: Object.entries({ ...hint, ...attributes }).map(([name, value]) => ({ name, value })) }
      formatLinkFormat([link])
      this.#links.set(path, link)
    }
    this.#description = undefined
    return () => this.#remove(path, resource)
  }

  /** Asked at each request for `/.well-known/core`; queries filter its links as they do the others. */
  addLinks(source: LinkSource): () => void {
    this.#furtherLinks.add(source)
    return () => this.#furtherLinks.delete(source)
  }

  /** The resource that serves the path: the one there, else the nearest above it that serves its subtree. */
  find(path: readonly string[]): Resource | undefined {
    let node: Node | undefined = this.#root
    let above = subtreeOf(node)
    for (const segment of path) {
      node = node.children.get(segment)
      if (node === undefined) return above
      above = subtreeOf(node) ?? above
    }
    return node.resource ?? above
  }

  #nodeAt(path: string): Node {
    if (!path.startsWith('/')) throw new AppError('internal', 'A resource path starts with a slash', { details: { path } })
    let node = this.#root
    for (const segment of segmentsOf(path)) {
      let child = node.children.get(segment)
      if (child === undefined) {
        child = { children: new Map(), resource: undefined }
        node.children.set(segment, child)
      }
      node = child
    }
    return node
  }

  #remove(path: string, resource: Resource): void {
    const way: Array<{ parent: Node; segment: string; node: Node }> = []
    let node = this.#root
    for (const segment of segmentsOf(path)) {
      const child = node.children.get(segment)
      if (child === undefined) return
      way.push({ parent: node, segment, node: child })
      node = child
    }
    // Another resource may have taken the place since.
    if (node.resource !== resource) return
    node.resource = undefined
    this.#links.delete(path)
    this.#description = undefined
    for (const step of way.reverse()) {
      if (step.node.resource !== undefined || step.node.children.size > 0) return
      step.parent.children.delete(step.segment)
    }
  }

  #describe(request: IncomingRequest): OutgoingResponse | undefined {
    if (request.accept !== undefined && request.accept !== ContentFormat.LINK_FORMAT) return { code: '4.06' }
    const further = [...this.#furtherLinks].flatMap((source) => source(request))
    const isWhole = request.query.length === 0 && further.length === 0
    const payload = isWhole ? this.#wholeDescription() : this.#filtered([...this.#links.values(), ...further], request.query)
    // Nobody is helped by many empty answers to one group request (RFC 6690 §4.1, groupcomm-bis §3.1.2).
    if (request.multicast && payload.length === 0) return undefined
    return { code: '2.05', payload, contentFormat: ContentFormat.LINK_FORMAT }
  }

  #wholeDescription(): Uint8Array {
    this.#description ??= utf8(formatLinkFormat([...this.#links.values()]))
    return this.#description
  }

  #filtered(links: readonly Link[], query: readonly string[]): Uint8Array {
    return utf8(formatLinkFormat(links.filter((link) => query.every((part) => linkMatches(link, part)))))
  }
}

function subtreeOf(node: Node): Resource | undefined {
  return node.resource?.subtree === true ? node.resource : undefined
}

/** `/` is the root, which has no segments (RFC 7252 §6.4). */
function segmentsOf(path: string): string[] {
  return path === '/' ? [] : path.slice(1).split('/')
}
