// The whole way from CoAP to a Thread mesh of OpenThread's simulated devices, through its NCP behind a pseudo terminal.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppError, delay, silentLogger, systemClock, systemRandom, toHex, utf8, type DatagramChannel } from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree, type ClientResponse } from '#main/wire/coap/index.ts'
import { createIpHost, type IpHost } from '#main/wire/ip/index.ts'
import {
  DongleLink,
  driverFor,
  encodeDataset,
  NcpLink,
  newDataset,
  openSerialLine,
  PortWatch,
  type SerialLine,
  type DongleDriver,
  type DongleState,
} from '#main/wire/links/index.ts'
import { answerIn, OpenThreadMesh, type CliNode } from './openthread-mesh.ts'
import { pattern, text } from './our-server.ts'

const PORT = 5683
const ALL_COAP_NODES = 'ff03::fd'
const programs = process.env.GROUPWRIGHT_OPENTHREAD_DIR ?? ''
const dataset = newDataset({ networkName: 'interop', channel: 15 }, systemRandom)
const BIG = pattern(500)

it('reads what a node of OpenThread answers', () => {
  expect(answerIn('> state\n')).toBeUndefined()
  expect(answerIn('leader\r\nDone\r\n> ')).toEqual(['leader'])
  expect(() => answerIn('Error 35: InvalidCommand\r\n> ')).toThrow('InvalidCommand')
})

if (programs === '')
  console.log('skipped: OpenThread’s mesh: GROUPWRIGHT_OPENTHREAD_DIR does not name the folder of ot-ncp-ftd and ot-cli-ftd')
else {
  describe('An OpenThread NCP and three devices', meshTests)
  describe('An OpenThread NCP and a network that exists', joinTests)
}

function meshTests(): void {
  let mesh: OpenThreadMesh
  let dongle: DongleLink<DongleDriver>
  let host: IpHost
  let channel: DatagramChannel
  let coap: CoapEndpoint
  let nodes: readonly CliNode[] = []
  const served: string[] = []

  const driver = (): NcpLink => {
    if (dongle.driver instanceof NcpLink) return dongle.driver
    throw new Error(`no NCP, but ${dongle.state.kind}`)
  }

  async function state(kind: DongleState['kind'], limitMs: number): Promise<void> {
    for (let left = limitMs; left > 0; left -= 50) {
      if (dongle.state.kind === kind) return
      await delay(systemClock, 50)
    }
    throw new Error(`the dongle is ${JSON.stringify(dongle.state)}`)
  }

  const at = (address: string): { address: string; port: number; zone?: string } => ({
    address,
    port: PORT,
    ...(address.startsWith('fe80:') ? { zone: dongle.id } : {}),
  })

  const get = (address: string, blockBytes?: number): Promise<ClientResponse> =>
    coap.request(at(address), { method: 'GET', path: ['test'] }, blockBytes === undefined ? {} : { blockBytes })

  beforeAll(async () => {
    mesh = await OpenThreadMesh.create(programs)
    await mesh.plug()
    dongle = new DongleLink({
      id: 'dongle:interop',
      target: { path: mesh.path },
      clock: systemClock,
      random: systemRandom,
      createDriver: driverFor(),
      watch: new PortWatch({ clock: systemClock }),
    })
    host = createIpHost({ link: dongle, clock: systemClock, random: systemRandom })
    channel = host.openUdp({ port: PORT })
    const tree = new ResourceTree()
    tree.add('/here', {
      answersGroupRequests: true,
      handlers: {
        GET: ({ source, multicast }) => {
          served.push(`${source.address} ${multicast ? 'group' : 'unicast'}`)
          return { code: '2.05', payload: utf8('our answer') }
        },
      },
    })
    tree.add('/big', { handlers: { GET: () => ({ code: '2.05', payload: BIG }) } })
    coap = new CoapEndpoint({ channel, tree, clock: systemClock, random: systemRandom, logger: silentLogger })
    dongle.open()
    await state('attaching', 15_000)
    await driver().form(dataset)
    await state('up', 1_000)
    channel.joinGroup(ALL_COAP_NODES)
    nodes = [mesh.addNode(), mesh.addNode(), mesh.addNode()]
    for (const node of nodes) {
      await node.join(toHex(encodeDataset(dataset)))
      await node.ask(`ipmaddr add ${ALL_COAP_NODES}`)
      await node.ask('coap start')
      await node.ask('coap resource test 4')
      await node.ask(`coap set hello${node.number}`)
    }
    // Right after a role has changed, multicasts get lost.
    await delay(systemClock, 2_000)
  }, 90_000)

  afterAll(async () => {
    coap.close()
    await host.close()
    await dongle.close()
    await mesh.close()
  })

  it('forms the network, and has devices as children and neighbours', async () => {
    const status = await driver().refresh()
    expect(status).toMatchObject({ role: 'leader', networkName: 'interop', channel: 15, networkSaved: true })
    expect(status.children.length).toBeGreaterThan(0)
    expect(status.neighbors.length).toBeGreaterThan(0)
    expect(status.neighbors.every(({ averageRssiDbm }) => averageRssiDbm < 0)).toBe(true)
  })

  it('pings devices, and is pinged by them', async () => {
    for (const node of nodes) {
      expect((await host.ping(await node.address('mleid'))).rttMs).toBeLessThan(1_000)
      expect((await host.ping(await node.address('linklocal'))).rttMs).toBeLessThan(1_000)
    }
    const own = dongle.addresses.find(({ origin }) => origin === 'mesh-local')
    await nodes[0]!.ask(`ping ${own?.address ?? ''}`)
    expect(nodes[0]!.said).toMatch(/1 packets transmitted, 1 packets received/)
  })

  it('GETs by unicast, mesh-local and link-local', async () => {
    for (const node of nodes) {
      for (const kind of ['mleid', 'linklocal'] as const) {
        const response = await get(await node.address(kind))
        expect(response.code).toBe('2.05')
        expect(text(response.payload)).toBe(`hello${node.number}`)
      }
    }
  })

  it('PUTs by unicast', async () => {
    const [node] = nodes
    const response = await coap.request(at(await node!.address('mleid')), { method: 'PUT', path: ['test'], payload: utf8('lamp on') })
    expect(response.code).toBe('2.04')
    await node!.hears(new RegExp(`PUT with payload: ${toHex(utf8('lamp on'))}`))
  })

  it('GETs by group: every device of ff03::fd answers', async () => {
    const answers = new Map<string, string>()
    const responses = coap.groupRequest(
      at(ALL_COAP_NODES),
      { method: 'GET', path: ['test'] },
      { deadlineMs: 5_000, expected: 3, repeat: [{ afterMs: 2_000, messageId: 'new' }] },
    )
    for await (const { source, payload } of responses) answers.set(source.address, text(payload))
    expect([...answers.values()].sort()).toEqual(['hello2', 'hello3', 'hello4'])
    for (const node of nodes) expect(answers.get(await node.address('mleid'))).toBe(`hello${node.number}`)
  })

  it('PUTs by group: every device hears it', async () => {
    const heard = nodes.map((node) => node.hears(new RegExp(`PUT with payload: ${toHex(utf8('all off'))}`)))
    const responses = coap.groupRequest(
      at(ALL_COAP_NODES),
      { method: 'PUT', path: ['test'], payload: utf8('all off') },
      { deadlineMs: 1_000 },
    )
    for await (const response of responses) expect(response.code).toMatch(/^2/)
    expect(await Promise.all(heard)).toHaveLength(3)
  })

  it('observes', async () => {
    const [node] = nodes
    const seen: string[] = []
    const observation = coap.observe(
      at(await node!.address('mleid')),
      { method: 'GET', path: ['test'] },
      { onNotification: ({ payload }) => void seen.push(text(payload)) },
    )
    await waitUntil(() => seen.length === 1)
    for (const value of ['v1', 'v2', 'v3']) {
      await node!.ask(`coap set ${value}`)
      await waitUntil(() => seen.at(-1) === value)
    }
    expect(seen).toEqual(['hello2', 'v1', 'v2', 'v3'])
    await observation.cancel()
    await node!.ask('coap set hello2')
  })

  it('transfers block-wise: GET in four blocks, PUT in three, and a device GETs ours', async () => {
    const [, node] = nodes
    const address = await node!.address('mleid')
    const blocks = await get(address, 64)
    expect(blocks.code).toBe('2.05')
    expect(blocks.payload).toHaveLength(256)
    await node!.ask('state')
    const put = await coap.request(at(address), { method: 'PUT', path: ['test'], payload: pattern(2500) })
    expect(put.code).toMatch(/^2\.0/)
    await node!.hears(/received block: Num 1 Len 1024/)
    const own = dongle.addresses.find(({ origin }) => origin === 'mesh-local')
    await node!.ask(`coap get ${own?.address ?? ''} big block-256`)
    await node!.hears(/received block: Num 1 Len 244/)
  })

  it('serves devices, by unicast and by group', async () => {
    const [, , node] = nodes
    const from = await node!.address('mleid')
    const own = dongle.addresses.find(({ origin }) => origin === 'mesh-local')
    await node!.ask(`coap get ${own?.address ?? ''} here con`)
    await node!.hears(new RegExp(toHex(utf8('our answer'))))
    await node!.ask(`coap get ${ALL_COAP_NODES} here non`)
    await waitUntil(() => served.includes(`${from} group`))
    expect(served).toContain(`${from} unicast`)
  })

  it('gives the mesh a prefix, and reaches devices at the addresses they make of it', async () => {
    await driver().addOnMeshPrefix('fd11:22:33:44::')
    await waitUntil(() => dongle.addresses.some(({ origin }) => origin === 'on-mesh'))
    await delay(systemClock, 2_000)
    for (const node of nodes) {
      const address = (await node.addresses()).find((one) => one.startsWith('fd11:22:33:44:'))
      expect(text((await get(address ?? '')).payload)).toBe(`hello${node.number}`)
    }
    await driver().removeOnMeshPrefix('fd11:22:33:44::')
  })

  it('carries the largest packets, three at a time, and all are answered', async () => {
    const address = await nodes[0]!.address('mleid')
    const sizes: number[] = []
    for (let round = 0; round < 10; round++) {
      const pings = await Promise.all(Array.from({ length: 3 }, () => host.ping(address, { dataBytes: 1_232 })))
      sizes.push(...pings.map(({ dataBytes }) => dataBytes))
    }
    expect(sizes).toEqual(Array.from({ length: 30 }, () => 1_232))
  })

  it('commissions a new device, which joins with its passphrase', async () => {
    await driver().startCommissioner()
    await driver().inviteJoiner({ passphrase: 'J01NME', timeoutS: 120 })
    const node = mesh.addNode()
    await node.ask('ifconfig up')
    await node.ask('joiner start J01NME')
    await node.hears(/Join success/, 30_000)
    await node.attach()
    expect((await host.ping(await node.address('mleid'))).dataBytes).toBeGreaterThan(0)
    await driver().stopCommissioner()
  })

  it('finds the network by scanning', async () => {
    const found = await driver().scan('discover', { channels: [15] })
    expect(found.map(({ networkName }) => networkName)).toContain('interop')
  })

  it('survives the dongle being pulled out and put in again, in the middle of a transfer', async () => {
    const address = await nodes[1]!.address('mleid')
    const underWay = get(address, 16).catch((error: unknown) => (error instanceof AppError ? error.code : 'other'))
    await mesh.unplug()
    await waitUntil(() => !dongle.up)
    const outcome = await underWay
    if (typeof outcome === 'string') expect(outcome).toMatch(/^(network|coap|link)\./)
    await mesh.plug()
    dongle.retry()
    await state('up', 60_000)
    expect(driver().status.groups).toContain(ALL_COAP_NODES)
    expect(text((await get(address)).payload)).toBe('hello3')
  }, 120_000)

  it('leaves the network and forgets it', async () => {
    await driver().leave()
    await state('attaching', 5_000)
    expect(driver().status).toMatchObject({ networkSaved: false, role: 'disabled' })
    expect(dongle.addresses).toEqual([])
  })
}

function joinTests(): void {
  let mesh: OpenThreadMesh
  let leader: CliNode
  let line: SerialLine
  let link: NcpLink

  beforeAll(async () => {
    mesh = await OpenThreadMesh.create(programs)
    leader = mesh.addNode()
    await leader.join(toHex(encodeDataset(dataset)), /^leader$/)
    await mesh.plug()
    line = await openSerialLine({ path: mesh.path, clock: systemClock })
    link = new NcpLink({ line, id: 'dongle:joins', clock: systemClock, logger: silentLogger })
    await link.start({ mayReset: true, signal: new AbortController().signal })
  })

  afterAll(async () => {
    await link.stop()
    await line.close()
    await mesh.close()
  })

  const reachesLeader = async (): Promise<void> => {
    expect(link.status.role).toBe('child')
    expect((await link.refresh()).parent?.averageRssiDbm).toBeLessThan(0)
    const host = createIpHost({ link, clock: systemClock, random: systemRandom })
    expect((await host.ping(await leader.address('mleid'))).dataBytes).toBeGreaterThan(0)
    await host.close()
  }

  it('joins by the dataset, and leaves again', async () => {
    await link.attach(dataset)
    await reachesLeader()
    await link.leave()
    expect(link.status).toMatchObject({ role: 'disabled', networkSaved: false })
    expect(await link.dataset()).toBeUndefined()
  })

  it('joins by a description, and learns the rest of the dataset', async () => {
    const { networkName = '', channel = 0, panId = 0, extendedPanId = new Uint8Array(8), networkKey = new Uint8Array(16) } = dataset
    await link.attach({ networkName, channel, panId, extendedPanId, networkKey })
    await reachesLeader()
    const learnt = await link.dataset()
    expect(learnt?.pskc).toEqual(dataset.pskc)
    expect(learnt?.meshLocalPrefix).toBe(dataset.meshLocalPrefix)
    await link.leave()
  })

  it('joins by a passphrase that a commissioner lets in, and is told when it is wrong', async () => {
    await leader.ask('commissioner start')
    await leader.hears(/Commissioner: active/)
    await leader.ask('commissioner joiner add * J01NME')
    const refused = await link.join('WR0NGPSKD').catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'link.attach-failed', details: { name: 'JOIN_SECURITY' } })
    await link.join('J01NME')
    await reachesLeader()
    expect((await link.dataset())?.networkKey).toEqual(dataset.networkKey)
    await link.leave()
  })

  it('fails where nobody has the network, in the dongle’s own time', async () => {
    const failure = await link.attach({ ...dataset, channel: 26 }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'link.attach-failed', details: { name: 'JOIN_FAILURE' } })
  })

  it('forms two networks one after the other, faster where the dongle may restart', async () => {
    await link.form(newDataset({ channel: 20 }, systemRandom), { mayReset: true })
    expect(link.status.role).toBe('leader')
    const again = newDataset({ channel: 21, networkName: 'again' }, systemRandom)
    await link.form(again, { mayReset: true, timeoutMs: 20_000 })
    expect(link.status).toMatchObject({ role: 'leader', networkName: 'again', channel: 21 })
    expect(await link.dataset()).toEqual(again)
  })
}

async function waitUntil(holds: () => boolean, limitMs = 10_000): Promise<void> {
  for (let left = limitMs; left > 0; left -= 20) {
    if (holds()) return
    await delay(systemClock, 20)
  }
  throw new Error(`not within ${limitMs} ms: ${holds.toString()}`)
}
