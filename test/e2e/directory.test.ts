// The directory of a site on a network, in the built window: empty with the address to point devices at, live as they come, moved to
// another address with the site, and fluent with many endpoints. axe looks at what the demo site does not show.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()
const ENDPOINTS = 2000

describe.skipIf(browser === undefined)('the directory in the window', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  const faults: string[] = []

  beforeAll(async () => {
    running = await runWindow(7)
    session = sessionOf(running.program)
    page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'de-DE', reducedMotion: 'reduce' })
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    const details = { name: 'Hafenhaus', organisation: '', address: '', operator: '' }
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    await page.goto(running.host.url)
  })
  afterAll(async () => {
    await browser?.close()
    await running.close()
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

  it('says in German where devices register while there are none, and that nothing reaches loopback', async () => {
    await page.getByRole('link', { name: 'Ressourcenverzeichnis: keine Endpunkte' }).waitFor()
    await page.keyboard.press('e')
    const port = session.rows('session')[0]?.network.listening[0]?.port ?? 0
    await page.getByText(`coap://[::1]:${port}/rd`).waitFor()
    await page.getByText('Nur Programme auf diesem Rechner').waitFor()
    expect(await barriers()).toEqual([])
  })

  it('shows at once what registers, and forgets what goes', async () => {
    const { id } = await session.call('rd.register', { endpointName: 'lampe', base: 'coap://[2001:db8::1]', lifetimeS: 2 })
    await page.getByRole('gridcell', { name: 'lampe' }).waitFor()
    await page.getByRole('gridcell', { name: 'lampe' }).waitFor({ state: 'detached' })
    expect((await session.call('rd.remove', { ids: [id] })).removed).toBeLessThanOrEqual(1)
  })

  it('goes through many by keyboard, from the first to the last, with one focus stop', async () => {
    for (let number = 0; number < ENDPOINTS; number++) {
      const name = `ep-${String(number).padStart(4, '0')}`
      await session.call('rd.register', {
        endpointName: name,
        base: `coap://[2001:db8::${(number + 1).toString(16)}]`,
        links: '</temp>;rt=temperature',
      })
    }
    const table = page.getByRole('grid', { name: 'Endpunkte' })
    await page
      .getByText(/^2[.]?000 Endpunkte$/)
      .first()
      .waitFor()
    await expect.poll(() => table.getAttribute('aria-rowcount')).toBe(String(ENDPOINTS + 1))
    await table.focus()
    await page.keyboard.press('End')
    await page.getByRole('gridcell', { name: 'ep-1999' }).waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'ep-1999' }).waitFor()
    await page.keyboard.press('ArrowUp')
    await page.getByRole('heading', { name: 'ep-1998' }).waitFor()
    expect(await table.getByRole('row').count()).toBeLessThan(60)
    expect(await barriers()).toEqual([])
    await page.keyboard.press('Delete')
    await page.getByText('kommt nicht von selbst wieder').waitFor()
    expect(await barriers()).toEqual([])
    await page.getByRole('button', { name: 'Entfernen' }).last().click()
    await page
      .getByText(/^1[.]?999 Endpunkte$/)
      .first()
      .waitFor()
  })

  it('searches by any attribute and says when nothing matches', async () => {
    await page.keyboard.press('/')
    await page.keyboard.type('rt=temperature ep-01')
    await page.getByText('100 gefunden').waitFor()
    await page.getByRole('searchbox').fill('rt=humidity')
    await page.getByText('Nichts Angemeldetes passt zur Suche.').waitFor()
    await page.getByRole('button', { name: 'Suche leeren' }).click()
    await page.getByRole('gridcell', { name: 'ep-0000' }).waitFor()
  })

  it('moves the site to another address from its settings, at once', async () => {
    await page.keyboard.press('1')
    await page.getByText('Kein Gerät erreicht diese Adresse').waitFor()
    await page.getByRole('button', { name: 'Ändern' }).first().click()
    await page.getByRole('radio', { name: /127\.0\.0\.1/ }).check()
    expect(await barriers()).toEqual([])
    await page.getByRole('button', { name: 'Übernehmen' }).click()
    await page.getByText(/coap:\/\/127\.0\.0\.1:\d+/).waitFor()
    expect(session.rows('session')[0]?.site?.network).toEqual({ bindAddress: '127.0.0.1', coapPort: 0 })
  })

  it('did all that without a fault', () => {
    expect(faults).toEqual([])
  })
})
