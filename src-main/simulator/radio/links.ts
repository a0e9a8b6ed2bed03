// Where the nodes are and how strongly they hear each other: log-distance path loss with walls, ceilings and shadowing, from a seed.
import { seededRandom } from '#main/base/index.ts'
import { receptionRate, SENSITIVITY_DBM } from './physics.ts'

export interface Place {
  readonly xM: number
  readonly yM: number
  readonly floor: number
  /** Places of one room have no wall between them. */
  readonly room: number
}

/** Signal strengths between all nodes; links are symmetric. */
export interface Links {
  readonly count: number
  rssiDbm(a: number, b: number): number
  /** Chance of one frame without interference. */
  rate(a: number, b: number): number
  /** Who can hear a node at all. */
  hearers(node: number): readonly number[]
}

const LOSS_AT_1M_DB = 40
const SENT_DBM = 4
const LOSS_EXPONENT = 2.8
const WALL_DB = 3
const MOST_WALLS = 6
const CEILING_DB = 14
const FLOOR_HEIGHT_M = 3.5
const ROOM_WIDTH_M = 5
const SHADOWING_DB = 5
const STRONGEST_DBM = -30

export function linksBetween(places: readonly Place[], seed: number): Links {
  const count = places.length
  const rssi = new Float32Array(count * count).fill(-200)
  const random = seededRandom(seed)
  for (const [a, from] of places.entries()) {
    for (let b = a + 1; b < count; b++) {
      const to = places[b]
      if (to === undefined) continue
      const strength = Math.min(STRONGEST_DBM, pathDbm(from, to) + (random.fraction() - 0.5) * SHADOWING_DB)
      rssi[a * count + b] = strength
      rssi[b * count + a] = strength
    }
  }
  return linksOf(count, (a, b) => rssi[a * count + b] ?? -200)
}

/** Links of given strengths, for tests of single effects. */
export function linksOf(count: number, rssiDbm: (a: number, b: number) => number): Links {
  const nodes = Array.from({ length: count }, (_, index) => index)
  const hearers = nodes.map((a) => nodes.filter((b) => b !== a && rssiDbm(a, b) >= SENSITIVITY_DBM))
  return { count, rssiDbm, rate: (a, b) => receptionRate(rssiDbm(a, b)), hearers: (node) => hearers[node] ?? [] }
}

function pathDbm(from: Place, to: Place): number {
  const floors = Math.abs(from.floor - to.floor)
  const distanceM = Math.max(0.5, Math.hypot(from.xM - to.xM, from.yM - to.yM, floors * FLOOR_HEIGHT_M))
  const walls = from.room === to.room ? 0 : Math.min(MOST_WALLS, 1 + Math.floor(Math.abs(from.xM - to.xM) / ROOM_WIDTH_M))
  return SENT_DBM - (LOSS_AT_1M_DB + 10 * LOSS_EXPONENT * Math.log10(distanceM) + walls * WALL_DB + floors * CEILING_DB)
}

const ROOM_DEPTH_M = 5
const CORRIDOR_M = 2
const ROOMS_A_FLOOR = 36

/** The dongle in the corridor, the devices in their rooms to both sides of it, in the order of the plan. */
export function placesOf(rooms: readonly number[], seed: number): readonly Place[] {
  const random = seededRandom(seed)
  const columnsOnFirstFloor = Math.ceil(Math.min(ROOMS_A_FLOOR, 1 + Math.max(0, ...rooms)) / 2)
  const dongle: Place = { xM: (columnsOnFirstFloor * ROOM_WIDTH_M) / 2, yM: CORRIDOR_M / 2, floor: 0, room: -1 }
  const devices = rooms.map((room) => {
    const inFloor = room % ROOMS_A_FLOOR
    const depth = random.fraction() * ROOM_DEPTH_M
    return {
      xM: (Math.floor(inFloor / 2) + random.fraction()) * ROOM_WIDTH_M,
      yM: inFloor % 2 === 0 ? -depth : CORRIDOR_M + depth,
      floor: Math.floor(room / ROOMS_A_FLOOR),
      room,
    }
  })
  return [dongle, ...devices]
}
