// What the Group Manager keeps comes back as it was, and what cannot be is refused.
import { describe, expect, test } from 'vitest'
import { rolesOf, type Authorisation, type StoredGrant, type StoredGroup, type StoredMember } from '#main/services/group-manager/index.ts'
import { createGroupManagerStore } from '#main/store/index.ts'
import { temporarySite } from '../support/site-file.ts'

const GROUP: StoredGroup = {
  name: 'floor 1',
  configuration: {
    hkdf: 5,
    credentialFormat: 14,
    groupMode: { encryption: 10, signature: -8 },
    pairwiseMode: undefined,
    curve: 'Ed25519',
    active: true,
    description: null,
    maxStaleSets: 3,
    applicationGroups: ['lights'],
    policies: { checkIntervalS: 3600, expirationDeltaS: 0 },
    rekeying: { onJoin: false, afterLeaves: 1, withinMs: 1000, lifetimeS: 86_400 },
  },
  gid: Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 0),
  generation: 7,
  sealedKeys: Uint8Array.of(9, 9),
  credential: Uint8Array.of(8),
  staleSets: [[], [Uint8Array.of(1), Uint8Array.of(0, 255)], []],
  rekeyedAtMs: 1000,
  expiresAtMs: 2000,
  algorithmsSince: 3,
  leavesWaiting: 1,
  firstLeaveAtMs: 1500,
  newcomers: [Uint8Array.of(5)],
}

const MEMBER: StoredMember = {
  group: 'floor 1',
  identity: 'lamp',
  node: 'n01',
  senderId: Uint8Array.of(0),
  credential: Uint8Array.of(1, 2),
  roles: rolesOf(['requester']),
  scope: Uint8Array.of(3),
  clientNonce: Uint8Array.of(4),
  control: { path: ['grp-rek'], query: ['a=b'], port: 5683 },
  context: 'lamp',
  address: { address: 'fe80::1', port: 5683, zone: 'eth0' },
  channelId: 'udp',
  joinedAtMs: 5,
  generation: 7,
  keys: 'told',
}

describe('groups and members', () => {
  test('come back as they were, with and without what they may lack', () => {
    const { database } = temporarySite()
    const store = createGroupManagerStore(database)
    const bare: StoredGroup = { ...GROUP, name: 'other', gid: Uint8Array.of(9), firstLeaveAtMs: undefined, newcomers: [] }
    const ear: StoredMember = {
      ...MEMBER,
      identity: 'ear',
      node: 'n02',
      senderId: undefined,
      credential: undefined,
      control: undefined,
      keys: 'current',
    }
    store.saveGroup(GROUP)
    store.saveGroup(bare)
    store.saveMember(MEMBER)
    store.saveMember({ ...ear, address: { address: '2001:db8::1', port: 1 } })
    expect(store.groups()).toEqual([GROUP, bare])
    expect(store.members()).toEqual([{ ...ear, address: { address: '2001:db8::1', port: 1 } }, MEMBER])
    store.saveMember({ ...MEMBER, generation: 8, keys: 'current' })
    expect(store.members()[1]).toMatchObject({ generation: 8, keys: 'current' })
    store.removeMember('floor 1', 'ear')
    store.removeGroup('floor 1')
    expect([store.groups().map(({ name }) => name), store.members()]).toEqual([['other'], []])
  })

  test('never share a Gid, a Sender ID or a node, and keys never go back', () => {
    const { database } = temporarySite()
    const store = createGroupManagerStore(database)
    store.saveGroup(GROUP)
    store.saveMember(MEMBER)
    expect(() => store.saveGroup({ ...GROUP, name: 'twin' })).toThrow()
    expect(() => store.saveGroup({ ...GROUP, generation: 6 })).toThrow()
    expect(() => store.saveMember({ ...MEMBER, identity: 'twin', node: 'n09' })).toThrow()
    expect(() => store.saveMember({ ...MEMBER, identity: 'twin', senderId: Uint8Array.of(1) })).toThrow()
    expect(() => store.saveMember({ ...MEMBER, group: 'nowhere' })).toThrow()
  })

  test('of which a step fails stay as they were before it', () => {
    const { database } = temporarySite()
    const store = createGroupManagerStore(database)
    store.saveGroup(GROUP)
    expect(() =>
      store.transaction(() => {
        store.saveGroup({ ...GROUP, generation: 8 })
        store.saveMember({ ...MEMBER, group: 'nowhere' })
      }),
    ).toThrow()
    expect(store.groups()).toEqual([GROUP])
  })

  test.each([
    `UPDATE gm_group SET configuration = '{}'`,
    `UPDATE gm_group SET stale_sets = '[["xyz"]]'`,
    `UPDATE gm_group SET newcomers = 'null'`,
  ])('that somebody has spoilt are not taken: %s', (sql) => {
    const { database } = temporarySite()
    const store = createGroupManagerStore(database)
    store.saveGroup(GROUP)
    database.exec(sql)
    expect(() => store.groups()).toThrow(expect.objectContaining({ code: 'store.corrupt' }))
  })
})

describe('authorisations and tokens', () => {
  test('come back as they were', () => {
    const { database } = temporarySite()
    const store = createGroupManagerStore(database)
    const record: Authorisation = {
      identity: 'lamp',
      groups: [{ group: 'floor 1', roles: rolesOf(['responder']) }],
      admin: [{ names: { pattern: 'g[0-9]' }, read: true }, { names: true }],
      notAfterMs: 77,
      provenCredentials: [Uint8Array.of(1)],
    }
    const grant: StoredGrant = {
      id: Uint8Array.of(1),
      identity: 'lamp',
      scope: Uint8Array.of(2),
      expiresAtMs: 3,
      sealedMaterial: Uint8Array.of(4),
    }
    store.saveAuthorisation(record)
    store.saveAuthorisation({ identity: 'bare', groups: [] })
    store.saveGrant(grant)
    expect(store.authorisations()).toEqual([{ identity: 'bare', groups: [], admin: [], provenCredentials: [] }, record])
    expect(store.grants()).toEqual([grant])
    expect(store.tokenKey()).toBeUndefined()
    store.saveTokenKey(Uint8Array.of(1))
    store.saveTokenKey(Uint8Array.of(2))
    expect(store.tokenKey()).toEqual(Uint8Array.of(2))
    store.removeGrant(grant.id)
    store.removeAuthorisation('lamp')
    expect([store.grants().length, store.authorisations().length]).toEqual([0, 1])
  })
})
