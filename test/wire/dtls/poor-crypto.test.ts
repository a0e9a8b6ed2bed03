// Handshakes of all suites again where node:crypto has no more than Electron's BoringSSL.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const root = join(import.meta.dirname, '../../..')

test('everything passes under a node:crypto as poor as BoringSSL', { timeout: 90_000 }, () => {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_OPTIONS|TEST$|VITE_)/.test(name)))
  const preload = join(root, 'test/support/boringssl-preload.cjs')
  const folder = mkdtempSync(join(tmpdir(), 'groupwright-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const reportFile = join(folder, 'report.json')
  const files = ['handshake', 'attacks', 'codecs'].map((name) => `test/wire/dtls/${name}.test.ts`)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  spawnSync(process.execPath, [vitest, 'run', ...files, '--maxWorkers=1', '--reporter=json', `--outputFile=${reportFile}`], {
    cwd: root,
    encoding: 'utf8',
    env: { ...environment, NODE_OPTIONS: `--require=${preload}` },
  })
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as {
    numPassedTests: number
    testResults: Array<{ message: string; assertionResults: Array<{ status: string; title: string }> }>
  }
  const results = report.testResults.flatMap((file) => file.assertionResults)
  expect(results.filter(({ status }) => status === 'failed').map(({ title }) => title)).toEqual([])
  expect(report.numPassedTests).toBeGreaterThan(90)
  expect(results.map(({ title }) => title)).toContain('the modes that BoringSSL lacks are portable here')
})
