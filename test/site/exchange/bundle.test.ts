// Site bundles: what was signed comes back, what was changed does not, and nothing but a failure comes of what is none.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError, generateKeyPair, seededRandom, signAs, utf8, utf8ToText, type SigningAlgorithm } from '#main/base/index.ts'
import { asn1 } from '#main/services/ra/index.ts'
import {
  bundleDigest,
  bundleJsonSchema,
  collectSite,
  decryptWith,
  encryptFor,
  importInto,
  looksLikeBundle,
  makeBundle,
  openBundle,
  readReceiver,
  receiverJwk,
  receiverOf,
  siteFactsOf,
  siteJson,
} from '#main/site/exchange/index.ts'
import { canonicalText, fromBase64Url, toBase64Url } from '#main/site/exchange/bundle/canonical.ts'
import { chainPem, makeParty } from '../../masa/pki.ts'
import { MemoryGroupStore } from '../../support/memory-group-store.ts'
import { bundleOf, makeSigner, NOW, sampleDocument } from './fleet-bench.ts'
import { MemoryDevices, MemorySecurity } from './sites.ts'

const site = sampleDocument()

async function textOf(signer = makeSigner(), document = bundleOf(site)): Promise<string> {
  return utf8ToText(await makeBundle(document, signer, NOW)) ?? ''
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'opened',
    (thrown: unknown) => (thrown instanceof AppError ? thrown.code : String(thrown)),
  )
}

interface Jws {
  payload: string
  protected: string
  signature: string
}

async function changed(change: (jws: Jws) => void, signer = makeSigner()): Promise<string> {
  const jws = JSON.parse(await textOf(signer)) as Jws
  change(jws)
  return JSON.stringify(jws)
}

describe('a signed bundle', () => {
  it.each<SigningAlgorithm>(['P-256', 'P-384', 'Ed25519'])(
    'comes back as it was, with who signed it, from a key on %s',
    async (algorithm) => {
      const signer = makeSigner(algorithm)
      const { document, signature } = await openBundle(await textOf(signer))
      expect(document).toEqual(bundleOf(site))
      expect(signature).toMatchObject({ signer: 'CN=Hand-over', root: 'CN=Site CA', signedAt: NOW })
      expect(signature.rootFingerprint).toMatch(/^[0-9a-f]{64}$/)
    },
  )

  it('holds the site byte for byte over import and export', async () => {
    const { document } = await openBundle(await textOf())
    const stores = { devices: new MemoryDevices(), groups: new MemoryGroupStore(), security: new MemorySecurity() }
    importInto(document.site, stores)
    const again = collectSite(siteFactsOf(document.site), stores.devices, stores.groups, stores.security)
    // Keys and members of security groups are those of one Group Manager.
    const keyless = { ...site, securityGroups: site.securityGroups.map((group) => ({ ...group, keys: null, members: [] })) }
    expect(siteJson(again)).toEqual(siteJson(keyless))
    expect(bundleDigest(bundleOf(again))).toBe(bundleDigest(bundleOf(keyless)))
  })

  it('keeps to its published schema, which is the one in docs', async () => {
    const schema = readFileSync(join(import.meta.dirname, '../../../docs/site-bundle.schema.json'), 'utf8')
    expect(JSON.parse(bundleJsonSchema())).toEqual(JSON.parse(schema))
    const validate = new Ajv2020({ strict: false, formats: { 'date-time': true } }).compile(JSON.parse(schema) as object)
    const { payload } = JSON.parse(await textOf()) as Jws
    expect(validate(JSON.parse(utf8ToText(fromBase64Url(payload)!)!))).toBe(true)
    expect(validate({ ...bundleOf(site), more: 1 })).toBe(false)
  })

  it('is refused when one bit of it was changed, wherever', async () => {
    const text = await textOf()
    const jws = JSON.parse(text) as Jws
    await fc.assert(
      fc.asyncProperty(fc.constantFrom<keyof Jws>('payload', 'protected', 'signature'), fc.nat(), fc.nat(7), async (part, at, bit) => {
        const bytes = fromBase64Url(jws[part])!
        bytes[at % bytes.length]! ^= 1 << bit
        const code = await codeOf(openBundle(JSON.stringify({ ...jws, [part]: toBase64Url(bytes) })))
        expect(['bundle.signature-invalid', 'bundle.invalid']).toContain(code)
      }),
      { numRuns: 150 },
    )
  })

  it('is refused with another payload, another header, another algorithm, or members that nobody understands', async () => {
    expect(await codeOf(openBundle(await changed((jws) => (jws.payload = toBase64Url(utf8('{}'))))))).toBe('bundle.signature-invalid')
    const headers = (change: object): ((jws: Jws) => void) => {
      return (jws) => {
        const header = JSON.parse(utf8ToText(fromBase64Url(jws.protected)!)!) as object
        jws.protected = toBase64Url(utf8(JSON.stringify({ ...header, ...change })))
      }
    }
    expect(await codeOf(openBundle(await changed(headers({ alg: 'none' }))))).toBe('bundle.invalid')
    expect(await codeOf(openBundle(await changed(headers({ alg: 'HS256' }))))).toBe('bundle.invalid')
    expect(await codeOf(openBundle(await changed(headers({ crit: ['b64'], b64: false }))))).toBe('bundle.invalid')
    expect(await codeOf(openBundle(await changed(headers({ iat: 1 }))))).toBe('bundle.signature-invalid')
    expect(await codeOf(openBundle(await changed((jws) => Object.assign(jws, { header: {} }))))).toBe('bundle.invalid')
  })

  it('is refused where no path leads from its signer to its root (RFC 5280 §6)', async () => {
    const signer = makeSigner()
    const stranger = makeParty({ name: 'CN=Site CA', isAuthority: true })
    const wrongRoot = { ...signer, certificateChain: [signer.leaf.certificate, stranger.certificate] }
    expect(await codeOf(openBundle(await textOf(wrongRoot)))).toBe('bundle.signer-untrusted')
    const noRoot = { ...signer, certificateChain: [signer.leaf.certificate] }
    expect(await codeOf(openBundle(await textOf(noRoot)))).toBe('bundle.signer-untrusted')
    // An authority's key signs certificates: its certificate does not let it sign documents.
    const authority = makeParty({ name: 'CN=Site CA', isAuthority: true })
    const sign = (message: Uint8Array): Promise<Uint8Array> => Promise.resolve(signAs(authority.key, message))
    const byAuthority = { ...makeSigner('P-256', authority), certificateChain: authority.chain, sign }
    expect(await codeOf(openBundle(await textOf(byAuthority)))).toBe('bundle.signer-untrusted')
  })

  it('is refused where the signer has a certificate for other purposes, as devices of the same authority have (RFC 9336 §3)', async () => {
    const ofDevice = [asn1.Oid.clientAuth, asn1.Oid.serverAuth]
    // That any purpose is allowed is no word on documents.
    for (const purposes of [ofDevice, ['2.5.29.37.0']])
      expect(await codeOf(openBundle(await textOf(makeSigner('P-256', undefined, purposes))))).toBe('bundle.signer-untrusted')
    const root = makeParty({ name: 'CN=Site CA', isAuthority: true })
    const device = makeParty({ name: 'CN=Device', issuer: root })
    const sign = (message: Uint8Array): Promise<Uint8Array> => Promise.resolve(signAs(device.key, message))
    expect(await codeOf(openBundle(await textOf({ ...makeSigner(), certificateChain: device.chain, sign })))).toBe(
      'bundle.signer-untrusted',
    )
  })

  it('is refused with an epoch after which there would be none', async () => {
    const withEpoch = (epoch: number): Promise<string> =>
      textOf(makeSigner(), bundleOf(site, { writer: { ...bundleOf(site).writer, epoch } }))
    expect(await codeOf(openBundle(await withEpoch(2 ** 31 - 1)))).toBe('opened')
    expect(await codeOf(openBundle(await withEpoch(2 ** 31)))).toBe('import.schema-invalid')
  })

  it('is refused where the signer was not yet or no longer certified when it signed', async () => {
    const text = utf8ToText(await makeBundle(bundleOf(site), makeSigner(), Date.UTC(2037, 0, 1))) ?? ''
    expect(await codeOf(openBundle(text))).toBe('bundle.signer-untrusted')
  })

  it('is checked as any site export is: references that lead nowhere are told with their place', async () => {
    const broken = { ...site, devices: site.devices.map((device, index) => (index === 1 ? { ...device, roomId: 'nowhere' } : device)) }
    const failure: unknown = await openBundle(await textOf(makeSigner(), bundleOf(broken))).catch((thrown: unknown) => thrown)
    expect(failure).toMatchObject({ code: 'import.schema-invalid', details: { issues: [{ path: 'devices/1/roomId' }] } })
  })

  it('gives nothing but failures of its own for any text', async () => {
    const good = JSON.parse(await textOf()) as Jws
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ payload: fc.string(), protected: fc.string(), signature: fc.string() }).map((value) => JSON.stringify(value)),
      fc.json().map((header) => JSON.stringify({ ...good, protected: toBase64Url(utf8(header)) })),
    )
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        expect(await codeOf(openBundle(text))).toMatch(/^(?:bundle|import)\./)
      }),
    )
  })

  it('is told from a site export', async () => {
    expect(looksLikeBundle(await textOf())).toBe(true)
    expect(looksLikeBundle(utf8ToText(siteJson(site))!)).toBe(false)
  })
})

describe('canonical JSON (RFC 8785)', () => {
  it('writes the example of the document', () => {
    const text = String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`
    expect(canonicalText(JSON.parse(text))).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    )
  })

  it('does not depend on the order of members, and says the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalText(value)
        expect(canonicalText(JSON.parse(text))).toBe(text)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

describe('secrets for a receiver', () => {
  const random = seededRandom(8)
  const { privateKey, publicKey } = generateKeyPair('P-256')
  const { text: jwk, thumbprint } = receiverJwk(publicKey)

  it('are read by the receiver, and by nobody else', async () => {
    const plain = random.bytes(5000)
    const jwe = await encryptFor(readReceiver(jwk), plain, random)
    expect(receiverOf(jwe)).toBe(thumbprint)
    expect(decryptWith(privateKey, jwe)).toEqual(plain)
    const other = generateKeyPair('P-256').privateKey
    expect(() => decryptWith(other, jwe)).toThrow(expect.objectContaining({ code: 'bundle.not-for-us' }))
    expect(JSON.stringify(jwe)).not.toContain(toBase64Url(plain).slice(0, 20))
  })

  it('are refused after any change', async () => {
    const jwe = await encryptFor(readReceiver(jwk), utf8('master secret'), random)
    fc.assert(
      fc.property(fc.constantFrom(...(Object.keys(jwe) as Array<keyof typeof jwe>)), fc.nat(), fc.nat(7), (part, at, bit) => {
        const bytes = fromBase64Url(jwe[part])!
        bytes[at % bytes.length]! ^= 1 << bit
        expect(() => decryptWith(privateKey, { ...jwe, [part]: toBase64Url(bytes) })).toThrow(
          expect.objectContaining({ code: 'bundle.not-for-us' }),
        )
      }),
    )
  })

  it('are encrypted to the key of a certificate, too', () => {
    expect(readReceiver(chainPem([makeParty({ name: 'CN=Fleet' }).certificate])).kind).toBe('EC')
    expect(() => readReceiver(chainPem([makeParty({ name: 'CN=Fleet', algorithm: 'Ed25519' }).certificate]))).toThrow(
      expect.objectContaining({ code: 'input.invalid', details: { field: 'receiver', reason: 'kind-of-key' } }),
    )
  })

  it.each([
    ['a private key', JSON.stringify({ ...(JSON.parse(jwk) as object), d: 'AA' }), 'private-key'],
    ['a point that is not on the curve', JSON.stringify({ kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' }), 'not-a-key'],
    ['a short RSA key', JSON.stringify({ kty: 'RSA', n: 'AAAA', e: 'AQAB' }), 'too-short'],
    ['no key', 'hello', 'not-a-key'],
  ])('are not encrypted to %s', (_what, text, reason) => {
    expect(() => readReceiver(text)).toThrow(expect.objectContaining({ code: 'input.invalid', details: { field: 'receiver', reason } }))
  })
})
