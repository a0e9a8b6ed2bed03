// DTLS handshakes, directly and through a join proxy, a second of one core, as a share of what the bare asymmetric operations in them would allow; records a second beside
// their bare AEAD; memory of half-open handshakes and of sessions; vouchers a second beside their bare signatures.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { BenchResult } from './types.ts'

interface ChildResult {
  readonly rates: ReadonlyArray<{
    readonly name: string
    readonly unit: string
    readonly perSecond: number
    readonly barePerSecond: number
  }>
  readonly bytes: ReadonlyArray<{ readonly name: string; readonly value: number }>
}

export function benchDtls(): Promise<readonly BenchResult[]> {
  const results: BenchResult[] = []
  for (const [path, flags] of [
    ['native', []],
    ['portable', [`--require=${join(import.meta.dirname, '../support/boringssl-preload.cjs')}`]],
  ] as const) {
    const { rates, bytes } = child('dtls-child.ts', flags)
    for (const { name, unit, perSecond, barePerSecond } of rates)
      results.push({
        area: 'join',
        name: `${name}, ${path}`,
        unit,
        value: perSecond,
        baseline: barePerSecond,
        ratio: perSecond / barePerSecond,
      })
    if (path !== 'native') continue
    for (const { name, value } of bytes) results.push({ area: 'join', name, unit: 'bytes', value, baseline: undefined, ratio: undefined })
  }
  for (const file of ['join-child.ts', 'voucher-child.ts']) {
    const { rates, bytes } = child(file, [])
    for (const { name, unit, perSecond, barePerSecond } of rates)
      results.push({ area: 'join', name, unit, value: perSecond, baseline: barePerSecond, ratio: perSecond / barePerSecond })
    for (const { name, value } of bytes) results.push({ area: 'join', name, unit: 'bytes', value, baseline: undefined, ratio: undefined })
  }
  return Promise.resolve(results)
}

function child(file: string, flags: readonly string[]): ChildResult {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', ...flags, join(import.meta.dirname, file)], {
    encoding: 'utf8',
    timeout: 300_000,
  })
  if (status !== 0) throw new TypeError(`The measuring process failed: ${stderr}`)
  return JSON.parse(stdout) as ChildResult
}
