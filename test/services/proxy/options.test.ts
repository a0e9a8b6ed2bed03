// The values of the proxies' options, byte by byte.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '#main/base/index.ts'
import { isCritical, isNoCacheKey, isUnsafe } from '#main/wire/coap/index.ts'
import {
  criOf,
  multicastSignalingOption,
  multicastTimeoutOption,
  readGroupEtag,
  readGroupEtags,
  readMulticastSignaling,
  readMulticastTimeout,
  readReplyFrom,
  readResponseForwarding,
  replyFromOption,
  responseForwardingOption,
  SUGGESTED_OPTION_NUMBERS as N,
} from '#main/services/proxy/index.ts'

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(' ', '')) ?? new Uint8Array(0)

describe('draft-ietf-core-groupcomm-proxy-07', () => {
  it('Table 1: Multicast-Timeout is 2, elective and unsafe, a uint of 0 to 4 bytes; 0 is empty (§2)', () => {
    expect([N.multicastTimeout, isCritical(2), isUnsafe(2)]).toEqual([2, false, true])
    expect(toHex(multicastTimeoutOption(N, 60).value)).toBe('3c')
    expect(toHex(multicastTimeoutOption(N, 0).value)).toBe('')
    expect(readMulticastTimeout(N, [{ number: 2, value: hex('00000e10') }])).toBe(3600)
    expect(readMulticastTimeout(N, [{ number: 2, value: hex('0000000001') }])).toBeUndefined()
    expect(readMulticastTimeout(N, [multicastTimeoutOption(N, 1), multicastTimeoutOption(N, 2)])).toBeUndefined()
    expect(readMulticastTimeout(N, [])).toBeUndefined()
  })

  it('Table 2: Reply-From is 248, elective and safe, a sequence of a CRI and perhaps a reference (§3)', () => {
    expect([N.replyFrom, isCritical(248), isUnsafe(248)]).toEqual([248, false, false])
    const server = criOf({ address: '2001:db8::51', port: 5684 })
    const alone = replyFromOption(N, { cri: server, reference: undefined })
    expect(toHex(alone.value)).toBe('8220' + '82' + '50' + '20010db8000000000000000000000051' + '191634')
    const both = replyFromOption(N, {
      cri: criOf({ address: '2001:db8::b', port: 5683 }, 'coap+tcp'),
      reference: { authority: { host: { kind: 'ip', bytes: hex('20010db8000000000000000000000051') }, port: 5683 }, path: undefined },
    })
    expect(toHex(both.value)).toBe(
      '8226' + '81' + '50' + '20010db800000000000000000000000b' + '82f6' + '82' + '50' + '20010db8000000000000000000000051' + '191633',
    )
    expect(readReplyFrom(N, [alone])?.cri).toEqual(server)
    expect(readReplyFrom(N, [both])?.reference?.authority?.port).toBe(5683)
  })

  it.each([
    ['a path in the CRI', '8320 8144 7f000001 8161 61'.replaceAll(' ', '')],
    ['a CRI reference alone', '82f6814 47f000001'.replaceAll(' ', '')],
    ['a host name together with an authority in the reference', '8220 8161 61 82f6 8144 7f000001'],
    ['a query in the reference', '8220 8144 7f000001 83f5 80 81 61 61'],
    ['less than five bytes', '8220'],
    ['bytes behind', '8220 8144 7f000001 82f6 8144 7f000001 00'],
  ])('ignores a Reply-From with %s', (_, value) => {
    expect(readReplyFrom(N, [{ number: N.replyFrom, value: hex(value) }])).toBeUndefined()
  })

  it('Table 3: Group-ETag is 24, elective, safe, part of the cache key, 1 to 8 bytes (§7.3)', () => {
    expect([N.groupEtag, isCritical(24), isUnsafe(24), isNoCacheKey(24)]).toEqual([24, false, false, false])
    const tags = ['', '01', '0102030405060708', '010203040506070809'].map((value) => ({ number: 24, value: hex(value) }))
    expect(readGroupEtags(N, tags).map(toHex)).toEqual(['01', '0102030405060708'])
    expect(readGroupEtag(N, tags)).toBeUndefined()
  })
})

describe('draft-tiloca-core-groupcomm-proxy-00', () => {
  it('Figure 1: Multicast-Signaling is critical and unsafe, a CBOR unsigned integer of 1 to 5 bytes (§2)', () => {
    expect([isCritical(N.multicastSignaling), isUnsafe(N.multicastSignaling)]).toEqual([true, true])
    const cases: ReadonlyArray<readonly [number, string]> = [
      [0, '00'],
      [60, '183c'],
      [3600, '190e10'],
      [100_000, '1a000186a0'],
    ]
    for (const [seconds, bytes] of cases) {
      const option = multicastSignalingOption(N, seconds)
      expect(toHex(option.value)).toBe(bytes)
      expect(readMulticastSignaling(N, [option])).toBe(seconds)
    }
    for (const bad of ['', '20', '60', 'f93c00', '1b0000000100000000', '183c00', 'f6', 'c1183c']) {
      expect(readMulticastSignaling(N, [{ number: N.multicastSignaling, value: hex(bad) }])).toBe('invalid')
    }
    expect(readMulticastSignaling(N, [])).toBeUndefined()
  })

  it('Figure 2: Response-Forwarding is critical and unsafe, an address in CBOR tag 260, 8 to 20 bytes (§3)', () => {
    expect([isCritical(N.responseForwarding), isUnsafe(N.responseForwarding)]).toEqual([true, true])
    expect(toHex(responseForwardingOption(N, '192.0.2.1').value)).toBe('d90104' + '44' + 'c0000201')
    const six = responseForwardingOption(N, '2001:db8::51')
    expect(toHex(six.value)).toBe('d90104' + '50' + '20010db8000000000000000000000051')
    expect(six.value).toHaveLength(20)
    expect(readResponseForwarding(N, [six])).toBe('2001:db8::51')
    expect(readResponseForwarding(N, [responseForwardingOption(N, '192.0.2.1')])).toBe('192.0.2.1')
    // A MAC address, another tag, no tag, a text, two addresses.
    for (const bad of ['d9010446020000000001', 'd9010544c0000201', '44c0000201', 'd9010464c0000201', 'd9010444c000020100', '']) {
      expect(readResponseForwarding(N, [{ number: N.responseForwarding, value: hex(bad) }])).toBeUndefined()
    }
  })
})

it('reads any bytes without failing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (value) => {
      const all: readonly number[] = [N.multicastTimeout, N.replyFrom, N.groupEtag, N.multicastSignaling, N.responseForwarding]
      for (const number of all) {
        const options = [{ number, value }]
        readMulticastTimeout(N, options)
        readMulticastSignaling(N, options)
        readResponseForwarding(N, options)
        readReplyFrom(N, options)
        readGroupEtag(N, options)
      }
    }),
    { numRuns: 3000 },
  )
})
