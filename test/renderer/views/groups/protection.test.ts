// The word for the protection of a group: what is unprotected never looks protected, and what has no keys yet is not shown as done.
import { describe, expect, test } from 'vitest'
import type { GroupProtectionRow, SecurityGroupRow } from '#contract/model.ts'
import { protectionLooks, protectionWord } from '../../../../src-renderer/views/groups/security/protection-look.ts'

function protection(mode: GroupProtectionRow['mode']): GroupProtectionRow {
  return {
    groupId: 'g',
    mode,
    securityGroupIds: mode === 'secured' ? ['s'] : [],
    reason: mode === 'nosec' ? 'why' : null,
    automatic: false,
  }
}
function securityGroup(more: Partial<SecurityGroupRow>): SecurityGroupRow {
  return {
    id: 's',
    name: 's',
    comment: '',
    roomId: null,
    suite: 'standard',
    policy: { rekeyOnJoin: false, rekeyAfterLeaves: 1, rekeyWithinMinutes: 10, lifetimeDays: 30 },
    automatic: true,
    outcome: 'confirmed',
    failure: null,
    groupIds: ['g'],
    generation: 1,
    gid: '0a0b0c0d00000000',
    rekeyedAt: 0,
    expiresAt: 0,
    wanted: 3,
    joined: 3,
    current: 3,
    leavesWaiting: 0,
    rekeyDueAt: null,
    toolIsMember: true,
    ...more,
  }
}

describe('the protection of a group', () => {
  test('is told by what is known of keys and members', () => {
    expect(protectionWord(protection('secured'), [securityGroup({})], 3)).toBe('secured')
    expect(protectionWord(protection('secured'), [securityGroup({ current: 2 })], 3)).toBe('joining')
    expect(protectionWord(protection('secured'), [securityGroup({ generation: null })], 3)).toBe('planned')
    expect(protectionWord(protection('secured'), [], 3)).toBe('planned')
    expect(protectionWord(protection('secured'), [securityGroup({}), securityGroup({ generation: null })], 3)).toBe('planned')
  })
  test('is red where there is none', () => {
    expect(protectionLooks[protectionWord(protection('nosec'), [], 3)].tone).toBe('failed')
    expect(protectionLooks[protectionWord(protection('open'), [], 3)].tone).toBe('failed')
    expect(protectionLooks[protectionWord(protection('nosec'), [], 0)].tone).toBe('failed')
  })
  test('is nothing to speak of before there are members', () => {
    expect(protectionWord(protection('open'), [], 0)).toBe('none')
    expect(protectionWord(undefined, [], 3)).toBe('none')
  })
})
