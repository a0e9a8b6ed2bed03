// What the window lets a person change of a security group, and what it takes for the keys of a device.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { securitySuite } from '#contract/model.ts'
import {
  enrolFault,
  plainHex,
  policyOf,
  securitySuites,
  suitesWithin,
} from '../../../../src-renderer/views/groups/security/security-edit.ts'

const policy = { rekeyOnJoin: false, rekeyAfterLeaves: 1, rekeyWithinMinutes: 10, lifetimeDays: 30 }
const keys = { masterSecret: '0102030405060708090a0b0c0d0e0f10', masterSalt: '', deviceSenderId: '01', toolSenderId: '' }

describe('a security group', () => {
  test('may have any suite before there are keys, and then those that sign with the keys that members have', () => {
    expect([...securitySuites].sort()).toEqual([...securitySuite.options].sort())
    expect(suitesWithin({ suite: 'p256', generation: null })).toEqual(securitySuites)
    expect(suitesWithin({ suite: 'standard', generation: 0 })).toEqual(['standard', 'long-tag', 'counter'])
    expect(suitesWithin({ suite: 'p256', generation: 7 })).toEqual(['p256'])
  })

  test('has a policy of whole numbers within their limits, or none is saved', () => {
    expect(policyOf({ ...policy, rekeyAfterLeaves: '3' })).toEqual({ ...policy, rekeyAfterLeaves: 3 })
    for (const wrong of ['', '0', '1.5', 'x', 1001, -1]) expect(policyOf({ ...policy, rekeyAfterLeaves: wrong })).toBeUndefined()
    expect(policyOf({ ...policy, lifetimeDays: 3651 })).toBeUndefined()
  })
})

describe('keys of a device', () => {
  test('are taken in hex, with blanks, colons and hyphens as people copy them', () => {
    expect(enrolFault(keys)).toBeNull()
    expect(enrolFault({ ...keys, masterSecret: '01:02:03:04 05-06-07-08 090A0B0C0D0E0F10' })).toBeNull()
    expect(plainHex('01:0A-ff 00')).toBe('010aff00')
  })

  test('name the field that cannot be right', () => {
    expect(enrolFault({ ...keys, masterSecret: '0102' })).toBe('masterSecret')
    expect(enrolFault({ ...keys, masterSecret: `${keys.masterSecret}0` })).toBe('masterSecret')
    expect(enrolFault({ ...keys, masterSalt: 'xyz' })).toBe('masterSalt')
    expect(enrolFault({ ...keys, deviceSenderId: '0102030405060708' })).toBe('deviceSenderId')
    expect(enrolFault({ ...keys, toolSenderId: '1' })).toBe('toolSenderId')
    expect(enrolFault({ ...keys, deviceSenderId: '0A', toolSenderId: '0a' })).toBe('same-ids')
  })

  test('are judged whatever is typed', () => {
    const text = fc.string({ maxLength: 200 })
    fc.assert(
      fc.property(fc.record({ masterSecret: text, masterSalt: text, deviceSenderId: text, toolSenderId: text }), (form) => {
        const fault = enrolFault(form)
        return fault === null ? /^[0-9a-f]{32,128}$/.test(plainHex(form.masterSecret)) : typeof fault === 'string'
      }),
    )
  })
})
