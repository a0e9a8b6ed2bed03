// The bare list of serial ports. On Linux from sysfs, so that neither udevadm nor its absence matters; elsewhere from serialport.
import { toAppError } from '#main/base/index.ts'
import { systemBinding, type PortListing, type SerialBinding } from './line-serial.ts'
import type { PortSystem } from './port-system.ts'

export interface BareList {
  readonly ports: readonly PortListing[]
  /** Why there may be less than there is: `no-devices` (this system shows none), `not-listed` (it cannot be asked). */
  readonly reason: 'no-devices' | 'not-listed' | undefined
  /** What the system said, where it cannot be asked. */
  readonly text: string | undefined
}

const TTY_CLASS = '/sys/class/tty'
const BY_ID = '/dev/serial/by-id'
const DONGLE_NAMES = /^(ttyACM|ttyUSB|ttyAMA|ttyS|ttyO|ttymxc|ttyTHS)\d+$/

/** Never rejects. An injected binding (a dongle in memory) is asked alone. */
export async function listBare(system: PortSystem, binding?: SerialBinding): Promise<BareList> {
  try {
    const ports = system.platform === 'linux' && binding === undefined ? await listLinux(system) : await listBinding(binding)
    return { ports, reason: ports.length === 0 ? 'no-devices' : undefined, text: undefined }
  } catch (thrown) {
    return { ports: [], reason: 'not-listed', text: toAppError(thrown).message }
  }
}

async function listBinding(binding: SerialBinding | undefined): Promise<readonly PortListing[]> {
  const ports = await (binding ?? (await systemBinding())).list()
  // On macOS the call-out device is the one to open: the dial-in twin waits for a carrier.
  return ports.map((port) => ({ ...port, path: port.path.replace(/^\/dev\/tty\./, '/dev/cu.') }))
}

async function listLinux(system: PortSystem): Promise<readonly PortListing[]> {
  const stableNames = await byId(system)
  const inClass = (await system.names(TTY_CLASS)).filter((name) => DONGLE_NAMES.test(name))
  // Where a container hides sysfs, the device files themselves are the list.
  const names = inClass.length > 0 ? inClass : (await system.names('/dev')).filter((name) => /^tty(ACM|USB)\d+$/.test(name))
  const ports: PortListing[] = []
  for (const name of names) {
    const path = `/dev/${name}`
    // Linux keeps ttyS nodes for serial ports that no hardware stands behind: their type is 0.
    if (name.startsWith('ttyS') && (await system.text(`${TTY_CLASS}/${name}/type`)) === '0') continue
    if ((await system.access(path)) === 'missing') continue
    ports.push({ path, pnpId: stableNames.get(path), ...(await usbFacts(system, name)) })
  }
  return ports
}

async function byId(system: PortSystem): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const name of await system.names(BY_ID)) {
    const path = await system.resolve(`${BY_ID}/${name}`)
    if (path !== undefined) found.set(path, name)
  }
  return found
}

/** The USB device lies one to three directories above the port's own device. */
async function usbFacts(system: PortSystem, name: string): Promise<Omit<PortListing, 'path'>> {
  let directory = await system.resolve(`${TTY_CLASS}/${name}/device`)
  let interfaceNumber: string | undefined
  for (let level = 0; level < 4 && directory?.startsWith('/sys/') === true; level++) {
    interfaceNumber ??= await system.text(`${directory}/bInterfaceNumber`)
    const vendorId = await system.text(`${directory}/idVendor`)
    if (vendorId !== undefined) {
      return {
        vendorId,
        interfaceNumber,
        productId: await system.text(`${directory}/idProduct`),
        manufacturer: await system.text(`${directory}/manufacturer`),
        serialNumber: await system.text(`${directory}/serial`),
      }
    }
    directory = directory.slice(0, directory.lastIndexOf('/'))
  }
  return {}
}
