// A pledge joins: voucher, trust, CA certificates, certificate, telemetry, over real DTLS (draft-ietf-anima-constrained-voucher §6).
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { Certificate, KeyUsage, nameText } from '#main/services/ra/index.ts'
import { openSite } from '../../ra/harness.ts'
import { signSubordinate } from '../../ra/subordinate.ts'
import { NOW, openHouse } from './house.ts'

const WHOLE = ['seen+', 'connected+', 'admitted+', 'voucher+', 'trusts-us+', 'certificate+', 'enrolled+']

describe('a pledge', () => {
  it('joins from its first flight to its certificate, each step told in order', async () => {
    const house = await openHouse()
    const device = house.device('LW-0001')
    const joined = await house.drive(house.pledge(device).join())
    expect(house.errors).toEqual([])
    expect(house.story()).toEqual(WHOLE)
    expect(house.audits).toEqual([`${toHex(device.certificate.fingerprint())} 1`])
    expect(nameText(joined.certificate.subject)).toBe('CN=lamp LW-0001, serialNumber=LW-0001')
    expect(joined.certificate.isIssuedBy(house.site.ca.active.certificate)).toBe(true)
    expect(joined.certificate.spki).not.toEqual(device.certificate.spki)
    expect(joined.anchors).toEqual([house.site.ca.active.certificate.bytes])
    const record = house.site.store.certificate(toHex(joined.certificate.serial))
    expect(record).toMatchObject({ state: 'valid', profile: 'device', requester: { kind: 'idevid' } })
    const told = house.steps.find(({ step }) => step === 'certificate')
    expect(told).toMatchObject({
      certificateSerial: record?.serial,
      pledge: { serialNumber: 'LW-0001', isKnownMaker: true, proxy: undefined },
    })
    expect(told?.pledge.key).toBe(toHex(device.certificate.fingerprint()))
    expect(house.site.desk.history(record?.serial ?? '').map(({ event }) => event)).toEqual(['issued'])
    expect(house.site.audit.filter(({ action }) => action === 'ra.issued').map(({ actor }) => actor)).toEqual([
      'registrar',
      'CN=lamp LW-0001, serialNumber=LW-0001',
    ])
  })

  it.each([64, 128, 256, 512, 1024])('joins in blocks of %i bytes with all requests it may make', async (blockBytes) => {
    const house = await openHouse({ settings: { binding: 'checked' } })
    const pledge = house.pledge(house.device('LW-0002'), { blockBytes, anchors: 'first', asksAttributes: true, bindsRequest: true })
    await house.drive(pledge.join())
    expect(house.story()).toEqual(['seen+', 'connected+', 'admitted+', 'voucher+', 'trusts-us+', 'anchors+', 'certificate+', 'enrolled+'])
  })

  it('joins through loss, delay, duplicates and reordering', async () => {
    const house = await openHouse({ net: { lossRate: 0.15, delayMs: { min: 5, max: 300 }, duplicateRate: 0.05, reorderRate: 0.05 } })
    await house.drive(house.pledge(house.device('LW-0003'), { blockBytes: 256 }).join())
    expect(house.story().at(-1)).toBe('enrolled+')
  })

  it('joins without a clock of its own (RFC 8995 §2.6.1)', async () => {
    const house = await openHouse()
    const joined = await house.drive(house.pledge(house.device('LW-0004'), { hasClock: false }).join())
    expect(joined.certificate.allows(KeyUsage.digitalSignature)).toBe(true)
  })

  it('renews its certificate; the old one is done with once the new one is used (§6.7.4)', async () => {
    const house = await openHouse()
    const device = house.device('LW-0005')
    const pledge = house.pledge(device)
    const first = await house.drive(pledge.join())
    const second = await house.drive(pledge.renew())
    expect(second.certificate.serial).not.toEqual(first.certificate.serial)
    const old = house.site.store.certificate(toHex(first.certificate.serial))
    expect(old).toMatchObject({ state: 'revoked', reason: 'superseded', replacedBy: toHex(second.certificate.serial) })
    expect(house.story(toHex(device.certificate.fingerprint()))).toEqual([...WHOLE, 'certificate+', 'enrolled+'])
    expect(house.steps.at(-1)?.certificateSerial).toBe(toHex(second.certificate.serial))
  })

  it('goes on after a power cut at any step, and gets one certificate', async () => {
    const house = await openHouse()
    for (let cutAt = 1; cutAt < 14; cutAt++) {
      const device = house.device(`LW-00${cutAt + 50}`)
      let memory: Uint8Array | undefined
      const keeper = { load: () => memory, save: (bytes: Uint8Array) => void (memory = bytes) }
      const power = new AbortController()
      let events = 0
      const pledge = house.pledge(device, {
        keeper,
        onStep: () => {
          if (++events === cutAt) power.abort()
        },
      })
      await house.drive(pledge.join(power.signal)).catch(() => undefined)
      const again = house.pledge(device, { keeper })
      const joined = await house.drive(again.join())
      expect(house.site.store.certificate(toHex(joined.certificate.serial))?.state).toBe('valid')
      expect(house.pledge(device, { keeper }).joined?.certificate.bytes).toEqual(joined.certificate.bytes)
    }
    const issued = house.site.desk.certificates({ limit: 100 }).filter(({ profile }) => profile === 'device')
    // One for each of the thirteen lives: none was asked for twice.
    expect(issued.length).toBe(13)
  })

  it('joins below an authority of the customer: the subordinate is pinned, the whole hierarchy asked for (§6.7.1, §8.2)', async () => {
    const house = await openHouse()
    const customer = await openSite({ clock: house.whole, seed: 40 })
    const request = await house.site.ca.createSubordinate({ subject: 'CN=Site CA 2, O=Blue Quay', algorithm: 'P-256' }, 'anna')
    const root = customer.ca.active.certificate.bytes
    await house.site.ca.installCertificate(signSubordinate(customer, request, NOW), [root], 'anna')
    await house.registrar.refresh()
    const subordinate = house.site.ca.active.certificate
    expect(house.registrar.credential?.chain.slice(1)).toEqual([subordinate.bytes])
    const pledge = house.pledge(house.device('LW-0007'))
    const joined = await house.drive(pledge.join())
    expect(house.story()).toEqual(['seen+', 'connected+', 'admitted+', 'voucher+', 'trusts-us+', 'certificate+', 'anchors+', 'enrolled+'])
    expect(joined.certificate.isIssuedBy(subordinate)).toBe(true)
    expect(joined.anchors).toEqual([subordinate.bytes, root])
    expect(joined.chain).toEqual([subordinate.bytes])
    await house.drive(pledge.renew())
    expect(house.errors).toEqual([])
  })

  it('meets a registrar whose certificate is for that (§6.2)', async () => {
    const house = await openHouse()
    const own = house.registrar.credential?.certificate
    expect(own?.extendedKeyUsage).toEqual(['1.3.6.1.5.5.7.3.28', '1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    expect(own?.isIssuedBy(new Certificate(house.site.ca.active.certificate.bytes))).toBe(true)
  })
})
