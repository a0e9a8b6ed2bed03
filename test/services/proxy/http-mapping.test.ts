// HTTP messages as CoAP ones and back (RFC 8075 §5 to §7; draft-ietf-core-groupcomm-proxy-07 §9.1 to §9.3).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '#main/base/index.ts'
import { OptionNumber, uintOption } from '#main/wire/coap/index.ts'
import { criOf, encodeCri, SUGGESTED_OPTION_NUMBERS as N } from '#main/services/proxy/index.ts'
import {
  byteSequenceList,
  byteSequences,
  httpReplyOf,
  optionsOfHttp,
  replyFromOfHttp,
  targetOfHttpUri,
} from '../../../src-main/services/proxy/http-mapping.ts'
import { S1, text } from './harness.ts'

describe('Hosting HTTP URIs (RFC 8075 §5)', () => {
  it.each([
    ['§5.3 default mapping', '/hc/coap://s.example.com/light', 's.example.com', ['light'], []],
    ['§5.4.1.1 example 1', '/hc/?target_uri=coap://s.example.com/light', 's.example.com', ['light'], []],
    ['the scheme left off', '/hc/s.example.com/light?b=1&c', 's.example.com', ['light'], ['b=1', 'c']],
    ['a value that is escaped as such', '/hc/?target_uri=coap%3A%2F%2Fs.example.com%2Flight', 's.example.com', ['light'], []],
    ['an IP literal', '/hc/coap://[ff05::1234]/', 'ff05::1234', [], []],
  ])('%s', (_, url, host, path, query) => {
    expect(targetOfHttpUri(url, '/hc/')).toMatchObject({ target: { scheme: 'coap', host, path, query } })
  })

  it.each([
    ['/other', 'absent'],
    ['/hc/', 'absent'],
    ['/hc/http://example.org/', 'unsupported'],
    ['/hc/?target_uri=coap%3A%2F%2F%ff', 'invalid'],
    ['/hc/coap://[::1/', 'invalid'],
  ])('%s is %s', (url, reading) => {
    expect(targetOfHttpUri(url, '/hc/')).toBe(reading)
  })

  it('takes any text without failing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (rest) => {
        targetOfHttpUri(`/hc/${rest}`, '/hc/')
        targetOfHttpUri(`/hc/?target_uri=${rest}`, '/hc/')
        byteSequences(rest)
        replyFromOfHttp(rest)
        optionsOfHttp(() => rest, N)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('header fields', () => {
  const of = (fields: Record<string, string>): ReturnType<typeof optionsOfHttp> => optionsOfHttp((name) => fields[name], N)

  it('Multicast-Timeout is *DIGIT, and empty is zero (-07 §9.1)', () => {
    expect(of({ 'multicast-timeout': '60' })).toEqual([{ number: 2, value: Uint8Array.of(60) }])
    expect(of({ 'multicast-timeout': '' })).toEqual([{ number: 2, value: new Uint8Array(0) }])
    for (const bad of ['-1', '1.5', '60s', '99999999999', '0x10']) expect(of({ 'multicast-timeout': bad })).toBe(400)
  })

  it('Group-ETag and Reply-From are lists of byte sequences; any deviation and the field is ignored (-07 §9.2, §9.3)', () => {
    expect(byteSequenceList([utf8('a'), utf8('bc')])).toBe(':YQ==:, :YmM=:')
    expect(byteSequences(':YQ==:, :YmM=:')?.map(text)).toEqual(['a', 'bc'])
    expect(of({ 'group-etag': ':YQ==:,:YmM=:' })).toEqual([
      { number: 24, value: utf8('a') },
      { number: 24, value: utf8('bc') },
    ])
    for (const bad of ['', 'YQ==', '"YQ=="', ':YQ==:, 1', ':YQ==', ':Y Q:', ':YQ==:,', ':a:', '(:YQ==:)'])
      expect(byteSequences(bad)).toBeUndefined()
    const cri = encodeCri(criOf(S1))
    expect(toHex(replyFromOfHttp(byteSequenceList([cri])) ?? utf8(''))).toBe(toHex(cri))
    expect(replyFromOfHttp(byteSequenceList([cri, cri, cri]))).toBeUndefined()
    expect(replyFromOfHttp(':YQ==:')).toBeUndefined()
  })

  it('byte sequences come back as they went', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 4 }), (items) => {
        expect(byteSequences(byteSequenceList(items))?.map(toHex)).toEqual(items.map(toHex))
      }),
    )
  })

  it('media types, validators, and what cannot be mapped', () => {
    expect(of({ 'content-type': 'application/json', accept: 'text/html, application/cbor;q=0.5' })).toEqual([
      uintOption(OptionNumber.CONTENT_FORMAT, 50),
      uintOption(OptionNumber.ACCEPT, 60),
    ])
    expect(of({ 'content-type': 'text/plain; charset=UTF-8', accept: '*/*' })).toEqual([uintOption(OptionNumber.CONTENT_FORMAT, 0)])
    expect(of({ 'content-type': 'text/plain; charset=koi8-r' })).toBe(415)
    expect(of({ accept: 'image/png' })).toBe(406)
    expect(of({ 'if-none-match': '"0102", W/"03ff"' })).toEqual([
      { number: OptionNumber.ETAG, value: Uint8Array.of(1, 2) },
      { number: OptionNumber.ETAG, value: Uint8Array.of(3, 255) },
    ])
    expect(of({ 'if-none-match': '*' })).toEqual([{ number: OptionNumber.IF_NONE_MATCH, value: new Uint8Array(0) }])
    expect(of({ 'if-match': '"zz"' })).toEqual([])
  })

  it.each([
    ['2.01', '', 201],
    ['2.02', '', 204],
    ['2.02', 'x', 200],
    ['2.03', '', 304],
    ['2.04', '', 204],
    ['2.04', 'x', 200],
    ['2.05', '', 200],
    ['4.00', '', 400],
    ['4.01', '', 403],
    ['4.02', '', 500],
    ['4.03', '', 403],
    ['4.04', '', 404],
    ['4.05', '', 400],
    ['4.06', '', 406],
    ['4.12', '', 412],
    ['4.13', '', 413],
    ['4.15', '', 415],
    ['5.00', '', 500],
    ['5.01', '', 501],
    ['5.02', '', 502],
    ['5.03', '', 503],
    ['5.04', '', 504],
    ['5.05', '', 502],
    ['5.08', '', 508],
  ] as const)('RFC 8075 table 2: %s with body "%s" is %i', (code, body, status) => {
    expect(httpReplyOf({ code, payload: utf8(body) }, N).status).toBe(status)
  })

  it('4.05 says so in the reason, and 5.03 when to come again (notes 7 and 8)', () => {
    expect(httpReplyOf({ code: '4.05' }, N).reason).toMatch(/^CoAP server returned 4\.05/)
    expect(httpReplyOf({ code: '5.03', options: [uintOption(OptionNumber.MAX_AGE, 7)] }, N).headers).toContainEqual(['Retry-After', '7'])
  })
})
