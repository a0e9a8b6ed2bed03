import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError, isSecretName, redact, redactFields } from '#main/base/index.ts'

describe('names of secrets', () => {
  test.each([
    'key',
    'keys',
    'networkKey',
    'master_secret',
    'masterSecret',
    'password',
    'Passphrase',
    'pass-phrase',
    'psk',
    'PSK',
    'pskIdentityAndKey',
    'privateKey',
    'private_key_pem',
    'token',
    'apiToken',
    'sessionCookie',
    'Authorization',
    'credential',
    'credentials',
    'setup-code',
  ])('%s is one', (name) => {
    expect(isSecretName(name)).toBe(true)
  })

  test.each(['publicKey', 'name', 'monkeyId', 'keyId', 'kid', 'address', 'hash', 'salt', 'keyword', ''])('%s is none', (name) => {
    expect(isSecretName(name)).toBe(false)
  })
})

describe('redaction', () => {
  test('takes secrets out at any depth, in objects, lists, maps, sets and errors', () => {
    const cause = Object.assign(new Error('inner'), { token: 'S3CRET' })
    const value = {
      a: [{ psk: 'S3CRET', id: 1 }],
      b: new Map<unknown, unknown>([
        ['masterSecret', 'S3CRET'],
        ['x', { password: 'S3CRET' }],
      ]),
      c: new Set([{ apiKey: 'S3CRET' }]),
      d: new AppError('internal', 'outer', { cause, details: { key: 'S3CRET', at: 'here' } }),
      key: { all: 'S3CRET' },
    }
    const text = JSON.stringify(redact(value))
    expect(text).not.toContain('S3CRET')
    expect(text).toContain('"at":"here"')
    expect(text).toContain('inner')
    expect(redactFields({ n: 1, token: 'S3CRET' })).toEqual({ n: 1, token: '[redacted]' })
  })

  test('does not change what it is given', () => {
    const value = { key: 'x', list: [1, 2] }
    redact(value)
    expect(value).toEqual({ key: 'x', list: [1, 2] })
  })

  test('writes what JSON has no form for', () => {
    const when = new Date(Date.UTC(2026, 0, 2))
    const odd = { big: 12n, nan: Number.NaN, bytes: Uint8Array.of(0xab, 1), when, gone: undefined, f: () => 0, never: new Date(Number.NaN) }
    expect(redact(odd)).toEqual({
      big: '12',
      nan: 'NaN',
      bytes: 'ab01',
      when: '2026-01-02T00:00:00.000Z',
      f: '[function]',
      never: 'invalid date',
    })
    expect(redact(new Uint8Array(5000))).toBe(`${'00'.repeat(64)}…`)
  })

  test('survives cycles, depth, width, hostile getters and prototypes', () => {
    const cyclic: Record<string, unknown> = {}
    cyclic.me = [cyclic]
    expect(redact(cyclic)).toEqual({ me: ['[circular]'] })
    let deep: unknown = 1
    for (let i = 0; i < 10_000; i++) deep = [deep]
    expect(JSON.stringify(redact(deep))).toContain('[deep]')
    expect(redact(Array.from({ length: 5000 }, () => 0))).toHaveLength(1000)
    const hostile = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new RangeError('no')
      },
    })
    expect(redact(hostile)).toEqual({ x: '[unreadable]' })
    const polluted = redact(JSON.parse('{"__proto__":{"admin":true}}')) as Record<string, unknown>
    expect(polluted.admin).toBeUndefined()
    expect(Object.getPrototypeOf(polluted)).toBe(Object.prototype)
  })

  test('the same object twice is no cycle', () => {
    const shared = { n: 1 }
    expect(redact([shared, shared])).toEqual([{ n: 1 }, { n: 1 }])
  })

  test('takes anything and gives JSON', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }), (value) => {
        expect(typeof JSON.stringify(redact(value))).toBe('string')
      }),
    )
  })
})
