import { describe, expect, it } from 'vitest'
import { formatLinkFormat, linkAttribute, linkMatches, linkValues, parseLinkFormat } from '#main/wire/coap/index.ts'

// The first examples of RFC 6690 §5.
const SENSORS =
  '</sensors>;ct=40;title="Sensor Index",</sensors/temp>;rt="temperature-c";if="sensor",</sensors/light>;rt="light-lux";if="sensor",' +
  '<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby",</t>;anchor="/sensors/temp";rel="alternate"'

describe('link format (RFC 6690)', () => {
  it('reads the example of §5 with index, sensors and related links', () => {
    const links = parseLinkFormat(SENSORS)
    expect(links.map((link) => link.href)).toEqual([
      '/sensors',
      '/sensors/temp',
      '/sensors/light',
      'http://www.example.com/sensors/t123',
      '/t',
    ])
    expect(links[0]?.attributes).toEqual([
      { name: 'ct', value: '40' },
      { name: 'title', value: 'Sensor Index' },
    ])
    expect(linkAttribute(links[3]!, 'anchor')).toBe('/sensors/temp')
  })

  it('reads the example of §5 with several types in one attribute', () => {
    const [link] = parseLinkFormat('</light>;rt="lux-sensor light-lux";if="sensor other"')
    expect(linkValues(link!, 'rt')).toEqual(['lux-sensor', 'light-lux'])
    expect(linkValues(link!, 'if')).toEqual(['sensor', 'other'])
  })

  it('reads the example of §5 with a size estimate and an attribute without value', () => {
    expect(parseLinkFormat('</firmware/v2.1>;rt="firmware";sz=262144;obs')[0]?.attributes).toEqual([
      { name: 'rt', value: 'firmware' },
      { name: 'sz', value: '262144' },
      { name: 'obs', value: null },
    ])
  })

  it('writes what it reads back to the same links', () => {
    const links = parseLinkFormat(SENSORS)
    expect(parseLinkFormat(formatLinkFormat(links))).toEqual(links)
  })

  it('takes the first of an attribute that must not repeat, and every one of others', () => {
    const [link] = parseLinkFormat('</a>;rt="one";rt="two";x=1;x=2')
    expect(linkValues(link!, 'rt')).toEqual(['one'])
    expect(linkValues(link!, 'x')).toEqual(['1', '2'])
  })

  it('takes escaped quotes, commas and semicolons in quotes as they are', () => {
    const [first, second] = parseLinkFormat('</a>;title="a \\"b\\", c; <d>",</b>')
    expect(linkAttribute(first!, 'title')).toBe('a "b", c; <d>')
    expect(second?.href).toBe('/b')
    expect(parseLinkFormat(formatLinkFormat([first!]))).toEqual([first])
  })

  it('reads an empty document as no links', () => {
    expect(parseLinkFormat('')).toEqual([])
    expect(parseLinkFormat(' \r\n')).toEqual([])
  })

  it.each([
    ['no bracket', '/a'],
    ['an open bracket', '</a'],
    ['a trailing comma', '</a>,'],
    ['a trailing semicolon', '</a>;'],
    ['an open quote', '</a>;title="x'],
    ['a value that is missing', '</a>;ct='],
    ['a space between links', '</a> </b>'],
    ['JSON', '[{"href":"/a"}]'],
  ])('refuses %s with the offset', (_, text) => {
    expect(() => parseLinkFormat(text)).toThrow(
      expect.objectContaining({ code: 'link-format.invalid', details: { offset: expect.any(Number) as number } }),
    )
  })

  it('does not write a target or name that would break the document', () => {
    expect(() => formatLinkFormat([{ href: '/a>b', attributes: [] }])).toThrow(expect.objectContaining({ code: 'link-format.invalid' }))
    expect(() => formatLinkFormat([{ href: '/a', attributes: [{ name: 'a b', value: '1' }] }])).toThrow(
      expect.objectContaining({ code: 'link-format.invalid' }),
    )
  })

  it('reads 10 000 links within bounds of time that grow with the text alone', () => {
    const text = Array.from({ length: 10_000 }, (_, index) => `</r${index}>;rt="a b";title="${'x'.repeat(40)}"`).join(',')
    expect(parseLinkFormat(text)).toHaveLength(10_000)
  })
})

describe('query filter (RFC 6690 §4.1)', () => {
  const link = parseLinkFormat('</sensors/light>;rt="light-lux core.sen-light";foo="barley";obs')[0]!

  it.each([
    ['href=/sensors/light', true],
    ['href=/sensors*', true],
    ['href=/sens', false],
    ['rt=light-lux', true],
    ['rt=core.sen-light', true],
    ['rt=core.*', true],
    ['rt=light', false],
    ['foo=bar*', true],
    ['foo=bar', false],
    ['foo=*', true],
    ['obs=*', true],
    ['nope=*', false],
    ['obs', true],
    ['rt=light-lux core.sen-light', true],
  ])('%s: %s', (query, expected) => {
    expect(linkMatches(link, query)).toBe(expected)
  })
})
