// From the address to the first paint with content, on a site with 10 000 devices; and scrolling through them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { bigSite } from './big-site.ts'
import type { BigSite } from './big-site.ts'
import { frames, percentile } from './frames.ts'
import { median } from './measure.ts'
import type { BenchResult } from './types.ts'
import { benchDirectoryView } from './window-directory.ts'

const root = join(import.meta.dirname, '../..')
const ROUNDS = 5
const DEVICES = 10_000

export async function benchWindow(): Promise<readonly BenchResult[]> {
  const browser = await launchBrowser()
  if (browser === undefined) return []
  const site = bigSite(DEVICES)
  const running = await runWindow()
  await running.program.openSiteFile(site.path)
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  const blank = await browser.newPage()
  try {
    const paints: number[] = []
    const rows: number[] = []
    const blanks: number[] = []
    await page.goto(running.host.newUrl())
    await page
      .getByRole('navigation')
      .getByRole('link', { name: /Devices/ })
      .click()
    for (let round = 0; round < ROUNDS; round++) {
      await blank.bringToFront()
      blanks.push(await blankPaint(blank))
      await page.bringToFront()
      await page.reload()
      await page.getByText('Panel 0', { exact: true }).first().waitFor()
      rows.push(await page.evaluate(() => performance.now()))
      paints.push(await firstPaint(page))
    }
    const baseline = median(blanks)
    const result = (name: string, value: number): BenchResult => ({
      area: 'window',
      name,
      value,
      unit: 'ms',
      baseline,
      ratio: value / baseline,
    })
    return [
      result('first contentful paint (baseline: that of a page with one word)', median(paints)),
      result(`rows of a ${DEVICES}-device site on the screen (same baseline)`, median(rows)),
      ...(await scrolling(page)),
      ...(await benchDirectoryView(browser)),
      await coldStart(browser, bigSite(DEVICES)),
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

/** Frame times while the wheel turns through the whole table; the page at rest is the baseline. */
async function scrolling(page: Page): Promise<readonly BenchResult[]> {
  const calm = await frames(page, 0)
  const busy = await frames(page, 900)
  const result = (name: string, of: (times: readonly number[]) => number): BenchResult => ({
    area: 'window',
    name: `${name} of frame times while scrolling ${DEVICES} rows (baseline: the page at rest)`,
    value: of(busy),
    unit: 'ms',
    baseline: of(calm),
    ratio: of(busy) / of(calm),
  })
  return [result('99th percentile', (times) => percentile(times, 0.99)), result('longest', (times) => Math.max(...times))]
}

/** From the start of the process with a site to the window's first paint; a bare HTTP server with a page of one word is the baseline. */
async function coldStart(browser: Browser, site: BigSite): Promise<BenchResult> {
  const home = mkdtempSync(join(tmpdir(), 'groupwright-start-'))
  const bare =
    "require('http').createServer((q,s)=>s.end('<p>word</p>')).listen(0,'127.0.0.1',function(){console.log('http://127.0.0.1:'+this.address().port+'/')})"
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(await startToPaint(browser, ['-e', bare], home))
    ours.push(await startToPaint(browser, [join(root, 'build/start.ts'), '--host', 'browser', site.path], home))
  }
  rmSync(home, { recursive: true, force: true })
  site.remove()
  const name = `from the process's start with a ${DEVICES}-device site to the first paint (baseline: a bare HTTP server and one word)`
  return { area: 'window', name, value: median(ours), unit: 'ms', baseline: median(theirs), ratio: median(ours) / median(theirs) }
}

async function startToPaint(browser: Browser, command: readonly string[], home: string): Promise<number> {
  const context = await browser.newContext()
  const page = await context.newPage()
  const env = { ...process.env, GROUPWRIGHT_HOME: home, GROUPWRIGHT_NO_OPEN: '1' }
  const start = performance.now()
  const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const address = await new Promise<string>((resolve, reject) => {
    void exited.then(() => reject(new Error('It ended before it served anything')))
    const look = (chunk: Uint8Array): void => {
      const found = /http:\/\/127\.0\.0\.1:\S+/.exec(new TextDecoder().decode(chunk))?.[0]
      if (found !== undefined) resolve(found)
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
  })
  const served = performance.now()
  await page.goto(address)
  const ms = served - start + (await firstPaint(page))
  child.kill()
  await exited
  await context.close()
  return ms
}
