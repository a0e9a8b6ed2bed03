// Runs as it is and again where node:crypto is as poor as BoringSSL (crypto-poor.test.ts).
import { createHash, hkdfSync } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as base from '#main/base/index.ts'
import { nativeCcm, portableCcm, type Ccm } from '../../src-main/base/crypto/aes-ccm.ts'
import { nativeKeyWrap, portableKeyWrap, type KeyWrap } from '../../src-main/base/crypto/key-wrap.ts'
import { ccmVectors, gcmVectors, hkdfVectors, keyWrapVectors } from '../vectors/crypto.ts'

const { aeadByCoseId, aeads, fromHex, importAesKey, toHex, utf8 } = base
const poor = 'groupwrightPoorCrypto' in globalThis
const hex = (text: string): Uint8Array => fromHex(text)!
const bytes = (minLength: number, maxLength = minLength): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength, maxLength })
const rejected = expect.objectContaining({ code: 'crypto.authentication-failed' }) as Error
const invalid = expect.objectContaining({ code: 'crypto.parameter-invalid' }) as Error

const ccms: ReadonlyArray<readonly [string, Ccm]> = [['portable', portableCcm], ...(nativeCcm ? [['native', nativeCcm] as const] : [])]
const wraps: ReadonlyArray<readonly [string, KeyWrap]> = [
  ['portable', portableKeyWrap],
  ...(nativeKeyWrap ? [['native', nativeKeyWrap] as const] : []),
]

test(`the modes that BoringSSL lacks are ${poor ? 'portable' : 'native'} here`, () => {
  const path = poor ? 'portable' : 'native'
  expect(base.cryptoPaths).toEqual({ aesCcm: path, keyWrap: path })
})

describe.each(ccms)('AES-CCM, %s', (_path, ccm) => {
  test.each(ccmVectors)('$name', ({ key, nonce, aad, plaintext, sealed, tagBytes }) => {
    const handle = importAesKey(hex(key))
    expect(toHex(ccm.seal(handle, hex(nonce), hex(aad), hex(plaintext), tagBytes))).toBe(sealed)
    expect(toHex(ccm.open(handle, hex(nonce), hex(aad), hex(sealed), tagBytes))).toBe(plaintext)
  })

  test('gives back what was sealed, for every key, nonce and tag length; and nothing once a bit was changed', () => {
    const parameters = fc.record({
      key: fc.constantFrom(16, 24, 32).chain((length) => bytes(length)),
      nonce: bytes(7, 13),
      aad: bytes(0, 70),
      plaintext: bytes(0, 70),
      tagBytes: fc.constantFrom(4, 6, 8, 10, 12, 14, 16),
      flip: fc.nat(),
    })
    fc.assert(
      fc.property(parameters, ({ key, nonce, aad, plaintext, tagBytes, flip }) => {
        const handle = importAesKey(key)
        const sealed = ccm.seal(handle, nonce, aad, plaintext, tagBytes)
        expect(ccm.open(handle, nonce, aad, sealed, tagBytes)).toEqual(plaintext)
        const bit = flip % (8 * sealed.length)
        const changed = Uint8Array.from(sealed, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
        expect(() => ccm.open(handle, nonce, aad, changed, tagBytes)).toThrow(rejected)
        expect(() => ccm.open(handle, nonce, Uint8Array.of(...aad, 0), sealed, tagBytes)).toThrow(rejected)
      }),
      { numRuns: 60 },
    )
  })

  test('refuses lengths that RFC 3610 §2 does not have', () => {
    const key = importAesKey(new Uint8Array(16))
    for (const [nonceBytes, tagBytes] of [
      [6, 8],
      [14, 8],
      [13, 2],
      [13, 5],
      [13, 18],
    ] as const) {
      expect(() => ccm.seal(key, new Uint8Array(nonceBytes), hex(''), hex('00'), tagBytes)).toThrow(invalid)
    }
    expect(() => ccm.seal(key, new Uint8Array(13), hex(''), new Uint8Array(65_536), 8)).toThrow(invalid)
    expect(() => ccm.open(key, new Uint8Array(13), hex(''), hex('00112233445566'), 8)).toThrow(rejected)
  })
})

test.skipIf(nativeCcm === undefined)('both ways of AES-CCM give the same bytes, at every border of blocks and of length fields', () => {
  const key = importAesKey(hex('000102030405060708090a0b0c0d0e0f'))
  for (const aadBytes of [0, 1, 13, 14, 15, 16, 30, 31, 0xfeff, 0xff00, 0x1_0000]) {
    for (const plaintextBytes of [0, 1, 15, 16, 17, 255, 256, 65_535]) {
      const args = [key, new Uint8Array(13).fill(3), new Uint8Array(aadBytes).fill(1), new Uint8Array(plaintextBytes).fill(2), 8] as const
      expect(base.sha256(portableCcm.seal(...args))).toEqual(base.sha256(nativeCcm!.seal(...args)))
    }
  }
})

describe('AEAD by COSE number (RFC 9053)', () => {
  test('has the lengths of the registry', () => {
    expect(aeads.map(({ coseId, name, keyBytes, nonceBytes, tagBytes }) => [coseId, name, keyBytes, nonceBytes, tagBytes])).toEqual([
      [1, 'A128GCM', 16, 12, 16],
      [2, 'A192GCM', 24, 12, 16],
      [3, 'A256GCM', 32, 12, 16],
      [10, 'AES-CCM-16-64-128', 16, 13, 8],
      [11, 'AES-CCM-16-64-256', 32, 13, 8],
      [12, 'AES-CCM-64-64-128', 16, 7, 8],
      [13, 'AES-CCM-64-64-256', 32, 7, 8],
      [30, 'AES-CCM-16-128-128', 16, 13, 16],
      [31, 'AES-CCM-16-128-256', 32, 13, 16],
      [32, 'AES-CCM-64-128-128', 16, 7, 16],
      [33, 'AES-CCM-64-128-256', 32, 7, 16],
    ])
    expect(() => aeadByCoseId(24)).toThrow(expect.objectContaining({ code: 'crypto.unsupported' }))
  })

  test.each(gcmVectors)('AES-GCM $name', ({ key, nonce, aad, plaintext, sealed }) => {
    const gcm = aeadByCoseId(1)
    const handle = importAesKey(hex(key))
    expect(toHex(gcm.seal(handle, hex(nonce), hex(aad), hex(plaintext)))).toBe(sealed)
    expect(toHex(gcm.open(handle, hex(nonce), hex(aad), hex(sealed)))).toBe(plaintext)
  })

  test('seals, opens, and refuses anything else, with each algorithm', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...aeads),
        bytes(0, 40),
        bytes(0, 40),
        bytes(32),
        bytes(0, 60),
        (aead, aad, plaintext, material, garbage) => {
          const key = importAesKey(material.slice(0, aead.keyBytes))
          const nonce = material.slice(0, aead.nonceBytes)
          const sealed = aead.seal(key, nonce, aad, plaintext)
          expect(sealed.length).toBe(plaintext.length + aead.tagBytes)
          expect(aead.open(key, nonce, aad, sealed)).toEqual(plaintext)
          expect(() => aead.open(key, nonce, aad, garbage)).toThrow(rejected)
          expect(() =>
            aead.open(
              key,
              nonce.map((byte) => byte ^ 1),
              aad,
              sealed,
            ),
          ).toThrow(rejected)
          expect(() => aead.seal(key, nonce.slice(1), aad, plaintext)).toThrow(invalid)
        },
      ),
      { numRuns: 80 },
    )
  })
})

describe.each(wraps)('AES key wrap, %s', (_path, keyWrap) => {
  test.each(keyWrapVectors)('RFC 3394 §4: $wrapped', ({ key, material, wrapped }) => {
    const handle = importAesKey(hex(key))
    expect(toHex(keyWrap.wrap(handle, hex(material)))).toBe(wrapped)
    expect(toHex(keyWrap.unwrap(handle, hex(wrapped)))).toBe(material)
  })

  test('gives nothing back under another key or with a bit changed', () => {
    const key = importAesKey(hex(keyWrapVectors[0].key))
    const wrapped = hex(keyWrapVectors[0].wrapped)
    expect(() => keyWrap.unwrap(importAesKey(new Uint8Array(16)), wrapped)).toThrow(rejected)
    for (let bit = 0; bit < wrapped.length * 8; bit += 7) {
      const changed = Uint8Array.from(wrapped, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
      expect(() => keyWrap.unwrap(key, changed)).toThrow(rejected)
    }
  })

  test('refuses lengths that are no multiple of 8, too short or too long', () => {
    const key = importAesKey(new Uint8Array(16))
    for (const length of [0, 8, 15, 17, 4104]) expect(() => keyWrap.wrap(key, new Uint8Array(length))).toThrow(invalid)
    for (const length of [0, 16, 23, 4104]) expect(() => keyWrap.unwrap(key, new Uint8Array(length))).toThrow(invalid)
  })
})

test.skipIf(nativeKeyWrap === undefined)('both ways of AES key wrap give the same bytes', () => {
  fc.assert(
    fc.property(bytes(32), fc.integer({ min: 2, max: 40 }), (key, blocks) => {
      const handle = importAesKey(key)
      const material = base.hash('sha512', key).slice(0, 8 * Math.min(blocks, 8))
      expect(portableKeyWrap.wrap(handle, material)).toEqual(nativeKeyWrap!.wrap(handle, material))
    }),
  )
})

describe('hashes and derivations', () => {
  test.each(hkdfVectors)('HKDF, RFC 5869 appendix A: $okm', ({ ikm, salt, info, length, prk, okm }) => {
    expect(toHex(base.hkdfExtract('sha256', hex(salt), hex(ikm)))).toBe(prk)
    expect(toHex(base.hkdf('sha256', hex(ikm), hex(salt), hex(info), length))).toBe(okm)
  })

  test('HKDF agrees with the library’s own for all hashes and lengths, and refuses more than 255 blocks', () => {
    const name = fc.constantFrom('sha1', 'sha256', 'sha384', 'sha512' as const)
    fc.assert(
      fc.property(name, bytes(1, 40), bytes(0, 40), bytes(0, 40), fc.integer({ min: 1, max: 300 }), (hashName, ikm, salt, info, length) => {
        expect(base.hkdf(hashName, ikm, salt, info, length)).toEqual(new Uint8Array(hkdfSync(hashName, ikm, salt, info, length)))
      }),
      { numRuns: 60 },
    )
    expect(base.hkdfExpand('sha256', new Uint8Array(32), hex(''), 255 * 32)).toHaveLength(8160)
    for (const length of [255 * 32 + 1, -1, 1.5]) {
      expect(() => base.hkdfExpand('sha256', new Uint8Array(32), hex(''), length)).toThrow(invalid)
    }
  })

  test('hashes its parts as one', () => {
    expect(toHex(base.sha256(utf8('ab'), utf8('c')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(base.hash('sha512', utf8('x')).length).toBe(base.hashLength('sha512'))
    expect(base.hash('sha384', utf8('x'))).toEqual(new Uint8Array(createHash('sha384').update('x').digest()))
  })

  test('HMAC, RFC 4231 case 2', () => {
    const mac = base.hmac('sha256', utf8('Jefe'), utf8('what do ya want '), utf8('for nothing?'))
    expect(toHex(mac)).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
  })

  test('compares in constant time', () => {
    expect(base.equalInConstantTime(hex('0102'), hex('0102'))).toBe(true)
    expect(base.equalInConstantTime(hex('0102'), hex('0103'))).toBe(false)
    expect(base.equalInConstantTime(hex('0102'), hex('010200'))).toBe(false)
  })

  test('scrypt, RFC 7914 §12, of a passphrase in its composed form', async () => {
    const key = await base.deriveKeyFromPassphrase('password', utf8('NaCl'), 64, { n: 1024, r: 8, p: 16 })
    expect(toHex(key)).toBe(
      'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
    )
    const cost = { n: 2, r: 1, p: 1 }
    expect(await base.deriveKeyFromPassphrase('Ku\u0308che', utf8('s'), 16, cost)).toEqual(
      await base.deriveKeyFromPassphrase('K\u00fcche', utf8('s'), 16, cost),
    )
  })

  test.each([
    { n: 3, r: 8, p: 1 },
    { n: 1, r: 8, p: 1 },
    { n: 2 ** 30, r: 8, p: 1 },
    { n: 1024, r: 2 ** 20, p: 1 },
    { n: 1024, r: 8, p: 17 },
    { n: 1024, r: Number.NaN, p: 1 },
  ])('scrypt with a cost that a crafted file might ask for is refused: $n $r $p', async (cost) => {
    await expect(base.deriveKeyFromPassphrase('x', utf8('s'), 16, cost)).rejects.toThrow(invalid)
  })
})

describe('curves', () => {
  const rfc6979 = {
    d: 'c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721',
    x: '60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6',
    y: '7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
    r: 'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716',
    s: 'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
  }

  test('ECDSA on P-256: the signature of RFC 6979 A.2.5 verifies, and the key imports in each form', () => {
    const point = hex(`04${rfc6979.x}${rfc6979.y}`)
    const key = base.importPublicKey('P-256', point)
    const signature = hex(rfc6979.r + rfc6979.s)
    expect(base.verifySignature(key, utf8('sample'), signature)).toBe(true)
    expect(base.verifySignature(key, utf8('simple'), signature)).toBe(false)
    expect(base.exportPublicKey(base.importPublicKey('P-256', hex(`03${rfc6979.x}`)))).toEqual(point)
    const own = base.importPrivateKey('P-256', hex(rfc6979.d))
    expect(base.exportPublicKey(base.publicKeyOf(own))).toEqual(point)
    expect(toHex(base.exportPrivateKey(own))).toBe(rfc6979.d)
    for (const format of ['raw', 'der'] as const) {
      const fresh = base.sign(own, utf8('hello'), format)
      expect(base.verifySignature(key, utf8('hello'), fresh, format)).toBe(true)
      expect(base.verifySignature(key, utf8('hello'), fresh, format === 'raw' ? 'der' : 'raw')).toBe(false)
    }
    expect(base.sign(own, utf8('hello'))).toHaveLength(64)
  })

  test('Ed25519: RFC 8032 §7.1 test 1', () => {
    const own = base.importPrivateKey('Ed25519', hex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'))
    const peer = base.publicKeyOf(own)
    expect(toHex(base.exportPublicKey(peer))).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
    const signature = base.sign(own, new Uint8Array(0))
    expect(toHex(signature)).toBe(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    )
    expect(base.verifySignature(peer, new Uint8Array(0), signature)).toBe(true)
    expect(base.verifySignature(peer, Uint8Array.of(1), signature)).toBe(false)
  })

  test('X25519: RFC 7748 §6.1', () => {
    const alice = base.importPrivateKey('X25519', hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'))
    expect(toHex(base.exportPublicKey(base.publicKeyOf(alice)))).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
    const bob = base.importPublicKey('X25519', hex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f'))
    expect(toHex(base.sharedSecret(alice, bob))).toBe('4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742')
  })

  test('a peer’s key of low order or off the curve is refused (RFC 7748 §6.1)', () => {
    const { privateKey } = base.generateKeyPair('X25519')
    expect(() => base.sharedSecret(privateKey, base.importPublicKey('X25519', new Uint8Array(32)))).toThrow(invalid)
    for (const point of [`04${rfc6979.x}${rfc6979.x}`, '00', '', `06${rfc6979.x}${rfc6979.y}`, `05${rfc6979.x}`, 'ff'.repeat(65)]) {
      expect(() => base.importPublicKey('P-256', hex(point))).toThrow(invalid)
    }
    for (const scalar of ['00'.repeat(32), 'ff'.repeat(32), '01'])
      expect(() => base.importPrivateKey('P-256', hex(scalar))).toThrow(invalid)
  })

  test('ECDSA in raw form keeps its 64 bytes, also where r or s is short, and 63 or 65 bytes are none (RFC 9053 §2.1)', () => {
    const { publicKey, privateKey } = base.generateKeyPair('P-256')
    let short = 0
    // About one in 128 is.
    for (let index = 0; index < 4000 && (short === 0 || index < 100); index++) {
      const message = Uint8Array.of(index >> 8, index & 255)
      const signature = base.sign(privateKey, message)
      expect(signature).toHaveLength(64)
      if (signature[0] === 0 || signature[32] === 0) short++
      expect(base.verifySignature(publicKey, message, signature)).toBe(true)
      if (index === 0) {
        expect(base.verifySignature(publicKey, message, signature.subarray(1))).toBe(false)
        expect(base.verifySignature(publicKey, message, Uint8Array.of(0, ...signature))).toBe(false)
        expect(base.verifySignature(publicKey, message, new Uint8Array(64))).toBe(false)
      }
    }
    expect(short).toBeGreaterThan(0)
  })

  test.each(['P-256', 'X25519'] as const)('two parties agree on %s', (curve) => {
    const [a, b] = [base.generateKeyPair(curve), base.generateKeyPair(curve)]
    const secret = base.sharedSecret(a.privateKey, b.publicKey)
    expect(secret).toHaveLength(32)
    expect(base.sharedSecret(b.privateKey, a.publicKey)).toEqual(secret)
    const again = base.importPrivateKey(curve, base.exportPrivateKey(a.privateKey))
    expect(base.sharedSecret(again, base.importPublicKey(curve, base.exportPublicKey(b.publicKey)))).toEqual(secret)
  })

  test('keys are used for what they are for', () => {
    const [p256, ed, x] = [base.generateKeyPair('P-256'), base.generateKeyPair('Ed25519'), base.generateKeyPair('X25519')]
    expect(() => base.sign(x.privateKey, utf8('m'))).toThrow(invalid)
    expect(() => base.sharedSecret(ed.privateKey, ed.publicKey)).toThrow(invalid)
    expect(() => base.sharedSecret(x.privateKey, p256.publicKey)).toThrow(invalid)
  })

  test('verifying takes any bytes for a signature', () => {
    const keys = [base.generateKeyPair('P-256').publicKey, base.generateKeyPair('Ed25519').publicKey]
    fc.assert(
      fc.property(fc.constantFrom(...keys), bytes(0, 100), fc.constantFrom('raw' as const, 'der' as const), (key, signature, format) => {
        expect(base.verifySignature(key, utf8('m'), signature, format)).toBe(false)
      }),
    )
  })
})

test('a key never shows its bytes', () => {
  const material = hex('000102030405060708090a0b0c0d0e0f')
  const key = importAesKey(material)
  const pair = base.generateKeyPair('Ed25519')
  for (const shown of [
    JSON.stringify({ key, pair }),
    inspect({ key, pair }, { depth: 9, showHidden: true }),
    JSON.stringify(base.redact({ x: key, y: pair })),
  ]) {
    expect(shown).not.toContain('000102')
    expect(shown).not.toContain(toHex(base.exportPrivateKey(pair.privateKey)).slice(0, 12))
  }
  expect(() => importAesKey(new Uint8Array(15))).toThrow(invalid)
})
