import { concatBytes, utf8 } from '#main/base/index.ts'
import { encodeAlert } from '#main/wire/dtls/alert.ts'
import { encodeClientHello } from '#main/wire/dtls/messages/client-hello.ts'
import { encodeFragment } from '#main/wire/dtls/messages/handshake-header.ts'
import { CONTENT, HANDSHAKE } from '#main/wire/dtls/numbers.ts'
import { encodeRecord } from '#main/wire/dtls/record.ts'
import { describe, expect, it } from 'vitest'
import { Attacker, chainOf } from './attacker.ts'

const NO_BYTES = new Uint8Array(0)

function uint24(value: number): Uint8Array {
  return Uint8Array.of(value >> 16, (value >> 8) & 255, value & 255)
}

/** An attack on the server, and the alert that it gets; `silence` where RFC 6347 §4.1.2.7 asks for none. */
const attacks: ReadonlyArray<readonly [string, string, (attacker: Attacker) => void]> = [
  [
    'Finished before its keys, in the clear',
    'unexpected_message',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange()
      a.verify()
      a.finished((data) => data, 0)
    },
  ],
  [
    'Finished straight after the hello',
    'unexpected_message',
    (a) => {
      a.greet()
      a.say(HANDSHAKE.finished, new Uint8Array(12))
    },
  ],
  [
    'CertificateVerify skipped',
    'unexpected_message',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange()
      a.finished()
    },
  ],
  [
    'CertificateVerify and ClientKeyExchange skipped',
    'unexpected_message',
    (a) => {
      a.greet()
      a.certificate()
      a.say(HANDSHAKE.finished, new Uint8Array(12))
    },
  ],
  [
    'Certificate skipped where one is required',
    'unexpected_message',
    (a) => {
      a.greet()
      a.keyExchange()
    },
  ],
  [
    'an empty certificate where one is required',
    'handshake_failure',
    (a) => {
      a.greet()
      a.certificate([])
    },
  ],
  [
    'CertificateVerify by another key',
    'decrypt_error',
    (a) => {
      a.greet()
      a.certificate(chainOf('foreign'))
      a.keyExchange()
      a.verify()
    },
  ],
  [
    'CertificateVerify over something else',
    'decrypt_error',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange()
      a.verify(utf8('something else'))
    },
  ],
  [
    'CertificateVerify with a scheme that was not offered',
    'illegal_parameter',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange()
      a.say(HANDSHAKE.certificateVerify, Uint8Array.of(2, 1, 0, 1, 0))
    },
  ],
  [
    'a wrong Finished',
    'decrypt_error',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange()
      a.verify()
      a.finished((data) => data.map((byte, index) => (index === 3 ? byte ^ 1 : byte)))
    },
  ],
  [
    'Finished that is too short',
    'decrypt_error',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange()
      a.verify()
      a.finished((data) => data.subarray(0, 11))
    },
  ],
  [
    'a handshake message of the first epoch under the keys',
    'unexpected_message',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange()
      a.say(HANDSHAKE.certificateVerify, new Uint8Array(80), 1)
    },
  ],
  [
    'a point that is not on the curve',
    'illegal_parameter',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange(concatBytes(Uint8Array.of(4), new Uint8Array(64).fill(5)))
    },
  ],
  [
    'a compressed point',
    'illegal_parameter',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange(concatBytes(Uint8Array.of(2 + (a.ephemeral.point[64]! & 1)), a.ephemeral.point.subarray(1, 33)))
    },
  ],
  [
    'the point at infinity',
    'illegal_parameter',
    (a) => {
      a.greet()
      a.certificate()
      a.keyExchange(Uint8Array.of(0))
    },
  ],
  [
    'a truncated certificate',
    'bad_certificate',
    (a) => {
      a.greet()
      a.certificate(chainOf('client').map((der) => der.subarray(0, 40)))
      a.keyExchange()
      a.verify()
    },
  ],
  [
    'a certificate list whose length lies',
    'decode_error',
    (a) => {
      a.greet()
      a.say(HANDSHAKE.certificate, concatBytes(uint24(200), uint24(300), new Uint8Array(197)))
    },
  ],
  [
    'a message that is too long to be true',
    'illegal_parameter',
    (a) => {
      a.greet()
      const bytes = new Uint8Array(50)
      a.record(CONTENT.handshake, encodeFragment({ type: 11, sequence: a.nextSequence, length: 16_000_000, offset: 0, bytes }))
    },
  ],
  [
    'ClientKeyExchange as long as a certificate may be',
    'illegal_parameter',
    (a) => {
      a.greet()
      const bytes = new Uint8Array(50)
      a.record(CONTENT.handshake, encodeFragment({ type: 16, sequence: a.nextSequence, length: 3000, offset: 0, bytes }))
    },
  ],
  [
    'an unknown handshake message',
    'unexpected_message',
    (a) => {
      a.greet()
      a.say(99, NO_BYTES)
    },
  ],
  [
    'a server’s message',
    'unexpected_message',
    (a) => {
      a.greet()
      a.say(HANDSHAKE.serverHelloDone, NO_BYTES)
    },
  ],
  [
    'ClientKeyExchange with bytes behind it',
    'decode_error',
    (a) => {
      a.greet()
      a.certificate()
      a.say(HANDSHAKE.clientKeyExchange, concatBytes(Uint8Array.of(65), a.ephemeral.point, Uint8Array.of(1)))
    },
  ],
  [
    'DTLS 1.0 only',
    'protocol_version',
    (a) => {
      a.hello = { ...a.hello, version: 0xfeff }
      a.askForCookie()
    },
  ],
  [
    'suites that are not spoken',
    'handshake_failure',
    (a) => {
      a.hello = { ...a.hello, suites: [0xc02c, 0x002f, 0x0000] }
      a.greet()
    },
  ],
  [
    'no signature_algorithms: that means SHA-1',
    'handshake_failure',
    (a) => {
      a.hello = { ...a.hello, extensions: new Map([...a.hello.extensions].filter(([type]) => type !== 13)) }
      a.greet()
    },
  ],
  [
    'no null compression',
    'illegal_parameter',
    (a) => {
      a.hello = { ...a.hello, compressions: Uint8Array.of(1) }
      a.askForCookie()
    },
  ],
  [
    'a hello without uncompressed points',
    'illegal_parameter',
    (a) => {
      a.hello = { ...a.hello, extensions: new Map([...a.hello.extensions, [11, Uint8Array.of(1, 1)]]) }
      a.greet()
    },
  ],
  [
    'renegotiation_info with content (RFC 5746 §3.6)',
    'handshake_failure',
    (a) => {
      a.hello = { ...a.hello, extensions: new Map([...a.hello.extensions, [0xff01, Uint8Array.of(2, 1, 1)]]) }
      a.greet()
    },
  ],
  [
    'max_fragment_length with an unknown code',
    'illegal_parameter',
    (a) => {
      a.hello = { ...a.hello, extensions: new Map([...a.hello.extensions, [1, Uint8Array.of(5)]]) }
      a.greet()
    },
  ],
  [
    'an extension twice',
    'illegal_parameter',
    (a) => {
      const body = encodeClientHello(a.hello)
      const twice = Uint8Array.of(0, 23, 0, 0)
      const bare = encodeClientHello({ ...a.hello, extensions: new Map() })
      const list = body.subarray(bare.length + 2)
      a.say(HANDSHAKE.clientHello, concatBytes(bare, Uint8Array.of(0, list.length + 4), list, twice))
    },
  ],
  ['a hello that is cut off', 'decode_error', (a) => a.say(HANDSHAKE.clientHello, encodeClientHello(a.hello).subarray(0, 50))],
  [
    'a record longer than negotiated',
    'record_overflow',
    (a) => {
      a.hello = { ...a.hello, extensions: new Map([...a.hello.extensions, [1, Uint8Array.of(1)]]) }
      a.complete()
      a.inbox.length = 0
      a.record(CONTENT.applicationData, new Uint8Array(513), 1)
    },
  ],
  [
    'a record of an unknown type under the keys',
    'silence',
    (a) => {
      a.complete()
      a.inbox.length = 0
      a.record(77, new Uint8Array(5), 1)
    },
  ],
  [
    'garbage under the keys',
    'silence',
    (a) => {
      a.complete()
      a.inbox.length = 0
      a.datagram(encodeRecord({ type: 23, epoch: 1, sequence: 500, cid: NO_BYTES, fragment: new Uint8Array(40) }))
    },
  ],
  [
    'a record of an epoch that there is not',
    'silence',
    (a) => {
      a.complete()
      a.inbox.length = 0
      a.datagram(encodeRecord({ type: 23, epoch: 2, sequence: 0, cid: NO_BYTES, fragment: new Uint8Array(40) }))
    },
  ],
  [
    'data in the clear in a session',
    'silence',
    (a) => {
      a.complete()
      a.inbox.length = 0
      a.record(CONTENT.applicationData, utf8('plain'))
    },
  ],
  [
    'a fatal alert in the clear in a session',
    'silence',
    (a) => {
      a.complete()
      a.inbox.length = 0
      a.record(CONTENT.alert, encodeAlert('handshake_failure'))
    },
  ],
  [
    'a new handshake in a session (RFC 5746 §4.5)',
    'no_renegotiation',
    (a) => {
      a.complete()
      a.inbox.length = 0
      a.say(HANDSHAKE.clientHello, encodeClientHello(a.hello), 1)
    },
  ],
]

describe('the server answers', () => {
  for (const [title, alert, attack] of attacks) {
    it(`${title}: ${alert}`, () => {
      const attacker = new Attacker()
      attack(attacker)
      expect(attacker.alerts()).toEqual(alert === 'silence' ? [] : [alert])
      const inSession = alert === 'silence' || alert === 'no_renegotiation' || alert === 'record_overflow'
      expect(attacker.established).toBe(inSession)
      const stays = alert === 'silence' || alert === 'no_renegotiation'
      expect(attacker.engine.holdings()).toEqual({ halfOpen: 0, sessions: stays ? 1 : 0 })
      expect(attacker.outputs.filter(({ kind }) => kind === 'data')).toEqual([])
    })
  }

  it('an honest client with a session: the attacks fail for what they change', () => {
    const attacker = new Attacker()
    attacker.complete()
    expect(attacker.alerts()).toEqual([])
    expect(attacker.established).toBe(true)
    attacker.record(CONTENT.applicationData, utf8('hello'), 1)
    expect(attacker.outputs.at(-1)).toMatchObject({ kind: 'data', payload: utf8('hello') })
  })
})
