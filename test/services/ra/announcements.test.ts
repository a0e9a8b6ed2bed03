// Announcements over Observe (RFC 9482 §2.6): all four kinds, signed, with registrations that are renewed and lists that are full.
import { describe, expect, it } from 'vitest'
import { toHex } from '#main/base/index.ts'
import { observeAnnouncements, readCrl, type Announcement } from '#main/services/ra/index.ts'
import { drive, expectLamp, manufacturer, network, pass, ROOT, SERVER, wish } from './network.ts'

describe('announcements (RFC 9482 §2.6)', () => {
  it('of all four kinds reach who observes, signed, also on the path of a profile', async () => {
    const { at, clock, node, client, announcer } = await network()
    await expectLamp(at)
    const { certificate } = await drive(clock, client(node(), {}).enrol('ir', wish()))
    const root = at.ca.active.certificate.bytes
    const heard: Announcement[] = []
    const problems: unknown[] = []
    const stop = observeAnnouncements({
      client: node(),
      to: SERVER,
      profile: 'device',
      clock,
      anchors: [root],
      onAnnouncement: (one) => heard.push(one),
      onProblem: (problem) => problems.push(problem),
    })
    await pass(clock, 10_000)
    at.desk.revoke(toHex(certificate.serial), 'keyCompromise', 'installer')
    await pass(clock, 30_000)
    announcer.announceCertificate(at.ca.active.signer.certificate.bytes)
    await pass(clock, 10_000)
    expect(heard.map(({ type }) => type)).toEqual(['crlann', 'rann', 'crlann', 'cann'])
    const crl = heard[2]
    expect(crl?.type === 'crlann' && readCrl(crl.crls[0]!).revoked).toHaveLength(1)
    const revocation = heard[1]
    expect(revocation?.type === 'rann' && revocation.announcement.certId.serialNumber).toEqual(certificate.serial)
    expect(problems).toEqual([])
    stop()
  })

  it('of a new authority key are believed by who knows the old root alone (RFC 9810 §4.4)', async () => {
    const { at, clock, node } = await network()
    const old = at.ca.active.certificate
    const heard: Announcement[] = []
    const problems: unknown[] = []
    await at.ca.rollOver({ algorithm: 'P-256' }, 'installer')
    const anchors = [old.bytes]
    const stop = observeAnnouncements({
      client: node(),
      to: SERVER,
      clock,
      anchors,
      onAnnouncement: (one) => heard.push(one),
      onProblem: (problem) => problems.push(problem),
    })
    await pass(clock, 60_000)
    expect(heard.map(({ type }) => type)).toEqual(expect.arrayContaining(['ckuann', 'cann']))
    expect(problems).toEqual([])
    stop()
  })

  it('that nobody trusted has signed are not believed', async () => {
    const { clock, node } = await network()
    const heard: Announcement[] = []
    const problems: unknown[] = []
    const stop = observeAnnouncements({
      client: node(),
      to: SERVER,
      clock,
      anchors: [manufacturer.root.certificate.bytes],
      onAnnouncement: (one) => heard.push(one),
      onProblem: (problem) => problems.push(problem),
    })
    await pass(clock, 10_000)
    expect(heard).toEqual([])
    expect(problems).toHaveLength(1)
    stop()
  })

  it('are answered without Observe where the list is full, and the client registers again later', async () => {
    const { at, clock, node, endpoint } = await network({ parameters: { maxObservers: 3 } })
    const stops = Array.from({ length: 10 }, () =>
      observeAnnouncements({
        client: node(),
        to: SERVER,
        clock,
        anchors: [at.ca.active.certificate.bytes],
        renewS: 100_000,
        onAnnouncement: () => undefined,
      }),
    )
    await pass(clock, 20_000)
    expect(endpoint.holdings().observers).toBe(3)
    for (const stop of stops.slice(0, 5)) stop()
    at.ca.refreshCrl()
    await pass(clock, 3_600_000)
    expect(endpoint.holdings().observers).toBeGreaterThan(0)
    for (const stop of stops) stop()
  })

  it('are renewed by the client once in a while (§2.6)', async () => {
    const { at, clock, node, trace } = await network()
    const stop = observeAnnouncements({
      client: node(),
      to: SERVER,
      clock,
      anchors: [at.ca.active.certificate.bytes],
      renewS: 600,
      onAnnouncement: () => undefined,
    })
    await pass(clock, 2500_000)
    const registrations = trace.filter(({ direction, message }) => direction === 'received' && message?.code === '0.01')
    expect(registrations.length).toBeGreaterThanOrEqual(4)
    stop()
  })

  it('in other formats are not there', async () => {
    const { clock, node } = await network()
    const response = await drive(clock, node().request(SERVER, { method: 'GET', path: [...ROOT, 'ann'], accept: 50 }))
    expect(response.code).toBe('4.06')
  })
})
