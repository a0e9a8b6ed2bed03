// The checks of groups in the built window: found, remedied from the lens and from the problems panel, the settings that they ask for. axe
// looks at the lens, at a remedy before it is pressed, and at the sheet.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()

describe.skipIf(browser === undefined)('the checks in the window', () => {
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
    await session.call('devices.create', { name: 'Lampe', type: 'luminaire', roomId: null, eui64: null, serial: null })
    await session.call('groups.createApplication', { name: 'Flur' })
    await session.call('naming.set', { method: 'host', domain: 'b6.example' })
    await page.goto(running.host.url)
    await page.getByRole('link', { name: /Gruppen/ }).click()
    await page.getByText('Prüfungen', { exact: true }).click()
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

  it('say what is wrong, and tell the effect before a remedy is pressed', async () => {
    await page.getByRole('gridcell', { name: /nichts Rechnernamen auf/ }).waitFor()
    expect(await barriers()).toEqual([])
    await page.getByRole('button', { name: 'Gruppen im Pfad benennen' }).first().click()
    await page.getByText('tragen den Namen künftig im Pfad').waitFor()
    expect(await barriers()).toEqual([])
    await page.getByRole('dialog').getByRole('button', { name: 'Gruppen im Pfad benennen' }).click()
    await page.getByRole('gridcell', { name: /nichts Rechnernamen auf/ }).waitFor({ state: 'detached' })
    expect(session.rows('groupSettings')).toMatchObject([{ naming: { method: 'path' } }])
  })

  it('show what a request looks like by each method', async () => {
    await page.getByRole('button', { name: 'Namen & Adressen' }).click()
    await page.getByText('Als Query-Parameter').click()
    await page.getByText('Uri-Query: "gp=2.14-light"').waitFor()
    expect(await barriers()).toEqual([])
    await page.getByRole('button', { name: 'Speichern' }).click()
    await session.when('groupSettings', (row) => row.naming.method === 'query-parameter')
    await session.when('applicationGroups', (row) => row.uri.endsWith('?gp=Flur'))
  })

  it('are remedied from the problems panel too, once each', async () => {
    await page.getByRole('button', { name: /Probleme/ }).click()
    const row = page.getByRole('row', { name: /Die Gruppe „Flur“/ })
    await row.getByRole('button', { name: 'Gruppe entfernen' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Gruppe entfernen' }).click()
    await row.waitFor({ state: 'detached' })
    expect(session.rows('applicationGroups')).toEqual([])
    expect(faults).toEqual([])
  })
})
