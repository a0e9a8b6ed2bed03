// Group OSCORE among endpoints (draft-ietf-core-oscore-groupcomm-28): both modes, many responses, loss of state, rekeying.
import { describe, expect, test } from 'vitest'
import { utf8 } from '#main/base/index.ts'
import { decodeMessage, findOption, Observable, OptionNumber, type ClientResponse, type Resource } from '#main/wire/coap/index.ts'
import { isGroupPeer, SecurityGroup, volatileSequences } from '#main/wire/oscore/index.ts'
import { all, GROUP_ADDRESS, groupInputOf, groupNet, listen, net, text, type GroupPlan, type Member, type Net } from './harness.ts'

function lamp(body: string): Resource {
  return {
    answersGroupRequests: true,
    group: { answers: [2, 4, 5] },
    handlers: { GET: () => ({ code: '2.05', payload: utf8(body) }), PUT: () => ({ code: '2.04' }) },
  }
}

function lamps(members: readonly Member[]): void {
  members.forEach((member, index) => member.tree.add('/lamp', lamp(`lamp ${index}`)))
}

async function askGroup(network: Net, client: Member, deadlineMs = 20_000): Promise<ClientResponse[]> {
  const request = { method: 'GET', path: ['lamp'], security: client.group.groupMode() } as const
  const answers = all(client.endpoint.groupRequest(GROUP_ADDRESS, request, { deadlineMs }))
  return network.clock.until(answers)
}

const bodies = (responses: readonly ClientResponse[]): string[] => responses.map(({ payload }) => text(payload)).sort()

const plans: ReadonlyArray<readonly [string, GroupPlan]> = [
  ['EdDSA', {}],
  ['ES256', { curve: 'P-256' }],
  ['Ed25519 by its RFC 9864 number', { algorithms: { signature: -19 } }],
  ['A128CTR', { algorithms: { groupEncryption: -65_534 } }],
  ['A128GCM and HKDF with SHA-512', { algorithms: { groupEncryption: 1, hkdf: 7 } }],
  ['AES-CCM-64-64-128 beside CCM-16', { algorithms: { groupEncryption: 12 } }],
  ['group mode alone', { algorithms: { aead: undefined, keyAgreement: undefined } as GroupPlan['algorithms'] & object }],
  ['four elements in the countersignature', { algorithms: { countersignElements: 4 } }],
  ['answers in pairwise mode', { options: { answersInPairwiseMode: true } }],
]

describe.each(plans)('a group with %s', (_name, plan) => {
  test('asks all and hears each, by name (§7)', async () => {
    const network = net()
    const { members } = groupNet(network, 4, plan)
    lamps(members)
    const datagrams = listen(members[1]!.channel)
    const responses = await askGroup(network, members[0]!)
    expect(bodies(responses)).toEqual(['lamp 1', 'lamp 2', 'lamp 3'])
    expect(new Set(responses.map(({ peer }) => (isGroupPeer(peer) ? peer.senderId[0] : undefined)))).toEqual(new Set([2, 3, 4]))
    expect(decodeMessage(datagrams[0]!)).toMatchObject({ type: 'NON', code: '0.02' })
    expect(text(datagrams[0]!)).not.toContain('lamp')
  })
})

describe.each(plans.slice(0, 2))('pairwise mode with %s', (_name, plan) => {
  test('asks one member alone (§8)', async () => {
    const network = net()
    const { members, keys } = groupNet(network, 3, plan)
    lamps(members)
    const security = members[0]!.group.pairwise(keys[1]!.senderId)
    const atClient = listen(members[0]!.channel)
    const response = await network.clock.until(members[0]!.endpoint.request(members[1]!.at, { method: 'GET', path: ['lamp'], security }))
    expect(text(response.payload)).toBe('lamp 1')
    expect(response.peer).toMatchObject({ scheme: 'group-oscore', mode: 'pairwise' })
    // Some clients find no keys without the kid, which may be left out (§8.5).
    expect(findOption(decodeMessage(atClient[0]!).options, OptionNumber.OSCORE)?.value).toEqual(Uint8Array.of(8, ...keys[1]!.senderId))
  })

  test('large bodies of members are fetched from each alone', async () => {
    const network = net({ lossRate: 0.05 })
    const { members } = groupNet(network, 3, plan)
    const large = (fill: number): Uint8Array => new Uint8Array(5000).fill(fill)
    members.forEach((member, index) =>
      member.tree.add('/big', { answersGroupRequests: true, handlers: { GET: () => ({ code: '2.05', payload: large(index) }) } }),
    )
    const request = { method: 'GET', path: ['big'], security: members[0]!.group.groupMode() } as const
    const repeat = [
      { afterMs: 6000, messageId: 'same' },
      { afterMs: 12_000, messageId: 'same' },
    ] as const
    const responses = await network.clock.until(
      all(members[0]!.endpoint.groupRequest(GROUP_ADDRESS, request, { deadlineMs: 120_000, expected: 2, repeat })),
    )
    expect(responses.map(({ payload }) => payload[0]).sort()).toEqual([1, 2])
    for (const { payload } of responses) expect(payload).toHaveLength(5000)
  })
})

test('a silent server acts and says nothing (§2.2)', async () => {
  const network = net()
  const { members, keys } = groupNet(network, 3)
  lamps(members)
  let acted = 0
  const silent = network.node('2001:db8::77')
  silent.channel.joinGroup(GROUP_ADDRESS.address)
  const input = groupInputOf(keys, 2)
  silent.layer.addGroup(
    new SecurityGroup({ ...input, own: { ...input.own, senderId: undefined } }, { clock: network.clock, sequences: volatileSequences() }),
  )
  silent.tree.add('/lamp', {
    answersGroupRequests: true,
    handlers: {
      GET: () => {
        acted++
        return { code: '2.05' }
      },
    },
  })
  expect(bodies(await askGroup(network, members[0]!))).toEqual(['lamp 1', 'lamp 2'])
  expect(acted).toBe(1)
})

test('observing a group: each member notifies in its own order, and cancelling ends it (§5.3.1)', async () => {
  const network = net()
  const { members } = groupNet(network, 3)
  const states = members.map(() => new Observable())
  let value = 0
  members.forEach((member, index) =>
    member.tree.add('/t', {
      answersGroupRequests: true,
      observable: states[index]!,
      handlers: { GET: () => ({ code: '2.05', payload: utf8(`${index}:${value}`) }) },
    }),
  )
  const observation = members[0]!.endpoint.observeGroup(GROUP_ADDRESS, {
    method: 'GET',
    path: ['t'],
    security: members[0]!.group.groupMode(),
  })
  const heard: string[] = []
  const reading = (async () => {
    for await (const response of observation) heard.push(text(response.payload))
  })()
  await network.clock.advance(10_000)
  for (value = 1; value <= 2; value++) {
    for (const state of states) state.notify()
    await network.clock.advance(20_000)
  }
  for (const index of [1, 2])
    expect(new Set(heard.filter((line) => line.startsWith(`${index}:`)))).toEqual(new Set([`${index}:0`, `${index}:1`, `${index}:2`]))
  observation.cancel()
  await network.clock.advance(200_000)
  await reading
  for (const member of members.slice(1)) expect(member.endpoint.holdings().observers).toBe(0)
})

describe('rekeying (§2.6.3, §12.2, §14.5)', () => {
  test('a request under the old keys is answered under the new ones, and taken until the overlap is over', async () => {
    const network = net()
    const { members, keys } = groupNet(network, 3, { options: { overlapMs: 30_000 } })
    lamps(members)
    for (const index of [1, 2]) members[index]!.group.rekey(groupInputOf(keys, index, {}, 1))
    // The client is late, and has the new keys before the answers come.
    const answers = askGroup(network, members[0]!)
    await network.clock.advance(2)
    members[0]!.group.rekey(groupInputOf(keys, 0, {}, 1))
    const responses = await answers
    expect(bodies(responses)).toEqual(['lamp 1', 'lamp 2'])
    for (const { peer } of responses) expect(isGroupPeer(peer) && peer.gid).toEqual(Uint8Array.of(0xb1, 0, 1))
    expect(bodies(await askGroup(network, members[0]!))).toEqual(['lamp 1', 'lamp 2'])
  })

  test('after the overlap nothing under the old keys is taken', async () => {
    const network = net()
    const { members, keys } = groupNet(network, 2, { options: { overlapMs: 30_000 } })
    lamps(members)
    members[1]!.group.rekey(groupInputOf(keys, 1, {}, 1))
    await network.clock.advance(31_000)
    expect(await askGroup(network, members[0]!)).toEqual([])
  })

  test('who was evicted is heard no more at once, also under the old keys', async () => {
    const network = net()
    const { members, keys } = groupNet(network, 3)
    lamps(members)
    members[1]!.group.rekey(
      groupInputOf(keys, 1, { algorithms: { members: keys.slice(1).map(({ senderId, credential }) => ({ senderId, credential })) } }, 1),
    )
    expect(bodies(await askGroup(network, members[0]!))).toEqual(['lamp 2'])
  })

  test('a Gid never comes back (§12.2.1.1)', () => {
    const network = net()
    const { members, keys } = groupNet(network, 2)
    members[0]!.group.rekey(groupInputOf(keys, 0, {}, 1))
    expect(() => members[0]!.group.rekey(groupInputOf(keys, 0))).toThrow()
  })

  test('an observation goes on under the new keys', async () => {
    const network = net()
    const { members, keys } = groupNet(network, 2)
    const state = new Observable()
    let value = 0
    members[1]!.tree.add('/t', { observable: state, handlers: { GET: () => ({ code: '2.05', payload: utf8(String(value)) }) } })
    const heard = new Set<string>()
    const security = members[0]!.group.pairwise(keys[1]!.senderId)
    const observation = members[0]!.endpoint.observe(
      members[1]!.at,
      { method: 'GET', path: ['t'], security },
      { onNotification: ({ payload }) => heard.add(text(payload)) },
    )
    await network.clock.advance(5000)
    for (const index of [0, 1]) members[index]!.group.rekey(groupInputOf(keys, index, {}, 1))
    value = 1
    state.notify()
    await network.clock.advance(10_000)
    value = 2
    state.notify()
    await network.clock.advance(10_000)
    expect([...heard]).toEqual(['0', '1', '2'])
    observation.forget()
  })
})

describe('loss of replay windows (§2.6.1, §9)', () => {
  test('a member that has lost them challenges, and the client proves itself in pairwise mode', async () => {
    const network = net()
    const { members } = groupNet(network, 3)
    lamps(members)
    await askGroup(network, members[0]!)
    // Member 1 has lost what it had received of the client.
    members[1]!.group.current.members.recipient(Uint8Array.of(1))!.window.invalidate()
    const atServer = listen(members[1]!.channel)
    const responses = await askGroup(network, members[0]!)
    expect(bodies(responses)).toEqual(['lamp 1', 'lamp 2'])
    expect(members[1]!.layer.counters.challenged).toBe(1)
    // The request with the Echo value has no Group Flag.
    const flags = atServer.map((bytes) => findOption(decodeMessage(bytes).options, OptionNumber.OSCORE)?.value[0] ?? 0)
    expect(flags.map((flag) => (flag & 0x20) !== 0)).toEqual([true, false])
    expect(bodies(await askGroup(network, members[0]!))).toEqual(['lamp 1', 'lamp 2'])
    expect(members[1]!.layer.counters.challenged).toBe(1)
  })

  test('deleting Recipient Contexts makes new ones begin invalid', () => {
    const network = net()
    const { members, keys } = groupNet(network, 4, { options: { maxRecipients: 2 } })
    const { members: known } = members[0]!.group.current
    known.recipient(keys[1]!.senderId)!.window.mark(5)
    for (const index of [2, 3, 1]) known.recipient(keys[index]!.senderId)
    expect(known.recipients).toBe(2)
    expect(known.recipient(keys[1]!.senderId)!.window.valid).toBe(false)
  })
})

test('a stranger’s credential is asked for once, and the stranger is heard when it has come (§7.2)', async () => {
  const network = net()
  const asked: string[] = []
  const { members, keys } = groupNet(network, 2)
  lamps(members)
  const server = network.node('2001:db8::66')
  const group = new SecurityGroup(groupInputOf(keys, 1, { algorithms: { members: [] } }), {
    clock: network.clock,
    sequences: volatileSequences(),
    onUnknownMember: (senderId) => asked.push(String(senderId[0])),
  })
  server.layer.addGroup(group)
  server.tree.add('/lamp', lamp('late'))
  const ask = (): Promise<ClientResponse> =>
    network.clock.until(
      members[0]!.endpoint.request(server.at, { method: 'GET', path: ['lamp'], security: members[0]!.group.pairwise(keys[1]!.senderId) }),
    )
  expect((await ask()).code).toBe('5.03')
  await network.clock.advance(6000)
  expect((await ask()).code).toBe('5.03')
  expect(asked).toEqual(['1'])
  group.addMember({ senderId: keys[0]!.senderId, credential: keys[0]!.credential })
  await network.clock.advance(6000)
  expect(text((await ask()).payload)).toBe('late')
})

describe('a member that restarts with the keys that it kept', () => {
  test('sends on behind its last block, and challenges whoever asks it', async () => {
    const network = net()
    const sequences = volatileSequences()
    const { members, keys } = groupNet(network, 2)
    lamps(members)
    const node = network.node('2001:db8::66')
    const options = { clock: network.clock, sequences }
    const group = new SecurityGroup(groupInputOf(keys, 1), options)
    node.layer.addGroup(group)
    node.tree.add('/lamp', lamp('again'))
    const ask = (): Promise<ClientResponse> =>
      network.clock.until(
        members[0]!.endpoint.request(node.at, {
          method: 'GET',
          path: ['lamp'],
          security: members[0]!.group.pairwise(keys[1]!.senderId),
        }),
      )
    const used = group.current.takePartialIv()
    await ask()
    node.layer.addGroup(new SecurityGroup(groupInputOf(keys, 1, { algorithms: { received: 'unknown' } }), options))
    const after = node.layer.group('floor')!.current.takePartialIv()
    expect(after.length).toBeGreaterThan(used.length)
    expect(text((await ask()).payload)).toBe('again')
    expect(node.layer.counters.challenged).toBe(1)
  })

  test('sends nothing where its numbers are not known', () => {
    const network = net()
    const { keys } = groupNet(network, 2)
    const lost = new SecurityGroup(groupInputOf(keys, 0, { algorithms: { received: 'unknown' } }), {
      clock: network.clock,
      sequences: volatileSequences(),
    })
    expect(() => lost.current.takePartialIv()).toThrow(expect.objectContaining({ code: 'oscore.sender-stale' }) as Error)
  })

  test('a new Sender ID under the same keys begins its own numbers', async () => {
    const network = net()
    const { members, keys } = groupNet(network, 2)
    lamps(members)
    const moved = { ...keys[1]!, senderId: Uint8Array.of(9) }
    members[1]!.group.changeSenderId(groupInputOf([keys[0]!, moved], 1))
    members[0]!.group.removeMembers([keys[1]!.senderId])
    members[0]!.group.addMember({ senderId: moved.senderId, credential: moved.credential })
    expect(bodies(await askGroup(network, members[0]!))).toEqual(['lamp 1'])
  })
})

test('an observer that was evicted is told nothing more, and taken off the list', async () => {
  const network = net()
  const { members, keys } = groupNet(network, 3)
  const state = new Observable()
  members[1]!.tree.add('/t', { observable: state, handlers: { GET: () => ({ code: '2.05' }) } })
  const observation = members[0]!.endpoint.observe(members[1]!.at, {
    method: 'GET',
    path: ['t'],
    security: members[0]!.group.pairwise(keys[1]!.senderId),
  })
  await network.clock.advance(3000)
  expect(members[1]!.endpoint.holdings().observers).toBe(1)
  members[1]!.group.rekey(groupInputOf(keys.slice(1), 0, {}, 1))
  const heard = listen(members[0]!.channel)
  state.notify()
  await network.clock.advance(30_000)
  expect(heard).toEqual([])
  expect(members[1]!.endpoint.holdings().observers).toBe(0)
  observation.forget()
})

test('the size of a group request is told with what protects it', async () => {
  const network = net()
  const { members } = groupNet(network, 2)
  const request = { method: 'GET', path: ['lamp'], security: members[0]!.group.groupMode() } as const
  const told = members[0]!.endpoint.groupRequestBytes(request)
  const atServer = listen(members[1]!.channel)
  await network.clock.until(all(members[0]!.endpoint.groupRequest(GROUP_ADDRESS, request, { deadlineMs: 100 })))
  expect(told).toBeGreaterThanOrEqual(atServer[0]!.length)
  expect(told).toBeLessThan(atServer[0]!.length + 16)
})
