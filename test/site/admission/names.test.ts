// What a manufacturer's certificate says of its device (RFC 8995 §2.3.1, RFC 4108 §5, RFC 9039 §4.1).
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toHex, utf8 } from '#main/base/index.ts'
import { namesOf, nameKey } from '#main/site/admission/names.ts'
import { ACTOR, admissionSite, device, join, pledgeOf } from './site.ts'
import { createManufacturer } from '../../services/ra/harness.ts'
import type { GeneralName } from '#main/services/ra/index.ts'

const maker = createManufacturer(Date.UTC(2026, 0, 5))
const certificate = (subject: string, altNames: readonly GeneralName[] = []): readonly Uint8Array[] => [
  maker.device(subject, altNames).certificate.bytes,
]

describe('names of a pledge', () => {
  test('are the serial number of the subject and the EUI-64 of its device URN', () => {
    const chain = certificate('serialNumber=SN-1', [{ kind: 'uri', value: 'urn:dev:mac:0024befffe804ff1' }])
    expect(namesOf({ serialNumber: 'SN-1', chain })).toMatchObject({
      serialNumber: 'SN-1',
      eui64: '0024befffe804ff1',
      serialKeys: ['sn-1'],
      eui64s: ['0024befffe804ff1'],
    })
  })

  test('are the hardware serial as octets and as text', () => {
    const serial = toHex(utf8('LAMP-0815'))
    const chain = certificate('CN=Lamp', [{ kind: 'hardware', type: '1.3.6.1.4.1.99999.1', serial }])
    expect(namesOf({ serialNumber: undefined, chain })).toMatchObject({ serialNumber: 'LAMP-0815', serialKeys: ['lamp-0815', serial] })
    const eui64 = certificate('CN=Lamp', [{ kind: 'hardware', type: '1.3.6.1.4.1.99999.1', serial: '0024befffe804ff1' }])
    expect(namesOf({ serialNumber: undefined, chain: eui64 })).toMatchObject({ eui64: '0024befffe804ff1' })
  })

  test('a hardware serial of eight octets meets the EUI-64 of the device list', () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, eui64: '00-24-BE-FF-FE-80-4F-F1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const chain = certificate('CN=Lamp', [{ kind: 'hardware', type: '1.3.6.1.4.1.99999.1', serial: '0024befffe804ff1' }])
    expect(join(site, pledgeOf('x', { serialNumber: undefined, chain }))).toBe('joined')
    expect(site.inventory.get(id)?.state).toBe('enrolled')
  })

  test('an EUI-64 that contradicts the list is told with both', () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1', eui64: '0024befffe800000' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const chain = certificate('serialNumber=SN-1', [{ kind: 'uri', value: 'urn:dev:mac:0024befffe804ff1' }])
    const pledge = pledgeOf('SN-1', { chain })
    expect(join(site, pledge)).toBe('join.identity-conflict')
    expect(site.admission.pledge(pledge.key).match).toMatchObject({
      verdict: 'name-differs',
      differences: [{ field: 'eui64', listed: '0024befffe800000', said: '0024befffe804ff1' }],
    })
  })

  test('separators of hexadecimal serial numbers do not tell devices apart, those of others do', () => {
    expect(nameKey('00:FA:10:01:04:00')).toBe(nameKey('00fa10010400'))
    expect(nameKey('AB-12')).not.toBe(nameKey('AB12'))
  })

  test('anything may stand in a certificate’s place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.option(fc.string({ maxLength: 300 }), { nil: undefined }), (bytes, serialNumber) => {
        const { serialKeys } = namesOf({ serialNumber, chain: [bytes] })
        for (const key of serialKeys) expect(key.length).toBeLessThanOrEqual(128)
      }),
    )
  })
})
