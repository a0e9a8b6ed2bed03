// Requests bound to their session by tls-unique or the exporter (RFC 9148 §3, RFC 7030 §3.5, RFC 9266 §4.2).
import { describe, expect, it } from 'vitest'
import { equalBytes, sha256, utf8 } from '#main/base/index.ts'
import { bindingsOf, challengeOf } from '#main/services/join/index.ts'
import type { DtlsSession } from '#main/wire/dtls/index.ts'
import { isBound } from '../../../../src-main/services/join/est/binding.ts'

function session(name: string, extendedMasterSecret = true): DtlsSession {
  return {
    role: 'server',
    suite: 'ECDHE_ECDSA_WITH_AES_128_CCM_8',
    group: 'P-256',
    identity: undefined,
    extendedMasterSecret,
    maxFragmentBytes: 16_384,
    connectionIds: false,
    firstFinished: sha256(utf8(`finished ${name}`)).subarray(0, 12),
    exportKey: (label, context, length) => sha256(utf8(`${name} ${label} ${context?.length}`)).subarray(0, length),
  }
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

describe('a request', () => {
  const ours = session('ours')

  it('is bound by either value of its own session', () => {
    expect(isBound('required', challengeOf(ours), ours)).toBe(true)
    expect(isBound('required', base64(ours.firstFinished), ours)).toBe(true)
    expect(bindingsOf(ours).map(({ length }) => length)).toEqual([32, 12])
  })

  it('is not bound by those of another session, by none, by junk, nor where nothing carries it', () => {
    const theirs = session('theirs')
    for (const value of [challengeOf(theirs), base64(theirs.firstFinished), undefined, '', '%%%', 'A'.repeat(200)])
      expect(isBound('required', value, ours)).toBe(false)
    expect(isBound('required', challengeOf(ours), undefined)).toBe(false)
  })

  it('cannot be bound to a session whose secret two sides may share with somebody in the middle (RFC 7627 §1)', () => {
    const weak = session('ours', false)
    expect(challengeOf(weak)).toBeUndefined()
    expect(isBound('required', base64(weak.firstFinished), weak)).toBe(false)
  })

  it('need not be bound unless that is asked, but must not claim what is not so', () => {
    expect(isBound('checked', undefined, ours)).toBe(true)
    expect(isBound('checked', 'a password', ours)).toBe(false)
    expect(isBound('ignored', 'a password', undefined)).toBe(true)
    expect(equalBytes(ours.firstFinished, session('ours').firstFinished)).toBe(true)
  })
})
