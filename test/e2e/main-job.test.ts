// The built window in a real browser does the whole job on the demo site by clicking; axe looks at every step.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
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
  })
})

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeWindow {
  readonly axe: {
    run(options: object): Promise<{
      readonly violations: ReadonlyArray<{
        readonly id: string
        readonly impact: string
        readonly nodes: ReadonlyArray<{ readonly html: string }>
      }>
    }>
  }
}

/** What axe calls serious or critical, with the first element that it concerns. */
async function seriousBarriers(page: Page): Promise<readonly string[]> {
  await page.evaluate(axeSource)
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as AxeWindow
    const { violations } = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], iframes: false })
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id} (${String(nodes.length)}): ${nodes[0]?.html.slice(0, 200) ?? ''}`)
  })
}
