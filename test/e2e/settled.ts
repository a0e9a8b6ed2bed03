// Waits until nothing on the page is on its way: colours between two schemes are nobody's.
import type { Page } from 'playwright-core'

/** What spins has no end, and what is taken off the page while it moves may never tell its own. */
const LONGEST_MS = 1500

export async function settled(page: Page): Promise<void> {
  await page.evaluate(async (longestMs) => {
    const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve))
    const patience = new Promise((resolve) => setTimeout(resolve, longestMs))
    const moving = document.getAnimations().filter((animation) => animation.effect?.getComputedTiming().endTime !== Infinity)
    const rest = frame()
      .then(() => Promise.allSettled(moving.map((animation) => animation.finished)))
      .then(frame)
    await Promise.race([rest, patience])
  }, LONGEST_MS)
}
