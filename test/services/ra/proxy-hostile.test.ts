// What a device must not get through this authority from the one above: names and certificates of others, a second use of its secret, everybody's places.
import { describe, expect, it } from 'vitest'
import { AppError, generateSigningKey, signAs } from '#main/base/index.ts'
import { protectMessage } from '../../../src-main/services/ra/cmp/protection.ts'
import { readMessage } from '../../../src-main/services/ra/cmp/message.ts'
import type { PkiBody } from '../../../src-main/services/ra/cmp/body.ts'
import { encodeCertId, encodeCertRequest, type CertReqMsg } from '../../../src-main/services/ra/cmp/crmf.ts'
import { Oid } from '../../../src-main/services/ra/der/index.ts'
import { signatureAlgorithmOf } from '../../../src-main/services/ra/x509/algorithms.ts'
import type { Certificate } from '#main/services/ra/index.ts'
import { headerOf, random } from './craft.ts'
import { bySecret, nameOf, SECRET, signedBy, type Issued } from './harness.ts'
import { bench, lamp, manufacturer, NOW, ra, wish, type At } from './proxy-bench.ts'

function templateOf(name: string, oldCertificate?: Certificate): CertReqMsg {
  const key = generateSigningKey('P-256')
  const template = { subject: nameOf(name), publicKey: key.spki }
  const old = oldCertificate
  const controls =
    old === undefined
      ? []
      : [
          {
            type: Oid.regCtrlOldCertId,
            value: encodeCertId({ issuer: { kind: 'directory', name: old.issuer }, serialNumber: old.serial }),
          },
        ]
  const requestBytes = encodeCertRequest(0, template, controls)
  const popo = { kind: 'signature', algorithm: signatureAlgorithmOf('P-256'), signature: signAs(key, requestBytes) } as const
  return { requestBytes, certReqId: 0, template, controls, popo, regInfo: [] }
}

async function send(at: At, issued: Issued, body: PkiBody): Promise<PkiBody> {
  const protector = signedBy(issued)
  return readMessage(await at.send(await protectMessage(headerOf(protector, { messageTime: NOW }), body, protector, random))).body
}

function failBitsOf(body: PkiBody): readonly number[] | undefined {
  return body.type === 'error' ? body.status.failBits : undefined
}

/** A device with a certificate of the customer's authority. */
async function enrolled(at: At, name: string): Promise<Issued> {
  await at.customer.desk.preRegister([{ reference: `row ${name}`, identities: [name] }], 'test')
  const key = generateSigningKey('P-256')
  const device = manufacturer.device(`CN=${name}`)
  const { certificate } = await at.client(signedBy(device)).enrol('ir', { key, subject: nameOf(`CN=${name}`) })
  return { key, certificate, chain: [] }
}

const NOT_AUTHORIZED = [23]

describe('where this authority puts its own name under requests', () => {
  it('a device asks for its own names only', async () => {
    const at = await bench({ mode: 'replace', protector: signedBy(ra), popo: 'raVerified' })
    expect(failBitsOf(await send(at, lamp, { type: 'ir', requests: [templateOf('CN=admin')] }))).toEqual(NOT_AUTHORIZED)
    expect(at.arrived).toEqual([])
    const { certificate } = await at.client(signedBy(lamp)).enrol('ir', wish())
    expect(certificate.isIssuedBy(at.customer.ca.active.certificate)).toBe(true)
  })

  it('a device revokes and renews its own certificate only', async () => {
    const at = await bench({ mode: 'replace', protector: signedBy(ra) })
    const [victim, thief] = [await enrolled(at, 'lamp-1'), await enrolled(at, 'lamp-2')]
    const revocationOf = ({ certificate: { serial, issuer } }: Issued): PkiBody => ({
      type: 'rr',
      details: [{ template: { serialNumber: serial, issuer }, extensions: [] }],
    })
    const before = at.arrived.length
    expect(failBitsOf(await send(at, thief, revocationOf(victim)))).toEqual(NOT_AUTHORIZED)
    expect(failBitsOf(await send(at, lamp, revocationOf(victim)))).toEqual(NOT_AUTHORIZED)
    const foreign = templateOf('CN=lamp-2', victim.certificate)
    expect(failBitsOf(await send(at, thief, { type: 'kur', requests: [foreign] }))).toEqual(NOT_AUTHORIZED)
    expect(failBitsOf(await send(at, thief, { type: 'kur', requests: [templateOf('CN=lamp-2')] }))).toEqual(NOT_AUTHORIZED)
    expect(at.arrived).toHaveLength(before)
    expect((await send(at, victim, revocationOf(victim))).type).toBe('rp')
    const states = at.customer.desk.certificates({ limit: 9 }).map(({ subject, state }) => `${subject} ${state}`)
    expect(states.toSorted()).toEqual(['CN=lamp-1 revoked', 'CN=lamp-2 valid'])
  })

  it.each(['nest', 'replace'] as const)('nobody passes where the site admits nobody (%s)', async (mode) => {
    const at = await bench({ mode, protector: signedBy(ra) })
    at.local.authority.configure({ policy: { mode: 'deny' } })
    expect(failBitsOf(await send(at, lamp, { type: 'ir', requests: [templateOf('CN=lamp-1')] }))).toEqual(NOT_AUTHORIZED)
    at.local.authority.configure({ policy: { mode: 'automatic', unlistedMayWait: false } })
    expect(failBitsOf(await send(at, lamp, { type: 'ir', requests: [templateOf('CN=lamp-1')] }))).toEqual(NOT_AUTHORIZED)
    expect(at.arrived).toEqual([])
  })

  it('a one-time secret serves one enrolment, also when several come at the same moment', async () => {
    const at = await bench({ mode: 'replace', protector: signedBy(ra) })
    await at.local.desk.preRegister([{ reference: 'gw-1', secret: SECRET }], 'test')
    const ask = (): Promise<unknown> => at.client(bySecret('gw-1')).enrol('ir', { ...wish(), subject: nameOf('CN=gw-1') })
    const outcomes = await Promise.allSettled([ask(), ask(), ask()])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(at.customer.desk.certificates({ limit: 9 })).toHaveLength(1)
  })
})

describe('places', () => {
  it('of one requester are few, so that others find some', async () => {
    const at = await bench({ mode: 'forward' })
    for (let count = 0; count < 8; count++)
      expect((await send(at, lamp, { type: 'ir', requests: [templateOf('CN=lamp-1')] })).type).toBe('ip')
    const refused = await send(at, lamp, { type: 'ir', requests: [templateOf('CN=lamp-1')] })
    expect(failBitsOf(refused)).toEqual([24])
    await at.customer.desk.preRegister([{ reference: 'row 2', identities: ['lamp-2'] }], 'test')
    const other = manufacturer.device('CN=lamp-2')
    expect((await send(at, other, { type: 'ir', requests: [templateOf('CN=lamp-2')] })).type).toBe('ip')
  })

  it('of all whom only the server knows are half of them', async () => {
    const at = await bench({ mode: 'forward', passSecrets: true }, { transactions: 8 })
    const ask = async (reference: string): Promise<PkiBody> => {
      const protector = bySecret(reference)
      const body: PkiBody = { type: 'ir', requests: [templateOf('CN=gw-1')] }
      return readMessage(await at.send(await protectMessage(headerOf(protector, { messageTime: NOW }), body, protector, random))).body
    }
    // The customer answers each with an error: what is kept open is what it has not answered.
    at.stalls = true
    const stalled = Array.from({ length: 4 }, (_, index) => ask(`nobody-${index}`).catch(() => undefined))
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 2))
    expect(failBitsOf(await ask('nobody-5'))).toEqual([24])
    at.stalls = false
    expect((await send(at, lamp, { type: 'ir', requests: [templateOf('CN=lamp-1')] })).type).toBe('ip')
    at.release(new AppError('ra.upstream-unreachable', 'released'))
    await Promise.all(stalled)
  })
})
