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

export async function doMainJob(page: Page, job: MainJob, snap: Snap): Promise<MainJobResult> {
  await createDemoSite(page, job, snap)
  await checkSite(page, snap)
  await importAndDiscover(page, snap)
  const groups = await makeGroups(page, snap)
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
