// kill -9 of an authority while requests go on to another one: before the server can be reached, while it works, when it has answered, while it takes the
// confirmation, and at random. Nothing is lost, nothing is done twice: a device keeps its transaction and polls on, and the server issues one certificate.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import {
  concatBytes,
  exportSigningKey,
  generateSigningKey,
  seededRandom,
  silentLogger,
  systemClock,
  systemRandom,
  toHex,
  type SocketAddress,
} from '#main/base/index.ts'
import { CmpClient, createCoapTransport, type Enrolled, type UpstreamServer } from '#main/services/ra/index.ts'
import { CoapEndpoint } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { Oid } from '../../src-main/services/ra/der/index.ts'
import { readMessage } from '../../src-main/services/ra/cmp/message.ts'
import { createManufacturer, nameOf, openSite, signedBy, type Site } from '../services/ra/harness.ts'
import { temporaryFolder } from '../support/site-file.ts'
import type { UpstreamServerPlan } from './ra-upstream-server.ts'

type Mode = UpstreamServer['mode']

interface Customer {
  readonly site: Site
  readonly url: string
  readonly root: Uint8Array
  down: boolean
  /** The server does what it is asked, and its answer gets lost, once for each kind of message that stands here. */
  readonly swallows: Set<string>
  /** Resolves when that has happened. */
  swallowed: () => Promise<void>
  readonly arrived: string[]
}

const manufacturer = createManufacturer(Date.now())
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

async function customer(ra: Uint8Array, devices: number): Promise<Customer> {
  const site = await openSite({
    clock: systemClock,
    seed: 90,
    ra: { random: systemRandom, manufacturerAnchors: [manufacturer.root.certificate.bytes], trustedRas: [ra] },
    ca: { random: systemRandom },
  })
  const names = Array.from({ length: devices }, (_, index) => `lamp-${index}`)
  await site.desk.preRegister(
    names.map((name) => ({ reference: name, identities: [name] })),
    'test',
  )
  let waiting: Array<() => void> = []
  let count = 0
  const state: Customer = {
    site,
    url: '',
    root: site.ca.active.certificate.bytes,
    down: false,
    swallows: new Set(),
    swallowed: async () => {
      while (count === 0) await new Promise<void>((resolve) => waiting.push(resolve))
      count -= 1
    },
    arrived: [],
  }
  const answer = async (chunks: readonly Uint8Array[], response: ServerResponse): Promise<void> => {
    const request = concatBytes(...chunks)
    const { body } = readMessage(request)
    const inner = body.type === 'nested' ? readMessage(body.messages[0]!).body.type : body.type
    state.arrived.push(inner)
    const { bytes } = await site.authority.handle(request, { source: 'proxy' })
    if (state.swallows.delete(inner)) {
      count += 1
      for (const resolve of waiting.splice(0)) resolve()
      // The connection stays open and silent: whoever asked is to be killed.
      return
    }
    response.writeHead(200, { 'Content-Type': 'application/pkixcmp' })
    response.end(bytes)
  }
  const server = createServer((request, response) => {
    if (state.down) {
      request.socket.destroy()
      return
    }
    const chunks: Uint8Array[] = []
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    request.on('end', () => void answer(chunks, response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    waiting = []
    server.closeAllConnections()
    server.close()
    site.authority.close()
    site.ca.close()
  })
  const address = server.address()
  return Object.assign(state, { url: `http://127.0.0.1:${typeof address === 'object' ? String(address?.port) : ''}/` })
}

interface Proxy {
  kill(): Promise<void>
  start(): Promise<void>
  enrol(index: number, onWaiting?: () => void): Promise<Enrolled>
}

async function proxyTo(at: Customer, mode: Mode, ra: ReturnType<typeof createManufacturer>['root'], devices: number): Promise<Proxy> {
  const plan: UpstreamServerPlan = {
    file: join(temporaryFolder(), 'ra.sqlite'),
    mode,
    url: at.url,
    customer: base64(at.root),
    manufacturer: base64(manufacturer.root.certificate.bytes),
    certificate: base64(ra.certificate.bytes),
    key: base64(exportSigningKey(ra.key)),
    devices,
  }
  const channel = await openUdpChannel({ bindAddress: '::1', port: 0, logger: silentLogger })
  const parameters = { nstart: 16, ackTimeoutMs: 200, maxRetransmit: 3 }
  const endpoint = new CoapEndpoint({ channel, clock: systemClock, random: systemRandom, logger: silentLogger, parameters })
  let server: ChildProcess | undefined
  let ownRoot = new Uint8Array()
  let to: SocketAddress = { address: '::1', port: 0 }
  onTestFinished(async () => {
    server?.kill('SIGKILL')
    endpoint.close()
    await channel.close()
  })
  return {
    async start() {
      const command = [join(import.meta.dirname, 'ra-upstream-server.ts'), JSON.stringify(plan)]
      server = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
      const [line] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string]
      const [port, root = ''] = line.split(' ')
      to = { address: '::1', port: Number(port) }
      ownRoot = new Uint8Array(Buffer.from(root, 'base64'))
    },
    async kill() {
      const exited = once(server!, 'exit')
      server?.kill('SIGKILL')
      await exited
    },
    enrol(index, onWaiting) {
      const client = new CmpClient({
        transport: {
          // A device does not give its transaction up: the same message until there is an answer.
          exchange: async (message, operation) => {
            for (;;) {
              try {
                return await createCoapTransport({ client: endpoint, to }).exchange(message, operation)
              } catch {
                await new Promise((resolve) => setTimeout(resolve, 100))
              }
            }
          },
          close: () => undefined,
        },
        clock: systemClock,
        random: systemRandom,
        protector: signedBy(manufacturer.device(`CN=lamp-${index}`)),
        // The site says wait, and in its own name hands over what the customer has issued.
        anchors: [at.root, ownRoot],
      })
      const wish = { key: generateSigningKey('P-256'), subject: nameOf(`CN=lamp-${index}`) }
      return client.enrol('ir', onWaiting === undefined ? wish : { ...wish, onWaiting })
    },
  }
}

/** One certificate for each device, which holds it; one transaction each, and none that the server refused. */
function expectOnce(at: Customer, enrolled: readonly Enrolled[]): void {
  const records = at.site.desk.certificates({ limit: 1000 })
  expect(records.map(({ state }) => state)).toEqual(enrolled.map(() => 'valid'))
  expect(records.map(({ der }) => toHex(der)).toSorted()).toEqual(enrolled.map(({ certificate }) => toHex(certificate.bytes)).toSorted())
  expect(new Set(records.map(({ transactionId }) => transactionId)).size).toBe(enrolled.length)
  expect(at.site.audit.filter(({ action }) => action === 'ra.refused')).toEqual([])
}

async function setUp(mode: Mode, devices: number): Promise<{ readonly at: Customer; readonly proxy: Proxy }> {
  const operator = createManufacturer(Date.now(), 'Customer')
  const ra = operator.device('O=Customer, CN=Site RA', [], 'P-256', [Oid.cmcRa])
  const at = await customer(ra.certificate.bytes, devices)
  const proxy = await proxyTo(at, mode, ra, devices)
  await proxy.start()
  return { at, proxy }
}

const MODES: readonly Mode[] = ['forward', 'nest', 'replace']
/** The way in which a repeated request is hardest: it is signed anew on the way. `GROUPWRIGHT_LONG=1` takes every way through every stage. */
const HARDEST: readonly Mode[] = process.env.GROUPWRIGHT_LONG === undefined ? ['replace'] : MODES
const TIME = { timeout: 240_000 }

it.each(MODES)(
  'a request that waits for a server is there after a kill, and its device polls on to its certificate (%s)',
  TIME,
  async (mode) => {
    const { at, proxy } = await setUp(mode, 1)
    at.down = true
    let polls = 0
    let polled: (() => void) | undefined
    const twice = new Promise<void>((resolve) => (polled = resolve))
    const done = proxy.enrol(0, () => {
      polls += 1
      if (polls === 2) polled?.()
    })
    await twice
    await proxy.kill()
    await proxy.start()
    const before = polls
    while (polls < before + 2) await new Promise((resolve) => setTimeout(resolve, 100))
    await proxy.kill()
    at.down = false
    await proxy.start()
    expectOnce(at, [await done])
  },
)

it.each(HARDEST)('a request that the server works on is sent again after a kill, and is the same to it (%s)', TIME, async (mode) => {
  const { at, proxy } = await setUp(mode, 1)
  at.swallows.add('ir')
  const done = proxy.enrol(0)
  await at.swallowed()
  await proxy.kill()
  await proxy.start()
  expectOnce(at, [await done])
  expect(at.arrived).toEqual(['ir', 'ir', 'certConf'])
})

it.each(HARDEST)('a request of the queue that the server works on is so too (%s)', TIME, async (mode) => {
  const { at, proxy } = await setUp(mode, 1)
  at.down = true
  let waits: (() => void) | undefined
  const waiting = new Promise<void>((resolve) => (waits = resolve))
  const done = proxy.enrol(0, () => waits?.())
  await waiting
  at.swallows.add('ir')
  at.down = false
  await at.swallowed()
  await proxy.kill()
  await proxy.start()
  expectOnce(at, [await done])
})

it.each(HARDEST)('a confirmation that the server works on is sent again after a kill (%s)', TIME, async (mode) => {
  const { at, proxy } = await setUp(mode, 1)
  at.swallows.add('certConf')
  const done = proxy.enrol(0)
  await at.swallowed()
  await proxy.kill()
  await proxy.start()
  expectOnce(at, [await done])
})

it.each(HARDEST)('kills at random, and a server that comes and goes, lose no device and issue nothing twice (%s)', TIME, async (mode) => {
  const DEVICES = 24
  const { at, proxy } = await setUp(mode, DEVICES)
  const random = seededRandom(mode.length)
  const state = { running: true }
  let kills = 0
  const killer = (async () => {
    while (state.running && kills < 6) {
      at.down = random.below(3) === 0
      await new Promise((resolve) => setTimeout(resolve, 200 + random.below(900)))
      await proxy.kill()
      kills += 1
      await proxy.start()
    }
    at.down = false
  })()
  const enrolled: Enrolled[] = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < DEVICES; index = next++) {
      enrolled.push(await proxy.enrol(index))
      // Spread over the kills.
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
  await Promise.all(Array.from({ length: 4 }, work))
  state.running = false
  await killer
  expect(kills).toBeGreaterThan(2)
  expectOnce(at, enrolled)
})
