// The site's authority as devices see it: support messages, roll-over, and as a subordinate of the customer's root.
import { describe, expect, it } from 'vitest'
import { generateSigningKey, toHex, type SigningAlgorithm } from '#main/base/index.ts'
import type { Enrolled, Protector } from '#main/services/ra/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  bySecret,
  clientOf,
  createManufacturer,
  nameOf,
  openSite,
  SECRET,
  signedBy,
  type Issued,
  type Site,
  type SiteOptions,
} from './harness.ts'
import { signSubordinate } from './subordinate.ts'

const NOW = Date.UTC(2026, 0, 5, 8)
const manufacturer = createManufacturer(NOW)

async function site(options: SiteOptions = {}): Promise<Site & { readonly clock: VirtualClock }> {
  const clock = new VirtualClock(NOW)
  const ra = { manufacturerAnchors: [manufacturer.root.certificate.bytes], ...options.ra }
  return { ...(await openSite({ clock, ...options, ra })), clock }
}

async function enrolled(at: Site, name: string, protector?: Protector, algorithm: SigningAlgorithm = 'P-256'): Promise<Issued & Enrolled> {
  if (protector === undefined) await at.desk.preRegister([{ reference: name, secret: SECRET }], 'test')
  const key = generateSigningKey(algorithm)
  const result = await clientOf(at, protector ?? bySecret(name)).enrol('ir', { key, subject: nameOf(`CN=${name}`) })
  return { ...result, key, chain: [] }
}

describe('support messages', () => {
  it('give the authorities, the CRL, and the new root with its link after a roll-over (RFC 9483 §4.3)', async () => {
    const at = await site()
    const lamp = await enrolled(at, 'lamp-1')
    const client = clientOf(at, signedBy(lamp))
    const [root] = await client.authorityCertificates()
    expect(root?.bytes).toEqual(at.ca.active.certificate.bytes)
    expect(await client.currentCrl()).toEqual(at.ca.crl()?.der)
    expect(await client.rootUpdate(root!)).toBeUndefined()
    await at.ca.rollOver({ algorithm: 'P-384' }, 'installer')
    // It knows the old root alone.
    const anchors = [root!.bytes]
    const updated = await clientOf(at, signedBy(lamp), { anchors }).rootUpdate(root!)
    expect(updated?.root.bytes).toEqual(at.ca.active.certificate.bytes)
    // The old certificate still counts, and is renewed under the new key.
    const renewed = await clientOf(at, signedBy(lamp), { anchors }).enrol('kur', {
      key: generateSigningKey('P-256'),
      subject: lamp.certificate.subject,
    })
    expect(renewed.certificate.isIssuedBy(at.ca.active.certificate)).toBe(true)
    expect(at.ca.describe().map(({ state, algorithm }) => [state, algorithm])).toEqual([
      ['retired', 'P-256'],
      ['active', 'P-384'],
    ])
  })
})

describe('a subordinate authority', () => {
  it('gives its request out, takes its certificate, and issues under the customer’s root', async () => {
    const at = await site({ ca: {} })
    const customer = await openSite({ clock: at.clock, seed: 50 })
    const request = await at.ca.createSubordinate({ subject: 'CN=Site CA 2, O=Blue Quay', algorithm: 'P-256' }, 'installer')
    const der = signSubordinate(customer, request, NOW)
    await at.ca.installCertificate(der, [customer.ca.active.certificate.bytes], 'installer')
    await at.desk.preRegister([{ reference: 'lamp-1', secret: SECRET }], 'test')
    const key = generateSigningKey('P-256')
    const anchors = [customer.ca.active.certificate.bytes]
    const result = await clientOf(at, bySecret('lamp-1'), { anchors }).enrol('ir', { key, subject: nameOf('CN=lamp-1') })
    expect(result.others.map(({ bytes }) => toHex(bytes))).toContain(toHex(der))
    // Signed messages carry what is between signer and root.
    const own = clientOf(at, signedBy({ key, certificate: result.certificate, chain: [der] }), { anchors })
    expect((await own.authorityCertificates()).map(({ bytes }) => toHex(bytes))).toEqual([toHex(der), toHex(anchors[0]!)])
    const wrong = await at.ca.createSubordinate({ subject: 'CN=Site CA 3', algorithm: 'P-256' }, 'installer')
    expect(wrong.length).toBeGreaterThan(100)
    await expect(at.ca.installCertificate(der, anchors, 'installer')).rejects.toMatchObject({ code: 'input.invalid' })
  })
})
