// Known sticks and boards by USB ids. They order the list and choose speeds to try; only the probe decides what a dongle speaks.
import type { LineSettings, PortListing } from './line-serial.ts'
import type { Platform } from './line-errors.ts'

/** What a person should know of the stick before any probe. */
export type FingerprintHint =
  /** The boot loader waits for firmware: not a radio yet. */
  | 'bootloader'
  /** The board shows two ports; the first by name leads to the radio chip. */
  | 'first-of-two'
  /** Sold with firmware of another kind. */
  | 'other-firmware'

export interface Fingerprint {
  readonly name: string
  /** Lower-case `vid:pid`. */
  readonly usbIds: readonly string[]
  readonly manufacturer?: RegExp
  /** Matches the system's stable name of the port, e.g. its link under /dev/serial/by-id. */
  readonly path?: RegExp
  readonly settings: LineSettings
  readonly hint?: FingerprintHint
}

export interface FingerprintMatch {
  readonly fingerprint: Fingerprint
  /** 1 ids alone, 2 with manufacturer, 3 with name, 4 all. */
  readonly score: 1 | 2 | 3 | 4
}

const plain = { baudRate: 115_200, rtscts: false } as const
const fast = { baudRate: 460_800, rtscts: true } as const
const CP210X = '10c4:ea60'

/** Generic bridge chips first: where nothing but the ids matches, the earlier entry wins, and ids of a bridge say nothing. */
export const fingerprints: readonly Fingerprint[] = [
  { name: 'USB serial bridge (CP210x)', usbIds: [CP210X], settings: plain },
  { name: 'USB serial bridge (CH34x)', usbIds: ['1a86:7523', '1a86:55d4'], settings: plain },
  { name: 'USB serial bridge (FTDI)', usbIds: ['0403:6001', '0403:6015'], settings: plain },
  { name: 'nRF52840 boot loader', usbIds: ['1915:521f'], settings: plain, hint: 'bootloader' },
  { name: 'nRF52840 with OpenThread', usbIds: ['1915:cafe'], settings: plain },
  { name: 'nRF52840 with Contiki-NG', usbIds: ['1915:4001', '1915:520f'], settings: plain },
  { name: 'Zephyr OpenThread coprocessor', usbIds: ['2fe3:0001', '2fe3:0004'], path: /openthread_coprocessor/i, settings: plain },
  { name: 'Zephyr Zigbee coprocessor', usbIds: ['2fe3:0100'], settings: plain, hint: 'other-firmware' },
  {
    name: 'Board with J-Link',
    usbIds: ['1366:0105', '1366:1015', '1366:1024', '1366:1051'],
    manufacturer: /segger/i,
    settings: plain,
  },
  { name: 'TI LaunchPad (XDS110)', usbIds: ['0451:bef3'], manufacturer: /texas/i, settings: plain, hint: 'first-of-two' },
  { name: 'CC2538 with its own USB', usbIds: ['0451:16c8'], settings: plain },
  { name: 'Zolertia RE-Mote or Firefly', usbIds: [CP210X], manufacturer: /zolertia/i, path: /zolertia/i, settings: plain },
  { name: 'Home Assistant ZBT-1', usbIds: [CP210X], manufacturer: /nabu casa/i, path: /nabu_casa_skyconnect/i, settings: fast },
  {
    name: 'Home Assistant ZBT-2',
    usbIds: ['303a:4001', '303a:831a'],
    manufacturer: /nabu casa/i,
    path: /nabu_casa_zbt-2/i,
    settings: fast,
  },
  {
    name: 'SONOFF ZBDongle-E',
    usbIds: ['1a86:55d4', CP210X],
    manufacturer: /itead/i,
    path: /sonoff.*plus_v2/i,
    settings: plain,
  },
  { name: 'SONOFF ZBDongle-P', usbIds: [CP210X], manufacturer: /itead/i, path: /sonoff.*plus_(?!v2)/i, settings: plain },
  { name: 'SONOFF Dongle', usbIds: [CP210X], manufacturer: /sonoff/i, path: /sonoff/i, settings: plain },
  { name: 'SMLIGHT SLZB', usbIds: [CP210X], manufacturer: /smlight/i, path: /smlight/i, settings: plain },
  { name: 'ConBee', usbIds: ['1cf1:0030', '0403:6015'], manufacturer: /dresden/i, settings: plain, hint: 'other-firmware' },
  { name: 'ZZH', usbIds: ['0403:6015'], manufacturer: /electrolama/i, settings: plain, hint: 'other-firmware' },
]

/** The best match, or undefined. Windows names the driver's maker instead of the product's: there the ids count alone. */
export function matchFingerprint(port: PortListing, platform: Platform): FingerprintMatch | undefined {
  if (port.vendorId === undefined || port.productId === undefined) return undefined
  const usbId = `${port.vendorId}:${port.productId}`.toLowerCase()
  let best: FingerprintMatch | undefined
  for (const fingerprint of fingerprints) {
    if (!fingerprint.usbIds.includes(usbId)) continue
    const score = scoreOf(fingerprint, port, platform)
    if (best === undefined || score > best.score) best = { fingerprint, score }
  }
  return best
}

function scoreOf(fingerprint: Fingerprint, port: PortListing, platform: Platform): 1 | 2 | 3 | 4 {
  if (platform === 'win32') return 1
  const byMaker = fingerprint.manufacturer?.test(port.manufacturer ?? '') ?? false
  const byName = fingerprint.path?.test(`${port.pnpId ?? ''} ${port.path}`) ?? false
  if (byName) return byMaker ? 4 : 3
  return byMaker ? 2 : 1
}

/** Speeds of known firmware. Native USB takes any; a wrong one on a real UART makes the dongle mute, so all are tried. */
const usual: readonly LineSettings[] = [
  plain,
  { baudRate: 460_800, rtscts: false },
  fast,
  { baudRate: 115_200, rtscts: true },
  { baudRate: 1_000_000, rtscts: false },
]

/** Settings to try on a port, the likeliest first. */
export function settingsToTry(first: LineSettings | undefined): readonly LineSettings[] {
  if (first === undefined) return usual
  return [first, ...usual.filter((other) => other.baudRate !== first.baudRate || other.rtscts !== first.rtscts)]
}
