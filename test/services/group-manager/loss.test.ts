// New keys reach everybody who stays, and nobody who goes, whatever the network loses and whenever the program dies
// (key-groupcomm-oscore-21 §11.1: retransmissions to members that have not confirmed).
import { describe, expect, it } from 'vitest'
import { equalBytes, seededRandom, toHex } from '#main/base/index.ts'
import type { GroupMemberClient } from '#main/services/group-manager/index.ts'
import { world, type Device, type World } from './harness.ts'

interface Joined {
  readonly device: Device
  readonly client: GroupMemberClient
}

async function manyMembers(net: World, count: number): Promise<readonly Joined[]> {
  const all: Joined[] = []
  for (let index = 0; index < count; index++) {
    const device = net.enrolled(`device-${index}`, 'g1')
    const client = device.member('g1', { checkIntervalMs: 0 })
    await net.run(client.join())
    all.push({ device, client })
  }
  return all
}

async function untilDelivered(net: World, limitMs: number): Promise<number> {
  const start = net.clock.monotonicMs()
  while (net.manager.status('g1').behind > 0 && net.clock.monotonicMs() - start < limitMs) await net.clock.advance(1_000)
  return net.clock.monotonicMs() - start
}

function gidOf(client: GroupMemberClient): string {
  return toHex(client.group?.current.gid ?? new Uint8Array(0))
}

describe('rekeying under loss', () => {
  it('of 200 members at 20 % loss, the program dying at random points: all who stay have the new keys, the evicted one has none', async () => {
    const net = world({ seed: 200 })
    net.manager.createGroup('g1', { active: true })
    const members = await manyMembers(net, 200)
    const evicted = members[17]
    const rest = members.filter((one) => one !== evicted)
    if (evicted === undefined) throw new TypeError()
    net.network.setLossRate(0.2)
    const chance = seededRandom(5)
    net.manager.evict('g1', ['device-17'], { forGood: true })
    const gid = toHex(net.manager.status('g1').gid)
    for (let death = 0; death < 6; death++) {
      await net.clock.advance(50 + chance.below(3_000))
      net.restart()
      // What was committed before the death stands after it.
      expect(toHex(net.manager.status('g1').gid)).toBe(gid)
    }
    await untilDelivered(net, 3_600_000)
    const status = net.manager.status('g1')
    expect([status.members, status.behind]).toEqual([199, 0])
    expect(rest.filter(({ client }) => gidOf(client) !== gid)).toHaveLength(0)
    expect(rest.filter(({ client }) => client.generation !== status.generation)).toHaveLength(0)
    expect(gidOf(evicted.client)).not.toBe(gid)
    // It cannot get them by asking either.
    net.network.setLossRate(0)
    await expect(net.run(evicted.client.join())).rejects.toMatchObject({ code: 'coap.response-error' })
    expect(evicted.client.generation ?? 0).toBe(0)
  }, 120_000)

  it('comes to an end when further rekeyings follow before the first is through', async () => {
    const net = world({ seed: 11 })
    net.manager.createGroup('g1', { active: true })
    const members = await manyMembers(net, 30)
    net.network.setLossRate(0.2)
    for (let round = 0; round < 5; round++) {
      net.manager.rekeyNow('g1')
      await net.clock.advance(1_500)
    }
    await untilDelivered(net, 3_600_000)
    // Whoever missed some asks for the Sender IDs that went stale meanwhile before it takes the newest (§11.3).
    await net.clock.advance(120_000)
    expect(members.map(({ client }) => client.generation)).toEqual(members.map(() => 5))
  })

  it('of groups that people join and leave all the while, the program dying now and then, ends with all of one mind', async () => {
    for (const seed of [1, 2, 3]) {
      const net = world({ seed, lossRate: 0.2 })
      const chance = seededRandom(seed)
      net.manager.createGroup('g1', { active: true, rekeying: { afterLeaves: 2, withinMs: 30_000, onJoin: seed === 3 } })
      const all = Array.from({ length: 25 }, (_, index) => {
        const device = net.enrolled(`device-${index}`, 'g1')
        return { device, client: device.member('g1', { checkIntervalMs: 120_000 }) }
      })
      const quietly = (work: Promise<unknown>): void => void work.catch(() => undefined)
      for (let round = 0; round < 60; round++) {
        const { device, client } = all[chance.below(all.length)] ?? all[0]!
        const event = chance.below(10)
        if (event < 4) quietly(client.join())
        else if (event < 6 && client.state === 'member') quietly(client.leave())
        else if (event === 6 && client.state === 'member') quietly(client.renew())
        else if (event === 7) net.manager.evict('g1', [device.name])
        else if (event === 8) net.manager.rekeyNow('g1')
        else if (chance.below(3) === 0) net.restart()
        await net.clock.advance(chance.below(4_000))
      }
      net.network.setLossRate(0)
      await net.clock.advance(1_800_000)
      const status = net.manager.status('g1')
      const members = new Map(net.manager.members('g1').map((member) => [member.identity, member]))
      expect(members.size).toBeGreaterThan(3)
      for (const { device, client } of all) {
        const member = members.get(device.name)
        // Whoever thinks that it is a member is one, with the newest keys and the Sender ID that the Group Manager says.
        const own = client.senderId === undefined ? undefined : toHex(client.senderId)
        const theirs = member?.senderId === undefined ? undefined : toHex(member.senderId)
        if (client.state === 'member')
          expect([seed, device.name, gidOf(client), own]).toEqual([seed, device.name, toHex(status.gid), theirs])
        else expect(device.layer.group('g1')).toBeUndefined()
      }
    }
  }, 120_000)

  it('waits for a member that is off, and reaches it when it is heard again', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const [first, second] = await manyMembers(net, 2)
    if (first === undefined || second === undefined) throw new TypeError()
    first.device.channel.setPower(false)
    net.manager.rekeyNow('g1')
    await net.clock.advance(3_600_000)
    expect(net.manager.members('g1').map(({ identity, keys, failures }) => [identity, keys, failures > 5])).toEqual([
      ['device-0', 'behind', true],
      ['device-1', 'current', false],
    ])
    first.device.channel.setPower(true)
    await net.clock.advance(1_200_000)
    expect(net.manager.status('g1').behind).toBe(0)
    expect(first.client.generation).toBe(1)
  })
})

describe('a file that was copied or put back', () => {
  it('gives all groups keys and Gids that neither copy can have given out', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const [member] = await manyMembers(net, 1)
    net.manager.rekeyNow('g1')
    await net.clock.advance(2_000)
    const before = net.manager.status('g1')
    net.restart({ isCopy: true })
    const after = net.manager.status('g1')
    expect(equalBytes(after.gid.subarray(0, 4), before.gid.subarray(0, 4))).toBe(false)
    // Beyond every version that the other copy may have reached: members take no older one (§11.2).
    expect(after.generation).toBeGreaterThan(before.generation + 1000)
    await net.clock.advance(5_000)
    expect([member?.client.generation, gidOf(member!.client)]).toEqual([after.generation, toHex(after.gid)])
  })

  it('keeps secrets sealed: the bytes of keys are nowhere in the file', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const [member] = await manyMembers(net, 1)
    const key = await net.run(member!.device.ask({ method: 'GET', path: ['ace-group', 'g1'] }))
    const hex = toHex(key.payload)
    const masterSecret = /0250([0-9a-f]{32})/.exec(hex)?.[1] ?? ''
    expect(masterSecret).toHaveLength(32)
    expect(toHex(new Uint8Array(net.database.serialize()))).not.toContain(masterSecret)
  })
})
