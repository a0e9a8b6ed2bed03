// Which source address we choose, against Linux's choice among the same addresses (RFC 6724 §5).
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { formatIpv6 } from '#main/wire/ip/index.ts'
import type { LinkAddress } from '#main/wire/links/index.ts'
import { describeInLab } from '../support/netns.ts'
import { bytesOf, standUp } from '../wire/ip/harness.ts'

const DEVICE = 'pick0'
const ADDRESSES: readonly LinkAddress[] = [
  { address: 'fe80::1', prefixLength: 64, origin: 'link-local' },
  { address: 'fddd:1:2:3::1', prefixLength: 64, origin: 'assigned' },
  { address: 'fd11:22::1', prefixLength: 48, origin: 'assigned' },
  { address: '2001:db8:1:2::1', prefixLength: 64, origin: 'assigned' },
  { address: '2001:db8:1:80::1', prefixLength: 64, origin: 'assigned' },
  { address: '2001:db8:f000::1', prefixLength: 64, origin: 'assigned', deprecated: true },
  { address: '2002:c633:6401::1', prefixLength: 64, origin: 'assigned' },
]

describeInLab('the kernel chooses a source', 1, [], (lab) => {
  function ip(...args: readonly string[]): string {
    const done = spawnSync('ip', ['-n', lab().hosts[0]!.namespace, ...args], { encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`ip ${args.join(' ')}: ${done.stderr}`)
    return done.stdout
  }

  it('and so do we, alike', () => {
    ip('link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', 'far0')
    ip('link', 'set', 'far0', 'addrgenmode', 'none', 'up')
    ip('link', 'set', DEVICE, 'addrgenmode', 'none', 'up')
    for (const { address, prefixLength, deprecated } of ADDRESSES) {
      const lifetime = deprecated === true ? ['valid_lft', '3600', 'preferred_lft', '0'] : []
      ip('address', 'add', `${address}/${prefixLength}`, 'dev', DEVICE, 'nodad', ...lifetime)
    }
    ip('-6', 'route', 'add', 'default', 'dev', DEVICE, 'metric', '1')
    const near = fc
      .tuple(
        fc.constantFrom(...ADDRESSES.map(({ address }) => bytesOf(address)), bytesOf('2600::')),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.nat(120),
      )
      .map(([base, noise, keptBits]) =>
        base.map((byte, index) => {
          const mask = (0xff00 >> Math.min(8, Math.max(0, keptBits - index * 8))) & 0xff
          return (byte & mask) | (noise[index]! & ~mask & 0xff)
        }),
      )
      .filter(
        (bytes) =>
          bytes[0] !== 0xff &&
          bytes[0] !== 0 &&
          !(bytes[0] === 0xfe && bytes[1]! >= 0xc0) &&
          !ADDRESSES.some(({ address }) => address === formatIpv6(bytes)),
      )
    const chosen = (destination: string, addresses: readonly LinkAddress[]): string => {
      const { link, host } = standUp({ addresses })
      host.openUdp({ port: 1 }).send(new Uint8Array(1), { address: destination, port: 1 })
      return formatIpv6(link.takeSent()[0]!.subarray(8, 24))
    }
    const seen = new Set<string>()
    for (const bytes of fc.sample(near, { numRuns: 400, seed: 6724 })) {
      const destination = formatIpv6(bytes)
      const ours = chosen(destination, ADDRESSES)
      // Among equals the order decides, and the kernel's order is its own.
      if (ours !== chosen(destination, ADDRESSES.toReversed())) continue
      const theirs = / src (\S+)/.exec(ip('-6', 'route', 'get', destination, 'oif', DEVICE))?.[1]
      expect(ours, destination).toBe(theirs)
      seen.add(ours)
    }
    expect(seen.size).toBeGreaterThanOrEqual(6)
  })
})
