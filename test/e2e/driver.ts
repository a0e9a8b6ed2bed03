// Who drives the window: a hand with a mouse, which counts what it does, or keys alone.
import type { Locator, Page } from 'playwright-core'

export interface Driver {
  /** Clicks, entries and keys so far. */
  readonly interactions: number
  press(target: Locator): Promise<void>
  enter(target: Locator, text: string): Promise<void>
}

export function mouse(): Driver {
  let interactions = 0
  return {
    get interactions() {
      return interactions
    },
    async press(target) {
      interactions++
      await target.click()
    },
    async enter(target, text) {
      interactions++
      await target.fill(text)
    },
  }
}

/** More stops than a view may have before what is wanted. */
const MOST_STOPS = 220

/** Goes from stop to stop as a person without a mouse does; what cannot be reached that way fails the test. */
export function keys(page: Page): Driver {
  let interactions = 0
  const reach = async (target: Locator): Promise<void> => {
    await target.waitFor()
    for (let stop = 0; stop < MOST_STOPS; stop++) {
      if (await target.evaluate((element) => element === document.activeElement || element.contains(document.activeElement))) return
      await page.keyboard.press('Tab')
    }
    throw new Error(`Tab does not lead to ${target.toString()}`)
  }
  return {
    get interactions() {
      return interactions
    },
    async press(target) {
      interactions++
      await reach(target)
      const kind = await target.evaluate((element) => (element instanceof HTMLInputElement ? 'Space' : 'Enter'))
      await page.keyboard.press(kind)
    },
    async enter(target, text) {
      interactions++
      await reach(target)
      await page.keyboard.press('ControlOrMeta+A')
      await page.keyboard.type(text)
    },
  }
}
