// DTLS 1.2 with GnuTLS's gnutls-cli and gnutls-serv.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { toHex, utf8, type SocketAddress } from '#main/base/index.ts'
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
  ['ECDHE_ECDSA_WITH_AES_128_CCM_8', '+ECDHE-ECDSA:+AES-128-CCM-8'],
  ['ECDHE_ECDSA_WITH_AES_128_CCM', '+ECDHE-ECDSA:+AES-128-CCM'],
  ['ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', '+ECDHE-ECDSA:+AES-128-GCM'],
  ['PSK_WITH_AES_128_CCM_8', '+PSK:+AES-128-CCM-8'],
  ['PSK_WITH_AES_128_GCM_SHA256', '+PSK:+AES-128-GCM'],
]

function priority(algorithms: string, group = 'SECP256R1'): readonly string[] {
  const rest = `+AEAD:+GROUP-${group}:+SIGN-ECDSA-SHA256:+COMP-NULL:+CTYPE-X509`
  return ['--priority', `NONE:+VERS-DTLS1.2:${algorithms}:${rest}`]
}

function files(name: 'client' | 'expired'): readonly string[] {
  return ['--x509certfile', vectorPath(`${name}.chain.pem`), '--x509keyfile', vectorPath(`${name}.key.pem`)]
}

describeWithPeer('gnutls-cli at our server', ['gnutls-cli'], (gnutls) => {
  const connect = (ours: OurDtlsEnd, args: readonly string[]): TalkingPeer => {
    const trust = ['--x509cafile', vectorPath('root.cert.pem'), '--sni-hostname', 'localhost', '--verify-hostname', 'localhost']
    const peer = talkTo(gnutls, ['--udp', '-p', String(ours.at.port), ...trust, ...args, LOOPBACK])
    onTestFinished(async () => {
      await peer.stop()
      await ours.close()
    })
    return peer
  }

  for (const [suite, algorithms] of SUITES) {
    it(`talks by ${suite}`, async () => {
      const ours = await openOurEnd({ server: serverSettings() })
      const psk = suite.startsWith('PSK') ? ['--pskusername', PSK_IDENTITY, '--pskkey', PSK_HEX] : []
      const peer = connect(ours, [...priority(algorithms), ...psk])
      expect(await peer.heard(/Handshake was completed/), peer.output()).toBe(true)
      peer.say('ping by gnutls\n')
      expect(await peer.heard(/^ping by gnutls$/m), peer.output()).toBe(true)
      expect(ours.sessions[0]).toMatchObject({ suite, extendedMasterSecret: true })
    })
  }

  it('talks with a client certificate and its chain, on X25519, in datagrams of 300 bytes', async () => {
    const ours = await openOurEnd({ server: serverSettings({ clientCertificates: 'required', groups: ['X25519'] }) })
    const peer = connect(ours, [...priority('+ECDHE-ECDSA:+AES-128-CCM-8', 'X25519:+GROUP-SECP256R1'), ...files('client'), '--mtu', '300'])
    expect(await peer.heard(/Handshake was completed/), peer.output()).toBe(true)
    expect(await eventually(() => ours.sessions.length === 1)).toBe(true)
    expect(ours.sessions[0]).toMatchObject({ group: 'X25519', identity: { scheme: 'dtls-certificate' } })
  })

  it('is refused with an expired certificate, and understands why', async () => {
    const ours = await openOurEnd({ server: serverSettings({ clientCertificates: 'required' }) })
    const peer = connect(ours, [...priority('+ECDHE-ECDSA:+AES-128-CCM-8'), ...files('expired')])
    expect(await peer.heard(/expired/i), peer.output()).toBe(true)
    expect(await eventually(() => ours.failures[0]?.details.alert === 'certificate_expired')).toBe(true)
  })

  it('goes on where a tenth of our datagrams is lost', async () => {
    const ours = await openOurEnd({ server: serverSettings({ clientCertificates: 'required' }) }, { loss: 0.1 })
    const peer = connect(ours, [...priority('+ECDHE-ECDSA:+AES-128-CCM-8'), ...files('client')])
    expect(await peer.heard(/Handshake was completed/, 40_000), peer.output()).toBe(true)
  })
})

describeWithPeer('our client at gnutls-serv', ['gnutls-serv'], (gnutls) => {
  const serve = async (args: readonly string[]): Promise<SocketAddress> => {
    const port = await freePort(LOOPBACK)
    const certificates = ['--x509certfile', vectorPath('server.chain.pem'), '--x509keyfile', vectorPath('server.key.pem')]
    const trust = ['--x509cafile', vectorPath('root.cert.pem')]
    const peer = talkTo(gnutls, ['--udp', '--echo', '-p', String(port), ...certificates, ...trust, ...args])
    onTestFinished(() => peer.stop())
    expect(await peer.heard(/listening on IPv4/), peer.output()).toBe(true)
    return { address: LOOPBACK, port }
  }
  const open = async (client: DtlsClientSettings): Promise<OurDtlsEnd> => {
    const ours = await openOurEnd({ client })
    onTestFinished(() => ours.close())
    return ours
  }
  const byCertificate: DtlsClientSettings = { verifyPeer: judge, credential: certificateCredential('client'), serverName: 'localhost' }

  for (const [suite, algorithms] of SUITES) {
    it(`talks by ${suite}`, async () => {
      const isPsk = suite.startsWith('PSK')
      const folder = mkdtempSync(join(tmpdir(), 'groupwright-psk-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      writeFileSync(join(folder, 'keys'), `${PSK_IDENTITY}:${toHex(PSK)}\n`)
      const to = await serve([...priority(algorithms), ...(isPsk ? ['--pskpasswd', join(folder, 'keys')] : ['--require-client-cert'])])
      const ours = await open({ ...(isPsk ? { psk: { identity: utf8(PSK_IDENTITY), key: PSK } } : byCertificate), suites: [suite] })
      ours.channel.send(utf8('hello gnutls\n'), to)
      expect(await eventually(() => ours.data.includes('hello gnutls')), ours.failures[0]?.message).toBe(true)
      expect(ours.sessions[0]).toMatchObject({ suite, extendedMasterSecret: true })
    })
  }

  it('takes the server’s chain in small pieces', async () => {
    const to = await serve([...priority('+ECDHE-ECDSA:+AES-128-CCM-8'), '--mtu', '300', '--require-client-cert'])
    const ours = await open(byCertificate)
    ours.channel.send(utf8('small pieces\n'), to)
    expect(await eventually(() => ours.data.includes('small pieces')), ours.failures[0]?.message).toBe(true)
    expect(ours.sessions[0]?.identity?.certificates).toHaveLength(2)
  })
})
