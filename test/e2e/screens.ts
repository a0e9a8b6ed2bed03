// `npm run screens`: does the main job, an admission and the work in rooms on demo sites and keeps a picture of every step, light and dark, in docs/screens.
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

/** Rooms get a type, one device after the other its place; then the checks, and who may do what. */
async function rooms(browser: Browser): Promise<void> {
  const running = await runWindow(5)
  const session = sessionOf(running.program)
  const details = { name: 'Harbour House', organisation: 'Blue Quay', address: '', operator: '' }
  await session.call('site.create', { kind: 'demo', details, demo: { devices: 24, lossPercent: 0, seed: 3 } })
  for (const name of ['2.01 Office', '2.02 Open Space', '2.03 Kitchen', '2.04 Corridor'])
    await session.call('rooms.create', { parentId: null, kind: 'room', name })
  await session.call('discovery.start', { seconds: 3 })
  await session.when('walk', ({ left }) => left === 24)
  await session.when('discovery', ({ state }) => state === 'idle')
  const page = await openPage(browser, running.host.url)
  await page.getByRole('link', { name: 'Groups' }).click()
  await page.getByRole('button', { name: 'Room types' }).click()
  await page.getByRole('button', { name: 'Meeting room' }).click()
  await snap(page, 'room-type')
  await page.getByRole('button', { name: 'Save' }).click()
  for (const name of ['2.01 Office', '2.02 Open Space']) await page.getByRole('checkbox', { name }).check()
  await page.getByText('2.02-light').waitFor()
  await page.getByRole('button', { name: /^Apply to 2 rooms/ }).click()
  await page.getByText(/^Done:/).waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('w')
  await page.getByText('Asked to blink').waitFor()
  await snap(page, 'walk')
  await page.getByRole('link', { name: 'Groups' }).click()
  await page
    .getByRole('radio', { name: 'Checks' })
    .or(page.getByRole('button', { name: 'Checks', exact: true }))
    .first()
    .click()
  await snap(page, 'checks')
  await page.close()
  await running.close()
}

const browser = await launchBrowser()
if (browser !== undefined) {
  await admission(browser)
  await mainJob(browser)
  await rooms(browser)
  await browser.close()
}
