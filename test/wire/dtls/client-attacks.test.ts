import { concatBytes } from '#main/base/index.ts'
import { decodeServerHello, encodeServerHello, type ServerHello } from '#main/wire/dtls/messages/server-hello.ts'
import { decodeFragments, encodeWhole } from '#main/wire/dtls/messages/handshake-header.ts'
import { HANDSHAKE } from '#main/wire/dtls/numbers.ts'
import { decodeRecords, encodeRecord } from '#main/wire/dtls/record.ts'
import { describe, expect, it } from 'vitest'
import { line, SERVER, withCertificates, withPsk, type LineOptions } from './harness.ts'

interface Message {
  readonly type: number
  readonly sequence: number
  readonly body: Uint8Array
}

/** The server's plain messages pass through here on their way to the client. */
type Rewrite = (message: Message) => readonly Message[]

function rewritten(payload: Uint8Array, rewrite: Rewrite): readonly Uint8Array[] {
  const records = decodeRecords(payload, 0).flatMap((record) => {
    if (record.epoch !== 0 || record.type !== 22) return [encodeRecord(record)]
    return (decodeFragments(record.fragment) ?? [])
      .flatMap(({ type, sequence, bytes }) => rewrite({ type, sequence, body: bytes }))
      .map((message) => encodeRecord({ ...record, fragment: encodeWhole(message) }))
  })
  return records.length === 0 ? [] : [concatBytes(...records)]
}

const only =
  (type: number, change: (body: Uint8Array) => Uint8Array): Rewrite =>
  (message) => [message.type === type ? { ...message, body: change(message.body) } : message]

const hello = (change: (hello: ServerHello) => ServerHello): Rewrite =>
  only(HANDSHAKE.serverHello, (body) => encodeServerHello(change(decodeServerHello(body))))

const without =
  (type: number): Rewrite =>
  (message) =>
    message.type === type ? [] : [message.type > type ? { ...message, sequence: message.sequence - 1 } : message]

const flipped =
  (at: number) =>
  (body: Uint8Array): Uint8Array =>
    body.with(at < 0 ? body.length + at : at, (body.at(at) ?? 0) ^ 1)

const attacks: ReadonlyArray<readonly [string, string, Rewrite, LineOptions?]> = [
  ['a ServerHello of DTLS 1.0', 'protocol_version', hello((given) => ({ ...given, version: 0xfeff }))],
  ['a suite that was not offered', 'illegal_parameter', hello((given) => ({ ...given, suite: 0xc0a8 }))],
  ['a compression', 'illegal_parameter', hello((given) => ({ ...given, compression: 1 }))],
  [
    'an extension that was not offered',
    'unsupported_extension',
    hello((given) => ({ ...given, extensions: new Map([...given.extensions, [16, new Uint8Array(0)]]) })),
  ],
  [
    'a max_fragment_length that was not asked for',
    'unsupported_extension',
    hello((given) => ({ ...given, extensions: new Map([...given.extensions, [1, Uint8Array.of(1)]]) })),
  ],
  [
    'renegotiation_info with content (RFC 5746 §3.4)',
    'handshake_failure',
    hello((given) => ({ ...given, extensions: new Map([...given.extensions, [0xff01, Uint8Array.of(1, 1)]]) })),
  ],
  [
    'an extension twice',
    'illegal_parameter',
    only(HANDSHAKE.serverHello, (body) => {
      const { extensions, ...rest } = decodeServerHello(body)
      const bare = encodeServerHello({ ...rest, extensions: new Map() })
      expect(extensions.size).toBeGreaterThan(0)
      return concatBytes(bare, Uint8Array.of(0, 8, 0, 23, 0, 0, 0, 23, 0, 0))
    }),
  ],
  [
    'a truncated certificate',
    'bad_certificate',
    only(HANDSHAKE.certificate, (body) => concatBytes(Uint8Array.of(0, 0, 57, 0, 0, 54), body.subarray(6, 60))),
  ],
  ['no certificate', 'bad_certificate', only(HANDSHAKE.certificate, () => new Uint8Array(3))],
  ['Certificate skipped', 'unexpected_message', without(HANDSHAKE.certificate)],
  ['ServerKeyExchange skipped', 'unexpected_message', without(HANDSHAKE.serverKeyExchange)],
  ['a signature over something else', 'decrypt_error', only(HANDSHAKE.serverKeyExchange, flipped(6))],
  ['a broken signature', 'decrypt_error', only(HANDSHAKE.serverKeyExchange, flipped(-1))],
  ['a signature scheme that was not offered', 'illegal_parameter', only(HANDSHAKE.serverKeyExchange, (body) => body.with(69, 2))],
  ['a group that was not offered', 'illegal_parameter', only(HANDSHAKE.serverKeyExchange, (body) => body.with(2, 24))],
  ['an explicit curve', 'illegal_parameter', only(HANDSHAKE.serverKeyExchange, (body) => body.with(0, 1))],
  ['ServerHelloDone with content', 'decode_error', only(HANDSHAKE.serverHelloDone, () => new Uint8Array(1))],
  [
    'Finished in the clear',
    'unexpected_message',
    (message) =>
      message.type === HANDSHAKE.serverHelloDone
        ? [message, { type: HANDSHAKE.finished, sequence: message.sequence + 1, body: new Uint8Array(12) }]
        : [message],
  ],
  [
    'one cookie after another',
    'unexpected_message',
    (message) => [{ type: HANDSHAKE.helloVerifyRequest, sequence: message.sequence, body: Uint8Array.of(254, 255, 1, 7) }],
  ],
  [
    'without the extended master secret where it is required',
    'handshake_failure',
    hello((given) => ({ ...given, extensions: new Map([...given.extensions].filter(([type]) => type !== 23)) })),
    { ...withPsk, client: { ...withPsk.client, requiresExtendedMasterSecret: true } },
  ],
]

describe('the client answers', () => {
  for (const [title, alert, rewrite, options] of attacks) {
    it(`${title}: ${alert}`, async () => {
      const talk = line({ ...(options ?? withCertificates), maxDatagramBytes: 4000 })
      talk.fate = (from, _index, payload) => (from === 'server' ? rewritten(payload, rewrite) : 'pass')
      talk.client.engine.connect(SERVER)
      await talk.clock.advance(900)
      expect(talk.client.failures[0]?.details).toMatchObject({ alert })
      expect(talk.client.sessions).toHaveLength(0)
      for (const { engine } of [talk.client, talk.server]) expect(engine.holdings()).toEqual({ halfOpen: 0, sessions: 0 })
    })
  }

  it('a ServerHello that was changed on the way and looks right: the Finished messages differ (RFC 5246 §7.4.9)', async () => {
    const talk = line({ ...withPsk, maxDatagramBytes: 4000 })
    talk.fate = (from, _index, payload) =>
      from === 'server'
        ? rewritten(
            payload,
            hello((given) => ({ ...given, suite: given.suite === 0xc0a8 ? 0x00a8 : given.suite })),
          )
        : 'pass'
    talk.client.engine.connect(SERVER)
    await talk.clock.advance(100_000)
    expect(talk.client.sessions).toHaveLength(0)
    expect(talk.server.sessions).toHaveLength(0)
  })

  it('the stripping of the extended master secret: both sides have other keys (RFC 7627 §5.2)', async () => {
    const talk = line({ ...withPsk, maxDatagramBytes: 4000 })
    const strip = hello((given) => ({ ...given, extensions: new Map([...given.extensions].filter(([type]) => type !== 23)) }))
    talk.fate = (from, _index, payload) => (from === 'server' ? rewritten(payload, strip) : 'pass')
    talk.client.engine.connect(SERVER)
    await talk.clock.advance(100_000)
    expect(talk.client.sessions).toHaveLength(0)
    expect(talk.server.sessions).toHaveLength(0)
  })
})
