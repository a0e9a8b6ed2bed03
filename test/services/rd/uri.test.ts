// Reference resolution against the examples of RFC 3986 §5.4.
import { describe, expect, it } from 'vitest'
import { isLinkLocalUri, originOf, resolveReference, splitUri, whyNoBase } from '#main/services/rd/uri.ts'

const BASE = 'http://a/b/c/d;p?q'

describe('RFC 3986 §5.4', () => {
  it.each([
    ['g:h', 'g:h'],
    ['g', 'http://a/b/c/g'],
    ['./g', 'http://a/b/c/g'],
    ['g/', 'http://a/b/c/g/'],
    ['/g', 'http://a/g'],
    ['//g', 'http://g'],
    ['?y', 'http://a/b/c/d;p?y'],
    ['g?y', 'http://a/b/c/g?y'],
    ['#s', 'http://a/b/c/d;p?q#s'],
    ['g#s', 'http://a/b/c/g#s'],
    ['g?y#s', 'http://a/b/c/g?y#s'],
    [';x', 'http://a/b/c/;x'],
    ['g;x', 'http://a/b/c/g;x'],
    ['g;x?y#s', 'http://a/b/c/g;x?y#s'],
    ['', 'http://a/b/c/d;p?q'],
    ['.', 'http://a/b/c/'],
    ['./', 'http://a/b/c/'],
    ['..', 'http://a/b/'],
    ['../', 'http://a/b/'],
    ['../g', 'http://a/b/g'],
    ['../..', 'http://a/'],
    ['../../', 'http://a/'],
    ['../../g', 'http://a/g'],
  ])('normal example %s', (reference, expected) => {
    expect(resolveReference(BASE, reference)).toBe(expected)
  })

  it.each([
    ['../../../g', 'http://a/g'],
    ['../../../../g', 'http://a/g'],
    ['/./g', 'http://a/g'],
    ['/../g', 'http://a/g'],
    ['g.', 'http://a/b/c/g.'],
    ['.g', 'http://a/b/c/.g'],
    ['g..', 'http://a/b/c/g..'],
    ['..g', 'http://a/b/c/..g'],
    ['./../g', 'http://a/b/g'],
    ['./g/.', 'http://a/b/c/g/'],
    ['g/./h', 'http://a/b/c/g/h'],
    ['g/../h', 'http://a/b/c/h'],
    ['g;x=1/./y', 'http://a/b/c/g;x=1/y'],
    ['g;x=1/../y', 'http://a/b/c/y'],
    ['g?y/./x', 'http://a/b/c/g?y/./x'],
    ['g?y/../x', 'http://a/b/c/g?y/../x'],
    ['g#s/./x', 'http://a/b/c/g#s/./x'],
    ['g#s/../x', 'http://a/b/c/g#s/../x'],
    ['http:g', 'http:g'],
  ])('abnormal example %s', (reference, expected) => {
    expect(resolveReference(BASE, reference)).toBe(expected)
  })

  it('against a base without path', () => {
    expect(resolveReference('coap://[2001:db8::1]:61616', '/a/b')).toBe('coap://[2001:db8::1]:61616/a/b')
    expect(resolveReference('coap://h', 'a')).toBe('coap://h/a')
    expect(resolveReference('coap://h', '')).toBe('coap://h')
  })
})

it('splits a URI into its five parts', () => {
  expect(splitUri('foo://example.com:8042/over/there?name=ferret#nose')).toEqual({
    scheme: 'foo',
    authority: 'example.com:8042',
    path: '/over/there',
    query: 'name=ferret',
    fragment: 'nose',
  })
})

it.each([
  ['coap://h/a', 'coap://h'],
  ['coap://[fd00::1]:99', 'coap://[fd00::1]:99'],
  ['urn:a:b', undefined],
  ['/a', undefined],
])('the origin of %s', (uri, origin) => expect(originOf(uri)).toBe(origin))

it.each([
  ['coap://[fe80::1]', true],
  ['coap://[febf::1]:99/x', true],
  ['coap://[fec0::1]', false],
  ['coap://[fd00::1]', false],
  ['coap://169.254.1.1', true],
  ['coap://fe80.example', false],
])('%s is link-local: %s', (uri, expected) => expect(isLinkLocalUri(uri)).toBe(expected))

it.each(['coap://h', 'coaps://[2001:db8::1]:5684', 'coap+tcp://u@h.example:1/p/q', 'coap://h?q', 'http://h%20x/'])(
  '%s can be a base',
  (base) => {
    expect(whyNoBase(base)).toBeUndefined()
  },
)
