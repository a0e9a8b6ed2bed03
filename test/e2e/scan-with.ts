// As a hand scanner types: all of it within a few milliseconds, wherever the focus is.
import type { Page } from 'playwright-core'

export async function scanWith(page: Page, text: string): Promise<void> {
  await page.evaluate((label) => {
    const press = (key: string): void => {
      const target = document.activeElement ?? document.body
      target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
    }
    for (const key of label) press(key)
    press('Enter')
  }, text)
}
