import { describe, expect, it } from 'vitest'
import { fromHex, utf8 } from '#main/base/index.ts'
import {
  decodeMessage,
  encodeMessage,
  findOption,
  findStrings,
  isCritical,
  isNoCacheKey,
  isUnsafe,
  OptionNumber,
  stringOption,
  uintOption,
} from '#main/wire/coap/index.ts'
import { msg, path } from './harness.ts'

function bytes(hex: string): Uint8Array {
  const value = fromHex(hex.replace(/\s/g, ''))
  if (value === undefined) throw new Error(`Not hex: ${hex}`)
  return value
}

describe('message format (RFC 7252 §3)', () => {
  it('RFC 7252 Appendix A figure 16: Confirmable request, piggybacked response', () => {
    const request = msg({ type: 'CON', code: '0.01', messageId: 0x7d34, options: path('temperature') })
    expect(encodeMessage(request)).toEqual(bytes('40 01 7d34 bb 74656d7065726174757265'))
    const response = msg({ type: 'ACK', code: '2.05', messageId: 0x7d34, payload: utf8('22.3 C') })
    expect(encodeMessage(response)).toEqual(bytes('60 45 7d34 ff 32322e332043'))
    expect(decodeMessage(bytes('40 01 7d34 bb 74656d7065726174757265'))).toEqual(request)
    expect(decodeMessage(bytes('60 45 7d34 ff 32322e332043'))).toEqual(response)
  })

  it('RFC 7252 Appendix A figure 17: the same with a token of one byte', () => {
    const request = msg({ messageId: 0x7d35, token: bytes('20'), options: path('temperature') })
    expect(encodeMessage(request)).toEqual(bytes('41 01 7d35 20 bb 74656d7065726174757265'))
    expect(decodeMessage(encodeMessage(request))).toEqual(request)
  })

  it.each([12, 13, 14, 268, 269, 270, 1000, 65_000])('writes option values of %i bytes with the length form of §3.1', (length) => {
    const message = msg({ options: [{ number: 2048, value: new Uint8Array(length).fill(1) }] })
    expect(decodeMessage(encodeMessage(message))).toEqual(message)
  })

  it.each([0, 12, 13, 268, 269, 270, 65_535])('writes option number %i with the delta form of §3.1', (number) => {
    const message = msg({ options: [{ number, value: bytes('01') }] })
    expect(decodeMessage(encodeMessage(message))).toEqual(message)
  })

  it('puts options in the order of their numbers and keeps repeated ones in theirs', () => {
    const message = msg({ options: [stringOption(15, 'b=1'), stringOption(15, 'a=2'), ...path('x', 'y'), uintOption(60, 0)] })
    expect(decodeMessage(encodeMessage(message)).options.map((option) => option.number)).toEqual([11, 11, 15, 15, 60])
    expect(findStrings(decodeMessage(encodeMessage(message)).options, 15)).toEqual(['b=1', 'a=2'])
  })

  it('hands out plain Uint8Arrays, not Buffers', () => {
    const message = decodeMessage(encodeMessage(msg({ token: bytes('0102'), options: path('x'), payload: utf8('y') })))
    for (const value of [message.token, message.payload, message.options[0]!.value, encodeMessage(message)]) {
      expect(Object.getPrototypeOf(value)).toBe(Uint8Array.prototype)
    }
  })

  it.each([
    ['no bytes', ''],
    ['three bytes', '40 01 00'],
    ['version 0', '00 01 0001'],
    ['version 2', '80 01 0001'],
    ['version 3', 'c0 01 0001'],
    ['token length 9', '49 01 0001 000102030405060708'],
    ['token length 12', '4c 01 0001 000102030405060708090a0b'],
    ['token length 13, an extended token elsewhere', '4d 01 0001 00 000102030405060708090a0b0c'],
    ['token length 15', '4f 01 0001'],
    ['a token that ends early', '44 01 0001 0102'],
    ['an empty message with a token', '41 00 0001 20'],
    ['an empty message with a byte more', '40 00 0001 ff'],
    ['a payload marker without payload', '40 01 0001 ff'],
    ['option delta 15', '40 01 0001 f1 00'],
    ['option length 15', '40 01 0001 1f 00'],
    ['an option that ends early', '40 01 0001 b5 7465'],
    ['an extended delta that is missing', '40 01 0001 d0'],
    ['a two-byte delta cut in half', '40 01 0001 e0 01'],
    ['an extended length that is missing', '40 01 0001 1d'],
    ['a two-byte length cut in half', '40 01 0001 1e 00'],
    ['an option number past 65535', '40 01 0001 e0 ffff'],
  ])('refuses %s', (_, hex) => {
    expect(() => decodeMessage(bytes(hex))).toThrow(expect.objectContaining({ code: 'coap.message-invalid' }))
  })

  it('refuses a message of more than 64 KB', () => {
    const long = new Uint8Array(65_508).fill(1)
    long.set(bytes('40 01 0001 ff'))
    expect(() => decodeMessage(long)).toThrow(expect.objectContaining({ code: 'coap.message-invalid' }))
    expect(() => encodeMessage(msg({ payload: long }))).toThrow(expect.objectContaining({ code: 'coap.message-invalid' }))
  })

  it.each([
    ['a token of nine bytes', { token: new Uint8Array(9) }],
    ['a Message ID of 17 bits', { messageId: 0x10000 }],
    ['code 8.00', { code: '8.00' }],
    ['code 0.32', { code: '0.32' }],
    ['an empty message with payload', { code: '0.00', payload: utf8('x') }],
    ['an option number of 17 bits', { options: [{ number: 65_536, value: utf8('') }] }],
  ])('does not write %s', (_, parts) => {
    expect(() => encodeMessage(msg(parts))).toThrow(expect.objectContaining({ code: 'coap.message-invalid' }))
  })
})

describe('options (RFC 7252 §5.4)', () => {
  it('tells critical, unsafe and no-cache-key by the number (§5.4.6)', () => {
    expect([OptionNumber.URI_PATH, OptionNumber.ETAG].map(isCritical)).toEqual([true, false])
    expect([OptionNumber.PROXY_URI, OptionNumber.IF_MATCH].map(isUnsafe)).toEqual([true, false])
    expect([OptionNumber.SIZE1, OptionNumber.SIZE2, OptionNumber.REQUEST_TAG, OptionNumber.URI_QUERY].map(isNoCacheKey)).toEqual([
      true,
      true,
      false,
      false,
    ])
  })

  it('writes uint values in the fewest bytes (§3.2)', () => {
    expect([0, 1, 255, 256, 65_536].map((value) => uintOption(14, value).value.length)).toEqual([0, 1, 1, 2, 3])
  })

  it('finds the first of an option, and undefined where there is none', () => {
    const options = [stringOption(11, 'a'), stringOption(11, 'b')]
    expect(findOption(options, 11)).toBe(options[0])
    expect(findOption(options, 12)).toBeUndefined()
  })

  it('gives no text where an option is not UTF-8', () => {
    expect(findStrings([{ number: 11, value: bytes('c328') }], 11)).toBeUndefined()
  })
})
