// The demo site's radio: modelled as 802.15.4 has it or an ideal one, which is quick and bears any site.
import { AppError, type Clock, type Random, type Schedule } from '#main/base/index.ts'
import type { PlannedDevice } from './floor-plan.ts'
import { SITE_PREFIX } from './net/addresses.ts'
import {
  createIdealMesh,
  linksBetween,
  placesOf,
  RadioMesh,
  rplProfile,
  THREAD_MPL,
  threadProfile,
  type Arrive,
  type Mesh,
  type MeshNode,
} from './radio/index.ts'

export interface SiteRadioOptions {
  readonly kind: 'real' | 'ideal'
  readonly protocol: 'thread' | 'rpl'
  readonly plan: readonly PlannedDevice[]
  readonly seed: number
  readonly lossPercent: number
  readonly clock: Clock
  readonly schedule: Schedule
  readonly random: Random
  readonly arrive: Arrive
}

/** One channel would carry no more, and the model keeps the strength of every pair. */
const MOST_REAL_DEVICES = 1000
const THREAD_ROUTERS = 32
/** OpenThread and Contiki-NG as they come. */
const THREAD_RETRIES = 15
const RPL_RETRIES = 7
/** Battery devices ask their parent as often. */
const POLL_MS = 500
const BATTERY = new Set(['switch', 'thermostat'])

/** Whether a device of the type listens always. */
export function isMains(type: PlannedDevice['type']): boolean {
  return !BATTERY.has(type)
}

export function createSiteRadio(options: SiteRadioOptions): Mesh {
  const { plan, seed, lossPercent, clock, schedule, random, arrive } = options
  const unknownTo = options.protocol === 'thread' ? 'nowhere' : 'dongle'
  if (options.kind === 'ideal') return createIdealMesh({ lossPercent, unknownTo, schedule, random, arrive })
  if (plan.length > MOST_REAL_DEVICES)
    throw new AppError('input.invalid', `A modelled radio has at most ${MOST_REAL_DEVICES} devices`, { details: { devices: plan.length } })
  const isThread = options.protocol === 'thread'
  const rooms = roomsOf(plan)
  const dongle: MeshNode = { isMains: true }
  return new RadioMesh({
    clock,
    random,
    links: linksBetween(placesOf(rooms, seed), seed),
    nodes: [dongle, ...plan.map(({ type }): MeshNode => (BATTERY.has(type) ? { isMains: false, pollMs: POLL_MS } : { isMains: true }))],
    profile: isThread ? threadProfile(SITE_PREFIX) : rplProfile(SITE_PREFIX),
    lossPercent,
    maxFrameRetries: isThread ? THREAD_RETRIES : RPL_RETRIES,
    mostRouters: isThread ? THREAD_ROUTERS : plan.length + 1,
    mpl: THREAD_MPL,
    unknownTo,
    arrive,
  })
}

/** The rooms of the plan as numbers in their order. */
function roomsOf(plan: readonly PlannedDevice[]): readonly number[] {
  const numbers = new Map<string, number>()
  return plan.map(({ room }) => {
    const path = room.join('/')
    const number = numbers.get(path) ?? numbers.size
    numbers.set(path, number)
    return number
  })
}
