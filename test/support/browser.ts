// A Chromium for tests, found as the program finds one; where there is none a test skips with one line, but never under CI.
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'
import { findChromium } from '#main/hosts/index.ts'

export async function launchBrowser(): Promise<Browser | undefined> {
  const found = await findChromium()
  if (found === undefined) {
    if (process.env.CI !== undefined) throw new TypeError('No Chromium was found, and CI must not skip the window')
    console.warn('skipped: no Chromium, Chrome or Edge was found')
    return undefined
  }
  return chromium.launch({
    executablePath: found.executablePath,
    args: [
      ...found.args,
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
