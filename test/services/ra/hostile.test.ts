// An attacker with a device of its own, with time, or with the operator's clock: what would give it more than it was admitted to, or keep others from theirs.
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { generateSigningKey, hash, importVerifyingKey, systemClock, utf8, type SigningKey } from '#main/base/index.ts'
import {
  Certificate,
  DEVICE_PROFILE,
  PathValidator,
  writeCertificate,
  type CertificateProfile,
  type Protector,
} from '#main/services/ra/index.ts'
import type { PkiBody } from '../../../src-main/services/ra/cmp/body.ts'
import { newMacAlgorithm } from '../../../src-main/services/ra/cmp/mac.ts'
import { certProfileInfo, type PkiHeader } from '../../../src-main/services/ra/cmp/header.ts'
import { readMessage, type PkiMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { sequence, setOf, oid, Oid, utf8String } from '../../../src-main/services/ra/der/index.ts'
import { extensionOf } from '../../../src-main/services/ra/x509/write.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { certRequest, craft, enrolled, expectRefused, idevid, manufacturer, NOW, raCertificate, random, site } from './craft.ts'
import { answerTo, nameOf, SECRET, signedBy, type Site } from './harness.ts'

interface Begun {
  readonly transactionID: Uint8Array
  readonly answer: PkiMessage
  confirm(header?: Partial<PkiHeader>, protector?: Protector): Promise<Uint8Array>
}

/** An enrolment that has got its certificate and not confirmed it yet. */
async function begin(at: Site, body?: PkiBody, protector: Protector = signedBy(idevid)): Promise<Begun> {
  const transactionID = random.bytes(16)
  const { message: answer, failInfo } = await answerTo(
    at,
    await craft({ header: { transactionID }, protector, ...(body === undefined ? {} : { body }) }),
  )
  expect(failInfo).toBeUndefined()
  const { body: got } = answer
  const der =
    got.type === 'ip' || got.type === 'cp' || got.type === 'kup' ? (got.responses[0]?.certificate ?? new Uint8Array()) : new Uint8Array()
  const status = { certReqId: 0, certHash: hash('sha256', der), statusInfo: undefined, hashAlg: undefined }
  return {
    transactionID,
    answer,
    confirm: (header = {}, by = protector) =>
      craft({
        header: { transactionID, recipNonce: answer.header.senderNonce, ...header },
        body: { type: 'certConf', statuses: [status] },
        protector: by,
      }),
  }
}

function renewal(key: SigningKey = generateSigningKey('P-256')): PkiBody {
  return { type: 'kur', requests: [certRequest(key)] }
}

const longer: CertificateProfile = { ...DEVICE_PROFILE, name: 'gateway', lifetimeS: 10 * 365 * 86_400 }

describe('confirmation', () => {
  it('does not bring back a certificate that the operator has revoked meanwhile', async () => {
    const at = await site()
    const begun = await begin(at)
    const serial = at.desk.certificates({ limit: 1 })[0]?.serial ?? ''
    at.desk.revoke(serial, 'keyCompromise', 'operator')
    await expectRefused(at, await begun.confirm(), 'certRevoked')
    expect(at.desk.certificates({ limit: 1 })[0]).toMatchObject({ state: 'revoked', reason: 'keyCompromise' })
    expect(at.store.openTransactions()).toEqual([])
  })

  it('protected otherwise than the request is refused: PBM after PBMAC1 and the other way round (RFC 9483 §3.2)', async () => {
    const at = await site()
    const of = (kind: 'pbm' | 'pbmac1'): Protector => ({
      kind: 'mac',
      reference: utf8('lamp-1'),
      secret: utf8(SECRET),
      algorithm: newMacAlgorithm(kind, random),
    })
    const begun = await begin(at, undefined, of('pbmac1'))
    await expectRefused(at, await begun.confirm({}, of('pbm')), 'badMessageCheck')
    await expectRefused(at, await begun.confirm({}, signedBy(idevid)), 'notAuthorized')
    expect((await answerTo(at, await begun.confirm({}, of('pbmac1')))).message.body.type).toBe('pkiconf')
  })

  it('of two renewals of one certificate goes through once; the other is revoked', async () => {
    const at = await site()
    const device = await enrolled(at)
    const [first, second] = [await begin(at, renewal(), signedBy(device)), await begin(at, renewal(), signedBy(device))]
    expect((await answerTo(at, await first.confirm())).message.body.type).toBe('pkiconf')
    // The profile revokes what was renewed: that alone stops the second.
    await expectRefused(at, await second.confirm(), 'certRevoked')

    const lenient = await site({
      ra: {
        manufacturerAnchors: [manufacturer.root.certificate.bytes],
        settings: { profiles: [{ ...DEVICE_PROFILE, revokeReplaced: false }] },
      },
    })
    const other = await enrolled(lenient)
    const [one, two] = [await begin(lenient, renewal(), signedBy(other)), await begin(lenient, renewal(), signedBy(other))]
    expect((await answerTo(lenient, await one.confirm())).message.body.type).toBe('pkiconf')
    await expectRefused(lenient, await two.confirm(), 'certRevoked')
    expect(lenient.desk.certificates({ limit: 9, state: 'unconfirmed' })).toEqual([])
  })

  it('refused again and again does not make the list of revoked certificates endless', async () => {
    const at = await site({
      ra: {
        manufacturerAnchors: [manufacturer.root.certificate.bytes],
        settings: { policy: { mode: 'automatic', perRequester: 1 } },
      },
    })
    const refusing = async (): Promise<void> => {
      const begun = await begin(at)
      await answerTo(
        at,
        await craft({
          header: { transactionID: begun.transactionID, recipNonce: begun.answer.header.senderNonce },
          body: { type: 'certConf', statuses: [] },
        }),
      )
    }
    for (let count = 0; count < 10; count++) await refusing()
    await expectRefused(at, await craft(), 'notAuthorized')
    expect(at.desk.certificates({ limit: 99, state: 'revoked' })).toHaveLength(10)
  })
})

describe('a certificate of this site', () => {
  const options = {
    ra: {
      manufacturerAnchors: [manufacturer.root.certificate.bytes],
      settings: { policy: { mode: 'manual' as const }, profiles: [DEVICE_PROFILE, longer] },
    },
  }

  it('gives its device no other profile without a decision, neither by a new request nor by renewal', async () => {
    const at = await site({ ra: { ...options.ra, settings: { ...options.ra.settings, policy: { mode: 'automatic' } } } })
    const device = await enrolled(at)
    at.authority.configure({ policy: { mode: 'manual' } })
    const asked = await at.authority.handle(
      await craft({ body: { type: 'cr', requests: [certRequest(generateSigningKey('P-256'))] }, protector: signedBy(device) }),
      {
        source: 'test',
        profile: 'gateway',
      },
    )
    expect(asked.failInfo).toBeUndefined()
    expect(at.desk.pending().map(({ profile }) => profile)).toEqual(['gateway'])
    const renewed = await at.authority.handle(await craft({ body: renewal(), protector: signedBy(device) }), {
      source: 'test',
      profile: 'gateway',
    })
    expect(renewed.failInfo).toBe('badRequest')
    const named = { generalInfo: [certProfileInfo('gateway')] }
    await expectRefused(at, await craft({ header: named, body: renewal(), protector: signedBy(device) }), 'notAuthorized')
    expect(at.desk.certificates({ limit: 9 })).toHaveLength(1)
  })

  it('whose profile is gone is renewed under the first one', async () => {
    const at = await site({ ra: { ...options.ra, settings: { ...options.ra.settings, policy: { mode: 'automatic' } } } })
    const device = await enrolled(at)
    at.authority.configure({ profiles: [{ ...DEVICE_PROFILE, name: 'lamp' }] })
    const begun = await begin(at, renewal(), signedBy(device))
    expect((await answerTo(at, await begun.confirm())).message.body.type).toBe('pkiconf')
    expect(at.desk.certificates({ limit: 9, state: 'valid' })[0]?.profile).toBe('lamp')
  })
})

describe('templates', () => {
  it.each([
    ['certificates for a time far ahead', { validity: { notBefore: NOW + 365 * 86_400_000 } }],
    [
      'a name of a thousand parts',
      { subject: sequence(setOf(...Array.from({ length: 1000 }, (_, n) => sequence(oid(Oid.commonName), utf8String(`lamp-${n}`))))) },
    ],
  ])('with %s are refused', async (_, template) => {
    const at = await site()
    const issued = at.desk.certificates({ limit: 9 }).length
    const { failInfo } = await answerTo(
      at,
      await craft({ body: { type: 'ir', requests: [certRequest(generateSigningKey('P-256'), template)] } }),
    )
    expect(['badCertTemplate', 'badDataFormat']).toContain(failInfo)
    expect(at.desk.certificates({ limit: 9 })).toHaveLength(issued)
  })

  it('of keys with an exponent as long as the modulus are none that are looked at', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { n } = publicKey.export({ format: 'jwk' })
    // The same number again: 2048 bits of exponent.
    const modulus = new Uint8Array(Buffer.from(n ?? '', 'base64url'))
    const integer = (bytes: Uint8Array): Uint8Array => Buffer.concat([Buffer.from([0x02, 0x82, 0x01, 0x01, 0x00]), bytes])
    const inner = Buffer.concat([integer(modulus), integer(modulus)])
    const rsa = Buffer.concat([Buffer.from([0x30, 0x82, inner.length >> 8, inner.length & 255]), inner])
    const bits = Buffer.concat([Buffer.from([0x03, 0x82, (rsa.length + 1) >> 8, (rsa.length + 1) & 255, 0]), rsa])
    const algorithm = Buffer.from('300d06092a864886f70d0101010500', 'hex')
    const whole = Buffer.concat([algorithm, bits])
    const spki = Buffer.concat([Buffer.from([0x30, 0x82, whole.length >> 8, whole.length & 255]), whole])
    expect(() => importVerifyingKey(new Uint8Array(spki))).toThrow()
  })
})

describe('work that others pay', () => {
  it('is bounded where many certificates of one name come along', async () => {
    const key = generateSigningKey('P-256')
    const name = nameOf('CN=Rogue')
    const make = (serial: number, subject = name): Certificate =>
      new Certificate(
        writeCertificate(
          {
            serial: Uint8Array.of(1, serial),
            issuer: name,
            subject,
            notBefore: NOW - 1000,
            notAfter: NOW + 1e9,
            spki: generateSigningKey('P-256').spki,
            extensions: [extensionOf.basicConstraints(true)],
          },
          key,
        ),
      )
    let checked = 0
    const others = Array.from({ length: 23 }, (_, index) => make(index))
    for (const other of others) {
      const isIssuedBy = other.isIssuedBy.bind(other)
      Object.defineProperty(other, 'isIssuedBy', { value: (issuer: Certificate) => ++checked > 0 && isIssuedBy(issuer) })
    }
    const leaf = make(99, nameOf('CN=lamp-1'))
    const isIssuedBy = leaf.isIssuedBy.bind(leaf)
    Object.defineProperty(leaf, 'isIssuedBy', { value: (issuer: Certificate) => ++checked > 0 && isIssuedBy(issuer) })
    const verdict = await new PathValidator([manufacturer.root.certificate]).validate(leaf, others, NOW)
    expect(verdict.ok).toBe(false)
    expect(checked).toBeLessThanOrEqual(16)
  })

  it('is bounded in a batch', async () => {
    const ra = raCertificate()
    const at = await site({ ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], trustedRas: [ra.certificate.bytes] } })
    const messages = Array.from({ length: 33 }, () => Uint8Array.of(0x30, 0))
    await expectRefused(at, await craft({ protector: signedBy(ra), body: { type: 'nested', messages } }), 'badRequest')
  })

  it('does not fill the audit: of a flood it says how many more there were', async () => {
    const clock = new VirtualClock(NOW)
    const at = await site({ clock })
    for (let count = 0; count < 3000; count++) await at.authority.handle(Uint8Array.of(0x30, 0), { source: `[2001:db8::${count}]:5683` })
    const refusals = (): ReadonlyArray<Readonly<Record<string, unknown>>> =>
      at.audit.filter(({ action }) => action === 'ra.refused').map(({ details }) => details)
    expect(refusals().length).toBeLessThan(250)
    await clock.advance(60_000)
    await at.authority.handle(Uint8Array.of(0x30, 0), { source: 'test' })
    expect(refusals().at(-1)?.untold).toBeGreaterThan(2700)
  })

  it('for a reference that is not there is as much as for one that is', async () => {
    const at = await site()
    const heavy = newMacAlgorithm('pbm', random)
    const measure = async (reference: string): Promise<number> => {
      const message = await craft({ protector: { kind: 'mac', reference: utf8(reference), secret: new Uint8Array(12), algorithm: heavy } })
      const times: number[] = []
      for (let round = 0; round < 9; round++) {
        const startedMs = systemClock.monotonicMs()
        await at.authority.credentials.authenticate(readMessage(message)).catch(() => undefined)
        times.push(systemClock.monotonicMs() - startedMs)
      }
      return times.toSorted((a, b) => a - b)[4] ?? 0
    }
    const [known, unknown] = [await measure('lamp-1'), await measure('nobody')]
    expect(unknown).toBeGreaterThan(known / 5)
  })
})

describe('a clock that was wrong', () => {
  it('leaves no verdict behind once it is set: neither the future’s nor the past’s', async () => {
    const validator = new PathValidator([manufacturer.root.certificate])
    const device = manufacturer.device('CN=lamp-1')
    const others = device.chain.map((bytes) => new Certificate(bytes))
    const century = NOW + 100 * 365 * 86_400_000
    expect((await validator.validate(device.certificate, others, century)).ok).toBe(false)
    expect((await validator.validate(device.certificate, others, NOW)).ok).toBe(true)
    expect((await validator.validate(device.certificate, others, century)).ok).toBe(false)
    expect((await validator.validate(device.certificate, others, NOW - 10 * 86_400_000)).ok).toBe(false)
    expect((await validator.validate(device.certificate, others, NOW)).ok).toBe(true)
  })
})
