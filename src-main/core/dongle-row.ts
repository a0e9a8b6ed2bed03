// One dongle as its row of the `links` feed. Pure; what it is made of holds no keys.
import type { AppError } from '#main/base/index.ts'
import { NcpLink, SlipRouterLink } from '#main/wire/links/index.ts'
import type { DongleDriver, DongleLink, DongleState, LinkCounters, NcpStatus } from '#main/wire/links/index.ts'
import type { Failure, LinkCountersRow, LinkNeighbour, LinkRow } from '#contract/model.ts'

/** What a link page can show; a mesh has more neighbours than anybody reads. */
const MOST_NEIGHBOURS = 256

export const NO_COUNTERS: LinkCountersRow = {
  bytesIn: 0,
  bytesOut: 0,
  packetsIn: 0,
  packetsOut: 0,
  packetsFailed: 0,
  queuedPackets: 0,
  framesIn: 0,
  framesOut: 0,
  damagedFrames: 0,
  retries: 0,
  losses: 0,
  sessions: 0,
  roundTripMs: null,
}

/** What the row says beyond what the link itself tells. */
export type RowHead = Pick<LinkRow, 'id' | 'name' | 'path' | 'key' | 'simulated' | 'since' | 'retryAt' | 'remedy' | 'task'>

export function rowOf(head: RowHead, link: DongleLink<DongleDriver> | undefined): LinkRow {
  const state: DongleState = link?.state ?? { kind: 'closed' }
  const report = 'report' in state ? state.report : undefined
  const error = 'error' in state ? state.error : undefined
  return {
    ...head,
    path: 'path' in state ? state.path : head.path,
    state: state.kind,
    failure: error === undefined ? null : failureOf(error),
    firmware: report?.firmware ?? null,
    carries: { ...(link?.carries ?? { multicast: false, linkLocal: false }) },
    addresses: (link?.addresses ?? []).map(({ address, prefixLength, origin }) => ({ address, prefixLength, origin })),
    ...driverFacts(link?.driver, report?.eui64 ?? null),
    counters: link === undefined ? NO_COUNTERS : countersOf(link.counters()),
  }
}

export function failureOf({ code, message, retryable, details }: AppError): Failure {
  return { code, message, retryable, details: { ...details } }
}

type DriverFacts = Pick<LinkRow, 'version' | 'eui64' | 'network' | 'groups' | 'groupsWithoutRoom' | 'neighbours'>

function driverFacts(driver: DongleDriver | undefined, eui64: string | null): DriverFacts {
  const nothing = { groups: [], groupsWithoutRoom: [], neighbours: [] }
  if (driver instanceof NcpLink) return ncpFacts(driver.status, eui64)
  if (driver instanceof SlipRouterLink) {
    const status = driver.status()
    return { version: status.lastText ?? null, eui64: status.eui64 ?? eui64, network: slipNetwork(status.prefix), ...nothing }
  }
  return { version: null, eui64, network: null, ...nothing }
}

/** Contiki-NG's router tells a host no more of its network. */
function slipNetwork(prefix: string): LinkRow['network'] {
  return {
    role: 'router',
    networkName: null,
    channel: null,
    panId: null,
    extendedPanId: null,
    partitionId: null,
    rloc16: null,
    meshLocalPrefix: prefix.replace(/\/64$/, ''),
    txPowerDbm: null,
    saved: false,
  }
}

function ncpFacts(status: NcpStatus, eui64: string | null): DriverFacts {
  const none = status.role === 'disabled' && !status.networkSaved
  return {
    version: status.firmware ?? null,
    eui64: status.hardwareAddress ?? eui64,
    network: {
      role: status.role,
      networkName: none ? null : (status.networkName ?? null),
      channel: none ? null : (status.channel ?? null),
      panId: none ? null : (status.panId ?? null),
      extendedPanId: none ? null : (status.extendedPanId ?? null),
      partitionId: status.partitionId ?? null,
      rloc16: status.rloc16 ?? null,
      meshLocalPrefix: none ? null : (status.meshLocalPrefix ?? null),
      txPowerDbm: status.txPowerDbm ?? null,
      saved: status.networkSaved,
    },
    groups: [...status.groups],
    groupsWithoutRoom: [...status.groupsWithoutRoom],
    neighbours: neighboursOf(status),
  }
}

/** Each radio once, told by the table that knows most of it: parent, child, neighbour, then routers known by name alone. */
export function neighboursOf({ rloc16: own, parent, children, neighbors, routers }: NcpStatus): LinkNeighbour[] {
  const found = new Map<string, LinkNeighbour>()
  const add = (neighbour: LinkNeighbour): void => {
    // A router's own table has itself in it.
    if (neighbour.rloc16 === own || /^0*$/.test(neighbour.eui64)) return
    if (!found.has(neighbour.eui64) && found.size < MOST_NEIGHBOURS) found.set(neighbour.eui64, neighbour)
  }
  if (parent !== undefined) {
    const { eui64, rloc16, ageS, averageRssiDbm } = parent
    add({ kind: 'parent', eui64, rloc16, rssiDbm: averageRssiDbm, lqi: null, ageS })
  }
  for (const { eui64, rloc16, ageS, averageRssiDbm, lqiIn } of children)
    add({ kind: 'child', eui64, rloc16, rssiDbm: averageRssiDbm, lqi: lqiIn, ageS })
  for (const { eui64, rloc16, ageS, averageRssiDbm, lqiIn, isChild } of neighbors)
    add({ kind: isChild ? 'child' : 'neighbour', eui64, rloc16, rssiDbm: averageRssiDbm, lqi: lqiIn, ageS })
  for (const { eui64, rloc16, ageS } of routers) add({ kind: 'router', eui64, rloc16, rssiDbm: null, lqi: null, ageS })
  return [...found.values()]
}

function countersOf(counters: LinkCounters): LinkCountersRow {
  const { bytesIn, bytesOut, packetsIn, packetsOut, packetsFailed, queuedPackets } = counters
  const { framesIn, framesOut, damagedFrames, retries, losses, sessions, roundTripMs } = counters
  return {
    bytesIn,
    bytesOut,
    packetsIn,
    packetsOut,
    packetsFailed,
    queuedPackets,
    framesIn,
    framesOut,
    damagedFrames,
    retries,
    losses,
    sessions,
    roundTripMs: roundTripMs === undefined ? null : Math.round(roundTripMs.smoothed * 10) / 10,
  }
}
