import fc from 'fast-check'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { FrameTrace, type LineFrame } from '#main/wire/links/index.ts'
import { bytesOf, recording, type Recorded } from './support.ts'

function traced(protocol: 'spinel' | 'slip', pieces: ReadonlyArray<readonly ['in' | 'out', Uint8Array]>): readonly LineFrame[] {
  const frames: LineFrame[] = []
  const trace = new FrameTrace(protocol, (frame) => frames.push(frame))
  for (const [direction, bytes] of pieces) trace.push(direction, bytes)
  return frames
}

const one = (hex: string): readonly LineFrame[] => traced('spinel', [['in', bytesOf(hex)]])

describe('frames of a line, for people to look at', () => {
  it('shows a Spinel frame as it stood on the wire, with its name', () => {
    expect(one('7e810243d3d37e')).toMatchObject([{ kind: 'property', label: 'get NET_ROLE', redacted: false, packet: undefined }])
    expect(toHex(one('7e810243d3d37e')[0]?.wire ?? new Uint8Array())).toBe('7e810243d3d37e')
  })

  it('empties a value that is secret, both ways, and makes its check sequence fit', () => {
    const set =
      '7e8e03bc2a0e080000000000010000000300000f35060004001fffe00208dead00beef00cafe0708fddead00beefcafe0510007d312233445566778899aabbccddeeff030b646f6e676c652d746573740102face0410445f2b5ca6f2a93a55ce570a70efeecb0c0402a0f77dd85ca97e'
    const [frame] = one(set)
    expect(frame).toMatchObject({ label: 'set THREAD_ACTIVE_DATASET_TLVS', redacted: true })
    const shown = toHex(frame?.wire ?? new Uint8Array())
    expect(shown).not.toContain('2233445566')
    expect(one(shown)).toMatchObject([{ label: 'set THREAD_ACTIVE_DATASET_TLVS' }])
  })

  it('hides what an NCP echoes of a damaged frame, and shows nothing of a damaged one', () => {
    const [echo] = one('7e8006704672616d696e67206572726f7220363a205bcafd7e')
    expect(echo).toMatchObject({ label: 'is STREAM_DEBUG', redacted: true })
    expect(one('7e810243d3d47e')).toEqual([
      { direction: 'in', protocol: 'spinel', kind: 'damaged', label: 'fcs', wire: new Uint8Array(), redacted: false, packet: undefined },
    ])
  })

  it('gives the packets of a recorded SLIP line, and its control and text', () => {
    const pieces = ['slip-01-boot-prefix-request', 'slip-03-ping-and-coap'].flatMap((name) =>
      recording(name)
        .filter((entry) => entry.hex !== '')
        .map((entry) => [entry.dir === 'dongle>host' ? 'in' : 'out', bytesOf(entry.hex)] as const),
    )
    const frames = traced('slip', pieces)
    expect(frames.filter((frame) => frame.kind === 'control').map((frame) => frame.label)).toEqual(['?P', '?P', '?P', '?P', '!P'])
    const packets = frames.filter((frame) => frame.kind === 'packet')
    expect(packets.map((frame) => toHex(frame.wire))).toEqual(
      recording('slip-03-ping-and-coap').flatMap((entry) => (entry.hex.startsWith('c06') ? [entry.hex] : [])),
    )
    expect(packets.every((frame) => (frame.packet?.[0] ?? 0) >> 4 === 6)).toBe(true)
    expect(frames.filter((frame) => frame.kind === 'text').at(-1)?.label).toContain('fe80::212:4b00:0:1')
  })

  it('shows no key of any recorded Spinel session', () => {
    const folder = join(import.meta.dirname, '../../vectors/spinel')
    const names = readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
    expect(names.length).toBeGreaterThan(0)
    let redacted = 0
    for (const name of names) {
      const entries = readFileSync(join(folder, name), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Recorded)
      const frames = traced(
        'spinel',
        entries.filter((entry) => entry.hex !== '').map((entry) => [entry.dir === 'ncp>host' ? 'in' : 'out', bytesOf(entry.hex)] as const),
      )
      for (const frame of frames) {
        if (frame.redacted) redacted++
        expect(toHex(frame.wire), name).not.toMatch(/33445566778899aabbccddee|445f2b5ca6f2a93a55ce570a70efeecb/)
      }
    }
    expect(redacted).toBeGreaterThan(0)
  })

  it('takes any bytes of either protocol', () => {
    fc.assert(
      fc.property(fc.constantFrom('spinel' as const, 'slip' as const), fc.array(fc.uint8Array({ maxLength: 200 })), (protocol, pieces) => {
        for (const frame of traced(
          protocol,
          pieces.map((bytes) => ['in', bytes]),
        ))
          expect(frame.wire.length).toBeLessThan(5_000)
      }),
    )
  })
})
