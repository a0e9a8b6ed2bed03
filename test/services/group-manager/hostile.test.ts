// Who should not get in, does not; who is in does no more than its roles allow; and nothing that anybody sends does harm.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeCbor, fromHex, generateKeyPair, importPublicKey, toHex, utf8, type CborKey, type CborValue } from '#main/base/index.ts'
import { decodeProblem, isResponseCode, type ClientResponse, type Method } from '#main/wire/coap/index.ts'
import { makeCcs } from '#main/wire/oscore/index.ts'
import { rolesOf } from '#main/services/group-manager/index.ts'
import { withDefaults } from '../../../src-main/services/group-manager/configuration.ts'
import { decodeToken } from '../../../src-main/services/group-manager/cwt.ts'
import { readFields } from '../../../src-main/services/group-manager/reading.ts'
import { makeEvidence, memberPopInput } from '../../../src-main/services/group-manager/pop.ts'
import { decodeJoinScope, decodeScope } from '../../../src-main/services/group-manager/scope.ts'
import { importAesKey } from '#main/base/index.ts'
import { BOTH, MANAGER_AT, world, type Device, type World } from './harness.ts'

const map = (...entries: ReadonlyArray<readonly [CborKey, CborValue]>): Uint8Array =>
  encodeCbor(new Map(entries.filter(([, value]) => value !== undefined)))
const NONCE = Uint8Array.from({ length: 8 }, (_, index) => index)

function errorId(response: ClientResponse): unknown {
  return response.contentFormat === 257 ? decodeProblem(response.payload).custom?.get(0)?.get(0) : undefined
}

async function challenge(net: World, device: Device): Promise<Uint8Array> {
  const hints = await net.run(device.ask({ method: 'POST', path: ['ace-group', 'g1'] }))
  return readFields(hints.payload)?.get(30) as Uint8Array
}

interface Attempt {
  readonly scope?: CborValue
  readonly credential?: CborValue
  readonly evidence?: CborValue
  readonly nonce?: CborValue
  readonly format?: number
}

/** A Join Request, good where nothing else is said. */
async function join(net: World, device: Device, attempt: Attempt = {}, keys = generateKeyPair('Ed25519')): Promise<ClientResponse> {
  const serverNonce = await challenge(net, device)
  const scope = 'scope' in attempt ? attempt.scope : encodeCbor(['g1', 6])
  const credential = makeCcs(keys.publicKey)
  const input = memberPopInput(scope instanceof Uint8Array ? scope : new Uint8Array(0), serverNonce, NONCE)
  const evidence = makeEvidence(withDefaults({}), keys.privateKey, keys.publicKey, input)
  const payload = map(
    [3, scope],
    [5, 'credential' in attempt ? attempt.credential : credential],
    [6, 'nonce' in attempt ? attempt.nonce : NONCE],
    [24, 'evidence' in attempt ? attempt.evidence : evidence],
  )
  return net.run(device.ask({ method: 'POST', path: ['ace-group', 'g1'], payload, contentFormat: attempt.format ?? 261 }))
}

function start(): World {
  const net = world()
  net.manager.createGroup('g1', { active: true })
  return net
}

describe('joining without right or proof', () => {
  it('without any protection is 4.01, and says no more than where tokens are', async () => {
    const net = start()
    const device = net.device('stranger')
    for (const path of [['ace-group'], ['ace-group', 'g1'], ['ace-group', 'g1', 'num'], ['manage'], ['manage', 'g1']]) {
      const response = await net.run(device.endpoint.request(MANAGER_AT, { method: 'FETCH', path, payload: utf8('x'), contentFormat: 261 }))
      expect([response.code, response.contentFormat]).toEqual(['4.01', 19])
      expect(response.payload.length).toBeLessThan(80)
    }
  })

  it('protected but without authorisation is 4.01, with one for another group 4.03', async () => {
    const net = start()
    const stranger = net.device('stranger')
    expect((await net.run(stranger.ask({ method: 'POST', path: ['ace-group', 'g1'] }))).code).toBe('4.01')
    const other = net.enrolled('other', 'g2')
    expect((await net.run(other.ask({ method: 'POST', path: ['ace-group', 'g1'] }))).code).toBe('4.03')
    expect((await net.run(other.ask({ method: 'GET', path: ['ace-group', 'g1', 'num'] }))).code).toBe('4.03')
    expect(net.manager.members('g1')).toEqual([])
  })

  it('with evidence of another key, over another challenge, scope or nonce is 4.00 with error-id 3', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const mine = generateKeyPair('Ed25519')
    const theirs = generateKeyPair('Ed25519')
    expect(errorId(await join(net, device, { credential: makeCcs(theirs.publicKey) }, mine))).toBe(3)
    expect(errorId(await join(net, device, { nonce: Uint8Array.from(NONCE, (byte) => byte ^ 1) }, mine))).toBe(3)
    expect(errorId(await join(net, device, { evidence: new Uint8Array(64) }, mine))).toBe(3)
    // An empty one where nothing was proven before (key-groupcomm-oscore-21 §6.2).
    expect(errorId(await join(net, device, { evidence: new Uint8Array(0) }, mine))).toBe(3)
    expect(net.manager.members('g1')).toEqual([])
  })

  it('with empty evidence works for a credential that enrolment has proven, and for no other', async () => {
    const net = start()
    const mine = generateKeyPair('Ed25519')
    const device = net.enrolled('lamp', 'g1', BOTH, { provenCredentials: [makeCcs(mine.publicKey)] })
    expect(errorId(await join(net, device, { evidence: new Uint8Array(0) }, generateKeyPair('Ed25519')))).toBe(3)
    expect((await join(net, device, { evidence: new Uint8Array(0) }, mine)).code).toBe('2.01')
  })

  it('a join request that was seen is worth nothing: the challenge of another client does not fit', async () => {
    const net = start()
    const [one, two] = ['one', 'two'].map((name) => net.enrolled(name, 'g1'))
    if (one === undefined || two === undefined) throw new TypeError()
    const keys = generateKeyPair('Ed25519')
    const scope = encodeCbor(['g1', 6])
    const evidence = makeEvidence(
      withDefaults({}),
      keys.privateKey,
      keys.publicKey,
      memberPopInput(scope, await challenge(net, one), NONCE),
    )
    await challenge(net, two)
    const payload = map([3, scope], [5, makeCcs(keys.publicKey)], [6, NONCE], [24, evidence])
    const again = (device: Device) => net.run(device.ask({ method: 'POST', path: ['ace-group', 'g1'], payload, contentFormat: 261 }))
    expect(errorId(await again(two))).toBe(3)
    expect((await again(one)).code).toBe('2.01')
    // After a new challenge not even for the same client.
    await challenge(net, one)
    expect(errorId(await again(one))).toBe(3)
  })

  it('the datagram of a join sent twice makes one member and one Sender ID (RFC 8613 §7.4)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const sent: Uint8Array[] = []
    const send = device.channel.send.bind(device.channel)
    device.channel.send = (payload, to) => {
      sent.push(payload.slice())
      send(payload, to)
    }
    await net.run(device.member('g1', { checkIntervalMs: 0 }).join())
    const before = net.manager.members('g1')
    const thief = net.network.channel({ address: '2001:db8::bad', port: 5683 })
    for (const payload of sent) thief.send(payload, MANAGER_AT)
    await net.clock.advance(10_000)
    expect(net.manager.members('g1')).toEqual(before)
  })

  it('with a credential of another curve, algorithm, form or order is 4.00 with error-id 2', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const p256 = makeCcs(generateKeyPair('P-256').publicKey)
    const otherAlg = makeCcs(generateKeyPair('Ed25519').publicKey, { alg: -19 })
    // y = 1 and y = -1 have no place on the other curve (§6.2).
    const one = makeCcs(
      importPublicKey(
        'Ed25519',
        Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 1 : 0)),
      ),
    )
    // Points of order 4 and 8, and y = 1 written beyond the field: anybody could sign with them.
    const low = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ].map((digits) => makeCcs(importPublicKey('Ed25519', fromHex(digits) ?? NONCE)))
    for (const credential of [p256, otherAlg, one, ...low, utf8('nonsense'), new Uint8Array(300)]) {
      expect(errorId(await join(net, device, { credential }))).toBe(2)
    }
  })

  it('with roles that are forbidden together, not granted, or none is refused (§6.1, §6.2)', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1', rolesOf(['requester', 'monitor']))
    const code = async (tperm: CborValue) => (await join(net, device, { scope: encodeCbor(['g1', tperm]) })).code
    expect(await code(2 + 8)).toBe('4.00')
    expect(await code(4 + 8)).toBe('4.00')
    expect(await code(16)).toBe('4.00')
    expect(await code(0)).toBe('4.00')
    expect(await code(1)).toBe('4.00')
    expect(await code(-2)).toBe('4.00')
    // Not 2, although 32 bits of it are.
    expect(await code(2 ** 32 + 2)).toBe('4.00')
    expect(await code(2.5)).toBe('4.00')
    expect(await code(6)).toBe('4.03')
    expect(await code(2)).toBe('2.01')
    expect((await join(net, device, { scope: encodeCbor(['g2', 2]) })).code).toBe('4.00')
    expect((await join(net, device, { scope: undefined })).code).toBe('4.00')
    expect((await join(net, device, { format: 60 })).code).toBe('4.00')
  })

  it('into a group that is not active is 5.03 with error-id 9, into a full one 5.03 with error-id 4', async () => {
    const net = world({ manager: { limits: { members: 2 } } })
    net.manager.createGroup('g1')
    const device = net.enrolled('lamp', 'g1')
    expect(errorId(await join(net, device))).toBe(9)
    net.manager.configure('g1', { ...net.manager.status('g1').configuration, active: true })
    for (const name of ['a', 'b']) expect((await join(net, net.enrolled(name, 'g1'))).code).toBe('2.01')
    const last = await join(net, device)
    expect([last.code, errorId(last)]).toEqual(['5.03', 4])
    expect(net.manager.status('g1').room).toBe(0)
  })
})

describe('what members may not do', () => {
  async function two(net: World): Promise<{ one: Device; other: Device; node: string; otherNode: string }> {
    const [one, other] = ['one', 'other'].map((name) => net.enrolled(name, 'g1'))
    if (one === undefined || other === undefined) throw new TypeError()
    const nodes: string[] = []
    for (const device of [one, other]) {
      const client = device.member('g1', { checkIntervalMs: 0 })
      await net.run(client.join())
      nodes.push(client.nodeName ?? '')
    }
    return { one, other, node: nodes[0] ?? '', otherNode: nodes[1] ?? '' }
  }

  it('touch another’s membership: not renew, not replace its credential, not end it', async () => {
    const net = start()
    const { one, otherNode } = await two(net)
    const before = net.manager.members('g1')
    for (const [method, more] of [
      ['GET', []],
      ['POST', []],
      ['PUT', []],
      ['DELETE', []],
      ['POST', ['cred']],
    ] as const) {
      const response = await net.run(one.ask({ method, path: ['ace-group', 'g1', 'nodes', otherNode, ...more] }))
      expect([method, response.code, errorId(response)]).toEqual([method, '4.03', 0])
    }
    expect(net.manager.members('g1').map(({ senderId, credential }) => [senderId, credential])).toEqual(
      before.map(({ senderId, credential }) => [senderId, credential]),
    )
  })

  it('once evicted: ask for keys, credentials, versions; and the other members take nothing from it', async () => {
    const net = start()
    const { one, other, otherNode } = await two(net)
    net.manager.evict('g1', ['other'], { forGood: true })
    await net.clock.advance(5_000)
    for (const path of [[], ['num'], ['creds'], ['active'], ['kdc-cred'], ['policies'], ['nodes', otherNode]]) {
      const response = await net.run(other.ask({ method: 'GET', path: ['ace-group', 'g1', ...path] }))
      expect(response.code).toBe('4.03')
      expect(response.payload.length).toBeLessThan(80)
    }
    expect(one.layer.group('g1')?.current.gid).toEqual(net.manager.status('g1').gid)
    expect(other.layer.group('g1')).toBeUndefined()
  })

  it('be told as non-members by resources of members (error-id 0), as members by those of verifiers (8)', async () => {
    const net = start()
    const { one } = await two(net)
    const candidate = net.enrolled('candidate', 'g1')
    for (const path of [[], ['num'], ['active'], ['policies'], ['creds'], ['kdc-cred']]) {
      const response = await net.run(candidate.ask({ method: 'GET', path: ['ace-group', 'g1', ...path] }))
      expect([response.code, errorId(response)]).toEqual(['4.03', 0])
    }
    expect(errorId(await net.run(one.ask({ method: 'GET', path: ['ace-group', 'g1', 'verif-data'] })))).toBe(8)
  })

  it('a monitor: renew or give a credential (error-id 1); verifiers find no signatures where there are none (7)', async () => {
    const net = start()
    net.manager.createGroup('g2', { active: true, groupMode: false })
    const roles = rolesOf(['monitor'])
    const ear = net.enrolled('ear', 'g1', roles)
    const client = ear.member('g1', { roles, checkIntervalMs: 0 })
    await net.run(client.join())
    const path = ['ace-group', 'g1', 'nodes', client.nodeName ?? '']
    expect(errorId(await net.run(ear.ask({ method: 'POST', path })))).toBe(1)
    expect(errorId(await net.run(ear.ask({ method: 'POST', path: [...path, 'cred'] })))).toBe(1)
    const verifier = net.enrolled('verifier', 'g2', rolesOf(['verifier']))
    expect(errorId(await net.run(verifier.ask({ method: 'GET', path: ['ace-group', 'g2', 'verif-data'] })))).toBe(7)
  })

  it('renew while the group is not active (5.03, 9)', async () => {
    const net = start()
    const { one, node } = await two(net)
    net.manager.configure('g1', { ...net.manager.status('g1').configuration, active: false })
    const response = await net.run(one.ask({ method: 'POST', path: ['ace-group', 'g1', 'nodes', node] }))
    expect([response.code, errorId(response)]).toEqual(['5.03', 9])
  })

  it('administer without rights, or beyond them', async () => {
    const net = start()
    const { one } = await two(net)
    expect((await net.run(one.ask({ method: 'GET', path: ['manage'] }))).code).toBe('4.03')
    const reader = net.device('reader')
    net.manager.authorise({ identity: 'reader', groups: [], admin: [{ names: { pattern: 'g[0-9]' }, read: true }] })
    const ask = async (method: Method, path: readonly string[], payload = map([-13, 'g7'])) =>
      (await net.run(reader.ask({ method, path: ['manage', ...path], payload, contentFormat: 261 }))).code
    expect(await ask('GET', ['g1'], new Uint8Array(0))).toBe('2.05')
    expect(await ask('POST', [])).toBe('4.03')
    expect(await ask('POST', ['g1'])).toBe('4.03')
    expect(await ask('PATCH', ['g1'])).toBe('4.03')
    expect(await ask('DELETE', ['g1'])).toBe('4.03')
    expect(await ask('GET', ['other'], new Uint8Array(0))).toBe('4.03')
    // Being an administrator makes nobody a member.
    expect((await net.run(reader.ask({ method: 'POST', path: ['ace-group', 'g1'] }))).code).toBe('4.03')
  })
})

describe('whatever bytes come', () => {
  const cbor: fc.Arbitrary<CborValue> = fc.letrec<{ value: CborValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.integer({ min: -40, max: 40 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ maxLength: 12 }),
      fc.constantFrom(true, false, null, 'g1', 'GET'),
      fc.array(tie('value'), { maxLength: 4 }),
      fc
        .array(fc.tuple(fc.integer({ min: -30, max: 40 }), tie('value')), { maxLength: 8 })
        .map((entries) => new Map<CborKey, CborValue>(entries)),
    ),
  })).value
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    cbor.map((value) => encodeCbor(value)),
  )

  it('decoders give a value or nothing', () => {
    const key = importAesKey(new Uint8Array(16))
    fc.assert(
      fc.property(payload, (bytes) => {
        readFields(bytes)
        decodeScope(bytes)
        decodeJoinScope(bytes)
        expect(decodeToken(bytes, key)).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
  })

  it('every resource answers everybody with a code of its own making, never 5.00, and members stay as they are', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const member = net.enrolled('member', 'g1', BOTH)
    net.manager.authorise({
      identity: 'member',
      groups: [{ group: 'g1', roles: BOTH }],
      admin: [{ names: true, read: true, create: true, write: true, delete: true }],
    })
    const client = member.member('g1', { checkIntervalMs: 0 })
    await net.run(client.join())
    const node = client.nodeName ?? ''
    const stranger = net.device('stranger')
    const paths = fc.constantFrom(
      ['ace-group'],
      ['ace-group', 'g1'],
      ...['active', 'verif-data', 'creds', 'kdc-cred', 'stale-sids', 'policies', 'num', 'nodes', 'x'].map((kind) => [
        'ace-group',
        'g1',
        kind,
      ]),
      ['ace-group', 'g1', 'nodes', node, 'cred'],
      ['ace-group', 'g1', 'nodes', node, 'cred', 'x'],
      ['manage'],
      ['manage', 'g1'],
      ['token'],
      ['authz-info'],
    )
    const methods = fc.constantFrom<Method>('GET', 'POST', 'PUT', 'FETCH', 'PATCH', 'iPATCH')
    const formats = fc.constantFrom(261, 19, 60, undefined)
    await fc.assert(
      fc.asyncProperty(methods, paths, payload, formats, fc.boolean(), async (method, path, body, contentFormat, isMember) => {
        const request = { method, path, payload: body, ...(contentFormat === undefined ? {} : { contentFormat }) }
        const response = await net.run((isMember ? member : stranger).ask(request))
        expect(isResponseCode(response.code)).toBe(true)
        expect(response.code).not.toBe('5.00')
        expect(net.manager.members('g1').map(({ identity }) => identity)).toEqual(['member'])
      }),
      { numRuns: 600 },
    )
  }, 60_000)
})

describe('floods', () => {
  it('are not sent to others: new keys go to the address that a member is heard from, whatever its control URI says', async () => {
    const net = start()
    const victim = net.network.channel({ address: '2001:db8::bad', port: 5683 })
    const heard: Uint8Array[] = []
    victim.subscribe((event) => {
      if (event.kind === 'datagram') heard.push(event.datagram.payload)
    })
    for (const [index, uri] of [
      'coap://[2001:db8::bad]/grp-rek',
      'coap://[2001:db8::bad]:5683',
      '//2001:db8::bad/x',
      'coaps://x',
      'http://[::',
      '/a'.repeat(300),
    ].entries()) {
      const device = net.enrolled(`lamp-${index}`, 'g1')
      const client = device.member('g1', { checkIntervalMs: 0, control: { registry: device.tree, path: '/grp-rek', uri } })
      await net.run(client.join())
    }
    net.manager.rekeyNow('g1')
    await net.clock.advance(600_000)
    expect(heard).toEqual([])
    // The path alone was right in the first.
    expect(net.manager.members('g1').map(({ keys }) => keys === 'current')).toEqual([true, false, false, false, false, false])
  })

  it('of Join Requests and tokens from strangers leave nothing behind', async () => {
    const net = start()
    const stranger = net.device('stranger')
    const bytes = () => net.database.serialize().length
    const before = bytes()
    for (let round = 0; round < 300; round++) {
      const path = round % 2 === 0 ? ['ace-group', 'g1'] : ['authz-info']
      await net.run(stranger.endpoint.request(MANAGER_AT, { method: 'POST', path, payload: net.random.bytes(60), contentFormat: 19 }))
    }
    expect(bytes()).toBe(before)
    expect(net.layer.counters.opened).toBe(0)
  })

  it('of joins by one member take one place, and Sender IDs until new keys, never two at a time', async () => {
    const net = start()
    const device = net.enrolled('lamp', 'g1')
    const client = device.member('g1', { checkIntervalMs: 0 })
    for (let round = 0; round < 20; round++) await net.run(client.join())
    expect(net.manager.members('g1')).toHaveLength(1)
    expect(toHex(client.senderId ?? new Uint8Array(0))).toBe('13')
    net.manager.rekeyNow('g1')
    await net.clock.advance(2_000)
    const other = net.enrolled('other', 'g1').member('g1', { checkIntervalMs: 0 })
    await net.run(other.join())
    expect(toHex(other.senderId ?? new Uint8Array(0))).toBe('00')
  })
})
