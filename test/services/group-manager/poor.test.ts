// The tests of this folder again where node:crypto is as poor as Electron's BoringSSL.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')
const FILES = ['membership', 'examples', 'tokens', 'credentials'].map((name) => `test/services/group-manager/${name}.test.ts`)

test('everything passes under a node:crypto as poor as BoringSSL', { timeout: 120_000 }, () => {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_OPTIONS|TEST$|VITE_)/.test(name)))
  const folder = mkdtempSync(join(tmpdir(), 'groupwright-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const reportFile = join(folder, 'report.json')
  const result = spawnSync(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...FILES, '--maxWorkers=1', '--reporter=json', `--outputFile=${reportFile}`],
    { cwd: root, encoding: 'utf8', env: { ...environment, NODE_OPTIONS: `--require=${join(root, 'test/support/boringssl-preload.cjs')}` } },
  )
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as {
    numPassedTests: number
    testResults: Array<{ assertionResults: Array<{ status: string; title: string }> }>
  }
  const failed = report.testResults.flatMap((file) => file.assertionResults).filter(({ status }) => status === 'failed')
  expect(failed.map(({ title }) => title)).toEqual([])
  expect(report.numPassedTests).toBeGreaterThan(40)
  expect(result.status).toBe(0)
})
