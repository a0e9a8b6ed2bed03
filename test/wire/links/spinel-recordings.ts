// Recordings of real NCPs, and the bytes in them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromHex } from '#main/base/index.ts'

export interface RecordedBytes {
  readonly atMs: number
  readonly from: 'host' | 'ncp'
  readonly bytes: Uint8Array
  readonly note: string
}

const folder = join(import.meta.dirname, '../../vectors/spinel')

export const recordingNames: readonly string[] = readdirSync(folder)
  .filter((name) => name.endsWith('.jsonl'))
  .map((name) => name.replace(/\.jsonl$/, ''))

export function spinelRecording(name: string): readonly RecordedBytes[] {
  const lines = readFileSync(join(folder, `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n')
  return lines.flatMap((line) => {
    const { t, dir, hex, note = '' } = JSON.parse(line) as { t: number; dir: string; hex: string; note?: string }
    const bytes = fromHex(hex)
    if (bytes === undefined) throw new Error(`not hex in ${name}: ${hex}`)
    if (bytes.length === 0) return []
    return [{ atMs: t, from: dir.startsWith('host>') ? 'host' : 'ncp', bytes, note } as const]
  })
}
