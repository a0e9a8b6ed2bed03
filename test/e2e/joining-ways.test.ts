// The ways by which devices come in, in the built window: manufacturers and their voucher servers, the join port, the join proxy, vouchers
// from servers, and what a maker has on record of a device; in both schemes, looked at by axe.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { pemOf } from '#main/services/ra/index.ts'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { makeMaker } from '../masa/pki.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()
const DEVICES = 3
const PATIENCE_MS = 120_000
/** Where pictures go that a person wants to look at; none unless told. */
const pictures = process.env.GROUPWRIGHT_PICTURES
const maker = makeMaker('Lamp Works')
const anchor = pemOf('CERTIFICATE', maker.root.certificate)
const tlsAnchor = pemOf('CERTIFICATE', makeMaker('Web').root.certificate)

describe.skipIf(browser === undefined)('the ways by which devices come in', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  const faults: string[] = []

  beforeAll(async () => {
    running = await runWindow(5)
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
    await page.goto(running.host.url)
  }, 60_000)
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
  const sheet = () => page.getByRole('dialog', { name: 'How devices come in' })
  async function choose(name: string): Promise<void> {
    await sheet()
      .getByRole('radio', { name })
      .or(sheet().getByRole('button', { name, exact: true }))
      .first()
      .click()
  }
  const ways = () => session.rows('joining')[0]

  it('say that no authority is there yet, and take the site off line and back', async () => {
    await page.getByRole('link', { name: 'Admit' }).click()
    await page.getByRole('button', { name: 'Ways in…' }).click()
    await sheet().getByText('simulated within this program').waitFor()
    expect(await barriers('ways-makers')).toEqual([])
    await sheet().getByLabel('This site is offline').check()
    await session.when('joining', ({ offline }) => offline)
    await page.keyboard.press('Escape')
    await sheet().waitFor({ state: 'detached' })
    await page.getByText('This site is offline: vouchers come from files alone.').waitFor()
    expect(await barriers('ways-offline')).toEqual([])
    await page.getByRole('button', { name: 'Look', exact: true }).click()
    await sheet().getByLabel('This site is offline').uncheck()
    await session.when('joining', ({ offline }) => !offline)
    await choose('Join port')
    await sheet().getByText('as soon as the site has an authority').waitFor()
    expect(await barriers('ways-port')).toEqual([])
  })

  it('set this program up as a join proxy, and off again', async () => {
    await choose('Join proxy')
    await sheet().getByText('This program is no join proxy.').waitFor()
    await sheet().getByLabel('Join proxy').selectOption({ label: 'As registrars allow' })
    await sheet().getByLabel('Registrar', { exact: true }).fill('http://nobody')
    await sheet().getByText('jpy:// or coaps://, an address and a port.').waitFor()
    expect(await sheet().getByRole('button', { name: 'Save' }).isDisabled()).toBe(true)
    expect(await barriers('ways-proxy-wrong')).toEqual([])
    await sheet().getByLabel('Registrar', { exact: true }).fill('coaps://[2001:db8::1]:5684')
    await sheet().getByRole('button', { name: 'Save' }).click()
    await session.when('joining', ({ proxy }) => proxy.settings.mode === 'automatic' && proxy.state !== 'off')
    expect(ways()?.proxy.settings.registrar).toBe('coaps://[2001:db8::1]:5684')
    expect(await barriers('ways-proxy')).toEqual([])
    await sheet().getByLabel('Join proxy').selectOption({ label: 'Off' })
    await sheet().getByRole('button', { name: 'Save' }).click()
    await session.when('joining', ({ proxy }) => proxy.state === 'off')
    await page.keyboard.press('Escape')
  })

  it('fetch a voucher ahead, or say why not; none is asked for while the site is off line', async () => {
    // The devices find it open when they ask first; turned away they would be back in a minute.
    await session.call('admission.open', {})
    await page.getByRole('button', { name: 'Create authority' }).first().click()
    await page.getByRole('button', { name: 'Create', exact: true }).click()
    await session.when('ra', ({ state }) => state === 'ready')
    await session.when('admission', ({ vouchersReady }) => vouchersReady)
    await page.getByRole('button', { name: 'Lists…' }).click()
    const lists = page.getByRole('dialog', { name: 'Lists of admission' })
    await lists.getByText('Vouchers', { exact: true }).click()
    await lists.getByRole('button', { name: 'Fetch ahead…' }).click()
    const asking = page.getByRole('dialog', { name: 'Fetch a voucher ahead' })
    await asking.getByLabel('Serial number').fill('NO-SUCH-DEVICE')
    expect(await barriers('voucher-fetch')).toEqual([])
    await asking.getByRole('button', { name: 'Fetch', exact: true }).click()
    await asking.getByRole('alert').first().waitFor()
    expect(await barriers('voucher-refused')).toEqual([])
    await asking.getByRole('button', { name: 'Cancel' }).click()
    await session.call('joining.setOffline', { offline: true })
    await lists.getByText('The site is offline: no manufacturer is asked.').waitFor()
    expect(await lists.getByRole('button', { name: 'Fetch ahead…' }).isDisabled()).toBe(true)
    await session.call('joining.setOffline', { offline: false })
    await page.keyboard.press('Escape')
    await lists.waitFor({ state: 'detached' })
  })

  it('show what the manufacturer has on record of a device that has joined', async () => {
    await session.when('admission', ({ counts }) => counts.enrolled === DEVICES)
    const grid = page.getByRole('grid', { name: 'Devices that want to join' })
    await expect.poll(() => grid.getByText('Has joined').count(), { timeout: PATIENCE_MS }).toBe(DEVICES)
    await grid.getByRole('row').nth(1).getByRole('gridcell').nth(1).click()
    await page.getByRole('region', { name: 'On the manufacturer’s record' }).getByText('Given to this site').first().waitFor()
    expect(await barriers('maker-log')).toEqual([])
    await page.keyboard.press('w')
    await choose('Join port')
    await sheet().getByText('The join port is open.').waitFor()
    expect(await barriers('ways-port-open')).toEqual([])
    await page.keyboard.press('Escape')
  }, 180_000)

  it('change where a manufacturer’s voucher server is and who vouches for it; wrong addresses are told at once', async () => {
    // On a site of its own: makers of demo sites are simulated.
    const details = { name: 'Quay House', organisation: '', address: '', operator: '' }
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    await session.call('ra.trust', { kind: 'manufacturer', text: anchor })
    await session.when('joining', ({ makers }) => makers.length === 1)
    await page.getByRole('link', { name: 'Admit' }).click()
    await page.getByRole('button', { name: 'Ways in…' }).click()
    await choose('Manufacturers')
    await sheet()
      .getByRole('button', { name: /^Change .*Lamp Works/ })
      .click()
    const address = sheet().getByLabel('Voucher server (MASA)')
    await address.fill('http://no')
    await sheet().getByText('A host name or an address that begins with https://.').waitFor()
    expect(await barriers('ways-maker-wrong')).toEqual([])
    await address.fill('https://masa.example:9443')
    await sheet().getByRole('textbox', { name: 'Who vouches for that server' }).fill(tlsAnchor)
    await sheet().getByRole('button', { name: 'Save' }).click()
    await session.when('joining', ({ makers }) => makers.some(({ masaUrl }) => masaUrl !== null))
    expect(ways()?.makers[0]).toMatchObject({ masaUrl: 'https://masa.example:9443', voucherAnchors: [] })
    expect(ways()?.makers[0]?.tlsAnchors.map(({ subject }) => subject)).toEqual(['CN=Web root'])
    await sheet().getByText('https://masa.example:9443').waitFor()
    // What was set is taken back as well.
    await sheet()
      .getByRole('button', { name: /^Change .*Lamp Works/ })
      .click()
    await sheet().getByRole('button', { name: 'Take back' }).click()
    await sheet().getByRole('button', { name: 'Save' }).click()
    await session.when('joining', ({ makers }) => makers.every(({ tlsAnchors }) => tlsAnchors.length === 0))
  })

  it('speak German as well', async () => {
    await session.call('preferences.set', { locale: 'de' })
    await page.getByRole('dialog', { name: 'Wie Geräte hereinkommen' }).waitFor()
    expect(await barriers('ways-german')).toEqual([])
  })

  it('did all that without a fault', () => {
    expect(faults).toEqual([])
  })
})
