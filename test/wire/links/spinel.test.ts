// Spinel's data types, frames and properties: against the draft's own vectors (appendix B) and against recordings of real NCPs.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, fromHex, toHex } from '#main/base/index.ts'
import { HdlcDecoder } from '#main/wire/links/hdlc.ts'
import {
  arrayOf,
  bool,
  CAP,
  COMMAND,
  decodeSpinelFrame,
  describeSpinelFrame,
  encodeSpinelFrame,
  eui64,
  fields,
  firmwareKind,
  int16,
  int32,
  int8,
  ip6,
  pack,
  packetInFrame,
  packedUint,
  PROP,
  propertyFrame,
  propertyName,
  readAnyProperty,
  readPropertyFrame,
  restOfData,
  roleNumber,
  roleOf,
  sizedData,
  statusError,
  statusName,
  statusOf,
  struct,
  text,
  uint16,
  uint32,
  uint64,
  uint8,
  unpack,
  withoutSecrets,
  type SpinelType,
} from '#main/wire/links/spinel/index.ts'
import { recordingNames, spinelRecording } from './spinel-recordings.ts'

const hex = (digits: string): Uint8Array => fromHex(digits.replace(/\s/g, ''))!

function codeOf(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return error instanceof AppError ? error.code : 'other'
  }
}

describe("Spinel's data types (draft-rquattle-spinel-unified §3)", () => {
  it.each([
    [0, '00'],
    [1, '01'],
    [127, '7f'],
    [128, '8001'],
    [129, '8101'],
    [1337, 'b90a'],
    [16_383, 'ff7f'],
    [16_384, '808001'],
    [16_385, '818001'],
    [2_097_151, 'ffff7f'],
  ])('packs %i as appendix B.1 does', (value, packed) => {
    expect(toHex(pack(packedUint, value))).toBe(packed)
    expect(unpack(packedUint, hex(packed))).toBe(value)
  })

  it('refuses a packed integer that is too long or too large', () => {
    expect(codeOf(() => unpack(packedUint, hex('80808001')))).toBe('link.frame-invalid')
    expect(codeOf(() => unpack(packedUint, hex('80')))).toBe('link.frame-invalid')
    expect(codeOf(() => pack(packedUint, 2_097_152))).toBe('link.frame-invalid')
  })

  it('writes integers little end first, and addresses as they are', () => {
    expect(toHex(pack(uint16, 0x1234))).toBe('3412')
    expect(toHex(pack(uint32, 0xdeadbeef))).toBe('efbeadde')
    expect(toHex(pack(uint64, 0x0102_0304_0506_0708n))).toBe('0807060504030201')
    expect(toHex(pack(int8, -60))).toBe('c4')
    expect(toHex(pack(ip6, 'fd00::1'))).toBe('fd000000000000000000000000000001')
    expect(toHex(pack(eui64, '18b4300000000001'))).toBe('18b4300000000001')
    expect(toHex(pack(text, 'añ'))).toBe('61c3b100')
    expect(toHex(pack(sizedData, hex('aabb')))).toBe('0200aabb')
    expect(toHex(pack(struct(fields({ one: uint8, two: bool })), { one: 5, two: true }))).toBe('02000501')
  })

  it('reads of a structure that has grown what it knows', () => {
    expect(unpack(arrayOf(struct(uint8)), hex('0300010203 0100 07'))).toEqual([1, 7])
  })

  it('gives back what was packed, for every type', () => {
    const whole: ReadonlyArray<readonly [SpinelType<unknown>, fc.Arbitrary<unknown>]> = [
      [uint8, fc.integer({ min: 0, max: 255 })],
      [uint16, fc.integer({ min: 0, max: 65_535 })],
      [uint32, fc.integer({ min: 0, max: 2 ** 32 - 1 })],
      [uint64, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
      [int8, fc.integer({ min: -128, max: 127 })],
      [int16, fc.integer({ min: -32_768, max: 32_767 })],
      [int32, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })],
      [packedUint, fc.integer({ min: 0, max: 2 ** 21 - 1 })],
      [bool, fc.boolean()],
      [sizedData, fc.uint8Array({ maxLength: 300 })],
      [restOfData, fc.uint8Array({ maxLength: 300 })],
      [text, fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => !value.includes('\0') && value.isWellFormed())],
    ]
    for (const [type, values] of whole) {
      fc.assert(
        fc.property(values, (value) => {
          expect(unpack(type, pack(type, value))).toEqual(value)
        }),
      )
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect(toHex(pack(ip6, unpack(ip6, bytes)))).toBe(toHex(bytes))
      }),
    )
  })

  it('refuses values that do not fit', () => {
    for (const run of [
      () => pack(uint8, 256),
      () => pack(uint8, -1),
      () => pack(int8, 128),
      () => pack(int8, -129),
      () => pack(uint16, 1.5),
      () => pack(ip6, 'fd00::1::2'),
      () => pack(ip6, '1:2:3:4:5:6:7'),
      () => pack(eui64, '1234'),
      () => pack(text, 'a\0b'),
    ]) {
      expect(codeOf(run)).toBe('link.frame-invalid')
    }
  })
})

describe('Spinel frames (draft-rquattle-spinel-unified §3.5, appendix B)', () => {
  it('writes the reset command of B.2 and reads the notification of B.3', () => {
    expect(toHex(encodeSpinelFrame({ iid: 0, tid: 0, command: COMMAND.RESET, payload: new Uint8Array(0) }))).toBe('8001')
    const message = readPropertyFrame(decodeSpinelFrame(hex('80 06 00 72')))!
    expect(message).toMatchObject({ verb: 'is', property: PROP.LAST_STATUS.number })
    expect(statusName(unpack(packedUint, message.value))).toBe('RESET_SOFTWARE')
  })

  it('reads the scan beacon of B.4', () => {
    const frame = hex(
      '80 07 33 0F C4 0D 00 B6 40 D4 8C E9 38 F9 52 FF FF D2 04 00 13 00 03 20 73 70 69 6E 65 6C 00 08 00 DE AD 00 BE EF 00 CA FE',
    )
    const message = readPropertyFrame(decodeSpinelFrame(frame))!
    expect(message.verb).toBe('inserted')
    expect(unpack(PROP.MAC_SCAN_BEACON.type, message.value)).toMatchObject({
      channel: 15,
      rssiDbm: -60,
      radio: { eui64: 'b640d48ce938f952', shortAddress: 0xffff, panId: 0x04d2, lqi: 0 },
      network: { protocol: 3, flags: 0x20, networkName: 'spinel', extendedPanId: hex('dead00beef00cafe') },
    })
  })

  it('asks for the on-mesh networks as B.7 does', () => {
    const frame = propertyFrame(4, { verb: 'get', property: PROP.THREAD_ON_MESH_NETS.number, value: new Uint8Array(0) })
    expect(toHex(encodeSpinelFrame(frame))).toBe('84025a')
  })

  it('is total: any bytes give a frame or link.frame-invalid', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const code = codeOf(() => readPropertyFrame(decodeSpinelFrame(bytes)))
        expect([undefined, 'link.frame-invalid']).toContain(code)
      }),
    )
    expect(codeOf(() => decodeSpinelFrame(hex('0106')))).toBe('link.frame-invalid')
    expect(codeOf(() => decodeSpinelFrame(new Uint8Array(0)))).toBe('link.frame-invalid')
  })

  it('reads any value of any known property, or refuses it with link.frame-invalid', () => {
    const numbers = Object.values(PROP).map(({ number }) => number)
    const verbs = ['is', 'inserted', 'removed', 'set', 'insert', 'remove'] as const
    fc.assert(
      fc.property(fc.constantFrom(...numbers), fc.constantFrom(...verbs), fc.uint8Array({ maxLength: 120 }), (number, verb, value) => {
        expect([undefined, 'link.frame-invalid']).toContain(codeOf(() => readAnyProperty(number, verb, value)))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('Recordings of real NCPs', () => {
  it.each(recordingNames)('have no frame and no value that is not understood: %s', (name) => {
    const decoders = { host: new HdlcDecoder(), ncp: new HdlcDecoder() }
    let read = 0
    for (const { from, bytes, note } of spinelRecording(name)) {
      for (const frame of decoders[from].push(bytes)) {
        // What the recorded host did wrong on purpose is told in a note.
        if (from === 'host' && note !== '') continue
        const decoded = decodeSpinelFrame(frame)
        expect(toHex(encodeSpinelFrame(decoded))).toBe(toHex(frame))
        const message = readPropertyFrame(decoded)
        if (message === undefined || message.verb === 'get') continue
        expect(
          codeOf(() => readAnyProperty(message.property, message.verb as 'is', message.value)),
          toHex(frame),
        ).toBeUndefined()
        read++
      }
    }
    expect(read).toBeGreaterThan(0)
  })

  it('are written byte for byte from the values that were read', () => {
    let compared = 0
    const types = new Map<number, SpinelType<unknown>>(Object.values(PROP).map((known) => [known.number, known.type]))
    for (const name of recordingNames) {
      const decoder = new HdlcDecoder()
      for (const { from, bytes } of spinelRecording(name)) {
        if (from !== 'ncp') continue
        for (const frame of decoder.push(bytes)) {
          const { tid, iid } = decodeSpinelFrame(frame)
          const message = readPropertyFrame(decodeSpinelFrame(frame))!
          const type = types.get(message.property)
          if (message.verb !== 'is' || type === undefined || iid !== 0) continue
          const again = propertyFrame(tid, { ...message, value: pack(type, unpack(type, message.value)) })
          expect(toHex(encodeSpinelFrame(again)), name).toBe(toHex(frame))
          compared++
        }
      }
    }
    expect(compared).toBeGreaterThan(500)
  })

  it('tell firmwares apart by their capabilities', () => {
    const of = (digits: string): readonly number[] => unpack(PROP.CAPS.type, hex(digits))
    expect(firmwareKind(of('050c182035360e8004880484048a048b04303180088308840885088e04'))).toBe('ncp')
    expect(firmwareKind(of('050c182281044041'))).toBe('rcp')
    expect(firmwareKind([CAP.NET_THREAD_1_0])).toBe('other')
  })
})

describe('Names', () => {
  it('of properties, roles and statuses are readable', () => {
    expect(propertyName(0x153c)).toBe('THREAD_ACTIVE_DATASET_TLVS')
    expect(propertyName(0x3fff)).toBe('0x3fff')
    expect(statusName(16_404)).toBe('OPENTHREAD_ERROR_20')
    expect(statusName(99)).toBe('STATUS_99')
    expect(['disabled', 'detached', 'child', 'router', 'leader'].map((role) => roleOf(roleNumber(role as 'child')))).toEqual([
      'disabled',
      'detached',
      'child',
      'router',
      'leader',
    ])
    expect(roleOf(77)).toBe('detached')
  })

  it('of refusals carry the status and what to do', () => {
    const refusal = statusError(11, 'insert IPV6_ADDRESS_TABLE')
    expect(refusal).toMatchObject({ code: 'link.refused', retryable: true, details: { status: 11, name: 'NOMEM' } })
    expect(refusal.message).toContain('fewer groups')
    expect(statusOf(refusal)).toBe(11)
    expect(statusOf(new Error('x'))).toBeUndefined()
  })
})

describe('What a trace shows', () => {
  it.each([
    ['80060070', 'is LAST_STATUS RESET_POWER_ON'],
    ['8001', 'RESET'],
    ['850342', '5 set NET_STACK_UP'],
    ['80064303', 'is NET_ROLE leader'],
    ['8e064600112233445566778899aabbccddeeff', '14 is NET_NETWORK_KEY 16 bytes'],
    ['0001', 'not a Spinel frame'],
    ['807f', 'command 127'],
  ])('of %s: %s', (frame, words) => {
    expect(describeSpinelFrame(hex(frame))).toBe(words)
  })

  it('has no key of any recording: neither network key, PSKc nor passphrases', () => {
    const secrets = ['00112233445566778899aabbccddeeff', '445f2b5ca6f2a93a55ce570a70efeecb', toHex(new TextEncoder().encode('J01NME'))]
    let blanked = 0
    for (const name of recordingNames) {
      const decoders = { host: new HdlcDecoder(), ncp: new HdlcDecoder() }
      for (const { from, bytes } of spinelRecording(name)) {
        for (const frame of decoders[from].push(bytes)) {
          const shown = withoutSecrets(frame)
          expect(shown).toHaveLength(frame.length)
          expect(describeSpinelFrame(shown)).toBe(describeSpinelFrame(frame))
          for (const secret of secrets) expect(toHex(shown)).not.toContain(secret)
          if (toHex(shown) !== toHex(frame)) blanked++
        }
      }
    }
    expect(blanked).toBeGreaterThan(20)
  })

  it('tells the packet that a frame carries', () => {
    const decoder = new HdlcDecoder()
    const frames = spinelRecording('spinel-06-coap-unicast-mleid').flatMap(({ bytes }) => decoder.push(bytes))
    const packets = frames.flatMap((frame) => packetInFrame(frame) ?? [])
    expect(packets.length).toBeGreaterThanOrEqual(2)
    for (const packet of packets) expect(packet[0]! >> 4).toBe(6)
  })

  it('is total', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        describeSpinelFrame(bytes)
        packetInFrame(bytes)
        expect(withoutSecrets(bytes)).toHaveLength(bytes.length)
      }),
    )
  })
})
