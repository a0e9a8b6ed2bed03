// The main job by clicking: from the start page to the handed-over files. Used by the test and by `npm run screens`.
import type { Locator, Page } from 'playwright-core'

/** Called where a picture of a step is worth keeping. */
export type Snap = (name: string) => Promise<void>

export interface MainJob {
  readonly devices: number
  readonly lossPercent: number
}

export interface MainJobResult {
  readonly groups: number
  readonly exported: readonly string[]
}

const JOB_TIMEOUT_MS = 60_000
/** Of all devices: handshake, voucher, certificate and context, a few at a time. */
const JOIN_TIMEOUT_MS = 150_000

export async function doMainJob(page: Page, job: MainJob, snap: Snap): Promise<MainJobResult> {
  await createDemoSite(page, job, snap)
  await checkSite(page, snap)
  await importAndDiscover(page, snap)
  await admitDevices(page, job.devices, snap)
  const groups = await makeGroups(page, snap)
  await lookAtDirectory(page, job.devices, groups, snap)
  await lookAtDongle(page, snap)
  await apply(page, snap)
  await testGroups(page, groups, snap)
  return { groups, exported: await handOver(page, snap) }
}

async function createDemoSite(page: Page, job: MainJob, snap: Snap): Promise<void> {
  await page.getByRole('button', { name: 'Demo site' }).waitFor()
  await snap('start')
  await page.getByRole('button', { name: 'Demo site' }).click()
  await page.getByLabel('Site name').fill('Harbour House')
  await page.getByLabel(/^Devices/).fill(String(job.devices))
  await page.getByLabel('Lost messages in percent').fill(String(job.lossPercent))
  await page.getByRole('button', { name: 'Create demo site' }).click()
  await page
    .getByRole('button', { name: /Harbour House/ })
    .first()
    .waitFor()
}

async function checkSite(page: Page, snap: Snap): Promise<void> {
  await openStep(page, 'Site')
  await page.getByText('Resource Directory', { exact: true }).first().waitFor()
  await page.getByText('checking').first().waitFor({ state: 'detached' })
  await snap('site')
}

async function importAndDiscover(page: Page, snap: Snap): Promise<void> {
  await openStep(page, 'Devices')
  await page.getByRole('button', { name: 'Import', exact: true }).click()
  await page.getByRole('button', { name: /demo site’s list/i }).click()
  const run = page.getByRole('button', { name: /^Import \d+ rows?$/ })
  await run.waitFor()
  await snap('import')
  await run.click()
  await page.getByText(/^Imported:/).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Discover' }).click()
  await page.getByText(/^Last search:/).waitFor({ timeout: JOB_TIMEOUT_MS })
  await rail(page, /Devices.*nothing left to do/).waitFor({ timeout: JOB_TIMEOUT_MS })
  await page.getByRole('row').nth(1).click()
  await snap('devices')
}

/** An authority, the window open: listed devices come through the join proxies by themselves, to their keys for protected groups. */
async function admitDevices(page: Page, devices: number, snap: Snap): Promise<void> {
  await openStep(page, 'Admit')
  await page.getByRole('button', { name: 'Open window' }).first().click()
  await page.getByRole('timer', { name: 'Time left' }).waitFor()
  await page.getByRole('button', { name: 'Create authority' }).click()
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.getByText(`${devices} of ${devices} have joined`).waitFor({ timeout: JOIN_TIMEOUT_MS })
  await rail(page, /Admit.*nothing left to do/).waitFor({ timeout: JOIN_TIMEOUT_MS })
  const joined = page.getByRole('grid', { name: 'Devices that want to join' }).getByText('Has joined')
  await joined.first().waitFor()
  await snap('admit')
  await page.getByRole('button', { name: 'Close now' }).click()
  await page.getByRole('timer', { name: 'Time left' }).waitFor({ state: 'detached' })
}

async function makeGroups(page: Page, snap: Snap): Promise<number> {
  await openStep(page, 'Groups')
  await page.getByRole('button', { name: 'Groups from rooms' }).first().click()
  const make = page.getByRole('button', { name: /^Make \d+ groups?$/ })
  await make.waitFor()
  const count = Number((await make.textContent())?.match(/\d+/)?.[0] ?? '0')
  await make.click()
  await make.waitFor({ state: 'detached' })
  await page.getByRole('grid').first().waitFor()
  await snap('groups')
  await page
    .getByRole('radio', { name: 'Layers' })
    .or(page.getByRole('tab', { name: 'Layers' }))
    .or(page.getByRole('button', { name: 'Layers' }))
    .first()
    .click()
  await page.getByText('Who reacts').first().waitFor()
  await snap('layers')
  return count
}

/** The directory by its chip: every device registered there, searched, looked at, removed, registered by hand. */
async function lookAtDirectory(page: Page, devices: number, groups: number, snap: Snap): Promise<void> {
  await page.getByRole('link', { name: /^Resource Directory: \d+ endpoints?$/ }).click()
  // The tool's registrar stands among them.
  const registered = page.getByText(`${devices + 1} endpoints, ${groups} group`)
  await registered.waitFor()
  const table = page.getByRole('grid', { name: 'Endpoints' })
  const lenses = page.getByRole('group', { name: 'What to look at' })
  await table.getByRole('row').nth(Math.min(devices, 15)).waitFor()
  await table.getByRole('row').nth(2).click()
  await page.getByText('Copy link-format').waitFor()
  await page.getByLabel('Links in link-format').getByText('</dev>', { exact: false }).first().waitFor()
  await snap('directory')
  await page.keyboard.press('/')
  await page.keyboard.type('rt=gw.luminaire')
  await page.getByText(/^\d+ found$/).waitFor()
  await page.keyboard.press('Enter')
  await page.keyboard.press('ArrowDown')
  await lenses.getByText('Links').click()
  await page.getByRole('grid', { name: 'Links' }).getByRole('row').nth(1).click()
  await snap('directory-links')
  await page.getByRole('button', { name: 'Show its endpoint' }).click()
  await page.getByText('1 found', { exact: true }).waitFor()
  await page.getByRole('searchbox').fill('')
  await lenses.getByText('Groups').click()
  await page.getByRole('grid', { name: 'Groups' }).getByRole('row').nth(Math.min(groups, 15)).waitFor()
  await lenses.getByText('Endpoints').click()
  await page.getByRole('button', { name: /^Register/ }).click()
  await page.getByLabel('Endpoint name').fill('by-hand')
  await page.getByLabel('Base address').fill('coap://[2001:db8::77]')
  await page.getByLabel('Links (link-format)').fill('</temp>;rt=temperature')
  await snap('directory-register')
  await page.getByRole('dialog').getByRole('button', { name: 'Register', exact: true }).click()
  await page.getByRole('heading', { name: 'by-hand' }).waitFor()
  await page.getByRole('complementary', { name: 'by-hand' }).getByRole('button', { name: 'Remove' }).click()
  await page.getByText('does not come back by itself').waitFor()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await registered.waitFor()
  await page.getByRole('button', { name: 'Directory settings' }).click()
  await page.getByRole('radio', { name: /^First come/ }).check()
  await snap('settings')
  await page.getByRole('button', { name: 'Apply', exact: true }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await page.getByText('First come, first served').waitFor()
}

/** The demo site's dongle by its chip, and what has passed over it. */
async function lookAtDongle(page: Page, snap: Snap): Promise<void> {
  await page.getByRole('link', { name: /^Dongle: ttyDEMO\d+ · ch 15/ }).click()
  await page.getByText('Who it hears').waitFor()
  await page.getByText('groupwright demo').first().waitFor()
  await snap('link')
  await page.keyboard.press('k')
  // Nothing that passes meanwhile shall push away what is looked at.
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('searchbox', { name: 'Filter by address or words' }).fill('GET /dev')
  await page
    .getByRole('gridcell', { name: /GET \/dev/ })
    .first()
    .click()
  await page.getByRole('complementary').getByRole('heading', { name: 'Spinel' }).waitFor()
  await snap('trace')
}

async function apply(page: Page, snap: Snap): Promise<void> {
  await openStep(page, 'Apply')
  const start = page.getByRole('button', { name: /^Apply \d+ changes?$/ })
  await start.waitFor()
  await snap('apply')
  await start.click()
  const result = page.getByText(/\d+ confirmed, \d+ failed/).first()
  await result.waitFor({ timeout: JOB_TIMEOUT_MS })
  const retry = page.getByRole('button', { name: /^Retry \d+ failed$/ })
  while (await retry.first().isVisible()) {
    await retry.first().click()
    await retry
      .first()
      .waitFor({ state: 'detached', timeout: JOB_TIMEOUT_MS })
      .catch(() => undefined)
    await result.waitFor({ timeout: JOB_TIMEOUT_MS })
  }
  await snap('applied')
}

async function testGroups(page: Page, groups: number, snap: Snap): Promise<void> {
  await openStep(page, 'Test')
  // Nothing has been chosen, so everything is protected.
  await page.getByText(/^Goes under Group OSCORE/).waitFor()
  for (let index = 0; index < groups * 4; index++) {
    if (await page.getByText(`${groups} of ${groups} groups proven`).isVisible()) break
    await page.keyboard.press('n')
    await page
      .getByRole('button', { name: /^(On|Blink|Up|Comfort)\b/ })
      .first()
      .click()
    await page.getByText('every member has settled').waitFor({ timeout: JOB_TIMEOUT_MS })
    if (index === 0) await snap('test')
  }
  await page.getByText(`${groups} of ${groups} groups proven`).waitFor()
}

async function handOver(page: Page, snap: Snap): Promise<readonly string[]> {
  await openStep(page, 'Hand over')
  await page.frameLocator('iframe').getByText('Harbour House').first().waitFor()
  await page.getByRole('button', { name: /^Write \d+ files?$/ }).click()
  await page
    .getByText(/\.json$/)
    .first()
    .waitFor()
  await snap('handover')
  return page.getByText(/\.(json|yaml|csv|html|pdf)$/).allTextContents()
}

function rail(page: Page, step: RegExp): Locator {
  return page.getByRole('navigation').getByRole('link', { name: step })
}

async function openStep(page: Page, step: string): Promise<void> {
  await rail(page, new RegExp(step)).click()
}
