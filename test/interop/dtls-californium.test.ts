// DTLS with Californium's Scandium: connection ids across a change of address (RFC 9146), raw public keys (RFC 7250), certificates, PSK.
// GROUPWRIGHT_CALIFORNIUM_JARS names a folder with its jars; a JDK compiles the peer.
import { createSocket, type Socket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { utf8, type SocketAddress } from '#main/base/index.ts'
import type { DtlsClientSettings } from '#main/wire/dtls/index.ts'
import { describeWithPeer, run, startReady } from '../support/peers.ts'
import { certificateCredential, judge, publicKeyCredential, vectorPath } from '../wire/dtls/pki.ts'
import { eventually, LOOPBACK, openOurEnd, PSK, PSK_IDENTITY, serverSettings, talkTo } from './dtls-ends.ts'
import { freePort } from './our-server.ts'

const jars = process.env.GROUPWRIGHT_CALIFORNIUM_JARS ?? ''
const JAVA = [jars === '' ? 'Java with Californium (GROUPWRIGHT_CALIFORNIUM_JARS)' : 'java']
let folder = ''

const args = (...more: string[]): string[] => ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*:${folder}`, 'DtlsPeer', ...more]
const keyFile = (name: 'server' | 'client'): string => join(folder, `${name}.pem`)

beforeAll(async () => {
  if (jars === '') return
  folder = await mkdtemp(join(tmpdir(), 'californium-'))
  const source = join(import.meta.dirname, 'californium/DtlsPeer.java')
  const { exitCode, stderr } = await run('javac', ['-cp', `${jars}/*`, '-d', folder, source], 60_000)
  if (exitCode !== 0) throw new Error(`javac failed: ${stderr}`)
  for (const name of ['server', 'client'] as const)
    await writeFile(
      keyFile(name),
      readFileSync(vectorPath(`${name}.key.pem`), 'utf8') + readFileSync(vectorPath(`${name}.chain.pem`), 'utf8'),
    )
})
afterAll(() => (folder === '' ? undefined : rm(folder, { recursive: true })))

const MODES = ['psk', 'x509', 'rpk'] as const
const SCHEMES = { psk: 'dtls-psk', x509: 'dtls-certificate', rpk: 'dtls-public-key' } as const

interface Relay {
  readonly at: SocketAddress
  /** From now on it sends from another port. */
  move(): Promise<void>
}

/** Stands between a client and a server like a NAT. */
async function openRelay(to: SocketAddress): Promise<Relay> {
  const inner = await bound()
  let client: SocketAddress = to
  const outer = async (): Promise<Socket> => {
    const socket = await bound()
    socket.on('message', (bytes) => inner.send(bytes, client.port, client.address))
    return socket
  }
  let current = await outer()
  inner.on('message', (bytes, { address, port }) => {
    client = { address, port }
    current.send(bytes, to.port, to.address)
  })
  return {
    at: { address: LOOPBACK, port: inner.address().port },
    move: async () => {
      current = await outer()
    },
  }
}

function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  onTestFinished(() => {
    socket.close()
  })
  return new Promise((resolve) => socket.bind(0, LOOPBACK, () => resolve(socket)))
}

describeWithPeer('Californium at our server', JAVA, (java) => {
  for (const mode of MODES) {
    it(`by ${mode}, goes on from another address by its connection id`, async () => {
      const settings = { clientCertificates: 'required', acceptsRawPublicKeys: true } as const
      const credential = mode === 'rpk' ? publicKeyCredential('server') : certificateCredential('server')
      const moved: string[] = []
      const ours = await openOurEnd({
        server: serverSettings({ ...settings, credential }),
        onEvent: (event) => {
          if (event.kind === 'moved') moved.push(event.peer.key)
        },
      })
      const relay = await openRelay(ours.at)
      const peer = talkTo(java, args('client', LOOPBACK, String(relay.at.port), mode, keyFile('client'), vectorPath('root.cert.pem')))
      onTestFinished(async () => {
        await peer.stop()
        await ours.close()
      })
      expect(await peer.heard(/^echo from here$/m, 20_000), peer.output()).toBe(true)
      expect(ours.sessions[0]).toMatchObject({ connectionIds: true, extendedMasterSecret: true, identity: { scheme: SCHEMES[mode] } })
      await relay.move()
      peer.say('\n')
      expect(await peer.heard(/^echo from there$/m, 20_000), peer.output()).toBe(true)
      expect(moved).toHaveLength(1)
      expect(ours.sessions).toHaveLength(1)
    })
  }
})

describeWithPeer('our client at Californium', JAVA, (java) => {
  for (const mode of MODES) {
    it(`by ${mode}, goes on from another address by its connection id`, async () => {
      const port = await freePort(LOOPBACK)
      const peer = await startReady(java, args('server', LOOPBACK, String(port), mode, keyFile('server'), vectorPath('root.cert.pem')))
      const settings: Readonly<Record<typeof mode, DtlsClientSettings>> = {
        psk: { psk: { identity: utf8(PSK_IDENTITY), key: PSK } },
        x509: { verifyPeer: judge, credential: certificateCredential('client') },
        rpk: { verifyPeer: judge, credential: publicKeyCredential('client'), acceptsRawPublicKeys: true },
      }
      const ours = await openOurEnd({ client: settings[mode] })
      onTestFinished(async () => {
        await ours.close()
        await peer.stop()
      })
      const relay = await openRelay({ address: LOOPBACK, port })
      ours.channel.send(utf8('from here'), relay.at)
      expect(await eventually(() => ours.data.includes('from here'), 20_000), ours.failures[0]?.message).toBe(true)
      await relay.move()
      ours.channel.send(utf8('from there'), relay.at)
      expect(await eventually(() => ours.data.includes('from there'))).toBe(true)
      expect(ours.sessions).toHaveLength(1)
      expect(ours.sessions[0]).toMatchObject({ connectionIds: true, identity: { scheme: SCHEMES[mode] } })
    })
  }
})
