// The roll call: members in room order with what each of them did, and the sums that are read from it.
import type { ApplicationGroupRow, DeviceRow, DeviceType, MemberVerdict, MembershipRow, TestMember, TestRunRow } from '#contract/model.ts'
import { compareNames, type RoomIndex } from '../groups/room-order.ts'

export interface Tile {
  readonly deviceId: string
  readonly name: string
  readonly device: DeviceRow | undefined
  readonly member: TestMember | undefined
}
export interface TileRoom {
  readonly key: string
  /** Null: no room. */
  readonly path: string | null
  readonly tiles: readonly Tile[]
}

/** Tiles of the run's members, or of the group's wanted members before the first run. */
export function rollCall(
  group: ApplicationGroupRow | undefined,
  run: TestRunRow | undefined,
  memberships: Iterable<MembershipRow>,
  devices: ReadonlyMap<string, DeviceRow>,
  rooms: RoomIndex,
): readonly TileRoom[] {
  const tiles: Tile[] = []
  if (run !== undefined) {
    for (const member of run.members) {
      const device = devices.get(member.deviceId)
      tiles.push({ deviceId: member.deviceId, name: device?.name ?? member.deviceId, device, member })
    }
  } else if (group !== undefined) {
    for (const membership of memberships) {
      if (membership.groupId !== group.id || !membership.desired) continue
      const device = devices.get(membership.deviceId)
      tiles.push({ deviceId: membership.deviceId, name: device?.name ?? membership.deviceId, device, member: undefined })
    }
  }
  const rankOf = (tile: Tile): number => rooms.rank(tile.device?.roomId ?? null)
  tiles.sort((a, b) => rankOf(a) - rankOf(b) || compareNames(a.name, b.name))
  const byRoom = new Map<string, { path: string | null; tiles: Tile[] }>()
  for (const tile of tiles) {
    const node = rooms.node(tile.device?.roomId ?? null)
    const key = node?.room.id ?? '-'
    const there = byRoom.get(key)
    if (there === undefined) byRoom.set(key, { path: node?.path ?? null, tiles: [tile] })
    else there.tiles.push(tile)
  }
  return [...byRoom].map(([key, room]) => ({ key, ...room }))
}

export type Tally = Readonly<Record<MemberVerdict, number>>

export function tally(run: TestRunRow): Tally {
  const counts: Record<MemberVerdict, number> = {
    waiting: 0,
    heard: 0,
    'silent-changed': 0,
    'not-changed': 0,
    unreachable: 0,
    rejected: 0,
    unreadable: 0,
  }
  for (const member of run.members) counts[member.verdict]++
  return counts
}

/** How a verdict is judged: it did as told, nobody can say, or it did not. */
export function judgement(verdict: MemberVerdict): 'good' | 'doubtful' | 'bad' | 'waiting' {
  switch (verdict) {
    case 'heard':
      return 'good'
    case 'silent-changed':
    case 'unreadable':
      return 'doubtful'
    case 'not-changed':
    case 'unreachable':
    case 'rejected':
      return 'bad'
    case 'waiting':
      return 'waiting'
  }
}

/** Members that did as told: heard, seen to have changed by reading back, or by a person. */
export function reacted(run: TestRunRow): number {
  return run.members.filter(
    (member) => member.seen === true || (member.seen === null && (member.verdict === 'heard' || member.verdict === 'silent-changed')),
  ).length
}

/** Share of answers that were not heard over all repeats sent so far, 0 to 1; null before the first repeat. */
export function lossOf(run: TestRunRow): number | null {
  const due = run.repeat * run.members.length
  if (due === 0) return null
  const heard = run.members.reduce((sum, member) => sum + Math.min(member.heardCount, run.repeat), 0)
  return 1 - heard / due
}

/** Runs of a group, newest first. */
export function runsOf(runs: Iterable<TestRunRow>, groupId: string | null): readonly TestRunRow[] {
  if (groupId === null) return []
  return [...runs].filter((run) => run.groupId === groupId).sort((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1))
}

type Membership = Pick<MembershipRow, 'deviceId' | 'desired' | 'outcome' | 'at' | 'source'>

/** A group as it is now. */
export interface Standing {
  readonly uri: string
  readonly memberships: readonly Membership[]
  readonly typeOf: (deviceId: string) => DeviceType | undefined
}

/** What the runs of a group, newest first, say of it as it is now; the same rule as site/groups/proof.ts, tested with the same cases. */
export function groupStanding(runs: readonly TestRunRow[], group: Standing): 'none' | 'running' | 'good' | 'bad' {
  const [newest] = runs
  if (newest === undefined) return 'none'
  if (newest.state !== 'done' && newest.state !== 'failed') return 'running'
  const done = runs.find((run) => run.state === 'done' && run.failure === null)
  if (done === undefined) return 'bad'
  if (!isAsTested(done, group)) return 'none'
  return reacted(done) === done.members.length ? 'good' : 'bad'
}

/** Send requests and need not react to them. */
const SENDING: ReadonlySet<DeviceType> = new Set(['switch', 'presence-sensor', 'sensor'])

function isAsTested(run: TestRunRow, { uri, memberships, typeOf }: Standing): boolean {
  const [then, now] = [endpointOf(run.uri), endpointOf(uri)]
  if (then !== undefined && now !== undefined && then !== now) return false
  const isNewer = ({ at }: Membership): boolean => at > run.startedAt
  if (memberships.some((cell) => isNewer(cell) && !isConfirmation(cell))) return false
  const tested = new Set(run.members.map(({ deviceId }) => deviceId))
  const wanted = memberships.filter(({ desired }) => desired)
  if (!wanted.some(({ deviceId }) => tested.has(deviceId))) return false
  const isHidden = then === undefined || now === undefined
  if (isHidden && wanted.some((cell) => isNewer(cell) || cell.outcome !== 'confirmed')) return false
  const types = new Set([...tested].map(typeOf))
  return wanted.every((cell) => {
    const type = typeOf(cell.deviceId)
    return tested.has(cell.deviceId) || (type !== undefined && !types.has(type) && (SENDING.has(type) || !isNewer(cell)))
  })
}

function isConfirmation({ source, outcome }: Membership): boolean {
  return (source === 'verify' || source === 'test') && outcome === 'confirmed'
}

function endpointOf(uri: string): string | undefined {
  return /^coap:\/\/((?:\[[^\]]+\]|\d+(?:\.\d+){3})(?::\d+)?)(?:[/?]|$)/.exec(uri)?.[1]
}
