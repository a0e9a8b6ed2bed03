// Discovery by multicast and by registration, on a scripted network and a virtual clock.
import { describe, expect, it } from 'vitest'
import { AppError, silentLogger, type SocketAddress } from '#main/base/index.ts'
import { allCoapNodes, createDiscovery, type Discovery } from '#main/site/devices/index.ts'
import { demoLinks, scriptedDemoDevice, type ScriptedDemoDevice } from '../../support/scripted-demo-device.ts'
import { address, demoProfile, makeSite, planned, type Site } from './fixtures.ts'

interface Network extends Site {
  readonly discovery: Discovery
  readonly add: (number: number) => ScriptedDemoDevice
}

function makeNetwork(allNodes: readonly SocketAddress[] = allCoapNodes('mesh')): Network {
  const site = makeSite()
  const { inventory, clock, client } = site
  const isOwn = (at: SocketAddress): boolean => at.address === 'fd00::ffff'
  const channels = () => [{ client, allNodes, isOwn }]
  const discovery = createDiscovery({ inventory, channels, clock, logger: silentLogger, profiles: [demoProfile] })
  const add = (number: number): ScriptedDemoDevice => {
    const eui64 = `020000fffe${number.toString(16).padStart(6, '0')}`
    const device = scriptedDemoDevice({ eui64, serial: `SN-${number}`, model: 'Demo Panel 600', type: 'luminaire' })
    client.serve(address(number), device.server)
    return device
  }
  return { ...site, discovery, add }
}

const registration = (number: number, overrides: object = {}) => ({
  endpointName: `020000fffe${number.toString(16).padStart(6, '0')}`,
  base: `coap://[${address(number).address}]`,
  links: demoLinks('luminaire'),
  channelId: 'test',
  ...overrides,
})

describe('a discovery run', () => {
  it('asks all CoAP nodes again and again, and takes every device in once', async () => {
    const { discovery, inventory, client, clock, add } = makeNetwork()
    const wanted = inventory.create({ ...planned, eui64: '020000fffe000001' })
    for (let number = 1; number <= 20; number++) add(number)
    discovery.start({ seconds: 9 })
    expect(discovery.feed.get('discovery')).toMatchObject({ state: 'running', startedAt: clock.now(), deadlineAt: clock.now() + 9000 })
    await clock.advance(8999)
    const asked = client.requests.filter(({ multicast }) => multicast)
    expect(asked.map(({ to }) => to)).toEqual(Array.from({ length: 4 }, () => ({ address: 'ff03::fd', port: 5683 })))
    expect(asked[0]?.request).toEqual({ method: 'GET', path: ['.well-known', 'core'] })
    expect(client.requests.filter(({ request }) => request.path[0] === 'dev')).toHaveLength(20)
    await clock.advance(1)
    expect(discovery.feed.get('discovery')).toMatchObject({ state: 'idle', heard: 20, added: 19, failure: null })
    expect(inventory.get(wanted)?.state).toBe('seen')
    expect(inventory.all().every(({ type, profileId }) => type === 'luminaire' && profileId === 'groupwright-demo')).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it.each([
    [1, 3],
    [10, 5],
    [120, 6],
  ])('of %i s asks %i times', async (seconds, times) => {
    const { discovery, client, clock } = makeNetwork()
    discovery.start({ seconds })
    await clock.advance(seconds * 1000)
    expect(client.requests).toHaveLength(times)
  })

  it('uses the addresses that RFC 7252 §12.8 gives to each kind of network', () => {
    expect(allCoapNodes('mesh').map((at) => at.address)).toEqual(['ff03::fd'])
    expect(allCoapNodes('ipv6', 'eth0')).toEqual([
      { address: 'ff02::fd', port: 5683, zone: 'eth0' },
      { address: 'ff05::fd', port: 5683, zone: 'eth0' },
    ])
    expect(allCoapNodes('ipv4')).toEqual([{ address: '224.0.1.187', port: 5683 }])
  })

  it('reads at most eight identities at once', async () => {
    const { discovery, inventory, client, clock, add } = makeNetwork()
    for (let number = 1; number <= 30; number++) add(number)
    let open = (): void => undefined
    client.gate = new Promise((resolve) => (open = resolve))
    discovery.start({ seconds: 5 })
    for (let step = 0; step < 10; step++) await clock.advance(100)
    expect(client.inFlight).toBe(8)
    open()
    discovery.stop()
    await discovery.idle()
    expect(client.mostInFlight).toBe(8)
    expect(inventory.all()).toHaveLength(30)
  })

  it('runs once at a time, can be stopped, and can be started again', async () => {
    const { discovery, client, clock } = makeNetwork()
    discovery.start({ seconds: 60 })
    expect(() => discovery.start({ seconds: 1 })).toThrow(expect.objectContaining({ code: 'discovery.running' }))
    discovery.stop()
    discovery.stop()
    expect(discovery.feed.get('discovery')?.state).toBe('idle')
    await clock.advance(60_000)
    expect(client.requests).toEqual([])
    discovery.start({ seconds: 1 })
    await clock.advance(1000)
    expect(discovery.feed.get('discovery')?.state).toBe('idle')
    await discovery.idle()
  })

  it('cannot start without a network, nor after closing', async () => {
    const { discovery, clock } = makeNetwork([])
    expect(() => discovery.start({ seconds: 1 })).toThrow(expect.objectContaining({ code: 'network.down' }))
    const other = makeNetwork()
    other.discovery.start({ seconds: 10 })
    await other.discovery.close()
    expect(() => other.discovery.start({ seconds: 1 })).toThrow(expect.objectContaining({ code: 'network.down' }))
    expect(clock.pendingTimers).toBe(0)
  })

  it('tells why when nothing could be sent', async () => {
    const { discovery, client, clock } = makeNetwork()
    client.groupFailure = new AppError('network.send-failed', 'no route', { retryable: true })
    discovery.start({ seconds: 1 })
    await clock.advance(1000)
    expect(discovery.feed.get('discovery')).toMatchObject({
      state: 'idle',
      heard: 0,
      failure: { code: 'network.send-failed', retryable: true },
    })
  })

  it('shows a device that it cannot identify, with the reason in its history', async () => {
    const { discovery, inventory, clock, add } = makeNetwork()
    add(1).silent = true
    discovery.start({ seconds: 1 })
    await clock.advance(1000)
    const [device] = inventory.all()
    expect(device).toMatchObject({ type: 'unknown', state: 'seen', eui64: null, profileId: 'groupwright-demo' })
    expect(inventory.detail(device?.id ?? '').history[0]).toMatchObject({ event: 'identity-unread', failure: { code: 'coap.timeout' } })
    expect(inventory.detail(device?.id ?? '').resources).toHaveLength(4)
  })

  it('asks by unicast for links that came as a first block, or garbled (RFC 7959 §2.2)', async () => {
    const { discovery, inventory, client, clock, add } = makeNetwork()
    const whole = add(1).server
    client.serve(address(1), (request, at, multicast) =>
      multicast
        ? { code: '2.05', text: '</dev>;rt="gw.dev', options: [{ number: 23, value: Uint8Array.of(0x0e) }] }
        : whole(request, at, multicast),
    )
    const other = add(2).server
    client.serve(address(2), (request, at, multicast) =>
      multicast ? { code: '2.05', payload: Uint8Array.of(0xff, 0xfe) } : other(request, at, multicast),
    )
    discovery.start({ seconds: 1 })
    await clock.advance(1000)
    expect(inventory.all().map(({ eui64 }) => eui64)).toEqual(['020000fffe000001', '020000fffe000002'])
  })

  it('does not take the tool itself for a device', async () => {
    const { discovery, inventory, client, clock } = makeNetwork()
    client.serve({ address: 'fd00::ffff', port: 5683 }, () => ({ code: '2.05', text: '</rd>;rt="core.rd"' }))
    discovery.start({ seconds: 1 })
    await clock.advance(1000)
    expect(inventory.all()).toEqual([])
  })

  it('counts a device that answers from two addresses once', async () => {
    const { discovery, inventory, client, clock, add } = makeNetwork()
    client.serve(address(0x77), add(1).server)
    discovery.start({ seconds: 1 })
    await clock.advance(1000)
    expect(inventory.all()).toHaveLength(1)
    expect(discovery.feed.get('discovery')).toMatchObject({ heard: 1, added: 1 })
  })
})

describe('a registration', () => {
  it('brings the planned device in, by the identity that the device itself tells', async () => {
    const { discovery, inventory, add } = makeNetwork()
    const id = inventory.create({ ...planned, eui64: '020000fffe000005' })
    add(5)
    discovery.registrationArrived(registration(5, { endpointName: 'anything' }))
    await discovery.idle()
    expect(inventory.get(id)).toMatchObject({
      state: 'seen',
      stateSource: 'registration',
      endpointName: 'anything',
      serial: 'SN-5',
      at: address(5),
    })
  })

  it('of a known device at the same place costs no request', async () => {
    const { discovery, inventory, client, clock, add } = makeNetwork()
    add(5)
    discovery.registrationArrived(registration(5))
    await discovery.idle()
    const requests = client.requests.length
    await clock.advance(10_000)
    discovery.registrationArrived(registration(5))
    await discovery.idle()
    expect(client.requests).toHaveLength(requests)
    expect(inventory.all()[0]?.lastHeardAt).toBe(clock.now())
  })

  it('of a device that is unreachable or of no known kind is shown with its endpoint name and links', async () => {
    const { discovery, inventory, client } = makeNetwork()
    client.serve(address(7), (request) =>
      request.path[0] === '.well-known' ? { code: '2.05', text: '</coffee>;rt="pot"' } : { code: '4.04' },
    )
    const cases = [
      registration(6, { endpointName: 'lost', links: '</a>;rt="x"' }),
      registration(7, { endpointName: 'coffee', links: '</coffee>;rt="pot"' }),
      registration(8, { endpointName: 'named', base: 'coap://host.example', links: '</b>' }),
      registration(9, { endpointName: 'secure', base: 'coaps://[fd00::9]', links: '' }),
      registration(10, { endpointName: 'nobody', channelId: undefined }),
    ]
    for (const one of cases) discovery.registrationArrived(one)
    await discovery.idle()
    expect(inventory.all().map(({ endpointName, type, at }) => [endpointName, type, at?.address ?? null])).toEqual(
      [
        ['coffee', 'unknown', 'fd00::7'],
        ['named', 'unknown', null],
        ['secure', 'unknown', null],
        ['nobody', 'unknown', 'fd00::a'],
        ['lost', 'unknown', 'fd00::6'],
      ].sort((a, b) => order(inventory.all(), a) - order(inventory.all(), b)),
    )
    const lost = inventory.byEndpointName('lost')
    expect(inventory.detail(lost?.id ?? '').resources).toEqual([{ href: '/a', attributes: [{ name: 'rt', value: 'x' }] }])
    expect(inventory.detail(lost?.id ?? '').history.map(({ event }) => event)).toEqual(['identity-unread', 'appeared'])
  })

  it('keeps the zone of a link-local base', async () => {
    const { discovery, inventory } = makeNetwork()
    const source = { address: 'fe80::5', port: 5683, zone: 'eth0' }
    discovery.registrationArrived(registration(5, { base: 'coap://[fe80::5]:5683', source }))
    await discovery.idle()
    expect(inventory.all()[0]?.at).toEqual(source)
  })

  it('never throws, also when the site cannot be written', async () => {
    const { discovery, inventory, store, add } = makeNetwork()
    add(5)
    store.failNext = new AppError('store.disk-full', 'full')
    discovery.registrationArrived(registration(5))
    await discovery.idle()
    expect(inventory.all()).toEqual([])
    discovery.registrationArrived(registration(5))
    await discovery.idle()
    expect(inventory.all()).toHaveLength(1)
  })

  it('does not keep a discovery waiting, however many of them lead nowhere', async () => {
    const { discovery, inventory, client, clock, add } = makeNetwork()
    add(1)
    let open = (): void => undefined
    client.gate = new Promise((resolve) => (open = resolve))
    for (let number = 100; number < 200; number++) discovery.registrationArrived(registration(number))
    await clock.advance(1)
    client.gate = Promise.resolve()
    discovery.start({ seconds: 1 })
    await clock.advance(1000)
    expect(inventory.all().map(({ eui64 }) => eui64)).toContain('020000fffe000001')
    expect(inventory.all()).toHaveLength(1)
    open()
    await discovery.idle()
    expect(inventory.all()).toHaveLength(101)
  })

  it('that comes a thousand times while one is looked at is looked at once more at most', async () => {
    const { discovery, client, add } = makeNetwork()
    add(5)
    for (let times = 0; times < 1000; times++) discovery.registrationArrived(registration(5))
    await discovery.idle()
    expect(client.requests.length).toBeLessThanOrEqual(2)
  })
})

function order(devices: ReadonlyArray<{ readonly endpointName: string | null }>, row: readonly unknown[]): number {
  return devices.findIndex(({ endpointName }) => endpointName === row[0])
}
