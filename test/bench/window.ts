// From the address to the first paint with content, on a site with 10 000 devices; and scrolling through them.
import type { Page } from 'playwright-core'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { bigSite } from './big-site.ts'
import { median } from './measure.ts'
import type { BenchResult } from './types.ts'

const ROUNDS = 5
const DEVICES = 10_000

export async function benchWindow(): Promise<readonly BenchResult[]> {
  const browser = await launchBrowser()
  if (browser === undefined) return []
  const site = bigSite(DEVICES)
  const running = await runWindow()
  await running.program.openSiteFile(site.path)
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  try {
    const paints: number[] = []
    const rows: number[] = []
    const blanks: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      blanks.push(await blankPaint(page))
      await page.goto(running.host.newUrl())
      await page.goto(`${new URL(running.host.url).origin}/#/devices`)
      await page.reload()
      await page.getByText('Panel 0', { exact: true }).first().waitFor()
      rows.push(await page.evaluate(() => performance.now()))
      paints.push(await firstPaint(page))
    }
    const blank = median(blanks)
    const result = (name: string, value: number): BenchResult => ({
      area: 'window',
      name,
      value,
      unit: 'ms',
      baseline: blank,
      ratio: value / blank,
    })
    return [
      result('first contentful paint (baseline: that of a page with one word)', median(paints)),
      result(`rows of a ${DEVICES}-device site on the screen (same baseline)`, median(rows)),
      await scrolling(page),
    ]
  } finally {
    await browser.close()
    await running.close()
    site.remove()
  }
}

async function blankPaint(page: Page): Promise<number> {
  await page.goto('data:text/html,<p>word</p>')
  return firstPaint(page)
}

function firstPaint(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => {
          const [entry] = list.getEntriesByName('first-contentful-paint')
          if (entry !== undefined) resolve(entry.startTime)
        }).observe({ type: 'paint', buffered: true })
      }),
  )
}

/** The 99th percentile of frame times while the wheel turns through the whole table; an idle page is the baseline. */
async function scrolling(page: Page): Promise<BenchResult> {
  const idle = await frames(page, 0)
  const busy = await frames(page, 900)
  const worst = percentile(busy, 0.99)
  const calm = percentile(idle, 0.99)
  return {
    area: 'window',
    name: `99th percentile of frame times while scrolling ${DEVICES} rows (baseline: the page at rest)`,
    value: worst,
    unit: 'ms',
    baseline: calm,
    ratio: worst / calm,
  }
}

async function frames(page: Page, wheelY: number): Promise<readonly number[]> {
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

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
