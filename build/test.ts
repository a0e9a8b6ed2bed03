// `npm test`: the unit, property and simulation tests, then the built program in a real browser where a Chromium can be found.
// `npm test -- unit|e2e|interop …` picks suites. Ends with one plain line of totals; exits 1 when anything failed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const configs = { unit: 'vitest.config.ts', e2e: 'vitest.e2e.config.ts', interop: 'vitest.interop.config.ts' } as const
type Suite = keyof typeof configs

interface Totals {
  passed: number
  failed: number
  skipped: number
}

const root = join(import.meta.dirname, '..')
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const asked = process.argv.slice(2).filter((argument): argument is Suite => argument in configs)
const suites: readonly Suite[] = asked.length > 0 ? asked : ['unit', 'e2e']
const scratch = mkdtempSync(join(tmpdir(), 'groupwright-test-'))

function run(suite: Suite): Totals {
  if (suite === 'e2e' && !build()) return { passed: 0, failed: 1, skipped: 0 }
  const output = join(scratch, `${suite}.json`)
  const child = spawnSync(
    process.execPath,
    [vitest, 'run', '--config', configs[suite], '--reporter=default', '--reporter=json', `--outputFile.json=${output}`],
    { cwd: root, stdio: 'inherit' },
  )
  return totalsOf(output, child.status ?? 1)
}

function build(): boolean {
  const child = spawnSync(
    process.execPath,
    [join(root, 'node_modules/electron-vite/bin/electron-vite.js'), 'build', '--logLevel', 'warn'],
    {
      cwd: root,
      stdio: 'inherit',
    },
  )
  return child.status === 0
}

function totalsOf(output: string, status: number): Totals {
  try {
    const report = JSON.parse(readFileSync(output, 'utf8')) as { numPassedTests: number; numFailedTests: number; numPendingTests: number }
    // A suite that could not even be collected has failed, whatever the counts say.
    const failed = report.numFailedTests === 0 && status !== 0 ? 1 : report.numFailedTests
    return { passed: report.numPassedTests, failed, skipped: report.numPendingTests }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

const totals: Totals = { passed: 0, failed: 0, skipped: 0 }
for (const suite of suites) {
  const one = run(suite)
  totals.passed += one.passed
  totals.failed += one.failed
  totals.skipped += one.skipped
}
rmSync(scratch, { recursive: true, force: true })
console.log(`${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`)
process.exitCode = totals.failed > 0 ? 1 : 0
