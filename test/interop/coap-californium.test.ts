// Our endpoint against Californium, both directions. GROUPWRIGHT_CALIFORNIUM_JARS names a folder with its jars; a JDK compiles the peer.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { describeWithPeer, run, startReady } from '../support/peers.ts'
import { text } from './our-server.ts'
import { casesOfTheirClient, casesOfTheirServer } from './peer-cases.ts'

const jars = process.env.GROUPWRIGHT_CALIFORNIUM_JARS ?? ''
const JAVA = [jars === '' ? 'Java with Californium (GROUPWRIGHT_CALIFORNIUM_JARS)' : 'java']

let classes = ''
/** A small heap and no optimising compiler: these programs live for a second. */
const args = (...more: string[]): string[] => ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*:${classes}`, 'Peer', ...more]

beforeAll(async () => {
  if (jars === '') return
  classes = await mkdtemp(join(tmpdir(), 'californium-'))
  const { exitCode, stderr } = await run(
    'javac',
    ['-cp', `${jars}/*`, '-d', classes, join(import.meta.dirname, 'californium/Peer.java')],
    60_000,
  )
  if (exitCode !== 0) throw new Error(`javac failed: ${stderr}`)
})
afterAll(() => (classes === '' ? undefined : rm(classes, { recursive: true })))

describeWithPeer('Californium client against our server', JAVA, (java) =>
  casesOfTheirClient({
    cancels: true,
    ask: async (method, target, bodyFile) => {
      const body = bodyFile === undefined ? [] : [bodyFile]
      const { stdout, stderr } = await run(java, args('client', method, target, ...body), 60_000)
      return { code: stderr.trim(), payload: stdout }
    },
    observe: async (target, count) => {
      const { stdout } = await run(java, args('observe', target, String(count)), 60_000)
      return text(stdout).trim().split('\n')
    },
  }),
)

describeWithPeer('our client against Californium server', JAVA, (java) =>
  casesOfTheirServer((address, port) => startReady(java, args('server', address, String(port)))),
)
