// Security of demo devices over time: power cuts, hostile bytes, whole sites (docs/demo-devices.md; RFC 8613 Appendix B.1).
import { describe, expect, it } from 'vitest'
import { seededRandom } from '#main/base/index.ts'
import { decodeMessage, findOption, OptionNumber } from '#main/wire/coap/index.ts'
import { decodeOption } from '#main/wire/oscore/index.ts'
import { json } from './harness.ts'
import { GROUP_ADDRESS, identityOf, ignored, isOn, secureBench, securedRoom, sendOn, TO_GROUP, views } from './secure-harness.ts'

describe('a restart', () => {
  it('keeps enrolment and bindings; devices join again by themselves', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0, 1])
    const before = bench.manager.members('G').map(({ senderId }) => senderId)
    await bench.reopen()
    expect(await bench.send(TO_GROUP, sendOn('room'))).toEqual([])
    await bench.clock.advance(30_000)
    expect((await bench.listing(1)).groups).toMatchObject([{ n: 'G', s: 'joined' }])
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([0, 1])
    // The keys were lost with the power: every member has a Sender ID that it never had under the Gid (groupcomm-28 §2.6.3.1).
    const after = bench.manager.members('G').map(({ senderId }) => senderId)
    expect(after.filter((id) => before.some((old) => String(old) === String(id)))).toHaveLength(1)
  })

  it('a device in several groups joins all of them again, one after the other: a join proves its key by the last challenge (§6.2)', async () => {
    const bench = secureBench({ devices: 2 })
    const names = ['A', 'B', 'C', 'D']
    bench.admit([0], names)
    for (const name of names) await bench.tell(0, name, [])
    await bench.clock.advance(5000)
    bench.site.powerOff(bench.ep(0))
    bench.site.powerOn(bench.ep(0))
    for (let step = 0; step < 6; step++) await bench.clock.advance(500)
    expect((await bench.listing(0)).groups.map(({ n, s }) => [n, s])).toEqual(names.map((name) => [name, 'joined']))
  })

  it('no Partial IV is used twice, whenever the power goes (RFC 8613 Appendix B.1.1)', async () => {
    const bench = secureBench({ devices: 2 })
    const seen = new Map<string, string>()
    const watch = (): (() => void) =>
      bench.site.channel.subscribe((event) => {
        if (event.kind !== 'datagram') return
        const message = decodeMessage(event.datagram.payload)
        const option = findOption(message.options, OptionNumber.OSCORE)
        const { partialIv, kid, group } = (option === undefined ? undefined : decodeOption(option.value)) ?? {}
        if (partialIv === undefined || group === true) return
        // Retransmissions are the same bytes.
        const key = `${event.datagram.source.address} ${String(kid ?? '')} ${Number(`0x${Buffer.from(partialIv).toString('hex')}`)}`
        const bytes = Buffer.from(message.payload).toString('hex')
        expect(seen.get(key) ?? bytes).toBe(bytes)
        seen.set(key, bytes)
      })
    watch()
    await securedRoom(bench, [0, 1])
    for (let round = 0; round < 6; round++) {
      if (round % 2 === 0) {
        await bench.reopen()
        watch()
      } else {
        bench.site.powerOff(bench.ep(0))
        await bench.clock.advance(100)
        bench.site.powerOn(bench.ep(0))
      }
      await bench.clock.advance(700 + 9000 * (round % 3))
      await bench.ask(0, { method: 'GET', path: ['dev'] })
    }
    expect(seen.size).toBeGreaterThan(20)
  })

  it('nothing leaves under numbers that could not be kept', async () => {
    const bench = secureBench({ devices: 2 })
    bench.admit([0], ['G'])
    await bench.clock.advance(100)
    bench.memory.broken = true
    expect(await bench.tell(0, 'G', ['room'])).toBe('2.01')
    await bench.clock.advance(20_000)
    expect(bench.manager.members('G')).toEqual([])
    bench.memory.broken = false
    await bench.clock.advance(60_000)
    expect(bench.manager.members('G')).toHaveLength(1)
  })

  it('a group request recorded before it has no effect after it (RFC 8613 Appendix B.1.2)', async () => {
    const bench = secureBench({ devices: 2 })
    const group = await securedRoom(bench, [0])
    let recorded = new Uint8Array(0)
    const { channel } = bench.site
    const send = channel.send.bind(channel)
    channel.send = (payload, to) => {
      if (to.address === GROUP_ADDRESS) recorded = Uint8Array.from(payload)
      send(payload, to)
    }
    expect(await bench.send(TO_GROUP, sendOn('room', group, true))).toEqual([0])
    expect(await bench.send(TO_GROUP, sendOn('room', group, false))).toEqual([0])
    const last = recorded
    expect(await bench.send(TO_GROUP, sendOn('room', group, true))).toEqual([0])
    expect(last.length).toBeGreaterThan(0)
    await bench.reopen()
    await bench.clock.advance(600_000)
    expect((await bench.listing(0)).groups).toMatchObject([{ s: 'joined' }])
    bench.site.channel.send(last, TO_GROUP)
    await bench.clock.advance(5000)
    expect(isOn(bench, 0)).toBe(true)
    expect(await bench.send(TO_GROUP, sendOn('room', group, false))).toEqual([0])
    expect(isOn(bench, 0)).toBe(false)
  })
})

describe('hostile bytes', () => {
  it('protected nonsense, replays and reflections leave all devices in order, and bring no protected side to life without keys', async () => {
    const bench = secureBench({ devices: 4 })
    const group = await securedRoom(bench, [0, 1])
    const random = seededRandom(5)
    const recorded: Uint8Array[] = []
    const { channel } = bench.site
    const send = channel.send.bind(channel)
    channel.send = (payload, to) => {
      recorded.push(payload)
      send(payload, to)
    }
    channel.subscribe((event) => {
      if (event.kind === 'datagram') recorded.push(event.datagram.payload)
    })
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([0, 1])
    await bench.listing(0)
    const material = recorded.slice(0, 50)
    const before = views(bench, 0)
    for (let index = 0; index < 3000; index++) {
      const bytes = Uint8Array.from(material[index % material.length] ?? [])
      if (index % 3 > 0 && bytes.length > 4) bytes[4 + random.below(bytes.length - 4)] = random.below(256)
      const cut = index % 7 === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes
      if (cut.length > 3) cut.set(random.bytes(2), 2)
      send(cut, index % 2 === 0 ? TO_GROUP : bench.at(index % 4))
      if (index % 50 === 0) await bench.clock.advance(100)
    }
    await bench.clock.advance(300_000)
    expect(views(bench, 0)).toEqual(before)
    for (const index of [0, 1, 2, 3]) expect((await bench.askPlainly(index, { method: 'GET', path: ['dev'] })).code).toBe('2.05')
    expect((await bench.listing(1)).groups).toMatchObject([{ s: 'joined' }])
    expect(await bench.send(TO_GROUP, sendOn('room', group, false))).toEqual([0, 1])
    expect([isOn(bench, 0), isOn(bench, 2), isOn(bench, 3)]).toEqual([false, false, false])
  })

  it('a flood under keys that nobody has makes a member ask its Group Manager now and then, not each time', async () => {
    const bench = secureBench({ devices: 1 })
    await securedRoom(bench, [0])
    bench.admit([], ['H'])
    const other = await bench.operator('H')
    const before = bench.layer.counters.opened
    const startedMs = bench.clock.monotonicMs()
    for (let count = 0; count < 100; count++) await bench.send(TO_GROUP, sendOn('room', other), 100)
    const seconds = (bench.clock.monotonicMs() - startedMs) / 1000
    const asked = bench.layer.counters.opened - before
    expect(asked).toBeGreaterThan(0)
    // A question takes two requests at most.
    expect(asked).toBeLessThanOrEqual(2 * (1 + seconds / 10))
    expect(ignored(bench, 0)).toMatchObject({ foreign: 100 })
  })
})

describe('a whole site', () => {
  it.each([
    ['ideal', 20_000],
    ['real', 60_000],
  ] as const)(
    '200 devices join the security groups of their rooms on the %s radio at 1 in 100 lost, within %i ms',
    async (radio, limitMs) => {
      const bench = secureBench({ devices: 200, radio, lossPercent: 1 })
      const { clock, site, layer, manager, endpoint } = bench
      // Registrations first: they would share the channel.
      await clock.advance(60_000)
      const queue = site.plan.map(({ room }, index) => ({ index, group: room.at(-1) ?? '' }))
      for (const { index, group } of queue) bench.admit([index], [group])
      const all = [...queue]
      const startedMs = clock.monotonicMs()
      const worker = async (): Promise<void> => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          const { index, group } = next
          const gm = `coap://[fd00::1]/ace-group/${encodeURIComponent(group)}`
          const request = { method: 'PUT' as const, path: ['sec', group], ...json({ gm, r: ['responder'], apps: ['x'] }) }
          const identity = identityOf(index)
          const joined = new Promise<void>((resolve) => {
            const end = manager.onEvent((event) => {
              if (event.kind !== 'joined' || event.identity !== identity) return
              end()
              resolve()
            })
          })
          await endpoint.request(bench.at(index), { ...request, security: layer.to(identity) })
          await joined
        }
      }
      await clock.until(Promise.all(Array.from({ length: 8 }, worker)))
      const tookMs = clock.monotonicMs() - startedMs
      const outside = (): number => all.filter(({ index }) => views(bench, index)[0]?.state !== 'joined').length
      for (let waitedMs = 0; waitedMs < limitMs && outside() > 0; waitedMs += 1000) await clock.advance(1000)
      expect(outside()).toBe(0)
      expect(tookMs).toBeLessThan(limitMs)

      // The power of the whole building goes and comes back: everybody registers and joins again at the same time.
      await bench.reopen()
      const backAtMs = clock.monotonicMs()
      while (outside() > 0 && clock.monotonicMs() - backAtMs < 2 * limitMs) await clock.advance(1000)
      expect(outside()).toBe(0)
    },
    60_000,
  )
})
