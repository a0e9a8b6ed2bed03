// Admission at work in the built window: the window opened and closed, labels by hand scanner, paste and picture, devices that ask, fail and
// are let in or refused, lists; by keyboard, in both schemes and languages, looked at by axe.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import encodeQR from 'qr'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import type { Core } from '#main/core.ts'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { scanWith } from './scan-with.ts'
import { settled } from './settled.ts'
import { openProgram, Stage, stagedPledge } from './staged-pledges.ts'

const browser: Browser | undefined = await launchBrowser()
/** Where pictures go that a person wants to look at; none unless told. */
const pictures = process.env.GROUPWRIGHT_PICTURES

describe.skipIf(browser === undefined)('joining in the window', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  let core: Core
  let stage: Stage
  let listed: ReadonlyArray<{ readonly id: string; readonly name: string; readonly serial: string; readonly eui64: string }> = []
  const faults: string[] = []
  const lamp = stagedPledge('GW-UNLISTED-1')
  const stranger = stagedPledge('XX-1', { isKnownMaker: false, manufacturer: 'CN=Nobody knows this maker' })

  beforeAll(async () => {
    running = await runWindow(11, {}, (options) => {
      const made = openProgram(options)
      core = made.core
      return made.program
    })
    stage = new Stage(() => core.site().admission.gate)
    session = sessionOf(running.program)
    page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
    page.setDefaultTimeout(20_000)
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    const details = { name: 'Harbour House', organisation: 'Blue Quay', address: '', operator: '' }
    // Planned devices with numbers, and none of them on air: who asks is staged.
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    const rows = Array.from(
      { length: 8 },
      (_, index) => `Lamp ${index + 1};2.${10 + index};luminaire;020000000000010${index};GW-000${index}`,
    )
    await session.call('devices.importApply', { text: ['Name;Room;Type;EUI64;Serial', ...rows].join('\n') })
    await page.goto(running.host.url)
    await session.when('devices', () => true)
    listed = session.rows('devices').map(({ id, name, serial, eui64 }) => ({ id, name, serial: serial ?? '', eui64: eui64 ?? '' }))
  }, 60_000)
  afterAll(async () => {
    await page.close()
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
  const row = (name: string) => page.getByRole('grid', { name: 'Devices that want to join' }).getByRole('row').filter({ hasText: name })
  const scanned = () => page.getByRole('list', { name: 'Last labels' }).getByRole('listitem')

  it('says what belongs here, that the window is closed, that nobody can issue certificates yet, and who is expected', async () => {
    await page.getByRole('link', { name: 'Admit' }).click()
    await page.getByText('Devices that want to join show up here').waitFor()
    await page.getByText('This site issues no certificates yet').waitFor()
    await page.getByRole('region', { name: 'Admission window' }).getByText('Closed').waitFor()
    await page.getByText('0 of 8 have joined').waitFor()
    await page.getByRole('button', { name: 'Picture or text file…' }).first().waitFor()
    expect(await barriers('joining-empty')).toEqual([])
  })

  it('shows who asks while the window is closed, why they wait, and what to do', async () => {
    for (const { serial } of listed.slice(0, 3)) expect(stage.ask(stagedPledge(serial))).toBe('wait')
    expect(stage.ask(lamp)).toBe('wait')
    expect(stage.ask(stranger)).toBe('wait')
    await row('Lamp 1').waitFor()
    await row('GW-UNLISTED-1').getByText('nobody expects it').waitFor()
    await row('XX-1').getByText('unknown manufacturer').waitFor()
    await row('Lamp 1').getByRole('button', { name: 'Open the window' }).waitFor()
    expect(await barriers('joining-waiting')).toEqual([])
  })

  it('opens the window by one key, large and with its countdown, in every view', async () => {
    await page.keyboard.press('o')
    await page.getByRole('timer', { name: 'Time left' }).waitFor()
    await page.getByRole('link', { name: 'The admission window is open' }).waitFor()
    const { policy } = session.rows('admission')[0]!
    await expect
      .poll(async () => (await page.getByRole('timer').textContent())?.trim())
      .toMatch(
        new RegExp(`^(${String(policy.windowMinutes).padStart(2, '0')}:00|${String(policy.windowMinutes - 1).padStart(2, '0')}:\\d\\d)$`),
      )
    await page.getByRole('button', { name: '+10 min' }).click()
    await session.when('admission', ({ closesAt }) => (closesAt ?? 0) > Date.now() + (policy.windowMinutes + 5) * 60_000)
    for (const { serial } of listed.slice(0, 3)) {
      expect(stage.ask(stagedPledge(serial))).toBe('admit')
      stage.join(stagedPledge(serial))
    }
    await page.getByText('3 of 8 have joined').waitFor()
    await row('Lamp 1').getByText('Has joined').waitFor()
    expect(await barriers('joining-open')).toEqual([])
  })

  it('takes a label from a hand scanner wherever the cursor is, and gives keys of a person back to where they belong', async () => {
    const filter = page.getByRole('searchbox')
    await filter.focus()
    await page.keyboard.type('Lamp', { delay: 110 })
    await expect.poll(() => filter.inputValue()).toBe('Lamp')
    await scanWith(page, '02-00-00-00-00-00-01-05')
    await scanned().filter({ hasText: 'Lamp 6' }).waitFor()
    expect(await filter.inputValue()).toBe('Lamp')
    await scanWith(page, 'KNX:S:00FA10010A0B;P:ABCDEFGHIJKL')
    await scanned().filter({ hasText: 'expected, though no device is planned for it' }).waitFor()
    expect(await page.getByText('ABCDEFGHIJKL').count()).toBe(0)
    // Letters of a label are no commands: nothing was opened, closed, admitted or refused by them.
    expect(session.rows('admission')[0]?.window).toBe('open')
    expect(await page.getByRole('dialog').count()).toBe(0)
    await filter.fill('')
  })

  it('says which field of a label is wrong, takes many at once by paste, and takes the last one back', async () => {
    await page.keyboard.press('Escape')
    await page.getByRole('heading', { name: 'Scan labels' }).click()
    await page.keyboard.press('s')
    const field = page.getByLabel('Label', { exact: true })
    await expect.poll(() => field.evaluate((element) => element === document.activeElement)).toBe(true)
    await field.fill('KNX:S:00FA10;P:AB')
    await page.keyboard.press('Enter')
    await scanned().filter({ hasText: 'Almost a label: KNX' }).waitFor()
    expect(await barriers('joining-scan')).toEqual([])
    await field.evaluate((element) => {
      const data = new DataTransfer()
      data.setData('text/plain', '0200000000000201\n0200000000000202')
      element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
    })
    await expect.poll(async () => (await session.call('admission.list', { offset: 0, limit: 50 })).total).toBe(4)
    await page.getByRole('heading', { name: 'Scan labels' }).click()
    await page.keyboard.press('u')
    await scanned().filter({ hasText: 'taken back' }).waitFor()
    expect((await session.call('admission.list', { offset: 0, limit: 50 })).total).toBe(3)
  })

  it('reads a label in a picture, and says when there is none', async () => {
    const choose = async (text: string | undefined): Promise<void> => {
      const buffer = Buffer.from(text === undefined ? encodeQR(' ', 'gif').slice(0, 60) : encodeQR(text, 'gif', { scale: 6, border: 4 }))
      await page.locator('input[type=file][accept^="image"]').setInputFiles({ name: 'label.gif', mimeType: 'image/gif', buffer })
    }
    await choose(undefined)
    await page.getByRole('alert').filter({ hasText: 'No code was found in the picture' }).waitFor()
    await choose('02-00-00-00-00-00-01-06')
    await scanned().filter({ hasText: 'Lamp 7' }).waitFor()
  })

  it('explains step by step what failed, why, and what to try, and lets the device in again', async () => {
    const serial = listed[3]?.serial ?? ''
    const pledge = stagedPledge(serial)
    expect(stage.ask(pledge)).toBe('admit')
    stage.note(pledge, 'voucher', 'failed', { code: 'voucher.masa-unreachable', detail: 'no route to host' })
    await row('Lamp 4').getByRole('gridcell').nth(1).click()
    const inspector = page.getByRole('complementary', { name: 'Lamp 4' })
    await inspector.locator('[data-step="voucher"][data-outcome="failed"]').getByRole('alert').waitFor()
    await inspector.getByText('voucher.masa-unreachable').waitFor()
    await inspector.getByText('What to do').waitFor()
    expect(await inspector.locator('[data-step]').count()).toBeGreaterThanOrEqual(4)
    expect(await barriers('joining-failed')).toEqual([])
    expect(stage.ask(pledge)).toBe('admit')
    stage.join(pledge)
    await inspector.getByText('Has joined').waitFor()
    await inspector.getByText('Attempt 1').waitFor()
    await page.keyboard.press('Escape')
    await inspector.waitFor({ state: 'detached' })
  })

  it('lets in whom a person wants, many at once, but strangers’ makers only when told again', async () => {
    await row('GW-UNLISTED-1').getByRole('checkbox').click({ force: true })
    await row('XX-1').getByRole('checkbox').click({ force: true })
    await page.getByText(/2 selected/).waitFor()
    await page.getByRole('heading', { name: 'Scan labels' }).click()
    await page.keyboard.press('a')
    await page.getByText('1 device was left: its manufacturer is unknown').waitFor()
    expect(await barriers('joining-left')).toEqual([])
    expect(stage.ask(lamp)).toBe('admit')
    await page.getByRole('button', { name: 'Let them in all the same…' }).click()
    await page.getByText('Its names prove nothing').waitFor()
    expect(await barriers('joining-stranger')).toEqual([])
    await page.getByRole('button', { name: 'Let in all the same', exact: true }).click()
    await expect.poll(() => session.rows('pledges').find(({ key }) => key === stranger.key)?.decision).toBe('by-person')
  })

  it('refuses with a reason, lists who is refused, and allows again', async () => {
    await row('XX-1').getByRole('gridcell').nth(1).click()
    await page.getByRole('complementary', { name: 'XX-1' }).waitFor()
    await page.keyboard.press('r')
    await page.getByLabel('Reason').fill('of the neighbours')
    await page.keyboard.press('Enter')
    await session.when('pledges', ({ key, state }) => key === stranger.key && state === 'denied')
    expect(stage.ask(stranger)).toBe('deny')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.getByRole('complementary', { name: 'XX-1' }).getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Lists…' }).click()
    await page
      .getByRole('radio', { name: 'Refused' })
      .or(page.getByRole('button', { name: 'Refused', exact: true }))
      .last()
      .click()
    await page.getByText('of the neighbours').waitFor()
    expect(await barriers('joining-denied')).toEqual([])
    await page.getByRole('button', { name: 'Allow again' }).click()
    await page.getByText('Nobody is refused').waitFor()
    await page.getByRole('dialog').getByText('Vouchers', { exact: true }).click()
    await page.getByText('No vouchers').waitFor()
    expect(await barriers('joining-vouchers')).toEqual([])
    await page.keyboard.press('Escape')
  })

  it('changes the rules, and closes the window now', async () => {
    await page.getByRole('button', { name: 'Rules…' }).click()
    await page.getByRole('radio', { name: /^Each after a person/ }).check()
    expect(await barriers('joining-rules')).toEqual([])
    await page.getByRole('button', { name: 'Save' }).click()
    await session.when('admission', ({ policy }) => policy.mode === 'ask')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Close now' }).click()
    await session.when('admission', ({ window }) => window === 'closed')
    await page.getByRole('link', { name: 'The admission window is open' }).waitFor({ state: 'detached' })
    expect((await session.call('audit.page', { limit: 100 })).map(({ action }) => action)).toEqual(
      expect.arrayContaining([
        'admission.open',
        'admission.close',
        'admission.scan',
        'admission.admit',
        'admission.deny',
        'admission.undeny',
        'admission.setPolicy',
      ]),
    )
  })

  it('reads codes from a picture where the system can', async () => {
    await page.addInitScript(() => {
      class Detector {
        static getSupportedFormats = (): Promise<readonly string[]> => Promise.resolve(['qr_code', 'data_matrix'])
        detect(): Promise<ReadonlyArray<{ readonly rawValue: string }>> {
          return Promise.resolve([{ rawValue: '0200000000000106' }])
        }
      }
      Reflect.set(globalThis, 'BarcodeDetector', Detector)
    })
    await page.reload()
    await page.getByRole('button', { name: 'Camera' }).waitFor()
    const picture = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    )
    await page.getByLabel('Picture or text file…').setInputFiles({ name: 'label.png', mimeType: 'image/png', buffer: picture })
    await scanned().filter({ hasText: 'Lamp 7' }).waitFor()
    await page.getByRole('button', { name: 'Camera' }).click()
    await page.getByText(/There is no camera|may not be used/).waitFor()
    expect(await barriers('joining-camera')).toEqual([])
  })

  it('speaks German as well', async () => {
    await session.call('preferences.set', { locale: 'de' })
    await page.getByText('Aufnahmefenster').or(page.getByText('Etiketten scannen')).first().waitFor()
    expect(await barriers('joining-german')).toEqual([])
  })

  it('did all that without a fault', () => {
    expect(faults).toEqual([])
  })
})
