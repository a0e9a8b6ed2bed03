// Several manufacturers: each numbers its devices as it likes, so no maker's device takes what is reserved for another's. And refusals of requests that
// EST carries are told the audit in bounds, as those of CMP are.
import { describe, expect, it } from 'vitest'
import { generateSigningKey, toHex } from '#main/base/index.ts'
import { enrolCarried, normaliseIdentity, plainIdentity, scopedIdentity, type CarriedRequest } from '#main/services/ra/index.ts'
import { writeCertificationRequest } from '../../../src-main/services/ra/x509/write.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { clientOf, createManufacturer, nameOf, openSite, signedBy, type Issued, type Manufacturer, type Site } from './harness.ts'

const NOW = Date.UTC(2026, 0, 5, 8)
const lumen = createManufacturer(NOW, 'Lumen Works')
const nordic = createManufacturer(NOW, 'Nordic Switches')

function fingerprintOf({ root }: Pick<Manufacturer, 'root'>): string {
  return toHex(root.certificate.fingerprint())
}

async function siteOf(
  reservations: ReadonlyArray<{ readonly reference: string; readonly identities: readonly string[] }>,
  makers: readonly Manufacturer[] = [lumen, nordic],
  anchors = makers.map(({ root }) => root.certificate.bytes),
): Promise<Site> {
  const site = await openSite({ clock: new VirtualClock(NOW), ra: { manufacturerAnchors: anchors } })
  await site.desk.preRegister(
    reservations.map((entry) => ({ ...entry, deviceId: entry.reference, names: [`lamp of ${entry.reference}`] })),
    'test',
  )
  return site
}

/** Resolves with the certificate’s serial number, or with what its request waits for. */
async function ask(site: Site, device: Issued, subject = 'CN=17'): Promise<string> {
  const stop = new AbortController()
  const client = clientOf(site, signedBy(device))
  const key = generateSigningKey('P-256')
  const waiting = new Promise<string>((resolve) => {
    client
      .enrol('ir', { key, subject: nameOf(subject), implicitConfirm: true, onWaiting: () => resolve('waits') }, stop.signal)
      .then(({ certificate }) => resolve(toHex(certificate.serial)))
      .catch((thrown: unknown) => resolve((thrown as Error).message))
  })
  const outcome = await waiting
  stop.abort()
  return outcome
}

const deviceOf = (maker: Manufacturer, serial: string): Issued => maker.device(`serialNumber=${serial}, CN=17`)

describe('a reservation', () => {
  it('of one maker’s number is nobody’s but that maker’s device', async () => {
    const site = await siteOf([
      { reference: 'hall', identities: [scopedIdentity(fingerprintOf(lumen), '4711')] },
      { reference: 'attic', identities: [scopedIdentity(fingerprintOf(nordic), '4711')] },
    ])
    expect(await ask(site, deviceOf(nordic, '4711'))).not.toBe('waits')
    expect(await ask(site, deviceOf(lumen, '4711'))).not.toBe('waits')
    expect(site.desk.certificates({ limit: 9 }).map(({ deviceId, requester }) => [deviceId, requester.maker])).toEqual([
      ['hall', 'O=Lumen Works, CN=Lumen Works Root'],
      ['attic', 'O=Nordic Switches, CN=Nordic Switches Root'],
    ])
  })

  it('of one maker’s number is none for another’s device: it waits as one that is not listed', async () => {
    const site = await siteOf([{ reference: 'hall', identities: [scopedIdentity(fingerprintOf(lumen), '4711')] }])
    expect(await ask(site, deviceOf(nordic, '4711'))).toBe('waits')
    expect(site.desk.pending()).toMatchObject([{ listed: false, reference: undefined, isUncertain: false }])
  })

  it('does not hand out its names to another maker’s device', async () => {
    const site = await siteOf([{ reference: 'hall', identities: [scopedIdentity(fingerprintOf(lumen), '4711')] }])
    expect(await ask(site, deviceOf(nordic, '4711'), 'CN=lamp of hall')).toContain('notAuthorized')
    expect(await ask(site, deviceOf(lumen, '4711'), 'CN=lamp of hall')).toMatch(/^[0-9a-f]+$/)
  })

  it('that does not say whose number it is lets somebody decide where several makers are trusted; who was let in is known from then on', async () => {
    const site = await siteOf([{ reference: 'hall', identities: ['4711'] }])
    const theirs = deviceOf(nordic, '4711')
    const ours = deviceOf(lumen, '4711')
    expect(await ask(site, theirs)).toBe('waits')
    expect(await ask(site, ours)).toBe('waits')
    const pending = site.desk.pending()
    expect(pending.map(({ isUncertain, reference }) => [isUncertain, reference])).toEqual([
      [true, 'hall'],
      [true, 'hall'],
    ])
    const chosen = pending.find(({ requester }) => requester.maker?.includes('Lumen'))
    expect(await site.desk.approve([chosen?.id ?? ''], 'Ada')).toMatchObject([{ ok: true }])
    expect(await ask(site, ours)).toMatch(/^[0-9a-f]+$/)
    expect(await ask(site, theirs)).toBe('waits')
  })

  it('by the certificate itself is certain, whoever made it', async () => {
    const device = deviceOf(nordic, '4711')
    const site = await siteOf([{ reference: 'hall', identities: [toHex(device.certificate.fingerprint())] }])
    expect(await ask(site, device)).toMatch(/^[0-9a-f]+$/)
  })

  it.each([
    ['one maker', [lumen.root.certificate.bytes]],
    ['one maker by its root and its issuing authority', [lumen.root.certificate.bytes, lumen.issuing.certificate.bytes]],
  ])('needs no maker where only %s is trusted', async (_, anchors) => {
    const site = await siteOf([{ reference: 'hall', identities: ['4711'] }], [lumen], anchors)
    expect(await ask(site, deviceOf(lumen, '4711'))).toMatch(/^[0-9a-f]+$/)
  })

  it('of a maker counts for paths that end at its issuing authority, where that is trusted too', async () => {
    const anchors = [lumen.issuing.certificate.bytes, lumen.root.certificate.bytes, nordic.root.certificate.bytes]
    const site = await siteOf([{ reference: 'hall', identities: [scopedIdentity(fingerprintOf(lumen), '4711')] }], [lumen], anchors)
    expect(await ask(site, deviceOf(lumen, '4711'))).toMatch(/^[0-9a-f]+$/)
  })
})

it('a number with its maker is read as it is typed, and shown without', () => {
  const maker = fingerprintOf(lumen)
  expect(normaliseIdentity(` ${maker.toUpperCase()}/00:24:BE:FF:FE:80:4F:F1`)).toBe(`${maker}/0024befffe804ff1`)
  expect(plainIdentity(`${maker}/a/b`)).toBe('a/b')
  expect(plainIdentity('a/b')).toBe('a/b')
})

it('refusals of requests that EST carries fill no disk: of a flood the audit keeps how many there were', async () => {
  const site = await siteOf([])
  const stranger = createManufacturer(NOW, 'Nobody').device('serialNumber=1, CN=1')
  const key = generateSigningKey('P-256')
  const carried: CarriedRequest = {
    chain: [stranger.certificate.bytes, ...stranger.chain],
    request: writeCertificationRequest({ subject: nameOf('CN=1'), extensions: [] }, key),
    source: 'test',
    renews: false,
    admitted: false,
  }
  for (let index = 0; index < 500; index++) expect(await enrolCarried(site.authority, carried)).toMatchObject({ kind: 'refused' })
  const refused = site.audit.filter(({ action }) => action === 'ra.refused')
  expect(refused.length).toBeGreaterThan(10)
  expect(refused.length).toBeLessThan(260)
})
