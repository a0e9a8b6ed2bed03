// Waits until nothing on the page is on its way: colours between two schemes are nobody's.
import type { Page } from 'playwright-core'

export async function settled(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve))
    await frame()
    await Promise.allSettled(document.getAnimations().map((animation) => animation.finished))
    await frame()
  })
}
