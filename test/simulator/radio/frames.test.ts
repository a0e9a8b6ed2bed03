// Airtime and sizes against the figures of IEEE 802.15.4, RFC 4944 and RFC 6282.
import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { airtimeUs, frameSizes, headerSizes, MAX_FRAME_BYTES, rplProfile, threadProfile } from '../../../src-main/simulator/radio/index.ts'
import { address, ALL_COAP_NODES, PREFIX, udp } from './support.ts'

const thread = threadProfile(PREFIX)
const LINK_LOCAL = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1)
const ROUTER = Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0x04, 0x00)

describe('airtime (IEEE 802.15.4-2006 clause 6.5: 250 kbit/s, six bytes of PHY header)', () => {
  it.each([
    [127, 4256],
    [5, 352],
    [1, 224],
  ])('a frame of %i bytes takes %i µs', (bytes, us) => expect(airtimeUs(bytes)).toBe(us))
})

describe('header compression (RFC 6282)', () => {
  it('leaves two bytes of IPHC, both IIDs and seven of UDP of a mesh-local packet (§3.1, §4.3)', () => {
    expect(headerSizes(udp(address(1), address(2), 10), thread)).toEqual({ plain: 48, compressed: 2 + 8 + 8 + 7 })
  })

  it('leaves nothing of addresses that the MAC header holds (SAM and DAM 11)', () => {
    const carried = { source: true, destination: true }
    expect(headerSizes(udp(LINK_LOCAL, LINK_LOCAL, 10), thread, carried).compressed).toBe(2 + 7)
  })

  it('leaves sixteen bits of an address of the form ::ff:fe00:XXXX', () => {
    expect(headerSizes(udp(ROUTER, address(2), 10), thread).compressed).toBe(2 + 2 + 8 + 7)
  })

  it('leaves an address of a foreign prefix whole', () => {
    const foreign = Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    expect(headerSizes(udp(foreign, address(2), 10), thread).compressed).toBe(2 + 16 + 8 + 7)
  })

  it('leaves one byte of ff02::fd, four of ff03::fd (§3.1.1, M=1) and carries the MPL option in full', () => {
    const linkScope = ALL_COAP_NODES.slice()
    linkScope[1] = 2
    expect(headerSizes(udp(address(1), linkScope, 10), thread).compressed).toBe(2 + 8 + 1 + 7)
    expect(headerSizes(udp(address(1), ALL_COAP_NODES, 10), thread).compressed).toBe(2 + 8 + 4 + 7 + 8)
  })

  it('needs a byte more for a hop limit that is not 1, 64 or 255', () => {
    const packet = udp(address(1), address(2), 10)
    const before = headerSizes(packet, thread).compressed
    packet[7] = 63
    expect(headerSizes(packet, thread).compressed).toBe(before + 1)
  })

  it('makes four bits of the ports 0xF0B0 to 0xF0BF (§4.3.1)', () => {
    const packet = udp(address(1), address(2), 10)
    packet.set([0xf0, 0xb0, 0xf0, 0xb1], 40)
    expect(headerSizes(packet, thread).compressed).toBe(2 + 8 + 8 + 4)
  })
})

describe('fragments (RFC 4944 §5.3)', () => {
  const sizes = (payload: number, several = false): readonly number[] => {
    const packet = udp(address(1), address(2), payload)
    return frameSizes(packet.length, headerSizes(packet, thread), thread, several)
  }

  it('a packet that fits goes in one frame without a fragment header', () => {
    // 127 bytes less 21 of MAC and 25 of headers.
    expect(sizes(81)).toEqual([127])
    expect(sizes(82)).toHaveLength(2)
  })

  it('the first fragment has a header of four bytes, the others of five, and all but the last end on eight plain bytes', () => {
    // Room 106: 4 + 25 + 72 of payload (48 + 72 = 15 * 8); then 5 + 96 each.
    expect(sizes(72 + 96 + 10)).toEqual([21 + 4 + 25 + 72, 21 + 5 + 96, 21 + 5 + 10])
  })

  it('a packet of 1280 bytes takes fourteen frames in Thread, over several hops as well', () => {
    expect(sizes(1232)).toHaveLength(1 + Math.ceil((1232 - 72) / 96))
    // The mesh header leaves room for 96 - 8 and 72 - 8 bytes.
    expect(sizes(1232, true)).toHaveLength(1 + Math.ceil((1232 - 64) / 96))
  })

  it('no frame is longer than 127 bytes, and nothing is lost, whatever the packet', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1232 }), fc.boolean(), fc.boolean(), (payload, several, isRpl) => {
        const profile = isRpl ? rplProfile(PREFIX) : thread
        const packet = udp(address(1), address(2), payload)
        const headers = headerSizes(packet, profile)
        const frames = frameSizes(packet.length, headers, profile, several)
        const overhead = profile.macBytes + (several ? profile.meshHeaderBytes : 0)
        const carried = frames.reduce((sum, bytes, index) => sum + bytes - overhead - (frames.length === 1 ? 0 : index === 0 ? 4 : 5), 0)
        expect(Math.max(...frames)).toBeLessThanOrEqual(MAX_FRAME_BYTES)
        expect(carried).toBe(headers.compressed + payload)
      }),
    )
  })
})
