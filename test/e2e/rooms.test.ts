// Room types, the walk through the building, and roles: clicked through on a demo site whose devices have no rooms yet.
import { afterAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()

describe.skipIf(browser === undefined)('rooms', () => {
  afterAll(() => browser?.close())

  it('get their type, their devices by walking, and their groups from both; a PIN keeps engineers’ work to engineers', async () => {
    if (browser === undefined) return
    const running = await runWindow(5)
    try {
      const session = sessionOf(running.program)
      const details = { name: 'Harbour House', organisation: '', address: '', operator: '' }
      await session.call('site.create', { kind: 'demo', details, demo: { devices: 8, lossPercent: 0, seed: 3 } })
      for (const name of ['2.01 Office', '2.02 Kitchen']) await session.call('rooms.create', { parentId: null, kind: 'room', name })
      await session.call('discovery.start', { seconds: 3 })
      await session.when('walk', ({ left }) => left === 8)
      await session.when('discovery', ({ state }) => state === 'idle')
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
      const faults: string[] = []
      page.on('pageerror', (error) => faults.push(error.message))
      const barriers: string[] = []
      const look = async (view: string): Promise<void> => {
        await settled(page)
        barriers.push(...(await seriousBarriers(page)).map((barrier) => `${view}: ${barrier}`))
      }
      await page.goto(running.host.url)
      await page.getByRole('link', { name: /Groups/ }).click()
      await giveRoomType(page, look)
      await walk(page, look)
      // Every light that was placed has said what it is; the other devices have one role or none.
      const uses = session.rows('templateUses')
      expect(uses.flatMap(({ undecided }) => undecided)).toEqual([])
      const lights = session.rows('devices').filter(({ type }) => type === 'luminaire')
      const group = session.rows('applicationGroups').find(({ name }) => name === '2.01-light')
      expect(lights.every(({ roomId }) => roomId !== null)).toBe(true)
      expect(group?.members).toBeGreaterThan(0)
      expect(session.rows('walk')[0]).toMatchObject({ active: false, left: 0, placed: 8 })
      await setPin(page, look)
      await page.getByRole('link', { name: /Groups/ }).click()
      await page.getByRole('button', { name: 'New group' }).first().click()
      await page.getByRole('dialog').getByLabel('Name').first().fill('Kept out')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Roles' }).waitFor()
      await page.getByLabel('PIN', { exact: true }).fill('4711')
      await page.getByRole('button', { name: 'Take up', exact: true }).click()
      await page.getByRole('heading', { name: 'Roles' }).waitFor({ state: 'detached' })
      expect([faults, barriers]).toEqual([[], []])
    } finally {
      await running.close()
    }
  }, 120_000)
})

async function giveRoomType(page: Page, look: (view: string) => Promise<void>): Promise<void> {
  await page.getByRole('button', { name: 'Room types' }).click()
  await look('no room types')
  await page.getByRole('button', { name: 'Meeting room' }).click()
  await look('a room type')
  await page.getByRole('button', { name: 'Save' }).click()
  for (const name of ['2.01 Office', '2.02 Kitchen']) await page.getByRole('checkbox', { name }).check()
  await page.getByText('2.02-light').waitFor()
  await look('what a room type changes')
  await page.getByRole('button', { name: /^Apply to 2 rooms/ }).click()
  await page.getByText(/^Done:/).waitFor()
  await page.keyboard.press('Escape')
}

/** All into the first room that is offered; a light is asked about its role. */
async function walk(page: Page, look: (view: string) => Promise<void>): Promise<void> {
  await page.getByRole('heading', { name: 'Rooms & groups' }).click()
  await page.keyboard.press('w')
  await page.getByText('Asked to blink').waitFor()
  await look('walk')
  for (let count = 0; count < 8; count++) {
    const device = await page.locator('[data-walk]').getAttribute('data-walk')
    await page.keyboard.press('1')
    const asked = page.getByRole('heading', { name: /^As what in/ })
    const next = page.locator(`[data-walk]:not([data-walk="${device ?? ''}"])`)
    const over = page.getByText('Every device in reach has its room.')
    await asked.or(next).or(over).first().waitFor()
    if (await asked.isVisible()) {
      if (count === 0) await look('role')
      await page.keyboard.press('2')
      await next.or(over).first().waitFor()
    }
  }
  await page.getByText('Every device in reach has its room.').waitFor()
  await page.getByRole('button', { name: 'To the devices' }).click()
}

async function setPin(page: Page, look: (view: string) => Promise<void>): Promise<void> {
  await page.getByRole('button', { name: /Harbour House/ }).click()
  await page.getByRole('menuitem', { name: 'Roles and PINs' }).click()
  const engineer = page.locator('[data-role="engineer"]')
  await engineer.getByRole('button', { name: 'Set PIN' }).click()
  await engineer.getByLabel('New PIN').fill('4711')
  await engineer.getByLabel('Once more').fill('4711')
  await look('a PIN')
  await engineer.getByRole('button', { name: 'Set PIN' }).click()
  await engineer.getByText('taken up').waitFor()
  await page.getByRole('button', { name: 'Lay down roles' }).click()
  await engineer.getByText('PIN needed').waitFor()
  await look('roles')
  await page.keyboard.press('Escape')
  await page.keyboard.press('ControlOrMeta+k')
  await page.keyboard.type('audit')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Check the chain' }).click()
  await page.getByText(/^Whole:/).waitFor()
  await look('audit')
}
