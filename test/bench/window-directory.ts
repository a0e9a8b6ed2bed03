// The directory's view over 100 000 registrations: scrolling, jumping to the end, searching. Rows come in pages from the core.
import { join } from 'node:path'
import type { Browser, Locator, Page } from 'playwright-core'
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import type { RegistrationChange } from '#main/services/rd/index.ts'
import { createRegistrationStore, createSiteFile } from '#main/store/index.ts'
import { runWindow } from '../support/running-window.ts'
import { frames, percentile } from './frames.ts'
import { median } from './measure.ts'
import type { BenchResult } from './types.ts'

const ENDPOINTS = 100_000
const ROUNDS = 5
const LINKS = '</temp>;rt=temperature;if=sensor;ct=60,</hum>;rt=humidity;if=sensor,</light>;rt=light;if=actuator;obs,</id>;rt=gw.device'

export async function benchDirectoryView(browser: Browser): Promise<readonly BenchResult[]> {
  const running = await runWindow()
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  try {
    const path = join(running.home, 'endpoints.site')
    writeSite(path)
    await running.program.openSiteFile(path)
    await page.goto(running.host.newUrl())
    await page.getByRole('link', { name: /^Resource Directory/ }).click()
    const table = page.getByRole('grid', { name: 'Endpoints' })
    await table.getByText('ep-0', { exact: true }).waitFor()
    const calm = await frames(page, 0)
    const busy = await frames(page, 900)
    const jumps: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      jumps.push(await untilShown(page, table, 'End', `ep-${ENDPOINTS - 1}`))
      jumps.push(await untilShown(page, table, 'Home', 'ep-0'))
    }
    const searches: number[] = []
    for (let round = 0; round < ROUNDS; round++) searches.push(await search(page, `rt=temperature ep-${77_000 + round}`))
    const result = (name: string, value: number, baseline: number): BenchResult => ({
      area: 'window',
      name,
      value,
      unit: 'ms',
      baseline,
      ratio: value / baseline,
    })
    const scrolled = `of frame times while scrolling ${ENDPOINTS} registrations (baseline: the page at rest)`
    return [
      result(`99th percentile ${scrolled}`, percentile(busy, 0.99), percentile(calm, 0.99)),
      result(`longest ${scrolled}`, Math.max(...busy), Math.max(...calm)),
      result(
        `from a key to the far end of ${ENDPOINTS} registrations on the screen, the first time (baseline: a frame)`,
        Math.max(...jumps),
        median(calm),
      ),
      result(
        `from the last letter to the found one of ${ENDPOINTS} registrations, 180 ms of waiting for more included (baseline: a frame)`,
        median(searches),
        median(calm),
      ),
    ]
  } finally {
    await page.close()
    await running.close()
  }
}

function writeSite(path: string): void {
  const details = { name: 'Endpoints', organisation: '', address: '', operator: '' }
  const file = createSiteFile(
    path,
    { id: 'site-bench', kind: 'network', details, demo: null, network: { bindAddress: '::1', coapPort: 0 } },
    { clock: systemClock, logger: silentLogger, appVersion: '0' },
  )
  const random = seededRandom(7)
  const nowMs = systemClock.now()
  const changes = Array.from({ length: ENDPOINTS }, (_, index): RegistrationChange => {
    const lifetimeS = 3600 + random.below(80_000)
    return {
      kind: 'save',
      record: {
        id: index.toString(32).padStart(6, '0'),
        endpointName: `ep-${index}`,
        sector: `floor-${index % 40}`,
        base: `coap://[2001:db8::${(index + 1).toString(16)}]`,
        baseExplicit: false,
        lifetimeS,
        registeredAt: nowMs,
        expiresAt: nowMs + lifetimeS * 1000,
        attributes: [{ name: 'et', value: index % 3 === 0 ? 'oic.d.light' : 'oic.d.sensor' }],
        links: LINKS,
        source: { address: { address: `2001:db8::${(index + 1).toString(16)}`, port: 5683 }, channelId: 'udp' },
      },
    }
  })
  createRegistrationStore(file.database).apply(changes)
  file.close()
}

/** From the key press, within the page, to the row with that name. */
async function untilShown(page: Page, table: Locator, key: string, name: string): Promise<number> {
  await table.focus()
  await watchForCell(page, name)
  await page.keyboard.press(key)
  return shownAfter(page)
}

async function search(page: Page, text: string): Promise<number> {
  const box = page.getByRole('searchbox')
  await box.fill('')
  await page.getByText('ep-0', { exact: true }).waitFor()
  await box.fill(text.slice(0, -1))
  await page.getByText(/^\d+ found$/).waitFor()
  await watchForCell(page, text.split(' ').at(-1) ?? '', 1)
  await page.keyboard.type(text.slice(-1))
  return shownAfter(page)
}

interface Watching {
  shown?: Promise<number>
}

/** From the next key down to a frame in which a cell has that text, in a table of at most so many lines. Resolves as soon as it watches. */
async function watchForCell(page: Page, name: string, mostLines = Number.MAX_SAFE_INTEGER): Promise<void> {
  await page.evaluate(
    ([wanted, most]) => {
      const watching = globalThis as Watching
      watching.shown = new Promise((resolve) => {
        const wait = (): void => {
          const start = performance.now()
          const look = (): void => {
            const rows = [...document.querySelectorAll('[role=grid] .data')]
            const isShown = rows.length <= most && rows.some((row) => row.querySelector('.cell')?.textContent === wanted)
            if (isShown) resolve(performance.now() - start)
            else requestAnimationFrame(look)
          }
          look()
        }
        addEventListener('keydown', wait, { capture: true, once: true })
      })
    },
    [name, mostLines] as const,
  )
}

function shownAfter(page: Page): Promise<number> {
  return page.evaluate(() => (globalThis as Watching).shown ?? Number.NaN)
}
