// Who forwards for whom: routers are chosen so that everybody hears one, the others are their children, and paths cost least (ETX).
import type { Links } from './links.ts'

export interface NodeKind {
  /** Mains-powered: listens always and may become a router. */
  readonly isMains: boolean
}

export interface Routes {
  readonly routers: ReadonlySet<number>
  /** The router of a child; undefined for routers and for nodes that nobody hears. */
  parentOf(node: number): number | undefined
  childrenOf(router: number): readonly number[]
  /** Where a frame for `to` goes next from `at`; undefined where there is no path. */
  nextHop(at: number, to: number): number | undefined
  hops(from: number, to: number): number
}

const ROOT = 0
/** A link worth attaching over. */
const GOOD_RATE = 0.9
/** Routers beyond those that coverage needs, so that no single one carries a whole floor (Thread upgrades up to 16). */
const WANTED_ROUTERS = 16

export function planRoutes(links: Links, kinds: readonly NodeKind[], isPowered: (node: number) => boolean, mostRouters: number): Routes {
  const nodes = kinds.map((_, index) => index).filter((node) => isPowered(node))
  const isGood = (a: number, b: number): boolean => links.rate(a, b) >= GOOD_RATE
  const around = new Map(nodes.map((node) => [node, links.hearers(node).filter((other) => isPowered(other) && isGood(node, other))]))
  const routers = chooseRouters(nodes, around, kinds, mostRouters)
  const parents = new Map<number, number>()
  const children = new Map<number, number[]>()
  for (const node of nodes) {
    if (routers.has(node)) continue
    const parent = bestParent(node, routers, links)
    if (parent === undefined) continue
    parents.set(node, parent)
    children.set(parent, [...(children.get(parent) ?? []), node])
  }
  const paths = new Map([...routers].map((router) => [router, pathsTo(router, routers, links)]))

  const nextHop = (at: number, to: number): number | undefined => {
    if (parents.get(to) === at) return to
    if (!routers.has(at)) return parents.get(at)
    const router = routers.has(to) ? to : parents.get(to)
    return router === undefined ? undefined : paths.get(router)?.get(at)
  }
  return {
    routers,
    parentOf: (node) => parents.get(node),
    childrenOf: (router) => children.get(router) ?? [],
    nextHop,
    hops: (from, to) => {
      let count = 0
      for (let at: number | undefined = from; at !== undefined && at !== to && count <= nodes.length; count++) at = nextHop(at, to)
      return count
    },
  }
}

function chooseRouters(
  nodes: readonly number[],
  around: ReadonlyMap<number, readonly number[]>,
  kinds: readonly NodeKind[],
  mostRouters: number,
): ReadonlySet<number> {
  const routers = new Set<number>([ROOT])
  const covers = new Map(nodes.map((node) => [node, 0]))
  const cover = (router: number): void => {
    for (const other of [router, ...(around.get(router) ?? [])]) covers.set(other, (covers.get(other) ?? 0) + 1)
  }
  cover(ROOT)
  for (let wanted = 1; wanted <= 2; wanted++) {
    while (routers.size < (wanted === 1 ? mostRouters : Math.min(mostRouters, WANTED_ROUTERS))) {
      const best = bestRouter(nodes, around, kinds, routers, covers, wanted)
      if (best === undefined) break
      routers.add(best)
      cover(best)
    }
  }
  return routers
}

/** The mains-powered node, heard by a router already, that brings most nodes to `wanted` routers in range. */
function bestRouter(
  nodes: readonly number[],
  around: ReadonlyMap<number, readonly number[]>,
  kinds: readonly NodeKind[],
  routers: ReadonlySet<number>,
  covers: ReadonlyMap<number, number>,
  wanted: number,
): number | undefined {
  let best: { readonly node: number; readonly gain: number } | undefined
  for (const node of nodes) {
    if (kinds[node]?.isMains !== true || routers.has(node) || (covers.get(node) ?? 0) === 0) continue
    const gain = (around.get(node) ?? []).filter((other) => (covers.get(other) ?? 0) < wanted).length
    if (gain > (best?.gain ?? 0)) best = { node, gain }
  }
  return best?.node
}

/** The strongest router; over a poor link where there is no better one. */
function bestParent(node: number, routers: ReadonlySet<number>, links: Links): number | undefined {
  let best: number | undefined
  for (const router of routers) {
    if (links.rate(node, router) > 0 && (best === undefined || links.rssiDbm(node, router) > links.rssiDbm(node, best))) best = router
  }
  return best
}

/** For each router the next one towards `target` (Dijkstra over expected transmissions). */
function pathsTo(target: number, routers: ReadonlySet<number>, links: Links): ReadonlyMap<number, number> {
  const next = new Map<number, number>()
  const costs = new Map<number, number>([[target, 0]])
  const open = new Set(routers)
  while (open.size > 0) {
    let nearest: number | undefined
    for (const router of open) {
      const cost = costs.get(router)
      if (cost !== undefined && (nearest === undefined || cost < (costs.get(nearest) ?? Infinity))) nearest = router
    }
    if (nearest === undefined) break
    open.delete(nearest)
    for (const router of open) {
      const rate = links.rate(router, nearest)
      if (rate < GOOD_RATE / 2) continue
      const cost = (costs.get(nearest) ?? 0) + 1 / (rate * rate)
      if (cost < (costs.get(router) ?? Infinity)) {
        costs.set(router, cost)
        next.set(router, nearest)
      }
    }
  }
  return next
}
