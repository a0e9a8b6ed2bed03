// Frame times of a page while its wheel turns.
import type { Page } from 'playwright-core'

/** Times between 150 frames in milliseconds; `wheelY` 0 leaves the page at rest. */
export async function frames(page: Page, wheelY: number): Promise<readonly number[]> {
  await page.mouse.move(700, 500)
  const recording = page.evaluate(
    () =>
      new Promise<number[]>((resolve) => {
        const times: number[] = []
        let last = performance.now()
        const step = (now: number): void => {
          times.push(now - last)
          last = now
          if (times.length < 150) requestAnimationFrame(step)
          else resolve(times)
        }
        requestAnimationFrame(step)
      }),
  )
  for (let turn = 0; turn < 60; turn++) await page.mouse.wheel(0, wheelY)
  return recording
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
