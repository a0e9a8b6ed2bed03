// The built window in a real browser does the whole job on the demo site by clicking; axe looks at every step.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser } from 'playwright-core'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { doMainJob } from './main-job.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()

describe.skipIf(browser === undefined)('the main job', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  beforeAll(async () => {
    running = await runWindow(7)
  })
  afterAll(async () => {
    await browser?.close()
    await running.close()
  })

  it('goes from the start page to the handed-over files by clicking', async () => {
    const page = await browser?.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
    if (page === undefined) return
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    await page.goto(running.host.url)
    const barriers: string[] = []
    const result = await doMainJob(page, { devices: 24, lossPercent: 1 }, async (name) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await settled(page)
        barriers.push(...(await seriousBarriers(page)).map((barrier) => `${name} ${colorScheme}: ${barrier}`))
      }
      await page.emulateMedia({ colorScheme: 'light' })
    })
    expect(result.groups).toBeGreaterThan(3)
    expect(result.exported.length).toBeGreaterThan(0)
    expect(faults).toEqual([])
    expect(barriers).toEqual([])
  }, 400_000)
})
