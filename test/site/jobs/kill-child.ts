// Works on one job of a site file and tells on standard output, and in a log that survives the process, what it does.
// Arguments: site file, log file, number of items. Killed from outside at any moment.
import { appendFileSync, existsSync, writeSync } from 'node:fs'
import { delay, silentLogger, systemClock, systemRandom } from '#main/base/index.ts'
import { createJobs } from '#main/site/jobs/index.ts'
import { createSiteFile, openSiteFile } from '#main/store/index.ts'

const [sitePath = '', logPath = '', count = '0'] = process.argv.slice(2)
const ports = { clock: systemClock, logger: silentLogger, appVersion: '0.1.0' }

function tell(line: string): void {
  appendFileSync(logPath, `${line}\n`)
  writeSync(1, `${line}\n`)
}

const details = { name: 'Kill', organisation: '', address: '', operator: '' }
const site = existsSync(sitePath)
  ? openSiteFile(sitePath, ports)
  : createSiteFile(sitePath, { id: 'site-kill', kind: 'demo', details, demo: null, network: null }, ports)
const jobs = createJobs({ store: site.jobs, clock: systemClock, random: systemRandom, logger: silentLogger })
const reported = new Set(
  jobs.itemFeed
    .rows()
    .filter((row) => row.state === 'ok')
    .map((row) => row.subject),
)
jobs.itemFeed.subscribe((keys) => {
  for (const key of keys) {
    const row = jobs.itemFeed.get(key)
    if (row?.state !== 'ok' || reported.has(row.subject)) continue
    reported.add(row.subject)
    tell(`ok ${row.subject}`)
  }
})
jobs.register({
  kind: 'apply',
  concurrency: 4,
  run: async (subject, { attempt }) => {
    tell(`start ${subject} ${attempt}`)
    await delay(systemClock, systemRandom.below(8))
    tell(`effect ${subject}`)
    await delay(systemClock, systemRandom.below(4))
    return { state: 'ok' }
  },
})
// The clock's timers do not keep the process alive, and nothing else here does.
const alive = setInterval(() => undefined, 1000)
const left = jobs.feed.rows()[0]
const id =
  left?.id ??
  jobs.start(
    'apply',
    'Kill',
    Array.from({ length: Number(count) }, (_, i) => ({ subject: `i${i}`, label: `Item ${i}` })),
  )
jobs.resumeUnfinished()
await jobs.finished(id)
await jobs.close()
site.close()
clearInterval(alive)
tell('done')
