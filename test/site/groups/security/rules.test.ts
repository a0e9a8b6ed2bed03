// The checks of the relations between application groups, CoAP groups and security groups: each can be set off alone, and each names its
// section. draft-ietf-core-groupcomm-bis-18 §2.1.4, §4, §5.1.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findingsOf, ruleSection, type Relations } from '#main/site/groups/index.ts'
import { evictionEffectOf } from '../../../../src-main/site/groups/security/effects.ts'
import { securityGroupNames } from '../../../../src-main/site/groups/security/defaults.ts'
import { checkSecurityGroupName } from '../../../../src-main/site/groups/security/suites.ts'
import { rolesOfType, wishesOf } from '../../../../src-main/site/groups/security/wishes.ts'

type Group = Relations['groups'][number]
type Security = Relations['securityGroups'][number]

function group(id: string, more: Partial<Group> = {}): Group {
  return { id, name: id, coapGroupId: `c-${id}`, mode: 'secured', securityGroupIds: ['s'], reason: null, members: [member('d')], ...more }
}
function member(deviceId: string, supported: boolean | null = true): Group['members'][number] {
  return { deviceId, name: deviceId, supported }
}
function security(id: string, more: Partial<Security> = {}): Security {
  return { id, name: id, suite: 'standard', requesters: 1, responders: 1, joined: 1, behind: 0, leavesWaiting: 0, ...more }
}
function rules(relations: Partial<Relations>): string[] {
  const all = { groups: [], securityGroups: [], coapGroups: [], devices: [], ...relations }
  return findingsOf(all).map(({ rule, severity, subject }) => `${severity} ${rule} ${subject.id}`)
}

describe('relations', () => {
  it('in order give nothing', () => {
    expect(
      rules({ groups: [group('a')], securityGroups: [security('s')], coapGroups: [{ id: 'c-a', name: 'a', address: 'ff05::1' }] }),
    ).toEqual([])
  })

  it.each<[string, Partial<Relations>, string]>([
    ['unprotected by nobody’s choice', { groups: [group('a', { mode: 'open', securityGroupIds: [] })] }, 'error nosec-open a'],
    ['unprotected by choice', { groups: [group('a', { mode: 'nosec', securityGroupIds: [], reason: 'x' })] }, 'warning nosec-chosen a'],
    [
      'unprotected at a global address',
      { groups: [group('a', { mode: 'nosec', securityGroupIds: [] })], coapGroups: [{ id: 'c-a', name: 'a', address: 'ff0e::1' }] },
      'error nosec-global a',
    ],
    [
      'unprotected at a public IPv4 group',
      { groups: [group('a', { mode: 'nosec', securityGroupIds: [] })], coapGroups: [{ id: 'c-a', name: 'a', address: '233.1.2.3' }] },
      'error nosec-global a',
    ],
    [
      'unprotected beside protected ones',
      {
        groups: [group('a', { coapGroupId: 'c' }), group('b', { coapGroupId: 'c', mode: 'nosec', securityGroupIds: [] })],
        securityGroups: [security('s')],
        coapGroups: [{ id: 'c', name: 'c', address: 'ff05::1' }],
      },
      'warning nosec-beside-secured c',
    ],
    ['a name that says NoSec', { groups: [group('a')], securityGroups: [security('s', { name: 'No-SEC' })] }, 'error name-nosec s'],
    [
      'several with the same algorithms',
      { groups: [group('a', { securityGroupIds: ['s', 't'] })], securityGroups: [security('s'), security('t')] },
      'warning several-for-access a',
    ],
    [
      'several with different algorithms',
      { groups: [group('a', { securityGroupIds: ['s', 't'] })], securityGroups: [security('s'), security('t', { suite: 'p256' })] },
      'info several-algorithms a',
    ],
    [
      'one for groups of different members',
      { groups: [group('a'), group('b', { members: [member('d'), member('e')] })], securityGroups: [security('s')] },
      'info shared-by-groups s',
    ],
    [
      'several at one address',
      {
        groups: [group('a', { coapGroupId: 'c' }), group('b', { coapGroupId: 'c', securityGroupIds: ['t'] })],
        securityGroups: [security('s'), security('t')],
        coapGroups: [{ id: 'c', name: 'c', address: 'ff05::1' }],
      },
      'info shared-address c',
    ],
    ['none that it protects', { securityGroups: [security('s')] }, 'warning unused s'],
    [
      'a member that cannot join',
      { groups: [group('a', { members: [member('d'), member('e', false)] })], securityGroups: [security('s')] },
      'error member-cannot-join a',
    ],
    ['a device without places', { devices: [{ id: 'd', name: 'd', places: 4, needed: 5 }] }, 'error capacity-exceeded d'],
    ['nobody who sends', { groups: [group('a')], securityGroups: [security('s', { requesters: 0 })] }, 'info no-requester s'],
    ['nobody who reacts', { groups: [group('a')], securityGroups: [security('s', { responders: 0 })] }, 'warning no-responder s'],
    [
      'members without the newest keys',
      { groups: [group('a')], securityGroups: [security('s', { behind: 1 })] },
      'warning members-behind s',
    ],
    ['leaves that wait', { groups: [group('a')], securityGroups: [security('s', { leavesWaiting: 2 })] }, 'warning leaves-waiting s'],
  ])('%s', (_name, relations, expected) => {
    const found = rules(relations)
    expect(found).toContain(expected)
    // What is left unprotected by choice is told each time.
    expect(found.filter((one) => one !== expected && !one.startsWith('warning nosec-chosen'))).toEqual([])
  })

  it('of many to many are all allowed (Figure 1): no error, whatever is tied to what', () => {
    const ids = ['s', 't', 'u']
    const anyGroups = fc.array(
      fc.record({ coap: fc.constantFrom('c', 'k'), used: fc.subarray(ids, { minLength: 1 }), devices: fc.subarray(['d', 'e', 'f']) }),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(anyGroups, (shapes) => {
        const findings = findingsOf({
          groups: shapes.map(({ coap, used, devices }, index) =>
            group(`g${index}`, { coapGroupId: coap, securityGroupIds: used, members: devices.map((id) => member(id)) }),
          ),
          securityGroups: ids.map((id) => security(id)),
          coapGroups: [
            { id: 'c', name: 'c', address: 'ff05::1' },
            { id: 'k', name: 'k', address: 'ff05::2' },
          ],
          devices: [],
        })
        return findings.every(({ severity }) => severity !== 'error') && new Set(findings.map(({ id }) => id)).size === findings.length
      }),
    )
  })

  it('name their sections', () => {
    expect(ruleSection('name-nosec')).toBe('draft-ietf-core-groupcomm-bis-18 §2.2.1.3')
    expect(ruleSection('nosec-open')).toBe('draft-ietf-core-groupcomm-bis-18 §4')
  })
})

describe('who shall be a member', () => {
  it('is whoever is in one of the groups, once, with the groups that it reacts to', () => {
    const wishes = wishesOf([
      { name: 'b', members: [{ deviceId: 'lamp', type: 'luminaire' }] },
      {
        name: 'a',
        members: [
          { deviceId: 'lamp', type: 'luminaire' },
          { deviceId: 'switch', type: 'switch' },
        ],
      },
    ])
    expect([...wishes]).toEqual([
      ['lamp', { roles: { requester: false, responder: true }, applicationGroups: ['a', 'b'] }],
      ['switch', { roles: { requester: true, responder: true }, applicationGroups: ['a'] }],
    ])
    expect(rolesOfType('presence-sensor').requester).toBe(true)
  })
})

describe('default names', () => {
  const rooms = [
    { id: 'b', parentId: null, kind: 'building' as const, name: 'Nosec', position: 0 },
    { id: 'r', parentId: 'b', kind: 'room' as const, name: '2.14 Office', position: 0 },
  ]
  const first = (name: string, roomId: string | null, count: number): string[] => {
    const names: string[] = []
    for (const candidate of securityGroupNames({ rooms: () => rooms }, { name, roomId })) if (names.push(candidate) === count) break
    return names
  }
  it('are the room’s number, its name, its path, then numbered', () => {
    expect(first('light', 'r', 4)).toEqual(['2.14', '2.14-Office', 'Nosec-2.14-Office', 'Nosec-2.14-Office-2'])
    expect(first('all lights', null, 2)).toEqual(['all-lights', 'all-lights-2'])
  })
  it('never say NoSec, and are always names', () => {
    expect(first('light', 'b', 1)).toEqual(['group-2'])
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (name) =>
        first(name, null, 3).every((one) => checkSecurityGroupName(one) === one),
      ),
      { numRuns: 30 },
    )
  })
})

describe('the effect of an eviction', () => {
  it('counts who gets keys, who cannot be told, and the time on air', () => {
    const effect = evictionEffectOf({
      securityGroupName: 's',
      losers: [{ deviceId: 'd', name: 'D', isMember: true }],
      applicationGroups: ['a'],
      remaining: [{ reachable: true }, { reachable: true }, { reachable: false }],
    })
    expect(effect).toMatchObject({ remaining: 3, unreachable: 1, messages: 2 })
    expect(effect.airTimeMs).toBe(135)
  })
})
