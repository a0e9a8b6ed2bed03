import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import {
  formatIpv6,
  isLinkLocalAddress,
  multicastScopeOf,
  normaliseAddress,
  parseIpv4,
  parseIpv6,
  parseSocketAddress,
} from '#main/wire/ip/index.ts'

const sixteen = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
)
const isMapped = (bytes: Uint8Array): boolean => bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255

describe('IPv6 text', () => {
  it('is formatted as ipaddr.js formats it (RFC 5952)', () => {
    fc.assert(
      fc.property(sixteen, (bytes) => {
        fc.pre(!isMapped(bytes))
        expect(formatIpv6(bytes)).toBe(new ipaddr.IPv6([...bytes]).toRFC5952String())
      }),
      { numRuns: 3000 },
    )
  })

  it('is read as ipaddr.js reads it, in short, long and mixed forms', () => {
    fc.assert(
      fc.property(sixteen, (bytes) => {
        const oracle = new ipaddr.IPv6([...bytes])
        for (const form of [
          oracle.toString(),
          oracle.toNormalizedString(),
          [...oracle.parts].map((part) => part.toString(16).padStart(4, '0')).join(':'),
          oracle.toNormalizedString().toUpperCase(),
        ]) {
          expect(parseIpv6(form)).toEqual(bytes)
        }
        const groups = oracle.toNormalizedString().split(':')
        expect(parseIpv6(`${groups.slice(0, 6).join(':')}:${bytes.subarray(12).join('.')}`)).toEqual(bytes)
      }),
      { numRuns: 2000 },
    )
  })

  it('accepts of any text only what ipaddr.js accepts', () => {
    const alphabet = fc.constantFrom(...'0123456789abcdfF::::...%/ '.split(''))
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 40 }), (text) => {
        const ours = parseIpv6(text)
        if (ours !== undefined) expect([...ours]).toEqual(ipaddr.IPv6.parse(text).toByteArray())
      }),
      { numRuns: 20_000 },
    )
  })

  it.each([
    // RFC 5952 §4: leading zeros, the longest run, the first of equal runs, no single group, lower case.
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::1', '2001:db8::1'],
    ['::FFFF:192.0.2.1', '::ffff:192.0.2.1'],
    ['::', '::'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['192.0.2.1', '192.0.2.1'],
  ])('%s is %s', (text, canonical) => {
    expect(normaliseAddress(text)).toBe(canonical)
  })

  it.each([
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    '::g',
    '::1.2.3',
    '::1.2.3.256',
    '1.2.3.4::',
    'fe80::1%',
    '192.0.2.1%eth0',
    '192.0.2.01',
    '192.0.2',
    '192.0.2.1.5',
    'localhost',
  ])('%j is no address', (text) => {
    expect(normaliseAddress(text)).toBeUndefined()
  })

  it('reads dotted quads', () => {
    expect(parseIpv4('224.0.1.187')).toEqual(Uint8Array.of(224, 0, 1, 187))
  })
})

describe('multicast scope (RFC 4291 §2.7, RFC 7346)', () => {
  it.each([
    ['ff02::fd', 'link-local'],
    ['ff03::fd', 'realm-local'],
    ['ff04::1', 'admin-local'],
    ['ff05::fd', 'site-local'],
    ['ff35:30:2001:db8::1', 'site-local'],
    ['ff08::1', 'organization-local'],
    ['ff0e::1', 'global'],
    ['224.0.1.187', 'ipv4'],
    ['239.255.0.1', 'ipv4'],
    ['ff01::1', undefined],
    ['ff0f::1', undefined],
    ['fe80::1', undefined],
    ['192.0.2.1', undefined],
    ['nonsense', undefined],
  ])('%s: %s', (address, scope) => {
    expect(multicastScopeOf(address)).toBe(scope)
  })

  it('knows link-local unicast', () => {
    expect(['fe80::1', 'febf::1', 'fec0::1', 'ff02::1', '169.254.0.1'].map(isLinkLocalAddress)).toEqual([true, true, false, false, false])
  })
})

describe('socket addresses', () => {
  it.each([
    ['[2001:DB8::1]:5683', undefined, { address: '2001:db8::1', port: 5683 }],
    ['[fe80::1%eth0]:61616', undefined, { address: 'fe80::1', port: 61_616, zone: 'eth0' }],
    ['192.0.2.1:5683', undefined, { address: '192.0.2.1', port: 5683 }],
    ['192.0.2.1', 5683, { address: '192.0.2.1', port: 5683 }],
    ['[::1]', 5683, { address: '::1', port: 5683 }],
    ['2001:db8::1', 5683, { address: '2001:db8::1', port: 5683 }],
    ['::1', undefined, undefined],
    ['192.0.2.1', undefined, undefined],
    ['[192.0.2.1]:5683', undefined, undefined],
    ['[::1]:65536', undefined, undefined],
    ['[::1', 5683, undefined],
    ['example.com:5683', undefined, undefined],
    ['', 5683, undefined],
  ])('%s with default %s', (given, defaultPort, expected) => {
    expect(parseSocketAddress(given, defaultPort)).toEqual(expected)
  })
})
