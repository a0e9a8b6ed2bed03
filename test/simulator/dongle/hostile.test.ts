// Whatever bytes a host sends, no dongle throws, grows without bound or stops answering; nor does anything else that reads bytes here.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, Schedule, seededRandom, silentLogger, toHex } from '#main/base/index.ts'
import { newDataset, readTlvs, structsOf, tlvsOf } from '../../../src-main/simulator/dongle/dataset.ts'
import { FrameReader, frameOf } from '../../../src-main/simulator/dongle/hdlc.ts'
import { Ncp } from '../../../src-main/simulator/dongle/ncp.ts'
import { SlipRouter } from '../../../src-main/simulator/dongle/slip-router.ts'
import { withFaults } from '../../../src-main/simulator/dongle/faults.ts'
import { decodeUdp, echoReply, encodeUdp } from '../../../src-main/simulator/net/packets.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { bytesOf } from './replay.ts'

const bytes = fc.uint8Array({ maxLength: 200 })
const noMesh = { send: () => true, bind: () => undefined, unbind: () => undefined }

function ncpAt(clock: VirtualClock): Ncp {
  return new Ncp({
    identity: {
      eui64: bytesOf('18b4300000000001'),
      extendedAddress: bytesOf('ea8c15bed1f6579b'),
      meshLocalIid: bytesOf('abf396d343067472'),
      rloc16: 0x0400,
      partition: 1,
    },
    schedule: new Schedule(clock),
    random: seededRandom(1),
    logger: silentLogger,
    mesh: noMesh,
  })
}

describe('the NCP', () => {
  it('takes any frames, any command with any property and value, and answers the next question', async () => {
    const anyFrame = fc.oneof(
      bytes,
      fc.tuple(fc.integer({ min: 0x80, max: 0x8f }), fc.integer({ min: 0, max: 12 }), bytes).map(([header, command, body]) => {
        return concatBytes(Uint8Array.of(header, command), body)
      }),
      // Properties that it has, with values that are none.
      fc
        .tuple(
          fc.integer({ min: 2, max: 5 }),
          fc.constantFrom('21', '34', '42', '5a', '62', '63', '66', '72', '982a', 'bc2a', '30', '8820'),
          bytes,
        )
        .map(([command, property, value]) => concatBytes(Uint8Array.of(0x81, command), bytesOf(property), value)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 20 }), async (frames) => {
        const clock = new VirtualClock()
        const ncp = ncpAt(clock)
        for (const frame of frames) ncp.write(frameOf(frame))
        await clock.advance(100)
        const said: string[] = []
        const reader = new FrameReader(
          (frame) => said.push(toHex(frame)),
          () => said.push('fault'),
        )
        ncp.onBytes((chunk) => reader.push(chunk))
        ncp.write(frameOf(bytesOf('8f0201')))
        await clock.advance(100)
        expect(said).toContain('8f06010403')
        expect(said).not.toContain('fault')
        ncp.close()
      }),
      { numRuns: 60 },
    )
  })

  it('takes any bytes at all, and frames of any size pass its HDLC unchanged', () => {
    fc.assert(
      fc.property(fc.array(bytes), (chunks) => chunks.forEach((chunk) => ncpAt(new VirtualClock()).write(chunk))),
      { numRuns: 50 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 1290 }), (payload) => {
        const frames: Uint8Array[] = []
        new FrameReader(
          (frame) => frames.push(frame),
          () => frames.push(new Uint8Array(0)),
        ).push(frameOf(payload))
        expect(frames).toEqual([payload])
      }),
    )
  })
})

describe('the border router', () => {
  it('takes any bytes, and answers the next ?M', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(bytes), async (chunks) => {
        const clock = new VirtualClock()
        const router = new SlipRouter({
          eui64: new Uint8Array(8),
          schedule: new Schedule(clock),
          mesh: noMesh,
          isInMesh: () => true,
          onPrefix: () => undefined,
        })
        for (const chunk of chunks) router.write(chunk)
        const said: string[] = []
        router.onBytes((chunk) => said.push(toHex(chunk)))
        router.write(bytesOf('c0c03f4dc0'))
        await clock.advance(10)
        expect(said.some((hex) => hex.startsWith('c0214d'))).toBe(true)
        router.close()
      }),
      { numRuns: 60 },
    )
  })
})

describe('what devices read', () => {
  it('is any packet, and a damaged one is none', () => {
    fc.assert(
      fc.property(bytes, (packet) => {
        decodeUdp(packet)
        echoReply(packet, new Uint8Array(16))
      }),
    )
    const packet = encodeUdp({
      source: bytesOf('fd000000000000000000000000000001'),
      sourcePort: 5683,
      destination: bytesOf('fd0000000000000000000000000000aa'),
      destinationPort: 5683,
      payload: new TextEncoder().encode('payload'),
    })
    expect(decodeUdp(packet)?.payload).toEqual(new TextEncoder().encode('payload'))
    fc.assert(
      fc.property(fc.integer({ min: 8, max: packet.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = packet.slice()
        damaged[at] = (damaged[at] ?? 0) ^ flip
        expect(decodeUdp(damaged)).toBeUndefined()
      }),
    )
  })

  it('in datasets is any bytes; a whole dataset survives both forms', () => {
    fc.assert(
      fc.property(bytes, (text) => {
        readTlvs(text)
        tlvsOf(text)
        structsOf(text)
      }),
    )
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const tlvs = newDataset(seededRandom(seed))
        expect(toHex(tlvsOf(structsOf(tlvs))!)).toBe(toHex(tlvs))
      }),
    )
  })
})

describe('a faulty line', () => {
  it('without faults gives what it got, in pieces no longer than asked', () => {
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 20 }), fc.integer(), (chunk, mostChunkBytes, seed) => {
        const pieces = withFaults(chunk, { mostChunkBytes }, seededRandom(seed))
        expect(concatBytes(...pieces)).toEqual(chunk)
        expect(pieces.every((piece) => piece.length <= mostChunkBytes)).toBe(true)
      }),
    )
  })

  it('flips about as many bits, and loses about as many chunks, as it is told', () => {
    const random = seededRandom(4)
    const zeros = new Uint8Array(20_000)
    const flipped = [...withFaults(zeros, { bitErrorRate: 0.01 }, random)[0]!].reduce(
      (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
      0,
    )
    expect(flipped / 160_000).toBeCloseTo(0.01, 2)
    const kept = Array.from({ length: 1000 }, () => withFaults(Uint8Array.of(1), { chunkLossRate: 0.1 }, random).length).reduce(
      (a, b) => a + b,
    )
    expect(kept).toBeGreaterThan(860)
    expect(kept).toBeLessThan(940)
  })
})
