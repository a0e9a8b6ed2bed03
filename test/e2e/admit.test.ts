// Admission in the built window on a demo site whose devices ask by CMP: the authority is created, its pledges' requests are granted and refused, certificates are
// looked at and revoked, the policy changed; by keyboard, in both schemes, looked at by axe.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()
const DEVICES = 10
/** Where pictures go that a person wants to look at; none unless told. */
const pictures = process.env.GROUPWRIGHT_PICTURES

describe.skipIf(browser === undefined)('admission in the window', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  const faults: string[] = []

  beforeAll(async () => {
    running = await runWindow(7, { demo: { radio: 'ideal', joining: 'direct' } })
    session = sessionOf(running.program)
    page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    const details = { name: 'Harbour House', organisation: 'Blue Quay', address: '', operator: '' }
    await session.call('site.create', { kind: 'demo', details, demo: { devices: DEVICES, lossPercent: 1, seed: 3 } })
    await session.call('ra.setPolicy', { mode: 'manual', secretsApprove: null, unlistedMayWait: true })
    const { text } = await session.call('demo.deviceList', {})
    // All but the last two are in the list.
    await session.call('devices.importApply', { text: text.trimEnd().split('\n').slice(0, -2).join('\n') })
    await page.goto(running.host.url)
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await running.close()
  })

  async function choose(lens: string): Promise<void> {
    await page
      .getByRole('radio', { name: lens })
      .or(page.getByRole('button', { name: lens, exact: true }))
      .click()
  }

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

  it('says that there is no authority, and creates one that tells how its key is kept', async () => {
    await page.getByRole('link', { name: 'Admit' }).click()
    await page.getByText('This site issues no certificates yet').waitFor()
    expect(await barriers('admit-none')).toEqual([])
    await page.keyboard.press('n')
    await page.getByRole('radio', { name: 'A root of its own' }).waitFor()
    await page.getByText('file permissions alone').waitFor()
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('Harbour House CA')
    expect(await barriers('admit-create')).toEqual([])
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await session.when('ra', ({ state }) => state === 'ready')
    expect(session.rows('ra')[0]?.authorities[0]?.subject).toBe('CN=Harbour House CA, O=Blue Quay')
  })

  it('shows who waits, with key and match in the device list, and grants and refuses by keyboard', async () => {
    await session.when('ra', ({ pending }) => pending === DEVICES)
    await choose('Requests')
    const table = page.getByRole('grid', { name: 'Requests' })
    await expect.poll(() => table.getAttribute('aria-rowcount')).toBe(String(DEVICES + 1))
    await expect.poll(() => table.getByText('not in the list').count()).toBe(2)
    expect(await barriers('admit-requests')).toEqual([])
    await table.getByText('not in the list').first().click()
    await page.getByText('It proved by its manufacturer’s certificate which device it is.').waitFor()
    expect(await barriers('admit-request')).toEqual([])
    await page.keyboard.press('r')
    await page.getByLabel('Reason').fill('belongs to the neighbours')
    expect(await barriers('admit-refuse')).toEqual([])
    await page.keyboard.press('Enter')
    await session.when('ra', ({ pending }) => pending === DEVICES - 1)
    // A dialog that is still going away holds the keyboard.
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await table.focus()
    await page.keyboard.press('ControlOrMeta+a')
    await page.getByText(/selected/).waitFor()
    expect(await barriers('admit-batch')).toEqual([])
    await page.keyboard.press('a')
    await session.when('ra', ({ valid }) => valid >= DEVICES - 1)
    expect((await session.call('audit.page', { limit: 100 })).map(({ action }) => action)).toEqual(
      expect.arrayContaining(['ra.approved', 'ra.denied']),
    )
  }, 60_000)

  it('lists certificates with their history, finds one, and revokes it', async () => {
    await choose('Certificates')
    const table = page.getByRole('grid', { name: 'Certificates' })
    await expect.poll(async () => (await table.getByRole('row').count()) >= DEVICES).toBe(true)
    const [row] = await session.call('ra.certificates', { offset: 0, limit: 1 })
    await page.keyboard.press('/')
    await page.keyboard.type(row?.serial ?? '')
    await expect.poll(() => table.getByRole('row').count()).toBe(2)
    await table.getByRole('gridcell').first().click()
    await page.getByText('What happened').waitFor()
    await page.getByText('Issued', { exact: true }).waitFor()
    expect(await barriers('admit-certificate')).toEqual([])
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.getByLabel('Reason').selectOption('keyCompromise')
    await page.getByRole('button', { name: 'Revoke' }).last().click()
    await session.when('ra', ({ revoked }) => revoked === 1)
    await table.getByText('revoked').waitFor()
  }, 60_000)

  it('expects a device and tells its secret once', async () => {
    await choose('Expected')
    await page.getByText('device list').first().waitFor()
    expect(await barriers('admit-expected')).toEqual([])
    await page.getByRole('button', { name: 'Expect a device' }).click()
    await page.getByLabel('Reference').fill('gateway-1')
    await page.getByRole('button', { name: 'Expect', exact: true }).click()
    const told = (await page.locator('.secret').textContent()) ?? ''
    expect(told).toMatch(/^[0-9a-z]{20}$/)
    expect(await barriers('admit-secret')).toEqual([])
    await page.getByRole('button', { name: 'Close' }).last().click()
    await page.getByText('gateway-1').waitFor()
    expect(await page.getByText(told).count()).toBe(0)
  })

  it('shows the authority, changes who is admitted, and gives it a new key', async () => {
    await choose('Authority')
    await page.getByText('CN=Harbour House CA, O=Blue Quay').waitFor()
    await page.getByText('Demo Works Device CA').waitFor()
    expect(await barriers('admit-authority')).toEqual([])
    await page.getByRole('radio', { name: 'Listed devices at once' }).check()
    await session.when('ra', ({ policy }) => policy.mode === 'automatic')
    await page.getByRole('button', { name: 'New key' }).click()
    await page.getByRole('button', { name: 'Make the new key' }).click()
    await session.when('ra', ({ authorities }) => authorities.length === 2)
    await page.getByText('It keeps its revocation list').waitFor()
  })

  it('speaks German as well', async () => {
    await session.call('preferences.set', { locale: 'de' })
    await page.getByText('Wer aufgenommen wird').waitFor()
    expect(await barriers('admit-german')).toEqual([])
  })

  it('did all that without a fault', () => {
    expect(faults).toEqual([])
  })
})
