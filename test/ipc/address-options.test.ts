// For which addresses a border router is told to announce the directory.
import { describe, expect, it } from 'vitest'
import { addressOption, announceable } from '../../src-main/ipc/address-options.ts'

const at = (
  channel: string,
  address: string,
): { readonly scheme: 'coap'; readonly port: number; readonly channel: string; readonly address: string } => ({
  scheme: 'coap',
  port: 5683,
  channel,
  address,
})
const machine = [
  { name: 'lo', address: '::1', family: 'IPv6' as const, internal: true },
  { name: 'eth0', address: '192.0.2.7', family: 'IPv4' as const, internal: false },
  { name: 'eth0', address: '2001:db8::7', family: 'IPv6' as const, internal: false },
  { name: 'eth0', address: 'fe80::7%eth0', family: 'IPv6' as const, internal: false },
]

describe('addresses that a border router may announce (RFC 9176 §4.1.1)', () => {
  it('has the one behind a dongle first, and this machine’s own where all are listened on', () => {
    expect(announceable([at('udp', '::'), at('dongle-1', 'fd00::1')], machine)).toEqual(['fd00::1', '2001:db8::7'])
    expect(announceable([at('udp', '2001:db8::7')], machine)).toEqual(['2001:db8::7'])
  })

  it('leaves out what a device behind a router cannot reach: loopback, link-local, simulated, IPv4, none yet', () => {
    const unreachable = [
      at('udp', '::1'),
      at('udp', '0.0.0.0'),
      at('udp', '192.0.2.7'),
      at('demo', 'fd00::1'),
      at('dongle-1', '::'),
      at('dongle-2', 'fe80::1'),
      at('dongle-3', 'febf::1'),
    ]
    expect(announceable(unreachable, machine)).toEqual([])
    expect(announceable([], machine)).toEqual([])
  })

  it('gives each as fields and as bytes', () => {
    const { address, hex, text } = addressOption('FD00::0001', 1800)
    expect([address, hex]).toEqual(['fd00::1', `2903000000000708fd00${'0'.repeat(27)}1`])
    expect(text).toContain('1800 s')
  })
})
