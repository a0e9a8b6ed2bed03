// The driver of an NCP as the rooms above see it: packets, addresses, groups, refusals, resets, and a clean end.
import { describe, expect, it } from 'vitest'
import { AppError, fromHex, toHex, utf8 } from '#main/base/index.ts'
import { PROP, STATUS } from '#main/wire/links/index.ts'
import { attached, never, setUp } from './ncp-setup.ts'
import { ip6Packet, LINK_LOCAL, MESH_LOCAL } from './scripted-ncp.ts'

const own = fromHex('fddead00beefcafe6e9d9fcc698de4b5')!
const ownLinkLocal = fromHex('fe800000000000008c624c60b39e573f')!
const node = fromHex('fddead00beefcafec6ce64b977e973e8')!
const allNodes = fromHex('ff0300000000000000000000000000fd')!
const wide = fromHex('ff0500000000000000000000000000fd')!

async function failureOf(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof AppError) return error
  }
  throw new Error('did not fail as it should')
}

describe('A start', () => {
  it('brings the saved network up, and tells the addresses that a host may use', async () => {
    const { link, ncp, kinds } = await attached()
    expect(link.addresses).toEqual([
      { address: MESH_LOCAL, prefixLength: 64, origin: 'mesh-local' },
      { address: LINK_LOCAL, prefixLength: 64, origin: 'link-local' },
    ])
    expect(kinds()).toEqual(['up'])
    expect(ncp.resets).toBe(0)
    expect(link.status).toMatchObject({
      role: 'leader',
      firmware: 'OPENTHREAD/test; SCRIPT',
      protocol: '4.3',
      meshLocalPrefix: 'fdde:ad00:beef:cafe::',
    })
  })

  it('leaves a dongle without a network alone', async () => {
    const { link, clock, ncp } = setUp()
    await clock.until(link.start({ mayReset: true, signal: never }))
    await clock.advance(20_000)
    expect(link.up).toBe(false)
    expect(link.addresses).toEqual([])
    expect(ncp.asked.filter((asked) => asked.startsWith('set'))).toEqual([])
  })

  it('refuses radio firmware, and says what to do', async () => {
    const { link, clock, ncp } = setUp()
    ncp.set(PROP.CAPS, [5, 12, 0x22, 0x201, 0x40, 0x41])
    const refusal = await clock.until(failureOf(link.start({ mayReset: true, signal: never })))
    expect(refusal).toMatchObject({ code: 'link.wrong-firmware', details: { reason: 'spinel-rcp' } })
    expect(refusal.message).toContain('border router on the local network')
  })

  it('refuses a protocol that is too old, and what is not Thread', async () => {
    const old = setUp()
    old.ncp.set(PROP.PROTOCOL_VERSION, { major: 3, minor: 9 })
    expect(await old.clock.until(failureOf(old.link.start({ mayReset: true, signal: never })))).toMatchObject({
      details: { reason: 'too-old' },
    })
    const other = setUp()
    other.ncp.set(PROP.INTERFACE_TYPE, 1)
    expect(await other.clock.until(failureOf(other.link.start({ mayReset: true, signal: never })))).toMatchObject({
      details: { reason: 'not-thread' },
    })
  })

  it('goes on when the dongle tells of its start in the middle of it', async () => {
    const { link, clock, ncp } = setUp()
    const started = link.start({ mayReset: true, signal: never })
    await clock.advance(3)
    ncp.restart()
    await clock.until(started)
    expect(link.status.firmware).toBe('OPENTHREAD/test; SCRIPT')
  })

  it('restarts a silent dongle where it may, and gives up with link.no-answer where it may not', async () => {
    const one = setUp()
    one.ncp.silent = true
    one.clock.setTimer(7_000, () => {
      one.ncp.silent = false
    })
    await one.clock.until(one.link.start({ mayReset: true, signal: never }))
    expect(one.ncp.resets).toBe(1)
    const other = setUp()
    other.ncp.silent = true
    expect((await other.clock.until(failureOf(other.link.start({ mayReset: false, signal: never })))).code).toBe('link.no-answer')
    expect(other.line.written.filter((written) => written === '7e800102927e')).toEqual([])
  })

  it('ends at once when it is cancelled, and when the line closes', async () => {
    const cancelled = setUp()
    cancelled.ncp.silent = true
    const abort = new AbortController()
    const started = failureOf(cancelled.link.start({ mayReset: true, signal: abort.signal }))
    abort.abort()
    expect((await started).code).toBe('cancelled')
    const closed = setUp()
    closed.ncp.silent = true
    const other = failureOf(closed.link.start({ mayReset: true, signal: never }))
    closed.line.end()
    expect((await other).code).toBe('link.closed')
  })

  it('works with firmware that knows only half of the properties', async () => {
    const { link, clock, ncp } = setUp()
    for (const property of [PROP.PHY_TX_POWER, PROP.NET_XPANID, PROP.INTERFACE_TYPE, PROP.THREAD_ON_MESH_NETS])
      ncp.unknown.add(property.number)
    ncp.set(PROP.NET_SAVED, true)
    await clock.until(link.start({ mayReset: true, signal: never }))
    await clock.advance(8_000)
    expect(link.up).toBe(true)
    await clock.until(link.refresh())
  })
})

describe('Packets', () => {
  it('go to the mesh, two at a time, in order', async () => {
    const { link, clock, ncp } = await attached()
    const packets = Array.from({ length: 10 }, (_, index) => ip6Packet(own, node, Uint8Array.of(index)))
    const before = ncp.frames.length
    for (const packet of packets) link.send(packet)
    expect(ncp.frames.length - before).toBe(2)
    expect(link.counters().queuedPackets).toBe(10)
    await clock.advance(100)
    expect(ncp.packets.map(toHex)).toEqual(packets.map(toHex))
    expect(link.counters()).toMatchObject({ packetsOut: 10, packetsFailed: 0, queuedPackets: 0 })
  })

  it('come from the mesh; own ones that the dongle gives back do not', async () => {
    const { link, ncp, events } = await attached()
    ncp.deliver(ip6Packet(node, own, utf8('hello')))
    ncp.deliver(ip6Packet(ownLinkLocal, allNodes))
    ncp.deliver(ip6Packet(fromHex('fddead00beefcafe000000fffe000400')!, allNodes))
    ncp.deliver(Uint8Array.of(0x60))
    expect(events.flatMap((event) => (event.kind === 'packet' ? [toHex(event.packet)] : []))).toEqual([
      toHex(ip6Packet(node, own, utf8('hello'))),
    ])
    expect(link.counters()).toMatchObject({ packetsIn: 1, loopedBack: 2 })
  })

  it('that are too large, broken or too many come back as failures', async () => {
    const { link, clock, events } = await attached()
    link.send(ip6Packet(own, node, new Uint8Array(1241)))
    link.send(Uint8Array.of(0x60, 1, 2))
    for (let count = 0; count < 100; count++) link.send(ip6Packet(own, node))
    const failures = events.flatMap((event) => (event.kind === 'send-failed' ? [event.error.code] : []))
    expect(failures).toEqual(['link.too-large', 'network.send-failed', ...Array.from({ length: 34 }, () => 'link.queue-full')])
    await clock.advance(1_000)
    expect(link.counters()).toMatchObject({ packetsOut: 66, packetsFailed: 36, queuedPackets: 0 })
  })

  it('that the dongle refuses come back with its reason', async () => {
    const { link, clock, ncp, events } = await attached()
    ncp.verdict = () => STATUS.DROPPED
    link.send(ip6Packet(node, own))
    await clock.advance(100)
    const [failed] = events.flatMap((event) => (event.kind === 'send-failed' ? [event.error] : []))
    expect(failed).toMatchObject({ code: 'network.send-failed', details: { name: 'DROPPED' } })
    expect(failed?.message).toContain('source address')
  })

  it('to wide groups count as sent though the dongle says dropped', async () => {
    const { link, clock, ncp, kinds } = await attached()
    ncp.verdict = () => STATUS.DROPPED
    link.send(ip6Packet(own, wide))
    await clock.advance(100)
    expect(kinds()).not.toContain('send-failed')
    expect(link.counters()).toMatchObject({ packetsOut: 1, packetsFailed: 0 })
    link.send(ip6Packet(own, allNodes))
    await clock.advance(100)
    expect(kinds()).toContain('send-failed')
  })

  it('wait and go again while the dongle has no buffer, but not for ever', async () => {
    const { link, clock, ncp, events } = await attached()
    let full = 3
    ncp.verdict = () => (full-- > 0 ? STATUS.NOMEM : STATUS.OK)
    link.send(ip6Packet(own, node))
    await clock.advance(2_000)
    expect(link.counters()).toMatchObject({ packetsOut: 1, packetsFailed: 0 })
    ncp.verdict = () => STATUS.NOMEM
    link.send(ip6Packet(own, node))
    await clock.advance(5_000)
    expect(events.at(-1)).toMatchObject({ kind: 'send-failed', error: { details: { name: 'NOMEM' } } })
  })

  it('whose frame is lost on the line are lost, not failed', async () => {
    const { link, clock, ncp, kinds } = await attached()
    ncp.loses = () => true
    link.send(ip6Packet(own, node))
    await clock.advance(3_000)
    ncp.loses = () => false
    expect(kinds()).not.toContain('send-failed')
    expect(link.counters()).toMatchObject({ packetsUnconfirmed: 1, queuedPackets: 0 })
  })

  it('fail at once while the link is down, and those that wait fail when it goes down', async () => {
    const { link, clock, ncp, events } = await attached()
    for (let count = 0; count < 5; count++) link.send(ip6Packet(own, node))
    ncp.tell(PROP.NET_ROLE, 0)
    link.send(ip6Packet(own, node))
    await clock.advance(0)
    expect(link.up).toBe(false)
    expect(events.flatMap((event) => (event.kind === 'send-failed' ? [event.error.code] : []))).toEqual(
      Array.from({ length: 4 }, () => 'network.down'),
    )
  })
})

describe('Multicast groups', () => {
  it('enter the dongle with commissioning first, whatever order they were asked for in', async () => {
    const { link, clock, ncp } = await attached()
    link.joinGroup('ff35::1234')
    link.joinGroup('ff05::fd')
    await clock.advance(100)
    expect(ncp.groups.slice(0, 2).sort()).toEqual(['ff05::fd', 'ff35::1234'])
    link.joinGroup('ff03::fd')
    await clock.advance(100)
    expect(ncp.groups.slice(0, 2).sort()).toEqual(['ff03::fd', 'ff05::fd'])
    expect(link.status.groupsWithoutRoom).toEqual(['ff35::1234'])
    link.leaveGroup('ff05::fd')
    await clock.advance(100)
    expect(ncp.groups).toContain('ff35::1234')
    expect(link.status.groupsWithoutRoom).toEqual([])
  })

  it('of the link and those that the dongle listens to anyway take no room', async () => {
    const { link, clock, ncp } = await attached()
    for (const group of ['ff02::fd', 'ff01::1', 'ff03::1', 'fd00::1', 'nonsense']) link.joinGroup(group)
    await clock.advance(100)
    expect(ncp.asked.filter((asked) => asked.startsWith('insert'))).toEqual([])
  })

  it('are set again after the dongle restarted', async () => {
    const { link, clock, ncp, kinds } = await attached()
    link.joinGroup('ff03::fd')
    await clock.advance(100)
    ncp.restart()
    expect(link.up).toBe(false)
    await clock.advance(10_000)
    expect(link.up).toBe(true)
    expect(ncp.groups).toContain('ff03::fd')
    expect(kinds()).toEqual(['up', 'down', 'up'])
  })
})

describe('Life', () => {
  it('initialises once where a restart is told twice', async () => {
    const { clock, ncp } = await attached()
    const before = ncp.asked.length
    ncp.restart()
    await clock.advance(50)
    ncp.restart()
    await clock.advance(10_000)
    expect(ncp.asked.slice(before).filter((asked) => asked === 'get NCP_VERSION')).toHaveLength(1)
  })

  it('asks nothing of a quiet dongle but whether it lives, once a minute', async () => {
    const { clock, ncp } = await attached()
    const before = ncp.asked.length
    await clock.advance(600_000)
    expect(new Set(ncp.asked.slice(before))).toEqual(new Set(['command 0']))
    expect(ncp.asked.length - before).toBeLessThanOrEqual(10)
  })

  it('tells that a dead dongle is down with link.no-answer', async () => {
    const { link, clock, ncp, events } = await attached()
    ncp.silent = true
    await clock.advance(100_000)
    expect(link.up).toBe(false)
    expect(events.at(-1)).toMatchObject({ kind: 'down', error: { code: 'link.no-answer' } })
  })

  it('tells that the line was closed', async () => {
    const { link, line, events } = await attached()
    line.end(new AppError('link.closed', 'Unplugged'))
    expect(link.up).toBe(false)
    expect(events.at(-1)).toMatchObject({ kind: 'down', error: { code: 'link.closed', message: 'Unplugged' } })
  })

  it('learns what a damaged notification would have told', async () => {
    const { link, clock, ncp, line } = await attached()
    ncp.loses = ({ property }, tid) => tid === 0 && property === PROP.NET_ROLE.number
    ncp.tell(PROP.NET_ROLE, 0)
    line.receive('7e80064300ffff7e')
    expect(link.up).toBe(true)
    await clock.advance(11_000)
    expect(link.up).toBe(false)
  })

  it('follows the addresses', async () => {
    const { link, clock, ncp, events } = await attached()
    await clock.until(link.addOnMeshPrefix('fd11:22:33:44::/64'))
    expect(ncp.asked.slice(-3)).toEqual([
      'set THREAD_ALLOW_LOCAL_NET_DATA_CHANGE 01',
      'insert THREAD_ON_MESH_NETS fd110022003300440000000000000000400131',
      'set THREAD_ALLOW_LOCAL_NET_DATA_CHANGE 00',
    ])
    await clock.until(link.addAddress('fd11:22:33:44::beef'))
    await clock.until(link.addAddress('fd99::1'))
    expect(link.addresses.map(({ address, origin }) => `${address} ${origin}`)).toEqual([
      'fd99::1 assigned',
      'fd11:22:33:44::beef on-mesh',
      `${MESH_LOCAL} mesh-local`,
      `${LINK_LOCAL} link-local`,
    ])
    expect(events.filter(({ kind }) => kind === 'addresses').length).toBeGreaterThanOrEqual(2)
    for (const wrong of ['ff03::1', '::', 'x']) expect((await failureOf(link.addAddress(wrong))).code).toBe('link.network-invalid')
    for (const wrong of ['fe80::', 'fd00::1', 'ff03::'])
      expect((await failureOf(link.addOnMeshPrefix(wrong))).code).toBe('link.network-invalid')
  })

  it('ends with the dongle clean: groups, addresses and prefixes of ours are gone, the network stays', async () => {
    const { link, clock, ncp, line } = await attached()
    link.joinGroup('ff03::fd')
    await clock.until(link.addAddress('fd99::1'))
    await clock.until(link.addOnMeshPrefix('fd11:22:33:44::'))
    await clock.until(link.stop())
    expect(ncp.groups).toEqual(['ff02::1', 'ff03::1', 'ff03::fc'])
    expect(ncp.addresses).not.toContain('fd99::1')
    expect(ncp.prefixes).toEqual([])
    expect(ncp.values.get(PROP.NET_STACK_UP.number)).toEqual(Uint8Array.of(1))
    expect(link.up).toBe(false)
    expect(line.closed).toBe(false)
    expect(clock.pendingTimers).toBe(0)
    await link.stop()
  })

  it('ends within a second though the dongle is dead', async () => {
    const { link, clock, ncp } = await attached()
    link.joinGroup('ff03::fd')
    await clock.until(link.addAddress('fd99::1'))
    ncp.silent = true
    const before = clock.monotonicMs()
    await clock.until(link.stop())
    expect(clock.monotonicMs() - before).toBeLessThanOrEqual(1_000)
    expect(clock.pendingTimers).toBe(0)
  })
})
