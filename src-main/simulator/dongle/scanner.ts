// Scans of a simulated NCP: beacons, energy and Thread discovery, channel after channel.
import { concatBytes, type Random, type Schedule, type Timer } from '#main/base/index.ts'
import { viewOf, type NetworkView } from './dataset.ts'
import { counted, little, packed, PROPERTY, zeroEnded } from './spinel.ts'

export interface Beaconing {
  readonly extendedAddress: Uint8Array
  readonly rssiDbm: number
}

export interface ScannerOptions {
  readonly schedule: Schedule
  readonly random: Random
  /** The network that is in the air, and who of it is in reach. */
  readonly siteDataset: Uint8Array | undefined
  readonly inReach: () => readonly Beaconing[]
  readonly tell: (command: 'is' | 'inserted', property: number, value: Uint8Array) => void
}

const STATE = { idle: 0, beacon: 1, energy: 2, discover: 3 }
const DEFAULT_PERIOD_MS = 200
const DISCOVER_MS = 300
/** Beacons come when they like within the period. */
const FIRST_ANSWER_MS = 2
const THREAD_PROTOCOL = 3
const LQI = 0
const SHORTS = 0xffff
const BEACON_FLAGS = 0
const DISCOVER_FLAGS = 0x58
const NOISE_DBM = -95
const BUSY_DBM = -30

export class Scanner {
  channels: Uint8Array = Uint8Array.from({ length: 16 }, (_, index) => 11 + index)
  periodMs = DEFAULT_PERIOD_MS
  readonly #options: ScannerOptions
  #state = STATE.idle
  #timers: Timer[] = []

  constructor(options: ScannerOptions) {
    this.#options = options
  }

  get state(): number {
    return this.#state
  }

  /** False for a state that is none. */
  start(state: number): boolean {
    if (state < STATE.idle || state > STATE.discover) return false
    this.stop()
    this.#state = state
    if (state === STATE.idle) return true
    const eachMs = state === STATE.discover ? DISCOVER_MS : this.periodMs
    for (const [index, channel] of this.channels.entries()) this.#scan(state, channel, index * eachMs, eachMs)
    this.#after(this.channels.length * eachMs, () => {
      this.#state = STATE.idle
      this.#options.tell('is', PROPERTY.MAC_SCAN_STATE, Uint8Array.of(STATE.idle))
    })
    return true
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#timers = []
    this.#state = STATE.idle
  }

  #scan(state: number, channel: number, fromMs: number, forMs: number): void {
    const { siteDataset, tell, inReach, random } = this.#options
    const network = siteDataset === undefined ? undefined : viewOf(siteDataset, NOWHERE)
    const isHere = network?.channel === channel
    if (state === STATE.energy) {
      const strongest = isHere ? Math.max(NOISE_DBM, ...inReach().map(({ rssiDbm }) => rssiDbm)) : NOISE_DBM
      const value = Uint8Array.of(channel, Math.min(BUSY_DBM, strongest) & 0xff)
      this.#after(fromMs + forMs, () => tell('inserted', PROPERTY.MAC_ENERGY_RESULT, value))
      return
    }
    if (network === undefined || !isHere) return
    for (const one of inReach()) {
      const value = beacon(state, network, one)
      const atMs = fromMs + FIRST_ANSWER_MS + random.fraction() * (forMs / 2)
      this.#after(atMs, () => tell('inserted', PROPERTY.MAC_SCAN_BEACON, value))
    }
  }

  #after(delayMs: number, run: () => void): void {
    this.#timers.push(this.#options.schedule.setTimer(delayMs, run))
  }
}

/** Cct(ESSC)t(iCUdd): a plain beacon names no network, discovery does. */
function beacon(state: number, network: NetworkView, { extendedAddress, rssiDbm }: Beaconing): Uint8Array {
  const isDiscover = state === STATE.discover
  const mac = counted(extendedAddress, little(SHORTS, 2), little(network.panId, 2), Uint8Array.of(LQI))
  const net = counted(
    packed(THREAD_PROTOCOL),
    Uint8Array.of(isDiscover ? DISCOVER_FLAGS : BEACON_FLAGS),
    zeroEnded(isDiscover ? network.name : ''),
    counted(isDiscover ? network.xpanId : new Uint8Array(8)),
    counted(),
  )
  return concatBytes(Uint8Array.of(network.channel, rssiDbm & 0xff), mac, net)
}

const NOWHERE: NetworkView = {
  channel: 0,
  panId: SHORTS,
  xpanId: new Uint8Array(8),
  name: '',
  key: new Uint8Array(16),
  pskc: new Uint8Array(16),
  prefix: new Uint8Array(8),
}
