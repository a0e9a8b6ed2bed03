// Demo devices in security groups: they join at the Group Manager over the radio and take group requests under its keys only
// (docs/demo-devices.md; key-groupcomm-oscore-21; draft-ietf-core-oscore-groupcomm-28).
import { describe, expect, it } from 'vitest'
import { rolesOf } from '#main/services/group-manager/index.ts'
import { OptionNumber, parseLinkFormat } from '#main/wire/coap/index.ts'
import { json, text } from './harness.ts'
import { GROUP_ADDRESS, identityOf, ignored, isOn, putInto, secureBench, securedRoom, sendOn, TO_GROUP, views } from './secure-harness.ts'

const OTHER = 'ff35:30:fd00::1:2'

describe('enrolment', () => {
  it('devices say that they take part, and how many groups fit', async () => {
    const bench = secureBench()
    const links = parseLinkFormat(
      text(await bench.askPlainly(0, { method: 'GET', path: ['.well-known', 'core'], query: ['rt=gw.security'] })),
    )
    expect(links).toEqual([
      {
        href: '/sec',
        attributes: [
          { name: 'rt', value: 'gw.security' },
          { name: 'places', value: '4' },
        ],
      },
    ])
  })

  it('is for devices that there are; one without security says so in its links and does not know the option (RFC 7252 §5.4.1)', async () => {
    const bench = secureBench({ withoutSecurity: ['switch'] })
    const index = bench.site.plan.findIndex(({ type }) => type === 'switch')
    expect(bench.enrol(index)).toBe(false)
    const nobody = { masterSecret: new Uint8Array(16), masterSalt: new Uint8Array(8), deviceId: Uint8Array.of(1), toolId: Uint8Array.of(2) }
    expect(bench.site.enrol('ffffffffffffffff', nobody)).toBe(false)
    expect(text(await bench.askPlainly(index, { method: 'GET', path: ['.well-known', 'core'] }))).not.toContain('gw.security')
    expect((await bench.askPlainly(index, { method: 'GET', path: ['sec'] })).code).toBe('4.04')
    const options = [{ number: OptionNumber.OSCORE, value: Uint8Array.of(0x09, 0, 1) }]
    const protectedRequest = { method: 'POST' as const, path: [], options, payload: Uint8Array.of(1, 2, 3) }
    expect((await bench.askPlainly(index, protectedRequest)).code).toBe('4.02')
    expect((await bench.askPlainly(0, protectedRequest)).code).toBe('4.01')
  })

  it('all resources can be used under the context with the tool; /sec only there', async () => {
    const bench = secureBench()
    bench.enrol(0)
    expect(text(await bench.ask(0, { method: 'GET', path: ['dev'] }))).toContain(bench.ep(0))
    expect((await bench.ask(0, { method: 'PUT', path: ['groups', 'room'], ...json({ a: GROUP_ADDRESS, p: 5683 }) })).code).toBe('2.01')
    expect(await bench.send(TO_GROUP, sendOn('room'))).toEqual([0])
    expect(await bench.listing(0)).toEqual({ places: 4, groups: [] })
    for (const method of ['GET', 'PUT', 'DELETE'] as const) {
      expect((await bench.askPlainly(0, { method, path: method === 'GET' ? ['sec'] : ['sec', 'G'] })).code).toBe('4.01')
    }
    expect((await bench.askPlainly(1, { method: 'GET', path: ['sec'] })).code).toBe('4.01')
  })

  it('a new one takes the place of the old, and the device joins again under it', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0, 1])
    const before = bench.manager.members('G').find(({ identity }) => identity === identityOf(0))?.node
    bench.enrol(0)
    await bench.clock.advance(30_000)
    expect((await bench.listing(0)).groups).toMatchObject([{ n: 'G', s: 'joined' }])
    expect(bench.manager.members('G').find(({ identity }) => identity === identityOf(0))?.joinedAtMs).toBeGreaterThan(0)
    expect(before).toBeDefined()
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([0, 1])
  })
})

describe('the table of security groups', () => {
  it.each([
    ['no JSON', 'G', Uint8Array.of(1, 2)],
    ['an array', 'G', json([1]).payload],
    ['another group at the Group Manager', 'G', json({ gm: 'coap://[fd00::1]/ace-group/H', r: ['responder'], apps: [] }).payload],
    ['a name instead of an address', 'G', json({ gm: 'coap://gm.example/ace-group/G', r: ['responder'], apps: [] }).payload],
    ['no roles', 'G', json({ gm: 'coap://[fd00::1]/ace-group/G', r: [], apps: [] }).payload],
    ['an unknown role', 'G', json({ gm: 'coap://[fd00::1]/ace-group/G', r: ['king'], apps: [] }).payload],
    ['apps that are no names', 'G', json({ gm: 'coap://[fd00::1]/ace-group/G', r: ['responder'], apps: [1] }).payload],
    [
      'more apps than places',
      'G',
      json({ gm: 'coap://[fd00::1]/ace-group/G', r: ['responder'], apps: Array.from({ length: 9 }, String) }).payload,
    ],
    ['a long name', 'x'.repeat(64), json({ gm: `coap://[fd00::1]/ace-group/${'x'.repeat(64)}`, r: ['responder'], apps: [] }).payload],
  ])('refuses %s', async (_, name, payload) => {
    const bench = secureBench()
    bench.enrol(0)
    expect((await bench.ask(0, { method: 'PUT', path: ['sec', name], payload, contentFormat: 50 })).code).toBe('4.00')
    expect((await bench.listing(0)).groups).toEqual([])
  })

  it('has four places; a fifth group is refused with 4.09, and one that leaves makes room', async () => {
    const bench = secureBench()
    const names = ['A', 'B', 'Büro 2.14', 'D', 'E']
    bench.admit([0], names)
    for (const name of names.slice(0, 4)) expect(await bench.tell(0, name, [])).toBe('2.01')
    const gm = 'coap://[fd00::1]/ace-group/E'
    const fifth = await bench.ask(0, { method: 'PUT', path: ['sec', 'E'], ...json({ gm, r: ['responder'], apps: [] }) })
    expect([fifth.code, text(fifth)]).toEqual(['4.09', 'security groups full'])
    await bench.clock.advance(10_000)
    expect((await bench.listing(0)).groups.map(({ n, s }) => [n, s])).toEqual(names.slice(0, 4).map((name) => [name, 'joined']))
    for (const code of ['2.02', '2.02']) expect((await bench.ask(0, { method: 'DELETE', path: ['sec', 'B'] })).code).toBe(code)
    await bench.clock.advance(2000)
    expect(bench.manager.members('B')).toEqual([])
    expect(await bench.tell(0, 'E', [])).toBe('2.01')
    await bench.clock.advance(5000)
    expect(bench.manager.members('E')).toHaveLength(1)
  })

  it('other application groups change the binding alone; other roles are joined for again', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0])
    await putInto(bench, [0], 'hall', OTHER)
    const place = () => bench.manager.members('G').find(({ identity }) => identity === identityOf(0))
    const before = place()
    expect(await bench.tell(0, 'G', ['room', 'hall'])).toBe('2.04')
    await bench.clock.advance(5000)
    expect(place()).toEqual(before)
    expect(await bench.send({ address: OTHER, port: 5683 }, sendOn('hall', group))).toEqual([0])
    expect(await bench.tell(0, 'G', ['room'], ['requester', 'responder'])).toBe('2.04')
    await bench.clock.advance(5000)
    expect(place()?.roles).toMatchObject({ requester: true, responder: true })
    expect(await bench.send({ address: OTHER, port: 5683 }, sendOn('hall'))).toEqual([0])
  })

  it('a device that is not let in says why, tries again, and joins as soon as it may', async () => {
    const bench = secureBench()
    bench.manager.createGroup('G', { active: true })
    bench.enrol(0)
    expect(await bench.tell(0, 'G', ['room'])).toBe('2.01')
    await bench.clock.advance(5000)
    expect((await bench.listing(0)).groups).toMatchObject([{ n: 'G', s: 'failed', e: 'refused 4.01' }])
    bench.manager.authorise({ identity: identityOf(0), groups: [{ group: 'G', roles: rolesOf(['responder']) }] })
    await bench.clock.advance(60_000)
    expect((await bench.listing(0)).groups).toMatchObject([{ n: 'G', s: 'joined', e: '' }])
  })
})

describe('group requests', () => {
  it('are answered under the keys of the group that they came under', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0, 1, 2])
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([0, 1, 2])
    expect([0, 1, 2, 3].map((index) => isOn(bench, index))).toEqual([true, true, true, false])
  })

  it('without protection are ignored and counted; by unicast they are refused', async () => {
    const bench = secureBench()
    await securedRoom(bench, [0, 1])
    expect(await bench.send(TO_GROUP, sendOn('room'))).toEqual([])
    expect((await bench.askPlainly(0, sendOn('room'))).code).toBe('4.01')
    expect((await bench.ask(0, sendOn('room'))).code).toBe('4.01')
    expect([isOn(bench, 0), isOn(bench, 1)]).toEqual([false, false])
    expect([ignored(bench, 0), ignored(bench, 1)]).toEqual([
      { unprotected: 3, foreign: 0 },
      { unprotected: 1, foreign: 0 },
    ])
  })

  it('under keys of another group that the device is in are ignored and counted', async () => {
    const bench = secureBench()
    await securedRoom(bench, [0])
    bench.admit([1], ['H'])
    bench.manager.authorise({ identity: identityOf(0), groups: ['G', 'H'].map((name) => ({ group: name, roles: rolesOf(['responder']) })) })
    const other = await bench.operator('H')
    expect(await bench.tell(0, 'H', ['hall'])).toBe('2.01')
    await bench.clock.advance(5000)
    expect(await bench.send(TO_GROUP, sendOn('room', other))).toEqual([])
    expect(isOn(bench, 0)).toBe(false)
    expect(ignored(bench, 0)).toEqual({ unprotected: 0, foreign: 1 })
  })

  it('under keys that the device does not have are ignored and counted', async () => {
    const bench = secureBench()
    await securedRoom(bench, [0])
    bench.admit([], ['H'])
    const other = await bench.operator('H')
    expect(await bench.send(TO_GROUP, sendOn('room', other))).toEqual([])
    expect(ignored(bench, 0)).toEqual({ unprotected: 0, foreign: 1 })
  })

  it('to application groups of no security group are served as before', async () => {
    const bench = secureBench()
    await securedRoom(bench, [0])
    await putInto(bench, [0], 'open', OTHER)
    expect(await bench.send({ address: OTHER, port: 5683 }, sendOn('open'))).toEqual([0])
  })

  it('by unicast under the keys of the group are served, too: a border router may carry no multicast', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0])
    const response = await bench.askPlainly(0, sendOn('room', group))
    expect([response.code, response.peer?.scheme]).toEqual(['2.04', 'group-oscore'])
    expect(isOn(bench, 0)).toBe(true)
  })
})

describe('new keys', () => {
  it('reach all members; who was without power gets them when it is back', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0, 1, 2])
    bench.site.powerOff(bench.ep(2))
    bench.manager.rekeyNow('G')
    await bench.clock.advance(10_000)
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([0, 1])
    bench.site.powerOn(bench.ep(2))
    await bench.clock.advance(60_000)
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([0, 1, 2])
    expect(views(bench, 2)).toMatchObject([{ state: 'joined', generation: 1 }])
  })

  it('a member that has missed them asks for them as soon as it hears something that it cannot read', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0, 1])
    bench.site.setLoss(100)
    bench.manager.rekeyNow('G')
    await bench.clock.advance(1000)
    bench.site.setLoss(0)
    expect(views(bench, 0)[0]?.generation).toBe(0)
    const sentAtMs = bench.clock.monotonicMs()
    await bench.send(TO_GROUP, sendOn('room', group), 200)
    while (views(bench, 0)[0]?.generation !== 1 && bench.clock.monotonicMs() - sentAtMs < 60_000) await bench.clock.advance(100)
    // It spreads its question over two seconds; the Group Manager alone would have tried again later than that.
    expect(bench.clock.monotonicMs() - sentAtMs).toBeLessThan(3000)
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toContain(0)
  })

  it.each([1, 2, 3])('at a loss of 20 in 100 end at all members, rekeying after rekeying (seed %i)', async (seed) => {
    const bench = secureBench({ devices: 16, seed })
    const indices = Array.from({ length: 16 }, (_, index) => index)
    await securedRoom(bench, indices)
    bench.site.setLoss(20)
    for (let generation = 1; generation <= 4; generation++) {
      bench.manager.rekeyNow('G')
      await bench.clock.advance(generation % 2 === 0 ? 1000 : 30_000)
    }
    for (let minute = 0; minute < 30 && bench.current('G') < 16; minute++) await bench.clock.advance(60_000)
    expect(bench.current('G')).toBe(16)
    expect(indices.map((index) => views(bench, index)[0]?.generation)).toEqual(indices.map(() => 4))
  })
})

describe('leaving', () => {
  it('an evicted device forgets its keys, says so, and stays out until it is told to join anew', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0, 1])
    bench.manager.evict('G', [identityOf(0)], { forGood: true })
    await bench.clock.advance(20_000)
    expect((await bench.listing(0)).groups).toMatchObject([{ n: 'G', s: 'failed', g: 0, e: 'evicted' }])
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([1])
    bench.manager.authorise({ identity: identityOf(0), groups: [{ group: 'G', roles: rolesOf(['responder']) }] })
    await bench.reopen()
    await bench.clock.advance(120_000)
    expect(bench.manager.members('G').map(({ identity }) => identity)).not.toContain(identityOf(0))
    expect((await bench.listing(0)).groups).toMatchObject([{ n: 'G', s: 'failed', e: 'evicted' }])
    expect(await bench.tell(0, 'G', ['room'])).toBe('2.04')
    await bench.clock.advance(10_000)
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([0, 1])
  })

  it('a device that is told to leave tells the Group Manager, and its application group is open again', async () => {
    const bench = secureBench()
    const group = await securedRoom(bench, [0, 1])
    expect((await bench.ask(0, { method: 'DELETE', path: ['sec', 'G'] })).code).toBe('2.02')
    await bench.clock.advance(2000)
    expect(bench.manager.members('G').map(({ identity }) => identity)).not.toContain(identityOf(0))
    expect(await bench.send(TO_GROUP, sendOn('room', group))).toEqual([1])
    expect(await bench.send(TO_GROUP, sendOn('room'))).toEqual([0])
  })
})
