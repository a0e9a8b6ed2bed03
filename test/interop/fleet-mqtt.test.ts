// Pushes to Mosquitto, over TLS, in MQTT 3.1.1 and 5.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connectAsync } from 'mqtt'
import { expect, onTestFinished, test } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { chainPem, keyPem } from '../masa/pki.ts'
import { describeWithPeer } from '../support/peers.ts'
import { temporaryFolder } from '../support/site-file.ts'
import { addTarget, makePki, mqttSettings, parcelOf, pushBench, rootPem } from './fleet-bench.ts'

const pki = makePki()
const pinned = { anchors: rootPem(pki) }
const WAIT_MS = 30_000

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Lets `installer` write below `open`, and others nothing. */
async function broker(program: string): Promise<string> {
  const folder = temporaryFolder()
  const port = await freePort()
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  mkdirSync(join(folder, 'data'))
  const config = file(
    'mosquitto.conf',
    [
      `listener ${port} 127.0.0.1`,
      `cafile ${file('root.pem', rootPem(pki))}`,
      `certfile ${file('server.pem', chainPem(pki.server.chain.slice(0, 1)))}`,
      `keyfile ${file('server.key', keyPem(pki.server.key))}`,
      // Started as root it would change to a user that cannot read these files.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      'allow_anonymous true',
      `acl_file ${file('acl', 'topic readwrite open/#\ntopic write dropped/#\n\nuser ditto\ntopic readwrite ditto/#\n')}`,
      'max_inflight_messages 100',
    ].join('\n'),
  )
  const child = spawn(program, ['-c', config], { stdio: 'ignore' })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const end = Date.now() + WAIT_MS
  while (!(await answers(port))) {
    if (Date.now() > end) throw new Error('Mosquitto does not listen')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return `mqtts://localhost:${port}`
}

/** What another client finds retained. */
async function retainedAt(url: string, filter: string, count: number): Promise<Map<string, string>> {
  const client = await connectAsync(url, { ca: rootPem(pki), reconnectPeriod: 0 })
  const found = new Map<string, string>()
  const all = new Promise<void>((resolve) => {
    client.on('message', (topic, payload) => {
      found.set(topic, payload.toString())
      if (found.size === count) resolve()
    })
  })
  await client.subscribeAsync(filter, { qos: 1 })
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, 10_000))])
  await client.endAsync(true)
  return found
}

describeWithPeer('pushes to Mosquitto', ['mosquitto', '/usr/sbin/mosquitto'], (program) => {
  test.each([4, 5] as const)(
    'are retained, read back, and sent once, in version %i of the protocol',
    async (version) => {
      const url = await broker(program)
      const bench = pushBench()
      const id = addTarget(bench, mqttSettings(url, { ...pinned, version, topic: 'open/gw', content: 'td' }))
      const parcels = Array.from({ length: 20 }, (_, index) => parcelOf(`site-1/urn:dev:${index}`, `{"id":${index}}`))
      expect((await bench.push(id, parcels)).map(({ state }) => state)).toEqual(Array(20).fill('ok'))
      const there = await retainedAt(url, 'open/gw/#', 20)
      expect(there).toEqual(new Map(parcels.map(({ name, bytes }) => [`open/gw/${name}`, new TextDecoder().decode(bytes)])))
      expect((await bench.push(id, parcels)).map(({ state }) => state)).toEqual(Array(20).fill('skipped'))
    },
    60_000,
  )

  test('that the broker takes and drops by a rule of its own are not called confirmed', async () => {
    const url = await broker(program)
    const bench = pushBench()
    // Version 3.1.1 has no way to say that a message was not allowed.
    const id = addTarget(bench, mqttSettings(url, { ...pinned, version: 4, topic: 'forbidden' }))
    expect((await bench.push(id, [parcelOf('site-1/site', '{}')]))[0]).toMatchObject({
      state: 'warning',
      failure: { code: 'push.unverified' },
    })
    const five = pushBench()
    const id5 = addTarget(five, mqttSettings(url, { ...pinned, version: 5, topic: 'forbidden' }))
    const [item] = await five.push(id5, [parcelOf('site-1/site', '{}')])
    expect(item).toMatchObject({ state: 'failed', failure: { code: 'push.refused' } })
  }, 60_000)

  test('look at the bundle that is there before they put their own in its place', async () => {
    const url = await broker(program)
    const seen: string[] = []
    const compare = (text: string): Promise<void> => {
      seen.push(text)
      return text.includes('newer')
        ? Promise.reject(new AppError('site.taken-over', 'Another program writes to this site'))
        : Promise.resolve()
    }
    const bench = pushBench({ compare })
    const id = addTarget(bench, mqttSettings(url, { ...pinned, topic: 'open/gw' }))
    expect((await bench.push(id, [parcelOf('site-1/bundle', '{"mine":1}')]))[0]?.state).toBe('ok')
    const client = await connectAsync(url, { ca: rootPem(pki), reconnectPeriod: 0 })
    await client.publishAsync('open/gw/site-1/bundle', '{"newer":true}', { retain: true, qos: 1 })
    await client.endAsync()
    const [item] = await bench.push(id, [parcelOf('site-1/bundle', '{"mine":2}')])
    expect(item).toMatchObject({ state: 'failed', failure: { code: 'site.taken-over' } })
    expect(seen).toEqual(['{"newer":true}'])
    expect((await retainedAt(url, 'open/gw/site-1/bundle', 1)).get('open/gw/site-1/bundle')).toBe('{"newer":true}')
  }, 60_000)

  test('of Ditto messages go to the one topic that its connection reads', async () => {
    const url = await broker(program)
    const listener = await connectAsync(url, { ca: rootPem(pki), reconnectPeriod: 0 })
    onTestFinished(() => {
      listener.end(true)
    })
    const heard: string[] = []
    listener.on('message', (_topic, payload) => heard.push(payload.toString()))
    await listener.subscribeAsync('open/ditto', { qos: 1 })
    const bench = pushBench()
    const id = addTarget(bench, mqttSettings(url, { ...pinned, topic: 'open/ditto', content: 'ditto', retain: false }))
    const parcels = ['{"topic":"a"}', '{"topic":"b"}'].map((text, index) => parcelOf(`m/${index}`, text))
    expect((await bench.push(id, parcels)).map(({ state }) => state)).toEqual(['warning', 'warning'])
    await expect.poll(() => heard.toSorted(), { timeout: WAIT_MS, interval: 250 }).toEqual(['{"topic":"a"}', '{"topic":"b"}'])
  }, 60_000)

  test('go to nobody who cannot prove to be the broker', async () => {
    const url = await broker(program)
    const bench = pushBench()
    const test = (change: object): Promise<string> =>
      bench.pushes.test({ ...mqttSettings(url, pinned), ...change }, {}).then(
        () => 'done',
        (thrown: unknown) => (thrown instanceof AppError ? thrown.code : String(thrown)),
      )
    expect(await test({})).toBe('done')
    expect(await test({ anchors: null })).toBe('push.untrusted')
    expect(await test({ anchors: rootPem(makePki()) })).toBe('push.untrusted')
    expect(await test({ url: 'mqtts://localhost:9' })).toBe('push.unreachable')
  }, 60_000)
})
