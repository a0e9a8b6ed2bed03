// The dongle in the built window: from an empty page over the port picker into a network, who is heard, the trace with its layers, an
// export, a pulled plug. In German, with axe on every page, light and dark.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { createDongleSite } from '#main/simulator/index.ts'
import type { DongleSite } from '#main/simulator/index.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { MapMemory } from '../simulator/harness.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()

describe.skipIf(browser === undefined)('the dongle in the window', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  let mesh: DongleSite
  const faults: string[] = []

  beforeAll(async () => {
    mesh = createDongleSite({
      devices: 12,
      lossPercent: 0,
      seed: 7,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      memory: new MapMemory(),
      binding: 'memory',
      path: '/dev/ttyACM0',
      radio: 'real',
    })
    mesh.start()
    running = await runWindow(7, { serial: { binding: mesh.port.binding }, advertise: false })
    session = sessionOf(running.program)
    page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'de-DE', reducedMotion: 'reduce' })
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    const details = { name: 'Hafenhaus', organisation: '', address: '', operator: '' }
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    await page.goto(running.host.url)
    await page.getByRole('link', { name: /^Ressourcenverzeichnis/ }).waitFor()
  })
  afterAll(async () => {
    await browser?.close()
    await running.close()
    await mesh.close()
  })

  async function barriers(): Promise<readonly string[]> {
    const found: string[] = []
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await settled(page)
      found.push(...(await seriousBarriers(page)))
    }
    return found
  }

  it('is chosen from the ports by keyboard and mouse, after being asked what it is', async () => {
    await page.keyboard.press('l')
    await page.getByText('Noch kein Dongle.').waitFor()
    expect(await barriers()).toEqual([])
    await page.keyboard.press('n')
    await page.getByText('/dev/ttyACM0').first().waitFor()
    await page.getByRole('button', { name: 'Fragen, was es ist' }).click()
    await page.getByText('nutzbar: OpenThread NCP').waitFor()
    expect(await barriers()).toEqual([])
    await page.getByRole('button', { name: 'Diesen Port nutzen' }).first().click()
    await page.getByRole('link', { name: /^Dongle: ttyACM0 · Kanal 15/ }).waitFor()
  })

  it('shows its network, its addresses and whom it hears', async () => {
    await page.getByText('groupwright demo').first().waitFor()
    await page.getByText('fd00::1', { exact: true }).first().waitFor()
    await page.getByRole('table').getByText(/dBm/).first().waitFor()
    expect(await barriers()).toEqual([])
  })

  it('looks for networks, and says what a new one needs', async () => {
    await page.keyboard.press('g')
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Suchen' }).first().click()
    await dialog.getByRole('button', { name: 'Suchen' }).last().click()
    await dialog.getByText('groupwright demo').waitFor()
    await dialog.getByRole('button', { name: 'Bilden' }).first().click()
    await dialog.getByLabel('PAN-ID').fill('xyz')
    await dialog.getByText('Bis zu vier Hexadezimalziffern').waitFor()
    expect(await barriers()).toEqual([])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
  })

  it('records what passes: each message in its layers, filtered, and exported', async () => {
    await session.call('discovery.start', { seconds: 2 })
    await session.when('discovery', (row) => row.state === 'idle' && row.heard > 0)
    await page.keyboard.press('k')
    await page.getByRole('gridcell', { name: 'CON GET /dev' }).first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('get /dev')
    await page.getByRole('gridcell', { name: 'CON GET /dev' }).first().click()
    const inspector = page.getByRole('complementary')
    for (const layer of ['Spinel', 'IPv6', 'UDP', 'CoAP']) await inspector.getByRole('heading', { name: layer, exact: true }).waitFor()
    await inspector.getByText('Gehört zusammen').waitFor()
    expect(await barriers()).toEqual([])
    await page.getByRole('button', { name: 'pcapng exportieren' }).click()
    await page.getByText(/Einträge nach trace-.*\.pcapng geschrieben/).waitFor()
  })

  it('says at once that the plug was pulled, and that it comes back by itself', async () => {
    mesh.unplug()
    await page.getByRole('link', { name: /^Dongle: ttyACM0 · nicht eingesteckt/ }).waitFor()
    await page.keyboard.press('l')
    await page.getByText('Er verbindet sich von selbst').waitFor()
    expect(await barriers()).toEqual([])
    mesh.replug()
    await page.getByRole('link', { name: /^Dongle: ttyACM0 · Kanal 15/ }).waitFor()
  })

  it('did all that without a fault', () => {
    expect(faults).toEqual([])
  })
})
