// Joining again, new credentials, whose credentials are given to whom (key-groupcomm-oscore-21 §6.2, §6.3, §9.3, §9.4), and the age of keys.
import { describe, expect, it } from 'vitest'
import { decodeCbor, encodeCbor, generateKeyPair, toHex, utf8, type CborKey, type CborValue, type KeyPair } from '#main/base/index.ts'
import { decodeProblem, type ClientResponse } from '#main/wire/coap/index.ts'
import { makeCcs } from '#main/wire/oscore/index.ts'
import { rolesOf, type Roles } from '#main/services/group-manager/index.ts'
import { withDefaults } from '../../../src-main/services/group-manager/configuration.ts'
import { makeEvidence, memberPopInput } from '../../../src-main/services/group-manager/pop.ts'
import { GROUP_ADDRESS, world, type Device, type World } from './harness.ts'

const NONCE = new Uint8Array(8)
const map = (...entries: ReadonlyArray<readonly [CborKey, CborValue]>): Uint8Array => encodeCbor(new Map(entries))
const fieldsOf = ({ payload }: ClientResponse): ReadonlyMap<number, CborValue> => {
  const value = decodeCbor(payload)
  return value instanceof Map ? (value as ReadonlyMap<number, CborValue>) : new Map<number, CborValue>()
}
const errorId = (response: ClientResponse): unknown =>
  response.contentFormat === 257 ? decodeProblem(response.payload).custom?.get(0)?.get(0) : undefined

function start(): World {
  const net = world()
  net.manager.createGroup('g1', { active: true })
  return net
}

async function post(
  net: World,
  device: Device,
  path: readonly string[],
  ...entries: ReadonlyArray<readonly [CborKey, CborValue]>
): Promise<ClientResponse> {
  return net.run(device.ask({ method: 'POST', path: ['ace-group', 'g1', ...path], payload: map(...entries), contentFormat: 261 }))
}

async function challenge(net: World, device: Device): Promise<Uint8Array> {
  return fieldsOf(await net.run(device.ask({ method: 'POST', path: ['ace-group', 'g1'] }))).get(30) as Uint8Array
}

const SCOPE = encodeCbor(['g1', 6])

function evidence(keys: KeyPair, serverNonce: Uint8Array, scope = SCOPE): Uint8Array {
  return makeEvidence(withDefaults({}), keys.privateKey, keys.publicKey, memberPopInput(scope, serverNonce, NONCE))
}

describe('joining again', () => {
  it('needs no proof for the credential that the member has, named or not; for others it does (§6.2)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const keys = generateKeyPair('Ed25519')
    const credential = makeCcs(keys.publicKey)
    const join = (...more: ReadonlyArray<readonly [CborKey, CborValue]>) => post(net, device, [], [3, SCOPE], [6, NONCE], ...more)
    // Nobody who is no member may leave it out.
    expect([(await join([5, credential])).code, (await join([5, new Uint8Array(0)])).code, (await join()).code]).toEqual([
      '4.00',
      '4.00',
      '4.00',
    ])
    const first = await join([5, credential], [24, evidence(keys, await challenge(net, device))])
    expect([first.code, (fieldsOf(first).get(8) as ReadonlyMap<number, CborValue>).get(7)]).toEqual(['2.01', Uint8Array.of(0)])
    const again = await join([5, credential])
    expect([again.code, (fieldsOf(again).get(8) as ReadonlyMap<number, CborValue>).get(7)]).toEqual(['2.04', Uint8Array.of(1)])
    expect((await join([5, new Uint8Array(0)])).code).toBe('2.04')
    expect((await join([5, makeCcs(generateKeyPair('Ed25519').publicKey)])).code).toBe('4.00')
    expect(net.manager.members('g1')).toMatchObject([{ identity: 'lamp', senderId: Uint8Array.of(2), credential }])
    // The node keeps its name.
    expect(new Set([first, again].map(({ options }) => toHex(options.findLast(({ number }) => number === 8)?.value ?? NONCE))).size).toBe(1)
  })
})

describe('a new credential', () => {
  it('takes the place of the old one when its key is proven, with the scope of the last Join Request (§9.4)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const client = device.member('g1', { checkIntervalMs: 0 })
    await net.run(client.join())
    const path = ['nodes', client.nodeName ?? '', 'cred']
    const keys = generateKeyPair('Ed25519')
    const credential = makeCcs(keys.publicKey)
    const update = (proof: Uint8Array, offered: Uint8Array = credential) => post(net, device, path, [5, offered], [6, NONCE], [24, proof])
    const serverNonce = await challenge(net, device)
    expect(errorId(await update(new Uint8Array(0)))).toBe(3)
    expect(errorId(await update(evidence(generateKeyPair('Ed25519'), serverNonce)))).toBe(3)
    expect(errorId(await update(evidence(keys, serverNonce), utf8('x')))).toBe(2)
    expect((await post(net, device, path, [5, credential])).code).toBe('4.00')
    expect((await update(evidence(keys, serverNonce))).code).toBe('2.04')
    expect(net.manager.members('g1')).toMatchObject([{ credential }])
    // Without a challenge that both know there is a new one (RFC 9594 §4.9.1).
    net.restart()
    const lost = await update(evidence(keys, serverNonce))
    expect([lost.code, lost.contentFormat, [...fieldsOf(lost).keys()]]).toEqual(['4.00', 261, [30]])
    expect((await update(evidence(keys, fieldsOf(lost).get(30) as Uint8Array))).code).toBe('2.04')
    // In a group that is not active nothing is taken.
    net.manager.configure('g1', { ...net.manager.status('g1').configuration, active: false })
    expect(errorId(await update(evidence(keys, serverNonce)))).toBe(9)
  })
})

describe('credentials of others', () => {
  async function fill(net: World): Promise<Device> {
    const all: ReadonlyArray<readonly [string, Roles]> = [
      ['asks', rolesOf(['requester'])],
      ['answers', rolesOf(['responder'])],
      ['both', rolesOf(['requester', 'responder'])],
      ['listens', rolesOf(['monitor'])],
    ]
    let last: Device | undefined
    for (const [name, roles] of all) {
      last = net.enrolled(name, 'g1', roles)
      await net.run(last.member('g1', { roles, checkIntervalMs: 0 }).join())
    }
    if (last === undefined) throw new TypeError()
    return last
  }

  it('are selected by roles and by Sender IDs, in or out (RFC 9594 §4.4.1)', async () => {
    const net = start()
    const device = await fill(net)
    const ask = async (...filter: readonly CborValue[]) => {
      const payload = map([4, filter])
      const response = await net.run(device.ask({ method: 'FETCH', path: ['ace-group', 'g1', 'creds'], payload, contentFormat: 261 }))
      const fields = fieldsOf(response)
      return response.code === '2.05'
        ? [((fields.get(15) ?? []) as Uint8Array[]).map(toHex), fields.get(14) ?? toHex(response.payload)]
        : response.code
    }
    expect(await ask(true, [2], [])).toEqual([
      ['00', '02'],
      [2, 6],
    ])
    expect(await ask(true, [4], [])).toEqual([
      ['01', '02'],
      [4, 6],
    ])
    expect(await ask(true, [6], [])).toEqual([['02'], [6]])
    expect(await ask(true, [6], [Uint8Array.of(0)])).toEqual([
      ['00', '02'],
      [2, 6],
    ])
    expect(await ask(false, [], [Uint8Array.of(0)])).toEqual([
      ['01', '02'],
      [4, 6],
    ])
    expect(await ask(false, [2], [Uint8Array.of(0)])).toEqual([['02'], [6]])
    expect(await ask(true, [], [Uint8Array.of(9)])).toEqual([[], '40'])
    expect(await ask(true, [], [])).toBe('4.00')
    expect(await ask(true, [2])).toBe('4.00')
    expect(await ask(1, [2], [])).toBe('4.00')
  })

  it('that a newcomer has to do with come with the Join Response: of requesters to responders, and the other way (§6.3)', async () => {
    const net = start()
    await fill(net)
    const known = async (name: string, roles: Roles) => {
      const client = net.enrolled(name, 'g1', roles).member('g1', { roles, checkIntervalMs: 0 })
      await net.run(client.join())
      return client.members.map(({ senderId }) => toHex(senderId))
    }
    expect(await known('x', rolesOf(['requester']))).toEqual(['01', '02'])
    expect(await known('y', rolesOf(['responder']))).toEqual(['00', '02', '03'])
    expect(await known('z', rolesOf(['monitor']))).toEqual(['00', '02', '03'])
  })
})

describe('keys', () => {
  it('are made anew before they expire, and say when that is', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true, rekeying: { lifetimeS: 3600 } })
    const device = net.enrolled('lamp', 'g1')
    const client = device.member('g1', { checkIntervalMs: 0 })
    await net.run(client.join())
    const fields = fieldsOf(await net.run(device.ask({ method: 'GET', path: ['ace-group', 'g1'] })))
    expect(fields.get(11)).toBe(Math.floor(net.manager.status('g1').expiresAtMs / 1000))
    expect(fields.get(12)).toBeGreaterThan(3590)
    await net.clock.advance(3_500_000)
    expect(net.manager.status('g1').generation).toBe(0)
    await net.clock.advance(60_000)
    expect([net.manager.status('g1').generation, client.generation]).toEqual([1, 1])
    await net.clock.advance(30 * 3_600_000)
    expect(net.manager.status('g1').generation).toBeGreaterThan(29)
  })

  it('of before open nothing that an evicted member sends, although nobody has told it (draft-ietf-core-oscore-groupcomm-28 §12.2)', async () => {
    const net = start()
    const lamp = net.enrolled('lamp', 'g1')
    lamp.tree.add('/who', { handlers: { GET: () => ({ code: '2.05' }) }, answersGroupRequests: true })
    lamp.channel.joinGroup(GROUP_ADDRESS.address)
    const thief = net.enrolled('thief', 'g1')
    const client = thief.member('g1', { checkIntervalMs: 0 }, 'no control')
    await net.run(client.join())
    await net.run(lamp.member('g1', { checkIntervalMs: 0 }).join())
    await net.run(client.refreshMembers())
    const answers = async (): Promise<number> => {
      const security = client.group?.groupMode()
      if (security === undefined) throw new TypeError()
      let count = 0
      const collect = async (): Promise<void> => {
        const responses = thief.endpoint.groupRequest(GROUP_ADDRESS, { method: 'GET', path: ['who'], security }, { deadlineMs: 8_000 })
        for await (const { code } of responses) if (code === '2.05') count++
      }
      await net.run(collect())
      return count
    }
    expect(await answers()).toBe(1)
    net.manager.evict('g1', ['thief'])
    await net.clock.advance(3_000)
    expect([client.state, await answers()]).toEqual(['member', 0])
    // It finds out when it asks.
    await net.run(client.refresh())
    expect(client.state).toBe('evicted')
  })
})

describe('challenges', () => {
  it('several may be pending for a client that joins several groups at a time, four at most (RFC 9594 §4.3.1)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const keys = generateKeyPair('Ed25519')
    const credential = makeCcs(keys.publicKey)
    const given: Uint8Array[] = []
    for (let index = 0; index < 5; index++) given.push(await challenge(net, device))
    const join = (serverNonce: Uint8Array) =>
      post(net, device, [], [3, SCOPE], [6, NONCE], [5, credential], [24, evidence(keys, serverNonce)])
    expect(errorId(await join(given[0]!))).toBe(3)
    for (const serverNonce of given.slice(1)) expect((await join(serverNonce)).code).toMatch(/^2\.0[14]$/)
  })

  it('of one client are nothing to another', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const other = net.enrolled('thief', 'g1')
    const keys = generateKeyPair('Ed25519')
    const proof = evidence(keys, await challenge(net, device))
    await challenge(net, other)
    const stolen = await post(net, other, [], [3, SCOPE], [6, NONCE], [5, makeCcs(keys.publicKey)], [24, proof])
    expect(errorId(stolen)).toBe(3)
    expect(net.manager.members('g1')).toEqual([])
  })
})
