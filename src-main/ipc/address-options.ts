// What a border router's operator is told of the directory: the option of RFC 9176 §4.1.1, for each address worth announcing.
import { toHex } from '#main/base/index.ts'
import type { NetworkInterface } from '#main/core.ts'
import { decodeDirectoryAddressOption, describeDirectoryAddressOption, encodeDirectoryAddressOption } from '#main/services/rd/index.ts'
import { isLinkLocalAddress, parseIpv6 } from '#main/wire/ip/index.ts'
import type { ListeningAddress } from '#contract/model.ts'
import type { OpOutput } from '#contract/ops.ts'

const SYSTEM_CHANNEL = 'udp'
/** A simulated radio has addresses of its own that no real device reaches. */
const DEMO_CHANNEL = 'demo'
const LOOPBACK = '::1'

/** Throws `rd.parameter-invalid` for what is no unicast IPv6 address. */
export function addressOption(address: string, validLifetimeS: number): OpOutput<'rd.addressOptions'>[number] {
  const option = { address, validLifetimeS }
  const bytes = encodeDirectoryAddressOption(option)
  return {
    address: decodeDirectoryAddressOption(bytes).address,
    lifetimeS: validLifetimeS,
    hex: toHex(bytes),
    text: describeDirectoryAddressOption(option),
  }
}

/** IPv6 addresses that mean the same on the far side of a router, those behind dongles first. */
export function announceable(listening: readonly ListeningAddress[], interfaces: readonly NetworkInterface[]): readonly string[] {
  const outside = interfaces.filter(({ family, internal }) => family === 'IPv6' && !internal).map(({ address }) => address)
  const own = listening.filter(({ scheme, channel }) => scheme === 'coap' && channel !== DEMO_CHANNEL)
  const behindDongles = own.filter(({ channel }) => channel !== SYSTEM_CHANNEL)
  const bound = own.filter(({ channel }) => channel === SYSTEM_CHANNEL)
  const addresses = [
    ...behindDongles.map(({ address }) => address),
    ...bound.flatMap(({ address }) => (address === '::' ? outside : [address])),
  ]
  return [...new Set(addresses)].filter(isRouted)
}

/** Neither of one link nor of this computer alone. */
function isRouted(address: string): boolean {
  const bytes = parseIpv6(address)
  return bytes?.some((byte) => byte !== 0) === true && address !== LOOPBACK && !isLinkLocalAddress(address)
}
