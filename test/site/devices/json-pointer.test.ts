// JSON Pointer by the examples of RFC 6901 §5, and equality of JSON values.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { atPointer, equalJson, isJsonPointer, parseJson } from '#main/site/devices/json-pointer.ts'

const document = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'c%d': 2, 'e^f': 3, 'g|h': 4, 'i\\j': 5, 'k"l': 6, ' ': 7, 'm~n': 8 }

describe('a JSON Pointer', () => {
  it.each([
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
  ])('%s names what RFC 6901 §5 says', (pointer, value) => {
    expect(isJsonPointer(pointer)).toBe(true)
    expect(atPointer(document, pointer)).toEqual(value)
  })

  it.each(['/nothing', '/foo/2', '/foo/00', '/foo/-', '/foo/length', '/foo/0/x', '/__proto__', '/constructor'])(
    '%s names nothing',
    (pointer) => {
      expect(atPointer(document, pointer)).toBeUndefined()
    },
  )

  it.each(['foo', '/~', '/a~2b', 'a/b'])('%s is none', (pointer) => {
    expect(isJsonPointer(pointer)).toBe(false)
  })
})

describe('JSON values', () => {
  it('are equal to themselves in any order of members, and to nothing else', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (a, b) => {
        const [left, right] = [parseJson(a), parseJson(b)]
        expect(equalJson(left, parseJson(a))).toBe(true)
        expect(equalJson(left, right)).toBe(equalJson(right, left))
        if (JSON.stringify(left) === JSON.stringify(right)) expect(equalJson(left, right)).toBe(true)
      }),
    )
    expect(equalJson({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true)
    expect(equalJson({ a: 1 }, { a: 1, b: 2 })).toBe(false)
    expect(equalJson([1, 2], [2, 1])).toBe(false)
    expect(equalJson(1, '1')).toBe(false)
    expect(equalJson({}, [])).toBe(false)
  })
})
