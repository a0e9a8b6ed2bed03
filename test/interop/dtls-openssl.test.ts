// DTLS 1.2 with OpenSSL's s_client and s_server.
import { expect, it, onTestFinished } from 'vitest'
import { utf8, type SocketAddress } from '#main/base/index.ts'
import type { DtlsClientSettings, SuiteName } from '#main/wire/dtls/index.ts'
import { describeWithPeer } from '../support/peers.ts'
import { certificateCredential, judge, vectorPath } from '../wire/dtls/pki.ts'
import {
  eventually,
  LOOPBACK,
  openOurEnd,
  PSK,
  PSK_HEX,
  PSK_IDENTITY,
  serverSettings,
  talkTo,
  type OurDtlsEnd,
  type TalkingPeer,
} from './dtls-ends.ts'
import { freePort } from './our-server.ts'

const SUITES: ReadonlyArray<readonly [SuiteName, string]> = [
  ['ECDHE_ECDSA_WITH_AES_128_CCM_8', 'ECDHE-ECDSA-AES128-CCM8'],
  ['ECDHE_ECDSA_WITH_AES_128_CCM', 'ECDHE-ECDSA-AES128-CCM'],
  ['ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['PSK_WITH_AES_128_CCM_8', 'PSK-AES128-CCM8'],
  ['PSK_WITH_AES_128_GCM_SHA256', 'PSK-AES128-GCM-SHA256'],
]

function ciphers(name: string): readonly string[] {
  return ['-cipher', `${name}:@SECLEVEL=0`]
}

function credentials(name: 'client' | 'expired' | 'foreign' | 'server'): readonly string[] {
  const chain = name === 'foreign' ? [] : ['-cert_chain', vectorPath('issuing.cert.pem')]
  return ['-cert', vectorPath(`${name}.cert.pem`), '-key', vectorPath(`${name}.key.pem`), ...chain]
}

describeWithPeer('openssl s_client at our server', ['openssl'], (openssl) => {
  const connect = (ours: OurDtlsEnd, args: readonly string[]): TalkingPeer => {
    const at = `${LOOPBACK}:${ours.at.port}`
    const peer = talkTo(openssl, [
      's_client',
      '-dtls1_2',
      '-nbio',
      '-brief',
      '-connect',
      at,
      '-CAfile',
      vectorPath('root.cert.pem'),
      '-verify_return_error',
      ...args,
    ])
    onTestFinished(async () => {
      await peer.stop()
      await ours.close()
    })
    return peer
  }

  for (const [suite, cipher] of SUITES) {
    it(`talks by ${suite}`, async () => {
      const ours = await openOurEnd({ server: serverSettings() })
      const psk = cipher.startsWith('PSK') ? ['-psk', PSK_HEX, '-psk_identity', PSK_IDENTITY] : []
      const peer = connect(ours, [...ciphers(cipher), ...psk])
      expect(await peer.heard(/CONNECTION ESTABLISHED/), peer.output()).toBe(true)
      peer.say('ping by openssl\n')
      expect(await peer.heard(/^ping by openssl$/m), peer.output()).toBe(true)
      expect(ours.sessions[0]).toMatchObject({ suite, extendedMasterSecret: true })
    })
  }

  for (const group of ['P-256', 'X25519'] as const) {
    it(`talks on ${group}, with a client certificate and its chain`, async () => {
      const ours = await openOurEnd({ server: serverSettings({ clientCertificates: 'required', groups: [group] }) })
      const peer = connect(ours, [...ciphers('ECDHE-ECDSA-AES128-CCM8'), ...credentials('client'), '-curves', 'P-256:X25519'])
      expect(await peer.heard(/CONNECTION ESTABLISHED/), peer.output()).toBe(true)
      expect(await eventually(() => ours.sessions.length === 1)).toBe(true)
      expect(ours.sessions[0]).toMatchObject({ group, identity: { scheme: 'dtls-certificate' } })
      expect(ours.sessions[0]?.identity?.certificates).toHaveLength(2)
    })
  }

  for (const mtu of ['256', '512', '1400']) {
    it(`puts together what comes in pieces: MTU ${mtu}`, async () => {
      const ours = await openOurEnd({ server: serverSettings({ clientCertificates: 'required' }) })
      const peer = connect(ours, [...ciphers('ECDHE-ECDSA-AES128-CCM8'), ...credentials('client'), '-mtu', mtu])
      expect(await peer.heard(/CONNECTION ESTABLISHED/), peer.output()).toBe(true)
      peer.say('in pieces\n')
      expect(await peer.heard(/^in pieces$/m), peer.output()).toBe(true)
    })
  }

  it('keeps to the client’s max_fragment_length', async () => {
    const ours = await openOurEnd({ server: serverSettings() })
    const peer = connect(ours, [...ciphers('ECDHE-ECDSA-AES128-CCM8'), '-maxfraglen', '512'])
    expect(await peer.heard(/CONNECTION ESTABLISHED/), peer.output()).toBe(true)
    expect(await eventually(() => ours.sessions[0]?.maxFragmentBytes === 512)).toBe(true)
  })

  it('goes on where a fifth of our datagrams is lost', async () => {
    const ours = await openOurEnd({ server: serverSettings({ clientCertificates: 'required' }) }, { loss: 0.2 })
    const peer = connect(ours, [...ciphers('ECDHE-ECDSA-AES128-CCM8'), ...credentials('client')])
    expect(await peer.heard(/CONNECTION ESTABLISHED/, 40_000), peer.output()).toBe(true)
  })

  const refusals = [
    ['an expired certificate', credentials('expired'), /alert certificate expired/i],
    ['a certificate of a foreign root', credentials('foreign'), /alert unknown ca/i],
    ['no certificate', [], /alert handshake failure/i],
  ] as const
  for (const [title, args, alert] of refusals) {
    it(`refuses ${title}, and openssl understands why`, async () => {
      const ours = await openOurEnd({ server: serverSettings({ clientCertificates: 'required' }) })
      const peer = connect(ours, [...ciphers('ECDHE-ECDSA-AES128-CCM8'), ...args])
      expect(await peer.heard(alert), peer.output()).toBe(true)
      expect(ours.failures[0]?.code).toBe('dtls.peer-untrusted')
      expect(ours.sessions).toEqual([])
    })
  }

  it('refuses a wrong pre-shared key and DTLS 1.0', async () => {
    const ours = await openOurEnd({ server: serverSettings() })
    const wrong = connect(ours, [...ciphers('PSK-AES128-CCM8'), '-psk', '00112233', '-psk_identity', PSK_IDENTITY])
    expect(await wrong.heard(/alert decrypt error/i), wrong.output()).toBe(true)
    const old = talkTo(openssl, ['s_client', '-dtls1', '-nbio', '-connect', `${LOOPBACK}:${ours.at.port}`, '-cipher', 'ALL:@SECLEVEL=0'])
    onTestFinished(() => old.stop())
    expect(await old.heard(/alert protocol version/i), old.output()).toBe(true)
  })
})

describeWithPeer('our client at openssl s_server', ['openssl'], (openssl) => {
  const serve = async (args: readonly string[]): Promise<{ readonly peer: TalkingPeer; readonly to: SocketAddress }> => {
    const port = await freePort(LOOPBACK)
    const peer = talkTo(openssl, [
      's_server',
      '-dtls1_2',
      '-accept',
      `${LOOPBACK}:${port}`,
      '-CAfile',
      vectorPath('root.cert.pem'),
      '-brief',
      ...args,
    ])
    onTestFinished(() => peer.stop())
    // It says nothing in brief mode before somebody comes.
    await new Promise((resolve) => setTimeout(resolve, 400))
    return { peer, to: { address: LOOPBACK, port } }
  }
  const open = async (client: DtlsClientSettings): Promise<OurDtlsEnd> => {
    const ours = await openOurEnd({ client })
    onTestFinished(() => ours.close())
    return ours
  }
  const byCertificate: DtlsClientSettings = { verifyPeer: judge, credential: certificateCredential('client'), serverName: 'localhost' }

  for (const [suite, cipher] of SUITES) {
    it(`talks by ${suite}`, async () => {
      const isPsk = cipher.startsWith('PSK')
      const psk = isPsk ? ['-nocert', '-psk', PSK_HEX, '-psk_identity', PSK_IDENTITY, '-psk_hint', 'a hint'] : credentials('server')
      const { peer, to } = await serve([...ciphers(cipher), ...psk, '-listen'])
      const ours = await open({ ...(isPsk ? { psk: { identity: utf8(PSK_IDENTITY), key: PSK } } : byCertificate), suites: [suite] })
      ours.channel.send(utf8('hello openssl\n'), to)
      expect(await peer.heard(/^hello openssl$/m), peer.output()).toBe(true)
      peer.say('hello ours\n')
      expect(await eventually(() => ours.data.includes('hello ours'))).toBe(true)
      expect(ours.sessions[0]).toMatchObject({ suite, extendedMasterSecret: true, connectionIds: false })
    })
  }

  it('shows its certificate with its chain, in datagrams of 256 bytes', async () => {
    const { peer, to } = await serve([
      ...ciphers('ECDHE-ECDSA-AES128-CCM8'),
      ...credentials('server'),
      '-Verify',
      '3',
      '-verify_return_error',
      '-mtu',
      '256',
    ])
    const ours = await open({ ...byCertificate, maxFragmentBytes: 512 })
    ours.channel.send(utf8('who am I\n'), to)
    expect(await peer.heard(/^who am I$/m), peer.output()).toBe(true)
    expect(peer.output()).toMatch(/CN = client|CN=client/)
    expect(ours.sessions[0]?.identity?.certificates).toHaveLength(2)
  })

  it('is refused with an expired certificate, and says why', async () => {
    const { to } = await serve([...ciphers('ECDHE-ECDSA-AES128-CCM8'), ...credentials('server'), '-Verify', '3', '-verify_return_error'])
    const ours = await open({ ...byCertificate, credential: certificateCredential('expired') })
    ours.channel.send(utf8('x'), to)
    expect(await eventually(() => ours.failures.length > 0)).toBe(true)
    expect(ours.failures[0]).toMatchObject({ code: 'dtls.refused', details: { alert: 'certificate_expired' } })
  })

  it('refuses a server of a foreign root, and openssl understands why', async () => {
    const { peer, to } = await serve([...ciphers('ECDHE-ECDSA-AES128-CCM8'), ...credentials('foreign')])
    const ours = await open(byCertificate)
    ours.channel.send(utf8('x'), to)
    expect(await eventually(() => ours.failures.length > 0)).toBe(true)
    expect(ours.failures[0]).toMatchObject({ code: 'dtls.peer-untrusted', details: { alert: 'unknown_ca' } })
    expect(await peer.heard(/alert unknown ca/i), peer.output()).toBe(true)
  })
})
