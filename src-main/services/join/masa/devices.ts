// Which devices a maker has made, and whose they are (RFC 8995 §5.5.4: what sales tell the MASA).
import { sameIdevidIssuer } from '../voucher/index.ts'

export interface MasaDevice {
  readonly serialNumber: string
  /** Where serial numbers are not unique: idevid-issuer of the device; it is in its vouchers then. */
  readonly idevidIssuer?: Uint8Array
  /** domainID of the owner in lower-case hex, as sales know it; undefined where nobody has told. */
  readonly owner?: string
  /** What its firmware can read besides certificates (constrained-voucher-31 §8.3); a CA certificate is pinned unless told. */
  readonly pin?: 'pubk' | 'pubk-sha256'
  /** Stolen, recalled or cloned: no more vouchers. */
  readonly blocked?: boolean
}

/** Port: the maker's list. */
export interface MasaDevices {
  find(serialNumber: string, idevidIssuer: Uint8Array | undefined): MasaDevice | undefined
  /** That device belongs to that domain from now on. */
  claim(device: MasaDevice, domainId: string): void
}

/** A list in memory. */
export function createDeviceList(devices: readonly MasaDevice[]): MasaDevices & { add(device: MasaDevice): void } {
  const list = [...devices]
  return {
    find: (serialNumber, idevidIssuer) =>
      list.find(
        (device) =>
          device.serialNumber === serialNumber &&
          (device.idevidIssuer === undefined || (idevidIssuer !== undefined && sameIdevidIssuer(device.idevidIssuer, idevidIssuer))),
      ),
    claim: (device, domainId) => {
      const index = list.indexOf(device)
      if (index >= 0) list[index] = { ...device, owner: domainId }
    },
    add: (device) => {
      list.push(device)
    },
  }
}
