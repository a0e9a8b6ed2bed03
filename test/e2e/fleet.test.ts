// Out to a fleet and to another laptop, by clicking: a destination is set up, tried and sent to; a signed bundle with keys is written, compared and
// taken over in a second window; looked at by axe in both schemes.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Browser, Page } from 'playwright-core'
import { sessionOf } from '#main/hosts/cli/session.ts'
import type { Session } from '#main/hosts/cli/session.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow, type RunningWindow } from '../support/running-window.ts'
import { httpsReceiver, makePki, rootPem } from '../interop/fleet-bench.ts'
import { seriousBarriers } from './barriers.ts'
import { settled } from './settled.ts'

const browser: Browser | undefined = await launchBrowser()
/** Where pictures go that a person wants to look at; none unless told. */
const pictures = process.env.GROUPWRIGHT_PICTURES
const details = { name: 'Harbour House', organisation: 'Blue Quay', address: 'Pier 4', operator: 'M. Lind' }

interface Laptop {
  readonly running: RunningWindow
  readonly session: Session
  readonly page: Page
  readonly faults: readonly string[]
}

async function laptop(seed: number): Promise<Laptop> {
  const running = await runWindow(seed)
  const page = await browser!.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', reducedMotion: 'reduce' })
  page.setDefaultTimeout(20_000)
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
  })
  return { running, session: sessionOf(running.program), page, faults }
}

async function barriers({ page }: Laptop, name: string): Promise<readonly string[]> {
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

describe.skipIf(browser === undefined)('a site on its way', () => {
  const pki = makePki()
  let first: Laptop
  let second: Laptop

  beforeAll(async () => {
    ;[first, second] = [await laptop(11), await laptop(12)]
    const { session, page, running } = first
    await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    await session.call('ra.createRoot', { subject: 'CN=Harbour House CA', algorithm: 'P-256' })
    const device = { name: 'Lamp', type: 'luminaire' as const, roomId: null, eui64: '02-00-00-ff-fe-00-00-01', serial: null }
    const { id } = await session.call('devices.create', device)
    await session.call('groups.createApplication', { name: '2.14-light', members: [id] })
    await page.goto(running.host.url)
    await page.getByRole('link', { name: /Hand over/ }).click()
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    await first.running.close()
    await second.running.close()
  })

  it('goes to a destination once it was set up, tried, and somebody pressed', async () => {
    const { page } = first
    const receiver = await httpsReceiver(pki, { authorization: 'Bearer token-1' })
    await page.getByRole('button', { name: 'Add a destination' }).click()
    const sheet = page.getByRole('dialog')
    await sheet.getByLabel('Name', { exact: true }).fill('Building cloud')
    await sheet.getByLabel('Address').fill(receiver.url)
    await sheet.getByLabel('Show who we are by').selectOption('bearer')
    await sheet.getByLabel('Token').fill('token-1')
    await sheet.getByLabel('Trusted authority').fill(rootPem(pki))
    expect(await barriers(first, 'fleet-target')).toEqual([])
    await sheet.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Try to reach Building cloud' }).click()
    await page.getByText('It answers and lets us in. Nothing was sent.').waitFor()
    expect(receiver.resources.size).toBe(0)
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('confirmed; shows the site as it is').waitFor()
    expect(receiver.resources.get('/site')?.toString()).toContain('"payload"')
    expect(await barriers(first, 'fleet-sent')).toEqual([])
  }, 120_000)

  it('goes to another laptop as a bundle with keys, which is taken over there', async () => {
    const { page, session, running } = first
    const { jwk } = await second.session.call('fleet.receiverKey', {})
    for (const name of [/Report as PDF/, /Site as JSON/, /Device list as CSV/]) {
      const box = page.getByRole('checkbox', { name })
      if (await box.isChecked()) await box.click()
    }
    await page.getByRole('checkbox', { name: /Signed site bundle/ }).click()
    await page.getByLabel('Keys for (public key)').fill(jwk)
    await page.getByRole('button', { name: 'Write 1 file' }).click()
    const row = await session.when('exports', ({ format }) => format === 'bundle')
    const text = readFileSync(running.program.exportPath(row.handle)!, 'utf8')

    await second.page.goto(second.running.host.url)
    const file = { name: row.fileName, mimeType: 'application/json', buffer: Buffer.from(text) }
    await second.page.locator('input[type=file]').setInputFiles(file)
    const sheet = second.page.getByRole('dialog')
    await sheet.getByText('for this program').waitFor()
    expect(await barriers(second, 'bundle-sheet')).toEqual([])
    const take = sheet.getByRole('button', { name: 'Take over' })
    expect(await take.isDisabled()).toBe(true)
    await sheet.getByRole('checkbox', { name: /fingerprint/ }).click()
    await take.click()
    await second.session.when('writer', ({ state, epoch }) => state === 'writer' && epoch === 2)
    await second.page.getByRole('link', { name: /Hand over/ }).click()
    await second.page.getByText('This program writes to the site (epoch 2).').waitFor()
  }, 120_000)

  it('is not sent from the old copy any more once that was told', async () => {
    const { page } = first
    const [row] = await second.session.call('handover.export', { formats: ['bundle'] })
    const buffer = readFileSync(second.running.program.exportPath(row!.handle)!)
    await page.getByLabel('Compare with a bundle…').setInputFiles({ name: 'bundle.json', mimeType: 'application/json', buffer })
    // The site is opened anew, without its keys.
    await first.session.when('writer', ({ state }) => state === 'taken-over')
    await page.getByRole('heading', { name: 'Site', exact: true }).waitFor()
    await page.getByRole('link', { name: /Hand over/ }).click()
    await page.getByText('Another program writes to this site').first().waitFor()
    expect(await barriers(first, 'writer-lost')).toEqual([])
    await page.getByRole('button', { name: 'Take over' }).click()
    await page.getByRole('dialog').getByRole('textbox').fill('take over')
    await page.getByRole('dialog').getByRole('button', { name: 'Take over' }).click()
    await first.session.when('writer', ({ state, epoch }) => state === 'writer' && epoch === 3)
    expect([...first.faults, ...second.faults]).toEqual([])
  }, 120_000)
})
