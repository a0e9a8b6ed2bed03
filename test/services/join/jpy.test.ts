import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, encodeCbor, fromHex, toHex, type CborValue } from '#main/base/index.ts'
import {
  decodeJpy,
  decodePlainHeader,
  encodeJpy,
  encodePlainHeader,
  endpointOfUri,
  isJpyFault,
  MAX_HEADER_BYTES,
  MAX_JPY_OVERHEAD_BYTES,
  uriOfEndpoint,
  type JpyMessage,
  type JpyVersion,
} from '#main/services/join/index.ts'

interface Vectors {
  readonly printed: ReadonlyArray<{
    readonly origin: string
    readonly version: JpyVersion
    readonly header: string
    readonly contentBytes: number
    readonly start: string
  }>
  readonly whole: ReadonlyArray<{
    readonly version: JpyVersion
    readonly header: string
    readonly content: string
    readonly message: string
    readonly plain?: { readonly address: string; readonly port: number; readonly family: number; readonly index: number }
  }>
}

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, '../../vectors/jpy/messages.json'), 'utf8')) as Vectors

function bytes(hex: string): Uint8Array {
  const value = fromHex(hex.replace(/\s/g, ''))
  if (value === undefined) throw new TypeError(`Not hex: ${hex}`)
  return value
}

function read(hex: string): JpyMessage {
  const message = decodeJpy(bytes(hex))
  if (isJpyFault(message)) throw new TypeError(message.fault)
  return message
}

const faultOf = (hex: string): string | undefined => {
  const message = decodeJpy(bytes(hex))
  return isJpyFault(message) ? message.fault : undefined
}

describe('messages as the drafts print them', () => {
  it.each(vectors.printed)('$origin: both ways', ({ version, header, contentBytes, start }) => {
    const known = bytes(start)
    const headLength = bytes(header).length
    const whole = new Uint8Array(1 + (version === '20' ? 1 : 0) + headLength + (contentBytes < 256 ? 2 : 3) + contentBytes)
    whole.set(known)
    const message = decodeJpy(whole)
    if (isJpyFault(message)) throw new TypeError(message.fault)
    expect(message.version).toBe(version)
    expect(toHex(message.header)).toBe(header)
    expect(message.content).toHaveLength(contentBytes)
    expect(toHex(encodeJpy(message)).startsWith(start)).toBe(true)
    expect(encodeJpy(message)).toEqual(whole)
  })

  it.each(vectors.whole)('a whole message of version $version with header "$header"', ({ version, header, content, message, plain }) => {
    expect(toHex(encodeJpy({ version, header: bytes(header), content: bytes(content) }))).toBe(message)
    const decoded = read(message)
    expect([decoded.version, toHex(decoded.header), toHex(decoded.content)]).toEqual([version, header, content])
    if (plain === undefined) return
    expect(toHex(encodePlainHeader({ ...plain, address: bytes(plain.address) }))).toBe(header)
    expect(decodePlainHeader(decoded.header)).toEqual({ ...plain, address: bytes(plain.address) })
  })
})

describe('what is a JPY message (draft -20 §4.5.7, draft -01 §5.3)', () => {
  it('ignores elements behind the second, whatever they are', () => {
    for (const extra of ['00', 'f6', 'a10102', 'd9010100', '5f4101ff', '9f00ff', 'fb3ff8000000000000'])
      expect(toHex(read(`83 41aa 42bbcc ${extra}`).header)).toBe('aa')
    expect(toHex(read('9f 41aa 42bbcc 00 20 ff').content)).toBe('bbcc')
    // Five elements that begin with two byte strings are today's form.
    expect(read('85 41aa 42bbcc 00 00 41dd').version).toBe('20')
  })

  it('keeps the header of draft -01 just as it was written, also where shorter forms exist', () => {
    const header = '58 01 aa 1a 0000 0005 1b 00000000 0000000a 20'.replace(/\s/g, '')
    const message = read(`85 ${header} 41bb`)
    expect(message.version).toBe('01')
    expect(toHex(encodeJpy({ ...message, content: bytes('cc') }))).toBe(`85${header}41cc`)
  })

  it.each([
    ['', 'not-cbor'],
    ['80', 'not-jpy'],
    ['81 41aa', 'not-jpy'],
    ['82 41aa 01', 'not-jpy'],
    ['82 01 41aa', 'not-jpy'],
    ['82 41aa 61aa', 'not-jpy'],
    ['84 41aa 01 02 03', 'not-jpy'],
    ['85 41aa 01 02 03 04', 'not-jpy'],
    ['85 41aa 01 41aa 03 41bb', 'not-jpy'],
    ['86 41aa 01 02 03 41bb 00', 'not-jpy'],
    ['a2 41aa 01 41bb 02', 'not-jpy'],
    ['16fefd0000', 'not-cbor'],
    ['82 41aa 42bb', 'not-jpy'],
    ['82 41aa 41bb 00', 'not-cbor'],
    ['83 41aa 41bb', 'not-cbor'],
    ['83 41aa 41bb a1', 'not-cbor'],
    ['83 41aa 41bb 9f', 'not-cbor'],
    ['83 41aa 41bb ff', 'not-cbor'],
    ['83 41aa 41bb 9f00', 'not-cbor'],
    ['83 41aa 41bb bf00ff', 'not-cbor'],
    ['83 41aa 41bb 5f00ff', 'not-cbor'],
    ['83 41aa 41bb f800', 'not-cbor'],
    ['83 41aa 41bb 1c', 'not-cbor'],
    ['9b ffffffffffffffff 41aa 41bb', 'not-cbor'],
    ['82 5b ffffffffffffffff', 'not-jpy'],
    [`83 41aa 41bb ${'81'.repeat(60)} 00`, 'not-cbor'],
  ])('refuses %s', (hex, fault) => {
    expect(faultOf(hex)).toBe(fault)
  })

  it('adds no more than the draft allows for: 38 bytes with the longest header (§4.5.4)', () => {
    for (const size of [0, 23, 24, 255, 256, 1200]) {
      const message = encodeJpy({ version: '20', header: new Uint8Array(MAX_HEADER_BYTES), content: new Uint8Array(size) })
      expect(message.length - size).toBeLessThanOrEqual(MAX_JPY_OVERHEAD_BYTES)
    }
  })
})

describe('properties', () => {
  const octets = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })

  it('any header and content come back, and another encoder writes the same', () => {
    fc.assert(
      fc.property(octets(64), octets(1300), (header, content) => {
        const message = encodeJpy({ version: '20', header, content })
        expect(message).toEqual(encodeCbor([header, content]))
        expect(decodeJpy(message)).toEqual({ version: '20', header, content })
      }),
    )
  })

  it('any plain header comes back, and another encoder writes the same', () => {
    const plain = fc.record({
      address: fc.oneof(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.uint8Array({ minLength: 4, maxLength: 4 })),
      port: fc.integer({ min: 1, max: 65_535 }),
      family: fc.nat(255),
      index: fc.nat(2 ** 31 - 1),
    })
    fc.assert(
      fc.property(plain, octets(1300), (header, content) => {
        const message = encodeJpy({ version: '01', header: encodePlainHeader(header), content })
        expect(message).toEqual(encodeCbor([header.address, header.port, header.family, header.index, content]))
        const decoded = decodeJpy(message)
        if (isJpyFault(decoded)) throw new TypeError(decoded.fault)
        expect(decoded.version).toBe('01')
        expect(decodePlainHeader(decoded.header)).toEqual(header)
        expect(decoded.content).toEqual(content)
      }),
    )
  })

  it('any bytes give a message or a fault, and a message is written again as it can be read', () => {
    const start = fc.constantFrom('82', '83', '85', '9f', '8241aa', '8541aa010203', '8341aa41bb', '5f', 'd9')
    fc.assert(
      fc.property(start, octets(80), (hex, tail) => {
        const decoded = decodeJpy(concatBytes(bytes(hex), tail))
        if (isJpyFault(decoded)) return
        expect(decodeJpy(encodeJpy(decoded))).toEqual(decoded)
      }),
      { numRuns: 5000 },
    )
  })

  it('any item of CBOR in the third place is skipped', () => {
    const item: fc.Arbitrary<CborValue> = fc.letrec<{ item: CborValue }>((tie) => ({
      item: fc.oneof(
        { maxDepth: 4 },
        fc.integer(),
        fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
        fc.boolean(),
        fc.constant(null),
        fc.double({ noNaN: true }),
        fc.string(),
        octets(40),
        fc.array(tie('item'), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie('item'), { maxKeys: 3 }).map((entries) => new Map(Object.entries(entries))),
      ),
    })).item
    fc.assert(
      fc.property(item, (extra) => {
        const decoded = decodeJpy(encodeCbor([bytes('aa'), bytes('bb'), extra]))
        expect(decoded).toEqual({ version: '20', header: bytes('aa'), content: bytes('bb') })
      }),
    )
  })

  it('a header of draft -01 is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(octets(40), (header) => {
        const plain = decodePlainHeader(header)
        if (plain !== undefined) expect(decodePlainHeader(encodePlainHeader(plain))).toEqual(plain)
      }),
      { numRuns: 5000 },
    )
    for (const hex of ['41aa01020a', '44aabbccdd000201', '44aabbccdd1a0001000002 01', '44aabbccdd0120 01', '44aabbccdd010201 00'])
      expect(decodePlainHeader(bytes(hex))).toBeUndefined()
  })
})

describe('URIs (draft -20 §4.5.1, §5.1)', () => {
  it('reads those of the drafts', () => {
    expect(endpointOfUri('jpy://[2001:db8:0:abcd::52]:7634')).toEqual({ scheme: 'jpy', at: { address: '2001:db8:0:abcd::52', port: 7634 } })
    expect(endpointOfUri('coaps://[2001:db8:0:abcd::52]/b')).toEqual({
      scheme: 'coaps',
      at: { address: '2001:db8:0:abcd::52', port: 5684 },
    })
    expect(endpointOfUri('coaps://192.168.1.200:5965/est/crts')?.at).toEqual({ address: '192.168.1.200', port: 5965 })
    expect(endpointOfUri('JPY://[FE80::1%25eth0]:1/ignored?x#y')?.at).toEqual({ address: 'fe80::1', port: 1, zone: 'eth0' })
  })

  it('refuses a jpy URI without a port, names, other schemes, and what is none', () => {
    for (const uri of [
      'jpy://[::1]',
      'jpy://[::1]:0',
      'jpy://[::1]:70000',
      'jpy://registrar:1',
      'coap://[::1]:1',
      'coaps://',
      '',
      '/b',
      'jpy:[::1]:1',
    ])
      expect(endpointOfUri(uri)).toBeUndefined()
  })

  it('never throws, and reads what it writes', () => {
    fc.assert(fc.property(fc.string(), (text) => void endpointOfUri(text)))
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 1, max: 65_535 }), (address, port) => {
        for (const scheme of ['jpy', 'coaps'] as const) {
          const read = endpointOfUri(uriOfEndpoint(scheme, { address, port }))
          expect([read?.scheme, read?.at.port]).toEqual([scheme, port])
        }
      }),
    )
  })
})
