// What is told of the registrar's place: the ports of the place that was asked, over any of its channels, and an address that leads there
// (draft-ietf-anima-constrained-join-proxy-20 §5.1).
import { describe, expect, it } from 'vitest'
import type { NetworkInterface } from '#main/core.ts'
import type { ListeningAddress } from '#contract/model.ts'
import { createJoinAddresses, type JoinAddressesPorts } from '../../src-main/core/join-addresses.ts'
import { joinPlaces } from '../../src-main/core/join-places.ts'
import { silentLogger, type SocketAddress } from '#main/base/index.ts'

const interfaces: readonly NetworkInterface[] = [
  { name: 'lo', address: '::1', family: 'IPv6', internal: true },
  { name: 'eth0', address: 'fe80::a%eth0', family: 'IPv6', internal: false },
  { name: 'eth0', address: '2001:db8:1::a', family: 'IPv6', internal: false },
  { name: 'eth1', address: 'fe80::b%eth1', family: 'IPv6', internal: false },
  { name: 'eth1', address: '2001:db8:2::b', family: 'IPv6', internal: false },
  { name: 'eth1', address: '192.0.2.7', family: 'IPv4', internal: false },
]

function network(
  channels: Readonly<Record<string, SocketAddress>>,
  listening: readonly ListeningAddress[] = [],
): JoinAddressesPorts['network'] {
  return {
    listening,
    channels: () =>
      Object.entries(channels).map(([channelId, local]) => ({
        client: { channelId } as never,
        observer: { channelId } as never,
        local,
        kind: channelId === 'udp' ? ('system' as const) : ('mesh' as const),
        carriesMulticast: true,
      })),
  }
}

describe('where the registrar is', () => {
  it('has ports of its own at each place, whichever of its channels was asked', () => {
    const at = (scheme: ListeningAddress['scheme'], channel: string, port: number): ListeningAddress => ({
      scheme,
      channel,
      port,
      address: '::',
    })
    const listening = [at('coaps', 'coaps:udp', 6001), at('jpy', 'jpy:udp', 6002), at('coaps', 'coaps:d1', 5684), at('jpy', 'jpy:d1', 5685)]
    const places = createJoinAddresses({ network: network({}, listening), interfaces: () => interfaces })
    for (const channel of ['udp', 'coaps:udp', 'jpy:udp'])
      expect([places.portOf('coaps', channel), places.portOf('jpy', channel)]).toEqual([6001, 6002])
    for (const channel of ['d1', 'coaps:d1', 'jpy:d1'])
      expect([places.portOf('coaps', channel), places.portOf('jpy', channel)]).toEqual([5684, 5685])
    expect(places.portOf('jpy', 'd2')).toBeUndefined()
  })

  it('is the address that is listened at, over coaps and the join port too', () => {
    const places = createJoinAddresses({
      network: network({ udp: { address: '2001:db8:1::a', port: 5683 }, d1: { address: 'fd00::1', port: 5683 } }),
      interfaces: () => interfaces,
    })
    for (const channel of ['udp', 'coaps:udp', 'jpy:udp']) expect(places.routable(channel)).toBe('2001:db8:1::a')
    expect(places.routable('jpy:d1')).toBe('fd00::1')
    expect(places.first()).toEqual({ channelId: 'd1', address: 'fd00::1' })
    expect(places.routable('d2')).toBeUndefined()
  })

  it('is, where all addresses are listened at, one on the asker’s link or in his network, and never one of the link', () => {
    const places = createJoinAddresses({ network: network({ udp: { address: '::', port: 5683 } }), interfaces: () => interfaces })
    expect(places.routable('udp')).toBe('2001:db8:1::a')
    expect(places.routable('udp', { address: 'fe80::99', zone: 'eth1' })).toBe('2001:db8:2::b')
    expect(places.routable('udp', { address: '2001:db8:2::77' })).toBe('2001:db8:2::b')
    expect(places.routable('udp', { address: '2001:db8:9::1' })).toBe('2001:db8:1::a')
    const none = createJoinAddresses({
      network: network({ udp: { address: 'fe80::a', port: 5683, zone: 'eth0' } }),
      interfaces: () => interfaces,
    })
    expect([none.routable('udp'), none.first()]).toEqual([undefined, undefined])
    const ipv4 = createJoinAddresses({ network: network({ udp: { address: '0.0.0.0', port: 5683 } }), interfaces: () => interfaces })
    expect(ipv4.routable('udp', { address: '192.0.2.9' })).toBe('192.0.2.7')
  })
})

describe('the links of pledges', () => {
  it('are interfaces with an address of the link; the site’s channel serves those whose address it answers from', () => {
    const on = (local: SocketAddress): ReadonlyArray<readonly [string, string | null, string | undefined]> =>
      joinPlaces({ network: network({ udp: local }), interfaces, links: [], logger: silentLogger }).map(({ row, served }) => [
        row.id,
        row.linkLocal,
        served?.sharedChannel,
      ])
    expect(on({ address: '::', port: 5683 })).toEqual([
      ['lan:eth0', 'fe80::a', 'udp'],
      ['lan:eth1', 'fe80::b', 'udp'],
    ])
    expect(on({ address: '2001:db8:1::a', port: 5683 }).map(([, , shared]) => shared)).toEqual([undefined, undefined])
    expect(on({ address: 'fe80::b', port: 5683, zone: 'eth1' }).map(([, , shared]) => shared)).toEqual([undefined, 'udp'])
    expect(on({ address: '::', port: 6000 }).map(([, , shared]) => shared)).toEqual([undefined, undefined])
  })
})
