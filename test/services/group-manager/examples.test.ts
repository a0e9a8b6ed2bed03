// The examples of the documents, one after the other, and a worked run in bytes.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  CborTag,
  decodeCbor,
  encodeCbor,
  fromHex,
  hkdf,
  importAesKey,
  importPrivateKey,
  publicKeyOf,
  seededRandom,
  toHex,
  type CborKey,
  type CborValue,
} from '#main/base/index.ts'
import { decodeProblem } from '#main/wire/coap/index.ts'
import { readCredential, UnicastContext, volatileSequences } from '#main/wire/oscore/index.ts'
import { rolesOf, type GroupConfigurationInput } from '#main/services/group-manager/index.ts'
import { groupcommError } from '../../../src-main/services/group-manager/answers.ts'
import { withDefaults } from '../../../src-main/services/group-manager/configuration.ts'
import { decodeToken, encodeToken, masterSaltOf } from '../../../src-main/services/group-manager/cwt.ts'
import { dhCredential, ecdhInfo, joinHints, signInfo } from '../../../src-main/services/group-manager/payloads.ts'
import { checkEvidence, makeEvidence, managerPopInput, memberPopInput } from '../../../src-main/services/group-manager/pop.ts'
import { adminRights, decodeJoinScope, decodeScope, encodeJoinScope, encodeScope } from '../../../src-main/services/group-manager/scope.ts'
import { BOTH, MANAGER_AT, text, world, type Device, type World } from './harness.ts'

const hex = (digits: string): Uint8Array => fromHex(digits) ?? new Uint8Array(0)
const map = (...entries: ReadonlyArray<readonly [CborKey, CborValue]>): Uint8Array => encodeCbor(new Map(entries))
const fieldsOf = (payload: Uint8Array): ReadonlyMap<CborKey, CborValue> =>
  decodeCbor(payload, { tags: [21_065] }) as ReadonlyMap<CborKey, CborValue>

interface Run {
  readonly authz_info: Readonly<Record<string, string>>
  readonly join: Readonly<Record<string, string>>
  readonly rekeying: { readonly payload: string }
  readonly key_renewal: { readonly response: string }
  readonly error: { readonly payload: string }
  readonly evicted_notification: { readonly payload: string }
  readonly empty_join: { readonly response: string }
  readonly admin: Readonly<Record<string, string>>
}
const run = JSON.parse(readFileSync(join(import.meta.dirname, '../../vectors/group-manager/ace-join-example.json'), 'utf8')) as Run

function administrator(net: World, names: true | string | { readonly pattern: string } = true): Device {
  const device = net.device('administrator')
  net.manager.authorise({ identity: 'administrator', groups: [], admin: [{ names, create: true, read: true, write: true, delete: true }] })
  return device
}

describe('RFC 9594', () => {
  it('figures 10 and 35: PoP input of a member', () => {
    const scope = hex('826667726f7570316673656e646572')
    expect(toHex(memberPopInput(scope, hex('018a278f7faab55a'), hex('25a8991cd700ac01')))).toBe(
      '4f826667726f7570316673656e64657248018a278f7faab55a4825a8991cd700ac01',
    )
    expect(toHex(memberPopInput(scope, hex('018a278f7faab55a'), hex('0446baefc56111bf')))).toBe(
      '4f826667726f7570316673656e64657248018a278f7faab55a480446baefc56111bf',
    )
  })

  it('figures 15 and 24: PoP input of the KDC', () => {
    expect(toHex(managerPopInput(hex('25a8991cd700ac01'), hex('cef04b2aa791bc6d')))).toBe('4825a8991cd700ac0148cef04b2aa791bc6d')
    expect(toHex(managerPopInput(hex('25a8991cd700ac01'), hex('0b7db12aaff56da3')))).toBe('4825a8991cd700ac01480b7db12aaff56da3')
  })

  it('figure 6: problem details with error-id 4', () => {
    const problem = decodeProblem(groupcommError(4, 'Things will change after a group rekeying; try later').payload ?? new Uint8Array(0))
    expect(problem.title).toBe('No available individual keying material')
    expect(problem.detail).toBe('Things will change after a group rekeying; try later')
    expect(problem.custom?.get(0)).toEqual(new Map([[0, 4]]))
  })

  it('figures 17, 19, 21, 23, 26, 28, 30, 32, 34, 37: a member’s requests and their answers', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const one = net.enrolled('c101', 'g1')
    const client = one.member('g1')
    await net.run(client.join())
    const two = net.enrolled('c102', 'g1').member('g1')
    await net.run(two.join())
    const node = client.nodeName ?? ''
    const labels = async (method: 'GET' | 'FETCH' | 'POST' | 'PUT', path: readonly string[], payload?: Uint8Array) => {
      const response = await net.run(
        one.ask({ method, path: ['ace-group', 'g1', ...path], ...(payload === undefined ? {} : { payload, contentFormat: 261 }) }),
      )
      const content = response.payload.length === 0 ? undefined : decodeCbor(response.payload)
      return [
        response.code,
        response.contentFormat,
        content instanceof Map ? [...content.keys()].sort((a, b) => Number(a) - Number(b)) : content,
      ]
    }
    expect(await labels('GET', [])).toEqual(['2.05', 261, [7, 8, 9, 10, 11, 12]])
    expect(await labels('FETCH', ['creds'], map([4, [true, [], [two.senderId]]]))).toEqual(['2.05', 261, [9, 13, 14, 15]])
    expect(await labels('GET', ['creds'])).toEqual(['2.05', 261, [9, 13, 14, 15]])
    expect(await labels('GET', ['kdc-cred'])).toEqual(['2.05', 261, [17, 18, 19]])
    expect(await labels('GET', ['policies'])).toEqual(['2.05', 261, [16]])
    expect(await labels('GET', ['num'])).toEqual(['2.05', 60, 0])
    expect(await labels('GET', ['nodes', node])).toEqual(['2.05', 261, [7, 8, 9, 10, 11, 12]])
    expect(await labels('PUT', ['nodes', node])).toEqual(['2.05', 261, [21]])
    expect(await labels('POST', ['nodes', node])).toEqual(['2.04', 261, [21]])
  })
})

describe('draft-ietf-ace-key-groupcomm-oscore-21', () => {
  async function groups(net: World): Promise<void> {
    for (const name of ['g1', 'g2']) net.manager.createGroup(name, { active: true })
    await net.clock.advance(0)
  }

  it('figure 3: a signature verifier asks for the Group Manager’s credential with a nonce of its own', async () => {
    const net = world()
    await groups(net)
    const verifier = net.enrolled('verifier', 'g1', rolesOf(['verifier']))
    const payload = map([6, hex('6c5a8891bbcf4199')])
    const response = await net.run(verifier.ask({ method: 'FETCH', path: ['ace-group', 'g1', 'kdc-cred'], payload, contentFormat: 261 }))
    const fields = fieldsOf(response.payload)
    const [credential, nonce, evidence] = [17, 18, 19].map((label) => fields.get(label) as Uint8Array)
    const { publicKey } = readCredential(credential ?? new Uint8Array(0), 14)
    const input = managerPopInput(hex('6c5a8891bbcf4199'), nonce ?? new Uint8Array(0))
    expect(
      checkEvidence(withDefaults({}), importPrivateKey('Ed25519', new Uint8Array(32)), publicKey, input, evidence ?? new Uint8Array(0)),
    ).toBe(true)
  })

  it('figure 5: what a verifier needs to verify signatures, and no secret that opens messages', async () => {
    const net = world()
    await groups(net)
    const verifier = net.enrolled('verifier', 'g1', rolesOf(['verifier']))
    const response = await net.run(verifier.ask({ method: 'GET', path: ['ace-group', 'g1', 'verif-data'] }))
    const fields = fieldsOf(response.payload)
    expect([...fields.keys()].sort((a, b) => Number(a) - Number(b))).toEqual([7, 8, 9, 10, 11, 12, 33])
    const key = fields.get(8) as ReadonlyMap<number, CborValue>
    expect([...key.keys()].sort((a, b) => a - b)).toEqual([3, 4, 6, 8, 9, 10, 11, 12])
    expect([key.get(3), key.get(9), key.get(10), key.get(11)]).toEqual([5, 10, -8, [[1], [1, 6]]])
    expect(fields.get(33)).toHaveLength(16)
    // No member: nothing else is open to it (§8.5.1).
    for (const path of [[], ['num'], ['active'], ['policies']]) {
      expect((await net.run(verifier.ask({ method: 'GET', path: ['ace-group', 'g1', ...path] }))).code).toBe('4.03')
    }
    expect((await net.run(verifier.ask({ method: 'POST', path: ['ace-group', 'g1'] }))).code).toBe('4.03')
  })

  it('figure 7: whether the group is active', async () => {
    const net = world()
    await groups(net)
    const device = net.enrolled('lamp', 'g1')
    await net.run(device.member('g1').join())
    const response = await net.run(device.ask({ method: 'GET', path: ['ace-group', 'g1', 'active'] }))
    expect([response.code, response.contentFormat, toHex(response.payload)]).toEqual(['2.05', 60, 'f5'])
  })

  it('figure 9: names and paths of groups by their Gids, in the same order', async () => {
    const net = world()
    await groups(net)
    const device = net.enrolled('lamp', 'g1')
    const [one, two] = ['g1', 'g2'].map((name) => net.manager.status(name).gid)
    const ask = async (gids: ReadonlyArray<Uint8Array | undefined>) => {
      const payload = map([0, gids])
      return (await net.run(device.ask({ method: 'FETCH', path: ['ace-group'], payload, contentFormat: 261 }))).payload
    }
    expect(fieldsOf(await ask([two, hex('ffff'), one]))).toEqual(
      new Map<CborKey, CborValue>([
        [0, [two, one]],
        [1, ['g2', 'g1']],
        [2, ['/ace-group/g2', '/ace-group/g1']],
      ]),
    )
    // Nothing found: an empty byte string (RFC 9594 §4.2.1). A Gid of before leads nowhere.
    net.manager.rekeyNow('g1')
    expect(toHex(await ask([one]))).toBe('40')
  })

  it('figure 11: stale Sender IDs since a version, or nothing where that is longer ago than is kept', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const device = net.enrolled('lamp', 'g1')
    await net.run(device.member('g1', { checkIntervalMs: 0 }).join())
    for (const name of ['a', 'b', 'c']) {
      await net.run(net.enrolled(name, 'g1').member('g1').join())
      net.manager.evict('g1', [name])
    }
    await net.clock.advance(30_000)
    const ask = async (version: CborValue) => {
      const path = ['ace-group', 'g1', 'stale-sids']
      const response = await net.run(device.ask({ method: 'FETCH', path, payload: encodeCbor(version), contentFormat: 60 }))
      return [response.code, toHex(response.payload)]
    }
    // Version 3 now; sets are kept of versions 1, 2 and 3.
    expect(await ask(2)).toEqual(['2.05', '814101'])
    expect(await ask(1)).toEqual(['2.05', '814101'])
    expect(await ask(0)).toEqual(['2.05', ''])
    expect((await ask(3))[0]).toBe('4.00')
    expect((await ask('x'))[0]).toBe('4.00')
  })
})

describe('draft-ietf-ace-oscore-gm-admin-17', () => {
  it('§3: five scope entries of an administrator', () => {
    const entries: CborValue = [
      [true, 5],
      ['gp1', 31],
      ['gp2', 31],
      [new CborTag(21_065, '^[A-K][0-9][-a-z0-9]*$'), 31],
      [new CborTag(21_065, '^[J-Z][0-9][-a-z0-9]*$'), 13],
    ]
    const scope = decodeScope(encodeCbor(entries))
    expect(scope?.admin).toHaveLength(5)
    expect(toHex(encodeScope(scope ?? { groups: [], admin: [] }))).toBe(toHex(encodeCbor(entries)))
    const rights = (name: string): readonly string[] => [...(adminRights(scope?.admin ?? [], name) ?? [])].sort()
    expect(rights('gp1')).toEqual(['create', 'delete', 'read', 'write'])
    expect(rights('B2-x')).toEqual(['create', 'delete', 'read', 'write'])
    expect(rights('Q2')).toEqual(['read', 'write'])
    expect(rights('other')).toEqual(['read'])
  })

  it('§6.1: the list of groups', async () => {
    const net = world()
    const admin = administrator(net)
    for (const name of ['gp1', 'gp2', 'gp3']) net.manager.createGroup(name)
    const response = await net.run(admin.ask({ method: 'GET', path: ['manage'] }))
    expect([response.code, response.contentFormat]).toEqual(['2.05', 40])
    expect(text(response.payload)).toBe(
      ['gp1', 'gp2', 'gp3'].map((name) => `<coap://[2001:db8::ab]/manage/${name}>;rt="core.osc.gconf"`).join(','),
    )
  })

  it('§6.2: lists by filters, on algorithms and on patterns of names', async () => {
    const net = world()
    const admin = administrator(net)
    const make = (name: string, input: GroupConfigurationInput = {}) => net.manager.createGroup(name, input)
    make('gp1')
    make('gp2', { groupMode: { signature: -7 } })
    make('gp3')
    const names = async (payload: Uint8Array) => {
      const { payload: links } = await net.run(admin.ask({ method: 'FETCH', path: ['manage'], payload, contentFormat: 261 }))
      return [...text(links).matchAll(/manage\/([^>]+)/g)].map(([, name]) => name)
    }
    expect(await names(map([-3, true], [-4, 10], [-5, -8], [-1, 5]))).toEqual(['gp1', 'gp3'])
    for (const name of ['gp4', 'gp5', 'foo']) make(name, { active: true })
    make('gp6')
    expect(await names(map([-4, 10], [-13, new CborTag(21_065, 'gp[0-9]*')], [-12, true]))).toEqual(['gp4', 'gp5'])
    expect(await names(hex(run.admin.filter_fetch ?? ''))).toEqual(['gp4', 'gp5'])
  })

  it('§6.3 to §6.8: a group is created, read, overwritten, patched and deleted', async () => {
    const net = world({ manager: { asUri: () => 'coap://as.example.com/token' } })
    const admin = administrator(net)
    const ask = async (method: 'GET' | 'POST' | 'FETCH' | 'PATCH' | 'iPATCH' | 'DELETE', path: readonly string[], payload?: Uint8Array) => {
      const response = await net.run(
        admin.ask({ method, path: ['manage', ...path], ...(payload === undefined ? {} : { payload, contentFormat: 261 }) }),
      )
      const isMap = response.payload.length > 0 && response.contentFormat === 261
      return { code: response.code, fields: isMap ? fieldsOf(response.payload) : new Map<CborKey, CborValue>(), response }
    }
    const created = await ask('POST', [], hex(run.admin.create ?? ''))
    const told = new Map<CborKey, CborValue>([
      [-13, 'gp4'],
      [-18, 'coap://[2001:db8::ab]/ace-group/gp4'],
      [-19, 'coap://as.example.com/token'],
    ])
    expect([created.code, created.fields]).toEqual(['2.01', told])
    expect(created.response.options.filter(({ number }) => number === 8).map(({ value }) => text(value))).toEqual(['manage', 'gp4'])
    const whole = await ask('GET', ['gp4'])
    expect(Object.fromEntries([...whole.fields].filter(([label]) => label !== 11 && label !== 16))).toEqual(
      Object.fromEntries(
        new Map<CborKey, CborValue>([
          [-1, 5],
          [-2, 14],
          [-3, true],
          [-4, 10],
          [-5, -8],
          [-6, [[1], [1, 6]]],
          [-7, true],
          [-8, 10],
          [-9, -27],
          [-10, [[1], [1, 4]]],
          [-25, false],
          [-11, 'core.osc.gconf'],
          [-12, true],
          [-13, 'gp4'],
          [-14, 'rooms 1 and 2'],
          [10, 1],
          [-15, 3],
          [-16, false],
          [-17, ['room1', 'room2']],
          [-18, 'coap://[2001:db8::ab]/ace-group/gp4'],
          [-19, 'coap://as.example.com/token'],
        ]),
      ),
    )
    const part = await ask('FETCH', ['gp4'], hex(run.admin.conf_filter ?? ''))
    expect(Object.fromEntries(part.fields)).toEqual({
      '-4': 10,
      '-1': 5,
      '-7': true,
      '-12': true,
      '-14': 'rooms 1 and 2',
      '-17': ['room1', 'room2'],
    })
    const patched = await ask('PATCH', ['gp4'], hex(run.admin.patch ?? ''))
    expect([patched.code, patched.fields]).toEqual(['2.04', told])
    expect(net.manager.status('gp4').configuration.applicationGroups).toEqual(['room2', 'room3', 'room4'])
    const written = await ask('POST', ['gp4'], map([-4, 11], [-1, 5]))
    expect([written.code, written.fields]).toEqual(['2.04', told])
    // What was not named went to its default, the state too; other algorithms came with new keys.
    expect(net.manager.status('gp4')).toMatchObject({
      generation: 1,
      configuration: { active: false, applicationGroups: [], groupMode: { encryption: 11 } },
    })
    expect((await ask('DELETE', ['gp4'])).code).toBe('2.02')
    expect((await ask('GET', ['gp4'])).code).toBe('4.04')
    expect(net.manager.groups()).toEqual([])
  })
})

describe('a worked run, in bytes', () => {
  const { authz_info: token, join: joining } = run

  it('the access token opens, its claims are understood, and the OSCORE context is that of the client', () => {
    const claims = decodeToken(hex(token.access_token ?? ''), importAesKey(hex(token.as_rs_key ?? '')))
    if (claims === undefined || claims === 'malformed' || 'kid' in claims.confirmation) throw new TypeError('not read')
    expect(claims).toMatchObject({ audience: 'gm1' })
    expect(decodeScope(claims.scope)?.groups).toEqual([{ group: 'g1', roles: BOTH }])
    const request = fieldsOf(hex(token.request ?? ''))
    const response = fieldsOf(hex(token.response ?? ''))
    const salt = masterSaltOf(claims.confirmation.salt, request.get(40) as Uint8Array, response.get(42) as Uint8Array)
    expect(toHex(salt)).toBe(token.master_salt)
    // IDs and keys of the client, recomputed: RFC 8613 §3.2.1 with those inputs.
    const { masterSecret } = claims.confirmation
    const senderId = hex(token.client_sender_id ?? '')
    const recipientId = hex(token.client_recipient_id ?? '')
    expect([response.get(44), request.get(43)]).toEqual([senderId, recipientId])
    const context = new UnicastContext(
      { name: 'x', masterSecret, masterSalt: salt, senderId, recipientId },
      { sequences: volatileSequences(), received: 'fresh' },
    )
    expect(context.senderId).toEqual(senderId)
    const key = (id: Uint8Array) => toHex(hkdf('sha256', masterSecret, salt, encodeCbor([id, null, 10, 'Key', 16]), 16))
    expect([key(senderId), key(recipientId)]).toEqual([token.client_sender_key, token.client_recipient_key])
  })

  it('a token of ours reads as it was written, and one bit of difference makes it none', () => {
    const key = importAesKey(hex(token.as_rs_key ?? ''))
    const claims = {
      subject: 'lamp',
      audience: 'rs1',
      expiresAtS: 1_784_000_000,
      issuedAtS: 1_783_000_000,
      scope: encodeScope({ groups: [{ group: 'g1', roles: BOTH }], admin: [] }),
      confirmation: { id: hex('01'), masterSecret: hex('f9af838368e353e78888e1426bd94e6f'), salt: new Uint8Array(0) },
    }
    const sealed = encodeToken(claims, key, seededRandom(1))
    expect(toHex(sealed.subarray(0, 5))).toBe('8343a1010a')
    expect(decodeToken(sealed, key)).toEqual(claims)
    for (let bit = 0; bit < sealed.length * 8; bit += 5) {
      const other = sealed.slice()
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeToken(other, key)).toBeUndefined()
    }
  })

  it('the token exchange’s groups are described as ours are', () => {
    const response = fieldsOf(hex(token.response ?? ''))
    const configuration = withDefaults({})
    expect([response.get(45), response.get(47)]).toEqual([[signInfo('g1', configuration)], [ecdhInfo('g1', configuration)]])
    expect(dhCredential('g1', { configuration, credential: hex('00') } as never)).toBeUndefined()
  })

  it('the Join Request’s scope, PoP input and evidence', () => {
    expect(toHex(encodeJoinScope({ group: 'g1', roles: BOTH }))).toBe(joining.scope)
    expect(decodeJoinScope(hex(joining.scope ?? ''))).toEqual({ group: 'g1', roles: BOTH })
    const input = memberPopInput(hex(joining.scope ?? ''), hex(joining.n_s ?? ''), hex(joining.n_c ?? ''))
    expect(toHex(input)).toBe(joining.pop_input)
    const privateKey = importPrivateKey('Ed25519', hex(joining.client_private ?? ''))
    expect(toHex(makeEvidence(withDefaults({}), privateKey, publicKeyOf(privateKey), input))).toBe(joining.client_cred_verify)
  })

  it('the Group Manager’s proof in the Join Response', () => {
    const privateKey = importPrivateKey('Ed25519', hex(joining.gm_private ?? ''))
    const input = managerPopInput(hex(joining.n_c ?? ''), hex(joining.n_kdc ?? ''))
    expect(toHex(input)).toBe(joining.kdc_pop_input)
    expect(toHex(makeEvidence(withDefaults({}), privateKey, publicKeyOf(privateKey), input))).toBe(joining.kdc_cred_verify)
    expect(readCredential(hex(joining.kdc_cred ?? ''), 14).alg).toBe(-8)
  })

  it('the answer to an empty Join Request', () => {
    const expected = fieldsOf(hex(run.empty_join.response))
    const stored = { name: 'g1', configuration: withDefaults({}), credential: hex('00') }
    expect(fieldsOf(joinHints(stored as never, expected.get(30) as Uint8Array))).toEqual(expected)
  })

  it('errors with their identifiers', () => {
    // The same entries; ours come in the deterministic order.
    expect(decodeProblem(groupcommError(0).payload ?? new Uint8Array(0))).toEqual(decodeProblem(hex(run.error.payload)))
    expect(decodeProblem(groupcommError(5).payload ?? new Uint8Array(0))).toEqual(decodeProblem(hex(run.evicted_notification.payload)))
  })

  it('joining over the wire gives the very fields of the example', async () => {
    const net = world()
    net.manager.createGroup('g1', { active: true })
    const device = net.enrolled('lamp', 'g1')
    const path = ['ace-group', 'g1']
    const hints = fieldsOf((await net.run(device.ask({ method: 'POST', path }))).payload)
    const privateKey = importPrivateKey('Ed25519', hex(joining.client_private ?? ''))
    const input = memberPopInput(hex(joining.scope ?? ''), hints.get(30) as Uint8Array, hex(joining.n_c ?? ''))
    const request = new Map(fieldsOf(hex(joining.request ?? '')))
    request.set(24, makeEvidence(withDefaults({}), privateKey, publicKeyOf(privateKey), input))
    const response = await net.run(device.ask({ method: 'POST', path, payload: encodeCbor(request), contentFormat: 261 }))
    expect([response.code, response.contentFormat]).toEqual(['2.01', 261])
    const [ours, theirs] = [fieldsOf(response.payload), fieldsOf(hex(joining.response ?? ''))]
    const keysOf = (fields: ReadonlyMap<CborKey, CborValue>) =>
      [...(fields.get(8) as ReadonlyMap<number, CborValue>).keys()].sort((a, b) => a - b)
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort())
    expect(keysOf(ours)).toEqual(keysOf(theirs))
    expect(ours.get(16)).toEqual(theirs.get(16))
    expect(MANAGER_AT.port).toBe(5683)
  })
})
