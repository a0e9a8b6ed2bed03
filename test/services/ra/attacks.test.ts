// What an attacker on the radio or with a credential of its own may try: each refused with the reason that RFC 9483 §3.5 gives, told to the audit.
import { describe, expect, it } from 'vitest'
import { generateSigningKey, hash, toHex } from '#main/base/index.ts'
import { Certificate, DEVICE_PROFILE, type Protector } from '#main/services/ra/index.ts'
import { BODY_TYPES, type PkiBody } from '../../../src-main/services/ra/cmp/body.ts'
import type { PkiHeader } from '../../../src-main/services/ra/cmp/header.ts'
import { assembleMessage, encodeMessage, MAX_EXTRA_CERTS, readMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { bareMessage } from '../../../src-main/services/ra/cmp/protection.ts'
import { statusOf } from '../../../src-main/services/ra/cmp/status.ts'
import { integer, Oid, sequence, Tag } from '../../../src-main/services/ra/der/index.ts'
import { NULL_DN } from '../../../src-main/services/ra/x509/names.ts'
import { extensionOf } from '../../../src-main/services/ra/x509/write.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  certRequest,
  craft,
  enrolled,
  expectRefused,
  forge,
  headerOf,
  idevid,
  manufacturer,
  NOW,
  raCertificate,
  random,
  requestWithoutKey,
  site,
} from './craft.ts'
import { answerTo, bySecret, clientOf, createManufacturer, direct, nameOf, SECRET, signedBy, type Issued } from './harness.ts'

describe('the crafted request', () => {
  it('is granted while nothing is wrong with it', async () => {
    const at = await site()
    expect((await answerTo(at, await craft())).failInfo).toBeUndefined()
  })
})

describe('headers', () => {
  it.each([
    ['an old version', 'unsupportedVersion', { pvno: 1 }],
    ['a future version', 'unsupportedVersion', { pvno: 4 }],
    ['no transaction identifier', 'badDataFormat', { transactionID: undefined }],
    ['no nonce', 'badSenderNonce', { senderNonce: undefined }],
    ['a short nonce', 'badSenderNonce', { senderNonce: new Uint8Array(15) }],
    ['a nonce that answers nothing', 'badRecipientNonce', { recipNonce: new Uint8Array(16) }],
    ['a time long past', 'badTime', { messageTime: NOW - 3_600_000 }],
    ['a time to come', 'badTime', { messageTime: NOW + 3_600_000 }],
    ['the name of somebody else', 'badMessageCheck', { sender: { kind: 'directory', name: nameOf('CN=lamp-2') } }],
    ['a sender that is no directory name', 'badMessageCheck', { sender: { kind: 'dns', value: 'lamp-1' } }],
    ['an implicitConfirm that is not NULL', 'badDataFormat', { generalInfo: [{ type: Oid.itImplicitConfirm, value: integer(1) }] }],
    [
      'an unknown profile',
      'badRequest',
      { generalInfo: [{ type: Oid.itCertProfile, value: sequence(Uint8Array.of(Tag.UTF8_STRING, 1, 120)) }] },
    ],
  ] as const)('with %s are refused: %s', async (_, failInfo, header) => {
    await expectRefused(await site(), await craft({ header }), failInfo)
  })

  it('without messageTime are taken, or refused where the site wants it', async () => {
    const at = await site()
    expect((await answerTo(at, await craft({ header: { messageTime: undefined } }))).failInfo).toBeUndefined()
    at.authority.configure({ requireMessageTime: true })
    await expectRefused(at, await craft({ header: { messageTime: undefined } }), 'badTime')
  })
})

describe('protection', () => {
  it('missing: wrongIntegrity', async () => {
    const key = generateSigningKey('P-256')
    await expectRefused(
      await site(),
      bareMessage(headerOf(signedBy(idevid)), { type: 'ir', requests: [certRequest(key)] }),
      'wrongIntegrity',
    )
  })

  it('taken off a protected message: wrongIntegrity', async () => {
    const message = readMessage(await craft())
    await expectRefused(await site(), assembleMessage({ ...message, protection: undefined }), 'wrongIntegrity')
  })

  it('over another body: badMessageCheck', async () => {
    const [first, second] = [readMessage(await craft()), readMessage(await craft())]
    await expectRefused(await site(), assembleMessage({ ...first, bodyBytes: second.bodyBytes }), 'badMessageCheck')
  })

  it('by another key under the certificate of a device: badMessageCheck', async () => {
    const stolen: Issued = { ...idevid, key: generateSigningKey('P-256') }
    await expectRefused(await site(), await craft({ protector: signedBy(stolen) }), 'badMessageCheck')
  })

  it('by a certificate of a stranger, whatever chain comes with it: signerNotTrusted', async () => {
    const rogue = createManufacturer(NOW, 'Rogue')
    const device = rogue.device('CN=lamp-1')
    const chain = [...device.chain, rogue.root.certificate.bytes, manufacturer.root.certificate.bytes]
    await expectRefused(await site(), await craft({ protector: signedBy({ ...device, chain }) }), 'signerNotTrusted')
  })

  it('by a device that plays authority for another: signerNotTrusted', async () => {
    const at = await site()
    const device = manufacturer.device('CN=lamp-9')
    const forged = forge(device)
    await expectRefused(at, await craft({ protector: signedBy(forged) }), 'signerNotTrusted')
  })

  it('by a chain of too many certificates: badDataFormat', async () => {
    const chain = Array.from({ length: MAX_EXTRA_CERTS }, () => createManufacturer(NOW).root.certificate.bytes)
    await expectRefused(await site(), await craft({ protector: signedBy({ ...idevid, chain }) }), 'badDataFormat')
  })

  it('by a certificate of 60 000 bytes: badMessageCheck, and no long look at it', async () => {
    const message = readMessage(await craft())
    const huge = new Uint8Array(60_000)
    huge.set([0x30, 0x82, 0xea, 0x5c])
    const started = performance.now()
    await expectRefused(await site(), assembleMessage({ ...message, extraCerts: [huge, ...message.extraCerts] }), 'badMessageCheck')
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it('by a MAC with a million rounds: badAlg', async () => {
    const mac = sequence(
      new Uint8Array([4, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
      sequence(Uint8Array.from([6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1])),
      integer(1_000_000),
      sequence(Uint8Array.from([6, 8, 0x2b, 6, 1, 5, 5, 8, 1, 2])),
    )
    const protector = { ...bySecret('lamp-1'), algorithm: { algorithm: Oid.passwordBasedMac, parameters: mac } }
    const header = headerOf(protector)
    const body: PkiBody = { type: 'ir', requests: [certRequest(generateSigningKey('P-256'))] }
    const bytes = encodeMessage({
      header: { ...header, protectionAlg: protector.algorithm, senderKID: new TextEncoder().encode('lamp-1') },
      body,
      protection: new Uint8Array(20),
      extraCerts: [],
    })
    await expectRefused(await site(), bytes, 'badAlg')
  })

  it('by a wrong secret and by an unknown reference look the same: badMessageCheck', async () => {
    const at = await site()
    await expectRefused(at, await craft({ protector: bySecret('lamp-1', 'wrong-secret') }), 'badMessageCheck')
    await expectRefused(at, await craft({ protector: bySecret('nobody') }), 'badMessageCheck')
  })

  it('by the site’s own certificate that is not confirmed yet: signerNotTrusted', async () => {
    const at = await site()
    const seen: Uint8Array[] = []
    const key = generateSigningKey('P-256')
    await answerTo(at, await craft({ body: { type: 'ir', requests: [certRequest(key)] } })).then(({ message }) => seen.push(message.bytes))
    const { body } = readMessage(seen[0]!)
    const der = body.type === 'ip' ? body.responses[0]!.certificate! : new Uint8Array(0)
    const protector = signedBy({ key, certificate: new Certificate(der), chain: [] })
    await expectRefused(at, await craft({ protector, body: { type: 'genm', infos: [{ type: Oid.itCaCerts }] } }), 'signerNotTrusted')
  })
})

describe('bodies', () => {
  const key = generateSigningKey('P-256')
  const other = generateSigningKey('P-256')
  it.each([
    ['a proof of possession by another key', 'badPOP', [certRequest(key, {}, {}, other)]],
    ['no proof of possession', 'badPOP', [certRequest(key, {}, { popo: undefined })]],
    ['raVerified from a device', 'badPOP', [certRequest(key, {}, { popo: { kind: 'raVerified' } })]],
    ['two requests', 'badRequest', [certRequest(key), certRequest(other)]],
    ['no request', 'badRequest', []],
    ['a request numbered 1', 'badRequest', [certRequest(key, {}, { certReqId: 1 })]],
    ['version 1', 'badCertTemplate', [certRequest(key, { version: 0 })]],
    ['a serial number of its own', 'badCertTemplate', [certRequest(key, { serialNumber: Uint8Array.of(5) })]],
    ['no key', 'badCertTemplate', [requestWithoutKey(key)]],
    ['the name of another device', 'notAuthorized', [certRequest(key, { subject: nameOf('CN=lamp-2') })]],
    ['its own name beside that of another', 'notAuthorized', [certRequest(key, { subject: nameOf('CN=lamp-1, CN=lamp-2') })]],
    ['no name', 'badCertTemplate', [certRequest(key, { subject: NULL_DN })]],
    [
      'an alternative name of another',
      'notAuthorized',
      [certRequest(key, { extensions: [extensionOf.subjectAltName([{ kind: 'dns', value: 'lamp-2' }])] })],
    ],
    [
      'an alternative address',
      'notAuthorized',
      [certRequest(key, { extensions: [extensionOf.subjectAltName([{ kind: 'ip', address: new Uint8Array(16) }])] })],
    ],
    ['the wish to be an authority', 'notAuthorized', [certRequest(key, { extensions: [extensionOf.basicConstraints(true)] })]],
    [
      'an extension that nobody grants',
      'badCertTemplate',
      [certRequest(key, { extensions: [{ id: '1.2.3.4', critical: false, value: sequence() }] })],
    ],
    ['a validity that is over', 'badCertTemplate', [certRequest(key, { validity: { notAfter: NOW - 1000 } })]],
  ] as const)('with %s are refused: %s', async (_, failInfo, requests) => {
    await expectRefused(await site(), await craft({ body: { type: 'ir', requests } }), failInfo)
  })

  it('that nobody sends to an authority are refused: badRequest', async () => {
    const at = await site()
    const handled = [
      'ir',
      'cr',
      'p10cr',
      'kur',
      'rr',
      'genm',
      'certConf',
      'pollReq',
      'error',
      'nested',
      'ip',
      'cp',
      'kup',
      'rp',
      'genp',
      'pollRep',
      'crlann',
      'rann',
    ]
    for (const type of BODY_TYPES.filter((known) => !handled.includes(known))) {
      const body = type === 'pkiconf' ? { type } : type === 'cann' ? { type, certificate: sequence() } : { type, content: sequence() }
      await expectRefused(at, await craft({ body: body as PkiBody }), 'badRequest')
    }
  })

  it('that ask for a lifetime beyond the profile get the profile’s, and are told', async () => {
    const at = await site()
    const body: PkiBody = { type: 'ir', requests: [certRequest(key, { validity: { notAfter: NOW + 50 * 365 * 86_400_000 } })] }
    const { message } = await answerTo(at, await craft({ body }))
    expect(message.body.type === 'ip' && message.body.responses[0]!.status.status).toBe(1)
    const [record] = at.desk.certificates({ limit: 1 })
    expect(record!.notAfter - record!.notBefore).toBe(DEVICE_PROFILE.lifetimeS * 1000)
  })

  it('that are large do not wait for a decision', async () => {
    const at = await site({ ra: { settings: { policy: { mode: 'manual' } } } })
    const chain = Array.from({ length: 20 }, (_, index) => {
      const { certificate } = createManufacturer(NOW, `M${index} ${'x'.repeat(1500)}`).root
      return certificate.bytes
    })
    await expectRefused(at, await craft({ protector: signedBy({ ...idevid, chain: [...idevid.chain, ...chain] }) }), 'badRequest')
    expect(at.desk.pending()).toEqual([])
  })

  it('nested by somebody who is no registration authority: notAuthorized', async () => {
    await expectRefused(await site(), await craft({ body: { type: 'nested', messages: [await craft()] } }), 'notAuthorized')
  })
})

describe('transactions', () => {
  it('replayed from the first message on: transactionIdInUse', async () => {
    const at = await site()
    const seen: Uint8Array[] = []
    await clientOf(at, signedBy(idevid), { transport: direct(at, seen) }).enrol('ir', {
      key: generateSigningKey('P-256'),
      subject: nameOf('CN=lamp-1'),
    })
    await expectRefused(at, seen[0]!, 'transactionIdInUse')
  })

  it('whose request comes twice while it is open get the same answer, bit by bit, and one certificate', async () => {
    const at = await site()
    const request = await craft()
    const answers = await Promise.all([answerTo(at, request), answerTo(at, request), answerTo(at, request)])
    expect(new Set(answers.map(({ message }) => toHex(message.bytes))).size).toBe(1)
    expect(at.desk.certificates({ limit: 9 })).toHaveLength(1)
  })

  it('under the identifier of another are refused: transactionIdInUse', async () => {
    const at = await site()
    const transactionID = random.bytes(16)
    await answerTo(at, await craft({ header: { transactionID } }))
    await expectRefused(at, await craft({ header: { transactionID } }), 'transactionIdInUse')
  })

  it('confirmed with a changed nonce, by another, twice, or for another certificate are not confirmed', async () => {
    const at = await site()
    const transactionID = random.bytes(16)
    const first = await answerTo(at, await craft({ header: { transactionID } }))
    const { body } = first.message
    const der = body.type === 'ip' ? body.responses[0]!.certificate! : new Uint8Array(0)
    const status = { certReqId: 0, certHash: hash('sha256', der), statusInfo: undefined, hashAlg: undefined }
    const recipNonce = first.message.header.senderNonce
    const confirm = (header: Partial<PkiHeader>, change: Partial<typeof status> = {}, protector?: Protector): Promise<Uint8Array> =>
      craft({
        header: { transactionID, recipNonce, ...header },
        body: { type: 'certConf', statuses: [{ ...status, ...change }] },
        ...(protector === undefined ? {} : { protector }),
      })
    await expectRefused(at, await confirm({ recipNonce: random.bytes(16) }), 'badRecipientNonce')
    await expectRefused(at, await confirm({ recipNonce: undefined }), 'badRecipientNonce')
    await expectRefused(at, await confirm({ transactionID: random.bytes(16) }), 'badRequest')
    await expectRefused(at, await confirm({}, {}, signedBy(manufacturer.device('CN=lamp-2'))), 'notAuthorized')
    await expectRefused(at, await confirm({}, { certHash: new Uint8Array(32) }), 'badCertId')
    await expectRefused(at, await confirm({}, { certReqId: 1 }), 'badRequest')
    const both = { statusInfo: { ...statusOf('accepted'), failBits: [2] } } as unknown as Partial<typeof status>
    await expectRefused(at, await confirm({}, both), 'badRequest')
    expect(at.desk.certificates({ limit: 1 })[0]?.state).toBe('unconfirmed')
    const right = await confirm({})
    const done = await answerTo(at, right)
    expect(done.message.body.type).toBe('pkiconf')
    // Its answer may have been lost: the same again is answered as before; another one is too late (RFC 9483 §4.1).
    expect((await answerTo(at, right)).message.bytes).toEqual(done.message.bytes)
    await expectRefused(at, await confirm({ recipNonce: done.message.header.senderNonce }), 'certConfirmed')
  })

  it('rejected by an error message of the device leave a revoked certificate (RFC 9483 §3.6)', async () => {
    const at = await site()
    const transactionID = random.bytes(16)
    const first = await answerTo(at, await craft({ header: { transactionID } }))
    const body: PkiBody = { type: 'error', status: statusOf('rejection', 'no', 'badRequest'), errorCode: undefined, errorDetails: [] }
    const { message } = await answerTo(at, await craft({ header: { transactionID, recipNonce: first.message.header.senderNonce }, body }))
    expect(message.body.type).toBe('pkiconf')
    expect(at.desk.certificates({ limit: 1 })[0]).toMatchObject({ state: 'revoked' })
  })
})

describe('one-time secrets', () => {
  it('serve one enrolment, also when two come at the same moment', async () => {
    const at = await site()
    const wish = (): Promise<Uint8Array> => craft({ protector: bySecret('lamp-1') })
    const answers = await Promise.all([wish(), wish(), wish()].map(async (bytes) => answerTo(at, await bytes)))
    expect(answers.map(({ failInfo }) => failInfo).toSorted()).toEqual(['notAuthorized', 'notAuthorized', undefined])
    expect(at.desk.certificates({ limit: 9 })).toHaveLength(1)
  })

  it('are nowhere in the audit, the lists or the store in clear', async () => {
    const at = await site()
    await answerTo(at, await craft({ protector: bySecret('lamp-1') }))
    const shown = JSON.stringify([at.audit, at.desk.preRegistrations(), at.desk.certificates({ limit: 9 }), at.store.preRegistrations()])
    expect(shown).not.toContain(SECRET)
    expect(Buffer.from(at.store.preRegistration('lamp-1')!.sealedSecret!).includes(SECRET)).toBe(false)
  })

  it('that have expired are wrong', async () => {
    const clock = new VirtualClock(NOW)
    const at = await site({ clock })
    await at.desk.preRegister([{ reference: 'lamp-5', secret: SECRET, expiresAt: NOW + 1000 }], 'test')
    await clock.advance(2000)
    await expectRefused(at, await craft({ protector: bySecret('lamp-5') }), 'badMessageCheck')
  })
})

describe('registration authorities', () => {
  it('that are listed may vouch, wrap and batch; a revoked or unlisted one may not', async () => {
    const ra = raCertificate()
    const at = await site({ ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], trustedRas: [ra.certificate.bytes] } })
    const vouched = certRequest(generateSigningKey('P-256'), { subject: nameOf('CN=any-device') }, { popo: { kind: 'raVerified' } })
    const direct = await answerTo(at, await craft({ protector: signedBy(ra), body: { type: 'ir', requests: [vouched] } }))
    expect(direct.failInfo).toBeUndefined()
    const inner = await craft()
    const { transactionID, senderNonce } = readMessage(inner).header
    const wrapped: PkiBody = { type: 'nested', messages: [inner] }
    await expectRefused(at, await craft({ protector: signedBy(ra), header: { senderNonce }, body: wrapped }), 'badRequest')
    await expectRefused(at, await craft({ protector: signedBy(ra), header: { transactionID }, body: wrapped }), 'badSenderNonce')
    const single = await answerTo(at, await craft({ protector: signedBy(ra), header: { transactionID, senderNonce }, body: wrapped }))
    expect(single.message.body.type).toBe('ip')
    expect(single.message.header.transactionID).toEqual(readMessage(inner).header.transactionID)
    const batch = await answerTo(
      at,
      await craft({
        protector: signedBy(ra),
        body: { type: 'nested', messages: [await craft(), new Uint8Array([0x30, 0]), await craft()] },
      }),
    )
    const { body } = batch.message
    expect(body.type === 'nested' && body.messages.map((bytes) => readMessage(bytes).body.type)).toEqual(['ip', 'error', 'ip'])
    const deeper = await craft({ protector: signedBy(ra), body: { type: 'nested', messages: [inner] } })
    const twice = await answerTo(at, await craft({ protector: signedBy(ra), body: { type: 'nested', messages: [deeper] } }))
    expect(twice.message.body.type).toBe('error')
    await expectRefused(
      at,
      await craft({ protector: signedBy(raCertificate()), body: { type: 'nested', messages: [inner] } }),
      'signerNotTrusted',
    )
    await expectRefused(
      at,
      await craft({ protector: signedBy(await enrolled(at)), body: { type: 'nested', messages: [inner] } }),
      'notAuthorized',
    )
  })
})
