import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, toHex, utf8 } from '#main/base/index.ts'
import { classifySlipFrame, encodeSlipFrame, escapedSlipLength, SlipDecoder, type SlipItem } from '#main/wire/links/index.ts'
import { bytesOf, recording, udpPacket } from './support.ts'

function decode(chunks: readonly Uint8Array[], options: ConstructorParameters<typeof SlipDecoder>[1] = {}): SlipItem[] {
  const items: SlipItem[] = []
  const decoder = new SlipDecoder((item) => items.push(item), options)
  for (const chunk of chunks) decoder.push(chunk)
  return items
}

const packet = fc
  .uint8Array({ minLength: 0, maxLength: 300 })
  .map((payload) =>
    concatBytes(Uint8Array.of(0x60, 0, 0, 0, payload.length >> 8, payload.length & 0xff, 17, 64), new Uint8Array(32), payload),
  )

describe('SLIP framing (RFC 1055)', () => {
  it('escapes END and ESC and nothing else', () => {
    expect(toHex(encodeSlipFrame(bytesOf('c0dbdcdd0a0d1113')))).toBe('c0dbdcdbdddcdd0a0d1113c0')
    expect(toHex(encodeSlipFrame(bytesOf('01'), { leadingEnd: false }))).toBe('01c0')
    expect(escapedSlipLength(bytesOf('c0dbdc'))).toBe(5)
  })

  it('drops everything up to the next END after an escape that does not exist', () => {
    const whole = udpPacket(60, 0x55)
    const items = decode([bytesOf('c041db4243c0'), encodeSlipFrame(whole)])
    expect(items).toEqual([
      { kind: 'damaged', reason: 'escape', bytes: bytesOf('41') },
      { kind: 'packet', bytes: whole },
    ])
  })

  it('takes DE and DF, which only tunslip6 -X knows, for what a router takes them: rubbish', () => {
    expect(decode([bytesOf('c060dbdec0')]).map((item) => item.kind)).toEqual(['damaged'])
  })

  it('keeps a frame that is too long out of memory and is in step again after it', () => {
    const items = decode([new Uint8Array(5000).fill(0x80), bytesOf('c0'), encodeSlipFrame(udpPacket(50, 1))])
    expect(items.map((item) => item.kind)).toEqual(['damaged', 'packet'])
    expect(items[0]?.kind === 'damaged' && items[0].bytes.length).toBe(2048)
  })

  it('counts escaped bytes where a router would', () => {
    expect(decode([encodeSlipFrame(udpPacket(688, 0xc0))], { maxEscapedBytes: 1295 }).map((item) => item.kind)).toEqual(['damaged'])
    expect(decode([encodeSlipFrame(udpPacket(648, 0xc0))], { maxEscapedBytes: 1295 }).map((item) => item.kind)).toEqual(['packet'])
  })
})

describe('what a frame is', () => {
  it('knows packets by version and length, control by its mark, and text', () => {
    expect(classifySlipFrame(bytesOf('3f50'))).toEqual([{ kind: 'control', mark: '?', type: 'P', data: new Uint8Array() }])
    expect(classifySlipFrame(utf8('\r[INFO: BR] hello\nworld\n'))).toEqual([
      { kind: 'text', line: '[INFO: BR] hello' },
      { kind: 'text', line: 'world' },
    ])
    expect(classifySlipFrame(udpPacket(41, 0)).map((item) => item.kind)).toEqual(['packet'])
    expect(classifySlipFrame(udpPacket(41, 0).subarray(0, 40)).map((item) => item.kind)).toEqual(['damaged'])
    expect(classifySlipFrame(bytesOf('a9010203')).map((item) => item.kind)).toEqual(['damaged'])
  })

  it('gives bare log text at its line feed, without waiting for an END', () => {
    expect(decode([utf8('[INFO: BR        ] Waiting for prefix\n')])).toEqual([
      { kind: 'text', line: '[INFO: BR        ] Waiting for prefix' },
    ])
  })

  it('does not take a packet for text whose flow label reads like a line', () => {
    const whole = udpPacket(48, 0x41)
    whole.set(bytesOf('600d0a09'))
    whole.set(utf8('`Aa\n'), 0)
    expect(decode([encodeSlipFrame(whole)])).toEqual([{ kind: 'packet', bytes: whole }])
  })
})

describe('recorded from the real router', () => {
  const names = [
    'slip-03-ping-and-coap',
    'slip-04-multicast-and-linklocal',
    'slip-05-sizes-and-escapes',
    'slip-06-br-restart',
    'slip-08-sizes',
    'slip-10-errors',
  ]

  /** What the recording's host broke on purpose. */
  const broken = ['invalid escape', 'truncated ip']

  it.each(names)('%s: every frame read and written again gives the same bytes', (name) => {
    let packets = 0
    for (const { hex, note } of recording(name)) {
      if (!hex.startsWith('c06')) continue
      const items = decode([bytesOf(hex)])
      if (broken.includes(note)) {
        expect(
          items.map((item) => item.kind),
          note,
        ).toEqual(['damaged'])
        continue
      }
      expect(
        items.map((item) => item.kind),
        note,
      ).toEqual(['packet'])
      for (const item of items) if (item.kind === 'packet') expect(toHex(encodeSlipFrame(item.bytes)), note).toBe(hex)
      packets++
    }
    expect(packets).toBeGreaterThan(2)
  })

  it('reads the bare and the framed log of a booting router, with the same lines', () => {
    const bare = decode(
      recording('slip-01-boot-prefix-request')
        .filter((line) => line.dir === 'dongle>host')
        .map((line) => bytesOf(line.hex)),
    )
    const framed = decode(
      recording('slip-07-boot-muxed-debug-lines')
        .filter((line) => line.dir === 'dongle>host')
        .map((line) => bytesOf(line.hex)),
    )
    const tail = (items: readonly SlipItem[]): readonly string[] =>
      items.flatMap((item) => (item.kind === 'text' ? [item.line] : [])).slice(-4)
    expect(tail(bare)).toEqual([
      '[INFO: BR        ] Waiting for prefix',
      '[INFO: BR        ] Server IPv6 addresses:',
      '[INFO: BR        ]   fd00::212:4b00:0:1',
      '[INFO: BR        ]   fe80::212:4b00:0:1',
    ])
    expect(tail(framed)).toEqual(tail(bare))
    expect([...bare, ...framed].filter((item) => item.kind === 'damaged')).toEqual([])
  })

  it('reads both sides of tunslip6 itself, which writes no leading END', () => {
    for (const dir of ['host>dongle', 'dongle>host']) {
      const lines = recording('slip-09-real-tunslip6-host').filter((line) => line.dir === dir)
      const items = decode(lines.map((line) => bytesOf(line.hex)))
      expect(items.filter((item) => item.kind === 'damaged')).toEqual([])
      expect(items.filter((item) => item.kind === 'packet').length).toBeGreaterThan(3)
    }
  })
})

describe('a decoder of what comes off a line', () => {
  it('gives the packets back however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 5 }), fc.array(fc.nat(40), { minLength: 1 }), (packets, cuts) => {
        const stream = concatBytes(...packets.map((bytes) => encodeSlipFrame(bytes)))
        const chunks: Uint8Array[] = []
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const next = at + 1 + (cuts[turn % cuts.length] ?? 0)
          chunks.push(stream.subarray(at, next))
          at = next
        }
        expect(decode(chunks)).toEqual(packets.map((bytes) => ({ kind: 'packet', bytes })))
      }),
    )
  })

  it('takes any bytes, and the next whole frame after them', () => {
    const whole = udpPacket(64, 0xdb)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), (noise) => {
        const items = decode([noise, bytesOf('c0'), encodeSlipFrame(whole)])
        expect(items.at(-1)).toEqual({ kind: 'packet', bytes: whole })
      }),
    )
  })

  it('loses no more than the frames that were hit: one byte in a hundred flipped, dropped or doubled', () => {
    fc.assert(
      fc.property(
        fc.array(packet, { minLength: 20, maxLength: 40 }),
        fc.array(fc.nat(99), { minLength: 1, maxLength: 30 }),
        (packets, faults) => {
          let hit = 0
          const sent = packets.map((bytes, index) => {
            const frame = encodeSlipFrame(bytes)
            const fault = faults[index]
            if (fault === undefined || fault > 30) return frame
            hit++
            const at = 1 + (fault % (frame.length - 2))
            if (fault % 3 === 0) return concatBytes(frame.subarray(0, at), frame.subarray(at + 1))
            if (fault % 3 === 1) return concatBytes(frame.subarray(0, at), frame.subarray(at - 1))
            return frame.map((byte, position) => (position === at ? byte ^ 0x10 : byte))
          })
          const known = new Set(packets.map(toHex))
          const whole = decode(sent).filter((item) => item.kind === 'packet' && known.has(toHex(item.bytes)))
          expect(whole.length).toBeGreaterThanOrEqual(packets.length - hit)
        },
      ),
    )
  })
})
