// Plays a recorded host's bytes to a simulated dongle and collects what it says, frame by frame.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromHex, toHex } from '#main/base/index.ts'
import { FrameReader } from '../../../src-main/simulator/dongle/hdlc.ts'
import type { Dongle } from '../../../src-main/simulator/dongle/dongle.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

export interface Line {
  readonly t: number
  readonly dir: string
  readonly hex?: string
  readonly note?: string
}

export function recording(folder: string, name: string): readonly Line[] {
  const path = join(import.meta.dirname, '../../vectors', folder, `${name}.jsonl`)
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

export function bytesOf(hex: string): Uint8Array {
  const bytes = fromHex(hex)
  if (bytes === undefined) throw new TypeError(`not hex: ${hex}`)
  return bytes
}

/** The frames that the dongle sends while it hears what the host sent then, in hex; STREAM_NET_INSECURE and log frames aside. */
export async function replayFrames(dongle: Dongle, clock: VirtualClock, lines: readonly Line[], afterMs = 500): Promise<string[]> {
  const frames: string[] = []
  const reader = new FrameReader(
    (frame) => frames.push(toHex(frame)),
    (fault) => frames.push(`fault ${fault}`),
  )
  dongle.onBytes((bytes) => reader.push(bytes))
  let atMs = 0
  for (const line of lines) {
    if (line.dir !== 'host>ncp' || line.hex === undefined) continue
    // What was said within one millisecond is told apart, so that answers keep their place between the questions.
    await clock.advance(Math.max(0.1, line.t - atMs))
    atMs = Math.max(line.t, atMs)
    dongle.write(bytesOf(line.hex))
    await clock.advance(0.01)
  }
  await clock.advance(Math.max(0, (lines.at(-1)?.t ?? 0) - atMs) + afterMs)
  return frames
}

/** What the recorded dongle said, STREAM_NET_INSECURE aside. */
export function recordedFrames(lines: readonly Line[]): string[] {
  const frames: string[] = []
  const reader = new FrameReader(
    (frame) => frames.push(toHex(frame)),
    (fault) => frames.push(`fault ${fault}`),
  )
  for (const line of lines) if (line.dir === 'ncp>host' && line.hex !== undefined) reader.push(bytesOf(line.hex))
  return frames.filter((frame) => !frame.startsWith('800673'))
}
