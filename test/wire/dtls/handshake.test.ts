import { toHex, utf8 } from '#main/base/index.ts'
import type { AlertName, DtlsClientSettings, DtlsServerSettings, GroupName, SuiteName } from '#main/wire/dtls/index.ts'
import { describe, expect, it } from 'vitest'
import { line, PSK, SERVER, withCertificates, withPsk, type LineOptions } from './harness.ts'
import { certificateCredential, judge, publicKeyCredential } from './pki.ts'

function merged(base: LineOptions, client: Partial<DtlsClientSettings> = {}, server: Partial<DtlsServerSettings> = {}): LineOptions {
  return { ...base, client: { ...base.client, ...client }, server: { ...base.server, ...server } }
}

describe('a handshake', () => {
  const certificateSuites: readonly SuiteName[] = [
    'ECDHE_ECDSA_WITH_AES_128_CCM_8',
    'ECDHE_ECDSA_WITH_AES_128_CCM',
    'ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
  ]
  const groups: readonly GroupName[] = ['P-256', 'X25519']
  for (const suite of certificateSuites) {
    for (const group of groups) {
      it(`proves both by certificates: ${suite}, ${group}`, async () => {
        const talk = line(merged(withCertificates, { suites: [suite], groups: [group] }))
        await talk.greet()
        expect(talk.server.data).toEqual(['ping'])
        expect(talk.client.data).toEqual(['pong'])
        const [session] = talk.server.sessions
        expect(session).toMatchObject({ role: 'server', suite, group, extendedMasterSecret: true, connectionIds: true })
        expect(session?.identity?.scheme).toBe('dtls-certificate')
        expect(session?.identity?.certificates).toHaveLength(2)
        expect(talk.client.sessions[0]).toMatchObject({ role: 'client', suite, group })
      })
    }
  }

  for (const suite of ['PSK_WITH_AES_128_CCM_8', 'PSK_WITH_AES_128_GCM_SHA256'] as const) {
    it(`proves both by a pre-shared key: ${suite}`, async () => {
      const talk = line(merged(withPsk, { suites: [suite] }))
      await talk.greet()
      expect(talk.client.data).toEqual(['pong'])
      expect(talk.server.sessions[0]).toMatchObject({ suite, identity: { scheme: 'dtls-psk', name: 'thing-1' } })
    })
  }

  it('takes the hint of a server (RFC 4279 §2)', async () => {
    const talk = line(merged(withPsk, {}, { psk: { hint: utf8('site'), keyOf: () => PSK } }))
    await talk.greet()
    expect(talk.client.data).toEqual(['pong'])
  })

  it('lets a client stay anonymous where certificates are not asked for, or only requested', async () => {
    for (const clientCertificates of ['none', 'requested'] as const) {
      const talk = line({ client: { verifyPeer: judge }, server: { ...withCertificates.server, clientCertificates } })
      await talk.greet()
      expect(talk.client.data).toEqual(['pong'])
      expect(talk.server.sessions[0]?.identity).toBeUndefined()
    }
  })

  it('takes keys on P-384 and Ed25519 (RFC 8422 §5.10)', async () => {
    const talk = line(
      merged(
        withCertificates,
        { credential: certificateCredential('client-p384') },
        { credential: certificateCredential('server-ed25519') },
      ),
    )
    await talk.greet()
    expect(talk.client.data).toEqual(['pong'])
  })

  it('takes raw public keys on both sides (RFC 7250)', async () => {
    const raw = { acceptsRawPublicKeys: true }
    const client = { ...raw, credential: publicKeyCredential('client') }
    const talk = line(merged(withCertificates, client, { ...raw, credential: publicKeyCredential('server') }))
    await talk.greet()
    expect(talk.client.data).toEqual(['pong'])
    expect(talk.server.sessions[0]?.identity?.scheme).toBe('dtls-public-key')
    expect(talk.client.sessions[0]?.identity?.name).toMatch(/^sha256:[0-9a-f]{64}$/)
  })

  it('gives both sides the same exported keys, and others for another label or context (RFC 5705)', async () => {
    const talk = line()
    await talk.greet()
    const [ours, theirs] = [talk.client.sessions[0], talk.server.sessions[0]]
    const exported = ours?.exportKey('EXPORTER-test', undefined, 40)
    expect(toHex(exported ?? utf8(''))).toBe(toHex(theirs?.exportKey('EXPORTER-test', undefined, 40) ?? utf8('x')))
    expect(toHex(ours?.exportKey('EXPORTER-other', undefined, 40) ?? utf8(''))).not.toBe(toHex(exported ?? utf8('')))
    expect(toHex(ours?.exportKey('EXPORTER-test', utf8(''), 40) ?? utf8(''))).not.toBe(toHex(exported ?? utf8('')))
  })

  it('keeps records within max_fragment_length in both directions (RFC 6066 §4)', async () => {
    const talk = line(merged(withCertificates, { maxFragmentBytes: 512 }))
    await talk.greet()
    expect(talk.client.data).toEqual(['pong'])
    expect(talk.server.sessions[0]?.maxFragmentBytes).toBe(512)
    expect(talk.server.engine.send({ key: 'client' }, new Uint8Array(513))).toBe(false)
    expect(talk.client.engine.send(SERVER, new Uint8Array(512))).toBe(true)
    for (const { payload } of talk.sent) {
      // Constrained peers have buffers for one record (Californium drops what is longer).
      expect(payload.length).toBeLessThanOrEqual(13 + 512 + 32)
      for (let offset = 0; offset < payload.length;) {
        const length = (payload[offset + 11] ?? 0) * 256 + (payload[offset + 12] ?? 0)
        if (payload[offset] === 25) break
        expect(length).toBeLessThanOrEqual(512 + 32)
        offset += 13 + length
      }
    }
  })

  it('goes on without connection ids where a side knows none (RFC 9146 §3)', async () => {
    const talk = line({ ...withCertificates, limits: { connectionIdBytes: 0 } })
    await talk.greet()
    expect(talk.client.sessions[0]?.connectionIds).toBe(false)
    expect(talk.client.data).toEqual(['pong'])
  })

  it('waits for a verdict that takes its time, without repeating flights meanwhile', async () => {
    const slowly = (question: Parameters<typeof judge>[0]): ReturnType<typeof judge> =>
      new Promise((resolve) => talk.clock.setTimer(300, () => resolve(judge(question))))
    const talk = line(merged(withCertificates, { verifyPeer: slowly }, { verifyPeer: slowly }))
    await talk.greet()
    expect(talk.client.data).toEqual(['pong'])
    expect(talk.client.sessions).toHaveLength(1)
    expect(talk.sent.filter(({ atMs }) => atMs < 1000).length).toBeLessThan(12)
  })

  it('fails where the judge itself fails', async () => {
    const talk = line(merged(withCertificates, {}, { verifyPeer: () => Promise.reject(new TypeError('no store')) }))
    await talk.greet()
    expect(talk.server.failures[0]?.code).toBe('internal')
    expect(talk.client.failures[0]).toMatchObject({ code: 'dtls.refused', details: { alert: 'internal_error' } })
  })
})

describe('a handshake is refused', () => {
  const refusals: ReadonlyArray<readonly [string, LineOptions, 'client' | 'server', AlertName]> = [
    [
      'by the server: an expired certificate',
      merged(withCertificates, { credential: certificateCredential('expired') }),
      'client',
      'certificate_expired',
    ],
    [
      'by the server: a certificate of a foreign root',
      merged(withCertificates, { credential: certificateCredential('foreign') }),
      'client',
      'unknown_ca',
    ],
    [
      'by the server: no certificate where one is required',
      { ...withCertificates, client: { verifyPeer: judge } },
      'client',
      'handshake_failure',
    ],
    [
      'by the client: an expired certificate',
      merged(withCertificates, {}, { credential: certificateCredential('expired') }),
      'server',
      'certificate_expired',
    ],
    [
      'by the client: a certificate of a foreign root',
      merged(withCertificates, {}, { credential: certificateCredential('foreign') }),
      'server',
      'unknown_ca',
    ],
    [
      'by the server: no common suite',
      merged(withCertificates, { suites: ['ECDHE_ECDSA_WITH_AES_128_CCM'] }, { suites: ['ECDHE_ECDSA_WITH_AES_128_CCM_8'] }),
      'client',
      'handshake_failure',
    ],
    [
      'by the server: no common group',
      merged(withCertificates, { groups: ['X25519'] }, { groups: ['P-256'] }),
      'client',
      'handshake_failure',
    ],
    [
      'by the server: another pre-shared key',
      merged(withPsk, { psk: { identity: utf8('thing-1'), key: utf8('wrong') } }),
      'client',
      'decrypt_error',
    ],
    [
      'by the server: an unknown identity, no other than a wrong key (RFC 4279 §2)',
      merged(withPsk, { psk: { identity: utf8('who'), key: PSK } }),
      'client',
      'decrypt_error',
    ],
    [
      'by the server: raw public keys where it takes none',
      merged(withCertificates, { credential: publicKeyCredential('client') }),
      'client',
      'unsupported_certificate',
    ],
    [
      'by the server: an unknown raw public key',
      merged(withCertificates, { credential: publicKeyCredential('foreign') }, { acceptsRawPublicKeys: true }),
      'client',
      'certificate_unknown',
    ],
  ]
  for (const [title, options, refused, alert] of refusals) {
    it(title, async () => {
      const talk = line(options)
      await talk.greet()
      const refuses = refused === 'client' ? talk.server : talk.client
      expect(talk[refused].failures[0]).toMatchObject({ code: 'dtls.refused', details: { alert } })
      expect(refuses.failures[0]?.details).toMatchObject({ alert })
      expect(talk.server.data).toEqual([])
      expect(talk.client.engine.holdings()).toEqual({ halfOpen: 0, sessions: 0 })
      expect(talk.server.engine.holdings()).toEqual({ halfOpen: 0, sessions: 0 })
      // What waited was told of.
      expect(talk.client.outputs.find(({ kind }) => kind === 'failed')).toMatchObject({ unsent: 1 })
    })
  }

  it('by a client that has neither a key nor a judge', async () => {
    const talk = line({ ...withCertificates, client: {} })
    await talk.greet()
    expect(talk.client.failures[0]).toMatchObject({ code: 'dtls.handshake-failed', details: { alert: 'insufficient_security' } })
  })

  it('after a time where nobody answers, with the flights at doubling distances (RFC 6347 §4.2.4.1)', async () => {
    const talk = line({ ...withCertificates, server: withCertificates.server ?? {} })
    talk.fate = () => 'drop'
    talk.client.engine.send(SERVER, utf8('ping'))
    await talk.clock.advance(61_000)
    expect(talk.client.failures[0]?.code).toBe('dtls.timeout')
    expect(talk.sent.map(({ atMs }) => atMs)).toEqual([0, 1000, 3000, 7000, 15_000, 31_000])
    expect(talk.clock.pendingTimers).toBeLessThanOrEqual(1)
  })
})
