// Looking around with an NCP: networks by beacons or by discovery, and the noise on each channel (draft-rquattle-spinel-unified §5.5).
import { AppError, toHex, type Eui64 } from '#main/base/index.ts'
import { FIRST_CHANNEL, LAST_CHANNEL } from '../dataset.ts'
import { withSignal, type NcpContext } from './ncp-network.ts'
import { unpack } from './pack.ts'
import { PROP } from './properties.ts'

export interface FoundNetwork {
  readonly channel: number
  readonly panId: number
  readonly rssiDbm: number
  readonly lqi: number
  /** Who sent the beacon. */
  readonly eui64: Eui64
  /** Only discovery tells them; a beacon has none. */
  readonly networkName: string | undefined
  readonly extendedPanId: string | undefined
  readonly joinable: boolean
}

export interface ChannelNoise {
  readonly channel: number
  readonly maxRssiDbm: number
}

export interface ScanOptions {
  /** All that the dongle has unless given. */
  readonly channels?: readonly number[]
  /** On each channel; 200 ms. */
  readonly dwellMs?: number
  readonly signal?: AbortSignal
}

const SCAN_STATE = { idle: 0, beacon: 1, energy: 2, discover: 3 } as const
const DWELL_MS = 200
/** A dongle needs a while beyond the dwell time itself. */
const MARGIN_MS = 5_000
const MOST_RESULTS = 256
/** Flag of a beacon that says a commissioner lets devices in. */
const JOINABLE = 0x01

/** Each network once for each device that answered; the same network may come more than once. */
export async function scanNetworks(
  context: NcpContext,
  kind: 'beacon' | 'discover',
  options: ScanOptions = {},
): Promise<readonly FoundNetwork[]> {
  const found: FoundNetwork[] = []
  await scan(context, kind, options, PROP.MAC_SCAN_BEACON.number, (value) => {
    const { channel, rssiDbm, radio, network } = unpack(PROP.MAC_SCAN_BEACON.type, value)
    const extendedPanId = toHex(network.extendedPanId)
    found.push({
      channel,
      rssiDbm,
      panId: radio.panId,
      lqi: radio.lqi,
      eui64: radio.eui64,
      networkName: network.networkName === '' ? undefined : network.networkName,
      extendedPanId: /^0*$/.test(extendedPanId) ? undefined : extendedPanId,
      joinable: (network.flags & JOINABLE) !== 0,
    })
    return found.length < MOST_RESULTS
  })
  return found
}

export async function scanEnergy(context: NcpContext, options: ScanOptions = {}): Promise<readonly ChannelNoise[]> {
  const noise: ChannelNoise[] = []
  await scan(context, 'energy', options, PROP.MAC_ENERGY_SCAN_RESULT.number, (value) => {
    noise.push(unpack(PROP.MAC_ENERGY_SCAN_RESULT.type, value))
    return noise.length < MOST_RESULTS
  })
  return noise
}

async function scan(
  context: NcpContext,
  kind: keyof typeof SCAN_STATE,
  options: ScanOptions,
  property: number,
  take: (value: Uint8Array) => boolean,
): Promise<void> {
  const { session, state, clock } = context
  const { dwellMs = DWELL_MS, signal } = options
  const channels = options.channels ?? (await session.get(PROP.PHY_CHAN_SUPPORTED))
  if (channels.some((channel) => channel < FIRST_CHANNEL || channel > LAST_CHANNEL)) {
    throw new AppError('link.network-invalid', `Channels are from ${FIRST_CHANNEL} to ${LAST_CHANNEL}`, { details: { field: 'channel' } })
  }
  const wasDown = !state.status.interfaceUp
  if (wasDown) await session.set(PROP.NET_IF_UP, true)
  const { promise: done, resolve, reject } = Promise.withResolvers<undefined>()
  let open = true
  const unsubscribe = session.subscribe((event) => {
    if (event.kind === 'reset' || event.kind === 'closed')
      reject(new AppError('link.was-reset', 'The dongle restarted while it scanned', { retryable: true }))
    if (event.kind !== 'update') return
    try {
      if (event.property === property && open) open = take(event.value)
      else if (event.property === PROP.MAC_SCAN_STATE.number && unpack(PROP.MAC_SCAN_STATE.type, event.value) === SCAN_STATE.idle)
        resolve(undefined)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'link.frame-invalid') throw error
    }
  })
  const timer = clock.setTimer(channels.length * dwellMs * 2 + MARGIN_MS, () => resolve(undefined))
  try {
    await session.set(PROP.MAC_SCAN_MASK, channels)
    await session.set(PROP.MAC_SCAN_PERIOD, dwellMs)
    await session.set(PROP.MAC_SCAN_STATE, SCAN_STATE[kind])
    await withSignal(done, signal)
  } finally {
    timer.cancel()
    unsubscribe()
    done.catch(() => undefined)
    if (wasDown) await session.set(PROP.NET_IF_UP, false).catch(() => undefined)
  }
}
