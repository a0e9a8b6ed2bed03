// Whoever may not get in, does not: each refusal has a code, and where the device is known, a step (draft-ietf-anima-constrained-voucher §14, RFC 8995 §11).
import { describe, expect, it } from 'vitest'
import { generateSigningKey, silentLogger, toHex, utf8, utf8ToText, type SocketAddress } from '#main/base/index.ts'
import { EstFormat, readCertificatesOnly, readStatusReport, VOUCHER_COSE, writeStatusReport } from '#main/services/join/index.ts'
import { Certificate, extensionOf, keyIdOf, writeCertificate } from '#main/services/ra/index.ts'
import { CoapEndpoint, ContentFormat, findUint, OptionNumber, ResourceTree } from '#main/wire/coap/index.ts'
import { createDtlsChannel } from '#main/wire/dtls/index.ts'
import { createManufacturer, nameOf, type Issued } from '../../ra/harness.ts'
import { csrOf, issuedToDevices, random, requestOf, RV, SEN, visit } from './visit.ts'
import { certificateOf, COAPS, NOW, openHouse, stranger, type House, type HouseOptions } from './house.ts'

async function handshakeFailure(house: House, who: Partial<Issued> & { readonly chain?: readonly Uint8Array[] }): Promise<unknown> {
  const credential =
    who.certificate === undefined || who.key === undefined
      ? {}
      : certificateOf({ key: who.key, certificate: who.certificate, chain: who.chain ?? [] })
  const client = house.client(credential)
  try {
    await house.drive(client.request(COAPS, { method: 'GET', path: ['est', 'crts'] }))
  } catch (thrown) {
    return thrown
  }
  return undefined
}

const open = (options: HouseOptions = {}): Promise<House> => openHouse(options)

describe('at the door', () => {
  it('nobody without a certificate comes in', async () => {
    const house = await open()
    expect(await handshakeFailure(house, {})).toMatchObject({ code: 'dtls.refused' })
    expect(house.steps).toEqual([])
  })

  it('nobody comes in without DTLS: the resources ask for it even where the tree is served in clear (4.01)', async () => {
    const house = await open()
    const at: SocketAddress = { address: '2001:db8::2', port: 5683 }
    const ports = { clock: house.whole, random, logger: silentLogger }
    const inClear = new CoapEndpoint({ ...ports, channel: house.net.channel(at), tree: house.tree })
    const client = new CoapEndpoint({ ...ports, channel: house.net.channel({ address: '2001:db8::3', port: 0 }) })
    for (const path of [RV, SEN, ['b', 'vs'], ['b', 'es']])
      expect((await house.drive(client.request(at, { method: 'POST', path }))).code).toBe('4.01')
    expect((await house.drive(client.request(at, { method: 'GET', path: ['est', 'crts'] }))).code).toBe('4.01')
    inClear.close()
    client.close()
  })

  it('a certificate that says to be of this site but is not in its books is turned away', async () => {
    const house = await open()
    const key = generateSigningKey('P-256')
    const { active } = house.site.ca
    const forged = (issuerKey = active.key): Issued => ({
      key,
      chain: [],
      certificate: new Certificate(
        writeCertificate(
          {
            serial: Uint8Array.of(1, 2, 3, 4),
            issuer: active.certificate.subject,
            subject: nameOf('CN=lamp, serialNumber=LW-1'),
            notBefore: NOW - 1000,
            notAfter: NOW + 1e9,
            spki: key.spki,
            extensions: [extensionOf.keyUsage([0]), extensionOf.authorityKeyId(keyIdOf(active.certificate.spki))],
          },
          issuerKey,
        ),
      ),
    })
    expect(await handshakeFailure(house, forged())).toMatchObject({ code: 'dtls.refused', details: { alert: 'unknown_ca' } })
    expect(house.story()).toEqual(['connected- join.certificate-refused'])
    // With another key under our name: one of an unknown maker, whom the gate denies.
    const other = visit(house, forged(key))
    expect((await other.get(['est', 'crts'])).code).toBe('4.03')
  })

  it('expired birth certificates, certificates of authorities and foreign chains are turned away with the fitting alert', async () => {
    const house = await open({ settings: { allowsUnknownMakers: false } })
    const old = createManufacturer(NOW - 30 * 365 * 86_400_000, 'Lumen Works')
    expect(await handshakeFailure(house, old.device('CN=x, serialNumber=1'))).toMatchObject({ details: { alert: 'certificate_expired' } })
    expect(await handshakeFailure(house, stranger.device('CN=x, serialNumber=2'))).toMatchObject({ details: { alert: 'unknown_ca' } })
    const known = house.device('LW-9')
    const signing: Issued = { ...known, chain: [...stranger.device('CN=y').chain] }
    // Its issuer does not come along, somebody else's does.
    expect(await handshakeFailure(house, signing)).toMatchObject({ details: { alert: 'unknown_ca' } })
    expect(house.story().every((step) => step === 'connected- join.certificate-refused')).toBe(true)
  })

  it('a device of an unknown maker may connect, so that somebody can admit it; until then it gets nothing', async () => {
    const house = await open()
    const device = stranger.device('CN=odd, serialNumber=ODD-1')
    const guest = visit(house, device)
    expect((await guest.post(RV, requestOf(house, device), VOUCHER_COSE)).code).toBe('4.03')
    expect((await guest.get(['est', 'crts'])).code).toBe('4.03')
    expect((await guest.post(SEN, csrOf(device), EstFormat.PKCS10)).code).toBe('4.03')
    expect(house.story()).toEqual(['seen+', 'connected+', 'admitted- join.maker-unknown'])
    house.gate.verdict = () => ({ kind: 'admit' })
    expect((await guest.post(SEN, csrOf(device), EstFormat.PKCS10)).code).toBe('2.04')
    expect(house.steps.at(-1)?.pledge.isKnownMaker).toBe(false)
  })

  it('a revoked member is turned away at the door, and within a session that stands', async () => {
    const house = await open()
    const pledge = house.pledge(house.device('LW-2'))
    const { certificate, key } = await house.drive(pledge.join())
    const member: Issued = { certificate, key, chain: [] }
    const inside = visit(house, member)
    expect((await inside.get(['est', 'crts'])).code).toBe('2.05')
    house.site.desk.revoke(toHex(certificate.serial), 'keyCompromise', 'anna')
    expect((await inside.get(['est', 'crts'])).code).toBe('4.01')
    expect((await inside.post(['est', 'sren'], csrOf(member), EstFormat.PKCS10)).code).toBe('4.01')
    expect(await handshakeFailure(house, member)).toMatchObject({ details: { alert: 'certificate_revoked' } })
    expect(house.story().at(-1)).toBe('connected- join.certificate-revoked')
  })
})

describe('a pledge', () => {
  it('does not fall for a registrar of somebody else, nor for a voucher of another request', async () => {
    const house = await open()
    const device = house.device('LW-1')
    const request = requestOf(house, device)
    const { payload: old } = await visit(house, device).post(RV, request, VOUCHER_COSE)
    // Somebody with a certificate of his own in the registrar's place, who has got hold of a voucher.
    const thief = stranger.device('CN=Registrar, serialNumber=T', [], 'P-256', ['1.3.6.1.5.5.7.3.28', '1.3.6.1.5.5.7.3.1'])
    const at: SocketAddress = { address: '2001:db8::66', port: 5684 }
    const told: Array<boolean | undefined> = []
    const den = createDtlsChannel({
      clock: house.whole,
      random,
      logger: silentLogger,
      channel: house.net.channel(at),
      server: {
        credential: { kind: 'certificate', key: thief.key, chain: [thief.certificate.bytes, ...thief.chain] },
        clientCertificates: 'required',
        verifyPeer: () => ({ ok: true }),
      },
    })
    const tree = new ResourceTree()
    tree.add('/.well-known/brski/rv', { handlers: { POST: () => ({ code: '2.04', payload: old, contentFormat: VOUCHER_COSE }) } })
    tree.add('/.well-known/brski/vs', {
      handlers: {
        POST: ({ payload, contentFormat }) => {
          told.push(readStatusReport(contentFormat, payload)?.status)
          return { code: '2.04' }
        },
      },
    })
    const endpoint = new CoapEndpoint({ clock: house.whole, random, logger: silentLogger, channel: den, tree })
    const failure = await house.drive(house.pledge(device, { to: at }).join()).catch((thrown: unknown) => thrown)
    expect(failure).toMatchObject({ code: 'voucher.wrong-nonce' })
    expect(told).toEqual([false])
    endpoint.close()
  })

  it('that has refused our voucher gets no certificate until it asks for another', async () => {
    const house = await open()
    const device = house.device('LW-1')
    const guest = visit(house, device)
    await guest.post(RV, requestOf(house, device), VOUCHER_COSE)
    expect((await guest.post(['b', 'vs'], writeStatusReport(false, 'not mine'), ContentFormat.CBOR)).code).toBe('2.04')
    expect(house.steps.at(-1)).toMatchObject({ step: 'trusts-us', outcome: 'failed', code: 'join.voucher-rejected', detail: 'not mine' })
    expect((await guest.post(SEN, csrOf(device), EstFormat.PKCS10)).code).toBe('4.03')
    await guest.post(RV, requestOf(house, device), VOUCHER_COSE)
    expect((await guest.post(SEN, csrOf(device), EstFormat.PKCS10)).code).toBe('2.04')
  })

  it('gets no certificate before it is admitted, nor under a name of another', async () => {
    const house = await open()
    const device = house.device('LW-1')
    const other = house.device('LW-2')
    house.gate.verdict = () => ({ kind: 'wait', code: 'join.window-closed', retryAfterS: 20 })
    const guest = visit(house, device)
    const early = await guest.post(SEN, csrOf(device), EstFormat.PKCS10)
    expect([early.code, findUint(early.options, OptionNumber.MAX_AGE)]).toEqual(['5.03', 20])
    house.gate.verdict = () => ({ kind: 'deny', code: 'join.denied' })
    expect((await guest.post(SEN, csrOf(device), EstFormat.PKCS10)).code).toBe('4.03')
    house.gate.verdict = () => ({ kind: 'admit' })
    // The request of another device, as it was recorded.
    const recorded = csrOf(other)
    await visit(house, other).post(SEN, recorded, EstFormat.PKCS10)
    const stolen = await guest.post(SEN, recorded, EstFormat.PKCS10)
    expect([stolen.code, utf8ToText(stolen.payload)]).toEqual(['4.03', 'The name lamp LW-2 does not belong to the requester'])
    expect(issuedToDevices(house)).toEqual(['CN=lamp LW-2, serialNumber=LW-2'])
    expect(house.story(toHex(device.certificate.fingerprint()))).toEqual([
      'seen+',
      'connected+',
      'admitted? join.window-closed',
      'admitted- join.denied',
      'admitted+',
      'certificate- join.enrolment-refused',
    ])
  })

  it('that does not take its certificate has it taken back (RFC 8995 §5.9.4)', async () => {
    const house = await open()
    const device = house.device('LW-1')
    const guest = visit(house, device)
    const { payload } = await guest.post(SEN, csrOf(device), EstFormat.PKCS10)
    const [certificate] = readCertificatesOnly(payload)
    const report = utf8('{"version":1,"status":false,"reason":"clock\\u0007 is wrong","reason-context":{"x":1}}')
    expect((await guest.post(['b', 'es'], report, ContentFormat.JSON)).code).toBe('2.04')
    const serial = toHex(certificate!.serial)
    expect(house.site.store.certificate(serial)).toMatchObject({ state: 'revoked', reason: 'cessationOfOperation' })
    expect(house.steps.at(-1)).toMatchObject({ step: 'enrolled', outcome: 'failed', certificateSerial: serial, detail: 'clock is wrong' })
    // Twice changes nothing.
    expect((await guest.post(['b', 'es'], report, ContentFormat.JSON)).code).toBe('2.04')
  })

  it('cannot flood: its requests are counted, and reports that are none are refused', async () => {
    const house = await open({ settings: { rates: { burst: 20, perMinute: 20 } } })
    const device = house.device('LW-1')
    const guest = visit(house, device)
    for (const [payload, format, code] of [
      [utf8('{'), ContentFormat.JSON, '4.00'],
      [utf8('[]'), ContentFormat.JSON, '4.00'],
      [Uint8Array.of(0xa0), ContentFormat.CBOR, '4.00'],
      [writeStatusReport(true), 42, '4.15'],
    ] as const)
      expect((await guest.post(['b', 'vs'], payload, format)).code).toBe(code)
    const codes: string[] = []
    for (let times = 0; times < 40; times++) codes.push((await guest.post(SEN, utf8('junk'), EstFormat.PKCS10)).code)
    expect(codes[0]).toBe('4.00')
    expect(codes.at(-1)).toBe('4.29')
    // Others do not suffer.
    const other = house.device('LW-2')
    expect((await visit(house, other).post(SEN, csrOf(other), EstFormat.PKCS10)).code).toBe('2.04')
    // Nor does the timeline.
    expect(house.story(toHex(device.certificate.fingerprint())).length).toBeLessThan(10)
  })
})
