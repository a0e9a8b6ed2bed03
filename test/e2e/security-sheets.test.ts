// The sheets of security groups in the built window, on a demo site whose devices join as pledges: how a group is protected, algorithms and
// policy, keys from elsewhere, new keys, eviction; in both schemes, looked at by axe.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()
const DEVICES = 8
const PATIENCE_MS = 120_000
/** Where pictures go that a person wants to look at; none unless told. */
const pictures = process.env.GROUPWRIGHT_PICTURES

describe.skipIf(browser === undefined)('the sheets of security groups', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  const faults: string[] = []

  beforeAll(async () => {
    running = await runWindow(9)
    session = sessionOf(running.program)
    page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
    page.setDefaultTimeout(20_000)
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    const details = { name: 'Harbour House', organisation: 'Blue Quay', address: '', operator: '' }
    await session.call('site.create', { kind: 'demo', details, demo: { devices: DEVICES, lossPercent: 0, seed: 3 } })
    const { text } = await session.call('demo.deviceList', {})
    await session.call('devices.importApply', { text })
    await vi.waitFor(() => expect(session.rows('devices').filter(({ profileId }) => profileId !== null)).toHaveLength(DEVICES), {
      timeout: PATIENCE_MS,
      interval: 200,
    })
    await session.call('groups.fromRooms', { types: ['luminaire', 'blind', 'thermostat'] })
    await page.goto(running.host.url)
  }, 180_000)
  afterAll(async () => {
    await browser?.close()
    await running.close()
  })

  async function barriers(name: string): Promise<readonly string[]> {
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
  const card = () => page.getByRole('region', { name: 'security group' })
  const sheet = () => page.getByRole('dialog')
  const group = () => session.rows('securityGroups').find(({ name }) => name === 'stairs')

  it('leave a group unprotected for a reason alone', async () => {
    await page.getByRole('link', { name: 'Groups' }).click()
    await page
      .getByRole('radio', { name: 'Layers' })
      .or(page.getByRole('tab', { name: 'Layers' }))
      .or(page.getByRole('button', { name: 'Layers' }))
      .first()
      .click()
    await card().getByRole('button', { name: 'Change' }).click()
    await sheet()
      .getByRole('radio', { name: /^Not at all/ })
      .check()
    await sheet().getByText('Anybody in radio range can listen').waitFor()
    expect(await sheet().getByRole('button', { name: 'Leave unprotected' }).isDisabled()).toBe(true)
    expect(await barriers('security-nosec')).toEqual([])
    await sheet().getByLabel('Why it may stay unprotected').fill('An exhibit, decided by the owner')
    await sheet().getByRole('button', { name: 'Leave unprotected' }).click()
    await sheet().waitFor({ state: 'detached' })
    await card().getByText('NoSec: unprotected').waitFor()
    await card().getByText('decided by the owner').first().waitFor()
    expect(await barriers('security-bare')).toEqual([])
  })

  it('protect it by a new security group with algorithms of choice, and refuse the name NoSec', async () => {
    await card().getByRole('button', { name: 'Change' }).click()
    await sheet()
      .getByRole('radio', { name: /^By a new security group/ })
      .check()
    await sheet().getByLabel('Name', { exact: true }).fill('no-sec')
    await sheet().getByText('No security group may be called NoSec.').waitFor()
    expect(await barriers('security-new')).toEqual([])
    await sheet().getByLabel('Name', { exact: true }).fill('stairs')
    await sheet().getByRole('button', { name: 'Save' }).click()
    await session.when('securityGroups', ({ name }) => name === 'stairs')
    await sheet().waitFor({ state: 'detached' })
    await card().getByText('stairs').first().waitFor()
  })

  it('change algorithms and policy within their limits', async () => {
    await card().getByRole('button', { name: 'Algorithms and policy…' }).click()
    const days = sheet().getByLabel('At the latest after (days)')
    await days.fill('0')
    await sheet().getByText('A whole number from 1 that is not too large.').waitFor()
    expect(await barriers('security-policy')).toEqual([])
    await days.fill('7')
    await sheet().getByRole('button', { name: 'Save' }).click()
    await session.when('securityGroups', ({ name, policy }) => name === 'stairs' && policy.lifetimeDays === 7)
    await sheet().waitFor({ state: 'detached' })
  })

  it('take keys that a member was given elsewhere, and tell which of them is wrong', async () => {
    await card().getByRole('button', { name: 'Enrol…' }).first().click()
    await sheet().getByLabel('Master Secret').fill('00ff')
    await sheet().getByRole('button', { name: 'Enrol', exact: true }).click()
    await sheet().getByText('16 to 64 bytes as pairs of hex digits.').waitFor()
    expect(await barriers('security-enrol')).toEqual([])
    await page.keyboard.press('Escape')
    await sheet().waitFor({ state: 'detached' })
  })

  it('make new keys, and evict a member, each after saying what it brings', async () => {
    await session.call('admission.open', {})
    await session.call('ra.createRoot', { subject: 'CN=Harbour House CA, O=Blue Quay' })
    await session.when('security', ({ enrolled }) => enrolled === DEVICES)
    const { jobId } = await session.call('apply.start', {})
    await session.when('jobs', ({ id, state }) => id === jobId && state !== 'running')
    await expect.poll(() => group()?.current ?? 0, { timeout: PATIENCE_MS }).toBeGreaterThan(0)
    expect(await barriers('security-keys')).toEqual([])
    const before = group()?.generation ?? 0
    await card().getByRole('button', { name: 'Rekey now' }).click()
    await sheet()
      .getByText(/gets? new keys/)
      .waitFor()
    expect(await barriers('security-rekey')).toEqual([])
    await sheet().getByRole('button', { name: 'Rekey now' }).click()
    await expect.poll(() => group()?.generation ?? 0, { timeout: PATIENCE_MS }).toBeGreaterThan(before)
    await sheet().waitFor({ state: 'detached' })
    await card().getByRole('button', { name: 'Evict…' }).click()
    await sheet().getByText('Choose who shall lose access.').waitFor()
    const [first] = await sheet().getByRole('list', { name: 'Members' }).getByRole('checkbox').all()
    await first?.check()
    await sheet()
      .getByText(/loses access to/)
      .waitFor()
    expect(await barriers('security-evict')).toEqual([])
    const wanted = group()?.wanted ?? 0
    await sheet().getByLabel('Type “stairs” to confirm').fill('stairs')
    await sheet().getByRole('button', { name: 'Evict', exact: true }).click()
    await expect.poll(() => group()?.wanted ?? wanted, { timeout: PATIENCE_MS }).toBeLessThan(wanted)
  }, 300_000)

  it('did all that without a fault', () => {
    expect(faults).toEqual([])
  })
})
