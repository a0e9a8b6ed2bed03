// Discovery on media of low rate: asked once, again only when answers have dried up, and one by one where nothing is multicast.
import { describe, expect, it } from 'vitest'
import { silentLogger, type SocketAddress } from '#main/base/index.ts'
import { allCoapNodes, createDiscovery, type Discovery } from '#main/site/devices/index.ts'
import { DEFAULT_LEISURE_MS, leastLeisureMs } from '#main/wire/coap/index.ts'
import { demoLinks, scriptedDemoDevice } from '../../support/scripted-demo-device.ts'
import { address, demoProfile, makeSite, planned, type Site } from './fixtures.ts'

interface Mesh extends Site {
  readonly discovery: Discovery
  /** A device behind the channel; its answer to a group takes so long. */
  readonly add: (number: number, answersAfterMs?: number) => void
  readonly plan: (number: number) => void
  readonly multicasts: () => number
  readonly run: (seconds: number) => Promise<number>
}

interface MeshOptions {
  readonly allNodes?: readonly SocketAddress[]
  readonly known?: () => readonly SocketAddress[]
}

const eui64Of = (number: number): string => `020000fffe${number.toString(16).padStart(6, '0')}`

function meshOf({ allNodes = allCoapNodes('mesh'), known = () => [] }: MeshOptions = {}): Mesh {
  const site = makeSite()
  const { inventory, clock, client } = site
  const delays = new Map<string, number>()
  const plainGroupRequest = client.groupRequest.bind(client)
  client.groupRequest = async function* (to, request, options) {
    const startedMs = clock.monotonicMs()
    const answers = []
    for await (const answer of plainGroupRequest(to, request, options)) answers.push(answer)
    for (const answer of answers.toSorted((a, b) => (delays.get(a.source.address) ?? 0) - (delays.get(b.source.address) ?? 0))) {
      const waitMs = (delays.get(answer.source.address) ?? 0) - (clock.monotonicMs() - startedMs)
      if (waitMs > 0) await new Promise<void>((resolve) => void clock.setTimer(waitMs, resolve))
      if (options.signal?.aborted === true) return
      yield answer
    }
  }
  const channels = () => [{ client, allNodes, slow: { bytesPerS: 4000 }, known }]
  const discovery = createDiscovery({ inventory, channels, clock, logger: silentLogger, profiles: [demoProfile] })
  return {
    ...site,
    discovery,
    add(number, answersAfterMs = 0) {
      const { server } = scriptedDemoDevice({ eui64: eui64Of(number), serial: `SN-${number}`, model: 'Demo Panel 600', type: 'luminaire' })
      client.serve(address(number), server)
      delays.set(address(number).address, answersAfterMs)
    },
    plan: (number) => void inventory.create({ ...planned, name: `Light ${number}`, eui64: eui64Of(number) }),
    multicasts: () => client.requests.filter(({ multicast }) => multicast).length,
    async run(seconds) {
      const startedMs = clock.monotonicMs()
      discovery.start({ seconds })
      await clock.until(discovery.idle())
      return clock.monotonicMs() - startedMs
    },
  }
}

const registration = (number: number) => ({
  endpointName: eui64Of(number),
  base: `coap://[${address(number).address}]`,
  links: demoLinks('luminaire'),
  channelId: 'test',
})

describe('discovery on a mesh', () => {
  it('asks once where everybody who is planned answers, and ends as soon as the answers have dried up', async () => {
    const mesh = meshOf()
    for (let number = 1; number <= 100; number++) {
      mesh.plan(number)
      mesh.add(number, number * 40)
    }
    const tookMs = await mesh.run(10)
    expect(mesh.discovery.feed.get('discovery')).toMatchObject({ state: 'idle', heard: 100, added: 0, failure: null })
    expect(mesh.multicasts()).toBe(1)
    expect(tookMs).toBeGreaterThan(4000)
    expect(tookMs).toBeLessThan(6000)
    expect(mesh.clock.pendingTimers).toBe(0)
  })

  it('goes on beyond its time while answers come, and shows until when it will', async () => {
    const mesh = meshOf()
    for (let number = 1; number <= 20; number++) {
      mesh.plan(number)
      mesh.add(number, number * 1000)
    }
    mesh.discovery.start({ seconds: 4 })
    await mesh.clock.advance(100)
    const row = mesh.discovery.feed.get('discovery')
    expect((row?.deadlineAt ?? 0) - (row?.startedAt ?? 0)).toBeGreaterThanOrEqual(DEFAULT_LEISURE_MS)
    await mesh.clock.until(mesh.discovery.idle())
    expect(mesh.discovery.feed.get('discovery')).toMatchObject({ heard: 20 })
    expect(mesh.multicasts()).toBe(1)
  })

  it('waits for the spread that the leisure formula gives, lb_Leisure = S * G / R, before it asks a silent network again', async () => {
    const mesh = meshOf()
    for (let number = 1; number <= 400; number++) mesh.plan(number)
    mesh.discovery.start({ seconds: 60 })
    const spreadMs = leastLeisureMs(160, 400, 4000)
    await mesh.clock.advance(spreadMs - 1000)
    expect(mesh.multicasts()).toBe(1)
    await mesh.clock.advance(2000)
    expect(mesh.multicasts()).toBe(2)
    mesh.discovery.stop()
    await mesh.discovery.idle()
    expect(mesh.clock.pendingTimers).toBe(0)
  })

  it('asks those who are missing one by one where they are few and have an address, and everybody again where they are not', async () => {
    const mesh = meshOf({ known: () => [1, 2, 3, 4].map(address) })
    for (const number of [1, 2, 3, 4]) {
      mesh.plan(number)
      mesh.add(number)
    }
    const deaf = mesh.client.servers.get('[fd00::4]:5683')
    mesh.client.serve(address(4), (request, at, multicast) => (multicast ? undefined : deaf?.(request, at, multicast)))
    await mesh.run(10)
    expect(mesh.discovery.feed.get('discovery')).toMatchObject({ heard: 4 })
    expect(mesh.multicasts()).toBe(1)
    const other = meshOf()
    other.plan(1)
    other.plan(2)
    other.add(1)
    await other.run(10)
    expect(other.discovery.feed.get('discovery')).toMatchObject({ heard: 1 })
    expect(other.multicasts()).toBe(2)
  })

  it('reads a device once that answers and registers meanwhile', async () => {
    const mesh = meshOf()
    mesh.plan(1)
    mesh.plan(2)
    mesh.add(1, 500)
    mesh.discovery.start({ seconds: 10 })
    await mesh.clock.advance(100)
    mesh.discovery.registrationArrived(registration(1))
    await mesh.clock.advance(3000)
    mesh.discovery.registrationArrived(registration(1))
    mesh.discovery.stop()
    await mesh.discovery.idle()
    expect(mesh.client.requests.filter(({ request }) => request.path[0] === 'dev')).toHaveLength(1)
    expect(mesh.discovery.feed.get('discovery')).toMatchObject({ heard: 1 })
    expect(mesh.inventory.byEndpointName(eui64Of(1))?.state).toBe('seen')
  })

  it('ends in three minutes, however many invented devices keep answering', async () => {
    const mesh = meshOf()
    for (let number = 1; number <= 2000; number++) mesh.add(number, number * 200)
    const tookMs = await mesh.run(4)
    expect(tookMs).toBeLessThan(186_000)
    expect(mesh.multicasts()).toBe(1)
  })
})

describe('discovery behind a dongle that carries no multicast', () => {
  it('asks whoever is known one by one, and says so', async () => {
    const mesh = meshOf({ allNodes: [], known: () => [1, 2, 3].map(address) })
    for (const number of [1, 2, 3]) {
      mesh.plan(number)
      mesh.add(number)
    }
    await mesh.run(5)
    expect(mesh.discovery.feed.get('discovery')).toMatchObject({ heard: 3, unicastOnly: true, failure: null })
    expect(mesh.multicasts()).toBe(0)
  })

  it('where nobody is known yet waits for registrations, as long as they come', async () => {
    const mesh = meshOf({ allNodes: [] })
    for (let number = 1; number <= 10; number++) {
      mesh.plan(number)
      mesh.add(number)
      mesh.clock.setTimer(number * 2000, () => mesh.discovery.registrationArrived(registration(number)))
    }
    const tookMs = await mesh.run(4)
    expect(mesh.discovery.feed.get('discovery')).toMatchObject({ heard: 10, unicastOnly: true, failure: null })
    expect(tookMs).toBeGreaterThanOrEqual(20_000)
    expect(tookMs).toBeLessThan(30_000)
  })

  it('ends when its time is over and nobody comes', async () => {
    const mesh = meshOf({ allNodes: [] })
    mesh.plan(1)
    const tookMs = await mesh.run(8)
    expect(tookMs).toBeGreaterThanOrEqual(8000)
    expect(tookMs).toBeLessThan(16_000)
    expect(mesh.discovery.feed.get('discovery')).toMatchObject({ state: 'idle', heard: 0, failure: null })
  })

  it('asks nobody more than twice who does not answer', async () => {
    const mesh = meshOf({ allNodes: [], known: () => [address(9)] })
    mesh.plan(9)
    await mesh.run(60)
    expect(mesh.client.requests.length).toBe(2)
  })
})
