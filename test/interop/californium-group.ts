// Our Group OSCORE against the one for Californium, both ways, in both modes. GROUPWRIGHT_CALIFORNIUM_GROUP_JARS names a folder with the
// jars of a Californium that has it, and with what it depends on; a JDK compiles the peer.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { toHex, utf8 } from '#main/base/index.ts'
import { run, startReady } from '../support/peers.ts'
import { endOf, groupSpec, type PeerSpec } from './oscore-ends.ts'
import { freePort, text, uri } from './our-server.ts'

/** Of a Californium that has it; it is on no registry. */
export const groupJars = process.env.GROUPWRIGHT_CALIFORNIUM_GROUP_JARS ?? ''

let classes = ''
const args = (...more: string[]): string[] => [
  '-Xmx256m',
  '-XX:TieredStopAtLevel=1',
  '-cp',
  `${groupJars}/*:${classes}`,
  'GroupPeer',
  ...more,
]

/** As the peer's program takes it; its mode of answering, or the member that it asks, comes behind. */
function group(spec: PeerSpec, own: 'client' | 'server'): string {
  const members = spec.members ?? []
  const self = members.filter(({ senderId }) => senderId === spec[own])
  const others = members.filter(({ senderId }) => senderId !== spec[own])
  return [
    spec.masterSecret,
    spec.masterSalt,
    spec.gid ?? '',
    spec.signature === -7 ? 'ECDSA_256' : 'EDDSA',
    spec.groupManagerCredential ?? '',
    ...self.flatMap(({ senderId, credential, private: key }) => [senderId, credential, key]),
    ...others.flatMap(({ senderId, credential }) => [senderId, credential]),
  ].join(',')
}

const CASES: ReadonlyArray<readonly [string, PeerSpec]> = [
  ['group mode, EdDSA', groupSpec('Ed25519', { mode: 'group', answers: 'group' })],
  ['group mode, EdDSA, answers in pairwise mode', groupSpec('Ed25519', { mode: 'group' })],
  ['group mode, ES256', groupSpec('P-256', { mode: 'group', answers: 'group' })],
  ['pairwise mode, EdDSA', groupSpec('Ed25519', { mode: 'pairwise' })],
  ['pairwise mode, ES256', groupSpec('P-256', { mode: 'pairwise' })],
]

const pairwiseAnswers = (spec: PeerSpec): string[] => (spec.answers === 'group' ? [] : ['pairwise'])

export function groupTests(): void {
  beforeAll(async () => {
    classes = await mkdtemp(join(tmpdir(), 'californium-group-'))
    const source = join(import.meta.dirname, 'californium/GroupPeer.java')
    const { exitCode, stderr } = await run('javac', ['-cp', `${groupJars}/*`, '-d', classes, source], 120_000)
    if (exitCode !== 0) throw new Error(`javac failed: ${stderr}`)
  }, 150_000)
  afterAll(() => (classes === '' ? undefined : rm(classes, { recursive: true })))

  it.each(CASES)('our client against its server: %s: GET, POST, an error, and Observe', { timeout: 90_000 }, async (_name, spec) => {
    const port = await freePort('::1')
    const server = await startReady('java', args('server', '::1', String(port), group(spec, 'server'), ...pairwiseAnswers(spec)), 60_000)
    const ours = await endOf(spec, 'client')
    const { endpoint, security } = ours
    const at = { address: '::1', port }
    try {
      const hello = await endpoint.request(at, { method: 'GET', path: ['hello'], security })
      expect(text(hello.payload)).toBe('hello from Californium')
      expect(hello.peer).toMatchObject({ scheme: 'group-oscore', mode: spec.answers === 'group' ? 'group' : 'pairwise' })
      const reversed = await endpoint.request(at, { method: 'POST', path: ['reverse'], payload: utf8('abc'), security })
      expect(reversed).toMatchObject({ code: '2.04', payload: utf8('cba') })
      expect((await endpoint.request(at, { method: 'GET', path: ['nowhere'], security })).code).toBe('4.04')
      const heard: number[] = []
      for await (const { payload } of endpoint.observe(at, { method: 'GET', path: ['counter'], security })) {
        if (heard.push(Number(text(payload))) === 3) break
      }
      expect(heard).toEqual(heard.toSorted((a, b) => a - b))
    } finally {
      await ours.close()
      await server.stop()
    }
  })

  it.each(CASES)('its client against our server: %s: GET, POST, an error, and an observation', { timeout: 90_000 }, async (_name, spec) => {
    const server = await endOf(spec, 'server')
    const ticking = setInterval(() => server.change(), 300)
    try {
      const target = spec.mode === 'pairwise' ? [spec.server] : []
      const { stdout, stderr, exitCode } = await run('java', args('client', uri(server.at, ''), group(spec, 'client'), ...target), 80_000)
      expect(exitCode, stderr).toBe(0)
      const answers = text(stdout)
        .trim()
        .split('\n')
        .map((line) => line.toLowerCase())
      expect(answers).toEqual(
        expect.arrayContaining([`hello 2.05 ${toHex(utf8('hello from here'))}`, `reverse 2.04 ${toHex(utf8('fedcba'))}`]),
      )
      expect(answers.some((line) => line.startsWith('missing 4.04'))).toBe(true)
      expect(answers.filter((line) => line.startsWith('observed 2.05')).length).toBeGreaterThanOrEqual(1)
      expect(server.seen[0]?.peer).toMatchObject({ scheme: 'group-oscore', mode: spec.mode })
    } finally {
      clearInterval(ticking)
      await server.close()
    }
  })
}
