// `npm run screens`: does the main job and an admission on demo sites and keeps a picture of every step, light and dark, in docs/screens.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { doMainJob } from './main-job.ts'
import { scanWith } from './scan-with.ts'
import { settled } from './settled.ts'

const folder = join(import.meta.dirname, '../../docs/screens')
mkdirSync(folder, { recursive: true })

async function openPage(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    colorScheme: 'light',
    reducedMotion: 'reduce',
  })
  await page.goto(url)
  return page
}

async function snap(page: Page, name: string): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await settled(page)
    await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) })
  }
  console.log(name)
}

async function mainJob(browser: Browser): Promise<void> {
  const running = await runWindow(3)
  const page = await openPage(browser, running.host.url)
  await doMainJob(page, { devices: 60, lossPercent: 2 }, (name) => snap(page, name))
  await page.close()
  await running.close()
}

/** Devices come to the door, one of them unlisted; the window is opened, a label scanned, and one looked at step by step. */
async function admission(browser: Browser): Promise<void> {
  const running = await runWindow(5)
  const session = sessionOf(running.program)
  const details = { name: 'Harbour House', organisation: 'Blue Quay', address: '', operator: '' }
  await session.call('site.create', { kind: 'demo', details, demo: { devices: 24, lossPercent: 0, seed: 3 } })
  const { text } = await session.call('demo.deviceList', {})
  await session.call('devices.importApply', { text: text.trimEnd().split('\n').slice(0, -2).join('\n') })
  await session.call('ra.createRoot', { subject: 'CN=Harbour House CA, O=Blue Quay' })
  const page = await openPage(browser, running.host.url)
  await page.getByRole('link', { name: 'Admit' }).click()
  await page
    .getByRole('button', { name: 'All 24' })
    .or(page.getByRole('radio', { name: 'All 24' }))
    .waitFor({ timeout: 120_000 })
  await snap(page, 'admit-waiting')
  await page.getByRole('heading', { name: 'Admit' }).click()
  await page.keyboard.press('o')
  await page.getByRole('timer').waitFor()
  const stranger = session.rows('pledges').find(({ listed }) => listed === 'no')
  await scanWith(page, stranger?.serialNumber ?? '')
  await session.when('admission', ({ counts }) => counts.enrolled >= 6)
  await snap(page, 'admit-open')
  await session.when('admission', ({ counts }) => counts.enrolled >= 23)
  await page.getByRole('grid', { name: 'Devices that want to join' }).getByRole('row').nth(3).getByRole('gridcell').nth(1).click()
  await page.locator('[data-step="secured"]').first().waitFor()
  await snap(page, 'admit-steps')
  await page.keyboard.press('Escape')
  for (const [lens, name] of [
    ['Certificates', 'admit-certificates'],
    ['Authority', 'admit-authority'],
  ] as const) {
    await page
      .getByRole('radio', { name: lens })
      .or(page.getByRole('button', { name: lens, exact: true }))
      .click()
    await page
      .getByText(/CN=|serialNumber/)
      .first()
      .waitFor({ timeout: 5000 })
      .catch(() => undefined)
    await snap(page, name)
  }
  await page.close()
  await running.close()
}

const browser = await launchBrowser()
if (browser !== undefined) {
  await admission(browser)
  await mainJob(browser)
  await browser.close()
}
