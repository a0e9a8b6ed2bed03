// Who is let in: policy, lists, decisions, and what a device whose names do not fit is told (RFC 8995 §5.2).
import { describe, expect, test } from 'vitest'
import { ACTOR, admissionSite, device, join, pledgeOf, rowOf, stepOf } from './site.ts'

const HOUR_MS = 3_600_000

describe('listed devices', () => {
  test('wait while the window is closed, and are let in by it; the device list follows them', async () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'SN-1' })
    const pledge = pledgeOf('sn-1')
    expect(site.admission.gate.admits(pledge)).toEqual({ kind: 'wait', code: 'join.window-closed', retryAfterS: 60 })
    expect(await rowOf(site, pledge)).toMatchObject({
      state: 'waiting',
      listed: 'device',
      deviceId: id,
      code: 'join.window-closed',
      actions: ['open-window', 'admit'],
    })
    site.admission.open({ minutes: 5 }, ACTOR)
    // It has not asked again: it is told what it will be told.
    expect(await rowOf(site, pledge)).toMatchObject({ state: 'waiting', code: null, actions: ['wait'] })
    expect(site.admission.gate.admits(pledge)).toEqual({ kind: 'admit' })
    expect(site.inventory.get(id)).toMatchObject({ state: 'joining', stateSource: 'admission' })
    expect(join(site, pledge)).toBe('joined')
    expect(site.inventory.get(id)).toMatchObject({ state: 'enrolled' })
    expect(await rowOf(site, pledge)).toMatchObject({
      state: 'enrolled',
      decision: 'by-list',
      step: 'enrolled',
      outcome: 'done',
      code: null,
    })
    await site.clock.advance(1000)
    expect(site.audit.at(-1)).toEqual({ actor: 'allow list', action: 'admission.let-in', details: { pledges: ['sn-1'], count: 1 } })
    expect(site.admission.feed.get('admission')?.counts).toMatchObject({ listed: 1, missing: 0, enrolled: 1, waiting: 0 })
  })

  test('who was let in may finish after the window has closed, but not come back for ever', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 1 }, ACTOR)
    expect(site.admission.gate.admits(pledgeOf('SN-1')).kind).toBe('admit')
    await site.clock.advance(120_000)
    expect(site.admission.gate.admits(pledgeOf('SN-1')).kind).toBe('admit')
    await site.clock.advance(HOUR_MS)
    expect(site.admission.gate.admits(pledgeOf('SN-1'))).toMatchObject({ kind: 'wait', code: 'join.window-closed' })
  })

  test('are also those that were heard before a person’s list named them, under the names of the list alone', async () => {
    const site = admissionSite()
    const heard = site.inventory.create({ ...device, name: 'heard' })
    site.inventory.setState(heard, 'seen', { source: 'discovery', event: 'heard-first' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const pledge = pledgeOf('SN-1')
    expect(join(site, pledge)).toBe('join.awaits-decision')
    site.admission.expect([{ deviceId: heard, serial: 'SN-1', eui64: null }])
    expect(await rowOf(site, pledge)).toMatchObject({ listed: 'device', deviceId: heard })
    expect(join(site.reopen(), pledge)).toBe('joined')
    expect(site.store.listed()).toEqual([{ deviceId: heard, serial: 'SN-1', eui64: null }])
  })

  test('under “ask” they wait for a person', () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.setPolicy({ mode: 'ask' }, ACTOR)
    site.admission.open({ minutes: 5 }, ACTOR)
    const pledge = pledgeOf('SN-1')
    expect(join(site, pledge)).toBe('join.awaits-decision')
    expect(site.admission.admit({ keys: [pledge.key], unknownMakers: false }, ACTOR)).toEqual([{ key: pledge.key, ok: true, code: null }])
    expect(join(site, pledge)).toBe('joined')
  })

  test('under “closed” nobody is let in, admitted or not', () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    const pledge = pledgeOf('SN-1')
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(site.admission.gate.admits(pledge).kind).toBe('admit')
    site.admission.setPolicy({ mode: 'closed' }, ACTOR)
    expect(site.admission.gate.admits(pledge)).toEqual({ kind: 'deny', code: 'join.site-closed' })
  })

  test('what a device says of itself over the network does not put it on the list', () => {
    const site = admissionSite()
    site.inventory.heard({
      source: 'discovery',
      at: { address: 'fd00::9', port: 5683 },
      channelId: 'test',
      endpointName: null,
      identity: { eui64: '020000fffe000009', serial: 'SN-9', model: undefined, type: 'luminaire' },
      profileId: null,
      links: undefined,
      failure: undefined,
    })
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(join(site, pledgeOf('SN-9'))).toBe('join.awaits-decision')
  })

  test('a device stays expected by the names it was planned with after it was heard, also after a restart', () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, eui64: '020000fffe000009' })
    site.inventory.setState(id, 'seen', { source: 'discovery', event: 'heard-first' })
    const again = site.reopen('crashed')
    again.admission.open({ minutes: 5 }, ACTOR)
    expect(join(again, pledgeOf('02-00-00-FF-FE-00-00-09'))).toBe('joined')
  })

  test('a removed device is expected no longer', async () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    site.inventory.remove([id])
    expect(join(site, pledgeOf('SN-1'))).toBe('join.awaits-decision')
    await site.clock.advance(100)
    expect(site.admission.feed.get('admission')?.counts.listed).toBe(0)
  })
})

describe('unlisted devices', () => {
  test('wait for a person, who lets in many at once; each gets a row in the device list', () => {
    const site = admissionSite()
    const pledges = ['A-1', 'A-2', 'A-3'].map((serial) => pledgeOf(serial))
    for (const pledge of pledges) expect(join(site, pledge)).toBe('join.awaits-decision')
    const told: string[][] = []
    site.admission.onDecision((keys) => told.push([...keys]))
    const keys = pledges.map(({ key }) => key)
    const unknown = 'f'.repeat(64)
    expect(site.admission.admit({ keys: [...keys, unknown], unknownMakers: false }, ACTOR).map(({ ok, code }) => [ok, code])).toEqual([
      [true, null],
      [true, null],
      [true, null],
      [false, 'join.pledge-unknown'],
    ])
    expect(told).toEqual([keys])
    for (const pledge of pledges) expect(join(site, pledge)).toBe('joined')
    expect(site.inventory.all().map(({ serial, state, stateSource }) => [serial, state, stateSource])).toEqual([
      ['A-1', 'enrolled', 'admission'],
      ['A-2', 'enrolled', 'admission'],
      ['A-3', 'enrolled', 'admission'],
    ])
  })

  test('are refused where the policy lets nobody wait', () => {
    const site = admissionSite()
    site.admission.setPolicy({ unlistedMayWait: false }, ACTOR)
    expect(join(site, pledgeOf('A-1'))).toBe('join.not-listed')
  })

  test('a person’s word holds for a day, across restarts', async () => {
    const site = admissionSite()
    const pledge = pledgeOf('A-1')
    join(site, pledge)
    site.admission.admit({ keys: [pledge.key], unknownMakers: false }, ACTOR)
    const again = site.reopen('crashed')
    expect(again.admission.gate.admits(pledge).kind).toBe('admit')
    await again.clock.advance(25 * HOUR_MS)
    expect(again.admission.gate.admits(pledge)).toMatchObject({ kind: 'wait', code: 'join.awaits-decision' })
  })
})

describe('devices of unknown manufacturers', () => {
  const stranger = pledgeOf('SN-1', { isKnownMaker: false, key: 'e'.repeat(64) })

  test('are not let in by a list: anybody may claim a serial number', async () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(join(site, stranger)).toBe('join.maker-unknown')
    expect(await rowOf(site, stranger)).toMatchObject({ makerKnown: false, actions: ['import-maker', 'admit', 'deny'] })
    expect(site.inventory.get(id)?.state).toBe('expected')
  })

  test('are let in by a person who knows that, and only that one certificate', () => {
    const site = admissionSite()
    join(site, stranger)
    expect(site.admission.admit({ keys: [stranger.key], unknownMakers: false }, ACTOR)[0]).toMatchObject({ code: 'join.maker-unknown' })
    expect(site.admission.admit({ keys: [stranger.key], unknownMakers: true }, ACTOR)[0]).toMatchObject({ ok: true })
    expect(join(site, stranger)).toBe('joined')
    expect(join(site, { ...stranger, key: 'd'.repeat(64) })).toBe('join.maker-unknown')
  })

  test('are known as soon as their manufacturer is', () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(join(site, stranger)).toBe('join.maker-unknown')
    expect(join(site, { ...stranger, isKnownMaker: true })).toBe('joined')
  })

  test('a certificate that was admitted while its maker was known is not admitted when it is not any more', () => {
    const site = admissionSite()
    const pledge = pledgeOf('A-1')
    join(site, pledge)
    site.admission.admit({ keys: [pledge.key], unknownMakers: false }, ACTOR)
    expect(join(site, { ...pledge, isKnownMaker: false })).toBe('join.maker-unknown')
  })
})

describe('names that do not fit', () => {
  const eui64 = '020000fffe000001'

  test('a serial number of one device and the EUI-64 of another', () => {
    const site = admissionSite()
    const a = site.inventory.create({ ...device, name: 'A', serial: '020000fffe000001' })
    const b = site.inventory.create({ ...device, name: 'B', eui64 })
    site.admission.open({ minutes: 5 }, ACTOR)
    const pledge = pledgeOf(eui64)
    expect(join(site, pledge)).toBe('join.identity-conflict')
    const { verdict, deviceIds } = site.admission.pledge(pledge.key).match
    expect([verdict, new Set(deviceIds)]).toEqual(['names-two-devices', new Set([a, b])])
    expect(site.admission.admit({ keys: [pledge.key], unknownMakers: false }, ACTOR)[0]).toMatchObject({
      ok: false,
      code: 'join.identity-conflict',
    })
    // Somebody who looks at the lamp says which it is.
    site.admission.assign({ key: pledge.key, deviceId: b, replace: true }, ACTOR)
    expect(join(site, pledge)).toBe('joined')
    expect(site.inventory.get(a)?.state).toBe('expected')
    expect(site.inventory.get(b)?.state).toBe('enrolled')
  })

  test('a second device with the names of one that has joined waits, and takes its place when a person says so', async () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const first = pledgeOf('SN-1')
    const second = pledgeOf('SN-1', { key: 'b'.repeat(64) })
    expect(join(site, first)).toBe('joined')
    expect(join(site, second)).toBe('join.duplicate-device')
    expect(await rowOf(site, second)).toMatchObject({ actions: ['replace-device', 'deny'] })
    expect(() => site.admission.assign({ key: second.key, deviceId: id, replace: false }, ACTOR)).toThrow(
      expect.objectContaining({ code: 'join.duplicate-device' }),
    )
    site.admission.assign({ key: second.key, deviceId: id, replace: true }, ACTOR)
    expect(site.inventory.get(id)).toMatchObject({ state: 'expected' })
    expect(join(site, second)).toBe('joined')
    expect(site.inventory.get(id)).toMatchObject({ state: 'enrolled' })
    expect(join(site, first)).toBe('join.duplicate-device')
    const again = site.reopen('closed')
    expect(join(again, first)).toBe('join.duplicate-device')
  })

  test('a replacement with another label takes over the place of a dead device', () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'OLD-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(join(site, pledgeOf('OLD-1'))).toBe('joined')
    const spare = pledgeOf('NEW-1')
    expect(join(site, spare)).toBe('join.awaits-decision')
    expect(() => site.admission.assign({ key: spare.key, deviceId: id, replace: false }, ACTOR)).toThrow()
    site.admission.assign({ key: spare.key, deviceId: id, replace: true }, ACTOR)
    expect(site.inventory.get(id)).toMatchObject({ serial: 'NEW-1', state: 'expected' })
    expect(join(site, spare)).toBe('joined')
    expect(join(site, pledgeOf('OLD-1'))).toBe('join.awaits-decision')
  })

  test('a device that was reset joins again as itself', () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(join(site, pledgeOf('SN-1'))).toBe('joined')
    expect(join(site, pledgeOf('SN-1'))).toBe('joined')
    expect(site.admission.pledge(pledgeOf('SN-1').key).attempts).toHaveLength(2)
  })
})

describe('the deny list', () => {
  test('refuses by certificate or by name, listed or admitted, until it is taken off', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const pledge = pledgeOf('SN-1')
    site.admission.deny({ subjects: ['sn-1 '], reason: 'stolen' }, ACTOR)
    expect(site.admission.gate.admits(pledge)).toEqual({ kind: 'deny', code: 'join.denied' })
    expect(await rowOf(site, pledge)).toMatchObject({ state: 'denied', decision: 'denied', code: 'join.denied', actions: ['undeny'] })
    expect(site.admission.pledge(pledge.key).decision).toMatchObject({ by: ACTOR, reason: 'stolen' })
    expect(site.admission.admit({ keys: [pledge.key], unknownMakers: false }, ACTOR)[0]).toMatchObject({ ok: false, code: 'join.denied' })
    const again = site.reopen('crashed')
    expect(again.admission.gate.admits(pledge)).toEqual({ kind: 'deny', code: 'join.denied' })
    expect(again.admission.denied({ offset: 0, limit: 10, search: 'stolen' })).toMatchObject({ total: 1, rows: [{ subject: 'sn-1' }] })
    // By the pledge, though it was refused by its name.
    expect(again.admission.undeny({ subjects: [pledge.key] }, ACTOR)).toEqual([{ key: pledge.key, ok: true, code: null }])
    expect(again.admission.gate.admits(pledge).kind).toBe('admit')
    again.admission.deny({ subjects: [pledge.key], reason: 'wrong floor' }, ACTOR)
    expect(again.admission.gate.admits(pledge)).toEqual({ kind: 'deny', code: 'join.denied' })
    expect(again.audit.map(({ action }) => action)).toEqual(expect.arrayContaining(['admission.deny', 'admission.undeny']))
  })
})

describe('attempts', () => {
  test('after twelve failures in a row a device is asked to pause; a person lets it try at once', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 60 }, ACTOR)
    const { gate } = site.admission
    const pledge = pledgeOf('SN-1')
    const fail = async (): Promise<void> => {
      gate.note(stepOf(site.clock, pledge, 'seen'))
      expect(gate.admits(pledge).kind).toBe('admit')
      gate.note(stepOf(site.clock, pledge, 'voucher', 'failed', 'voucher.missing'))
      await site.clock.advance(1000)
    }
    for (let attempt = 0; attempt < 12; attempt++) await fail()
    expect(gate.admits(pledge)).toEqual({ kind: 'wait', code: 'join.too-many-attempts', retryAfterS: 300 })
    expect(site.admission.pledge(pledge.key)).toMatchObject({ pledge: { code: 'join.too-many-attempts', attempts: 13 } })
    expect(site.admission.pledge(pledge.key).attempts).toHaveLength(8)
    site.admission.admit({ keys: [pledge.key], unknownMakers: false }, ACTOR)
    await fail()
  })

  test('the pause ends by itself', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 60 }, ACTOR)
    const { gate } = site.admission
    const pledge = pledgeOf('SN-1')
    for (let attempt = 0; attempt < 12; attempt++) {
      gate.admits(pledge)
      gate.note(stepOf(site.clock, pledge, 'voucher', 'failed', 'voucher.missing'))
    }
    expect(gate.admits(pledge).kind).toBe('wait')
    await site.clock.advance(300_000)
    expect(gate.admits(pledge).kind).toBe('admit')
  })

  test('being refused many times is no failure of the device', () => {
    const site = admissionSite()
    site.admission.setPolicy({ unlistedMayWait: false }, ACTOR)
    const pledge = pledgeOf('SN-1')
    for (let attempt = 0; attempt < 20; attempt++) expect(join(site, pledge)).toBe('join.not-listed')
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    expect(join(site, pledge)).toBe('joined')
  })
})
