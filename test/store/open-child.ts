// Opens the site file named by the argument and prints the failure's code, or `opened`; with `hold`, keeps it open until killed.
import { writeSync } from 'node:fs'
import { AppError, silentLogger, systemClock } from '#main/base/index.ts'
import { openSiteFile } from '#main/store/index.ts'

const [path = '', hold] = process.argv.slice(2)
try {
  const site = openSiteFile(path, { clock: systemClock, logger: silentLogger, appVersion: '0.1.0' })
  writeSync(1, 'opened\n')
  if (hold === 'hold') setInterval(() => site.audit.append('child', 'beat'), 5)
  else site.close()
} catch (thrown) {
  writeSync(1, `${thrown instanceof AppError ? thrown.code : String(thrown)}\n`)
}
