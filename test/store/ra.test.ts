// What the registration authority keeps, in a real site file: every record comes back as it went in, and serial numbers never come twice.
import { describe, expect, test } from 'vitest'
import { AppError } from '#main/base/index.ts'
import type { AuthorityRecord, CertificateRecord, PreRegistration, TransactionRecord } from '#main/services/ra/index.ts'
import { createRaStore, createSerialStore, openSiteFile } from '#main/store/index.ts'
import { storePorts, temporarySite } from '../support/site-file.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

const authority: AuthorityRecord = {
  id: 'a1',
  generation: 1,
  state: 'active',
  kind: 'subordinate',
  subject: bytes(0x30, 0),
  algorithm: 'P-384',
  sealedKey: bytes(1, 2, 3),
  certificate: bytes(4),
  chain: [bytes(5, 6), bytes(7)],
  request: bytes(8),
  signer: { certificate: bytes(9), sealedKey: bytes(10) },
  links: { newWithOld: bytes(11), oldWithNew: bytes(12) },
  createdAt: 1000,
}

const requester = { kind: 'idevid', name: 'CN=lamp', key: 'certificate:00', identities: ['lamp'] } as const

function certificate(serial: string, changes: Partial<CertificateRecord> = {}): CertificateRecord {
  return {
    serial,
    authorityId: 'a1',
    der: bytes(1),
    subject: `CN=${serial}`,
    profile: 'device',
    state: 'valid',
    requester,
    reference: 'row',
    deviceId: 'd1',
    transactionId: `t-${serial}`,
    notBefore: 1,
    notAfter: 5000,
    issuedAt: Number.parseInt(serial, 16),
    revokedAt: undefined,
    reason: undefined,
    replacedBy: undefined,
    replaces: undefined,
    ...changes,
  }
}

function transaction(id: string, changes: Partial<TransactionRecord> = {}): TransactionRecord {
  return {
    id,
    kind: 'ir',
    state: 'waiting',
    requester,
    reference: undefined,
    deviceId: undefined,
    profile: 'device',
    requestHash: 'ab',
    request: bytes(1, 2),
    response: bytes(3),
    nonce: '00',
    firstNonce: '11',
    serial: undefined,
    certReqId: -1,
    implicit: true,
    subject: 'CN=x',
    keyType: 'P-256',
    remark: '',
    openedAt: 10,
    deadlineAt: 20,
    ...changes,
  }
}

describe('records', () => {
  test('of authorities, certificates, transactions, CRLs and histories come back as they went in, after reopening too', () => {
    const site = temporarySite()
    const store = createRaStore(site.database)
    const bare: AuthorityRecord = {
      ...authority,
      id: 'a0',
      generation: 0,
      state: 'awaiting-certificate',
      kind: 'root',
      certificate: undefined,
      chain: [],
      request: undefined,
      signer: undefined,
      links: undefined,
    }
    store.saveAuthority(authority)
    store.saveAuthority(bare)
    store.saveCertificate(certificate('01'))
    const revoked = certificate('02', {
      state: 'revoked',
      revokedAt: 44,
      reason: 'keyCompromise',
      replacedBy: '03',
      replaces: '01',
      reference: undefined,
      deviceId: undefined,
    })
    store.saveCertificate(revoked)
    store.saveTransaction(transaction('t1'))
    const done = transaction('t2', {
      state: 'done',
      request: undefined,
      response: undefined,
      serial: '02',
      reference: 'row',
      deviceId: 'd',
    })
    store.saveTransaction(done)
    store.saveCrl({ authorityId: 'a1', number: 3, der: bytes(7), thisUpdate: 5, nextUpdate: 6 })
    store.addHistory({ serial: '01', at: 1, event: 'issued', actor: 'a', remark: 'ir' })
    store.addHistory({ serial: '01', at: 1, event: 'revoked', actor: 'b', remark: '' })
    site.close()

    const again = openSiteFile(site.path, storePorts())
    const reopened = createRaStore(again.database)
    expect(reopened.authorities()).toEqual([bare, authority])
    expect(reopened.certificate('01')).toEqual({ ...certificate('01'), holder: certificate('01').requester.key })
    expect(reopened.certificate('02')).toEqual({ ...revoked, holder: revoked.requester.key })
    expect(reopened.certificate('03')).toBeUndefined()
    expect(reopened.transactionRecord('t1')).toEqual(transaction('t1'))
    expect(reopened.transactionRecord('t2')).toEqual(done)
    expect(reopened.crl('a1')).toEqual({ authorityId: 'a1', number: 3, der: bytes(7), thisUpdate: 5, nextUpdate: 6 })
    expect(reopened.history('01').map(({ event }) => event)).toEqual(['issued', 'revoked'])
    again.close()
  })

  test('of certificates are found by state, device, end and text, the newest first, in pages', () => {
    const store = createRaStore(temporarySite().database)
    store.saveAuthority(authority)
    for (let index = 1; index <= 9; index++)
      store.saveCertificate(certificate(`0${index}`, { notAfter: index * 100, deviceId: `d${index % 2}` }))
    store.saveCertificate(certificate('05', { state: 'revoked', revokedAt: 1, notAfter: 500 }))
    expect(store.certificates({ limit: 3, offset: 1 }).map(({ serial }) => serial)).toEqual(['08', '07', '06'])
    expect(store.certificates({ limit: 9, state: 'valid', endsBefore: 400 }).map(({ serial }) => serial)).toEqual(['03', '02', '01'])
    expect(store.certificates({ limit: 9, deviceId: 'd0', text: 'cn=04' }).map(({ serial }) => serial)).toEqual(['04'])
    expect(store.revoked('a1', 500).map(({ serial }) => serial)).toEqual(['05'])
    expect(store.revoked('a1', 501)).toEqual([])
    expect(store.revoked('other', 0)).toEqual([])
  })

  test('of pre-registrations are found by any of their identities, and take each other’s place', () => {
    const store = createRaStore(temporarySite().database)
    const first: PreRegistration = {
      reference: 'r1',
      sealedSecret: bytes(1),
      identities: ['sn-1', '0011223344556677'],
      names: ['a'],
      profile: 'p',
      deviceId: 'd',
      createdAt: 1,
      expiresAt: 2,
      usedAt: 3,
    }
    const second: PreRegistration = {
      reference: 'r2',
      sealedSecret: undefined,
      identities: ['sn-1'],
      names: [],
      profile: undefined,
      deviceId: undefined,
      createdAt: 1,
      expiresAt: undefined,
      usedAt: undefined,
    }
    store.savePreRegistrations([second, first])
    expect(store.preRegistrations()).toEqual([first, second])
    expect(store.preRegistrationsOf('sn-1').map(({ reference }) => reference)).toEqual(['r1', 'r2'])
    store.savePreRegistrations([{ ...first, identities: ['sn-2'] }])
    expect(store.preRegistrationsOf('sn-1').map(({ reference }) => reference)).toEqual(['r2'])
    store.removePreRegistration('r1')
    expect(store.preRegistrationsOf('sn-2')).toEqual([])
    expect(store.preRegistration('r1')).toBeUndefined()
  })

  test('of one transaction that issues twice are refused by the file itself', () => {
    const store = createRaStore(temporarySite().database)
    store.saveAuthority(authority)
    store.saveCertificate(certificate('01', { transactionId: 't' }))
    expect(() => store.saveCertificate(certificate('02', { transactionId: 't' }))).toThrow(AppError)
    expect(store.isTransactionSpent('t')).toBe(true)
    expect(store.isTransactionSpent('u')).toBe(false)
  })
})

describe('transactions', () => {
  test('that fail leave nothing, inner ones included', () => {
    const store = createRaStore(temporarySite().database)
    const work = (): void =>
      store.transaction(() => {
        store.saveAuthority(authority)
        store.transaction(() => store.saveTransaction(transaction('t')))
        throw new RangeError('power cut')
      })
    expect(work).toThrow()
    expect([store.authorities(), store.transactionRecord('t')]).toEqual([[], undefined])
  })

  test('that are closed are forgotten by age and number, open ones never', () => {
    const store = createRaStore(temporarySite().database)
    for (let index = 0; index < 10; index++)
      store.saveTransaction(
        transaction(`t${index}`, { state: index % 2 === 0 ? 'confirmed' : 'waiting', openedAt: index, deadlineAt: index }),
      )
    store.pruneTransactions(5, 3, 100)
    expect(store.transactionRecord('t0')).toBeUndefined()
    expect(store.transactionRecord('t2')).toBeUndefined()
    // Its deadline is over: the answer is not repeated any more, the identifier stays used.
    expect(store.transactionRecord('t4')?.response).toBeUndefined()
    expect(store.transactionRecord('t6')?.response).toEqual(bytes(3))
    store.pruneTransactions(0, 0, 1)
    expect(store.openTransactions().map(({ id }) => id)).toEqual(['t1', 't3', 't5', 't7', 't9'])
    expect(store.transactionRecord('t8')).toBeUndefined()
  })
})

describe('serial numbers', () => {
  test('are given in blocks that never overlap, after reopening neither', () => {
    const site = temporarySite()
    const [first, second] = [createSerialStore(site.database), createSerialStore(site.database)]
    const starts = [first.reserve(64), second.reserve(1), first.reserve(10)]
    expect(starts).toEqual([1, 65, 66])
    site.close()
    const again = openSiteFile(site.path, storePorts())
    expect(createSerialStore(again.database).reserve(1)).toBe(76)
    again.close()
  })

  test('are not reserved where a failure could take them back', () => {
    const site = temporarySite()
    const serials = createSerialStore(site.database)
    expect(() => site.transaction(() => serials.reserve(1))).toThrow(expect.objectContaining({ code: 'internal' }) as Error)
    expect(serials.reserve(1)).toBe(1)
  })
})
