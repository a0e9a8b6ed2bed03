// Selection, order, keys, times: the small things that lists are made of.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { naturalKey, sortByValue } from '../../src-renderer/lib/natural.ts'
import { keyCaps, matchesKey } from '../../src-renderer/lib/keys.ts'
import type { KeyPress } from '../../src-renderer/lib/keys.ts'
import { emptySelection, pick, retain, selectAll, step, toggle } from '../../src-renderer/lib/selection.ts'
import { addressText, middleTruncate } from '../../src-renderer/lib/text.ts'
import { clockDuration, relativeTime } from '../../src-renderer/lib/time.ts'

const order = ['a', 'b', 'c', 'd', 'e']
const keysOf = (state: { readonly keys: ReadonlySet<string> }): readonly string[] => [...state.keys].sort()

describe('selection', () => {
  it('takes one by a click, more by Ctrl, a range by Shift', () => {
    const one = pick(emptySelection, order, 'b')
    expect(keysOf(one)).toEqual(['b'])
    expect(keysOf(pick(one, order, 'd', { toggle: true }))).toEqual(['b', 'd'])
    const range = pick(one, order, 'd', { shift: true })
    expect(keysOf(range)).toEqual(['b', 'c', 'd'])
    expect(keysOf(pick(range, order, 'a', { shift: true }))).toEqual(['a', 'b'])
  })

  it('adds a range to what is there with Shift and Ctrl', () => {
    const both = pick(toggle(toggle(emptySelection, 'a'), 'c'), order, 'e', { shift: true, toggle: true })
    expect(keysOf(both)).toEqual(['a', 'c', 'd', 'e'])
  })

  it('moves the cursor without selecting, and stretches with Shift', () => {
    const at = step(step(emptySelection, order, 1), order, 1)
    expect(at.cursor).toBe('b')
    expect(keysOf(at)).toEqual([])
    expect(keysOf(step(step(at, order, 1, true), order, 1, true))).toEqual(['b', 'c', 'd'])
  })

  it('stops at the ends, also for Home and End', () => {
    expect(step(emptySelection, order, -1).cursor).toBe('e')
    expect(step(step(emptySelection, order, 1), order, Infinity).cursor).toBe('e')
    expect(step(step(emptySelection, order, 1), order, -Infinity).cursor).toBe('a')
    expect(step(emptySelection, [], 1)).toBe(emptySelection)
  })

  it('drops what is gone and is the same object when nothing is', () => {
    const all = selectAll(step(emptySelection, order, 2), order)
    expect(retain(all, () => true)).toBe(all)
    expect(keysOf(retain(all, (key) => key !== 'a'))).toEqual(['b', 'c', 'd', 'e'])
  })
})

describe('natural order', () => {
  const rooms = ['2.10', null, '2.9', '10.1', '', 'Ärzte', 'Azubi']
  const itself = <Value>(value: Value): Value => value

  it('counts numbers as numbers, takes letters without their marks, and puts what is empty last both ways', () => {
    expect(sortByValue(rooms, itself, false)).toEqual(['2.9', '2.10', '10.1', 'Ärzte', 'Azubi', null, ''])
    expect(sortByValue(rooms, itself, true)).toEqual(['Azubi', 'Ärzte', '10.1', '2.10', '2.9', null, ''])
  })

  it('keeps the order of equal items and leaves the given list alone', () => {
    const items = [
      { id: 1, name: 'b' },
      { id: 2, name: 'a' },
      { id: 3, name: 'B' },
    ]
    expect(sortByValue(items, (item) => item.name, false).map((item) => item.id)).toEqual([2, 1, 3])
    expect(sortByValue(items, (item) => item.name, true).map((item) => item.id)).toEqual([1, 3, 2])
    expect(items.map((item) => item.id)).toEqual([1, 2, 3])
  })

  it('sorts numbers by size', () => {
    expect(sortByValue([10, 9, null, -1], itself, false)).toEqual([-1, 9, 10, null])
  })

  it('gives every item once, each not after its successor, whatever the texts', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (texts) => {
        const sorted = sortByValue(texts, itself, false)
        expect([...sorted].sort()).toEqual([...texts].sort())
        const keys = sorted.filter((text) => text !== '').map(naturalKey)
        expect(keys.every((key, index) => index === 0 || keys[index - 1]! <= key)).toBe(true)
      }),
    )
  })
})

describe('keys', () => {
  const press = (key: string, more: Partial<KeyPress> = {}): KeyPress => ({
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    shiftKey: false,
    ...more,
  })

  it('match letters without modifiers only', () => {
    expect(matchesKey('B', press('b'))).toBe(true)
    expect(matchesKey('B', press('b', { ctrlKey: true }))).toBe(false)
    expect(matchesKey('B', press('B', { shiftKey: true }))).toBe(false)
  })

  it('match Mod as Ctrl or Cmd', () => {
    expect(matchesKey('Mod+K', press('k', { ctrlKey: true }))).toBe(true)
    expect(matchesKey('Mod+K', press('k', { metaKey: true }))).toBe(true)
    expect(matchesKey('Mod+K', press('k'))).toBe(false)
  })

  it('match signs whatever shift they need on the layout', () => {
    expect(matchesKey('?', press('?', { shiftKey: true }))).toBe(true)
    expect(matchesKey('/', press('/', { shiftKey: true }))).toBe(true)
    expect(matchesKey('/', press('/'))).toBe(true)
  })

  it('are shown as the platform writes them', () => {
    expect(keyCaps('Mod+K', true)).toEqual(['⌘', 'K'])
    expect(keyCaps('Mod+Enter', false)).toEqual(['Ctrl', '↵'])
  })
})

describe('times and texts', () => {
  it('tells how long ago in the largest unit that fits', () => {
    expect(relativeTime(0, 2_000, 'en', 'just now')).toBe('just now')
    expect(relativeTime(10_000, 0, 'en', 'just now')).toBe('just now')
    expect(relativeTime(0, 90_000, 'en', '')).toBe('1 min. ago')
    expect(relativeTime(0, 7_200_000, 'de', '')).toBe('vor 2 Std.')
  })

  it('writes durations as a clock', () => {
    expect(clockDuration(41_000)).toBe('00:41')
    expect(clockDuration(3_723_000)).toBe('1:02:03')
    expect(clockDuration(-5)).toBe('00:00')
  })

  it('cuts in the middle and never beyond the limit', () => {
    expect(middleTruncate('short', 10)).toBe('short')
    fc.assert(fc.property(fc.string(), fc.integer({ min: 3, max: 40 }), (text, limit) => middleTruncate(text, limit).length <= limit))
  })

  it('brackets IPv6 addresses in URIs', () => {
    expect(addressText({ scheme: 'coap', address: 'fd00::1', port: 5683 })).toBe('coap://[fd00::1]:5683')
    expect(addressText({ scheme: 'coap', address: '127.0.0.1', port: 5683 })).toBe('coap://127.0.0.1:5683')
  })
})
