// Many pledges at once through one stateless join proxy with the limits that the program itself has, on a virtual clock: voucher, certificate
// by EST, and strangers among them who are not to get in (draft-ietf-anima-constrained-join-proxy-20 §4, constrained-voucher §6).
import { delay, seededRandom, toAppError, toHex } from '#main/base/index.ts'
import type { JoinedPledge, Pledge } from '#main/services/join/index.ts'
import { stranger } from './house.ts'
import { openLane, type Lane } from './lane.ts'

const SAMPLE_MS = 20

export interface Crowd {
  readonly pledges: number
  /** Of a maker that nobody here knows. */
  readonly strangers: number
  readonly lossPercent: number
  readonly version?: '01' | '20'
  readonly seed?: number
  /** How often whoever is cut off comes again (RFC 8995 §4.1), a few seconds later. */
  readonly attempts?: number
}

export interface CrowdOutcome {
  readonly enrolled: number
  readonly failed: number
  /** Codes of what went wrong between, also where the next attempt went well, and how often. */
  readonly setbacks: Readonly<Record<string, number>>
  /** Certificates that devices have got, and those of them that no honest pledge holds. */
  readonly issued: number
  readonly issuedToOthers: number
  readonly strangersIn: number
  readonly virtualS: number
  readonly wallS: number
  readonly peaks: {
    readonly portHalfOpen: number
    readonly portSessions: number
    readonly portProxies: number
    readonly proxyPledges: number
    readonly proxyMappings: number
    readonly timers: number
  }
  /** What is left of it once everybody has been silent for longer than a session lives. */
  readonly left: { readonly halfOpen: number; readonly sessions: number; readonly proxies: number }
  readonly thrownAway: { readonly proxy: Readonly<Record<string, number>>; readonly port: Readonly<Record<string, number>> }
  /** What the registrar has logged as errors. */
  readonly errors: number
}

export async function enrolCrowd(crowd: Crowd): Promise<CrowdOutcome> {
  const { pledges: count, lossPercent, version = '20', seed = 1, attempts = 10 } = crowd
  const ends: Array<() => void> = []
  const lane = await openLane(version, {
    net: { lossRate: lossPercent / 100, delayMs: { min: 2, max: 60 }, random: seededRandom(seed) },
    // Those of the program.
    settings: { rates: {} },
    atEnd: (end) => void ends.push(end),
  })
  const { house, joinPort, proxy } = lane

  const peaks = { portHalfOpen: 0, portSessions: 0, portProxies: 0, proxyPledges: 0, proxyMappings: 0, timers: 0 }
  let watching = true
  const watch = (): void => {
    const { halfOpen, sessions, proxies } = joinPort.holdings()
    const { pledges, mappings } = proxy.holdings()
    peaks.portHalfOpen = Math.max(peaks.portHalfOpen, halfOpen)
    peaks.portSessions = Math.max(peaks.portSessions, sessions)
    peaks.portProxies = Math.max(peaks.portProxies, proxies)
    peaks.proxyPledges = Math.max(peaks.proxyPledges, pledges)
    peaks.proxyMappings = Math.max(peaks.proxyMappings, mappings)
    peaks.timers = Math.max(peaks.timers, house.clock.pendingTimers)
    if (watching) house.clock.setTimer(SAMPLE_MS, watch)
  }
  watch()

  const setbacks: Record<string, number> = {}
  const pause = seededRandom(seed + 2)
  /** Undefined where it has not got in. */
  const join = async (pledge: Pledge): Promise<JoinedPledge | undefined> => {
    for (let left = attempts; ; left--) {
      try {
        return await pledge.join()
      } catch (thrown) {
        const { code } = toAppError(thrown)
        setbacks[code] = (setbacks[code] ?? 0) + 1
        if (left <= 1 || code === 'join.registrar-refused') return undefined
        await delay(house.whole, 2000 + pause.below(3000))
      }
    }
  }
  const honest = Array.from({ length: count }, (_, index) => pledgeOf(lane, index, house.device(`LW-${index}`), seed))
  const others = Array.from({ length: crowd.strangers }, (_, index) =>
    pledgeOf(lane, count + index, stranger.device(`CN=nobody ${index}, serialNumber=NN-${index}`), seed),
  )
  const startedMs = house.clock.monotonicMs()
  const wallStartedMs = performance.now()
  const [joined, strangers] = await house.drive(Promise.all([Promise.all(honest.map(join)), Promise.all(others.map(join))]))
  const virtualS = (house.clock.monotonicMs() - startedMs) / 1000
  const wallS = (performance.now() - wallStartedMs) / 1000
  watching = false

  const issued = house.site.desk.certificates({ limit: 10 * (count + crowd.strangers) }).filter(({ profile }) => profile === 'device')
  const held = new Set(joined.flatMap((one) => (one === undefined ? [] : [toHex(one.certificate.serial)])))
  const told = house.steps.filter(({ step, outcome }) => step === 'enrolled' && outcome === 'done')
  const toldKeys = new Set(told.map(({ certificateSerial }) => certificateSerial))
  const enrolled = [...held].filter((serial) => toldKeys.has(serial)).length
  // Longer than a session of the join port lives unused.
  await house.clock.advance(40 * 60_000)
  const left = joinPort.holdings()
  const { notNeighbour, pledgeRate, totalRate, noPlace, malformed, badHeaders, withheld } = proxy.counters()
  const { proxyRate, halfOpenRefused, halfOpenEvicted, sessionsEvicted } = joinPort.joinCounters()
  for (const end of ends) end()
  return {
    enrolled,
    failed: count - enrolled,
    setbacks,
    issued: issued.length,
    issuedToOthers: issued.filter(({ serial }) => !held.has(serial)).length,
    strangersIn: strangers.filter((one) => one !== undefined).length,
    virtualS,
    wallS,
    peaks,
    left,
    thrownAway: {
      proxy: { notNeighbour, pledgeRate, totalRate, noPlace, malformed, badHeaders, withheld },
      port: { proxyRate, halfOpenRefused, halfOpenEvicted, sessionsEvicted },
    },
    errors: house.errors.length,
  }
}

function pledgeOf({ house, pledgeOptions }: Lane, index: number, device: Parameters<Lane['house']['pledge']>[0], seed: number): Pledge {
  return house.pledge(device, { ...pledgeOptions(index), random: seededRandom(seed * 100_000 + index) })
}
