// Choice of IPv6 multicast addresses for CoAP groups: unicast-prefix-based (RFC 3306 §4) on a unique local prefix of the site
// (RFC 4193 §3.2), with group ids from the dynamic range (RFC 3307 §4.3).
import { AppError, equalBytes, sha256, type Random, utf8 } from '#main/base/index.ts'
import { formatIpv6, parseIpv6 } from '#main/wire/ip/index.ts'
import type { MulticastScope } from '#contract/model.ts'

const SCOP = { 'link-local': 2, 'realm-local': 3, 'admin-local': 4, 'site-local': 5, 'organization-local': 8, global: 14 } as const
/** Group ids of dynamic allocation are 0x80000000 to 0xffffffff. */
const DYNAMIC_RANGE = 0x8000_0000
/** A /48 is what RFC 4193 gives to one site. */
const PREFIX_LENGTH = 48

export interface AllocationPolicy {
  /** What the site's prefix is derived from: the site's id, so that two sites in one network do not meet. */
  readonly prefixId: string
  readonly scope?: Exclude<MulticastScope, 'ipv4'>
}

/** The site's unique local /48: `fd` and 40 bits of the hash of its id. */
export function sitePrefix(prefixId: string): Uint8Array {
  const digest = sha256(utf8(`groupwright group prefix ${prefixId}`))
  return Uint8Array.from([0xfd, ...digest.subarray(0, 5)])
}

/**
 * A free address. `inUse` answers for every address that a group has or that a device may still listen to. Ids are drawn, not
 * counted: the range is so wide that an address given up long ago, by a device that nobody can ask any more, does not come again.
 */
export function allocateAddress(policy: AllocationPolicy, random: Random, inUse: (address: string) => boolean): string {
  const bytes = new Uint8Array(16)
  bytes.set([0xff, 0x30 | SCOP[policy.scope ?? 'site-local'], 0, PREFIX_LENGTH])
  bytes.set(sitePrefix(policy.prefixId), 4)
  const view = new DataView(bytes.buffer)
  const first = random.below(DYNAMIC_RANGE)
  // Successive ids after the drawn one: finds a free one for certain, also with a poor source of chance.
  for (let step = 0; step < DYNAMIC_RANGE; step++) {
    view.setUint32(12, DYNAMIC_RANGE + ((first + step) % DYNAMIC_RANGE))
    const address = formatIpv6(bytes)
    if (!inUse(address)) return address
  }
  throw new AppError('group.address-taken', 'Every group address of the site is in use', { details: { prefixId: policy.prefixId } })
}

/** Whether the address lies in the site's own range, so that nobody but this tool can have given it to a device. */
export function isOwnAddress(policy: AllocationPolicy, address: string): boolean {
  const bytes = parseIpv6(address)
  if (bytes?.[0] !== 0xff || (bytes[1] ?? 0) >> 4 !== 3 || bytes[2] !== 0 || bytes[3] !== PREFIX_LENGTH) return false
  return equalBytes(bytes.subarray(4, 10), sitePrefix(policy.prefixId)) && (bytes[12] ?? 0) >= 0x80
}
