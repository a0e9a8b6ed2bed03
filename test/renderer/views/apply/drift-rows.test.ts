// What the drift lens and the sheet of found groups make of their rows.
import { describe, expect, test } from 'vitest'
import type { DriftFinding, DriftRow, FoundGroup } from '#contract/model.ts'
import { driftedGroups, driftTotals, endpointText, listed } from '../../../../src-renderer/views/apply/drift/drift-rows.ts'
import { choicesOf, isTakeable, startingChoice } from '../../../../src-renderer/views/groups/survey/survey-choices.ts'

const finding = (kind: DriftFinding['kind'], group: string | null = 'g1'): DriftFinding => ({
  kind,
  groupId: group,
  groupName: group ?? 'stranger',
  wanted: null,
  found: null,
})
const row = (deviceId: string, state: DriftRow['state'], findings: readonly DriftFinding[] = []): DriftRow => ({
  deviceId,
  state,
  readAt: 1,
  means: 'poll',
  entries: 0,
  watch: 'poll',
  failedAt: null,
  failure: null,
  findings: [...findings],
  more: 0,
})
const rows = [
  row('c', 'as-applied'),
  row('b', 'silent'),
  row('a10', 'differs', [finding('missing'), finding('foreign', null)]),
  row('a2', 'silent', [finding('unknown')]),
  row('d', 'not-read'),
  row('e', 'differs', [finding('foreign', null)]),
]

describe('the drift lens', () => {
  test('counts devices; foreign entries are nothing to repair', () => {
    expect(driftTotals(rows)).toEqual({ drifted: 3, silent: 2, unread: 1, asApplied: 1, repairable: 2 })
  })
  test('lists what has drifted first, by name with numbers as numbers, and devices without findings only when asked', () => {
    expect(listed(rows, (id) => id, false).map(({ deviceId }) => deviceId)).toEqual(['a2', 'a10', 'e', 'b'])
    expect(listed(rows, (id) => id, true).map(({ deviceId }) => deviceId)).toEqual(['a2', 'a10', 'e', 'b', 'd', 'c'])
  })
  test('offers the groups in which something can be repaired', () => {
    expect(driftedGroups(rows)).toEqual([{ id: 'g1', name: 'g1', devices: 2 }])
  })
  test('writes endpoints as URIs do', () => {
    expect([endpointText({ address: 'ff05::1', port: 5683 }), endpointText({ address: '239.1.1.1', port: 1 }), endpointText(null)]).toEqual(
      ['[ff05::1]:5683', '239.1.1.1:1', ''],
    )
  })
})

describe('the choices about found groups', () => {
  const found = (key: string, verdict: FoundGroup['verdict'], here: FoundGroup['here'] = null): FoundGroup => ({
    key,
    name: key,
    address: 'ff05::1',
    port: 5683,
    verdict,
    here,
    types: [],
    sources: ['table'],
    memberCount: 1,
    strangers: 0,
    members: [],
    securityGroups: [],
  })
  const here = { address: 'ff05::2', port: 5683 }

  test('take what has no conflict and leave conflicts until a person decides', () => {
    const all = [
      found('n', 'new'),
      found('m', 'more-members', here),
      found('e', 'elsewhere', here),
      found('a', 'ambiguous'),
      found('k', 'known', here),
    ]
    expect(choicesOf(all, new Map())).toEqual([
      { key: 'n', as: 'found' },
      { key: 'm', as: 'found' },
    ])
    const decided = new Map([
      ['e', { as: 'project' as const, name: 'e' }],
      ['a', { as: 'found' as const, name: ' other ' }],
      ['n', { as: 'skip' as const, name: 'n' }],
      ['k', { as: 'found' as const, name: 'k' }],
    ])
    expect(choicesOf(all, decided)).toEqual([
      { key: 'm', as: 'found' },
      { key: 'e', as: 'project' },
      { key: 'a', as: 'found', name: 'other' },
    ])
  })
  test('offer nothing for what is known or cannot be placed', () => {
    expect(isTakeable(found('k', 'known', here))).toBe(false)
    expect(isTakeable(found('x', 'no-address'))).toBe(false)
    expect(isTakeable(found('x', 'no-address', here))).toBe(true)
    expect(startingChoice(found('x', 'no-address', here)).as).toBe('skip')
  })
})
