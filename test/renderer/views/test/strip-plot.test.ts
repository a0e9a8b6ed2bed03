import { describe, expect, test } from 'vitest'
import fc from 'fast-check'
import { lateAbove, layoutStrip, quantile, roundStep } from '../../../../src-renderer/views/test/strip-plot.ts'

const answers = (...times: readonly number[]) => times.map((ms, index) => ({ deviceId: `d${String(index)}`, ms }))

describe('the strip plot', () => {
  test('has round ticks that reach past the slowest answer', () => {
    const plot = layoutStrip(answers(12, 873), 500, 8)
    expect(plot.ticks.map((tick) => tick.ms)).toEqual([0, 200, 400, 600, 800, 1000])
    expect(plot.ticks.at(-1)?.x).toBeCloseTo(500)
  })
  test('holds its scale while only fast answers are in', () => {
    expect(layoutStrip(answers(3), 500, 8, 1000).maxMs).toBe(1000)
  })
  test('stacks dots that would cover each other', () => {
    const plot = layoutStrip(answers(100, 100, 101, 900), 500, 8, 1000)
    expect(plot.dots.map((dot) => dot.level)).toEqual([0, 1, 2, 0])
    expect(plot.levels).toBe(3)
  })
  test('gives median and spread', () => {
    const plot = layoutStrip(answers(300, 100, 200), 1000, 8, 1000)
    expect(plot.medianMs).toBe(200)
    expect(plot.spread).toMatchObject({ ms: 200 })
  })
  test('is empty without answers', () => {
    expect(layoutStrip([], 500, 8)).toMatchObject({ dots: [], medianMs: null, spread: null, levels: 0 })
  })
  test('calls late what lies far beyond its fellows, once there are enough of them', () => {
    const plot = layoutStrip(answers(50, 52, 55, 58, 60, 61, 63, 66, 900), 500, 8)
    expect(plot.dots.filter((dot) => dot.late).map((dot) => dot.ms)).toEqual([900])
    expect(lateAbove([1, 2, 3])).toBe(Number.POSITIVE_INFINITY)
  })
  test('never lets dots of one level overlap nor leave the plot', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 20_000, noNaN: true }), { maxLength: 60 }), (times) => {
        const plot = layoutStrip(answers(...times), 400, 6)
        const byLevel = Map.groupBy(plot.dots, (dot) => dot.level)
        for (const dots of byLevel.values())
          dots.forEach((dot, index) => {
            const before = dots[index - 1]
            if (before !== undefined) expect(dot.x - before.x).toBeGreaterThanOrEqual(6)
          })
        for (const dot of plot.dots) expect(dot.x).toBeLessThanOrEqual(400.001)
        expect(plot.dots).toHaveLength(times.length)
      }),
    )
  })
  test('leaves out times that are none', () => {
    expect(layoutStrip(answers(Number.NaN, -1, 5), 500, 8).dots).toHaveLength(1)
  })
  test('quantiles interpolate', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5)
    expect(quantile([], 0.5)).toBeNull()
    expect(quantile([7], 0.9)).toBe(7)
  })
  test('steps are 1, 2 or 5 times a power of ten', () => {
    expect([roundStep(1000, 5), roundStep(873, 5), roundStep(90, 5), roundStep(450, 5), roundStep(0, 5)]).toEqual([200, 200, 20, 100, 0.2])
  })
})
