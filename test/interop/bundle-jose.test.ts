// Bundles against those who did not write them: jose and OpenSSL verify the signature and the chain, jose opens what we encrypt and we open what
// jose encrypts (RFC 7515, RFC 7516, RFC 7518).
import { createPublicKey, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as jose from 'jose'
import { describe, expect, test } from 'vitest'
import { exportPrivateKey, generateKeyPair, systemRandom, utf8ToText, type SigningAlgorithm } from '#main/base/index.ts'
import { decryptWith, encryptFor, makeBundle, readReceiver, receiverJwk, receiverOf } from '#main/site/exchange/index.ts'
import { bundleOf, makeSigner, NOW, sampleDocument } from '../site/exchange/fleet-bench.ts'
import { chainPem } from '../masa/pki.ts'
import { describeWithPeer, run } from '../support/peers.ts'
import { temporaryFolder } from '../support/site-file.ts'

const site = sampleDocument()

async function jwsOf(algorithm: SigningAlgorithm) {
  const signer = makeSigner(algorithm)
  const text = utf8ToText(await makeBundle(bundleOf(site), signer, NOW)) ?? ''
  return { signer, jws: JSON.parse(text) as jose.FlattenedJWS & { readonly payload: string; readonly protected: string } }
}

describe('bundles and jose', () => {
  test.each<SigningAlgorithm>(['P-256', 'P-384', 'Ed25519'])(
    'jose verifies our signature with the certificate of its header, %s',
    async (algorithm) => {
      const { jws, signer } = await jwsOf(algorithm)
      const { x5c = [], alg = '' } = jose.decodeProtectedHeader(jws)
      expect(x5c).toHaveLength(2)
      const key = await jose.importX509(new X509Certificate(Buffer.from(x5c[0] ?? '', 'base64')).toString(), alg)
      const { payload } = await jose.flattenedVerify(jws, key)
      expect(JSON.parse(new TextDecoder().decode(payload))).toEqual(bundleOf(site))
      await expect(jose.flattenedVerify({ ...jws, payload: `${jws.payload.slice(0, -4)}AAAA` }, key)).rejects.toThrow(
        jose.errors.JWSSignatureVerificationFailed,
      )
      const [leaf, root] = x5c.map((der) => new X509Certificate(Buffer.from(der, 'base64')))
      expect(leaf?.verify(root!.publicKey)).toBe(true)
      expect(root?.raw).toEqual(Buffer.from(signer.root.certificate))
    },
  )

  test('jose opens what we encrypt by ECDH-ES+A256KW, and we open what it encrypts', async () => {
    const { privateKey, publicKey } = generateKeyPair('P-256')
    const { text, thumbprint } = receiverJwk(publicKey)
    const jwk = JSON.parse(text) as jose.JWK
    expect(await jose.calculateJwkThumbprint(jwk)).toBe(thumbprint)
    const plain = systemRandom.bytes(3000)
    const theirs = await jose.importJWK({ ...jwk, d: Buffer.from(exportPrivateKey(privateKey)).toString('base64url') }, 'ECDH-ES+A256KW')
    const ours = await encryptFor(readReceiver(text), plain, systemRandom)
    const opened = await jose.flattenedDecrypt(ours, theirs)
    expect(new Uint8Array(opened.plaintext)).toEqual(plain)
    expect(opened.protectedHeader).toMatchObject({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM', kid: thumbprint })

    const {
      protected: head = '',
      encrypted_key = '',
      iv = '',
      ciphertext,
      tag = '',
    } = await new jose.FlattenedEncrypt(plain)
      .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM' })
      .encrypt(await jose.importJWK(jwk, 'ECDH-ES+A256KW'))
    expect(decryptWith(privateKey, { protected: head, encrypted_key, iv, ciphertext, tag })).toEqual(plain)
  })

  test('an RSA receiver opens what we encrypt by RSA-OAEP-256', async () => {
    const pair = await jose.generateKeyPair('RSA-OAEP-256', { extractable: true })
    const receiver = readReceiver(JSON.stringify(await jose.exportJWK(pair.publicKey)))
    const plain = systemRandom.bytes(500)
    const jwe = await encryptFor(receiver, plain, systemRandom)
    expect(new Uint8Array((await jose.flattenedDecrypt(jwe, pair.privateKey)).plaintext)).toEqual(plain)
    expect(receiverOf(jwe)).toBe(await jose.calculateJwkThumbprint(await jose.exportJWK(pair.publicKey)))
  })
})

describeWithPeer('bundles and OpenSSL', ['openssl'], (openssl) => {
  test.each<SigningAlgorithm>(['P-256', 'P-384', 'Ed25519'])('OpenSSL verifies signature and chain of a bundle, %s', async (algorithm) => {
    const { jws, signer } = await jwsOf(algorithm)
    const folder = temporaryFolder()
    const file = (name: string, content: string | Uint8Array): string => {
      writeFileSync(join(folder, name), content)
      return join(folder, name)
    }
    const leaf = new X509Certificate(signer.leaf.certificate)
    const key = file(
      'key.pem',
      createPublicKey(leaf.publicKey.export({ format: 'pem', type: 'spki' })).export({ format: 'pem', type: 'spki' }),
    )
    const signed = file('signed', `${jws.protected}.${jws.payload}`)
    const raw = Buffer.from(jws.signature, 'base64url')
    const signature = file('signature', algorithm === 'Ed25519' ? raw : derOf(raw))
    const hash = algorithm === 'P-256' ? '-sha256' : '-sha384'
    const args =
      algorithm === 'Ed25519'
        ? ['pkeyutl', '-verify', '-pubin', '-inkey', key, '-rawin', '-in', signed, '-sigfile', signature]
        : ['dgst', hash, '-verify', key, '-signature', signature, signed]
    const verdict = await run(openssl, args)
    expect([verdict.exitCode, new TextDecoder().decode(verdict.stdout)]).toEqual([0, expect.stringMatching(/Verified (?:OK|Successfully)/)])
    writeFileSync(signed, `${jws.protected}.${jws.payload}A`)
    expect((await run(openssl, args)).exitCode).not.toBe(0)
    const roots = file('root.pem', chainPem([signer.root.certificate]))
    const chain = ['verify', '-attime', String(NOW / 1000), '-CAfile', roots, file('leaf.pem', chainPem([signer.leaf.certificate]))]
    expect((await run(openssl, chain)).exitCode).toBe(0)
  })
})

/** r and s as a DER sequence (RFC 3279 §2.2.3), as OpenSSL wants them. */
function derOf(raw: Buffer): Buffer {
  const integer = (digits: Buffer): Buffer => {
    let start = 0
    while (start < digits.length - 1 && digits[start] === 0) start++
    const body = digits.subarray(start)
    const padded = (body[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), body]) : body
    return Buffer.concat([Buffer.of(2, padded.length), padded])
  }
  const body = Buffer.concat([integer(raw.subarray(0, raw.length / 2)), integer(raw.subarray(raw.length / 2))])
  return Buffer.concat([Buffer.of(0x30, body.length), body])
}
