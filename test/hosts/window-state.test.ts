// The window's place: kept, read back whatever the file says, and never off every screen.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { placeWithin, readWindowState, writeWindowState } from '#main/hosts/electron/window-state.ts'
import { parseFrame } from '#main/hosts/browser/frames.ts'

const screen = { x: 0, y: 0, width: 1920, height: 1080 }

async function inFolder(work: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'groupwright-state-'))
  await work(join(folder, 'deep/window.json')).finally(() => rm(folder, { recursive: true, force: true }))
}

test('what is written is read back', () =>
  inFolder((file) => {
    const state = { bounds: { x: -5, y: 7, width: 1200, height: 800 }, maximized: true }
    writeWindowState(file, state)
    expect(readWindowState(file)).toEqual(state)
    return Promise.resolve()
  }))

test('property: whatever the file says, there is a state with a sensible size', () =>
  inFolder(async (file) => {
    writeWindowState(file, { bounds: null, maximized: false })
    const side = fc.oneof(fc.integer(), fc.double(), fc.string())
    const bounds = fc.oneof(fc.jsonValue(), fc.record({ x: side, y: side, width: side, height: side }))
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.record({ bounds, maximized: fc.jsonValue() }).map((value) => JSON.stringify(value)),
        ),
        async (text) => {
          await writeFile(file, text)
          const { width = 0, height = 0 } = placeWithin(readWindowState(file), [screen])
          expect(width).toBeGreaterThanOrEqual(200)
          expect(height).toBeGreaterThanOrEqual(200)
          expect(width).toBeLessThanOrEqual(20_000)
        },
      ),
      { numRuns: 60 },
    )
  }))

test('a place on a screen is kept, one beside every screen loses its position', () => {
  const size = { width: 1000, height: 700 }
  const at = (x: number, y: number) => placeWithin({ bounds: { x, y, ...size }, maximized: false }, [screen])
  expect(at(100, 50)).toEqual({ x: 100, y: 50, ...size })
  expect(at(-900, 50)).toEqual(size)
  expect(at(1900, 50)).toEqual(size)
  expect(at(100, 5000)).toEqual(size)
})

test('property: any text is a frame or undefined, and frames survive their own text', () => {
  const id = fc.nat()
  const frame = fc.oneof(
    fc.record({ id, op: fc.string({ maxLength: 80 }), input: fc.jsonValue() }),
    fc.record({ subscribe: id, feed: fc.string({ maxLength: 80 }) }),
    fc.record({ unsubscribe: id }),
    fc.record({ acknowledge: id }),
  )
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), fc.constant('{"__proto__":1}')), (text) => void parseFrame(text)))
  fc.assert(fc.property(frame, (value) => parseFrame(JSON.stringify(value)) !== undefined))
  fc.assert(fc.property(frame, (value) => parseFrame(JSON.stringify({ ...value, more: 1 })) === undefined))
})
