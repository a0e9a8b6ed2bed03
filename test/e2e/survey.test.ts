// Drift and what is there, in the built window: another hand changes devices, the lens shows it and repairs it, found groups are adopted,
// another export is compared. axe looks at each of them, light and dark.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import type { Core } from '#main/core.ts'
import { sessionOf, type Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'
import { openProgram } from './staged-pledges.ts'

const browser: Browser | undefined = await launchBrowser()
const details = { name: 'Harbour House', organisation: '', address: '', operator: '' }
const SHOTS = process.env.GROUPWRIGHT_SURVEY_SHOTS

describe.skipIf(browser === undefined)('drift and what is there in the window', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  let core: Core
  const faults: string[] = []

  beforeAll(async () => {
    running = await runWindow(7, { demo: { radio: 'ideal', joining: 'direct' } }, (options) => {
      const made = openProgram(options)
      core = made.core
      return made.program
    })
    session = sessionOf(running.program)
    page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    await session.call('site.create', { kind: 'demo', details, demo: { devices: 4, lossPercent: 0, seed: 4 } })
    await page.goto(running.host.url)
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await running.close()
  })

  /** The address of the host opens one window once; within it the rail leads on. */
  async function show(view: string): Promise<void> {
    await page.evaluate((hash) => (globalThis.location.hash = hash), `#/${view}`)
  }

  async function look(name: string): Promise<void> {
    const found: string[] = []
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await settled(page)
      found.push(...(await seriousBarriers(page)))
      if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, `${name}-${colorScheme}.png`) })
    }
    expect(found).toEqual([])
  }

  it('reads what the devices hold, and knows its own groups', async () => {
    await expect
      .poll(() => session.rows('devices').filter(({ profileId }) => profileId !== null).length, { timeout: 60_000, interval: 500 })
      .toBe(4)
    const [first, second] = session.rows('devices')
    // What is on devices was written by this tool: it is found again, and known.
    for (const name of ['hall', 'stairs']) await session.call('groups.createApplication', { name, members: [first!.id, second!.id] })
    const { jobId } = await session.call('apply.start', {})
    await session.job(jobId)
    await show('groups')
    await page.getByRole('button', { name: 'What is there' }).click()
    await page.getByRole('checkbox', { name: 'Ask servers' }).uncheck()
    await page.getByRole('button', { name: 'Read', exact: true }).first().click()
    await page.getByText('in the project').first().waitFor({ timeout: 60_000 })
    await look('found')
    await page.getByRole('button', { name: 'Close' }).first().click()
  }, 120_000)

  it('shows drift by device with when and how it was read, and repairs it', async () => {
    await show('apply')
    await page.getByText('Drift', { exact: true }).click()
    await page.getByText('Every device held what was applied to it').waitFor()
    await look('none')
    await page.getByRole('checkbox', { name: 'Show all devices' }).check()
    await page.getByText('read with what is there').first().waitFor()
    await look('all')
    await page.getByRole('checkbox', { name: 'Watch the devices' }).check()
    await expect.poll(() => session.rows('survey')[0]?.watch.on, { timeout: 20_000 }).toBe(true)
    await page.getByRole('checkbox', { name: 'Watch the devices' }).uncheck()
    // Another hand takes one group away from a device and gives it one that nobody here knows.
    const [first] = session.rows('devices')
    const { contact, profile } = core.site().inventory.contact(first!.id)
    const [held] = await profile.readMemberships(contact)
    await profile.writeMembership(contact, { name: 'old-wing', address: 'ff35:30:fd00::1:77', port: 5683 })
    await profile.removeMembership(contact, held!)
    await page.getByRole('button', { name: 'Read all now' }).click()
    await page.getByText('is not on the device').waitFor({ timeout: 60_000 })
    await page.getByText('old-wing is on the device').waitFor()
    await look('drifted')
    await page.getByRole('button', { name: 'Adopt', exact: true }).click()
    await page.getByText('old-wing is on the device').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: /^Repair \d+ device/ }).click()
    await page.getByText('is not on the device').waitFor({ state: 'detached', timeout: 60_000 })
    await expect.poll(() => session.rows('drift').flatMap(({ findings }) => findings), { timeout: 30_000, interval: 500 }).toEqual([])
    await expect.poll(() => session.rows('jobs').filter(({ state }) => state === 'running'), { timeout: 30_000, interval: 500 }).toEqual([])
    expect((await profile.readMemberships(contact)).map(({ name }) => name).sort()).toEqual(['hall', 'old-wing', 'stairs'])
    expect(faults).toEqual([])
  }, 120_000)

  it('compares with another export', async () => {
    await show('groups')
    await page.getByRole('button', { name: 'Compare' }).click()
    await page.getByText('Choose a site export to compare with.').waitFor()
    await look('compare')
    const [row] = await session.call('handover.export', { formats: ['json'] })
    await session.call('groups.removeApplication', { id: session.rows('applicationGroups')[0]!.id })
    await page.locator('input[type=file]').setInputFiles(running.program.exportPath(row!.handle)!)
    await page.getByText('more: group').first().waitFor()
    await page.getByRole('checkbox', { name: /differences/ }).check()
    await look('differences')
    await page.getByRole('button', { name: /^Take over/ }).click()
    await page.getByText('The project has the same as the export').waitFor()
    expect(session.rows('applicationGroups')).toHaveLength(3)
    expect(faults).toEqual([])
  }, 120_000)
})
