import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FeedReader } from '../../src-renderer/stores/feed-reader.ts'

interface Row {
  readonly id: string
  readonly value: number
}
const reader = (): FeedReader<Row> => new FeedReader((row) => row.id)
const row = (id: string, value = 0): Row => ({ id, value })

describe('FeedReader', () => {
  it('takes a snapshot and the deltas that follow it', () => {
    const feed = reader()
    expect(feed.read({ kind: 'snapshot', version: 4, rows: [row('a'), row('b')] })).toBe('applied')
    expect(feed.read({ kind: 'delta', version: 5, upsert: [row('b', 1), row('c')], remove: ['a'] })).toBe('applied')
    expect(feed.rows).toEqual([row('b', 1), row('c')])
    expect(feed.get('b')).toEqual(row('b', 1))
    expect(feed.get('a')).toBeUndefined()
  })

  it('asks for a new subscription when a delta is missing, and keeps what it had', () => {
    const feed = reader()
    feed.read({ kind: 'snapshot', version: 1, rows: [row('a')] })
    expect(feed.read({ kind: 'delta', version: 3, upsert: [row('b')], remove: [] })).toBe('gap')
    expect(feed.rows).toEqual([row('a')])
  })

  it('asks for a new subscription when a delta comes before any snapshot', () => {
    expect(reader().read({ kind: 'delta', version: 1, upsert: [row('a')], remove: [] })).toBe('gap')
  })

  it('leaves out deltas that its snapshot already holds', () => {
    const feed = reader()
    feed.read({ kind: 'snapshot', version: 7, rows: [row('a', 7)] })
    expect(feed.read({ kind: 'delta', version: 7, upsert: [row('a', 6)], remove: [] })).toBe('ignored')
    expect(feed.rows).toEqual([row('a', 7)])
  })

  it('takes nothing but a snapshot after a restart, also one with a lower version', () => {
    const feed = reader()
    feed.read({ kind: 'snapshot', version: 9, rows: [row('a')] })
    feed.restart()
    expect(feed.rows).toEqual([row('a')])
    expect(feed.read({ kind: 'delta', version: 10, upsert: [], remove: [] })).toBe('gap')
    expect(feed.read({ kind: 'snapshot', version: 0, rows: [row('z')] })).toBe('applied')
    expect(feed.rows).toEqual([row('z')])
  })

  it('gives a new array for every change, so that a shallow reference sees it', () => {
    const feed = reader()
    feed.read({ kind: 'snapshot', version: 0, rows: [row('a')] })
    const before = feed.rows
    feed.read({ kind: 'delta', version: 1, upsert: [row('a', 1)], remove: [] })
    expect(feed.rows).not.toBe(before)
    expect(before).toEqual([row('a')])
  })

  it('ends with the rows that a snapshot of the same moment would hold, whatever the deltas', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd')
    const delta = fc.record({ upsert: fc.array(fc.record({ id: key, value: fc.nat(9) })), remove: fc.array(key) })
    fc.assert(
      fc.property(fc.array(delta), (deltas) => {
        const feed = reader()
        const truth = new Map<string, Row>()
        feed.read({ kind: 'snapshot', version: 0, rows: [] })
        deltas.forEach(({ upsert, remove }, index) => {
          for (const id of remove) truth.delete(id)
          for (const each of upsert) truth.set(each.id, each)
          feed.read({ kind: 'delta', version: index + 1, upsert, remove })
        })
        expect(new Map(feed.rows.map((each) => [each.id, each]))).toEqual(truth)
      }),
    )
  })
})
