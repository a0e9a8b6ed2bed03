// OSCORE between our two ends through a proxy made of Californium, which has no keys and cuts what it forwards into outer blocks
// (RFC 8613 §4.1.3.4.2). GROUPWRIGHT_CALIFORNIUM_JARS names a folder with its jars; a JDK compiles the proxy.
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { decodeMessage, findBlock, OptionNumber, stringOption } from '#main/wire/coap/index.ts'
import { describeWithPeer, run, startReady } from '../support/peers.ts'
import { endOf, groupSpec, LARGE, unicastSpec, type PeerSpec } from './oscore-ends.ts'
import { freePort } from './our-server.ts'

const jars = process.env.GROUPWRIGHT_CALIFORNIUM_JARS ?? ''
const hasCore = jars !== '' && existsSync(jars) && readdirSync(jars).some((name) => name.startsWith('californium-core'))
const JAVA = [hasCore ? 'java' : 'Java with Californium (GROUPWRIGHT_CALIFORNIUM_JARS)']
const BLOCK_BYTES = 64

let classes = ''
beforeAll(async () => {
  if (!hasCore) return
  classes = await mkdtemp(join(tmpdir(), 'californium-proxy-'))
  const source = join(import.meta.dirname, 'californium/CuttingProxy.java')
  const { exitCode, stderr } = await run('javac', ['-cp', `${jars}/*`, '-d', classes, source], 120_000)
  if (exitCode !== 0) throw new Error(`javac failed: ${stderr}`)
}, 150_000)
afterAll(() => (classes === '' ? undefined : rm(classes, { recursive: true })))

const CASES: ReadonlyArray<readonly [string, PeerSpec]> = [
  ['OSCORE', unicastSpec()],
  ['pairwise mode', groupSpec('Ed25519', { mode: 'pairwise' })],
]

describeWithPeer('through a Californium that cuts', JAVA, () => {
  it.each(CASES)('%s: bodies of requests and responses arrive whole', { timeout: 120_000 }, async (_name, spec) => {
    const server = await endOf(spec, 'server')
    const client = await endOf(spec, 'client')
    const port = await freePort('::1')
    const args = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*:${classes}`, 'CuttingProxy']
    const proxy = await startReady('java', [...args, '::1', String(port), String(server.at.port), String(BLOCK_BYTES)], 60_000)
    const numbers = { block1: 0, block2: 0 }
    const largest = (bytes: Uint8Array, option: number): number => {
      const block = findBlock(decodeMessage(bytes).options, option)
      return block === undefined || block === 'invalid' ? 0 : block.num
    }
    client.channel.subscribe((event) => {
      if (event.kind === 'datagram') numbers.block2 = Math.max(numbers.block2, largest(event.datagram.payload, OptionNumber.BLOCK2))
    })
    server.channel.subscribe((event) => {
      if (event.kind === 'datagram') numbers.block1 = Math.max(numbers.block1, largest(event.datagram.payload, OptionNumber.BLOCK1))
    })
    try {
      const at = { address: '::1', port }
      const options = [stringOption(OptionNumber.PROXY_SCHEME, 'coap')]
      const { endpoint, security } = client
      const large = await endpoint.request(at, { method: 'GET', path: ['large'], options, security })
      expect(large.payload).toEqual(LARGE)
      expect(large.peer).toBeDefined()
      const posted = await endpoint.request(at, { method: 'POST', path: ['reverse'], payload: LARGE, options, security })
      expect(posted.payload).toEqual(LARGE.slice().reverse())
      // Inner blocks of 512 bytes take eight outer ones and a part of a ninth, in each direction.
      expect(numbers.block2).toBeGreaterThanOrEqual(8)
      expect(numbers.block1).toBeGreaterThanOrEqual(8)
    } finally {
      await client.close()
      await server.close()
      await proxy.stop()
    }
  })
})
