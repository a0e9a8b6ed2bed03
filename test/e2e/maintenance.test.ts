// Undo by keyboard and the change sheet in the built window, on a demo site: what is previewed, done, taken back and told.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()

describe.skipIf(browser === undefined)('maintenance and undo in the window', () => {
  let running: Awaited<ReturnType<typeof runWindow>>
  let session: Session
  let page: Page
  const faults: string[] = []

  beforeAll(async () => {
    running = await runWindow(7)
    session = sessionOf(running.program)
    page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
    page.on('pageerror', (error) => faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
    })
    const details = { name: 'Harbour House', organisation: '', address: '', operator: '' }
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    const made = await Promise.all(
      ['Lamp 1', 'Lamp 2', 'Spare'].map((name) =>
        session.call('devices.create', { name, type: 'luminaire', roomId: null, eui64: null, serial: name, comment: '' }),
      ),
    )
    const members = made.slice(0, 2).map(({ id }) => id)
    await session.call('groups.createApplication', { name: 'hall', members })
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

  it('takes the last edit back with Ctrl-Z, says so, and does it again', async () => {
    await page
      .getByRole('link', { name: /Devices/ })
      .first()
      .waitFor()
    await page.keyboard.press('Control+z')
    await page.getByText('Undone: Group hall made.').waitFor()
    expect(session.rows('applicationGroups')).toEqual([])
    await page.keyboard.press('Control+Shift+z')
    await page.getByText('Done again: Group hall made.').waitFor()
    expect(session.rows('applicationGroups').map(({ name }) => name)).toEqual(['hall'])
  })

  it('lists what was done, and goes back to where one chooses', async () => {
    await page.keyboard.press('y')
    const sheet = page.getByRole('dialog', { name: 'History' })
    await sheet.getByText('Group hall made').waitFor()
    expect(await sheet.getByRole('listitem').count()).toBe(4)
    expect(await barriers()).toEqual([])
    await sheet.getByRole('button', { name: 'Undo back to here' }).nth(1).click()
    await page.getByText('2 edits undone.').waitFor()
    await sheet.getByRole('button', { name: 'Do again up to here' }).first().click()
    await page.getByText('2 edits done again.').waitFor()
    await page.keyboard.press('Escape')
  })

  it('previews a split in the sheet of the group, does it, and takes it back as one', async () => {
    await page.keyboard.press('4')
    await page.getByText('Layers', { exact: true }).first().click()
    await page.getByText('hall', { exact: true }).first().click()
    await page.getByRole('button', { name: 'Change…', exact: true }).first().click()
    const sheet = page.getByRole('dialog', { name: 'Change hall' })
    await sheet.getByLabel('What shall be done').selectOption({ label: 'Split' })
    await sheet.getByLabel('Name of the new group').fill('window')
    await sheet.getByText('Lamp 1', { exact: true }).click()
    await sheet.getByText('Cannot be reached now: Lamp 1.', { exact: false }).waitFor()
    await sheet.getByText('Those that react listen to the new before anybody sends to it.').waitFor()
    expect(await barriers()).toEqual([])
    await sheet.getByRole('button', { name: 'Do it' }).click()
    await sheet.getByText('Planned. Devices are told when they can be reached.').waitFor()
    expect(
      session
        .rows('applicationGroups')
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['hall', 'window'])
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+z')
    await page.getByText('Undone: Group split.').waitFor()
    expect(session.rows('applicationGroups').map(({ name, members }) => [name, members])).toEqual([['hall', 2]])
    expect(faults).toEqual([])
  })
})
