// Joining, talking with the keys, new keys, leaving, eviction: members' clients against the Group Manager over the wire.
import { describe, expect, it } from 'vitest'
import { toHex, utf8 } from '#main/base/index.ts'
import { SUPPORTED_AEADS } from '#main/wire/oscore/index.ts'
import { rolesOf } from '#main/services/group-manager/index.ts'
import type { GroupMemberClient } from '#main/services/group-manager/index.ts'
import { BOTH, GROUP_ADDRESS, text, world, type Device } from './harness.ts'

async function hears(net: ReturnType<typeof world>, from: Device, group: string, expected: number): Promise<readonly string[]> {
  const security = from.layer.group(group)?.groupMode()
  if (security === undefined) throw new TypeError('no group')
  const responses: string[] = []
  const all = (async () => {
    const options = { deadlineMs: 8_000, expected }
    for await (const { payload } of from.endpoint.groupRequest(GROUP_ADDRESS, { method: 'GET', path: ['who'], security }, options)) {
      responses.push(text(payload))
    }
  })()
  await net.run(all)
  return responses.sort()
}

function serve(device: Device): void {
  device.tree.add('/who', {
    handlers: { GET: ({ peer }) => ({ code: '2.05', payload: utf8(`${device.name} hears ${peer?.scheme ?? 'nobody'}`) }) },
    answersGroupRequests: true,
  })
  device.channel.joinGroup(GROUP_ADDRESS.address)
}

async function joined(
  net: ReturnType<typeof world>,
  names: readonly string[],
  group = 'g1',
): Promise<Array<{ device: Device; client: GroupMemberClient }>> {
  const all = []
  for (const name of names) {
    const device = net.enrolled(name, group)
    serve(device)
    const client = device.member(group)
    await net.run(client.join())
    all.push({ device, client })
  }
  return all
}

describe('membership of a security group', () => {
  it('is had by a Join Request with proof of possession, and its keys serve for talking (key-groupcomm-oscore-21 §6)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const members = await joined(net, ['lamp', 'switch', 'blind'])
    const [lamp, wall] = members
    if (lamp === undefined || wall === undefined) throw new TypeError()
    await net.run(lamp.client.refreshMembers())
    expect(await hears(net, lamp.device, 'g1', 2)).toEqual(['blind hears group-oscore', 'switch hears group-oscore'])
    expect(net.manager.members('g1').map(({ identity, senderId, keys }) => [identity, toHex(senderId ?? new Uint8Array(9)), keys])).toEqual(
      [
        ['lamp', '00', 'told'],
        ['switch', '01', 'told'],
        ['blind', '02', 'told'],
      ],
    )
  })

  it('goes on under new keys after a rekeying that reaches every member (§11)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const members = await joined(net, ['lamp', 'switch', 'blind'])
    const before = net.manager.status('g1')
    net.manager.rekeyNow('g1')
    await net.clock.advance(2_000)
    const after = net.manager.status('g1')
    expect(toHex(after.gid)).not.toBe(toHex(before.gid))
    expect(after).toMatchObject({ generation: 1, behind: 0 })
    for (const { client } of members)
      expect([client.generation, toHex(client.group?.current.gid ?? new Uint8Array(0))]).toEqual([1, toHex(after.gid)])
    const [lamp] = members
    if (lamp === undefined) throw new TypeError()
    await net.run(lamp.client.refreshMembers())
    expect(await hears(net, lamp.device, 'g1', 2)).toHaveLength(2)
  })

  it('ends with eviction: the others get new keys, the one who goes is told and has none (§10)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const members = await joined(net, ['lamp', 'switch', 'blind'])
    net.manager.evict('g1', ['blind'])
    await net.clock.advance(5_000)
    expect(members.map(({ client }) => [client.state, client.generation])).toEqual([
      ['member', 1],
      ['member', 1],
      ['evicted', undefined],
    ])
    expect(net.manager.members('g1')).toHaveLength(2)
  })

  it('ends by leaving, and leaves are gathered where the policy says so (§9.11)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true, rekeying: { afterLeaves: 2, withinMs: 60_000 } })
    const members = await joined(net, ['lamp', 'switch', 'blind', 'door'])
    const [, wall, blind, door] = members
    if (wall === undefined || blind === undefined || door === undefined) throw new TypeError()
    await net.run(blind.client.leave())
    expect(net.manager.status('g1')).toMatchObject({ generation: 0, leavesWaiting: 1, members: 3 })
    await net.run(door.client.leave())
    expect(net.manager.status('g1')).toMatchObject({ generation: 1, leavesWaiting: 0, members: 2 })
    await net.run(wall.client.leave())
    await net.clock.advance(59_000)
    expect(net.manager.status('g1').generation).toBe(1)
    await net.clock.advance(2_000)
    expect(net.manager.status('g1').generation).toBe(2)
  })

  it('gets a new Sender ID on request, and the old one nobody gets before new keys (§9.2)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const [lamp] = await joined(net, ['lamp', 'switch'])
    if (lamp === undefined) throw new TypeError()
    expect(toHex(lamp.client.senderId ?? new Uint8Array(0))).toBe('00')
    await net.run(lamp.client.renew())
    expect(toHex(lamp.client.senderId ?? new Uint8Array(0))).toBe('02')
    const third = net.enrolled('third', 'g1').member('g1')
    await net.run(third.join())
    expect(toHex(third.senderId ?? new Uint8Array(0))).toBe('03')
    await net.run(third.join())
    expect(toHex(third.senderId ?? new Uint8Array(0))).toBe('04')
    net.manager.rekeyNow('g1')
    await net.clock.advance(3_000)
    const fourth = net.enrolled('fourth', 'g1').member('g1')
    await net.run(fourth.join())
    expect(toHex(fourth.senderId ?? new Uint8Array(0))).toBe('00')
  })

  it('in a group without signatures is proven by a MAC (§6.1)', async () => {
    for (const curve of ['X25519', 'P-256'] as const) {
      const net = world()
      net.manager.createGroup('g1', { active: true, groupMode: false, curve })
      const members = await joined(net, ['lamp', 'switch'])
      expect(members.map(({ client }) => client.state)).toEqual(['member', 'member'])
      const [lamp, wall] = members
      const id = wall?.client.senderId
      if (lamp === undefined || wall === undefined || id === undefined) throw new TypeError()
      await net.run(lamp.client.refreshMembers())
      const security = lamp.client.group?.pairwise(id)
      if (security === undefined) throw new TypeError()
      const response = await net.run(lamp.device.endpoint.request(wall.device.at, { method: 'GET', path: ['who'], security }))
      expect(text(response.payload)).toBe('switch hears group-oscore')
    }
  })

  it('with ES256 and without pairwise mode; a monitor has no Sender ID (§6.3)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true, groupMode: { signature: -7 }, pairwiseMode: false })
    await joined(net, ['lamp', 'switch'])
    const roles = rolesOf(['monitor'])
    const client = net.enrolled('ear', 'g1', roles).member('g1', { roles })
    await net.run(client.join())
    expect([client.state, client.senderId]).toEqual(['member', undefined])
    expect(client.members).toHaveLength(2)
  })

  it('backward security: whoever joins gets keys that nobody had before, and the others learn of it (§7)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true, rekeying: { onJoin: true } })
    const members = await joined(net, ['lamp', 'switch', 'blind'])
    await net.clock.advance(3_000)
    expect(net.manager.status('g1').generation).toBe(2)
    expect(members.map(({ client }) => client.generation)).toEqual([2, 2, 2])
    // The rekeying brought the newcomer's credential along.
    expect(members[0]?.client.members).toHaveLength(2)
  })

  it('goes on with other algorithms, which come with the new keys (gm-admin-17 §6.6.2)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const members = await joined(net, ['lamp', 'switch', 'blind'])
    const { configuration } = net.manager.status('g1')
    members[2]?.device.channel.setPower(false)
    net.manager.configure('g1', {
      ...configuration,
      hkdf: 7,
      groupMode: { encryption: SUPPORTED_AEADS.includes(24) ? 24 : 3, signature: -8 },
      pairwiseMode: { aead: 1, keyAgreement: -28 },
    })
    net.manager.rekeyNow('g1')
    await net.clock.advance(5_000)
    members[2]?.device.channel.setPower(true)
    await net.clock.advance(600_000)
    expect(members.map(({ client }) => client.generation)).toEqual([2, 2, 2])
    const [lamp] = members
    if (lamp === undefined) throw new TypeError()
    await net.run(lamp.client.refreshMembers())
    expect(await hears(net, lamp.device, 'g1', 2)).toEqual(['blind hears group-oscore', 'switch hears group-oscore'])
    expect(() => net.manager.configure('g1', { ...configuration, groupMode: { encryption: 10, signature: -19 } })).toThrow()
  })

  it('rests while the group is not active, and goes on with the keys of then (§9.9)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const [lamp, wall] = await joined(net, ['lamp', 'switch'])
    if (lamp === undefined || wall === undefined) throw new TypeError()
    await net.run(lamp.client.refreshMembers())
    const { configuration } = net.manager.status('g1')
    net.manager.configure('g1', { ...configuration, active: false })
    await net.run(wall.client.refresh())
    expect([wall.client.state, wall.client.active, wall.client.group, wall.device.layer.group('g1')]).toEqual([
      'member',
      false,
      undefined,
      undefined,
    ])
    expect(await hears(net, lamp.device, 'g1', 1)).toEqual([])
    net.manager.rekeyNow('g1')
    await net.clock.advance(5_000)
    net.manager.configure('g1', configuration)
    await net.run(wall.client.refresh())
    expect([wall.client.active, wall.client.generation]).toEqual([true, 1])
    expect(await hears(net, lamp.device, 'g1', 1)).toEqual(['switch hears group-oscore'])
  })

  it('takes up missed rekeyings, with the Sender IDs that went stale meanwhile (§11.3)', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const members = await joined(net, ['lamp', 'switch', 'blind'])
    const [lamp, , blind] = members
    if (lamp === undefined || blind === undefined) throw new TypeError()
    await net.run(lamp.client.refreshMembers())
    lamp.device.channel.setPower(false)
    net.manager.evict('g1', ['blind'])
    net.manager.rekeyNow('g1')
    await net.clock.advance(400_000)
    expect(net.manager.members('g1').map(({ identity, keys }) => [identity, keys])).toEqual([
      ['lamp', 'behind'],
      ['switch', 'current'],
    ])
    lamp.device.channel.setPower(true)
    await net.run(lamp.client.refresh())
    expect([lamp.client.generation, lamp.client.members.length]).toEqual([2, 1])
    expect(BOTH.requester).toBe(true)
  })
})
