// The Internet checksum against its plainest form, at every alignment and length; and the example of RFC 1071 §3.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { checksumOf, sumWords } from '#main/wire/ip/checksum.ts'
import { plainChecksum } from './harness.ts'

it('of RFC 1071 §3 is as printed there', () => {
  expect(checksumOf(sumWords(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8))).toBe(~0xddf2 & 0xffff)
})

it('is the plain one, wherever the bytes lie', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(7), fc.nat(7), (bytes, offset, start) => {
      const room = new Uint8Array(offset + start + bytes.length + 5).fill(0xa5)
      const view = room.subarray(offset)
      view.set(bytes, start)
      expect(checksumOf(sumWords(view, start, start + bytes.length)) % 0xffff).toBe(plainChecksum(bytes) % 0xffff)
    }),
    { numRuns: 2000 },
  )
  const long = new Uint8Array(65_535).fill(0xff)
  expect(checksumOf(sumWords(long, 0, long.length))).toBe(plainChecksum(long))
})
