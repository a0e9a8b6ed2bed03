import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger, utf8, type ChannelEvent, type Datagram, type DatagramChannel } from '#main/base/index.ts'
import { openUdpChannel, type UdpChannelOptions } from '#main/wire/ip/index.ts'

const open: DatagramChannel[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((channel) => channel.close()))
})

async function channelAt(bindAddress: string, port = 0, more: Partial<UdpChannelOptions> = {}): Promise<DatagramChannel> {
  const channel = await openUdpChannel({ bindAddress, port, logger: silentLogger, ...more })
  open.push(channel)
  return channel
}

function next(channel: DatagramChannel): Promise<Datagram> {
  return new Promise((resolve) => {
    const stop = channel.subscribe((event) => {
      if (event.kind !== 'datagram') return
      stop()
      resolve(event.datagram)
    })
  })
}

const linkLocal = Object.entries(networkInterfaces()).flatMap(([name, entries]) =>
  (entries ?? [])
    .filter((entry) => !entry.internal && entry.family === 'IPv6' && entry.address.startsWith('fe80:'))
    .map((entry) => ({ name, address: entry.address })),
)[0]

describe('system UDP channel', () => {
  it.each(['::1', '127.0.0.1'])('carries datagrams both ways at %s', async (address) => {
    const [a, b] = [await channelAt(address), await channelAt(address)]
    const arrived = next(b)
    a.send(utf8('ping'), b.local)
    const datagram = await arrived
    expect(datagram).toMatchObject({ source: a.local, multicast: false })
    expect(new TextDecoder().decode(datagram.payload)).toBe('ping')
    expect(Object.getPrototypeOf(datagram.payload)).toBe(Uint8Array.prototype)
    const back = next(a)
    b.send(utf8('pong'), datagram.source)
    await back
    expect(a.counters()).toEqual({ sent: 1, received: 1, sendErrors: 0, dropped: 0 })
  })

  it('serves IPv6 and IPv4 at one port side by side', async () => {
    const six = await channelAt('::')
    const four = await channelAt('0.0.0.0', six.local.port)
    const client = await channelAt('127.0.0.1')
    const arrived = next(four)
    client.send(utf8('x'), { address: '127.0.0.1', port: four.local.port })
    expect((await arrived).source.address).toBe('127.0.0.1')
  })

  it('says that an address is in use, by itself or by others', async () => {
    const first = await channelAt('::1')
    await expect(channelAt('::1', first.local.port)).rejects.toMatchObject({ code: 'network.address-in-use' })
    const foreign = createSocket({ type: 'udp6', reuseAddr: true })
    await new Promise<void>((resolve) => foreign.bind(0, '::1', resolve))
    await expect(channelAt('::1', foreign.address().port)).rejects.toMatchObject({ code: 'network.address-in-use' })
    foreign.close()
  })

  it('says that it cannot bind to what is not here or is no address', async () => {
    await expect(channelAt('2001:db8::1')).rejects.toMatchObject({ code: 'network.bind-failed' })
    await expect(channelAt('localhost')).rejects.toMatchObject({ code: 'network.bind-failed' })
  })

  it('reports failed sends as events and never throws', async () => {
    const channel = await channelAt('::1')
    const failures: ChannelEvent[] = []
    const twice = new Promise<void>((resolve) =>
      channel.subscribe((event) => {
        if (event.kind === 'send-failed' && failures.push(event) === 2) resolve()
      }),
    )
    channel.send(new Uint8Array(70_000), { address: '::1', port: 9 })
    channel.send(utf8('x'), { address: '::1', port: 0 })
    await twice
    expect(failures).toMatchObject([{ to: { address: '::1', port: 0 } }, { to: { address: '::1', port: 9 } }])
    expect(channel.counters().sendErrors).toBe(2)
    await channel.close()
    expect(() => channel.send(utf8('x'), { address: '::1', port: 9 })).not.toThrow()
  })

  it('tells listeners when it closes, once', async () => {
    const channel = await channelAt('::1')
    const events: string[] = []
    channel.subscribe((event) => events.push(event.kind))
    await channel.close()
    await channel.close()
    expect(events).toEqual(['closed'])
  })

  it('survives a listener that throws', async () => {
    const [a, b] = [await channelAt('::1'), await channelAt('::1')]
    b.subscribe(() => {
      throw new TypeError('listener')
    })
    const arrived = next(b)
    a.send(utf8('x'), b.local)
    await arrived
  })

  it('refuses to join what is no multicast address', async () => {
    const channel = await channelAt('::1')
    expect(() => channel.joinGroup('2001:db8::1')).toThrow(expect.objectContaining({ code: 'group.address-invalid' }))
  })

  it.skipIf(process.platform !== 'linux')('recognises IPv4 multicast by its destination', async () => {
    const server = await channelAt('0.0.0.0', 0, { multicastInterface: '127.0.0.1' })
    const client = await channelAt('127.0.0.1')
    server.joinGroup('224.0.1.187')
    const arrived = next(server)
    await settle()
    client.send(utf8('x'), { address: '224.0.1.187', port: server.local.port })
    expect(await arrived).toMatchObject({ multicast: true, destination: { address: '224.0.1.187' }, source: client.local })
  })

  it.skipIf(process.platform !== 'linux')('joins and leaves on one interface at a time', async () => {
    const server = await channelAt('0.0.0.0')
    const client = await channelAt('127.0.0.1')
    let heard = 0
    server.subscribe((event) => {
      if (event.kind === 'datagram' && event.datagram.multicast) heard++
    })
    const hears = async (): Promise<boolean> => {
      heard = 0
      await settle()
      client.send(utf8('x'), { address: '224.0.1.187', port: server.local.port })
      await settle()
      expect(heard).toBeLessThanOrEqual(1)
      return heard === 1
    }
    // Loopback is no external interface, so a join everywhere leaves it out.
    server.joinGroup('224.0.1.187')
    expect(await hears()).toBe(false)
    server.joinGroup('224.0.1.187', '127.0.0.1')
    server.joinGroup('224.0.1.187', '127.0.0.1')
    expect(await hears()).toBe(true)
    server.leaveGroup('224.0.1.187')
    expect(await hears()).toBe(true)
    server.leaveGroup('224.0.1.187', '127.0.0.1')
    server.leaveGroup('224.0.1.187', '127.0.0.1')
    expect(await hears()).toBe(false)
    server.joinGroup('224.0.1.187', '127.0.0.1')
    expect(await hears()).toBe(true)
  })

  it.skipIf(process.platform !== 'linux' || linkLocal === undefined)(
    'hears a link-local group on the interface that it has joined on, and there alone',
    async () => {
      const zone = linkLocal!.name
      const server = await channelAt('::')
      const client = await channelAt(`${linkLocal!.address}%${zone}`)
      let heard = 0
      server.subscribe((event) => {
        if (event.kind === 'datagram' && event.datagram.multicast) heard++
      })
      server.joinGroup('ff02::fd', 'lo')
      await settle()
      client.send(utf8('x'), { address: 'ff02::fd', port: server.local.port, zone })
      await settle()
      expect(heard).toBe(0)
      server.joinGroup('ff02::fd', zone)
      await settle()
      client.send(utf8('x'), { address: 'ff02::fd', port: server.local.port, zone })
      await settle()
      expect(heard).toBe(1)
      server.leaveGroup('ff02::fd', zone)
      await settle()
      client.send(utf8('x'), { address: 'ff02::fd', port: server.local.port, zone })
      await settle()
      expect(heard).toBe(1)
    },
  )

  it.skipIf(process.platform !== 'linux' || linkLocal === undefined)(
    'recognises link-local multicast, hears it once beside unicast, and not after leaving',
    async () => {
      const server = await channelAt('::')
      const client = await channelAt(`${linkLocal!.address}%${linkLocal!.name}`)
      const heard: Datagram[] = []
      server.subscribe((event) => {
        if (event.kind === 'datagram') heard.push(event.datagram)
      })
      server.joinGroup('ff02::fd')
      await settle()
      const group = { address: 'ff02::fd', port: server.local.port, zone: linkLocal!.name }
      for (let index = 0; index < 20; index++) client.send(Uint8Array.of(index), group)
      client.send(utf8('unicast'), { address: linkLocal!.address, port: server.local.port, zone: linkLocal!.name })
      await settle()
      expect(heard.filter((datagram) => datagram.multicast)).toHaveLength(20)
      expect(heard.filter((datagram) => !datagram.multicast).map((datagram) => new TextDecoder().decode(datagram.payload))).toEqual([
        'unicast',
      ])
      server.leaveGroup('ff02::fd')
      heard.length = 0
      await settle()
      client.send(utf8('x'), group)
      await settle()
      expect(heard.filter((datagram) => datagram.multicast)).toEqual([])
    },
  )
})

describe('where the system does not bind to group addresses', () => {
  it.skipIf(process.platform !== 'linux')('hears groups on the main socket and does not claim to know them', async () => {
    const server = await channelAt('0.0.0.0', 0, { multicastInterface: '127.0.0.1', groupSocketMode: 'joined-on-main' })
    const client = await channelAt('127.0.0.1')
    server.joinGroup('224.0.1.187')
    const arrived = next(server)
    await settle()
    client.send(utf8('x'), { address: '224.0.1.187', port: server.local.port })
    expect(await arrived).toMatchObject({ multicast: false, destination: undefined })
    server.leaveGroup('224.0.1.187')
  })
})

/** Sockets of this machine need some turns of the event loop. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 60))
}
