import { describe, expect, it } from 'vitest'
import { checklistOf, LISTED_PER_KIND, problemsOf, progressOf, testEvidence } from '#main/site/overview/index.ts'
import type { SiteSnapshot } from '#main/site/overview/index.ts'
import type { AdmissionRow, ApplicationGroupRow, DeviceRow, MembershipRow, TestRunRow } from '#contract/model.ts'

const empty: SiteSnapshot = {
  devices: [],
  rooms: [],
  applicationGroups: [],
  memberships: [],
  plan: [],
  testRuns: [],
  exports: [],
  checks: [],
  revision: 1,
}

function device(id: string, more: Partial<DeviceRow> = {}): DeviceRow {
  return {
    id,
    name: `Lamp ${id}`,
    type: 'luminaire',
    roomId: 'r1',
    state: 'seen',
    stateAt: 1,
    stateSource: 'discovery',
    eui64: null,
    serial: null,
    model: null,
    profileId: 'demo',
    endpointName: null,
    address: null,
    lastHeardAt: 1,
    groups: 1,
    comment: '',
    ...more,
  }
}

function group(id: string, members: number): ApplicationGroupRow {
  return { id, name: id, coapGroupId: 'c', roomId: null, comment: '', uri: 'coap://[ff35::1]', members, confirmed: 0 }
}

function cell(deviceId: string, groupId: string, more: Partial<MembershipRow> = {}): MembershipRow {
  return {
    key: `${deviceId} ${groupId}`,
    deviceId,
    groupId,
    desired: true,
    outcome: 'confirmed',
    at: 100,
    source: 'apply',
    failure: null,
    ...more,
  }
}

function run(groupId: string, startedAt: number, verdicts: ReadonlyArray<TestRunRow['members'][number]['verdict']>): TestRunRow {
  return {
    id: `${groupId}-${startedAt}`,
    groupId,
    groupName: groupId,
    action: 'on',
    state: 'done',
    startedAt,
    finishedAt: startedAt + 1,
    repeats: 1,
    repeat: 1,
    uri: 'coap://[ff35::1]/on',
    messageBytes: 40,
    spreadMs: null,
    medianMs: null,
    members: verdicts.map((verdict, index) => ({ deviceId: `d${index}`, verdict, answerMs: null, heardCount: 0, code: null, seen: null })),
    strangers: 0,
    failure: null,
  }
}

const open = (site: SiteSnapshot, step: string): number | undefined => progressOf(site).find((row) => row.step === step)?.open

describe('test evidence', () => {
  it('counts a group as tested when every member was heard or read back as changed', () => {
    const site = {
      ...empty,
      applicationGroups: [group('g', 2)],
      memberships: [cell('d0', 'g'), cell('d1', 'g')],
      testRuns: [run('g', 200, ['heard', 'silent-changed'])],
    }
    expect(testEvidence(site).map((entry) => entry.passed)).toEqual([true])
    expect(open(site, 'test')).toBe(0)
  })

  it.each(['not-changed', 'unreachable', 'rejected', 'unreadable'] as const)('does not pass with a member that is %s', (verdict) => {
    const site = {
      ...empty,
      applicationGroups: [group('g', 2)],
      memberships: [cell('d0', 'g'), cell('d1', 'g')],
      testRuns: [run('g', 200, ['heard', verdict])],
    }
    expect(testEvidence(site).map((entry) => entry.passed)).toEqual([false])
    expect(problemsOf(site).map((problem) => problem.kind)).toContain('test-failed')
  })

  it('accepts what a person saw where no reading can prove it', () => {
    const seen = run('g', 200, ['unreadable'])
    const site = {
      ...empty,
      applicationGroups: [group('g', 1)],
      memberships: [cell('d0', 'g')],
      testRuns: [{ ...seen, members: seen.members.map((member) => ({ ...member, seen: true })) }],
    }
    expect(testEvidence(site)[0]?.passed).toBe(true)
  })

  it('is void once the membership changed after the test, and stays valid after a mere read-back', () => {
    const tested = { ...empty, applicationGroups: [group('g', 1)], testRuns: [run('g', 200, ['heard'])] }
    expect(testEvidence({ ...tested, memberships: [cell('d0', 'g', { at: 300 })] })[0]?.run).toBeUndefined()
    expect(testEvidence({ ...tested, memberships: [cell('d0', 'g', { at: 300, source: 'verify' })] })[0]?.passed).toBe(true)
  })

  it('is void once a member was taken in from its device that no test asked', () => {
    const site = {
      ...empty,
      devices: [device('d0'), device('d1')],
      applicationGroups: [group('g', 2)],
      memberships: [cell('d0', 'g'), cell('d1', 'g', { at: 300, source: 'verify' })],
      testRuns: [run('g', 200, ['heard'])],
    }
    expect(testEvidence(site).map((entry) => [entry.run, entry.passed])).toEqual([[undefined, false]])
    expect(open(site, 'test')).toBe(1)
  })

  it('is void once the group has another address', () => {
    const tested = { ...empty, applicationGroups: [group('g', 1)], memberships: [cell('d0', 'g')], testRuns: [run('g', 200, ['heard'])] }
    expect(testEvidence(tested)[0]?.passed).toBe(true)
    expect(testEvidence({ ...tested, applicationGroups: [{ ...group('g', 1), uri: 'coap://[ff35::2]' }] })[0]?.passed).toBe(false)
  })

  it('takes the newest finished run', () => {
    const site = {
      ...empty,
      applicationGroups: [group('g', 1)],
      memberships: [cell('d0', 'g')],
      testRuns: [run('g', 300, ['unreachable']), run('g', 200, ['heard'])],
    }
    expect(testEvidence(site)[0]?.passed).toBe(false)
  })
})

describe('progress', () => {
  it('has nothing open and nothing done on an empty site', () => {
    expect(progressOf(empty).map((row) => [row.step, row.open, row.total])).toEqual([
      ['site', 0, 0],
      ['devices', 0, 0],
      ['admit', 0, 0],
      ['groups', 0, 0],
      ['apply', 0, 0],
      ['test', 0, 0],
      ['handover', 1, 0],
    ])
  })

  it('counts who waits or has failed at Admit, and is done only when everybody who is expected has joined', () => {
    const admit = (counts: Partial<AdmissionRow['counts']>, authority?: { pending: number; valid: number }): unknown => {
      const none = { waiting: 0, joining: 0, failed: 0, enrolled: 0, denied: 0, listed: 0, missing: 0 }
      const site = { ...empty, admission: { counts: { ...none, ...counts } } }
      const rows = progressOf(authority === undefined ? site : { ...site, authority: { ...authority, expiring: 0 } })
      return rows.find(({ step }) => step === 'admit')
    }
    expect(admit({ listed: 3, missing: 3 })).toEqual({ step: 'admit', open: 0, total: 0 })
    expect(admit({ waiting: 2, failed: 1, enrolled: 1, listed: 4, missing: 3 })).toEqual({ step: 'admit', open: 3, total: 3 })
    expect(admit({ enrolled: 1, listed: 3, missing: 2 }, { pending: 0, valid: 1 })).toEqual({ step: 'admit', open: 0, total: 0 })
    expect(admit({ enrolled: 3, listed: 3 }, { pending: 1, valid: 4 })).toEqual({ step: 'admit', open: 1, total: 5 })
    expect(admit({ enrolled: 3, listed: 3 }, { pending: 0, valid: 3 })).toEqual({ step: 'admit', open: 0, total: 3 })
  })

  it('keeps the hand-over open until the present revision is exported', () => {
    const exported = { handle: 'h', format: 'json' as const, fileName: 'a.json', bytes: 1, sha256: '', at: 1, revision: 4 }
    const site = { ...empty, devices: [device('a')], exports: [exported] }
    expect(open({ ...site, revision: 4 }, 'handover')).toBe(0)
    expect(open({ ...site, revision: 5 }, 'handover')).toBe(1)
    expect(progressOf({ ...site, revision: 4 }).at(-1)).toEqual({ step: 'handover', open: 0, total: 7 })
    expect(checklistOf({ ...site, revision: 5 }).find((row) => row.item === 'exported')?.open).toBe(1)
  })
})

describe('the hand-over', () => {
  it('has as many points open as the checklist', () => {
    const devices = [device('a', { state: 'faulty', roomId: null })]
    const site = { ...empty, devices, applicationGroups: [group('g', 0)] }
    const items = checklistOf(site).filter((row) => row.open > 0)
    expect(items.map((row) => row.item)).toEqual(['devices-placed', 'groups-have-members', 'no-failures', 'exported'])
    expect(open(site, 'handover')).toBe(4)
  })
})

describe('groups', () => {
  it('expects devices that react to be in a group, not those that send', () => {
    const ungrouped = [device('a', { groups: 0 }), device('b', { type: 'switch', groups: 0 }), device('c', { type: 'blind' })]
    const site = { ...empty, devices: ungrouped, applicationGroups: [group('g', 1)] }
    expect(progressOf(site).find((row) => row.step === 'groups')).toEqual({ step: 'groups', open: 1, total: 2 })
    expect(problemsOf(site).map((problem) => problem.id)).toEqual(['device-without-group a'])
  })
})

describe('problems', () => {
  it('does not call devices missing before the first one was heard', () => {
    const expected = device('a', { state: 'expected', lastHeardAt: null, profileId: null })
    expect(problemsOf({ ...empty, devices: [expected] })).toEqual([])
    expect(problemsOf({ ...empty, devices: [expected, device('b')] }).map((problem) => problem.id)).toEqual(['device-missing a'])
  })

  it('tells equal names in one room, not in two', () => {
    const twice = [device('a', { name: 'Lamp' }), device('b', { name: 'Lamp' }), device('c', { name: 'Lamp', roomId: 'r2' })]
    expect(problemsOf({ ...empty, devices: twice }).map((problem) => problem.id)).toEqual(['duplicate-name b'])
  })

  it('tells certificates that end soon as one, put right where devices are admitted', () => {
    const authority = { pending: 0, valid: 5, expiring: 0 }
    expect(problemsOf({ ...empty, authority })).toEqual([])
    expect(problemsOf({ ...empty, authority: { ...authority, expiring: 3 } })).toMatchObject([
      { kind: 'certificate-expiring', severity: 'warning', step: 'admit', subject: { id: '*' }, params: { count: 3 } },
    ])
  })

  it('puts errors first and tells a flood of one kind as one', () => {
    const many = Array.from({ length: LISTED_PER_KIND + 1 }, (_, index) => device(`d${index}`, { roomId: null }))
    const problems = problemsOf({ ...empty, devices: [...many, device('bad', { state: 'faulty' })] })
    expect(problems.map((problem) => [problem.kind, problem.params])).toEqual([
      ['device-faulty', {}],
      ['device-without-room', { count: LISTED_PER_KIND + 1 }],
    ])
  })
})
