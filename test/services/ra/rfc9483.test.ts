// Statements of RFC 9483 that the other files of this folder do not reach: fields that exclude each other, templates that say too much, wrapped messages.
import { describe, expect, it } from 'vitest'
import { generateSigningKey, hash } from '#main/base/index.ts'
import { Certificate } from '#main/services/ra/index.ts'
import type { PkiBody } from '../../../src-main/services/ra/cmp/body.ts'
import { encodeCertId, encodeCertRequest, type CertReqMsg } from '../../../src-main/services/ra/cmp/crmf.ts'
import { IMPLICIT_CONFIRM, confirmWaitTime, type PkiHeader } from '../../../src-main/services/ra/cmp/header.ts'
import { assembleMessage, readMessage, type PkiMessage } from '../../../src-main/services/ra/cmp/message.ts'
import { hashAlgorithm } from '../../../src-main/services/ra/x509/algorithms.ts'
import { statusOf } from '../../../src-main/services/ra/cmp/status.ts'
import { certificateTime, integer, NULL, Oid, Tag } from '../../../src-main/services/ra/der/index.ts'
import { extensionOf, writeCertificationRequest } from '../../../src-main/services/ra/x509/write.ts'
import { certRequest, craft, enrolled, expectRefused, idevid, manufacturer, NOW, raCertificate, random, site } from './craft.ts'
import { answerTo, bySecret, nameOf, signedBy, type Issued, type Site } from './harness.ts'

async function infoAsked(
  at: Site,
  type: string,
  value?: Uint8Array,
): Promise<{ readonly message: PkiMessage; readonly failInfo: string | undefined }> {
  return answerTo(at, await craft({ body: { type: 'genm', infos: [value === undefined ? { type } : { type, value }] } }))
}

function certificateIn({ body }: PkiMessage): Uint8Array {
  return body.type === 'ip' || body.type === 'cp' || body.type === 'kup'
    ? (body.responses[0]?.certificate ?? new Uint8Array())
    : new Uint8Array()
}

function updateOf(named: { readonly issuer?: Uint8Array; readonly serialNumber?: Uint8Array }, old: Certificate): PkiBody {
  const key = generateSigningKey('P-256')
  const issuer = { kind: 'directory', name: named.issuer ?? old.issuer } as const
  const controls = [{ type: Oid.regCtrlOldCertId, value: encodeCertId({ issuer, serialNumber: named.serialNumber ?? old.serial }) }]
  const made = certRequest(key)
  const requestBytes = encodeCertRequest(0, made.template, controls)
  const request: CertReqMsg = { ...certRequest(key), requestBytes, controls, popo: { kind: 'raVerified' } }
  return { type: 'kur', requests: [request] }
}

describe('header (§3.1)', () => {
  it('implicitConfirm and confirmWaitTime exclude each other, and the time is a GeneralizedTime', async () => {
    const at = await site()
    const both = { generalInfo: [IMPLICIT_CONFIRM, confirmWaitTime(NOW + 60_000)] }
    await expectRefused(at, await craft({ header: both }), 'badRequest')
    const utc = { generalInfo: [{ type: Oid.itConfirmWaitTime, value: certificateTime(NOW) }] }
    expect(certificateTime(NOW)[0]).toBe(Tag.UTC_TIME)
    await expectRefused(at, await craft({ header: utc }), 'badDataFormat')
    expect((await answerTo(at, await craft({ header: { generalInfo: [confirmWaitTime(NOW + 60_000)] } }))).failInfo).toBeUndefined()
  })

  it('every answer has a fresh nonce of 128 bits, the nonce and identifier of the request, its time and version', async () => {
    const at = await site()
    const nonces = new Set<string>()
    for (const pvno of [2, 3]) {
      const request = await craft({
        header: { pvno, senderNonce: random.bytes(16) },
        body: { type: 'genm', infos: [{ type: Oid.itCaCerts }] },
      })
      const { header } = (await answerTo(at, request)).message
      const asked = readMessage(request).header
      expect(header.pvno).toBe(pvno)
      expect(header.recipNonce).toEqual(asked.senderNonce)
      expect(header.transactionID).toEqual(asked.transactionID)
      expect(header.messageTime).toBe(NOW)
      expect(header.senderNonce).toHaveLength(16)
      expect(header.senderKID).toEqual(at.ca.active.signer.certificate.subjectKeyId)
      nonces.add(String(header.senderNonce))
    }
    expect(nonces.size).toBe(2)
  })

  it('a sender under a MAC that is no directory name, or no name at all beside no senderKID, is nobody: badMessageCheck', async () => {
    const at = await site()
    const protector = bySecret('lamp-1')
    const message = readMessage(await craft({ protector }))
    // The MAC covers the header: a change of it is one of the protection too.
    await expectRefused(at, await craft({ protector: bySecret('lamp-9') }), 'badMessageCheck')
    expect(message.header.senderKID).toBeDefined()
  })
})

describe('protection (§3.2, §3.3)', () => {
  it('answers keep the kind of the request, pkiconf too', async () => {
    const at = await site()
    const transactionID = random.bytes(16)
    const protector = bySecret('lamp-1')
    const { message } = await answerTo(at, await craft({ protector, header: { transactionID } }))
    const status = { certReqId: 0, certHash: hash('sha256', certificateIn(message)), statusInfo: undefined, hashAlg: undefined }
    const confirm = await craft({
      protector,
      header: { transactionID, recipNonce: message.header.senderNonce },
      body: { type: 'certConf', statuses: [status] },
    })
    const { message: done } = await answerTo(at, confirm)
    expect(done.body.type).toBe('pkiconf')
    expect([message, done].map(({ header }) => header.protectionAlg?.algorithm)).toEqual([Oid.pbmac1, Oid.pbmac1])
  })

  it('the certificate that protects is the first of extraCerts, and its chain comes along', async () => {
    const at = await site()
    const message = readMessage(await craft())
    const [own, ...chain] = message.extraCerts
    await expectRefused(at, assembleMessage({ ...message, extraCerts: [...chain, own!] }), 'badMessageCheck')
    await expectRefused(at, assembleMessage({ ...message, extraCerts: [] }), 'badMessageCheck')
    await expectRefused(at, assembleMessage({ ...message, extraCerts: [own!] }), 'signerNotTrusted')
  })
})

describe('confirmation (§4.1)', () => {
  async function begun(
    at: Site,
  ): Promise<{ readonly header: Partial<PkiHeader>; readonly der: Uint8Array; readonly firstNonce: Uint8Array }> {
    const transactionID = random.bytes(16)
    const firstNonce = random.bytes(16)
    const { message } = await answerTo(at, await craft({ header: { transactionID, senderNonce: firstNonce } }))
    return { header: { transactionID, recipNonce: message.header.senderNonce }, der: certificateIn(message), firstNonce }
  }
  const statusFor = (der: Uint8Array) => ({ certReqId: 0, certHash: hash('sha256', der), statusInfo: undefined, hashAlg: undefined })

  it('for two certificates, with the nonce of the request, or signed by the new certificate is refused', async () => {
    const at = await site()
    const { header, der, firstNonce } = await begun(at)
    const status = statusFor(der)
    await expectRefused(at, await craft({ header, body: { type: 'certConf', statuses: [status, status] } }), 'badRequest')
    const body: PkiBody = { type: 'certConf', statuses: [status] }
    await expectRefused(at, await craft({ header: { ...header, senderNonce: firstNonce }, body }), 'badSenderNonce')
    const fresh: Issued = { key: generateSigningKey('P-256'), certificate: new Certificate(der), chain: [] }
    await expectRefused(at, await craft({ header, body, protector: signedBy(fresh) }), 'badMessageCheck')
    expect((await answerTo(at, await craft({ header, body }))).message.body.type).toBe('pkiconf')
  })

  it('names another hash in version 3 alone', async () => {
    const at = await site()
    const { header, der } = await begun(at)
    const body: PkiBody = {
      type: 'certConf',
      statuses: [{ ...statusFor(der), certHash: hash('sha512', der), hashAlg: hashAlgorithm('sha512') }],
    }
    await expectRefused(at, await craft({ header, body }), 'badRequest')
    expect((await answerTo(at, await craft({ header: { ...header, pvno: 3 }, body }))).message.body.type).toBe('pkiconf')
  })

  it('with rejection is taken, and the certificate is revoked', async () => {
    const at = await site()
    const { header, der } = await begun(at)
    const body: PkiBody = { type: 'certConf', statuses: [{ ...statusFor(der), statusInfo: statusOf('rejection', 'no', 'incorrectData') }] }
    expect((await answerTo(at, await craft({ header, body }))).message.body.type).toBe('pkiconf')
    expect(at.desk.certificates({ limit: 1 })[0]?.state).toBe('revoked')
  })

  it('of what was granted without confirmation is refused', async () => {
    const at = await site()
    const transactionID = random.bytes(16)
    const { message } = await answerTo(at, await craft({ header: { transactionID, generalInfo: [IMPLICIT_CONFIRM] } }))
    expect(message.header.generalInfo).toEqual([IMPLICIT_CONFIRM])
    const body: PkiBody = { type: 'certConf', statuses: [statusFor(certificateIn(message))] }
    await expectRefused(at, await craft({ header: { transactionID, recipNonce: message.header.senderNonce }, body }), 'certConfirmed')
  })
})

describe('enrolment', () => {
  it('with the empty name takes an alternative name (§4.1.1)', async () => {
    const at = await site()
    await at.desk.preRegister([{ reference: 'row', identities: ['lamp-1'], names: ['lamp-1.example'] }], 'test')
    at.desk.removePreRegistration('lamp-1', 'test')
    const extensions = [extensionOf.subjectAltName([{ kind: 'dns', value: 'lamp-1.example' }])]
    const request = certRequest(generateSigningKey('P-256'), { subject: Uint8Array.of(0x30, 0), extensions })
    const { message, failInfo } = await answerTo(at, await craft({ body: { type: 'ir', requests: [request] } }))
    expect(failInfo).toBeUndefined()
    expect(new Certificate(certificateIn(message)).subjectAltNames).toEqual([{ kind: 'dns', value: 'lamp-1.example' }])
  })

  it('proven by another algorithm than its key’s is refused: badPOP (§4.1.3)', async () => {
    const at = await site()
    const request = certRequest(generateSigningKey('P-256'))
    const popo = request.popo?.kind === 'signature' ? { ...request.popo, algorithm: { algorithm: Oid.ed25519 } } : undefined
    await expectRefused(at, await craft({ body: { type: 'ir', requests: [{ ...request, popo }] } }), 'badPOP')
  })

  it('by PKCS #10 whose signature is wrong is refused: badPOP (§4.1.4); its confirmation is numbered -1', async () => {
    const at = await site()
    const request = writeCertificationRequest({ subject: nameOf('CN=lamp-1'), extensions: [] }, generateSigningKey('P-256'))
    const broken = request.slice()
    broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1
    const { failInfo } = await answerTo(at, await craft({ body: { type: 'p10cr', request: broken } }))
    expect(failInfo).toBe('badPOP')
    const transactionID = random.bytes(16)
    const { message } = await answerTo(at, await craft({ header: { transactionID }, body: { type: 'p10cr', request } }))
    const status = { certReqId: 0, certHash: hash('sha256', certificateIn(message)), statusInfo: undefined, hashAlg: undefined }
    const header = { transactionID, recipNonce: message.header.senderNonce }
    await expectRefused(at, await craft({ header, body: { type: 'certConf', statuses: [status] } }), 'badRequest')
    const right: PkiBody = { type: 'certConf', statuses: [{ ...status, certReqId: -1 }] }
    expect((await answerTo(at, await craft({ header, body: right }))).message.body.type).toBe('pkiconf')
  })

  it('by kur that names another certificate, or that nobody has confirmed, is refused (§4.1.3)', async () => {
    const at = await site()
    const device = await enrolled(at)
    const protector = signedBy(device)
    await expectRefused(at, await craft({ protector, body: updateOf({ serialNumber: Uint8Array.of(7) }, device.certificate) }), 'badPOP')
    const honest = (change: { readonly issuer?: Uint8Array; readonly serialNumber?: Uint8Array }): PkiBody => {
      const key = generateSigningKey('P-256')
      const { template } = certRequest(key)
      const issuer = { kind: 'directory', name: change.issuer ?? device.certificate.issuer } as const
      const controls = [
        { type: Oid.regCtrlOldCertId, value: encodeCertId({ issuer, serialNumber: change.serialNumber ?? device.certificate.serial }) },
      ]
      return { type: 'kur', requests: [signed(key, template, controls)] }
    }
    await expectRefused(at, await craft({ protector, body: honest({ serialNumber: Uint8Array.of(7) }) }), 'badCertId')
    await expectRefused(at, await craft({ protector, body: honest({ issuer: nameOf('CN=Other CA') }) }), 'badCertId')
    expect((await answerTo(at, await craft({ protector, body: honest({}) }))).message.body.type).toBe('kup')
  })
})

function signed(
  key: ReturnType<typeof generateSigningKey>,
  template: CertReqMsg['template'],
  controls: CertReqMsg['controls'],
): CertReqMsg {
  return certRequest(key, template, {}, key, controls)
}

describe('revocation (§4.2)', () => {
  it.each([
    ['another subject', { subject: nameOf('CN=lamp-2') }, 'badCertId'],
    ['another key', { publicKey: generateSigningKey('P-256').spki }, 'badCertId'],
    ['another version', { version: 0 }, 'badCertTemplate'],
    ['extensions that it does not have', { extensions: [extensionOf.basicConstraints(true)] }, 'badCertId'],
    ['another issuer', { issuer: nameOf('CN=Other CA') }, 'badCertId'],
  ])('with %s in the template is refused: %s', async (_what, change, failInfo) => {
    const at = await site()
    const device = await enrolled(at)
    const { serial, issuer, subject, spki } = device.certificate
    const template = { serialNumber: serial, issuer, subject, publicKey: spki, ...change }
    await expectRefused(
      at,
      await craft({ protector: signedBy(device), body: { type: 'rr', details: [{ template, extensions: [] }] } }),
      failInfo,
    )
    expect(at.desk.certificates({ limit: 1 })[0]?.state).toBe('valid')
  })

  it('without issuer or serial number is refused: badCertTemplate', async () => {
    const at = await site()
    const device = await enrolled(at)
    const { serial: serialNumber, issuer } = device.certificate
    for (const template of [{ serialNumber }, { issuer }])
      await expectRefused(
        at,
        await craft({ protector: signedBy(device), body: { type: 'rr', details: [{ template, extensions: [] }] } }),
        'badCertTemplate',
      )
  })

  it('with an unknown reason, to bring one back, or without protection is refused; what fits is granted, once', async () => {
    const at = await site()
    const device = await enrolled(at)
    const { serial, issuer, subject, spki, extensions } = device.certificate
    const template = { serialNumber: serial, issuer, subject, publicKey: spki, version: 2, extensions }
    const reason = (code: number) => ({ id: Oid.crlReason, critical: false, value: integer(code, Tag.ENUMERATED) })
    const asking = (codes: readonly number[]): Promise<Uint8Array> =>
      craft({ protector: signedBy(device), body: { type: 'rr', details: [{ template, extensions: codes.map(reason) }] } })
    await expectRefused(at, await asking([7]), 'badDataFormat')
    await expectRefused(at, await asking([8]), 'badRequest')
    await expectRefused(at, await asking([1, 4]), 'badDataFormat')
    await expectRefused(at, assembleMessage({ ...readMessage(await asking([4])), protection: undefined }), 'wrongIntegrity')
    expect((await answerTo(at, await asking([4]))).message.body.type).toBe('rp')
    await expectRefused(at, await asking([4]), 'certRevoked')
  })
})

describe('support messages (§4.3)', () => {
  it.each([Oid.itCaCerts, Oid.itCertReqTemplate, Oid.itCurrentCrl, Oid.itSignKeyPairTypes])(
    '%s comes without a value; with one it is refused: badRequest',
    async (type) => {
      const at = await site()
      expect((await infoAsked(at, type, integer(1))).failInfo).toBe('badRequest')
      expect((await infoAsked(at, type, NULL)).failInfo).toBeUndefined()
      expect((await infoAsked(at, type)).message.body.type).toBe('genp')
    },
  )
})

describe('added protection (§5.2.2)', () => {
  it('does not make a device’s own raVerified true (§5.2.3.2), and the answer has the inner version and protection', async () => {
    const ra = raCertificate()
    const at = await site({ ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], trustedRas: [ra.certificate.bytes] } })
    const wrap = async (inner: Uint8Array): Promise<Uint8Array> => {
      const { transactionID, senderNonce } = readMessage(inner).header
      return craft({ protector: signedBy(ra), header: { transactionID, senderNonce }, body: { type: 'nested', messages: [inner] } })
    }
    const self = await craft({
      body: { type: 'ir', requests: [certRequest(generateSigningKey('P-256'), {}, { popo: { kind: 'raVerified' } })] },
    })
    const { message: refused } = await answerTo(at, await wrap(self))
    expect(refused.body.type === 'ip' && refused.body.responses[0]?.status.status).toBe(2)
    const { message } = await answerTo(at, await wrap(await craft({ header: { pvno: 3 }, protector: bySecret('lamp-1') })))
    expect([message.body.type, message.header.pvno, message.header.protectionAlg?.algorithm]).toEqual(['ip', 3, Oid.pbmac1])
    expect(idevid.certificate.subject).toEqual(nameOf('CN=lamp-1'))
  })

  it('in a batch says nothing of what is inside: each message is checked, and answered, by itself', async () => {
    const ra = raCertificate()
    const at = await site({ ra: { manufacturerAnchors: [manufacturer.root.certificate.bytes], trustedRas: [ra.certificate.bytes] } })
    const [good, other] = [readMessage(await craft()), readMessage(await craft())]
    const forged = assembleMessage({ ...good, bodyBytes: other.bodyBytes })
    const messages = [await craft(), forged, good.bytes, good.bytes]
    const { message } = await answerTo(at, await craft({ protector: signedBy(ra), body: { type: 'nested', messages } }))
    const kinds = message.body.type === 'nested' ? message.body.messages.map((bytes) => readMessage(bytes).body.type) : []
    // The third is good, and its repetition gets the same answer; the forged one touches nobody else’s.
    expect(kinds).toEqual(['ip', 'error', 'ip', 'ip'])
    expect(at.desk.certificates({ limit: 9 })).toHaveLength(2)
  })
})
