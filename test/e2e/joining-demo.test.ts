// Forty devices join the demo site through its join proxies, as an installer sees it: the list is imported, labels are scanned, the window
// is opened and watched, what fails is explained and mended, and all are enrolled and ready for protected groups.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { scanWith } from './scan-with.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()
const DEVICES = 40
const PATIENCE_MS = 150_000
/** Where pictures go that a person wants to look at; none unless told. */
const pictures = process.env.GROUPWRIGHT_PICTURES

describe.skipIf(browser === undefined)('forty devices that join', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  const faults: string[] = []
  /** Two that the list does not name, and one that is refused by mistake. */
  let byLabel = ''
  let byHand = ''
  let refused = ''

  beforeAll(async () => {
    running = await runWindow(5)
    session = sessionOf(running.program)
    page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    const details = { name: 'Harbour House', organisation: 'Blue Quay', address: '', operator: '' }
    await session.call('site.create', { kind: 'demo', details, demo: { devices: DEVICES, lossPercent: 0, seed: 3 } })
    const { text } = await session.call('demo.deviceList', {})
    await session.call('devices.importApply', { text: text.trimEnd().split('\n').slice(0, -2).join('\n') })
    await page.goto(running.host.url)
  }, 60_000)
  afterAll(async () => {
    await page.close()
    await browser?.close()
    await running.close()
  })

  async function picture(name: string): Promise<readonly string[]> {
    const found: string[] = []
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await settled(page)
      found.push(...(await seriousBarriers(page)))
      if (pictures !== undefined) {
        mkdirSync(pictures, { recursive: true })
        await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`) })
      }
    }
    return found
  }
  const pledges = () => session.rows('pledges')
  const row = (name: string) => page.getByRole('grid', { name: 'Devices that want to join' }).getByRole('row').filter({ hasText: name })
  const nameOf = (deviceId: string | null): string => session.rows('devices').find(({ id }) => id === deviceId)?.name ?? ''

  it('come to the door once there is an authority, and wait while the window is closed', async () => {
    await page.getByRole('link', { name: 'Admit' }).click()
    await page.getByText(`0 of ${DEVICES - 2} have joined`).waitFor()
    await page.getByRole('button', { name: 'Create authority' }).click()
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await session.when('ra', ({ state }) => state === 'ready')
    await expect.poll(() => pledges().length, { timeout: PATIENCE_MS }).toBe(DEVICES)
    await expect.poll(() => pledges().filter(({ state }) => state === 'waiting').length, { timeout: PATIENCE_MS }).toBe(DEVICES)
    const strangers = pledges().filter(({ listed }) => listed === 'no')
    expect(strangers).toHaveLength(2)
    byLabel = strangers[0]?.serialNumber ?? ''
    byHand = strangers[1]?.serialNumber ?? ''
    await page.getByRole('button', { name: 'Open the window' }).first().waitFor()
    expect(await picture('forty-waiting')).toEqual([])
  }, 240_000)

  it('are refused by a person’s mistake, which is said at the step that failed', async () => {
    const victim = pledges().find(({ listed }) => listed === 'device')
    refused = nameOf(victim?.deviceId ?? null)
    await page.getByRole('searchbox').fill(refused)
    await row(refused).getByRole('gridcell').nth(1).click()
    await page.keyboard.press('r')
    await page.getByLabel('Reason').fill('belongs to the neighbours')
    await page.getByRole('dialog').getByRole('button', { name: 'Refuse' }).click()
    await session.when('pledges', ({ key, state }) => key === victim?.key && state === 'denied')
    const inspector = page.getByRole('complementary', { name: refused })
    await inspector.getByText('belongs to the neighbours').waitFor({ timeout: PATIENCE_MS })
    await inspector.getByRole('button', { name: 'Allow again' }).waitFor()
    await page.getByRole('searchbox').fill('')
    // The inspector stays open: what is scanned comes into sight all the same.
  }, 240_000)

  it('join by themselves when the window opens; one more by its label', async () => {
    await page.getByRole('heading', { name: 'Admit' }).click()
    await page.keyboard.press('o')
    await page.getByRole('timer', { name: 'Time left' }).waitFor()
    await scanWith(page, byLabel)
    await page.getByRole('list', { name: 'Last labels' }).getByText('waited already and is let in').waitFor()
    await expect.poll(() => pledges().filter(({ state }) => state === 'enrolled').length, { timeout: PATIENCE_MS }).toBeGreaterThan(5)
    expect(await picture('forty-joining')).toEqual([])
    await expect.poll(() => pledges().filter(({ state }) => state === 'enrolled').length, { timeout: PATIENCE_MS }).toBe(DEVICES - 2)
    // Who waits for a person has been told apart from who has failed.
    expect(pledges().find(({ serialNumber }) => serialNumber === byHand)).toMatchObject({ state: 'waiting', code: 'join.awaits-decision' })
  }, 360_000)

  it('are mended: let in by hand, and allowed again; then all are enrolled, and ready for protected groups', async () => {
    await row(byHand).getByRole('button', { name: 'Let in' }).click()
    await row(refused).getByRole('button', { name: 'Allow again' }).click()
    await expect.poll(() => pledges().filter(({ state }) => state === 'enrolled').length, { timeout: PATIENCE_MS }).toBe(DEVICES)
    await row(refused).getByText('Has joined').waitFor()
    await expect.poll(() => session.rows('security')[0]?.enrolled, { timeout: PATIENCE_MS }).toBe(DEVICES)
    expect(session.rows('devices').filter(({ state }) => state === 'enrolled' || state === 'configured')).toHaveLength(DEVICES)
    expect(await picture('forty-joined')).toEqual([])
    await row(refused).getByRole('gridcell').nth(1).click()
    const inspector = page.getByRole('complementary', { name: refused })
    await inspector.locator('[data-step="secured"][data-outcome="done"]').waitFor()
    expect(await inspector.locator('ol').first().locator('[data-outcome="done"]').count()).toBeGreaterThanOrEqual(8)
    expect(await picture('forty-steps')).toEqual([])
    await page.getByRole('button', { name: 'Close now' }).click()
    await session.when('admission', ({ window }) => window === 'closed')
  }, 360_000)

  it('did all that without a fault', () => {
    expect(faults).toEqual([])
  })
})
