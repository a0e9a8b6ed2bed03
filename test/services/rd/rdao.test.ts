// RFC 9176 §4.1.1: the Resource Directory Address Option, byte by byte.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, fromHex, toHex } from '#main/base/index.ts'
import { decodeDirectoryAddressOption, describeDirectoryAddressOption, encodeDirectoryAddressOption } from '#main/services/rd/index.ts'

/** Put together by hand from Figure 4: type, length, reserved; valid lifetime; address. */
const FIGURE_4 = '29030000' + '00015f90' + '20010db8000400000000000000' + '0000ff'

describe('RFC 9176 §4.1.1', () => {
  it('Figure 4: type 41, length 3, no reserved bits, lifetime in network order, address', () => {
    const option = { validLifetimeS: 90_000, address: '2001:db8:4::ff' }
    expect(toHex(encodeDirectoryAddressOption(option))).toBe(FIGURE_4)
    expect(decodeDirectoryAddressOption(fromHex(FIGURE_4) ?? new Uint8Array())).toEqual(option)
  })

  it('a lifetime of zero takes an address back, the longest has all bits set', () => {
    expect(toHex(encodeDirectoryAddressOption({ validLifetimeS: 0, address: 'fd00::1' })).slice(0, 16)).toBe('2903000000000000')
    expect(toHex(encodeDirectoryAddressOption({ validLifetimeS: 0xffffffff, address: 'fd00::1' })).slice(8, 16)).toBe('ffffffff')
  })

  it('the reserved field is ignored by the receiver', () => {
    const bytes = fromHex(FIGURE_4.replace('29030000', '2903beef')) ?? new Uint8Array()
    expect(decodeDirectoryAddressOption(bytes).address).toBe('2001:db8:4::ff')
  })

  it.each([
    ['another type', FIGURE_4.replace(/^29/, '19')],
    ['another length', FIGURE_4.replace(/^2903/, '2902')],
    ['a byte too few', FIGURE_4.slice(2)],
    ['a byte too many', `${FIGURE_4}00`],
    ['no address', `2903000000015f90${'00'.repeat(16)}`],
    ['the address of a group', `2903000000015f90ff02${'00'.repeat(13)}01`],
    ['nothing', ''],
  ])('%s is none', (_, hex) => {
    expect(() => decodeDirectoryAddressOption(fromHex(hex) ?? new Uint8Array())).toThrow(AppError)
  })

  it.each([
    [90_000, 'ff02::1'],
    [90_000, '::'],
    [90_000, '192.0.2.1'],
    [90_000, 'rd.example'],
    [-1, 'fd00::1'],
    [4_294_967_296, 'fd00::1'],
    [1.5, 'fd00::1'],
    [Number.NaN, 'fd00::1'],
  ])('a lifetime of %d and %s cannot be announced', (validLifetimeS, address) => {
    expect(() => encodeDirectoryAddressOption({ validLifetimeS, address })).toThrow(AppError)
  })

  it('tells the operator of a border router what to announce, as text and as bytes', () => {
    expect(describeDirectoryAddressOption({ validLifetimeS: 90_000, address: '2001:DB8:4:0::FF' }).split('\n')).toEqual([
      'Resource Directory Address Option (RFC 9176, 4.1.1)',
      'Type            41',
      'Length          3 (24 bytes)',
      'Valid lifetime  90000 s',
      'RD address      2001:db8:4::ff',
      `Bytes           ${FIGURE_4}`,
      '',
    ])
    expect(describeDirectoryAddressOption({ validLifetimeS: 0, address: 'fd00::1' })).toContain('0 s, not valid any more')
  })

  it('any bytes are an option or none, and an option is the same again', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ minLength: 22, maxLength: 22 }).map((rest) => Uint8Array.from([41, 3, ...rest])),
    )
    fc.assert(
      fc.property(bytes, (one) => {
        try {
          const option = decodeDirectoryAddressOption(one)
          expect(decodeDirectoryAddressOption(encodeDirectoryAddressOption(option))).toEqual(option)
        } catch (error) {
          expect(error).toBeInstanceOf(AppError)
        }
      }),
    )
  })
})
