// CoAP over DTLS (coaps) with libcoap's programs, built on OpenSSL and on GnuTLS: our endpoint runs on the channel as on any other.
import { expect, it, onTestFinished } from 'vitest'
import { silentLogger, systemClock, systemRandom, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import type { DtlsClientSettings, DtlsServerSettings } from '#main/wire/dtls/index.ts'
import { describeWithPeer, run, start } from '../support/peers.ts'
import { certificateCredential, judge, vectorPath } from '../wire/dtls/pki.ts'
import { LOOPBACK, openOurEnd, PSK, PSK_IDENTITY, serverSettings } from './dtls-ends.ts'
import { freePort } from './our-server.ts'

const BIG = utf8('0123456789abcdef'.repeat(300))

async function ourServer(settings: Partial<DtlsServerSettings>): Promise<{ readonly uri: string; readonly seen: string[] }> {
  const ours = await openOurEnd({ server: serverSettings(settings) }, { echoes: false })
  const seen: string[] = []
  const tree = new ResourceTree()
  tree.add('/who', {
    handlers: {
      GET: ({ peer }) => {
        seen.push(peer?.scheme ?? 'nobody')
        return { code: '2.05', payload: utf8(peer?.scheme ?? 'nobody') }
      },
    },
  })
  tree.add('/big', {
    handlers: {
      GET: () => ({ code: '2.05', payload: BIG }),
      POST: ({ payload }) => ({ code: '2.04', payload: utf8(String(payload.length)) }),
    },
  })
  const endpoint = new CoapEndpoint({ channel: ours.channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
  onTestFinished(async () => {
    endpoint.close()
    await ours.close()
  })
  return { uri: `coaps://${LOOPBACK}:${ours.at.port}`, seen }
}

for (const [name, trust] of [
  ['coap-client-openssl', ['-c', vectorPath('client.cert.pem'), '-R', vectorPath('trust.pem')]],
  ['coap-client-gnutls', ['-c', vectorPath('client.chain.pem'), '-R', vectorPath('root.cert.pem')]],
] as const) {
  describeWithPeer(`${name} at our server`, [name], (client) => {
    const byKey = ['-u', PSK_IDENTITY, '-k', utf8ToText(PSK) ?? '']
    const get = async (uri: string, args: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await run(client, ['-m', 'get', '-B', '8', ...args, uri])
      return `${(utf8ToText(stdout) ?? '').trim()}${stderr.trim() === '' ? '' : ` ${stderr}`}`
    }

    it('is known by its pre-shared key', async () => {
      const { uri } = await ourServer({})
      expect(await get(`${uri}/who`, byKey)).toContain('dtls-psk')
    })

    it('is known by its certificate', async () => {
      const { uri } = await ourServer({ clientCertificates: 'required' })
      expect(await get(`${uri}/who`, [...trust, '-j', vectorPath('client.key.pem')])).toContain('dtls-certificate')
    })

    it('gets and posts in blocks', async () => {
      const { uri } = await ourServer({})
      expect(await get(`${uri}/big`, byKey)).toContain(utf8ToText(BIG))
      const posted = await run(client, ['-m', 'post', '-B', '8', '-b', '256', '-e', 'x'.repeat(2000), ...byKey, `${uri}/big`])
      expect(utf8ToText(posted.stdout)).toContain('2000')
    })

    it('gets nothing with a wrong key', async () => {
      const { uri, seen } = await ourServer({})
      await get(`${uri}/who`, ['-u', PSK_IDENTITY, '-k', 'wrong', '-B', '3'])
      expect(seen).toEqual([])
    })
  })
}

for (const name of ['coap-server-openssl', 'coap-server-gnutls']) {
  describeWithPeer(`our client at ${name}`, [name], (server) => {
    const ask = async (client: DtlsClientSettings, args: readonly string[]): Promise<string> => {
      const port = await freePort(LOOPBACK)
      const peer = start(server, ['-A', LOOPBACK, '-p', String(port), ...args])
      const ours = await openOurEnd({ client })
      const endpoint = new CoapEndpoint({ channel: ours.channel, clock: systemClock, random: systemRandom, logger: silentLogger })
      onTestFinished(async () => {
        endpoint.close()
        await ours.close()
        await peer.stop()
      })
      const to: SocketAddress = { address: LOOPBACK, port: port + 1 }
      const { code, payload } = await endpoint.request(to, { method: 'GET', path: ['.well-known', 'core'] })
      return `${code} ${utf8ToText(payload) ?? ''}`
    }

    it('asks by a pre-shared key', async () => {
      expect(await ask({ psk: { identity: utf8(PSK_IDENTITY), key: PSK } }, ['-k', utf8ToText(PSK) ?? '', '-h', 'hint'])).toMatch(
        /^2\.05 .*time/,
      )
    })

    it('asks by certificates', async () => {
      const args = ['-c', vectorPath('server.chain.pem'), '-j', vectorPath('server.key.pem'), '-R', vectorPath('trust.pem')]
      expect(await ask({ verifyPeer: judge, credential: certificateCredential('client') }, args)).toMatch(/^2\.05 .*time/)
    })
  })
}
