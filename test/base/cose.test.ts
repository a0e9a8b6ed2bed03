// COSE_Encrypt0, COSE_Sign1 and COSE_Key against the examples of the COSE working group (RFC 9052, RFC 9053).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  aeadByCoseId,
  AppError,
  chaCha20Poly1305,
  CoseHeader,
  coseKey,
  decodeEncrypt0,
  decodeSign1,
  encodeCbor,
  encodeEncrypt0,
  encodeSign1,
  exportPublicKey,
  fromHex,
  generateKeyPair,
  importAesKey,
  importPublicKey,
  readCoseKey,
  toHex,
} from '#main/base/index.ts'

interface Example {
  readonly name: string
  readonly external: string
  readonly fails: boolean
  readonly cbor: string
}
interface Encrypted extends Example {
  readonly key: string
  readonly plaintext: string
}
interface Signed extends Example {
  readonly crv: 'P-256' | 'Ed25519'
  readonly x: string
  readonly y: string | null
  readonly payload: string
}

const file = join(import.meta.dirname, '../vectors/cose/cose-wg-examples.json')
const examples = JSON.parse(readFileSync(file, 'utf8')) as { readonly encrypt0: readonly Encrypted[]; readonly sign1: readonly Signed[] }
const hex = (text: string): Uint8Array => fromHex(text)!

describe('COSE_Encrypt0 (RFC 9052 §5.2)', () => {
  test.each(examples.encrypt0)('$name', ({ key, plaintext, external, fails, cbor }) => {
    const open = (): ReturnType<typeof decodeEncrypt0> =>
      decodeEncrypt0(
        hex(cbor),
        (header, unprotectedHeader) => {
          const nonce = unprotectedHeader.get(CoseHeader.IV)
          return { aead: aeadByCoseId(Number(header.get(CoseHeader.ALG))), key: importAesKey(hex(key)), nonce: nonce as Uint8Array }
        },
        hex(external),
      )
    if (fails) {
      expect(open).toThrow(expect.objectContaining({ code: 'crypto.authentication-failed' }) as Error)
      return
    }
    const message = open()
    expect(toHex(message.plaintext)).toBe(plaintext)
    const aead = aeadByCoseId(Number(message.protectedHeader.get(CoseHeader.ALG)))
    const nonce = message.unprotectedHeader.get(CoseHeader.IV) as Uint8Array
    // The example has the tag in front.
    expect(`d0${toHex(encodeEncrypt0(message, aead, importAesKey(hex(key)), nonce, hex(external)))}`).toBe(cbor)
  })
})

describe('COSE_Sign1 (RFC 9052 §4.2)', () => {
  test.each(examples.sign1)('$name', ({ crv, x, y, payload, external, fails, cbor }) => {
    const key = importPublicKey(crv, crv === 'P-256' ? Uint8Array.of(4, ...hex(x), ...hex(y ?? '')) : hex(x))
    const verified = (): boolean => {
      try {
        const message = decodeSign1(hex(cbor))
        if (!fails) expect(toHex(message.payload)).toBe(payload)
        return message.isSignedBy(key, hex(external))
      } catch (thrown) {
        if (thrown instanceof AppError) return false
        throw thrown
      }
    }
    // An unknown algorithm number is the affair of who looks at the header.
    expect(verified()).toBe(!fails)
  })

  test('what is signed here verifies, and nothing once it is changed', () => {
    const { privateKey, publicKey } = generateKeyPair('Ed25519')
    const bytes = encodeSign1(
      { protectedHeader: new Map([[1, -8]]), unprotectedHeader: new Map(), payload: Uint8Array.of(1, 2) },
      privateKey,
    )
    expect(decodeSign1(bytes).isSignedBy(publicKey)).toBe(true)
    expect(decodeSign1(bytes).isSignedBy(publicKey, Uint8Array.of(1))).toBe(false)
    expect(decodeSign1(bytes).isSignedBy(generateKeyPair('Ed25519').publicKey)).toBe(false)
  })
})

describe('COSE_Key (RFC 9053 §7)', () => {
  test.each(['P-256', 'Ed25519', 'X25519'] as const)('a %s key reads as it was written, compressed points too', (curve) => {
    const { publicKey } = generateKeyPair(curve)
    const map = coseKey(publicKey, -7)
    expect(exportPublicKey(readCoseKey(map).key)).toEqual(exportPublicKey(publicKey))
    expect(readCoseKey(map).alg).toBe(-7)
    if (curve !== 'P-256') return
    const odd = ((exportPublicKey(publicKey)[64] ?? 0) & 1) === 1
    expect(exportPublicKey(readCoseKey(new Map([...map, [-3, odd]])).key)).toEqual(exportPublicKey(publicKey))
  })

  test('any bytes are a message or a failure with a code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, wrapped) => {
        const item = wrapped ? encodeCbor([bytes, new Map(), bytes, bytes]) : bytes
        try {
          decodeSign1(item)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(AppError)
        }
      }),
    )
  })
})

test('ChaCha20-Poly1305 seals as RFC 8439 §2.8.2 shows, where the platform has it', () => {
  if (chaCha20Poly1305 === undefined) return
  const key = importAesKey(Uint8Array.from({ length: 32 }, (_, index) => 0x80 + index))
  const text = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  )
  const nonce = hex('070000004041424344454647')
  const aad = hex('50515253c0c1c2c3c4c5c6c7')
  const sealed = chaCha20Poly1305.seal(key, nonce, aad, text)
  expect(toHex(sealed.subarray(-16))).toBe('1ae10b594f09e26a7e902ecbd0600691')
  expect(chaCha20Poly1305.open(key, nonce, aad, sealed)).toEqual(text)
  sealed[3]! ^= 1
  expect(() => chaCha20Poly1305?.open(key, nonce, aad, sealed)).toThrow()
})
