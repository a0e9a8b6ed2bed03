// Prints HTML to PDF with a headless Chromium for the hosts that have no window of their own.
import type { BrowserType } from 'playwright-core'
import { AppError } from '#main/base/index.ts'
import { findChromium, hasChromium, isInstalled } from './find-chromium.ts'
import type { Chromium } from './find-chromium.ts'

const TIMEOUT_MS = 60_000
const DRIVER = 'playwright-core'

/** Whether `printPdf` has what it needs on this machine. */
export function canPrintPdf(): boolean {
  return isInstalled(DRIVER) && hasChromium()
}

/** The document as PDF, A4 where it does not say otherwise. Throws `export.pdf-unavailable` where nothing can print. */
export async function printPdf(html: string, find: () => Promise<Chromium | undefined> = findChromium): Promise<Uint8Array> {
  const chromium = await find()
  if (chromium === undefined) throw new AppError('export.pdf-unavailable', 'No Chromium, Chrome or Edge was found to print with')
  const driver = await loadDriver()
  try {
    return await printWith(driver, chromium, html)
  } catch (thrown) {
    throw new AppError('export.pdf-unavailable', 'Chromium could not print the report', { retryable: true, cause: thrown })
  }
}

/** Loaded only here: an installation without it prints nothing and does everything else. */
async function loadDriver(): Promise<BrowserType> {
  try {
    return (await import('playwright-core')).chromium
  } catch (thrown) {
    throw new AppError('export.pdf-unavailable', 'The package playwright-core, which drives Chromium, is not installed', { cause: thrown })
  }
}

/** The document gets neither scripts nor a network: what it shows is what it carries. */
async function printWith(driver: BrowserType, chromium: Chromium, html: string): Promise<Uint8Array> {
  const browser = await driver.launch({ executablePath: chromium.executablePath, args: [...chromium.args], timeout: TIMEOUT_MS })
  try {
    const context = await browser.newContext({ javaScriptEnabled: false, offline: true, serviceWorkers: 'block' })
    const page = await context.newPage()
    await page.route('**/*', (route) => route.abort())
    await page.setContent(html, { waitUntil: 'load', timeout: TIMEOUT_MS })
    return new Uint8Array(await page.pdf({ format: 'A4', printBackground: true, preferCSSPageSize: true }))
  } finally {
    await browser.close()
  }
}
