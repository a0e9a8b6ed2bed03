// Our OSCORE and Group OSCORE against aiocoap's, both ways, in every mode that it has. GROUPWRIGHT_AIOCOAP_PYTHON names an interpreter that
// has aiocoap with its OSCORE extras (cbor2, cryptography, filelock, ge25519).
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemRandom, toHex, utf8, type SocketAddress } from '#main/base/index.ts'
import { describeWithPeer, run, startReady, type RunningPeer } from '../support/peers.ts'
import { endOf, groupSpec, hex, LARGE, unicastSpec, type OurEnd, type PeerSpec } from './oscore-ends.ts'
import { freePort, text } from './our-server.ts'

const PYTHON = [process.env.GROUPWRIGHT_AIOCOAP_PYTHON ?? 'a Python with aiocoap (GROUPWRIGHT_AIOCOAP_PYTHON)']

const CASES: ReadonlyArray<readonly [string, PeerSpec]> = [
  ['OSCORE', unicastSpec()],
  ['OSCORE with ID Context and AES-GCM', unicastSpec({ idContext: '37cbf3210017a2d3', aead: 1, hkdf: 7 })],
  ['OSCORE, the server having lost its window', unicastSpec({ windowLost: true })],
  ['group mode, EdDSA', groupSpec('Ed25519', { mode: 'group', answers: 'group' })],
  ['group mode, EdDSA, answers in pairwise mode', groupSpec('Ed25519', { mode: 'group' })],
  ['group mode, ES256', groupSpec('P-256', { mode: 'group', answers: 'group' })],
  ['group mode, Ed25519 by number -19', groupSpec('Ed25519', { mode: 'group', answers: 'group', signature: -19 })],
  ['pairwise mode, EdDSA', groupSpec('Ed25519', { mode: 'pairwise' })],
  ['pairwise mode, ES256', groupSpec('P-256', { mode: 'pairwise' })],
  ['group mode, ChaCha20-Poly1305 over CCM', groupSpec('Ed25519', { mode: 'group', answers: 'group', groupEncryption: 24 })],
]

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oscore-interop-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function specFile(spec: PeerSpec): Promise<string> {
  const path = join(folder, `${toHex(systemRandom.bytes(8))}.json`)
  await writeFile(path, JSON.stringify(spec))
  return path
}

describeWithPeer('our client against aiocoap’s server', PYTHON, (python) =>
  describe.each(CASES)('%s', (_name, spec) => {
    let server: RunningPeer
    let client: OurEnd
    let at: SocketAddress
    beforeAll(async () => {
      const port = await freePort('::1')
      at = { address: '::1', port }
      server = await startReady(python, [join(import.meta.dirname, 'aiocoap/oscore_server.py'), '::1', String(port), await specFile(spec)])
      client = await endOf(spec, 'client')
    })
    afterAll(async () => {
      await client.close()
      await server.stop()
    })

    it('GET, POST, an error, and a body in blocks', async () => {
      const { endpoint, security } = client
      const hello = await endpoint.request(at, { method: 'GET', path: ['hello'], security })
      expect(text(hello.payload)).toBe('hello from aiocoap')
      expect(hello.peer).toMatchObject(
        spec.kind === 'oscore' ? { scheme: 'oscore' } : { scheme: 'group-oscore', senderId: hex(spec.server) },
      )
      const reversed = await endpoint.request(at, { method: 'POST', path: ['reverse'], payload: utf8('abc'), security })
      expect(reversed).toMatchObject({ code: '2.04', payload: utf8('cba') })
      expect((await endpoint.request(at, { method: 'GET', path: ['nowhere'], security })).code).toBe('4.04')
      expect((await endpoint.request(at, { method: 'GET', path: ['large'], security })).payload).toEqual(LARGE)
      const posted = await endpoint.request(at, { method: 'POST', path: ['reverse'], payload: LARGE, security })
      expect(posted.payload).toEqual(LARGE.slice().reverse())
    })

    it('Observe', async () => {
      const heard: string[] = []
      for await (const { payload, peer } of client.endpoint.observe(at, { method: 'GET', path: ['counter'], security: client.security })) {
        expect(peer).toBeDefined()
        heard.push(text(payload))
        if (heard.length === 3) break
      }
      expect(heard.map(Number)).toEqual([Number(heard[0]), Number(heard[0]) + 1, Number(heard[0]) + 2])
    })
  }),
)

describeWithPeer('aiocoap’s client against our server', PYTHON, (python) =>
  it.each(CASES)('%s: GET, POST, an error, bodies in blocks, Observe', async (_name, spec) => {
    const server = await endOf(spec, 'server')
    const ticking = setInterval(() => server.change(), 300)
    try {
      const args = [
        join(import.meta.dirname, 'aiocoap/oscore_client.py'),
        String(server.at.port),
        await specFile({ ...spec, windowLost: false }),
      ]
      const { stdout, stderr, exitCode } = await run(python, args, 60_000)
      expect(exitCode, stderr).toBe(0)
      const answers = text(stdout)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { name: string; code: string; payload: string })
      const of = (name: string) => answers.filter((answer) => answer.name === name)
      expect(of('hello')).toEqual([{ name: 'hello', code: '2.05', payload: toHex(utf8('hello from here')) }])
      expect(server.seen[0]).toMatchObject({ query: ['who=aiocoap'], peer: { scheme: spec.kind === 'oscore' ? 'oscore' : 'group-oscore' } })
      expect(of('reverse')[0]).toMatchObject({ code: '2.04', payload: toHex(utf8('fedcba')) })
      expect(of('missing')[0]).toMatchObject({ code: '4.04' })
      if (spec.mode !== 'group') {
        expect(of('large')[0]?.payload).toBe(toHex(LARGE.slice(0, 3000).reverse()))
        expect(of('fetched')[0]?.payload).toBe(toHex(LARGE))
      }
      expect(of('observed').length).toBeGreaterThanOrEqual(3)
    } finally {
      clearInterval(ticking)
      await server.close()
    }
  }),
)
