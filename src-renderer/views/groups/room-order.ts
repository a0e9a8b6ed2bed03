// The order in which rooms are walked, and the tree they form; used wherever devices stand "in room order".
import type { RoomRow } from '#contract/model.ts'

export interface RoomNode {
  readonly room: RoomRow
  readonly depth: number
  /** Names from the building down, e.g. `Main house › 2nd floor › 2.14`. */
  readonly path: string
  readonly children: readonly RoomNode[]
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' })

export function compareNames(a: string, b: string): number {
  return collator.compare(a, b)
}

/** The tree of rooms. A room whose parent is missing stands at the top, so that none is ever lost from sight. */
export function buildRoomTree(rooms: Iterable<RoomRow>): readonly RoomNode[] {
  const all = [...rooms]
  const byId = new Map(all.map((room) => [room.id, room]))
  const byParent = new Map<string | null, RoomRow[]>()
  for (const room of all) {
    const parent = room.parentId !== null && byId.has(room.parentId) ? room.parentId : null
    const siblings = byParent.get(parent)
    if (siblings === undefined) byParent.set(parent, [room])
    else siblings.push(room)
  }
  const reached = new Set<string>()
  const grow = (parent: string | null, depth: number, path: string): RoomNode[] =>
    (byParent.get(parent) ?? [])
      .filter((room) => !reached.has(room.id))
      .sort((a, b) => a.position - b.position || compareNames(a.name, b.name))
      .map((room) => {
        reached.add(room.id)
        const own = path === '' ? room.name : `${path} › ${room.name}`
        return { room, depth, path: own, children: grow(room.id, depth + 1, own) }
      })
  const top = grow(null, 0, '')
  // Rooms that only hang from each other are shown at the top rather than not at all.
  for (const room of all) {
    if (reached.has(room.id)) continue
    reached.add(room.id)
    top.push({ room, depth: 0, path: room.name, children: grow(room.id, 1, room.name) })
  }
  return top
}

/** Depth first, parents before their children. */
export function walkRooms(tree: readonly RoomNode[]): readonly RoomNode[] {
  const out: RoomNode[] = []
  const visit = (nodes: readonly RoomNode[]): void => {
    for (const node of nodes) {
      out.push(node)
      visit(node.children)
    }
  }
  visit(tree)
  return out
}

/** Ids of a room and of everything below it. */
export function roomAndBelow(tree: readonly RoomNode[], roomId: string): ReadonlySet<string> {
  const start = walkRooms(tree).find((node) => node.room.id === roomId)
  return new Set(start === undefined ? [] : walkRooms([start]).map((node) => node.room.id))
}

export interface RoomIndex {
  readonly nodes: readonly RoomNode[]
  /** Place in the walk; devices without a room come last. */
  rank(roomId: string | null): number
  node(roomId: string | null): RoomNode | undefined
}

export function indexRooms(rooms: Iterable<RoomRow>): RoomIndex {
  const nodes = walkRooms(buildRoomTree(rooms))
  const rankOf = new Map(nodes.map((node, rank) => [node.room.id, rank]))
  const last = nodes.length
  return {
    nodes,
    rank: (roomId) => (roomId === null ? last : (rankOf.get(roomId) ?? last)),
    node: (roomId) => {
      const rank = roomId === null ? undefined : rankOf.get(roomId)
      return rank === undefined ? undefined : nodes[rank]
    },
  }
}
