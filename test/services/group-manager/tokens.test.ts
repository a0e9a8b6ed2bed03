// ACE: tokens of the built-in authorisation server, the OSCORE contexts that come of them, and what happens to both (RFC 9200, RFC 9203).
import { describe, expect, it } from 'vitest'
import { decodeCbor, encodeCbor, toHex, type CborKey, type CborValue } from '#main/base/index.ts'
import { requestToken, rolesOf, transferToken, updateRights, type IssuedToken } from '#main/services/group-manager/index.ts'
import { staleSender, type SequenceStore } from '#main/wire/oscore/index.ts'
import { encodeScope } from '../../../src-main/services/group-manager/scope.ts'
import { BOTH, MANAGER_AT, world, type Device, type World } from './harness.ts'

const map = (...entries: ReadonlyArray<readonly [CborKey, CborValue]>): Uint8Array => encodeCbor(new Map(entries))

function tokenFor(net: World, device: Device, roles = BOTH, keep?: Uint8Array): Promise<IssuedToken> {
  const security = device.layer.to('manager')
  const groups = [{ group: 'g1', roles }]
  return net.run(
    requestToken({
      client: device.endpoint,
      server: MANAGER_AT,
      security,
      groups,
      audience: 'group-manager',
      ...(keep === undefined ? {} : { keep }),
    }),
  )
}

async function withToken(net: World, device: Device, issued: IssuedToken, contextName = 'by token'): Promise<void> {
  const { layer, sequences, endpoint } = device
  const recipientId = Uint8Array.of(0x16, 0x45)
  await net.run(
    transferToken({ client: endpoint, manager: MANAGER_AT, issued, layer, sequences, random: net.random, contextName, recipientId }),
  )
}

function start(): World {
  const net = world()
  net.manager.createGroup('g1', { active: true })
  return net
}

const numOver = (net: World, device: Device, context: string) =>
  net.run(device.endpoint.request(MANAGER_AT, { method: 'GET', path: ['ace-group', 'g1', 'num'], security: device.layer.to(context) }))

describe('access tokens', () => {
  it('are issued for what a record allows, make a context, and let their client join over it', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    await withToken(net, device, await tokenFor(net, device))
    const client = device.member('g1', { managerContext: 'by token' })
    await net.run(client.join())
    expect(net.manager.members('g1')).toMatchObject([{ identity: 'lamp' }])
    // New keys come over the context of the token.
    net.manager.rekeyNow('g1')
    await net.clock.advance(3_000)
    expect(client.generation).toBe(1)
  })

  it('the answer to their transfer says how credentials must be, and gives a challenge (key-groupcomm-oscore-21 §5.3)', async () => {
    const net = start()
    net.manager.createGroup('g2', { active: true, groupMode: false })
    net.manager.authorise({ identity: 'lamp', groups: ['g1', 'g2'].map((group) => ({ group, roles: BOTH })) })
    const device = net.device('lamp')
    const issued = await net.run(requestToken({ client: device.endpoint, server: MANAGER_AT, security: device.layer.to('manager') }))
    const payload = map([1, issued.token], [40, net.random.bytes(8)], [43, Uint8Array.of(9)], [45, null], [47, null], [48, null])
    const response = await net.run(
      device.endpoint.request(MANAGER_AT, { method: 'POST', path: ['authz-info'], payload, contentFormat: 19 }),
    )
    const fields = decodeCbor(response.payload) as ReadonlyMap<number, CborValue>
    expect([response.code, response.contentFormat]).toEqual(['2.01', 19])
    expect(fields.get(45)).toEqual([['g1', -8, [1], [1, 6], 14]])
    expect(fields.get(47)).toEqual([
      ['g1', -27, [1], [1, 4], 14],
      ['g2', -27, [1], [1, 4], 14],
    ])
    expect(fields.get(48)).toEqual([['g2', 14, expect.any(Uint8Array)]])
    expect(fields.get(46)).toHaveLength(8)
  })

  it('allow no more than the record, also when it shrinks after they were issued', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    await withToken(net, device, await tokenFor(net, device))
    const client = device.member('g1', { managerContext: 'by token' })
    await net.run(client.join())
    net.manager.authorise({ identity: 'lamp', groups: [{ group: 'g1', roles: rolesOf(['monitor']) }] })
    await net.clock.advance(5_000)
    expect(client.state).toBe('evicted')
    await expect(net.run(client.join())).rejects.toMatchObject({ details: { code: '4.03' } })
  })

  it('are refused for scopes beyond the record, other grants, unknown audiences and keys of others (RFC 9200 §5.8.3)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1', rolesOf(['responder']))
    const ask = async (...entries: ReadonlyArray<readonly [CborKey, CborValue]>) => {
      const response = await net.run(device.ask({ method: 'POST', path: ['token'], payload: map(...entries), contentFormat: 19 }))
      const fields = decodeCbor(response.payload) as ReadonlyMap<number, CborValue>
      return [response.code, fields.get(30) ?? [...fields.keys()]]
    }
    const scope = (group: string, roles = BOTH): Uint8Array => encodeScope({ groups: [{ group, roles }], admin: [] })
    expect(await ask([9, scope('g2')])).toEqual(['4.00', 6])
    expect(await ask([9, 'g1'])).toEqual(['4.00', 6])
    expect(await ask([5, 'elsewhere'], [9, scope('g1')])).toEqual(['4.00', 1])
    expect(await ask([33, 0], [9, scope('g1')])).toEqual(['4.00', 5])
    expect(await ask([4, new Map([[3, Uint8Array.of(1)]])], [9, scope('g1')])).toEqual(['4.00', 1])
    // Less than was asked for is said (§5.8.2).
    expect(await ask([9, scope('g1')])).toEqual(['2.01', [1, 2, 8, 9, 38]])
    const stranger = net.device('stranger')
    expect((await net.run(stranger.ask({ method: 'POST', path: ['token'], payload: map(), contentFormat: 19 }))).code).toBe('4.01')
  })

  it('posted again by somebody who has seen them go by do not take the context from their client', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const issued = await tokenFor(net, device)
    await withToken(net, device, issued)
    const client = device.member('g1', { managerContext: 'by token' })
    await net.run(client.join())
    const thief = net.device('thief')
    for (let round = 0; round < 20; round++) {
      const payload = map([1, issued.token], [40, net.random.bytes(8)], [43, Uint8Array.of(round)])
      const response = await net.run(
        thief.endpoint.request(MANAGER_AT, { method: 'POST', path: ['authz-info'], payload, contentFormat: 19 }),
      )
      expect(response.code).toBe('2.01')
    }
    expect((await numOver(net, device, 'by token')).code).toBe('2.05')
    // Its client may: the first use of the new context ends the old one.
    await withToken(net, device, issued, 'by token again')
    expect((await numOver(net, device, 'by token again')).code).toBe('2.05')
    const old = await numOver(net, device, 'by token')
    expect([old.code, old.peer]).toEqual(['4.01', undefined])
    expect(net.manager.members('g1')).toHaveLength(1)
  })

  it('change rights under the keys that there are (RFC 9203 §4.1, §4.2)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1', rolesOf(['requester', 'responder', 'verifier']))
    const issued = await tokenFor(net, device, rolesOf(['verifier']))
    await withToken(net, device, issued)
    const client = device.member('g1', { managerContext: 'by token' })
    await expect(net.run(client.join())).rejects.toMatchObject({ details: { code: '4.03' } })
    const more = await tokenFor(net, device, BOTH, issued.material?.id)
    expect(more.material).toBeUndefined()
    const transfer = { client: device.endpoint, manager: MANAGER_AT, issued: more, layer: device.layer }
    // Not over another context: nothing would show whose it is.
    await expect(net.run(updateRights({ ...transfer, contextName: 'manager' }))).rejects.toMatchObject({ details: { code: '4.01' } })
    await net.run(updateRights({ ...transfer, contextName: 'by token' }))
    await net.run(client.join())
    expect(client.state).toBe('member')
  })

  it('end with their time: the context is gone, so is the membership, and the others have new keys', async () => {
    const net = world({ manager: { tokens: { lifetimeS: 600 } } })
    net.manager.createGroup('g1', { active: true })
    const device = net.enrolled('lamp', 'g1')
    await withToken(net, device, await tokenFor(net, device))
    await net.run(device.member('g1', { managerContext: 'by token' }).join())
    const other = net.enrolled('other', 'g1').member('g1')
    await net.run(other.join())
    await net.clock.advance(601_000)
    expect(net.manager.members('g1').map(({ identity }) => identity)).toEqual(['other'])
    expect(other.generation).toBe(1)
    const late = await numOver(net, device, 'by token')
    expect([late.code, late.peer]).toEqual(['4.01', undefined])
  })

  it('and their contexts survive the program; its client proves that it is fresh and goes on (RFC 8613 App. B.1.2)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    await withToken(net, device, await tokenFor(net, device))
    const client = device.member('g1', { managerContext: 'by token' })
    await net.run(client.join())
    net.restart()
    expect((await numOver(net, device, 'by token')).code).toBe('2.05')
    net.manager.rekeyNow('g1')
    await net.clock.advance(5_000)
    expect([client.generation, net.manager.status('g1').behind]).toEqual([1, 0])
    net.manager.withdraw('lamp')
    expect((await numOver(net, device, 'by token')).code).toBe('4.01')
    expect(net.database.prepare('SELECT count(*) AS n FROM gm_grant').get()).toEqual({ n: 0 })
  })
})

describe('a copied file', () => {
  it('has no tokens: their contexts are gone, a new token is to be had, and nobody loses the membership', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const issued = await tokenFor(net, device)
    await withToken(net, device, issued)
    const client = device.member('g1', { managerContext: 'by token', checkIntervalMs: 0 })
    await net.run(client.join())
    const file = toHex(new Uint8Array(net.database.serialize()))
    expect(file).not.toContain(toHex(issued.material?.masterSecret ?? new Uint8Array(16)))
    net.restart({ isCopy: true })
    const refused = await numOver(net, device, 'by token')
    expect([refused.code, refused.peer]).toEqual(['4.01', undefined])
    // Tokens from before are sealed with another key.
    await expect(withToken(net, device, issued)).rejects.toMatchObject({ details: { code: '4.01' } })
    await withToken(net, device, await tokenFor(net, device))
    await net.run(client.refresh())
    expect([client.state, client.generation]).toEqual(['member', net.manager.status('g1').generation])
  })
})

describe('records of enrolled devices', () => {
  it('end memberships with their own end, or when they are withdrawn', async () => {
    const net = start()
    const clients = []
    for (const [name, more] of [
      ['a', { notAfterMs: net.clock.now() + 100_000 }],
      ['b', {}],
      ['c', {}],
    ] as const) {
      const client = net.enrolled(name, 'g1', BOTH, more).member('g1')
      await net.run(client.join())
      clients.push(client)
    }
    await net.clock.advance(110_000)
    expect(clients.map(({ state }) => state)).toEqual(['evicted', 'member', 'member'])
    net.manager.withdraw('b')
    await net.clock.advance(10_000)
    expect(clients.map(({ state }) => state)).toEqual(['evicted', 'evicted', 'member'])
    expect(clients[2]?.generation).toBe(2)
    expect(net.manager.authorisations().map(({ identity }) => identity)).toEqual(['c'])
  })
})

describe('observers (RFC 7641)', () => {
  it('of a group’s resources hear of new keys, versions and states; of its end and of their own', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const client = device.member('g1', { checkIntervalMs: 0 })
    // Without a resource of its own: it hears by observing alone.
    const quiet = net.enrolled('quiet', 'g1')
    await net.run(client.join())
    const noControl = quiet.member('g1', { checkIntervalMs: 60_000 }, 'no control')
    await net.run(noControl.join())
    const heard: string[] = []
    const security = device.layer.to('manager')
    const observe = (name: string, path: readonly string[]) =>
      device.endpoint.observe(
        MANAGER_AT,
        { method: 'GET', path: ['ace-group', 'g1', ...path], security },
        {
          onNotification: ({ code, payload }) =>
            heard.push(`${name} ${code} ${name === 'group' ? payload.length > 60 : toHex(payload).slice(0, 4)}`),
        },
      )
    observe('num', ['num'])
    observe('active', ['active'])
    observe('group', [])
    await net.clock.advance(1_000)
    expect(heard.splice(0).sort()).toEqual(['active 2.05 f5', 'group 2.05 true', 'num 2.05 00'])
    net.manager.rekeyNow('g1')
    await net.clock.advance(10_000)
    expect([...new Set(heard.splice(0))].sort()).toEqual(['group 2.05 true', 'num 2.05 01'])
    net.manager.configure('g1', { ...net.manager.status('g1').configuration, active: false })
    await net.clock.advance(10_000)
    expect(heard.splice(0)).toContain('active 2.05 f4')
    net.manager.deleteGroup('g1')
    await net.clock.advance(61_000)
    expect(
      heard
        .splice(0)
        .sort()
        .map((line) => line.slice(0, 11)),
    ).toEqual(['active 4.04', 'group 4.04 ', 'num 4.04 a2'])
    expect([client.state, noControl.state]).toEqual(['deleted', 'deleted'])
  })

  it('of its own resource, a member without a control path hears of its eviction as 4.04 with error-id 5 (§10)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const client = device.member('g1', { checkIntervalMs: 0 }, 'no control')
    await net.run(client.join())
    await net.run(net.enrolled('other', 'g1').member('g1', { checkIntervalMs: 0 }).join())
    const node = client.nodeName ?? ''
    const codes: string[] = []
    const security = device.layer.to('manager')
    device.endpoint.observe(
      MANAGER_AT,
      { method: 'GET', path: ['ace-group', 'g1', 'nodes', node], security },
      {
        onNotification: ({ code, payload }) => codes.push(`${code} ${toHex(payload).slice(0, 12)}`),
      },
    )
    await net.clock.advance(2_000)
    net.manager.evict('g1', ['lamp'])
    await net.clock.advance(10_000)
    expect(codes.map((line) => line.slice(0, 4))).toEqual(['2.05', '4.04'])
    expect(codes.at(-1)).toBe('4.04 a200a1000520')
  })
})

describe('a token that was seen', () => {
  it('makes no more contexts than a few when it is posted again and again, leaves no trace of them, and takes nothing from its client', async () => {
    const kept = new Map<string, number>()
    const sequences: SequenceStore = {
      establish: (context) => {
        if (kept.has(context)) return false
        kept.set(context, 0)
        return true
      },
      reserve: (context, count) => {
        const first = kept.get(context)
        if (first === undefined) throw staleSender()
        kept.set(context, first + count)
        return first
      },
      forget: (context) => {
        if (kept.get(context) === 0) kept.delete(context)
      },
    }
    const net = world({ manager: { sequences } })
    net.manager.createGroup('g1', { active: true })
    const device = net.enrolled('lamp', 'g1')
    const issued = await tokenFor(net, device)
    await withToken(net, device, issued)
    expect((await numOver(net, device, 'by token')).code).not.toBe('4.01')
    const before = kept.size
    const thief = net.device('thief')
    for (let round = 0; round < 100; round++) {
      const payload = map([1, issued.token], [40, net.random.bytes(8)], [43, net.random.bytes(2)])
      const request = { method: 'POST', path: ['authz-info'], payload, contentFormat: 19 } as const
      expect((await net.run(thief.endpoint.request(MANAGER_AT, request))).code).toBe('2.01')
    }
    expect(kept.size).toBeLessThanOrEqual(before + 4)
    expect((await numOver(net, device, 'by token')).code).not.toBe('4.01')
    expect(kept.size).toBeLessThanOrEqual(before + 4)
  })
})
