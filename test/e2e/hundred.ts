// From a device list to a signed bundle, with nothing but what the installer has to decide.
import type { Page } from 'playwright-core'
import type { Driver } from './driver.ts'

const JOB_TIMEOUT_MS = 240_000

export interface Commissioned {
  readonly groups: number
  readonly files: readonly string[]
}

export async function commission(
  page: Page,
  driver: Driver,
  devices: number,
  looked: (view: string) => Promise<void>,
): Promise<Commissioned> {
  const button = (name: string | RegExp) => page.getByRole('button', { name }).first()
  const step = (name: string) => page.getByRole('navigation').getByRole('link', { name: new RegExp(name) })

  await driver.press(button('Demo site'))
  await driver.enter(page.getByLabel(/^Devices/), String(devices))
  await driver.press(button('Create demo site'))
  await page.getByText('Resource Directory', { exact: true }).first().waitFor()
  await looked('site')

  await driver.press(step('Devices'))
  await driver.press(page.getByRole('button', { name: 'Import', exact: true }))
  await driver.press(button(/demo site’s list/i))
  await driver.press(button(/^Import \d+ rows?$/))
  await page.getByText(/^Imported:/).waitFor()
  await page.keyboard.press('Escape')
  await driver.press(button('Discover'))
  await page.getByText(/^Last search:/).waitFor({ timeout: JOB_TIMEOUT_MS })
  await looked('devices')

  await driver.press(step('Admit'))
  await driver.press(button('Open window'))
  await page.getByRole('timer', { name: 'Time left' }).waitFor()
  await driver.press(button('Create authority'))
  await driver.press(page.getByRole('button', { name: 'Create', exact: true }))
  await page.getByText(`${devices} of ${devices} have joined`).waitFor({ timeout: JOB_TIMEOUT_MS })
  await looked('admit')

  await driver.press(step('Groups'))
  await driver.press(button('Groups from rooms'))
  const make = button(/^Make \d+ groups?$/)
  await make.waitFor()
  // Lights alone: one group for each room.
  for (const other of ['Blind', 'Thermostat', 'Actuator']) {
    const box = page.getByRole('dialog').getByRole('checkbox', { name: other })
    if ((await box.count()) > 0 && (await box.isChecked())) await driver.press(box)
  }
  const groups = Number((await make.textContent())?.match(/\d+/)?.[0] ?? '0')
  await driver.press(make)
  await make.waitFor({ state: 'detached' })
  await looked('groups')

  await driver.press(step('Apply'))
  await driver.press(button(/^Apply \d+ changes?$/))
  const result = page.getByText(/\d+ confirmed, \d+ failed/).first()
  await result.waitFor({ timeout: JOB_TIMEOUT_MS })
  const retry = button(/^Retry \d+ failed$/)
  while (await retry.isVisible()) {
    await driver.press(retry)
    await retry.waitFor({ state: 'detached', timeout: JOB_TIMEOUT_MS }).catch(() => undefined)
    await result.waitFor({ timeout: JOB_TIMEOUT_MS })
  }
  await looked('apply')

  await driver.press(step('Test'))
  const proven = page.getByText(`${groups} of ${groups} groups proven`)
  const prove = button(/^Test (the|all) \d+ groups? that/)
  await prove.waitFor()
  while (!(await proven.isVisible())) {
    if (await prove.isVisible()) {
      await driver.press(prove)
      // Gone while the job runs; back where something did not follow.
      await prove.waitFor({ state: 'hidden' })
    }
    await proven.or(prove).first().waitFor({ timeout: JOB_TIMEOUT_MS })
  }
  // Nothing was chosen, so everything is protected.
  await page.getByText(/^Goes under Group OSCORE/).waitFor()
  await looked('test')

  await driver.press(step('Hand over'))
  const bundle = page.getByRole('checkbox', { name: /bundle/i })
  if (!(await bundle.isChecked())) await driver.press(bundle)
  await driver.press(button(/^Write \d+ files?$/))
  await page
    .getByText(/\.json$/)
    .first()
    .waitFor()
  await looked('handover')
  return { groups, files: await page.getByText(/\.(json|jws|yaml|csv|html|pdf|bundle)$/).allTextContents() }
}
