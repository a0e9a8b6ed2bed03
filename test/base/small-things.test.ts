import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, test } from 'vitest'
import {
  AppError,
  concatBytes,
  decodeUint,
  encodeUint,
  equalBytes,
  formatSocketAddress,
  fromHex,
  isAbort,
  isMulticastAddress,
  KeyedFeed,
  newId,
  parseEui64,
  seededRandom,
  systemRandom,
  toAppError,
  toHex,
  utf8,
  utf8ToText,
} from '#main/base/index.ts'

const anyBytes = fc.uint8Array({ maxLength: 40 })

describe('bytes', () => {
  test('hex and text come back, and what is none is undefined', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(utf8ToText(utf8(text))).toBe(text)
      }),
    )
    expect(['0', 'zz', '0g', ' 00', '0x11'].map(fromHex)).toEqual([undefined, undefined, undefined, undefined, undefined])
    expect(fromHex('AbCd')).toEqual(Uint8Array.of(0xab, 0xcd))
    expect([Uint8Array.of(0xff), Uint8Array.of(0xc0, 0x80), Uint8Array.of(0xed, 0xa0, 0x80)].map(utf8ToText)).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(utf8ToText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa')
  })

  test('joining and comparing', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        expect([...concatBytes(a, b)]).toEqual([...a, ...b])
        expect(equalBytes(a, b)).toBe(toHex(a) === toHex(b))
      }),
    )
    expect(concatBytes()).toEqual(new Uint8Array(0))
  })

  test('CoAP’s uint is the shortest form, 0 the empty one (RFC 7252 §3.2)', () => {
    expect([0, 1, 255, 256, 65_535, 65_536, 4_294_967_295].map((value) => toHex(encodeUint(value)))).toEqual([
      '',
      '01',
      'ff',
      '0100',
      'ffff',
      '010000',
      'ffffffff',
    ])
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(decodeUint(encodeUint(value))).toBe(value)
      }),
    )
    expect(decodeUint(Uint8Array.of(0, 0, 7))).toBe(7)
  })
})

describe('random', () => {
  test('a seed gives the same sequence again, another seed another', () => {
    const draw = (seed: number): unknown[] => {
      const random = seededRandom(seed)
      return [random.bytes(8), random.fraction(), random.below(1000), random.bytes(3)]
    }
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
  })

  test.each([
    ['system', systemRandom],
    ['seeded', seededRandom(3)],
  ])('%s: fractions are in [0, 1), integers below their limit, and neither is lopsided', (_name, random) => {
    const counts = new Array<number>(10).fill(0)
    for (let i = 0; i < 10_000; i++) {
      const fraction = random.fraction()
      if (fraction < 0 || fraction >= 1) throw new Error(`fraction ${fraction}`)
      counts[random.below(10)]!++
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(200)
    expect(random.below(1)).toBe(0)
    expect(random.bytes(0)).toHaveLength(0)
    expect(random.bytes(33)).toHaveLength(33)
  })

  test('the system’s bytes do not repeat', () => {
    expect(new Set(Array.from({ length: 1000 }, () => toHex(systemRandom.bytes(8)))).size).toBe(1000)
  })
})

describe('ids', () => {
  test('have a prefix and 16 characters that nobody misreads', () => {
    const ids = new Set(Array.from({ length: 2000 }, () => newId('device', systemRandom)))
    expect(ids.size).toBe(2000)
    for (const id of ids) expect(id).toMatch(/^device-[0-9a-hjkmnp-tv-z]{16}$/)
  })

  test.each([
    ['00124b000a1b2c3d', '00124b000a1b2c3d'],
    ['00:12:4B:00:0A:1B:2C:3D', '00124b000a1b2c3d'],
    ['00-12-4b-00-0a-1b-2c-3d', '00124b000a1b2c3d'],
    ['0012.4b00.0a1b.2c3d', '00124b000a1b2c3d'],
    [' 0012 4b00 0a1b 2c3d ', '00124b000a1b2c3d'],
    ['00124b000a1b2c3', undefined],
    ['00124b000a1b2c3d0', undefined],
    ['00124b000a1b2c3g', undefined],
    ['00:12:4b:00:0a:1b', undefined],
    ['', undefined],
  ])('EUI-64 %j is %s', (text, expected) => {
    expect(parseEui64(text)).toBe(expected)
  })
})

describe('errors', () => {
  test('an AppError carries its code, whether to try again, details and cause', () => {
    const cause = new RangeError('x')
    const error = new AppError('coap.timeout', 'No answer', { retryable: true, details: { tries: 5 }, cause })
    expect(error).toBeInstanceOf(Error)
    expect([error.name, error.code, error.retryable, error.details, error.cause]).toEqual([
      'AppError',
      'coap.timeout',
      true,
      { tries: 5 },
      cause,
    ])
    expect(new AppError('internal', 'x')).toMatchObject({ retryable: false, details: {} })
    expect('cause' in new AppError('internal', 'x')).toBe(false)
  })

  test('anything thrown becomes one: itself, a cancellation, or an internal one', () => {
    const own = new AppError('rd.full', 'x')
    expect(toAppError(own)).toBe(own)
    const abort = new DOMException('stop', 'AbortError')
    expect(toAppError(abort)).toMatchObject({ code: 'cancelled', cause: abort })
    expect(toAppError(new TypeError('bad'))).toMatchObject({ code: 'internal', message: 'bad' })
    expect(toAppError('text')).toMatchObject({ code: 'internal', message: 'text' })
    expect(toAppError(undefined)).toMatchObject({ code: 'internal', message: 'undefined' })
  })

  test('a cancellation is told from a failure', () => {
    expect([new AppError('cancelled', 'x'), new DOMException('x', 'AbortError')].map(isAbort)).toEqual([true, true])
    expect([new AppError('internal', 'x'), new Error('x'), 'AbortError', null].map(isAbort)).toEqual([false, false, false, false])
  })
})

describe('socket addresses', () => {
  test('are written so that they can be read back', () => {
    expect(formatSocketAddress({ address: '192.0.2.1', port: 5683 })).toBe('192.0.2.1:5683')
    expect(formatSocketAddress({ address: 'fd00::1', port: 5683 })).toBe('[fd00::1]:5683')
    expect(formatSocketAddress({ address: 'fe80::1', port: 61_616, zone: 'eth0' })).toBe('[fe80::1%eth0]:61616')
  })

  test('multicast addresses are those that ipaddr.js takes for such', () => {
    const known = [
      'ff02::fd',
      'ff35:30:fd00::1:1',
      'FF05::2',
      '224.0.1.187',
      '239.255.255.255',
      '240.0.0.1',
      '223.255.255.255',
      '::1',
      'fe80::1',
      '2001:db8::ff02',
    ]
    const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
    const six = groups.map((parts) => new ipaddr.IPv6(parts).toString())
    const four = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 }).map((parts) => parts.join('.'))
    const oracle = (address: string): boolean => ipaddr.parse(address).range() === 'multicast'
    for (const address of known) expect([address, isMulticastAddress(address)]).toEqual([address, oracle(address)])
    fc.assert(
      fc.property(fc.oneof(six, four), (address) => {
        expect(isMulticastAddress(address)).toBe(oracle(address))
      }),
    )
  })
})

describe('a keyed feed', () => {
  interface Row {
    readonly id: string
    readonly n: number
  }
  const feedOf = (): KeyedFeed<Row> => new KeyedFeed<Row>((row) => row.id)

  test('holds the newest row of each key, in the order of their first coming', () => {
    const feed = feedOf()
    feed.setAll([
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
    ])
    feed.set({ id: 'a', n: 3 })
    expect([feed.size, feed.get('a'), feed.get('z')]).toEqual([2, { id: 'a', n: 3 }, undefined])
    expect(feed.rows().map(({ id }) => id)).toEqual(['a', 'b'])
    expect(feed.keys()).toEqual(['a', 'b'])
  })

  test('tells each change once, with its keys, and nothing when nothing changed', () => {
    const feed = feedOf()
    const told: Array<readonly string[]> = []
    const end = feed.subscribe((keys) => told.push(keys))
    feed.setAll([])
    feed.setAll([
      { id: 'a', n: 1 },
      { id: 'b', n: 1 },
    ])
    feed.delete(['b', 'nobody'])
    feed.delete(['nobody'])
    feed.reset([{ id: 'c', n: 1 }])
    feed.reset([])
    feed.reset([])
    end()
    feed.set({ id: 'd', n: 1 })
    expect(told).toEqual([['a', 'b'], ['b'], ['a', 'c'], ['c']])
  })

  test('a listener that leaves while it is told does not disturb the others', () => {
    const feed = feedOf()
    const told: string[] = []
    const leave = feed.subscribe(() => {
      told.push('first')
      leave()
    })
    feed.subscribe(() => told.push('second'))
    feed.set({ id: 'a', n: 1 })
    feed.set({ id: 'a', n: 2 })
    expect(told).toEqual(['first', 'second', 'second'])
  })
})
