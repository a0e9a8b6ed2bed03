// Enrolment from the first message to the last, and everything that a transaction must not allow (RFC 9810 §5, RFC 9483 §3 to §4).
import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { generateSigningKey, toHex, type SigningAlgorithm } from '#main/base/index.ts'
import { DEVICE_PROFILE, readCrl, type Enrolled, type Protector } from '#main/services/ra/index.ts'
import { readMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { isCrlOf } from '../../../src-main/services/ra/x509/requests.ts'
import { writeCertificationRequest } from '../../../src-main/services/ra/x509/write.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { drive } from './network.ts'
import {
  bySecret,
  clientOf,
  createManufacturer,
  direct,
  memoryDatabase,
  nameOf,
  openSite,
  SECRET,
  signedBy,
  type Issued,
  type Site,
  type SiteOptions,
} from './harness.ts'

const NOW = Date.UTC(2026, 0, 5, 8)
const manufacturer = createManufacturer(NOW)

async function site(options: SiteOptions = {}): Promise<Site & { readonly clock: VirtualClock }> {
  const clock = new VirtualClock(NOW)
  const ra = { manufacturerAnchors: [manufacturer.root.certificate.bytes], ...options.ra }
  return { ...(await openSite({ clock, ...options, ra })), clock }
}

function expectDevice(at: Site, name: string): Promise<void> {
  return at.desk.preRegister([{ reference: `row-${name}`, identities: [name] }], 'test')
}

async function enrolled(at: Site, name: string, protector?: Protector, algorithm: SigningAlgorithm = 'P-256'): Promise<Issued & Enrolled> {
  if (protector === undefined) await at.desk.preRegister([{ reference: name, secret: SECRET }], 'test')
  const key = generateSigningKey(algorithm)
  const result = await clientOf(at, protector ?? bySecret(name)).enrol('ir', { key, subject: nameOf(`CN=${name}`) })
  return { ...result, key, chain: [] }
}

describe('an enrolment', () => {
  it.each(['P-256', 'P-384', 'Ed25519'] as const)(
    'under a %s authority gives a certificate that Node’s own X.509 verifies',
    async (algorithm) => {
      const at = await site({ algorithm })
      const { certificate } = await enrolled(at, 'lamp-1')
      const parsed = new X509Certificate(certificate.bytes)
      expect(parsed.verify(new X509Certificate(at.ca.active.certificate.bytes).publicKey)).toBe(true)
      expect(parsed.subject).toBe('CN=lamp-1')
      expect(parsed.ca).toBe(false)
      expect(at.desk.certificates({ limit: 9 }).map(({ state }) => state)).toEqual(['valid'])
    },
  )

  it.each(['P-384', 'Ed25519'] as const)('takes keys on %s', async (algorithm) => {
    const at = await site()
    const { certificate } = await enrolled(at, 'lamp-1', undefined, algorithm)
    expect(certificate.key.algorithm).toBe(algorithm)
  })

  it('by an expected IDevID is automatic, its history says by whom', async () => {
    const at = await site()
    await expectDevice(at, 'sn-77')
    const idevid = manufacturer.device('O=Lumen Works, CN=Lamp, serialNumber=SN-77')
    const { certificate } = await enrolled(at, 'SN-77', signedBy(idevid))
    const serial = toHex(certificate.serial)
    expect(at.desk.history(serial).map(({ event, actor }) => [event, actor])).toEqual([
      ['issued', 'O=Lumen Works, CN=Lamp, serialNumber=SN-77'],
      ['confirmed', 'O=Lumen Works, CN=Lamp, serialNumber=SN-77'],
    ])
    expect(at.audit.map(({ action }) => action)).toEqual(expect.arrayContaining(['ra.issued', 'ra.confirmed']))
  })

  it('with PKCS #10 is numbered -1 (RFC 9483 §4.1.4)', async () => {
    const at = await site()
    await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
    const key = generateSigningKey('P-256')
    const seen: Uint8Array[] = []
    const client = clientOf(at, bySecret('lamp-1'), { transport: direct(at, seen) })
    await client.enrolPkcs10(writeCertificationRequest({ subject: nameOf('CN=lamp-1'), extensions: [] }, key), { key })
    const { body } = readMessage(seen[1]!)
    expect(body.type === 'cp' && body.responses[0]?.certReqId).toBe(-1)
  })

  it('asked for implicitly is not confirmed and valid at once; where the profile forbids that it is confirmed', async () => {
    for (const [allowed, states] of [
      [true, 2],
      [false, 4],
    ] as const) {
      const at = await site({ ra: { settings: { profiles: [{ ...DEVICE_PROFILE, implicitConfirm: allowed }] } } })
      await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
      const seen: Uint8Array[] = []
      const client = clientOf(at, bySecret('lamp-1'), { transport: direct(at, seen) })
      await client.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1'), implicitConfirm: true })
      expect(seen).toHaveLength(states)
      expect(at.desk.certificates({ limit: 1 })[0]?.state).toBe('valid')
    }
  })

  it('without confirmation is answered the same again for as long as a confirmation might take, then not', async () => {
    const at = await site({ ra: { settings: { confirmWaitS: 100, messageTimeWindowS: 1000 } } })
    await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
    const seen: Uint8Array[] = []
    const client = clientOf(at, bySecret('lamp-1'), { transport: direct(at, seen) })
    await client.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1'), implicitConfirm: true })
    await at.clock.advance(99_000)
    expect((await at.authority.handle(seen[0]!, { source: 'test' })).bytes).toEqual(seen[1])
    await at.clock.advance(2000)
    expect((await at.authority.handle(seen[0]!, { source: 'test' })).failInfo).toBe('transactionIdInUse')
    expect(at.desk.certificates({ limit: 9 })).toHaveLength(1)
  })

  it('answers version 3 with version 3 and version 2 with version 2 (RFC 9810 §7)', async () => {
    const at = await site({ algorithm: 'Ed25519' })
    await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
    const seen: Uint8Array[] = []
    const client = clientOf(at, bySecret('lamp-1'), { transport: direct(at, seen) })
    await client.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') })
    // certHash of an Ed25519 certificate names its hash, which takes version 3.
    expect(seen.map((bytes) => readMessage(bytes).header.pvno)).toEqual([2, 2, 3, 3])
  })

  it('takes the names of the profile where it assigns them, and says that it changed something', async () => {
    const profile = {
      ...DEVICE_PROFILE,
      subject: 'assigned',
      assignedSubject: 'CN={name}, O=Harbour House',
      assignedAltNames: ['uri:urn:dev:mac:{eui64}'],
    } as const
    const at = await site({ ra: { settings: { profiles: [profile] } } })
    await at.desk.preRegister(
      [{ reference: 'row 4', secret: SECRET, names: ['lamp-4.local'], identities: ['00:24:be:ff:fe:80:4f:f1'] }],
      'test',
    )
    const { certificate, modified } = await clientOf(at, bySecret('row 4')).enrol('ir', {
      key: generateSigningKey('P-256'),
      subject: nameOf('CN=whatever'),
    })
    expect(new X509Certificate(certificate.bytes).subject).toBe('CN=lamp-4.local\nO=Harbour House')
    expect(certificate.subjectAltNames).toEqual([{ kind: 'uri', value: 'urn:dev:mac:0024befffe804ff1' }])
    expect(modified).toBe(true)
  })
})

describe('renewal', () => {
  it('by kur keeps the names, wants a new key, and revokes the old certificate when the new one is confirmed', async () => {
    const at = await site()
    const first = await enrolled(at, 'lamp-1')
    const same = clientOf(at, signedBy(first)).enrol('kur', { key: first.key, subject: first.certificate.subject })
    await expect(same).rejects.toMatchObject({ details: { failInfo: ['badCertTemplate'] } })
    const key = generateSigningKey('P-256')
    const second = await clientOf(at, signedBy(first)).enrol('kur', { key, subject: first.certificate.subject })
    expect(second.certificate.subject).toEqual(first.certificate.subject)
    const old = at.desk.certificates({ text: toHex(first.certificate.serial), limit: 1 })[0]
    expect(old).toMatchObject({ state: 'revoked', reason: 'superseded', replacedBy: toHex(second.certificate.serial) })
    const further = clientOf(at, signedBy(first)).enrol('kur', { key: generateSigningKey('P-256'), subject: first.certificate.subject })
    await expect(further).rejects.toMatchObject({ details: { failInfo: ['certRevoked'] } })
  })

  it('before its window is refused, within it granted', async () => {
    const at = await site({ ra: { settings: { profiles: [{ ...DEVICE_PROFILE, renewBeforeS: 30 * 86_400 }] } } })
    const first = await enrolled(at, 'lamp-1')
    const update = (): Promise<Enrolled> =>
      clientOf(at, signedBy(first)).enrol('kur', { key: generateSigningKey('P-256'), subject: first.certificate.subject })
    await expect(update()).rejects.toMatchObject({ details: { failInfo: ['badRequest'] } })
    await at.clock.advance(340 * 86_400_000)
    expect(at.desk.expiring(30 * 86_400).map(({ subject }) => subject)).toEqual(['CN=lamp-1'])
    await update()
    expect(at.desk.expiring(30 * 86_400)).toEqual([])
  })

  it('under a secret is refused with wrongIntegrity (RFC 9483 §4.1.3)', async () => {
    const at = await site()
    await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
    const update = clientOf(at, bySecret('lamp-1')).enrol('kur', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') })
    await expect(update).rejects.toMatchObject({ details: { failInfo: ['wrongIntegrity'] } })
  })

  it('with another subject, or for another certificate, is refused', async () => {
    const at = await site()
    const [lamp, other] = [await enrolled(at, 'lamp-1'), await enrolled(at, 'lamp-2')]
    const renamed = clientOf(at, signedBy(lamp)).enrol('kur', { key: generateSigningKey('P-256'), subject: other.certificate.subject })
    await expect(renamed).rejects.toMatchObject({ details: { failInfo: ['notAuthorized'] } })
  })
})

describe('a certificate that nobody confirms', () => {
  it('is revoked when its time is over, and its secret is good again', async () => {
    const at = await site({ ra: { settings: { confirmWaitS: 300 } } })
    await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
    const silent = {
      exchange: async (message: Uint8Array) => {
        if (readMessage(message).body.type === 'certConf') throw new RangeError('lost')
        return (await at.authority.handle(message, { source: 'test' })).bytes
      },
      close: () => undefined,
    }
    const lost = clientOf(at, bySecret('lamp-1'), { transport: silent }).enrol('ir', {
      key: generateSigningKey('P-256'),
      subject: nameOf('CN=lamp-1'),
    })
    await expect(lost).rejects.toThrow('lost')
    const [record] = at.desk.certificates({ limit: 1 })
    expect(record?.state).toBe('unconfirmed')
    await at.clock.advance(301_000)
    expect(at.desk.certificates({ limit: 1 })[0]).toMatchObject({ state: 'revoked', reason: 'cessationOfOperation' })
    expect(at.desk.history(record!.serial).map(({ event }) => event)).toEqual(['issued', 'lapsed', 'revoked'])
    const crl = readCrl(at.ca.crl()!.der)
    expect(crl.revoked.map(({ serial }) => toHex(serial))).toEqual([record!.serial])
    expect(isCrlOf(crl, at.ca.active.certificate)).toBe(true)
    await clientOf(at, bySecret('lamp-1')).enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-1') })
  })

  it('is revoked after a restart too', async () => {
    const database = memoryDatabase()
    const at = await site({ database })
    await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
    const seen: Uint8Array[] = []
    const half = {
      exchange: async (message: Uint8Array) => {
        seen.push(message)
        if (seen.length > 1) throw new RangeError('lost')
        return (await at.authority.handle(message, { source: 'test' })).bytes
      },
      close: () => undefined,
    }
    const lost = clientOf(at, bySecret('lamp-1'), { transport: half }).enrol('ir', {
      key: generateSigningKey('P-256'),
      subject: nameOf('CN=lamp-1'),
    })
    await expect(lost).rejects.toThrow('lost')
    at.authority.close()
    at.ca.close()
    const clock = new VirtualClock(NOW + 3_600_000)
    const later = await openSite({ clock, database })
    expect(later.desk.certificates({ limit: 1 })[0]?.state).toBe('revoked')
  })
})

describe('approval', () => {
  it('of several at once, one of which has lapsed in the meantime', async () => {
    const at = await site({ ra: { settings: { policy: { mode: 'manual' }, checkAfterS: 30, approvalWaitS: 600 } } })
    const names = ['a-1', 'a-2', 'a-3']
    const running = names.map((name) => {
      const protector = signedBy(manufacturer.device(`CN=${name}`))
      const waits: number[] = []
      const done = clientOf(at, protector).enrol('ir', {
        key: generateSigningKey('P-256'),
        subject: nameOf(`CN=${name}`),
        onWaiting: (s) => waits.push(s),
      })
      return { done, waits }
    })
    await until(() => at.desk.pending().length === 3)
    const [first, second, third] = at.desk.pending()
    expect(at.desk.deny([third!.id], 'not here', 'installer')).toMatchObject([{ ok: true }])
    const outcomes = await at.desk.approve([first!.id, 'unknown', second!.id], 'installer')
    expect(outcomes.map(({ ok }) => ok)).toEqual([true, false, true])
    const results = await drive(at.clock, Promise.allSettled(running.map(({ done }) => done)))
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    const refused = results.find((result) => result.status === 'rejected')
    expect(refused?.reason).toMatchObject({
      message: expect.stringContaining('not here') as string,
      details: { failInfo: ['notAuthorized'] },
    })
    expect(running.flatMap(({ waits }) => waits)).toContain(30)
    expect(at.audit.filter(({ action }) => action === 'ra.approved')).toHaveLength(2)
  })

  it.each([
    ['poll', 2],
    ['request', 0],
  ] as const)(
    'with delayedNonce %s, the delayed response brings back the nonce of that message (RFC 9483 §4.4)',
    async (delayedNonce, answered) => {
      const at = await site({ ra: { settings: { policy: { mode: 'manual' }, delayedNonce } } })
      const seen: Uint8Array[] = []
      const client = clientOf(at, signedBy(manufacturer.device('CN=n-1')), { transport: direct(at, seen) })
      const done = client.enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=n-1') })
      await until(() => at.desk.pending().length === 1 && seen.length === 4)
      await at.desk.approve([at.desk.pending()[0]!.id], 'installer')
      await drive(at.clock, done)
      const [request, delivered] = [readMessage(seen[answered === 0 ? 0 : 4]!), readMessage(seen[5]!)]
      expect(delivered.body.type).toBe('ip')
      expect(delivered.header.recipNonce).toEqual(request.header.senderNonce)
    },
  )

  it('survives a restart of the authority', async () => {
    const database = memoryDatabase()
    const at = await site({ database, ra: { settings: { policy: { mode: 'manual' } } } })
    const idevid = manufacturer.device('CN=b-1')
    let current: Site = at
    const transport = {
      exchange: async (message: Uint8Array) => (await current.authority.handle(message, { source: 'test' })).bytes,
      close: () => undefined,
    }
    const done = clientOf(at, signedBy(idevid), { transport }).enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=b-1') })
    await until(() => at.desk.pending().length === 1)
    at.authority.close()
    at.ca.close()
    current = await openSite({
      clock: at.clock,
      database,
      seed: 99,
      ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], settings: { policy: { mode: 'manual' } } },
    })
    const [pending] = current.desk.pending()
    expect(await current.desk.approve([pending!.id], 'installer')).toMatchObject([{ ok: true }])
    const { certificate } = await drive(at.clock, done)
    expect(at.desk.certificates({ limit: 5 }).map(({ serial, state }) => [serial, state])).toEqual([[toHex(certificate.serial), 'valid']])
  })

  it('is refused altogether where nobody is admitted, but renewals are granted', async () => {
    const at = await site()
    const lamp = await enrolled(at, 'lamp-1')
    at.authority.configure({ policy: { mode: 'deny' } })
    await at.desk.preRegister([{ reference: 'lamp-2', secret: SECRET }], 'test')
    const refused = clientOf(at, bySecret('lamp-2')).enrol('ir', { key: generateSigningKey('P-256'), subject: nameOf('CN=lamp-2') })
    await expect(refused).rejects.toMatchObject({ details: { failInfo: ['notAuthorized'] } })
    await clientOf(at, signedBy(lamp)).enrol('kur', { key: generateSigningKey('P-256'), subject: lamp.certificate.subject })
  })
})

describe('revocation by request', () => {
  it('is for one’s own certificate only', async () => {
    const at = await site()
    const [lamp, other] = [await enrolled(at, 'lamp-1'), await enrolled(at, 'lamp-2')]
    const foreign = clientOf(at, signedBy(lamp)).revoke(other.certificate, 'keyCompromise')
    await expect(foreign).rejects.toMatchObject({ details: { failInfo: ['notAuthorized'] } })
    await clientOf(at, signedBy(lamp)).revoke(lamp.certificate, 'keyCompromise')
    expect(at.desk.certificates({ state: 'revoked', limit: 5 }).map(({ reason }) => reason)).toEqual(['keyCompromise'])
    const again = clientOf(at, signedBy(lamp)).enrol('cr', { key: generateSigningKey('P-256'), subject: lamp.certificate.subject })
    await expect(again).rejects.toMatchObject({ details: { failInfo: ['certRevoked'] } })
  })

  it('by the operator needs no device', async () => {
    const at = await site()
    const lamp = await enrolled(at, 'lamp-1')
    const serial = toHex(lamp.certificate.serial)
    expect(at.desk.revoke(serial, 'privilegeWithdrawn', 'installer')).toMatchObject({ state: 'revoked' })
    expect(() => at.desk.revoke(serial, 'superseded', 'installer')).toThrow(expect.objectContaining({ code: 'ra.state-invalid' }) as Error)
    expect(readCrl(at.ca.crl()!.der).revoked).toMatchObject([{ reason: 9 }])
  })
})

async function until(reached: () => boolean): Promise<void> {
  for (let tries = 0; tries < 3000 && !reached(); tries++) await new Promise((resolve) => setTimeout(resolve, 2))
  expect(reached()).toBe(true)
}
