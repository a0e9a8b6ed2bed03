// Which source a host takes (RFC 6724 §5, §10.1's examples as far as one interface has them), shown by the packets that it sends.
import { describe, expect, it } from 'vitest'
import type { LinkAddress } from '#main/wire/links/index.ts'
import { formatIpv6 } from '#main/wire/ip/index.ts'
import { linkLocal, meshLocal, onMesh } from '../../support/packet-link.ts'
import { standUp } from './harness.ts'

function sourceFor(to: string, addresses: readonly LinkAddress[]): string | undefined {
  const { link, host } = standUp({ addresses })
  host.openUdp({ port: 1 }).send(new Uint8Array(1), { address: to, port: 1 })
  const packet = link.takeSent()[0]
  return packet === undefined ? undefined : formatIpv6(packet.subarray(8, 24))
}

const LL = linkLocal('fe80::1')
const ML = meshLocal('fddd::1')
const OMR = onMesh('fd11::1')
const RLOC = meshLocal('fddd::ff:fe00:bc00')
const ALOC = meshLocal('fddd::ff:fe00:fc00')
const GLOBAL = onMesh('2001:db8:1::1')

describe('the source address', () => {
  it.each<readonly [string, string, readonly LinkAddress[], string | undefined]>([
    ['link-local to link-local (rule 2)', 'fe80::2', [ML, LL, OMR], 'fe80::1'],
    ['link-local to a link-local group', 'ff02::fd', [ML, LL, OMR], 'fe80::1'],
    ['mesh-local to a realm-local group', 'ff03::fd', [LL, OMR, ML], 'fddd::1'],
    ['on-mesh to a wider group', 'ff05::fd', [LL, ML, OMR], 'fd11::1'],
    ['mesh-local to the mesh (rule 8)', 'fddd::99', [LL, OMR, ML], 'fddd::1'],
    ['on-mesh to the on-mesh prefix (rule 8)', 'fd11::99', [LL, ML, OMR], 'fd11::1'],
    ['global to global (rule 6: labels)', '2001:db8:99::1', [LL, ML, OMR, GLOBAL], '2001:db8:1::1'],
    ['unique local to unique local (rule 6)', 'fd99::1', [GLOBAL, OMR], 'fd11::1'],
    ['6to4 to 6to4 (rule 6)', '2002:c633:6401::d5e3', [GLOBAL, { ...GLOBAL, address: '2002:c633:6401::1' }], '2002:c633:6401::1'],
    ['the longest prefix (rule 8)', '2001:db8:1::d5e3', [onMesh('2001:db8:3::2'), GLOBAL], '2001:db8:1::1'],
    ['the one that is not deprecated (rule 3)', 'fddd::9', [{ ...ML, deprecated: true }, OMR], 'fd11::1'],
    [
      'a deprecated one of the right scope rather than a link-local (rule 2 before 3)',
      'ff05::fd',
      [LL, { ...OMR, deprecated: true }],
      'fd11::1',
    ],
    ['not a locator, which changes with the mesh', 'fddd::ff:fe00:400', [LL, RLOC, ALOC, ML], 'fddd::1'],
    ['a locator where there is nothing else', 'fddd::9', [LL, RLOC], 'fddd::ff:fe00:bc00'],
    ['link-local where there is nothing else', 'fddd::9', [LL], 'fe80::1'],
    ['none without an address', 'fddd::9', [], undefined],
  ])('is %s', (_name, to, addresses, expected) => {
    expect(sourceFor(to, addresses)).toBe(expected)
    expect(sourceFor(to, addresses.toReversed())).toBe(expected)
  })

  it('is the first in the link’s order where no rule prefers one: prefixes are compared no further than they reach (§2.2)', () => {
    const pair = [onMesh('2001:db8:1::1'), onMesh('2001:db8:1::ffff')]
    expect(sourceFor('2001:db8:1::fffe', pair)).toBe('2001:db8:1::1')
    expect(sourceFor('2001:db8:1::fffe', pair.toReversed())).toBe('2001:db8:1::ffff')
  })

  it('is the bound one while the link has it', () => {
    const { link, host } = standUp({ addresses: [LL, ML, OMR] })
    const channel = host.openUdp({ port: 1, address: 'fd11:0::1' })
    expect(channel.local).toEqual({ address: 'fd11::1', port: 1 })
    channel.send(new Uint8Array(1), { address: 'fddd::9', port: 1 })
    link.setAddresses([LL, ML])
    channel.send(new Uint8Array(1), { address: 'fddd::9', port: 1 })
    expect(link.takeSent().map((packet) => formatIpv6(packet.subarray(8, 24)))).toEqual(['fd11::1'])
  })
})

it('the address that peers are told is neither a locator nor deprecated nor link-local while there is another', () => {
  const { link, host } = standUp({ addresses: [LL, RLOC, { ...OMR, deprecated: true }, ML] })
  const channel = host.openUdp({ port: 5683 })
  expect(channel.local).toEqual({ address: 'fddd::1', port: 5683 })
  link.setAddresses([LL, RLOC, OMR])
  expect(channel.local).toEqual({ address: 'fd11::1', port: 5683 })
  link.setAddresses([LL])
  expect(channel.local).toEqual({ address: 'fe80::1', port: 5683, zone: 'dongle:1' })
  link.setUp(false)
  expect(channel.local).toEqual({ address: '::', port: 5683 })
})
