// What the admin interface refuses, and how (gm-admin-17 §6.3, §6.6, §6.7); what configurations are (key-groupcomm-oscore-21 §14); discovery.
import { describe, expect, it } from 'vitest'
import { encodeCbor, seededRandom, silentLogger, type CborKey, type CborValue } from '#main/base/index.ts'
import { decodeProblem, formatLinkFormat, parseLinkFormat, ResourceTree, type CoapOption, type Method } from '#main/wire/coap/index.ts'
import { securityGroupLinks, type PublishedGroup } from '#main/services/group-manager/index.ts'
import {
  configurationFault,
  maxSenderIdBytes,
  withDefaults,
  type GroupConfigurationInput,
} from '../../../src-main/services/group-manager/configuration.ts'
import { createResourceDirectory, type ResourceDirectory } from '#main/services/rd/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { MemoryRegistrationStore } from '../rd/harness.ts'
import { text, world } from './harness.ts'

const map = (...entries: ReadonlyArray<readonly [CborKey, CborValue]>): Uint8Array => encodeCbor(new Map(entries))

function start(names: true | string = true) {
  const net = world()
  const admin = net.device('administrator')
  net.manager.authorise({ identity: 'administrator', groups: [], admin: [{ names, create: true, read: true, write: true, delete: true }] })
  const ask = async (method: Method, path: readonly string[], payload?: Uint8Array, options: readonly CoapOption[] = []) => {
    const body = payload === undefined ? {} : { payload, contentFormat: 261 }
    const response = await net.run(admin.ask({ method, path: ['manage', ...path], options, ...body }))
    const id = response.contentFormat === 257 ? decodeProblem(response.payload).custom?.get(0)?.get(0) : undefined
    return { code: response.code, id, response }
  }
  return { net, ask }
}

describe('creating a group', () => {
  it.each<readonly [string, string, number | undefined, ReadonlyArray<readonly [CborKey, CborValue]>]>([
    ['without a name', '4.00', undefined, []],
    ['with a name that no path can have', '4.00', undefined, [[-13, 'a/b']]],
    [
      'with a parameter that nobody knows',
      '4.00',
      undefined,
      [
        [-13, 'g'],
        [-99, 1],
      ],
    ],
    [
      'with one that is not the administrator’s to set',
      '4.00',
      undefined,
      [
        [-13, 'g'],
        [-18, 'coap://x'],
      ],
    ],
    [
      'with an expiration that is over',
      '4.00',
      undefined,
      [
        [-13, 'g'],
        [11, 1_000],
      ],
    ],
    [
      'with algorithms of a mode that is off',
      '4.00',
      undefined,
      [
        [-13, 'g'],
        [-3, false],
        [-4, 10],
      ],
    ],
    [
      'with no mode at all',
      '4.00',
      undefined,
      [
        [-13, 'g'],
        [-3, false],
        [-7, false],
      ],
    ],
    [
      'with parameters that are not of the algorithm',
      '4.00',
      undefined,
      [
        [-13, 'g'],
        [-5, -8],
        [-6, [[2], [2, 1]]],
      ],
    ],
    [
      'with one set of stale Sender IDs',
      '4.00',
      undefined,
      [
        [-13, 'g'],
        [-15, 1],
      ],
    ],
    [
      'with det_hash_alg, but no deterministic requests',
      '4.00',
      undefined,
      [
        [-13, 'g'],
        [-26, -16],
      ],
    ],
    [
      'with deterministic requests',
      '5.03',
      12,
      [
        [-13, 'g'],
        [-25, true],
      ],
    ],
    [
      'with X.509 credentials',
      '5.03',
      12,
      [
        [-13, 'g'],
        [-2, 33],
      ],
    ],
    [
      'with AES-CBC',
      '5.03',
      12,
      [
        [-13, 'g'],
        [-4, -65_531],
      ],
    ],
    [
      'with a signature that is not understood',
      '5.03',
      12,
      [
        [-13, 'g'],
        [-5, -35],
        [-6, [[2], [2, 2]]],
      ],
    ],
    [
      'with algorithms by name',
      '5.03',
      12,
      [
        [-13, 'g'],
        [-8, 'AES'],
      ],
    ],
  ])('%s is answered %s', async (_name, code, id, entries) => {
    const { net, ask } = start()
    expect(await ask('POST', [], map(...entries))).toMatchObject({ code, id })
    expect(net.manager.groups()).toEqual([])
  })

  it('under a name that is taken gives another one of the same rights, or 5.03 with error-id 11', async () => {
    const { net, ask } = start()
    for (let round = 0; round < 2; round++) expect((await ask('POST', [], map([-13, 'gp4']))).code).toBe('2.01')
    expect(net.manager.groups().map(({ name }) => name)).toEqual(['gp4', 'gp4-2'])
    const narrow = start('gp4')
    expect((await narrow.ask('POST', [], map([-13, 'gp4']))).code).toBe('2.01')
    expect(await narrow.ask('POST', [], map([-13, 'gp4']))).toMatchObject({ code: '5.03', id: 11 })
  })

  it('without signatures, with keys for them, and with other hashes', async () => {
    const { net, ask } = start()
    expect((await ask('POST', [], map([-13, 'x'], [-3, false]))).code).toBe('2.01')
    expect((await ask('POST', [], map([-13, 'p'], [-3, false], [-10, [[2], [2, 1]]]))).code).toBe('2.01')
    expect((await ask('POST', [], map([-13, 'e'], [-5, -7]))).code).toBe('2.01')
    expect((await ask('POST', [], map([-13, 's'], [-1, 7]))).code).toBe('2.01')
    expect(
      net.manager.groups().map(({ name, configuration: { curve, hkdf, pairwiseMode } }) => [name, curve, hkdf, pairwiseMode?.keyAgreement]),
    ).toEqual([
      ['x', 'X25519', 5, -27],
      ['p', 'P-256', 5, -27],
      ['e', 'P-256', 5, -27],
      ['s', 'Ed25519', 7, -28],
    ])
  })

  it('says that Gids are not reused, where that was asked for', async () => {
    const { ask } = start()
    const { response } = await ask('POST', [], map([-13, 'g'], [-16, true]))
    expect(response.payload).toEqual(
      map([-13, 'g'], [-18, 'coap://[2001:db8::ab]/ace-group/g'], [-19, 'coap://[2001:db8::ab]/token'], [-16, false]),
    )
  })
})

describe('changing a group', () => {
  it.each<readonly [string, string, 'PATCH' | 'iPATCH' | 'POST', number | undefined, ReadonlyArray<readonly [CborKey, CborValue]>]>([
    ['an empty map', '4.00', 'PATCH', undefined, []],
    ['its name', '4.00', 'PATCH', undefined, [[-13, 'other']]],
    ['its modes', '4.00', 'POST', undefined, [[-3, false]]],
    [
      'application groups in two ways',
      '4.00',
      'PATCH',
      undefined,
      [
        [-17, ['a']],
        [-28, [['a'], []]],
      ],
    ],
    ['no application group at all', '4.00', 'PATCH', undefined, [[-28, [[], []]]]],
    ['one taken and given, as if that were the same every time', '4.00', 'iPATCH', undefined, [[-28, [['a'], ['a']]]]],
    ['a signature algorithm without its parameters', '4.09', 'PATCH', undefined, [[-5, -7]]],
    ['parameters of another one', '4.09', 'PATCH', undefined, [[-6, [[2], [2, 1]]]]],
    ['the hash without the key agreement', '4.09', 'iPATCH', undefined, [[-1, 7]]],
    [
      'the kind of the keys',
      '5.03',
      'PATCH',
      12,
      [
        [-5, -7],
        [-6, [[2], [2, 1]]],
        [-10, [[2], [2, 1]]],
      ],
    ],
    ['the form of credentials', '5.03', 'PATCH', 12, [[-2, 13]]],
  ])('%s is answered %s to %s', async (_name, code, method, id, entries) => {
    const { net, ask } = start()
    net.manager.createGroup('g1', { active: true })
    const before = net.manager.status('g1')
    expect(await ask(method, ['g1'], map(...entries))).toMatchObject({ code, id })
    expect(net.manager.status('g1')).toEqual(before)
  })

  it('takes application groups away and adds them, each once', async () => {
    const { net, ask } = start()
    net.manager.createGroup('g1', { applicationGroups: ['a', 'b'] })
    expect(
      (
        await ask(
          'PATCH',
          ['g1'],
          map([
            -28,
            [
              ['b', 'b', 'x'],
              ['a', 'c', 'c'],
            ],
          ]),
        )
      ).code,
    ).toBe('2.04')
    expect(net.manager.status('g1').configuration.applicationGroups).toEqual(['a', 'c'])
  })

  it('that somebody else has changed meanwhile is refused to whoever says which one is meant (If-Match)', async () => {
    const { net, ask } = start()
    net.manager.createGroup('g1')
    const etag = (await ask('GET', ['g1'])).response.options.find(({ number }) => number === 4)
    if (etag === undefined) throw new TypeError('no ETag')
    const match: CoapOption = { number: 1, value: etag.value }
    expect((await ask('PATCH', ['g1'], map([-14, 'first']), [match])).code).toBe('2.04')
    expect((await ask('PATCH', ['g1'], map([-14, 'second']), [match])).code).toBe('4.12')
    expect(net.manager.status('g1').configuration.description).toBe('first')
  })

  it('to algorithms with shorter nonces puts members out whose Sender IDs do not fit any more (§6.6.2)', async () => {
    const { net, ask } = start()
    net.manager.createGroup('g1', { active: true })
    expect([maxSenderIdBytes(withDefaults({})), maxSenderIdBytes(withDefaults({ groupMode: { encryption: 12 } }))]).toEqual([7, 1])
    const client = net.enrolled('lamp', 'g1').member('g1', { checkIntervalMs: 0 })
    await net.run(client.join())
    net.database.exec(`UPDATE gm_member SET sender_id = x'0102'`)
    net.restart()
    expect((await ask('PATCH', ['g1'], map([-4, 12]))).code).toBe('2.04')
    await net.clock.advance(5_000)
    expect(net.manager.status('g1')).toMatchObject({ members: 0, generation: 1 })
    expect(client.state).toBe('evicted')
  })

  it('while it is active nobody deletes it (error-id 10), and what is not there neither', async () => {
    const { net, ask } = start()
    net.manager.createGroup('g1', { active: true })
    expect(await ask('DELETE', ['g1'])).toMatchObject({ code: '4.00', id: 10 })
    expect((await ask('DELETE', ['g2'])).code).toBe('4.04')
    expect((await ask('PATCH', ['g2'], map([-14, 'x']))).code).toBe('4.04')
    expect((await ask('POST', ['g2'], map([-14, 'x']))).code).toBe('4.04')
  })
})

describe('configurations', () => {
  it.each<readonly [GroupConfigurationInput, 'unsupported' | 'inconsistent' | undefined]>([
    [{}, undefined],
    [{ groupMode: { encryption: -65_534 } }, undefined],
    [{ groupMode: { encryption: -65_531 } }, 'unsupported'],
    [{ curve: 'P-256' }, 'inconsistent'],
    [{ groupMode: { signature: -9 } }, undefined],
    [{ hkdf: 7 }, undefined],
    [{ hkdf: 6 }, 'inconsistent'],
    [{ hkdf: 6, pairwiseMode: false }, undefined],
    [{ groupMode: false, pairwiseMode: false }, 'inconsistent'],
    [{ groupMode: false, curve: 'Ed25519' }, 'inconsistent'],
    [{ rekeying: { afterLeaves: 0 } }, 'inconsistent'],
    [{ maxStaleSets: 1000 }, 'unsupported'],
  ])('%j is %s', (input, kind) => expect(configurationFault(withDefaults(input))?.kind).toBe(kind))
})

function directoryOf(): ResourceDirectory {
  const clock = new VirtualClock()
  const random = seededRandom(6)
  return createResourceDirectory({
    registry: new ResourceTree(),
    store: new MemoryRegistrationStore(),
    clock,
    random,
    logger: silentLogger,
  })
}

describe('discovery', () => {
  it('publishes each group with what the draft names, and follows its changes', () => {
    const published: Array<readonly PublishedGroup[]> = []
    const net = world({ manager: { publishGroups: (groups) => published.push(groups) } })
    net.manager.createGroup('floor 1', { applicationGroups: ['lights', 'blinds'] })
    const links = formatLinkFormat(securityGroupLinks(published.at(-1) ?? [], 'coap://[2001:db8::ab]', 'coap://[2001:db8::ab]/token'))
    expect(links).toBe(
      '</ace-group/floor%201>;ct=261;rt="core.osc.gm";if="ace.group";sec-gp="floor 1";app-gp="lights";app-gp="blinds";hkdf=5;cred_fmt=14;' +
        'gp_enc_alg=10;sign_alg="-8";sign_alg_crv=6;sign_key_kty=1;sign_key_crv=6;alg=10;ecdh_alg="-27";ecdh_alg_crv=4;ecdh_key_kty=1;ecdh_key_crv=4,' +
        '<coap://[2001:db8::ab]/token>;rel="authorization-server";anchor="coap://[2001:db8::ab]/ace-group/floor%201"',
    )
    expect(parseLinkFormat(links)).toHaveLength(2)
    net.manager.deleteGroup('floor 1')
    expect(published.at(-1)).toEqual([])
  })

  it('leads from an application group to its security group, its authorisation server and its address in a Resource Directory', () => {
    const directory = directoryOf()
    const base = 'coap://[2001:db8::ab]'
    const net = world({
      manager: {
        publishGroups: (groups) => {
          directory.registerOwnLinks({ endpointName: 'gm1', base, links: securityGroupLinks(groups, base, `${base}/token`) })
        },
      },
    })
    directory.registerGroup({ name: 'group1', base: 'coap://[ff35:30:2001:db8::23]', links: [] })
    net.manager.createGroup('feedca570000', { applicationGroups: ['group1'] })
    const membership = parseLinkFormat(directory.lookup('res', 'rt=core.osc.gm&app-gp=group1'))
    expect(membership.map(({ href }) => href)).toEqual([`${base}/ace-group/feedca570000`])
    expect(membership[0]?.attributes).toContainEqual({ name: 'sec-gp', value: 'feedca570000' })
    const server = directory.lookup('res', `rel=authorization-server&anchor=${base}/ace-group/feedca570000`)
    expect(parseLinkFormat(server).map(({ href }) => href)).toEqual([`${base}/token`])
    expect(directory.lookup('ep', 'et=core.rd-group&ep=group1')).toContain('coap://[ff35:30:2001:db8::23]')
    // It follows what becomes of the group.
    net.manager.configure('feedca570000', { ...net.manager.status('feedca570000').configuration, applicationGroups: ['group2'] })
    expect(directory.lookup('res', 'rt=core.osc.gm&app-gp=group1')).toBe('')
    expect(directory.lookup('res', 'rt=core.osc.gm&app-gp=group2')).not.toBe('')
  })

  it('names groups in /.well-known/core by the registered type', async () => {
    const net = world()
    net.manager.createGroup('g1')
    const device = net.device('lamp')
    const ask = async () => {
      const request = { method: 'GET', path: ['.well-known', 'core'], query: ['rt=core.osc.gm'] } as const
      return text((await net.run(device.endpoint.request({ address: '2001:db8::ab', port: 5683 }, request))).payload)
    }
    expect(await ask()).toContain('</ace-group/g1>')
    net.manager.deleteGroup('g1')
    expect(await ask()).toBe('')
  })
})
