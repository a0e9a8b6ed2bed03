// `npm run screens`: does the main job on the demo site and keeps a picture of every step, light and dark, in docs/screens.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { settled } from './settled.ts'
import { launchBrowser } from '../support/browser.ts'
import { runWindow } from '../support/running-window.ts'
import { doMainJob } from './main-job.ts'

const folder = join(import.meta.dirname, '../../docs/screens')
mkdirSync(folder, { recursive: true })

const browser = await launchBrowser()
if (browser !== undefined) {
  const running = await runWindow(3)
  const page = await browser.newPage({
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    colorScheme: 'light',
    reducedMotion: 'reduce',
  })
  await page.goto(running.host.url)
  await doMainJob(page, { devices: 60, lossPercent: 2 }, async (name) => {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await settled(page)
      await page.screenshot({ path: join(folder, `${name}-${colorScheme}.png`) })
    }
    console.log(name)
  })
  await browser.close()
  await running.close()
}
