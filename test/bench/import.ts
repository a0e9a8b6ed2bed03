// The import of a device list with 2 000 rows: the dry run, and with everything written to the file.
import Papa from 'papaparse'
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import { applyImport, createInventory, previewImport } from '#main/site/devices/index.ts'
import { openSiteFile } from '#main/store/index.ts'
import { bigSite } from './big-site.ts'
import { contest } from './measure.ts'
import type { BenchResult } from './types.ts'

const ROWS = 2000
const noGroups = { groupNames: () => [], checkGroupName: (name: string) => name, assignGroups: () => undefined }

export async function benchImport(): Promise<readonly BenchResult[]> {
  const text = deviceList(ROWS)
  const baseline = (): unknown => Papa.parse(text, { header: true })
  const preview = await contest({
    area: 'import',
    name: `dry run of ${ROWS} rows (baseline: papaparse alone)`,
    unit: 'ms',
    measure: () => previewImport({ devices: [], rooms: [], ...noGroups }, { text }),
    baseline,
  })
  const apply = await contest({
    area: 'import',
    name: `import of ${ROWS} rows into a new site, durable (baseline: papaparse alone)`,
    unit: 'ms',
    rounds: 5,
    measure: () => {
      const site = bigSite(0)
      const file = openSiteFile(site.path, { clock: systemClock, logger: silentLogger, appVersion: '0' })
      const random = seededRandom(2)
      const inventory = createInventory({
        store: file.devices,
        clock: systemClock,
        random,
        logger: silentLogger,
        contacts: { client: () => undefined },
        profiles: [],
      })
      applyImport(inventory, { clock: systemClock, random, ...noGroups }, { text })
      inventory.close()
      file.close()
      site.remove()
    },
    baseline,
  })
  return [preview, apply]
}

function deviceList(rows: number): string {
  const lines = Array.from(
    { length: rows },
    (_, index) =>
      `Panel ${index};luminaire;Harbour House/Floor ${index % 5}/${index % 5}.${index % 90} Office;0200${index.toString(16).padStart(12, '0')};GW-${index};`,
  )
  return ['Name;Type;Room;EUI64;Serial;Comment', ...lines].join('\n')
}
