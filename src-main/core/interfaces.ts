// The addresses of this machine, as the system tells them.
import { networkInterfaces } from 'node:os'

/** An address of this machine. */
export interface NetworkInterface {
  readonly name: string
  /** A link-local one with its zone. */
  readonly address: string
  readonly family: 'IPv4' | 'IPv6'
  readonly internal: boolean
}

export function systemInterfaces(): readonly NetworkInterface[] {
  return Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
    (entries ?? []).map(({ address, family, internal, scopeid }) => ({
      name,
      // A link-local address is of use only with its zone (RFC 4007 §11).
      address: family === 'IPv6' && scopeid !== 0 ? `${address}%${name}` : address,
      family,
      internal,
    })),
  )
}
