// Keys and signatures of certificates against OpenSSL’s recordings and RFC 6070-style PBKDF2 vectors (RFC 7914 §11).
import { generateKeyPairSync, sign, constants } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  exportSigningKey,
  fromHex,
  generateSigningKey,
  importSigningKey,
  importVerifyingKey,
  pbkdf2,
  signAs,
  toHex,
  utf8,
  verifyAs,
} from '#main/base/index.ts'

describe('signing keys', () => {
  it.each(['P-256', 'P-384', 'Ed25519'] as const)('on %s sign what their public key verifies, and come back from PKCS #8', (algorithm) => {
    const key = generateSigningKey(algorithm)
    const again = importSigningKey(exportSigningKey(key))
    expect([again.algorithm, toHex(again.spki)]).toEqual([algorithm, toHex(key.spki)])
    const verifying = importVerifyingKey(key.spki)
    expect(verifying.algorithm).toBe(algorithm)
    const signature = signAs(again, utf8('message'))
    expect(verifyAs(verifying, key.scheme, utf8('message'), signature)).toBe(true)
    expect(verifyAs(verifying, key.scheme, utf8('massage'), signature)).toBe(false)
    expect(verifyAs(verifying, key.scheme, utf8('message'), signature.subarray(1))).toBe(false)
    expect(JSON.stringify({ key })).toBe('{"key":"[key]"}')
  })

  it('read what OpenSSL wrote, PKCS #8 as PEM', () => {
    const key = importSigningKey(readFileSync(join(import.meta.dirname, '../vectors/cmp/keys/op-root.key'), 'utf8'))
    expect(key.algorithm).toBe('P-256')
  })

  it('of other kinds are refused', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'der', type: 'pkcs8' })
    expect(() => importSigningKey(new Uint8Array(rsa))).toThrow(expect.objectContaining({ code: 'crypto.unsupported' }) as Error)
    expect(() => importSigningKey(Uint8Array.of(1, 2))).toThrow(expect.objectContaining({ code: 'crypto.parameter-invalid' }) as Error)
  })
})

describe('verifying keys', () => {
  it('take RSA with PKCS #1 and PSS, and P-521', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = importVerifyingKey(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })))
    expect([key.algorithm, key.bits]).toEqual(['RSA', 2048])
    const message = utf8('message')
    expect(verifyAs(key, { family: 'rsa', hash: 'sha256' }, message, sign('sha256', message, privateKey))).toBe(true)
    const pss = sign('sha256', message, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })
    expect(verifyAs(key, { family: 'rsa-pss', hash: 'sha256' }, message, pss)).toBe(true)
    expect(verifyAs(key, { family: 'rsa', hash: 'sha256' }, message, pss)).toBe(false)
    const large = generateKeyPairSync('ec', { namedCurve: 'P-521' })
    const verifying = importVerifyingKey(new Uint8Array(large.publicKey.export({ format: 'der', type: 'spki' })))
    expect(verifyAs(verifying, { family: 'ecdsa', hash: 'sha512' }, message, sign('sha512', message, large.privateKey))).toBe(true)
  })

  it('refuse points off the curve, and schemes of another kind', () => {
    const { spki, scheme } = generateSigningKey('P-256')
    const off = spki.slice()
    off[off.length - 1]! ^= 1
    expect(() => importVerifyingKey(off)).toThrow(expect.objectContaining({ code: 'crypto.parameter-invalid' }) as Error)
    const other = generateSigningKey('Ed25519')
    expect(verifyAs(importVerifyingKey(spki), other.scheme, utf8('x'), signAs(other, utf8('x')))).toBe(false)
    expect(verifyAs(importVerifyingKey(other.spki), scheme, utf8('x'), signAs(other, utf8('x')))).toBe(false)
  })
})

describe('PBKDF2', () => {
  it.each([
    // RFC 7914 §11.
    [
      'passwd',
      'salt',
      1,
      64,
      '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783',
    ],
    [
      'Password',
      'NaCl',
      80_000,
      64,
      '4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d',
    ],
  ])('of %s and %s after %i rounds (RFC 7914 §11)', async (password, salt, iterations, length, expected) => {
    const key = await pbkdf2('sha256', utf8(password), utf8(salt), iterations, length)
    expect(toHex(key)).toBe(toHex(fromHex(expected)!))
  })

  it('of a stranger’s million rounds and more is refused', async () => {
    for (const iterations of [0, 1.5, 1_000_001]) {
      await expect(pbkdf2('sha256', utf8('x'), utf8('y'), iterations, 32)).rejects.toMatchObject({ code: 'crypto.parameter-invalid' })
    }
    await expect(pbkdf2('sha256', utf8('x'), utf8('y'), 1, 5000)).rejects.toMatchObject({ code: 'crypto.parameter-invalid' })
  })
})
