import { seededRandom, silentLogger, utf8, utf8ToText, type ChannelEvent } from '#main/base/index.ts'
import { CoapEndpoint, ResourceTree } from '#main/wire/coap/index.ts'
import { createDtlsChannel, type DtlsChannel, type DtlsChannelOptions, type DtlsEvent, type AddressedPeer } from '#main/wire/dtls/index.ts'
import { MemoryNetwork, type MemoryNetworkOptions } from '#main/wire/ip/index.ts'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { PSK, withCertificates, withPsk, type LineOptions } from './harness.ts'

const SERVER = { address: '2001:db8::1', port: 5684 }
const CLIENT = { address: '2001:db8::2', port: 40_000 }

interface Network {
  readonly clock: VirtualClock
  readonly client: DtlsChannel
  readonly server: DtlsChannel
  readonly clientEvents: ChannelEvent[]
  readonly serverEvents: ChannelEvent[]
  readonly told: Array<DtlsEvent<AddressedPeer>>
}

function network(options: LineOptions = withPsk, memory: Partial<MemoryNetworkOptions> = {}): Network {
  const clock = new VirtualClock()
  const net = new MemoryNetwork({ clock, random: seededRandom(5), ...memory })
  const told: Array<DtlsEvent<AddressedPeer>> = []
  const common = { clock, random: seededRandom(6), logger: silentLogger, ...(options.limits && { limits: options.limits }) }
  const make = (at: typeof SERVER, extra: Partial<DtlsChannelOptions>): DtlsChannel =>
    createDtlsChannel({ ...common, channel: net.channel(at), ...extra })
  const client = make(CLIENT, { ...(options.client && { client: options.client }), onEvent: (event) => told.push(event) })
  const server = make(SERVER, { ...(options.server && { server: options.server }) })
  const clientEvents: ChannelEvent[] = []
  const serverEvents: ChannelEvent[] = []
  client.subscribe((event) => clientEvents.push(event))
  server.subscribe((event) => serverEvents.push(event))
  return { clock, client, server, clientEvents, serverEvents, told }
}

function endpoint(channel: DtlsChannel, clock: VirtualClock, tree?: ResourceTree): CoapEndpoint {
  return new CoapEndpoint({ channel, clock, random: seededRandom(8), logger: silentLogger, ...(tree && { tree }) })
}

describe('a DTLS channel', () => {
  it('carries what is sent, with who sent it', async () => {
    const { clock, client, server, clientEvents, serverEvents, told } = network()
    client.send(utf8('one'), SERVER)
    client.send(utf8('two'), SERVER)
    await clock.advance(200)
    expect(serverEvents).toMatchObject([
      {
        kind: 'datagram',
        datagram: { payload: utf8('one'), source: CLIENT, multicast: false, peer: { scheme: 'dtls-psk', name: 'thing-1' } },
      },
      { kind: 'datagram', datagram: { payload: utf8('two') } },
    ])
    server.send(utf8('back'), CLIENT)
    await clock.advance(50)
    expect(clientEvents).toMatchObject([{ kind: 'datagram', datagram: { payload: utf8('back'), source: SERVER } }])
    expect(told.map(({ kind }) => kind)).toEqual(['started', 'established'])
    expect(client.counters()).toEqual({ sent: 2, received: 1, sendErrors: 0, dropped: 0 })
    expect(client.sessionWith(SERVER)?.suite).toBe('PSK_WITH_AES_128_CCM_8')
    expect(server.holdings()).toEqual({ halfOpen: 0, sessions: 1 })
  })

  it('tells of every payload that a failed handshake leaves behind', async () => {
    const { clock, client, clientEvents } = network({ ...withPsk, client: { psk: { identity: utf8('thing-1'), key: utf8('wrong') } } })
    client.send(utf8('one'), SERVER)
    client.send(utf8('two'), SERVER)
    await clock.advance(500)
    const failure = { kind: 'send-failed', to: SERVER, error: { code: 'dtls.refused', details: { alert: 'decrypt_error' } } }
    expect(clientEvents).toMatchObject([failure, failure])
  })

  it('tells where nobody answers, where no session is, and what is too long', async () => {
    const { clock, client, server, clientEvents, serverEvents } = network()
    client.send(utf8('x'), { address: '2001:db8::99', port: 5684 })
    server.send(utf8('x'), CLIENT)
    client.send(utf8('ok'), SERVER)
    await clock.advance(61_000)
    expect(clientEvents).toMatchObject([{ kind: 'send-failed', error: { code: 'dtls.timeout' } }])
    expect(serverEvents).toMatchObject([{ kind: 'send-failed', error: { code: 'dtls.closed' } }, { kind: 'datagram' }])
    client.send(new Uint8Array(client.maxPayloadBytes), SERVER)
    client.send(new Uint8Array(1300), SERVER)
    await clock.advance(50)
    expect(serverEvents.at(-1)).toMatchObject({ kind: 'datagram' })
    expect(clientEvents.at(-1)).toMatchObject({ kind: 'send-failed', error: { code: 'network.too-large' } })
  })

  it('closes its sessions with it, and not the channel below', async () => {
    const { clock, client, server, clientEvents, serverEvents } = network()
    client.send(utf8('one'), SERVER)
    await clock.advance(200)
    await client.close()
    await clock.advance(50)
    expect(clientEvents.at(-1)).toEqual({ kind: 'closed' })
    expect(server.holdings().sessions).toBe(0)
    client.send(utf8('late'), SERVER)
    await clock.advance(50)
    expect(serverEvents).toHaveLength(1)
    await server.close()
    expect(clock.pendingTimers).toBe(0)
  })

  it('joins no groups: DTLS has none (RFC 7252 §9.1)', () => {
    const { client } = network()
    expect(() => client.joinGroup('ff05::fd')).toThrow('multicast')
  })
})

describe('CoAP on a DTLS channel', () => {
  const who = new ResourceTree()
  who.add('/who', { handlers: { GET: ({ peer }) => ({ code: '2.05', payload: utf8(peer?.scheme ?? 'nobody') }) } })
  who.add('/big', {
    handlers: {
      GET: () => ({ code: '2.05', payload: new Uint8Array(20_000).fill(65) }),
      PUT: ({ payload }) => ({ code: '2.04', payload: utf8(String(payload.length)) }),
    },
  })
  who.add('/secret', { protection: 'required', handlers: { GET: () => ({ code: '2.05', payload: utf8('for those who are known') }) } })

  it('runs unchanged: requests, blocks both ways, protected resources', async () => {
    const { clock, client, server } = network(withCertificates)
    endpoint(server, clock, who)
    const asker = endpoint(client, clock)
    const get = async (path: string): Promise<string> =>
      utf8ToText((await clock.until(asker.request(SERVER, { method: 'GET', path: [path] }))).payload) ?? '?'
    expect(await get('who')).toBe('dtls-certificate')
    expect(await get('secret')).toBe('for those who are known')
    expect(await get('big')).toHaveLength(20_000)
    const put = asker.request(SERVER, { method: 'PUT', path: ['big'], payload: new Uint8Array(5000) })
    expect(utf8ToText((await clock.until(put)).payload)).toBe('5000')
  })

  it('gets through where a quarter of all datagrams is lost, doubled or late', async () => {
    const { clock, client, server } = network(
      { ...withCertificates, limits: { handshakeMs: 200_000 } },
      { lossRate: 0.15, duplicateRate: 0.1, reorderRate: 0.1 },
    )
    endpoint(server, clock, who)
    const asker = endpoint(client, clock)
    const response = await clock.until(asker.request(SERVER, { method: 'GET', path: ['big'] }))
    expect(response.payload).toHaveLength(20_000)
  })

  it('fails with the reason where the handshake does', async () => {
    const { clock, client, server } = network({ ...withPsk, client: { psk: { identity: utf8('nobody'), key: PSK } } })
    endpoint(server, clock, who)
    const request = endpoint(client, clock).request(SERVER, { method: 'GET', path: ['who'] })
    await expect(clock.until(request)).rejects.toMatchObject({ code: 'dtls.refused', details: { alert: 'decrypt_error' } })
  })
})
