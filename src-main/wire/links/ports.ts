// The list of ports for people: what each one is, whether it can be used, and if not, what to do about it.
import type { BareList } from './port-listing.ts'
import { listBare } from './port-listing.ts'
import { matchFingerprint, type FingerprintHint } from './fingerprints.ts'
import type { LineSettings, PortListing, SerialBinding } from './line-serial.ts'
import { thisPortSystem, type PortSystem } from './port-system.ts'
import type { Firmware } from './probe.ts'

export type PortVerdict =
  /** A probe found a border router on it. */
  | { readonly kind: 'usable'; readonly firmware: Firmware }
  | { readonly kind: 'busy'; readonly by: { readonly pid: number; readonly program: string } | undefined }
  | { readonly kind: 'no-permission'; readonly remedy: PermissionRemedy }
  /** A probe, or the stick's own boot loader, says that it is none. */
  | { readonly kind: 'wrong-firmware'; readonly found: Firmware | 'bootloader' }
  /** Nothing speaks against it; nobody has asked it yet, or it did not answer. */
  | { readonly kind: 'unknown' }

export interface PermissionRemedy {
  /** Owns the port, e.g. `dialout`; undefined where the system does not tell. */
  readonly group: string | undefined
  /** Gives the person at the screen access for good: to be typed where the rule file of the package lies. */
  readonly installRule: readonly string[]
  /** The other way: needs a new log-in. */
  readonly joinGroup: string | undefined
}

export interface PortEntry {
  readonly path: string
  /** Stays the same when the port's number changes: USB serial number, else the system's stable name, else the path. */
  readonly key: string
  /** What to call it: the known product, else the system's stable name, else the path. */
  readonly name: string
  readonly usb: { readonly id: string; readonly manufacturer: string | undefined; readonly serialNumber: string | undefined } | undefined
  readonly stableName: string | undefined
  readonly hint: FingerprintHint | undefined
  /** 0 no known USB ids, 1 ids alone … 4 ids, manufacturer and name. */
  readonly score: 0 | 1 | 2 | 3 | 4
  readonly settings: LineSettings | undefined
  readonly verdict: PortVerdict
}

export interface PortList {
  readonly ports: readonly PortEntry[]
  readonly reason: BareList['reason']
  readonly text: string | undefined
}

export interface PortListOptions {
  readonly system?: PortSystem
  readonly binding?: SerialBinding
  /** What earlier probes found, by `key`. */
  readonly probed?: ReadonlyMap<string, Firmware>
}

/** In build/ of the source, and beside the program once installed. */
export const UDEV_RULE_FILE = '70-groupwright-dongles.rules'

/** Never rejects: a system that cannot be asked gives an empty list with a reason. The likeliest dongle comes first. */
export async function listPorts(options: PortListOptions = {}): Promise<PortList> {
  const { system = thisPortSystem, binding, probed = new Map<string, Firmware>() } = options
  const bare = await listBare(system, binding)
  const real = binding === undefined
  const holders = real ? await findHolders(system, new Set(bare.ports.map((port) => port.path))) : new Map<string, Holder>()
  const entries: PortEntry[] = []
  for (const port of bare.ports) {
    const entry = describePort(port, system)
    const denied = real && system.platform === 'linux' && (await system.access(port.path)) === 'denied'
    const verdict = denied ? await noPermission(system, port.path) : verdictOf(entry, probed.get(entry.key), holders.get(port.path))
    entries.push({ ...entry, verdict })
  }
  return { ports: entries.sort(byLikelihood), reason: bare.reason, text: bare.text }
}

/** What is known of a port without opening it. */
export function describePort(port: PortListing, system: PortSystem = thisPortSystem): PortEntry {
  const match = matchFingerprint(port, system.platform)
  const usbId = port.vendorId === undefined || port.productId === undefined ? undefined : `${port.vendorId}:${port.productId}`.toLowerCase()
  // By /dev/serial/by-id, or by Windows' device id.
  const interfaceNumber = port.interfaceNumber ?? /(?:-if|&MI_)([0-9a-f]{2})/i.exec(port.pnpId ?? '')?.[1]
  const serialKey = usbId !== undefined && port.serialNumber !== undefined ? `usb:${usbId}:${port.serialNumber}` : undefined
  const key =
    serialKey === undefined ? (port.pnpId ?? port.path) : `${serialKey}${interfaceNumber === undefined ? '' : `:${interfaceNumber}`}`
  return {
    path: port.path,
    key,
    name: match?.fingerprint.name ?? port.pnpId ?? port.path,
    usb: usbId === undefined ? undefined : { id: usbId, manufacturer: port.manufacturer, serialNumber: port.serialNumber },
    stableName: port.pnpId,
    hint: match?.fingerprint.hint,
    score: match?.score ?? 0,
    settings: match?.fingerprint.settings,
    verdict: { kind: 'unknown' },
  }
}

function verdictOf(entry: PortEntry, firmware: Firmware | undefined, holder: Holder | undefined): PortVerdict {
  if (holder !== undefined) return { kind: 'busy', by: holder }
  if (entry.hint === 'bootloader') return { kind: 'wrong-firmware', found: 'bootloader' }
  if (firmware === undefined || firmware === 'none') return { kind: 'unknown' }
  if (firmware === 'spinel-ncp' || firmware === 'slip-router') return { kind: 'usable', firmware }
  return { kind: 'wrong-firmware', found: firmware }
}

async function noPermission(system: PortSystem, path: string): Promise<PortVerdict> {
  const groupId = await system.groupId(path)
  const line = (await system.text('/etc/group'))?.split('\n').find((entry) => entry.split(':')[2] === String(groupId))
  const group = line?.split(':')[0]
  return { kind: 'no-permission', remedy: permissionRemedy(group) }
}

/** The two ways to the permission on Linux. Debian's group is `dialout`, Arch's `uucp`; root's own group helps nobody. */
export function permissionRemedy(group: string | undefined): PermissionRemedy {
  return {
    group,
    installRule: [
      `sudo install -m 644 ${UDEV_RULE_FILE} /etc/udev/rules.d/`,
      'sudo udevadm control --reload',
      'sudo udevadm trigger --subsystem-match=tty',
    ],
    joinGroup: group === undefined || group === 'root' ? undefined : `sudo usermod --append --groups ${group} "$USER"`,
  }
}

interface Holder {
  readonly pid: number
  readonly program: string
}

/** Which other process has a port open, as far as Linux shows it to this user (/proc/PID/fd). */
async function findHolders(system: PortSystem, paths: ReadonlySet<string>): Promise<ReadonlyMap<string, Holder>> {
  const holders = new Map<string, Holder>()
  if (system.platform !== 'linux' || paths.size === 0) return holders
  for (const name of await system.names('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === system.pid) continue
    for (const descriptor of await system.names(`/proc/${name}/fd`)) {
      const target = await system.link(`/proc/${name}/fd/${descriptor}`)
      if (target === undefined || !paths.has(target) || holders.has(target)) continue
      holders.set(target, { pid, program: (await system.text(`/proc/${name}/comm`)) ?? `process ${name}` })
    }
  }
  return holders
}

function byLikelihood(a: PortEntry, b: PortEntry): number {
  return rank(b) - rank(a) || a.path.localeCompare(b.path, 'en', { numeric: true })
}

function rank(entry: PortEntry): number {
  if (entry.verdict.kind === 'usable') return 10
  if (entry.verdict.kind === 'wrong-firmware') return entry.usb === undefined ? 0 : 1
  return entry.usb === undefined ? 0 : 2 + entry.score
}
