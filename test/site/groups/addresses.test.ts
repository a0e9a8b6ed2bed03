// Group addresses: validity, scopes and allocation (RFC 4291 §2.7, RFC 3306 §4, RFC 3307 §4.3), judged by ipaddr.js where it can.
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import { AppError, seededRandom } from '#main/base/index.ts'
import { allocateAddress, sitePrefix } from '#main/site/groups/allocation.ts'
import { canonicalAddress, readGroupAddress, scopeOf } from '#main/site/groups/index.ts'

function reasonOf(text: string): unknown {
  try {
    readGroupAddress(text)
    return 'accepted'
  } catch (thrown) {
    return thrown instanceof AppError && thrown.code === 'group.address-invalid' ? thrown.details.reason : thrown
  }
}

describe('an address chosen by a person', () => {
  it('is taken in any notation and kept in canonical text', () => {
    expect(readGroupAddress(' [FF35:0030:FD00:0:0::1:1] ')).toBe('ff35:30:fd00::1:1')
    expect(readGroupAddress('ff05::db8:0:1')).toBe('ff05::db8:0:1')
    expect(readGroupAddress('239.192.0.7')).toBe('239.192.0.7')
  })

  it.each([
    ['2001:db8::1', 'not-multicast'],
    ['192.0.2.1', 'not-multicast'],
    ['ff01::db8:1', 'scope'],
    ['ff0f::db8:1', 'scope'],
    ['ff06::db8:1', 'scope'],
    ['ff85::db8:1', 'flags'],
    ['ff25::db8:1', 'flags'],
    ['ff55::db8:1', 'flags'],
    ['ff35:41:fd00::8000:1', 'prefix'],
    ['ff35:130:fd00::8000:1', 'prefix'],
    ['ff05::fd', 'well-known'],
    ['ff02::1', 'well-known'],
    ['224.0.1.187', 'well-known'],
    ['224.0.0.251', 'well-known'],
    ['all.bldg6.example', 'not-an-address'],
    ['ff02::db8:1%eth0', 'not-an-address'],
    ['', 'not-an-address'],
    ['ff05:::1', 'not-an-address'],
  ])('%s is refused: %s', (text, reason) => {
    expect(reasonOf(text)).toBe(reason)
  })

  it('never makes the check fail otherwise than with its code, whatever the text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.ipV6(), fc.ipV4()), (text) => typeof reasonOf(text) === 'string'))
  })

  it('is only ever accepted when another implementation calls it multicast', () => {
    const words = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 7, maxLength: 7 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xff }), words, (second, rest) => {
        const text = [0xff00 + second, ...rest].map((word) => word.toString(16)).join(':')
        if (reasonOf(text) === 'accepted') expect(ipaddr.parse(readGroupAddress(text)).range()).toBe('multicast')
        expect(canonicalAddress(text)).toBe(ipaddr.IPv6.parse(text).toRFC5952String())
      }),
    )
  })
})

describe('allocation', () => {
  it('follows RFC 3306 §4: flags 3, the scope, a prefix length of 48, a unique local prefix, a dynamic group id', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer(), (prefixId, seed) => {
        const address = allocateAddress({ prefixId }, seededRandom(seed), () => false)
        const bytes = ipaddr.IPv6.parse(address).toByteArray()
        expect(bytes.slice(0, 4)).toEqual([0xff, 0x35, 0, 48])
        expect(bytes.slice(4, 10)).toEqual([...sitePrefix(prefixId)])
        expect(bytes[4]).toBe(0xfd)
        expect(bytes.slice(10, 12)).toEqual([0, 0])
        expect(bytes[12]! & 0x80).toBe(0x80)
        expect(readGroupAddress(address)).toBe(address)
        expect(scopeOf(address)).toBe('site-local')
      }),
    )
  })

  it.each([
    ['realm-local', 'ff33:'],
    ['admin-local', 'ff34:'],
    ['organization-local', 'ff38:'],
  ] as const)('can be %s', (scope, start) => {
    const address = allocateAddress({ prefixId: 'x', scope }, seededRandom(1), () => false)
    expect(address.startsWith(start)).toBe(true)
    expect(scopeOf(address)).toBe(scope)
  })

  it('finds a free address also when chance keeps naming one that is taken', () => {
    const stuck = { ...seededRandom(1), below: (limit: number) => limit - 1 }
    const taken = new Set<string>()
    for (let count = 0; count < 5; count++) taken.add(allocateAddress({ prefixId: 'x' }, stuck, (address) => taken.has(address)))
    expect(taken.size).toBe(5)
  })
})
