// A hundred devices from their list to a signed bundle in few clicks, and the same by keyboard alone; axe looks at every view, light and dark.
import { afterAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { keys, mouse } from './driver.ts'
import type { Driver } from './driver.ts'
import { commission } from './hundred.ts'
import { settled } from './settled.ts'

const MOST_INTERACTIONS = 25
const browser: Browser | undefined = await launchBrowser()

interface Walked {
  readonly groups: number
  readonly files: readonly string[]
  readonly interactions: number
  readonly faults: readonly string[]
  readonly barriers: readonly string[]
  readonly confirmed: number
  readonly members: number
}

async function walk(devices: number, driverOf: (page: Page) => Driver): Promise<Walked> {
  if (browser === undefined) throw new Error('no browser')
  const running = await runWindow(11)
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(error.message))
    await page.goto(running.host.url)
    const barriers: string[] = []
    const driver = driverOf(page)
    const { groups, files } = await commission(page, driver, devices, async (view) => {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await settled(page)
        barriers.push(...(await seriousBarriers(page)).map((barrier) => `${view} ${colorScheme}: ${barrier}`))
      }
      await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
    })
    let members = 0
    let confirmed = 0
    running.program.service.subscribe('memberships', (message) => {
      if (message.kind !== 'snapshot') return
      members = message.rows.length
      confirmed = message.rows.filter((row) => 'outcome' in row && row.outcome === 'confirmed').length
    })?.()
    return { groups, files, interactions: driver.interactions, faults, barriers, confirmed, members }
  } finally {
    await running.close()
  }
}

describe.skipIf(browser === undefined)('commissioning', () => {
  afterAll(() => browser?.close())

  it(`takes a hundred devices to a signed bundle in at most ${MOST_INTERACTIONS} interactions`, async () => {
    const walked = await walk(100, mouse)
    expect(walked.groups).toBeGreaterThanOrEqual(12)
    expect([walked.confirmed, walked.members > 50]).toEqual([walked.members, true])
    expect(walked.interactions).toBeLessThanOrEqual(MOST_INTERACTIONS)
    expect([walked.faults, walked.barriers]).toEqual([[], []])
    expect(walked.files.some((name) => name.includes('bundle'))).toBe(true)
  }, 600_000)

  it('does the same by keyboard alone', async () => {
    const walked = await walk(12, keys)
    expect(walked.groups).toBeGreaterThan(1)
    expect(walked.confirmed).toBe(walked.members)
    expect(walked.faults).toEqual([])
  }, 600_000)
})
