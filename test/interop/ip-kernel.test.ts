// Our IPv6 host against Linux's: the two are neighbours on a TUN interface, which socat carries to us packet by packet. What one answers to a
// strange packet, the other is asked too, and the answers are compared byte by byte.
import { createSocket, type Socket } from 'node:dgram'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { delay, systemClock, systemRandom, toHex, utf8, utf8ToText, type ChannelEvent, type DatagramChannel } from '#main/base/index.ts'
import { createIpHost, decodeIcmp, type IpHost, type PacketEvent } from '#main/wire/ip/index.ts'
import { linkLocal, MemoryPacketLink, meshLocal } from '../support/packet-link.ts'
import { describeInLab } from '../support/netns.ts'
import { startReady } from '../support/peers.ts'
import { fragmentOf, icmpBody, packetOf, standUp, udpBody, udpPacket } from '../wire/ip/harness.ts'

const OURS = 'fd77::1'
const THEIRS = 'fd77::2'
const THEIR_LINK_LOCAL = 'fe80::2'
const DEVICE = 'mesh0'
const PORT = 7000

describeInLab('the kernel as a neighbour', 1, ['socat'], (lab, socat) => {
  let wire: Socket
  let link: MemoryPacketLink
  let host: IpHost
  let channel: DatagramChannel
  const closing: Array<() => unknown> = []
  const events: ChannelEvent[] = []
  const packets: PacketEvent[] = []

  const system = (command: string, ...args: readonly string[]): void => {
    const done = spawnSync(command, args, { encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr}`)
  }

  beforeAll(async () => {
    const { namespace, prefix } = lab().hosts[0]!
    wire = createSocket('udp4').bind(0, '127.0.0.1')
    closing.push(() => wire.close())
    await once(wire, 'listening')
    const device = `gwt${process.pid}`
    const child = spawn(socat, [`TUN,tun-name=${device},iff-no-pi`, `UDP:127.0.0.1:${wire.address().port},bind=127.0.0.1:0`], {
      stdio: 'ignore',
    })
    closing.push(async () => {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    })
    for (let tries = 0; spawnSync('ip', ['link', 'show', device]).status !== 0; tries++) {
      if (tries > 100) throw new Error('socat made no interface')
      await delay(systemClock, 20)
    }
    system('ip', 'link', 'set', device, 'netns', namespace, 'name', DEVICE)
    for (const line of [
      `link set ${DEVICE} mtu 1280 addrgenmode none`,
      `address add ${THEIRS}/64 dev ${DEVICE} nodad`,
      `address add ${THEIR_LINK_LOCAL}/64 dev ${DEVICE} nodad`,
      `link set ${DEVICE} up`,
    ])
      system('ip', '-n', namespace, ...line.split(' '))
    // Its limit of errors a second is not what is looked at here.
    system('ip', ...prefix.slice(1), 'sh', '-c', 'echo 0 >/proc/sys/net/ipv6/icmp/ratelimit')

    link = new MemoryPacketLink({ id: DEVICE, addresses: [linkLocal('fe80::1'), meshLocal(OURS)] })
    // The first packet of the kernel tells where socat is.
    const [first] = (await once(wire, 'message')) as [Uint8Array, { port: number }]
    expect(first[0]! >> 4).toBe(6)
    let carrierPort = 0
    wire.on('message', (packet, from) => {
      carrierPort = from.port
      link.receive(new Uint8Array(packet))
    })
    link.carry = (packet) => wire.send(packet, carrierPort, '127.0.0.1')
    host = createIpHost({ link, clock: systemClock, random: systemRandom })
    closing.push(() => host.close())
    host.tap((event) => packets.push(event))
    channel = host.openUdp({ port: 5683 })
    channel.subscribe((event) => events.push(event))
    const peer = await startReady('ip', [
      ...prefix.slice(1),
      process.execPath,
      join(import.meta.dirname, 'ip-kernel-peer.ts'),
      String(PORT),
      DEVICE,
    ])
    closing.push(() => peer.stop())
    for (let tries = 0; carrierPort === 0 && tries < 200; tries++) await delay(systemClock, 50)
    expect(carrierPort).not.toBe(0)
  })
  afterAll(async () => {
    for (const close of closing.toReversed()) await close()
  })

  async function next(wanted = 1): Promise<ChannelEvent[]> {
    for (let waited = 0; events.length < wanted && waited < 200; waited++) await delay(systemClock, 10)
    return events.splice(0)
  }

  it('answers our pings, of any size that fits, at each of its addresses', async () => {
    for (const target of [THEIRS, THEIR_LINK_LOCAL, 'ff02::1']) {
      for (const dataBytes of [8, 555, 1232]) {
        expect(await host.ping(target, { dataBytes })).toMatchObject({
          from: target === THEIRS ? THEIRS : THEIR_LINK_LOCAL,
          hopLimit: 64,
          dataBytes,
        })
      }
    }
  })

  it('takes our datagrams and gives them back', async () => {
    for (const size of [0, 1, 2, 3, 31, 33, 100, 1231, 1232]) {
      const payload = systemRandom.bytes(size)
      channel.send(payload, { address: size % 2 === 0 ? THEIRS : THEIR_LINK_LOCAL, port: PORT })
      const [event] = await next()
      expect(event).toMatchObject({ kind: 'datagram', datagram: { payload, source: { port: PORT }, multicast: false } })
    }
  })

  it('sends a datagram in fragments, and we put it together', async () => {
    channel.send(utf8('big 6000'), { address: THEIRS, port: PORT })
    const [event] = await next()
    expect(event).toMatchObject({ datagram: { payload: Uint8Array.from({ length: 6000 }, (_, index) => index & 255) } })
    expect(host.counters()).toMatchObject({ reassembled: 1 })
  })

  it('tells us of its closed ports, and believes us about ours', async () => {
    channel.send(utf8('x'), { address: THEIRS, port: 9 })
    expect(await next()).toMatchObject([
      { kind: 'send-failed', to: { address: THEIRS, port: 9 }, error: { code: 'network.port-unreachable' } },
    ])
    channel.send(utf8(`knock ${OURS} 9`), { address: THEIRS, port: PORT })
    const [event] = await next()
    expect(event?.kind === 'datagram' ? utf8ToText(event.datagram.payload) : event).toBe('knocked ECONNREFUSED')
  })

  it('hears our groups, and we hear its', async () => {
    channel.send(utf8('all'), { address: 'ff03::fd', port: PORT })
    expect(await next()).toMatchObject([{ kind: 'datagram', datagram: { payload: utf8('all'), source: { address: THEIRS } } }])
    channel.joinGroup('ff02::fd')
    channel.send(utf8('shout ff02::fd 5683'), { address: THEIR_LINK_LOCAL, port: PORT })
    const destination = { address: 'ff02::fd', port: 5683, zone: DEVICE }
    expect(await next()).toMatchObject([{ kind: 'datagram', datagram: { payload: utf8('shouted'), destination, multicast: true } }])
    channel.leaveGroup('ff02::fd')
  })

  describe('answers strange packets as we do:', () => {
    const header = (next: number, ...bytes: readonly number[]): readonly number[] => [
      next,
      0,
      ...bytes,
      ...new Array<number>(6 - bytes.length).fill(0),
    ]
    const from = OURS
    const to = THEIRS
    const closed = udpBody({ from, to, port: 9 })
    const behind = (first: number, ...bytes: readonly number[]): Uint8Array =>
      packetOf({ from, to, next: first, body: Uint8Array.of(...bytes, ...closed) })
    const unknown = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    it.each<readonly [string, Uint8Array]>([
      ['a closed port', udpPacket({ from, to, port: 9 })],
      ['a closed port, with a packet of 1280 bytes', udpPacket({ from, to, port: 9, payload: new Uint8Array(1232).fill(7) })],
      ['a closed port, with no checksum', udpPacket({ from, to, port: 9, checksum: 0 })],
      ['a closed port, with a wrong checksum', udpPacket({ from, to, port: 9, checksum: 0x1111 })],
      ['an unknown protocol', packetOf({ from, to, next: 253, body: unknown })],
      ['an unknown protocol behind options', packetOf({ from, to, next: 60, body: Uint8Array.of(...header(253), ...unknown) })],
      ['no next header', packetOf({ from, to, next: 59, body: unknown })],
      ...[0x1e, 0x5e, 0x9e, 0xde].flatMap((option): Array<readonly [string, Uint8Array]> => [
        [`the destination option ${option}`, behind(60, ...header(17, option, 2))],
        [`the hop-by-hop option ${option}`, behind(0, ...header(17, option, 2))],
        [`the second option, ${option}`, behind(60, ...header(17, 1, 0, option, 2))],
      ]),
      ['hop-by-hop options behind others', behind(60, ...header(0), ...header(17))],
      ['a routing header with no segments left', behind(43, ...header(17, 200, 0))],
      ['a routing header with segments left', behind(43, ...header(17, 200, 1))],
      ['a routing header of the type that was withdrawn', behind(43, ...header(17, 0, 1))],
      ['an atomic fragment', fragmentOf(closed, 0, false, { from, to })],
      ['a fragment whose length is no multiple of 8', fragmentOf(new Uint8Array(13), 0, true, { from, to })],
      ['a fragment that would end too far', fragmentOf(new Uint8Array(16), 65_528, false, { from, to })],
      [
        'a first fragment without its upper header',
        fragmentOf(Uint8Array.of(17, 1, 1, 4, 0, 0, 0, 0), 0, true, { from, to, next: 60, id: 99 }),
      ],
      ['an error message of unknown type', packetOf({ from, to, next: 58, body: icmpBody(from, to, 100, 0, unknown) })],
      ['an unknown informational message', packetOf({ from, to, next: 58, body: icmpBody(from, to, 200, 0, unknown) })],
      [
        'an error message behind an unknown option',
        packetOf({ from, to, next: 60, body: Uint8Array.of(...header(58, 0xde, 2), ...icmpBody(from, to, 1, 4, closed)) }),
      ],
    ])('%s', async (_name, packet) => {
      const { theirs, ours } = await askBoth(packet)
      expect(ours).toEqual(theirs)
    })

    it('and chains of headers and options drawn at random', async () => {
      let answered = 0
      const option = fc.tuple(fc.constantFrom(0x1e, 0x3e, 0x5e, 0x9e, 0xde), fc.uint8Array({ maxLength: 3 }))
      const extension = fc.record({
        kind: fc.constantFrom(60, 60, 60, 0, 43, 44),
        options: fc.array(option, { maxLength: 3 }),
        left: fc.constantFrom(0, 0, 0, 1),
      })
      const chain = fc.record({ extensions: fc.array(extension, { maxLength: 4 }), end: fc.constantFrom(17, 17, 59, 253, 100) })
      for (const [index, { extensions, end }] of fc.sample(chain, { numRuns: 1000, seed: 8200 }).entries()) {
        const kinds = [...extensions.map(({ kind }) => kind), end]
        const headers = extensions.flatMap(({ kind, options, left }, at) => {
          const next = kinds[at + 1]!
          if (kind === 44) return [next, 0, 0, 0, 0, 0, index >> 8, index & 255]
          if (kind === 43) return [next, 0, 200, left, 0, 0, 0, 0]
          const bytes = options.flatMap(([type, data]) => [type, data.length, ...data])
          const room = (8 - ((2 + bytes.length) % 8)) % 8
          const padding = room === 0 ? [] : room === 1 ? [0] : [1, room - 2, ...new Array<number>(room - 2).fill(0)]
          return [next, (2 + bytes.length + padding.length) / 8 - 1, ...bytes, ...padding]
        })
        const packet = packetOf({ from, to, next: kinds[0]!, body: Uint8Array.of(...headers, ...(end === 17 ? closed : unknown)) })
        let { theirs, ours } = await askBoth(packet)
        if (ours.length !== theirs.length) {
          // Linux answers 1000 a second at most, of all that ask (icmp_msgs_per_sec): asked again it has had time.
          await delay(systemClock, 100)
          ;({ theirs, ours } = await askBoth(packet))
        }
        expect(ours, toHex(packet)).toEqual(theirs)
        answered += theirs.length
      }
      expect(answered).toBeGreaterThan(300)
    })

    async function askBoth(packet: Uint8Array) {
      packets.length = 0
      link.carry(packet)
      // A ping behind it: once that is answered, so is the packet.
      await host.ping(THEIRS)
      const isError = ({ packet: heard, direction }: PacketEvent): boolean =>
        direction === 'received' && heard[6] === 58 && heard[40]! < 128
      const theirs = packets.filter(isError).map(({ packet: heard }) => decodeIcmp(heard, 40, heard.length))
      const stand = standUp({ addresses: [meshLocal(THEIRS)] })
      stand.link.receive(packet)
      return { theirs, ours: stand.link.takeSent().map((answer) => decodeIcmp(answer, 40, answer.length)) }
    }
  })
})
