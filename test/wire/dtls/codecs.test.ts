import fc from 'fast-check'
import { concatBytes, cryptoPaths, fromHex, tlsPrf, toHex, utf8 } from '#main/base/index.ts'
import { AlertFailure, decodeAlert, encodeAlert } from '#main/wire/dtls/alert.ts'
import { packFlight, type FlightPart } from '#main/wire/dtls/flight.ts'
import { Inbox } from '#main/wire/dtls/inbox.ts'
import { masterSecret } from '#main/wire/dtls/key-schedule.ts'
import { decodeCertificateChain, decodeRawPublicKey, encodeCertificateChain } from '#main/wire/dtls/messages/certificate.ts'
import { decodeCertificateRequest, encodeCertificateRequest } from '#main/wire/dtls/messages/certificate-request.ts'
import { decodeCertificateVerify, encodeSigned } from '#main/wire/dtls/messages/certificate-verify.ts'
import { decodeClientHello, encodeClientHello } from '#main/wire/dtls/messages/client-hello.ts'
import { decodeClientPoint, decodePskIdentity } from '#main/wire/dtls/messages/client-key-exchange.ts'
import { decodeFragments, encodeFragment, encodeWhole } from '#main/wire/dtls/messages/handshake-header.ts'
import { decodeHelloVerifyRequest, encodeHelloVerifyRequest } from '#main/wire/dtls/messages/hello-verify-request.ts'
import { decodeServerHello, encodeServerHello } from '#main/wire/dtls/messages/server-hello.ts'
import { decodeEcdheKeyExchange, decodePskHint, encodeEcdheKeyExchange } from '#main/wire/dtls/messages/server-key-exchange.ts'
import { RecordProtection } from '#main/wire/dtls/protection.ts'
import { decodeRecords, encodeRecord } from '#main/wire/dtls/record.ts'
import { ReplayWindow } from '#main/wire/dtls/replay-window.ts'
import { SUITES } from '#main/wire/dtls/suites.ts'
import { describe, expect, it, test } from 'vitest'

const bytes = (min: number, max = min): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: min, maxLength: max })
const extensions = fc
  .uniqueArray(fc.tuple(fc.nat(65_535), bytes(0, 20)), { selector: ([type]) => type, maxLength: 6 })
  .map((entries) => new Map(entries))

function same(actual: unknown, expected: unknown): void {
  expect(actual).toEqual(expected)
}

function hex(text: string): Uint8Array {
  return fromHex(text.replace(/\s/g, '')) ?? new Uint8Array(0)
}

describe('records', () => {
  const record = fc.record({
    type: fc.constantFrom(20, 21, 22, 23, 25),
    epoch: fc.nat(65_535),
    sequence: fc.nat(2 ** 48 - 1),
    cid: fc.constant(new Uint8Array(6).fill(3)),
    fragment: bytes(0, 60),
  })

  it('are read as they were written, several in a datagram (RFC 6347 §4.1, RFC 9146 §4)', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 4 }), (records) => {
        const written = records.map((one) => (one.type === 25 ? one : { ...one, cid: new Uint8Array(0) }))
        expect(decodeRecords(concatBytes(...written.map((one) => encodeRecord(one))), 6)).toEqual(written)
      }),
    )
  })

  it('are found in any bytes without a throw', () => {
    fc.assert(fc.property(bytes(0, 200), fc.nat(10), (datagram, cidBytes) => Array.isArray(decodeRecords(datagram, cidBytes))))
  })

  it('end at the first that is cut off, of another version or too long', () => {
    const good = encodeRecord({ type: 23, epoch: 0, sequence: 1, cid: new Uint8Array(0), fragment: utf8('x') })
    const other = good.with(2, 0xfc)
    expect(decodeRecords(concatBytes(good, other, good), 0)).toHaveLength(1)
    expect(decodeRecords(concatBytes(good, good.subarray(0, 13)), 0)).toHaveLength(1)
    const long = encodeRecord({ type: 23, epoch: 0, sequence: 1, cid: new Uint8Array(0), fragment: new Uint8Array(18_433) })
    expect(decodeRecords(long, 0)).toEqual([])
  })

  for (const suite of SUITES) {
    it(`under ${suite.name} open only where nothing was changed`, () => {
      const cids = fc.constantFrom(new Uint8Array(0), utf8('cid'))
      const content = bytes(0, 100)
      fc.assert(
        fc.property(cids, content, fc.nat(2 ** 48 - 1), fc.nat(500), fc.integer({ min: 1, max: 255 }), (cid, text, sequence, at, flip) => {
          const protection = new RecordProtection(suite, new Uint8Array(16).fill(1), utf8('salt'), cid)
          const sealed = protection.seal(23, 1, sequence, text)
          expect(sealed.fragment.length).toBe(text.length + protection.expansionBytes)
          expect(protection.open(sealed)).toEqual({ type: 23, content: text })
          const fragment = sealed.fragment.slice()
          const index = at % fragment.length
          fragment[index] = (fragment[index] ?? 0) ^ flip
          expect(protection.open({ ...sealed, fragment })).toBeUndefined()
          expect(protection.open({ ...sealed, sequence: sequence === 0 ? 1 : sequence - 1 })).toBeUndefined()
          expect(protection.open({ ...sealed, epoch: 2 })).toBeUndefined()
        }),
        { numRuns: 50 },
      )
    })
  }
})

describe('handshake messages', () => {
  const roundTrips: ReadonlyArray<readonly [string, () => void]> = [
    [
      'ClientHello',
      () => {
        const hello = fc.record({
          version: fc.nat(65_535),
          random: bytes(32),
          sessionId: bytes(0, 32),
          cookie: bytes(0, 255),
          suites: fc.array(fc.nat(65_535), { minLength: 1, maxLength: 20 }),
          compressions: fc.constant(Uint8Array.of(0)),
          extensions,
        })
        fc.assert(fc.property(hello, (value) => same(decodeClientHello(encodeClientHello(value)), value)))
      },
    ],
    [
      'ServerHello',
      () => {
        const hello = fc.record({
          version: fc.nat(65_535),
          random: bytes(32),
          sessionId: bytes(0, 32),
          suite: fc.nat(65_535),
          compression: fc.nat(255),
          extensions,
        })
        fc.assert(fc.property(hello, (value) => same(decodeServerHello(encodeServerHello(value)), value)))
      },
    ],
    [
      'HelloVerifyRequest',
      () => fc.assert(fc.property(bytes(0, 255), (value) => same(decodeHelloVerifyRequest(encodeHelloVerifyRequest(value)), value))),
    ],
    [
      'Certificate',
      () => fc.assert(fc.property(fc.array(bytes(1, 50)), (value) => same(decodeCertificateChain(encodeCertificateChain(value)), value))),
    ],
    [
      'CertificateRequest',
      () => {
        const request = fc.record({
          certificateTypes: fc.array(fc.nat(255), { minLength: 1, maxLength: 5 }),
          schemes: fc.array(fc.nat(65_535), { minLength: 1, maxLength: 5 }),
          authorities: fc.array(bytes(1, 30), { maxLength: 3 }),
        })
        fc.assert(fc.property(request, (value) => same(decodeCertificateRequest(encodeCertificateRequest(value)), value)))
      },
    ],
    [
      'CertificateVerify',
      () => {
        const signed = fc.record({ scheme: fc.nat(65_535), signature: bytes(0, 80) })
        fc.assert(fc.property(signed, (value) => same(decodeCertificateVerify(encodeSigned(value)), value)))
      },
    ],
    [
      'ServerKeyExchange',
      () => {
        const parameters = fc.record({ group: fc.nat(65_535), point: bytes(1, 80) })
        const signed = fc.record({ scheme: fc.nat(65_535), signature: bytes(0, 80) })
        fc.assert(
          fc.property(parameters, signed, (given, signature) =>
            same(decodeEcdheKeyExchange(encodeEcdheKeyExchange(given, signature)), { parameters: given, signed: signature }),
          ),
        )
      },
    ],
  ]
  for (const [name, check] of roundTrips) it(`${name} is read as it was written`, check)

  it('of any bytes are read, or refused with an alert', () => {
    const decoders: ReadonlyArray<(body: Uint8Array) => unknown> = [
      decodeClientHello,
      decodeServerHello,
      decodeHelloVerifyRequest,
      decodeCertificateChain,
      decodeRawPublicKey,
      decodeCertificateRequest,
      decodeCertificateVerify,
      decodeEcdheKeyExchange,
      decodePskHint,
      decodeClientPoint,
      decodePskIdentity,
    ]
    const whole = encodeClientHello({
      version: 0xfefd,
      random: new Uint8Array(32),
      sessionId: new Uint8Array(0),
      cookie: new Uint8Array(16),
      suites: [0xc0ae],
      compressions: Uint8Array.of(0),
      extensions: new Map([[10, Uint8Array.of(0, 2, 0, 23)]]),
    })
    const cut = fc
      .tuple(fc.nat(whole.length), fc.nat(whole.length - 1), fc.nat(255))
      .map(([end, at, value]) => whole.with(at, value).subarray(0, end))
    fc.assert(
      fc.property(fc.oneof(bytes(0, 120), cut), (body) => {
        for (const decode of decoders) {
          try {
            decode(body)
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(AlertFailure)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('in fragments of any bytes are read or ignored', () => {
    fc.assert(
      fc.property(bytes(0, 100), (content) => {
        const fragments = decodeFragments(content)
        for (const { offset, bytes: piece, length } of fragments ?? []) expect(offset + piece.length).toBeLessThanOrEqual(length)
      }),
    )
  })

  it('alerts are two bytes with a known level', () => {
    expect(decodeAlert(encodeAlert('close_notify'))).toEqual({ fatal: false, name: 'close_notify', number: 0 })
    expect(decodeAlert(encodeAlert('unknown_ca'))).toEqual({ fatal: true, name: 'unknown_ca', number: 48 })
    expect(decodeAlert(Uint8Array.of(2, 200))).toEqual({ fatal: true, name: undefined, number: 200 })
    for (const wrong of [[], [2], [3, 40], [2, 40, 0]]) expect(decodeAlert(Uint8Array.from(wrong))).toBeUndefined()
  })
})

describe('the inbox', () => {
  it('puts messages together from pieces in any order, doubled and overlapping, and gives them out in order', () => {
    const message = fc.tuple(fc.constantFrom(11, 12, 14, 16), bytes(0, 400))
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 6 }), fc.infiniteStream(fc.nat(1000)), (messages, chance) => {
        const roll = (limit: number): number => Number(chance.next().value) % limit
        const pieces = messages.flatMap(([type, body], sequence) => {
          const cuts = [0, ...Array.from({ length: roll(5) }, () => roll(body.length + 1)), body.length].sort((a, b) => a - b)
          return cuts.slice(1).flatMap((end, index) => {
            const offset = Math.max(0, (cuts[index] ?? 0) - roll(3))
            const piece = { type, sequence, length: body.length, offset, bytes: body.subarray(offset, end) }
            return roll(3) === 0 ? [piece, piece] : [piece]
          })
        })
        for (let index = pieces.length - 1; index > 0; index--) {
          const other = roll(index + 1)
          const [a, b] = [pieces[index]!, pieces[other]!]
          pieces[index] = b
          pieces[other] = a
        }
        const inbox = new Inbox(0)
        const taken: unknown[] = []
        for (const piece of pieces) {
          inbox.add(piece, 0)
          for (let next = inbox.take(); next !== undefined; next = inbox.take()) taken.push([next.type, next.body])
        }
        expect(taken).toEqual(messages)
      }),
    )
  })

  it('holds a bounded number of bytes whatever is announced', () => {
    const inbox = new Inbox(0)
    const outcomes = Array.from({ length: 20 }, (_, sequence) =>
      inbox.add({ type: 11, sequence, length: 16_000, offset: 5, bytes: new Uint8Array(1) }, 0),
    )
    expect(outcomes.filter((outcome) => outcome === 'new')).toHaveLength(2)
  })

  it('takes no piece that contradicts the first', () => {
    const inbox = new Inbox(0)
    expect(inbox.add({ type: 11, sequence: 0, length: 10, offset: 0, bytes: new Uint8Array(5) }, 0)).toBe('new')
    expect(inbox.add({ type: 11, sequence: 0, length: 12, offset: 5, bytes: new Uint8Array(5) }, 0)).toBe('dropped')
    expect(inbox.add({ type: 12, sequence: 0, length: 10, offset: 5, bytes: new Uint8Array(5) }, 0)).toBe('dropped')
    expect(inbox.add({ type: 11, sequence: 0, length: 10, offset: 5, bytes: new Uint8Array(5) }, 1)).toBe('dropped')
    expect(inbox.take()).toBeUndefined()
  })
})

describe('flights', () => {
  it('fit into datagrams of any size, and come out whole (RFC 6347 §4.2.3)', () => {
    const part = fc.tuple(fc.constantFrom(11, 12, 16), bytes(0, 2000)).map(([type, body]) => ({ type, body }))
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), fc.integer({ min: 64, max: 1500 }), (messages, datagramBytes) => {
        const parts = messages.map(({ type, body }, sequence): FlightPart => ({ kind: 'message', type, body, sequence, epoch: 0 }))
        const writer = {
          seal: (type: number, epoch: 0 | 1, fragment: Uint8Array) =>
            encodeRecord({ type, epoch, sequence: 0, cid: new Uint8Array(0), fragment }),
          expansionBytes: () => 0,
        }
        const datagrams = packFlight([...parts, { kind: 'change-cipher-spec' }], { datagramBytes, plaintextBytes: 16_384 }, writer)
        const inbox = new Inbox(0)
        const taken: unknown[] = []
        for (const datagram of datagrams) {
          expect(datagram.length).toBeLessThanOrEqual(datagramBytes)
          for (const { type, fragment } of decodeRecords(datagram, 0)) {
            if (type !== 22) continue
            for (const piece of decodeFragments(fragment) ?? []) inbox.add(piece, 0)
            for (let next = inbox.take(); next !== undefined; next = inbox.take()) taken.push({ type: next.type, body: next.body })
          }
        }
        expect(taken).toEqual(messages)
      }),
    )
  })

  it('whole messages have the header that the transcript has (RFC 6347 §4.2.6)', () => {
    const body = utf8('abc')
    expect(encodeWhole({ type: 1, sequence: 5, body })).toEqual(encodeFragment({ type: 1, sequence: 5, length: 3, offset: 0, bytes: body }))
    expect(toHex(encodeWhole({ type: 1, sequence: 5, body }))).toBe('010000030005000000000003616263')
  })
})

describe('the replay window', () => {
  it('takes each number once, and none that is more than 63 behind (RFC 6347 §4.1.2.6)', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { maxLength: 300 }), (numbers) => {
        const window = new ReplayWindow()
        const seen = new Set<number>()
        let largest = -1
        for (const number of numbers) {
          const expected = !seen.has(number) && number > largest - 64
          expect(window.accepts(number)).toBe(expected)
          if (!expected) continue
          window.mark(number)
          seen.add(number)
          largest = Math.max(largest, number)
        }
      }),
    )
  })
})

const poor = 'groupwrightPoorCrypto' in globalThis
test(`the modes that BoringSSL lacks are ${poor ? 'portable' : 'native'} here`, () => {
  expect(cryptoPaths.aesCcm).toBe(poor ? 'portable' : 'native')
})

describe('keys', () => {
  it('come from the PRF as in the published test vector for SHA-256', () => {
    const output = tlsPrf(hex('9bbe436ba940f017b17652849a71db35'), 'test label', hex('a0ba9f936cda311827a6f796ffd5198c'), 100)
    expect(toHex(output)).toBe(
      'e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66',
    )
  })

  it('differ with the extended master secret (RFC 7627 §4)', () => {
    const randoms = { client: new Uint8Array(32), server: new Uint8Array(32).fill(1) }
    const premaster = new Uint8Array(32).fill(2)
    expect(toHex(masterSecret(premaster, randoms, undefined))).not.toBe(toHex(masterSecret(premaster, randoms, new Uint8Array(32))))
  })
})
