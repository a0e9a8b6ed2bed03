// A site file in a folder of its own, removed at the end of the test.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { silentLogger, type Clock } from '#main/base/index.ts'
import { createSiteFile, type NewSite, type SiteFile, type StorePorts } from '#main/store/index.ts'
import { VirtualClock } from './virtual-clock.ts'

export const exampleSite: NewSite = {
  id: 'site-1',
  kind: 'demo',
  details: { name: 'Harbour House', organisation: 'Blue Quay Ltd', address: '', operator: 'M. Lindqvist' },
  demo: { devices: 12, lossPercent: 5, seed: 7 },
  network: null,
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'groupwright-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function storePorts(clock: Clock = new VirtualClock()): StorePorts {
  return { clock, logger: silentLogger, appVersion: '0.1.0' }
}

/** A new, open site in a folder of its own. */
export function temporarySite(ports: StorePorts = storePorts()): SiteFile {
  const site = createSiteFile(join(temporaryFolder(), 'site.gws'), exampleSite, ports)
  onTestFinished(() => site.close())
  return site
}
