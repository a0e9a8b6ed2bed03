// HDLC-lite framing: against the published check value, against real NCPs, and against lines that lose and change bytes.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, seededRandom, toHex, utf8 } from '#main/base/index.ts'
import { encodeHdlc, HDLC_FLAG, HdlcDecoder, hdlcFcs } from '#main/wire/links/hdlc.ts'
import { recordingNames, spinelRecording } from './spinel-recordings.ts'

const frames = fc.uint8Array({ minLength: 1, maxLength: 300 })

function inPieces(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  let from = 0
  for (const cut of cuts) {
    const to = Math.min(bytes.length, from + cut)
    pieces.push(bytes.subarray(from, to))
    from = to
  }
  return [...pieces, bytes.subarray(from)]
}

describe('HDLC-lite', () => {
  it('has the FCS of RFC 1662 appendix C, checked with the catalogue value of CRC-16/X-25', () => {
    expect(hdlcFcs(utf8('123456789'))).toBe(0x906e)
  })

  it('escapes exactly flag, escape, XON, XOFF and F8', () => {
    const all = Uint8Array.from({ length: 256 }, (_, index) => index)
    const stuffed = encodeHdlc(all)
    const escaped = [...stuffed].flatMap((byte, index) => (byte === 0x7d ? [(stuffed[index + 1] ?? 0) ^ 0x20] : []))
    expect(escaped.filter((byte) => all.includes(byte)).slice(0, 5)).toEqual([0x11, 0x13, 0x7d, 0x7e, 0xf8])
    expect(stuffed.subarray(1, -1)).not.toContain(0x7e)
    for (const byte of [0x11, 0x13, 0xf8]) expect(stuffed).not.toContain(byte)
    expect(new HdlcDecoder().push(stuffed)).toEqual([all])
  })

  it('gives every frame back, in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.array(frames, { maxLength: 8 }), fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 }), (sent, cuts) => {
        const decoder = new HdlcDecoder()
        const got = inPieces(concatBytes(...sent.map(encodeHdlc)), cuts).flatMap((piece) => decoder.push(piece))
        expect(got).toEqual(sent)
        expect(decoder.counters()).toMatchObject({ frames: sent.length, damaged: 0, tooLong: 0, noiseBytes: 0 })
      }),
    )
  })

  it('takes one flag for the end of a frame and the start of the next, and passes over runs of flags', () => {
    const one = encodeHdlc(Uint8Array.of(0x81, 2, 1))
    const two = encodeHdlc(Uint8Array.of(0x82, 2, 1))
    const decoder = new HdlcDecoder()
    expect(decoder.push(concatBytes(one, two.subarray(1), HDLC_FLAG, HDLC_FLAG, one))).toHaveLength(3)
    expect(decoder.counters().damaged).toBe(0)
  })

  it('hears nothing before the first flag', () => {
    const decoder = new HdlcDecoder()
    expect(decoder.push(concatBytes(utf8('boot text\r\n'), encodeHdlc(Uint8Array.of(0x80, 6, 0, 0x70))))).toHaveLength(1)
    expect(decoder.counters()).toMatchObject({ noiseBytes: 11, damaged: 0 })
  })

  it('never takes a frame with one changed bit for a good one, and has the next frame whole', () => {
    fc.assert(
      fc.property(frames, frames, fc.nat(), fc.integer({ min: 0, max: 7 }), (first, second, at, bit) => {
        const line = encodeHdlc(first)
        const position = 1 + (at % (line.length - 2))
        line[position] = (line[position] ?? 0) ^ (1 << bit)
        const decoder = new HdlcDecoder()
        const got = decoder.push(concatBytes(line, encodeHdlc(second)))
        expect(got.at(-1)).toEqual(second)
        for (const frame of got.slice(0, -1)) expect(frame).not.toEqual(first)
      }),
    )
  })

  it('counts a frame that is cut in its middle as damaged', () => {
    const decoder = new HdlcDecoder()
    const whole = encodeHdlc(Uint8Array.of(0x81, 6, 1, 4, 3))
    expect(decoder.push(concatBytes(whole.subarray(0, 5), whole))).toHaveLength(1)
    expect(decoder.counters()).toMatchObject({ frames: 1, damaged: 1 })
    expect(new HdlcDecoder().push(Uint8Array.of(0x7e, 0x81, 0x7d, 0x7e))).toEqual([])
  })

  it('keeps no more than its limit of a frame without end', () => {
    const decoder = new HdlcDecoder(100)
    decoder.push(HDLC_FLAG)
    for (let count = 0; count < 1000; count++) expect(decoder.push(new Uint8Array(1000).fill(0x55))).toEqual([])
    expect(decoder.push(HDLC_FLAG)).toEqual([])
    expect(decoder.counters()).toMatchObject({ tooLong: 1, damaged: 0 })
    const longest = new Uint8Array(100).fill(9)
    expect(decoder.push(encodeHdlc(longest))).toEqual([longest])
    expect(decoder.push(encodeHdlc(new Uint8Array(101)))).toEqual([])
  })

  it('is total: any bytes in, frames or nothing out', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (pieces) => {
        const decoder = new HdlcDecoder(64)
        for (const piece of pieces) for (const frame of decoder.push(piece)) expect(frame.length).toBeLessThanOrEqual(64)
      }),
    )
  })

  it('loses only what was hit when 2 % of the bytes are changed or dropped', () => {
    const random = seededRandom(7)
    const decoder = new HdlcDecoder()
    const sent = Array.from({ length: 500 }, (_, index) => Uint8Array.of(0x81, 3, 0x72, index >> 8, index & 0xff, ...random.bytes(20)))
    const known = new Set(sent.map(toHex))
    let good = 0
    for (const frame of sent) {
      const hit = [...encodeHdlc(frame)].flatMap((byte) => {
        const chance = random.fraction()
        return chance < 0.01 ? [] : chance < 0.02 ? [byte ^ (1 << random.below(8))] : [byte]
      })
      for (const got of decoder.push(Uint8Array.from(hit))) {
        expect(known.has(toHex(got))).toBe(true)
        good++
      }
    }
    expect(good).toBeGreaterThan(200)
    expect(decoder.counters().damaged).toBeGreaterThan(100)
  })

  it('is in step again after the two faults of a recorded line', () => {
    const decoder = new HdlcDecoder()
    const frames = spinelRecording('raw-spinel-lab-selfcheck-chunks').flatMap(({ from, bytes }) =>
      from === 'ncp' ? decoder.push(bytes) : [],
    )
    expect(frames).toHaveLength(77)
    expect(decoder.counters()).toMatchObject({ frames: 77, damaged: 2, tooLong: 0 })
  })

  it.each(recordingNames.filter((name) => !name.startsWith('raw-')))(
    'reads every frame of a real NCP and writes it byte for byte: %s',
    (name) => {
      const decoder = new HdlcDecoder()
      const told = spinelRecording(name).filter(({ from }) => from === 'ncp')
      const got = told.flatMap(({ bytes }) => decoder.push(bytes))
      expect(decoder.counters()).toMatchObject({ damaged: 0, tooLong: 0, noiseBytes: 0 })
      expect(toHex(concatBytes(...got.map(encodeHdlc)))).toBe(toHex(concatBytes(...told.map(({ bytes }) => bytes))))
    },
  )
})
