// Our OSCORE against Californium's, both ways, with the renewal of contexts (RFC 8613 Appendix B.2) where Californium has it.
// GROUPWRIGHT_CALIFORNIUM_JARS names a folder with its jars, cf-oscore, cbor and numbers among them; a JDK compiles the peer.
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, systemRandom, toHex, utf8 } from '#main/base/index.ts'
import {
  RenewalClient,
  RenewalServer,
  staleSender,
  UnicastContext,
  volatileSequences,
  type SequenceStore,
} from '#main/wire/oscore/index.ts'
import { describeWithPeer, run, startReady } from '../support/peers.ts'
import { groupJars, groupTests } from './californium-group.ts'
import { endOf, hex, unicastSpec, type PeerSpec } from './oscore-ends.ts'
import { freePort, text, uri } from './our-server.ts'

const jars = process.env.GROUPWRIGHT_CALIFORNIUM_JARS ?? ''
const hasOscore = jars !== '' && existsSync(jars) && readdirSync(jars).some((name) => name.startsWith('cf-oscore'))
const JAVA = [hasOscore ? 'java' : 'Java with Californium and cf-oscore (GROUPWRIGHT_CALIFORNIUM_JARS)']

let classes = ''
const args = (...more: string[]): string[] => ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*:${classes}`, 'OscorePeer', ...more]

beforeAll(async () => {
  if (!hasOscore) return
  classes = await mkdtemp(join(tmpdir(), 'californium-oscore-'))
  const source = join(import.meta.dirname, 'californium/OscorePeer.java')
  const { exitCode, stderr } = await run('javac', ['-cp', `${jars}/*`, '-d', classes, source], 60_000)
  if (exitCode !== 0) throw new Error(`javac failed: ${stderr}`)
})
afterAll(() => (classes === '' ? undefined : rm(classes, { recursive: true })))

function context(spec: PeerSpec, own: 'client' | 'server', renews = false): string {
  const other = own === 'client' ? spec.server : spec.client
  return [spec.masterSecret, spec.masterSalt, spec[own], other, spec.idContext ?? '', ...(renews ? ['renew'] : [])].join(',')
}

const CASES: ReadonlyArray<readonly [string, PeerSpec]> = [
  ['OSCORE', unicastSpec()],
  ['OSCORE with ID Context', unicastSpec({ idContext: '37cbf3210017a2d3' })],
]

function renewalInput(spec: PeerSpec, own: 'client' | 'server'): Parameters<RenewalServer['allow']>[0] {
  const other = own === 'client' ? spec.server : spec.client
  return {
    name: 'californium',
    masterSecret: hex(spec.masterSecret),
    masterSalt: hex(spec.masterSalt),
    senderId: hex(spec[own]),
    recipientId: hex(other),
  }
}

async function theirs(spec: PeerSpec, renews = false): Promise<{ port: number; stop: () => Promise<void> }> {
  const port = await freePort('::1')
  const server = await startReady('java', args('server', '::1', String(port), context(spec, 'server', renews)))
  return { port, stop: () => server.stop() }
}

describeWithPeer('our client against Californium’s server', JAVA, () =>
  describe.each(CASES)('%s', (_name, spec) => {
    it('GET, POST, an error, and Observe', async () => {
      const server = await theirs(spec)
      const ours = await endOf(spec, 'client')
      const { endpoint, security } = ours
      const at = { address: '::1', port: server.port }
      try {
        expect(text((await endpoint.request(at, { method: 'GET', path: ['hello'], security })).payload)).toBe('hello from Californium')
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
  }),
)

describeWithPeer('our client, whose sender state is lost, against Californium’s server', JAVA, () =>
  it('renews the context before it asks (Appendix B.2)', async () => {
    const spec = unicastSpec()
    const server = await theirs(spec, true)
    const ours = await endOf(spec, 'client')
    const fresh = volatileSequences()
    const made = new Set<string>()
    const sequences: SequenceStore = {
      establish: (name) => (made.add(name), fresh.establish(name)),
      reserve: (name, count) => {
        if (!made.has(name)) throw staleSender()
        return fresh.reserve(name, count)
      },
      forget: () => undefined,
    }
    const input = renewalInput(spec, 'client')
    ours.layer.add(new UnicastContext(input, { sequences, received: 'unknown' }))
    const renewals = new RenewalClient({ layer: ours.layer, random: systemRandom, sequences, clock: systemClock })
    renewals.allow(input)
    ours.layer.renewSendersBy(renewals)
    try {
      const security = ours.layer.to('californium')
      const request = { method: 'GET', path: ['hello'], security } as const
      const answer = await ours.endpoint.request({ address: '::1', port: server.port }, request)
      expect(text(answer.payload)).toBe('hello from Californium')
      expect(ours.layer.context('californium')?.idContext).toHaveLength(24)
    } finally {
      await ours.close()
      await server.stop()
    }
  }),
)

describeWithPeer('Californium’s client against our server', JAVA, () => {
  async function asks(spec: PeerSpec, renews = false): Promise<readonly string[]> {
    const server = await endOf(spec, 'server')
    const ticking = setInterval(() => server.change(), 200)
    if (renews) {
      server.layer.remove('aiocoap')
      const renewal = new RenewalServer({ layer: server.layer, random: systemRandom, sequences: volatileSequences(), clock: systemClock })
      renewal.allow(renewalInput(spec, 'server'))
      server.layer.onUnknownContext(renewal)
    }
    try {
      const { stdout, stderr, exitCode } = await run('java', args('client', uri(server.at, ''), context(spec, 'client', renews)), 60_000)
      expect(exitCode, stderr).toBe(0)
      return text(stdout).trim().split('\n')
    } finally {
      clearInterval(ticking)
      await server.close()
    }
  }

  it.each(CASES)('%s: GET, POST, an error, and the registration of an observer', async (_name, spec) => {
    const answers = await asks(spec)
    expect(answers.map((line) => line.toLowerCase())).toEqual(
      expect.arrayContaining([`hello 2.05 ${toHex(utf8('hello from here'))}`, `reverse 2.04 ${toHex(utf8('fedcba'))}`]),
    )
    expect(answers.some((line) => line.startsWith('missing 4.04'))).toBe(true)
    // It orders notifications by the inner Observe option, which is empty (RFC 8613 §4.1.3.5.2), and so takes the first alone.
    expect(answers.filter((line) => line.startsWith('observed 2.05')).length).toBeGreaterThanOrEqual(1)
  })

  it('renews the context that it has lost (Appendix B.2)', async () => {
    const answers = await asks(unicastSpec(), true)
    expect(answers.map((line) => line.toLowerCase())).toContain(`reverse 2.04 ${toHex(utf8('fedcba'))}`)
  })
})

if (groupJars === '')
  console.log('skipped: Group OSCORE with Californium: GROUPWRIGHT_CALIFORNIUM_GROUP_JARS does not name a folder of jars')
else describe('Group OSCORE with Californium', groupTests)
