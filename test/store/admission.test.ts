// Admission at rest: what is written comes back, after the file was closed and opened, and what somebody else wrote is not believed.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JOIN_STEPS } from '#main/services/join/index.ts'
import type { EntryRecord, PledgeRecord } from '#main/site/admission/index.ts'
import { createAdmissionStore, openSiteFile } from '#main/store/index.ts'
import { storePorts, temporarySite } from '../support/site-file.ts'

const text = fc.string({ maxLength: 30 })
const orNull = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | null> => fc.option(value, { nil: null })
const time = fc.integer({ min: 0, max: 2 ** 45 })
const step = fc.record({
  step: fc.constantFrom(...JOIN_STEPS),
  outcome: fc.constantFrom('done' as const, 'waiting' as const, 'failed' as const),
  startedAt: time,
  endedAt: orNull(time),
  code: orNull(text),
  detail: orNull(text),
})
const attempt = fc.record({ number: fc.nat(), startedAt: time, endedAt: orNull(time), steps: fc.array(step, { maxLength: 9 }) })
const pledge: fc.Arbitrary<PledgeRecord> = fc.record({
  key: fc.uuid(),
  serialNumber: orNull(text),
  eui64: orNull(text),
  serialKeys: fc.array(text, { maxLength: 4 }),
  eui64s: fc.array(text, { maxLength: 4 }),
  manufacturer: text,
  makerKnown: fc.boolean(),
  proxy: orNull(text),
  deviceId: orNull(text),
  admittance: orNull(
    fc.record({
      kind: fc.constantFrom('by-list' as const, 'by-person' as const),
      by: text,
      at: time,
      until: time,
      unknownMaker: fc.boolean(),
    }),
  ),
  attempts: fc.array(attempt, { maxLength: 8 }),
  attemptCount: fc.nat(),
  failuresInRow: fc.nat(),
  certificateSerial: orNull(text),
  enrolledAt: orNull(time),
  firstSeenAt: time,
  lastSeenAt: time,
})
const entry: EntryRecord = {
  id: 'label-1',
  facts: { format: 'knx', serial: '00FA10010400', eui64: null, maker: null, product: null, secrets: ['password'] },
  deviceId: null,
  sealed: Uint8Array.of(1, 2, 3),
  by: 'M. Lindqvist',
  at: 7,
}

describe('admission', () => {
  test('comes back as it was written, after the file was closed and opened', () => {
    const site = temporarySite()
    const store = createAdmissionStore(site.database)
    const [one, two] =
      fc.sample(fc.uniqueArray(pledge, { minLength: 2, maxLength: 2, selector: ({ key }) => key }), { numRuns: 1, seed: 4 })[0] ?? []
    if (one === undefined || two === undefined) throw new RangeError('two pledges')
    store.savePledges([one, two])
    store.savePledges([{ ...one, lastSeenAt: two.lastSeenAt + 1 }])
    store.saveSetting('window', { openedAt: 1, closesAt: 2 })
    store.saveSetting('window', null)
    store.saveSetting('policy', { mode: 'ask' })
    store.saveDenials([{ subject: 's', reason: 'stolen', by: 'me', at: 5 }])
    store.saveListed([
      { deviceId: 'dev-1', serial: 'SN-1', eui64: null },
      { deviceId: 'dev-2', serial: null, eui64: '020000fffe000001' },
    ])
    store.removeListed(['dev-1'])
    store.saveEntries([entry, { ...entry, id: 'label-2', sealed: null, at: 8 }])
    site.close()
    const again = createAdmissionStore(openSiteFile(site.path, storePorts()).database)
    expect(again.pledges()).toEqual([two, { ...one, lastSeenAt: two.lastSeenAt + 1 }])
    expect(again.setting('window')).toBeNull()
    expect(again.setting('policy')).toEqual({ mode: 'ask' })
    expect(again.denials()).toEqual([{ subject: 's', reason: 'stolen', by: 'me', at: 5 }])
    expect(again.listed()).toEqual([{ deviceId: 'dev-2', serial: null, eui64: '020000fffe000001' }])
    expect(again.entries()).toEqual([entry, { ...entry, id: 'label-2', sealed: null, at: 8 }])
    again.removePledges([one.key])
    again.removeEntries(['label-1'])
    again.removeDenials(['s'])
    expect([again.pledges().length, again.entries().length, again.denials().length]).toEqual([1, 1, 0])
  })

  test('any pledge comes back', () => {
    const store = createAdmissionStore(temporarySite().database)
    fc.assert(
      fc.property(pledge, (record) => {
        store.savePledges([record])
        expect(store.pledges()).toEqual([record])
        store.removePledges([record.key])
      }),
      { numRuns: 100 },
    )
  })

  test('does not change the revision of the project: who joins is no part of the plan', () => {
    const site = temporarySite()
    const before = site.revision
    createAdmissionStore(site.database).saveEntries([entry])
    expect(site.revision).toBe(before)
  })

  test('all of a transaction is written, or none', () => {
    const store = createAdmissionStore(temporarySite().database)
    expect(() =>
      store.transaction(() => {
        store.saveEntries([entry])
        throw new RangeError('stop')
      }),
    ).toThrow()
    expect(store.entries()).toEqual([])
  })

  test.each([
    ["UPDATE admission_label SET facts = '{}'", 'entries' as const],
    ["UPDATE admission_label SET facts = json_set(facts, '$.secrets', json('[1]'))", 'entries' as const],
    ["UPDATE admission_pledge SET record = json_set(record, '$.attempts', json('[{}]'))", 'pledges' as const],
    ["UPDATE admission_pledge SET record = json_remove(record, '$.makerKnown')", 'pledges' as const],
  ])('%s is a corrupt file', (sql, read) => {
    const site = temporarySite()
    const store = createAdmissionStore(site.database)
    store.saveEntries([entry])
    store.savePledges(fc.sample(pledge, { numRuns: 1, seed: 4 }))
    site.database.exec(sql)
    expect(() => store[read]()).toThrow(expect.objectContaining({ code: 'store.corrupt' }))
  })
})
