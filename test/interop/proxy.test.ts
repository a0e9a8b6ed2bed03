// Our forward-proxy between libcoap's client and libcoap's server, and our client through libcoap's own proxy.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger, systemClock, systemRandom, type DatagramChannel, type SocketAddress } from '#main/base/index.ts'
import { CoapEndpoint, findUint, OptionNumber, type TraceEvent } from '#main/wire/coap/index.ts'
import { openUdpChannel } from '#main/wire/ip/index.ts'
import { createProxy, groupRequestViaProxy, parseCoapUri, requestViaProxy, type ProxyPolicy } from '#main/services/proxy/index.ts'
import { COAP_CLIENT, COAP_SERVER, describeWithPeer, findPeer, run, start, type Output, type RunningPeer } from '../support/peers.ts'

const FAMILIES = [
  ['IPv6', '::1'],
  ['IPv4', '127.0.0.1'],
] as const
const BIG = Uint8Array.from({ length: 20_000 }, (_, index) => 32 + ((index * 7 + (index >> 8)) % 90))

const opened: Array<{ endpoint: CoapEndpoint; channel: DatagramChannel }> = []
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coap-proxy-'))
  await writeFile(join(folder, 'big'), BIG)
})
afterAll(() => rm(folder, { recursive: true }))
afterEach(async () => {
  for (const { endpoint, channel } of opened.splice(0)) {
    endpoint.close()
    await channel.close()
  }
})

async function ours(
  address: string,
  policy: Partial<ProxyPolicy> = {},
): Promise<{ endpoint: CoapEndpoint; at: SocketAddress; traces: TraceEvent[] }> {
  const channel = await openUdpChannel({ bindAddress: address, port: 0, logger: silentLogger })
  const common = { clock: systemClock, random: systemRandom, logger: silentLogger }
  const endpoints: CoapEndpoint[] = []
  const traces: TraceEvent[] = []
  const proxy = createProxy({ ...common, egress: () => endpoints[0], policy })
  const endpoint = new CoapEndpoint({ ...common, channel, intermediary: proxy, onTrace: (event) => traces.push(event) })
  endpoints.push(endpoint)
  opened.push({ endpoint, channel })
  return { endpoint, at: channel.local, traces }
}

async function freePort(address: string): Promise<SocketAddress> {
  const channel = await openUdpChannel({ bindAddress: address, port: 0, logger: silentLogger })
  const { local } = channel
  await channel.close()
  return local
}

function uri(at: SocketAddress, path = ''): string {
  return `coap://${at.address.includes(':') ? `[${at.address}]` : at.address}:${at.port}${path}`
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).trim()
}

describeWithPeer('libcoap client through our forward-proxy', COAP_CLIENT, (program) => {
  describeWithPeer('to libcoap server', COAP_SERVER, (serverProgram) => {
    describe.each(FAMILIES)('%s', (_, address) => {
      let server: RunningPeer
      let there: SocketAddress

      beforeEach(async () => {
        there = await freePort(address)
        server = start(serverProgram, ['-A', address, '-p', String(there.port), '-d', '10', '-v', '0'])
        const probe = await ours(address)
        await probe.endpoint.request(there, { method: 'GET', path: [] }, { timeoutMs: 10_000 })
      })
      afterEach(() => server.stop())

      const through = (proxy: SocketAddress, path: string, ...args: string[]): Promise<Output> =>
        run(program, ['-v', '4', '-B', '15', '-P', uri(proxy), ...args, uri(there, path)])
      const allowed = { rules: [{ clients: [{ address }], servers: 'any' }] } as const

      it('gets what the server has, CON and NON, once from the server and then from the cache', async () => {
        const { at, traces } = await ours(address, allowed)
        expect(text((await through(at, '/')).stdout)).toContain('libcoap')
        expect(text((await through(at, '/', '-N')).stdout)).toContain('libcoap')
        const toServer = traces.filter((one) => one.direction === 'sent' && one.peer.port === there.port && one.note === 'first')
        expect(toServer).toHaveLength(1)
        expect(findUint(toServer[0]?.message?.options ?? [], OptionNumber.HOP_LIMIT)).toBe(15)
      })

      it('puts and reads a body in blocks, both ways', async () => {
        const { at } = await ours(address, allowed)
        await through(at, '/stored', '-m', 'put', '-f', join(folder, 'big'), '-b', '512')
        const file = join(folder, `got-${address.length}`)
        await through(at, '/stored', '-o', file, '-b', '256')
        expect(new Uint8Array(await readFile(file))).toEqual(BIG)
        await through(at, '/stored', '-m', 'delete')
        expect((await through(at, '/stored')).stderr).toContain('4.04')
      })

      it('observes the time, and cancels', async () => {
        const { at, endpoint } = await ours(address, allowed)
        const { stdout } = await through(at, '/time', '-s', '4')
        const times = text(stdout).match(/\d\d:\d\d:\d\d/g) ?? []
        expect(new Set(times).size).toBeGreaterThanOrEqual(3)
        expect([...times].sort()).toEqual(times)
        expect(endpoint.holdings().observations).toBe(0)
      })

      it('hears 5.05 where it may not', async () => {
        const { at, traces } = await ours(address, { rules: [{ clients: [{ address: '192.0.2.1' }], servers: 'any' }] })
        expect((await through(at, '/')).stderr).toContain('5.05')
        expect(traces.some((one) => one.direction === 'sent' && one.peer.port === there.port)).toBe(false)
      })
    })
  })
})

const linkLocal = Object.entries(networkInterfaces()).flatMap(([zone, entries]) =>
  (entries ?? [])
    .filter((entry) => !entry.internal && entry.address.startsWith('fe80:'))
    .map((entry) => ({ zone, address: entry.address })),
)[0]

describeWithPeer('our client through our proxy to a group of libcoap servers', COAP_SERVER, (program) => {
  // Link-local multicast does not work on the loopback interface.
  it.skipIf(process.platform !== 'linux' || linkLocal === undefined)('gets the response with the address of the server', async () => {
    const { zone, address } = linkLocal!
    const { port } = await freePort('::')
    const group: SocketAddress = { address: 'ff02::fd', port }
    const proxy = await ours(`${address}%${zone}`, { rules: [{ clients: [{ address }], groups: [group], servers: 'any' }] })
    const client = await ours(`${address}%${zone}`)
    const server = start(program, ['-p', String(port), '-g', 'ff02::fd', '-G', zone, '-v', '0'])
    try {
      await client.endpoint.request({ address, zone, port }, { method: 'GET', path: [] }, { timeoutMs: 10_000 })
      const request = { method: 'GET', path: ['.well-known', 'core'] } as const
      const options = { proxy: proxy.at, timeoutS: 6, marginS: 1 }
      for await (const response of groupRequestViaProxy(client.endpoint, systemClock, group, request, options)) {
        expect([response.code, response.origin]).toEqual(['2.05', { address, port }])
        expect(text(response.payload)).toContain('</time>')
        return
      }
      expect('a response').toBe('none')
    } finally {
      await server.stop()
    }
  })
})

describeWithPeer('our client through libcoap’s proxy', COAP_SERVER, (program) => {
  it.skipIf(findPeer(COAP_SERVER) === undefined)('gets a response from another libcoap server', async () => {
    const [proxyAt, there] = [await freePort('::1'), await freePort('::1')]
    const peers = [
      start(program, ['-A', '::1', '-p', String(proxyAt.port), '-P', ',elsewhere', '-v', '0']),
      start(program, ['-A', '::1', '-p', String(there.port), '-v', '0']),
    ]
    try {
      const { endpoint } = await ours('::1')
      for (const at of [proxyAt, there]) await endpoint.request(at, { method: 'GET', path: [] }, { timeoutMs: 10_000 })
      const reading = parseCoapUri(uri(there, '/'))
      if (typeof reading === 'string') throw new Error(reading)
      const response = await requestViaProxy(endpoint, proxyAt, reading.target, { method: 'GET', path: [] }, { timeoutMs: 10_000 })
      expect([response.code, text(response.payload).includes('libcoap')]).toEqual(['2.05', true])
    } finally {
      for (const peer of peers) await peer.stop()
    }
  })
})
