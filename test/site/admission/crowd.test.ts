// Thousands at once: what is bounded stays bounded, and strangers do not push out those who belong here.
import { describe, expect, test } from 'vitest'
import { seededRandom, silentLogger } from '#main/base/index.ts'
import { createInventory } from '#main/site/devices/index.ts'
import { createAdmissionStore } from '#main/store/index.ts'
import { storePorts, temporarySite } from '../../support/site-file.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { ACTOR, admissionSite, device, join, openAdmission, pledgeOf } from './site.ts'

const MANY = 5000
const AT_ONCE = 500

describe('a crowd', () => {
  test('five thousand wait and are let in together, five hundred join at once; few batches tell it, and a restart keeps it', async () => {
    const clock = new VirtualClock()
    const file = temporarySite(storePorts(clock))
    const random = seededRandom(1)
    const contacts = { client: () => undefined }
    const inventoryOf = () => createInventory({ store: file.devices, clock, random, logger: silentLogger, contacts, profiles: [] })
    const site = openAdmission(createAdmissionStore(file.database), clock, inventoryOf, [], {})
    let batches = 0
    site.admission.pledgeFeed.subscribe(() => (batches += 1))
    const pledges = Array.from({ length: MANY }, (_, index) => pledgeOf(`P-${String(index)}`))
    for (const pledge of pledges) expect(join(site, pledge)).toBe('join.awaits-decision')
    await clock.advance(1000)
    expect(batches).toBe(1)
    expect(site.admission.feed.get('admission')?.counts).toMatchObject({ waiting: MANY })
    const decisions = site.admission.admit({ keys: pledges.map(({ key }) => key), unknownMakers: false }, ACTOR)
    expect(decisions.every(({ ok }) => ok)).toBe(true)
    for (const pledge of pledges.slice(0, AT_ONCE)) expect(join(site, pledge)).toBe('joined')
    await clock.advance(1000)
    expect(batches).toBeLessThanOrEqual(4)
    const counts = { enrolled: AT_ONCE, waiting: MANY - AT_ONCE }
    expect(site.admission.feed.get('admission')?.counts).toMatchObject(counts)
    expect(site.inventory.all().filter(({ state }) => state === 'enrolled')).toHaveLength(AT_ONCE)
    const again = site.reopen('crashed')
    expect(again.admission.feed.get('admission')?.counts).toMatchObject(counts)
    expect(join(again, pledgeOf(`P-${String(MANY - 1)}`))).toBe('joined')
  }, 120_000)

  test('a flood of made-up certificates pushes out neither listed, waiting nor joined devices, and is not written to disk', async () => {
    const site = admissionSite({ limits: { kept: 100, unlisted: 50, stranger: 20 } })
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.inventory.create({ ...device, name: 'B', serial: 'SN-2' })
    site.admission.open({ minutes: 60 }, ACTOR)
    expect(join(site, pledgeOf('SN-1'))).toBe('joined')
    site.admission.setPolicy({ mode: 'ask' }, ACTOR)
    expect(join(site, pledgeOf('SN-2'))).toBe('join.awaits-decision')
    expect(join(site, pledgeOf('A-1'))).toBe('join.awaits-decision')
    await site.clock.advance(2000)
    const { pledgeWrites } = site.store
    for (let index = 0; index < 2000; index++) {
      // They claim the names of devices that belong here.
      const key = index.toString(16).padStart(64, '0')
      expect(site.admission.gate.admits(pledgeOf(index % 2 === 0 ? 'SN-1' : 'A-1', { key, isKnownMaker: false })).kind).toBe('wait')
    }
    await site.clock.advance(2000)
    const rows = site.admission.pledgeFeed.rows()
    expect(rows).toHaveLength(23)
    expect(rows.filter(({ makerKnown }) => makerKnown).map(({ serialNumber }) => serialNumber)).toEqual(['SN-1', 'SN-2', 'A-1'])
    expect(site.store.pledgeWrites).toBe(pledgeWrites)
    expect(site.admission.feed.get('admission')).toMatchObject({ dropped: 1980 })
    // The newest strangers are those that are seen.
    expect(site.admission.pledgeFeed.get((1999).toString(16).padStart(64, '0'))).toBeDefined()
  })

  test('true devices that nobody expects push out one another, the longest unheard first, and no listed one', async () => {
    const site = admissionSite({ limits: { kept: 100, unlisted: 5, stranger: 5 } })
    site.inventory.create({ ...device, serial: 'SN-1' })
    join(site, pledgeOf('SN-1'))
    for (let index = 0; index < 8; index++) {
      join(site, pledgeOf(`A-${String(index)}`))
      join(site, pledgeOf('A-0'))
    }
    await site.clock.advance(2000)
    const serials = site.admission.pledgeFeed.rows().map(({ serialNumber }) => serialNumber)
    expect(new Set(serials)).toEqual(new Set(['SN-1', 'A-0', 'A-4', 'A-5', 'A-6', 'A-7']))
    expect(site.store.kept.size).toBe(6)
  })

  test('forgotten ones are gone; refused ones stay refused', async () => {
    const site = admissionSite()
    const pledge = pledgeOf('A-1')
    join(site, pledge)
    site.admission.deny({ subjects: [pledge.key], reason: 'no' }, ACTOR)
    expect(site.admission.forget({ keys: [pledge.key, 'f'.repeat(64)] }, ACTOR)).toEqual({ count: 1 })
    expect(site.admission.pledgeFeed.get(pledge.key)).toBeUndefined()
    expect(() => site.admission.pledge(pledge.key)).toThrow(expect.objectContaining({ code: 'join.pledge-unknown' }))
    await site.clock.advance(2000)
    expect(site.store.kept.size).toBe(0)
    expect(site.admission.gate.admits(pledge)).toEqual({ kind: 'deny', code: 'join.denied' })
  })
})
