// The demo site behind a simulated dongle: the program gets a serial port to open, nothing else.
import { concatBytes, fromHex, utf8 } from '#main/base/index.ts'
import type { SerialBinding } from '#main/wire/links/index.ts'
import { assembleSite, type DemoDevices, type DemoSiteOptions } from './demo-site.ts'
import { datasetOf } from './dongle/dataset.ts'
import type { Dongle } from './dongle/dongle.ts'
import type { SerialFaults } from './dongle/faults.ts'
import { memoryBinding } from './dongle/memory-binding.ts'
import { mockBinding } from './dongle/mock-binding.ts'
import { Ncp } from './dongle/ncp.ts'
import { Plug } from './dongle/plug.ts'
import { openPty, type PtyDongle } from './dongle/pty.ts'
import { SlipRouter } from './dongle/slip-router.ts'
import { addressBytesOf, LAPTOP_IID, linkLocalOf, SITE_PREFIX } from './net/addresses.ts'
import { addressKey, DONGLE, type Mesh } from './radio/index.ts'

export interface DongleSiteOptions extends DemoSiteOptions {
  /** OpenThread's NCP, or Contiki-NG's border router, which carries no multicast. */
  readonly dongle?: 'spinel' | 'slip'
  /** `mock` is serialport's; `memory` needs no event loop and suits a virtual clock. */
  readonly binding?: 'mock' | 'memory'
  readonly path?: string
}

export interface DongleSite extends DemoDevices {
  readonly port: { readonly path: string; readonly binding: SerialBinding }
  unplug(): void
  replug(): void
  resetDongle(): void
  setFaults(faults: SerialFaults): void
  /** The same dongle at a pseudo terminal of the system; the port above stays free then. */
  openPty(): Promise<PtyDongle>
}

const DONGLE_EUI64 = '020000fffef00001'
const EXTENDED_ADDRESS = '020000fffef00002'
/** A locator that is no device's address: those count from 1. */
const RLOC16 = 0xf400
const PARTITION = 0x0d3a0001
const CHANNEL = 15
const PATH = '/dev/ttyDEMO'
let made = 0

export function createDongleSite(options: DongleSiteOptions): DongleSite {
  const { dongle: protocol = 'spinel', clock } = options
  const end: { dongle?: Dongle } = {}
  const isSpinel = protocol === 'spinel'
  const parts = assembleSite(options, isSpinel ? 'thread' : 'rpl', () => end.dongle, isSpinel ? linkLocalOf(EXTENDED_ADDRESS) : undefined)
  const dongle = protocol === 'spinel' ? ncpOf(parts, options.seed) : slipRouterOf(parts)
  end.dongle = dongle
  const plug = new Plug({ path: options.path ?? `${PATH}${made++}`, dongle, random: parts.random, serialNumber: `DEMO${options.seed}` })
  const binding = (options.binding ?? 'mock') === 'mock' ? mockBinding([plug]) : memoryBinding([plug])
  return {
    ...parts.devices,
    get registered() {
      return parts.devices.registered
    },
    get certified() {
      return parts.devices.certified
    },
    port: { path: plug.path, binding },
    unplug: () => plug.unplug(),
    replug: () => plug.replug(),
    resetDongle: () => plug.resetDongle(),
    setFaults: (faults) => plug.setFaults(faults),
    openPty: () => openPty(plug, clock),
  }
}

type Parts = ReturnType<typeof assembleSite>

function ncpOf({ mesh, schedule, random, logger, devices }: Parts, seed: number): Dongle {
  const dataset = siteDataset(seed)
  const extendedAddresses = devices.plan.map(({ eui64 }) => fromHex(eui64) ?? new Uint8Array(8))
  return new Ncp({
    identity: {
      eui64: bytesOf(DONGLE_EUI64),
      extendedAddress: bytesOf(EXTENDED_ADDRESS),
      meshLocalIid: LAPTOP_IID,
      rloc16: RLOC16,
      partition: PARTITION,
    },
    schedule,
    random,
    logger,
    mesh: portOf(mesh),
    saved: dataset,
    siteDataset: dataset,
    neighbours: () => mesh.neighbours(),
    extendedAddressOf: (node) => extendedAddresses[node - 1] ?? bytesOf(EXTENDED_ADDRESS),
  })
}

function slipRouterOf({ mesh, schedule, devices }: Parts): Dongle {
  const known = new Set(devices.plan.map(({ eui64 }) => addressKey(addressBytesOf(eui64))))
  return new SlipRouter({
    eui64: bytesOf(DONGLE_EUI64),
    schedule,
    mesh: portOf(mesh),
    isInMesh: (address) => known.has(addressKey(address)),
    onPrefix: () => undefined,
  })
}

function portOf(mesh: Mesh): { send(packet: Uint8Array): boolean; bind(address: Uint8Array): void; unbind(address: Uint8Array): void } {
  return {
    send: (packet) => mesh.send(DONGLE, packet),
    bind: (address) => mesh.bind(DONGLE, address),
    unbind: (address) => mesh.unbind(address),
  }
}

/** The network that the site's devices are in; its keys are those of a toy and the same for the same seed. */
export function siteDataset(seed: number): Uint8Array {
  const key = utf8(`groupwright-${String(seed).padStart(4, '0')}`.slice(0, 16).padEnd(16, '.'))
  const xpanId = concatBytes(utf8('GWDE'), bytesOf((seed >>> 0).toString(16).padStart(8, '0')))
  const panId = 0x1000 + (seed % 0xe000)
  return datasetOf({ channel: CHANNEL, panId, xpanId, name: 'groupwright demo', key, pskc: key.toReversed(), prefix: SITE_PREFIX })
}

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0)
}
