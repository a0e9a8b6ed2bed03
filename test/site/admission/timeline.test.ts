// Timelines: numbered steps with times, whatever order the news come in; durable, bounded, and given up on when nothing is said any more.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError } from '#main/base/index.ts'
import { JOIN_STEPS } from '#main/services/join/index.ts'
import { pledgeDetail as detailShape, pledgeRow as rowShape } from '#contract/model.ts'
import { ACTOR, admissionSite, device, join, pledgeOf, rowOf, stepOf } from './site.ts'

describe('the steps of a device', () => {
  test('are numbered, each with its time; what must be under way is shown as running', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const { gate } = site.admission
    const pledge = pledgeOf('SN-1')
    gate.note(stepOf(site.clock, pledge, 'seen'))
    await site.clock.advance(300)
    gate.note(stepOf(site.clock, pledge, 'connected'))
    await site.clock.advance(200)
    gate.admits(pledge)
    await site.clock.advance(1500)
    const { attempts, pledge: row } = site.admission.pledge(pledge.key)
    expect(attempts[0]?.steps.map(({ number, step, outcome, elapsedMs }) => [number, step, outcome, elapsedMs])).toEqual([
      [1, 'seen', 'done', 0],
      [2, 'connected', 'done', 300],
      [3, 'admitted', 'done', 200],
      [4, 'voucher', 'running', 1500],
    ])
    expect(row).toMatchObject({ state: 'joining', step: 'voucher', outcome: 'running' })
  })

  test('one that fails says why and what to do; the next attempt is another one', async () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const { gate } = site.admission
    const pledge = pledgeOf('SN-1')
    gate.note(stepOf(site.clock, pledge, 'seen'))
    gate.admits(pledge)
    gate.note({ ...stepOf(site.clock, pledge, 'voucher', 'failed', 'voucher.masa-unreachable'), detail: 'x'.repeat(300) })
    expect(await rowOf(site, pledge)).toMatchObject({
      state: 'failed',
      step: 'voucher',
      code: 'voucher.masa-unreachable',
      actions: ['check-network', 'import-voucher'],
      detail: 'x'.repeat(200),
    })
    expect(join(site, pledge)).toBe('joined')
    const { attempts } = site.admission.pledge(pledge.key)
    expect(attempts.map(({ number, steps }) => [number, steps.at(-1)?.step, steps.at(-1)?.outcome])).toEqual([
      [2, 'enrolled', 'done'],
      [1, 'voucher', 'failed'],
    ])
    expect(site.inventory.detail(id).history.map(({ event }) => event)).toEqual(['enrolled', 'join-failed', 'joining', 'created'])
  })

  test('one that waits for its maker and gets its voucher later goes on in the same attempt', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const { gate } = site.admission
    const pledge = pledgeOf('SN-1')
    gate.admits(pledge)
    gate.note(stepOf(site.clock, pledge, 'voucher', 'waiting', 'voucher.missing'))
    expect(await rowOf(site, pledge)).toMatchObject({ state: 'waiting', code: 'voucher.missing', actions: ['import-voucher'] })
    await site.clock.advance(600_000)
    gate.note(stepOf(site.clock, pledge, 'seen'))
    gate.note(stepOf(site.clock, pledge, 'connected', 'failed', 'dtls.timeout'))
    gate.note(stepOf(site.clock, pledge, 'voucher'))
    const { attempts } = site.admission.pledge(pledge.key)
    expect(attempts).toHaveLength(1)
    expect(attempts[0]?.steps.find(({ step }) => step === 'voucher')?.elapsedMs).toBeGreaterThanOrEqual(600_000)
  })

  test('a device that asks all night for a decision makes one attempt, not a thousand', async () => {
    const site = admissionSite()
    const pledge = pledgeOf('A-1')
    for (let minute = 0; minute < 1000; minute++) {
      join(site, pledge)
      await site.clock.advance(20_000)
    }
    expect(site.admission.pledge(pledge.key).pledge).toMatchObject({ attempts: 1, state: 'waiting' })
  })

  test('a refusal that the registrar tells of as well is one refusal', async () => {
    const site = admissionSite()
    site.admission.setPolicy({ unlistedMayWait: false }, ACTOR)
    const pledge = pledgeOf('A-1')
    for (let attempt = 0; attempt < 3; attempt++) {
      site.admission.gate.note(stepOf(site.clock, pledge, 'seen'))
      const verdict = site.admission.gate.admits(pledge)
      site.admission.gate.note(stepOf(site.clock, pledge, 'admitted', 'failed', verdict.kind === 'deny' ? verdict.code : ''))
      await site.clock.advance(1000)
    }
    expect(site.admission.pledge(pledge.key)).toMatchObject({ pledge: { attempts: 3, state: 'failed' }, attempts: { length: 3 } })
  })

  test('a broken connection breaks the step that is under way', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 5 }, ACTOR)
    const { gate } = site.admission
    const pledge = pledgeOf('SN-1')
    gate.admits(pledge)
    gate.note(stepOf(site.clock, pledge, 'voucher'))
    gate.note(stepOf(site.clock, pledge, 'connected', 'failed', 'dtls.closed'))
    expect(await rowOf(site, pledge)).toMatchObject({ state: 'failed', step: 'trusts-us', code: 'dtls.closed' })
  })

  test('one that says nothing for three minutes has given up', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 60 }, ACTOR)
    const pledge = pledgeOf('SN-1')
    site.admission.gate.admits(pledge)
    site.admission.gate.note(stepOf(site.clock, pledge, 'voucher'))
    await site.clock.advance(170_000)
    expect(site.admission.pledgeFeed.get(pledge.key)).toMatchObject({ state: 'joining' })
    await site.clock.advance(30_000)
    expect(site.admission.pledgeFeed.get(pledge.key)).toMatchObject({ state: 'failed', step: 'trusts-us', code: 'join.step-timeout' })
    expect(join(site, pledge)).toBe('joined')
    await site.clock.advance(600_000)
    expect(site.admission.pledgeFeed.get(pledge.key)).toMatchObject({ state: 'enrolled' })
  })

  test('the security context comes after the enrolment, in the same attempt', async () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 60 }, ACTOR)
    const pledge = pledgeOf('SN-1')
    join(site, pledge)
    site.admission.gate.note(stepOf(site.clock, pledge, 'secured'))
    expect(await rowOf(site, pledge)).toMatchObject({ state: 'enrolled', step: 'secured', outcome: 'done', attempts: 1 })
    expect(site.inventory.detail(id).history[0]).toMatchObject({ event: 'secured' })
  })

  test('a device that works is not set back because it joins anew', () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 60 }, ACTOR)
    site.inventory.setState(id, 'verified', { source: 'verify', event: 'verified', params: { groups: 1 } })
    expect(join(site, pledgeOf('SN-1'))).toBe('joined')
    expect(site.inventory.get(id)?.state).toBe('verified')
  })
})

describe('at rest', () => {
  test('timelines and decisions come back after the program ended; who was under way is given up on in time', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.inventory.create({ ...device, name: 'B', serial: 'SN-2' })
    site.admission.open({ minutes: 60 }, ACTOR)
    join(site, pledgeOf('SN-1'))
    site.admission.gate.admits(pledgeOf('SN-2'))
    const before = site.admission.pledge(pledgeOf('SN-1').key)
    const again = site.reopen()
    expect(again.admission.pledge(pledgeOf('SN-1').key)).toEqual(before)
    await again.clock.advance(200_000)
    expect(again.admission.pledgeFeed.get(pledgeOf('SN-2').key)).toMatchObject({ state: 'failed', code: 'join.step-timeout' })
  })

  test('an enrolment is durable at once, timelines within a second', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 60 }, ACTOR)
    site.admission.gate.admits(pledgeOf('A-1'))
    expect(site.store.kept.size).toBe(0)
    await site.clock.advance(1000)
    expect(site.store.kept.size).toBe(1)
    join(site, pledgeOf('SN-1'))
    expect(site.reopen('crashed').admission.pledge(pledgeOf('SN-1').key)).toMatchObject({ pledge: { state: 'enrolled' } })
  })

  test('a disk that is full keeps the window from staying open, and nothing is thrown by a timer', async () => {
    const site = admissionSite()
    const id = site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 1 }, ACTOR)
    site.admission.gate.admits(pledgeOf('SN-1'))
    const full = (): never => {
      throw new AppError('store.disk-full', 'full')
    }
    Object.assign(site.store, { saveSetting: full, savePledges: full, saveListed: full, removeListed: full, transaction: full })
    site.inventory.setState = full
    site.inventory.record = full
    await site.clock.advance(600_000)
    expect(site.admission.feed.get('admission')).toMatchObject({ window: 'closed', counts: { failed: 1 } })
    expect(join(site, pledgeOf('SN-1'))).toBe('joined')
    site.inventory.remove([id])
    expect(() => site.admission.open({ minutes: 1 }, ACTOR)).toThrow(expect.objectContaining({ code: 'store.disk-full' }))
    expect(site.admission.feed.get('admission')).toMatchObject({ window: 'closed' })
  })

  test('a store that cannot write costs no device its admission', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 60 }, ACTOR)
    site.store.savePledges = () => {
      throw new RangeError('disk full')
    }
    expect(join(site, pledgeOf('SN-1'))).toBe('joined')
    await site.clock.advance(5000)
    expect(site.admission.pledgeFeed.get(pledgeOf('SN-1').key)).toMatchObject({ state: 'enrolled' })
  })
})

test('any news in any order leave rows and details of the contract’s shape, steps in order of time, and nothing thrown', () => {
  const news = fc.record({
    step: fc.constantFrom(...JOIN_STEPS),
    outcome: fc.constantFrom('done', 'waiting', 'failed' as const),
    atMs: fc.oneof(fc.double(), fc.integer({ min: -10, max: 2 ** 42 })),
    code: fc.option(fc.string({ maxLength: 20 }), { nil: undefined }),
    detail: fc.option(fc.string({ maxLength: 400 }), { nil: undefined }),
    asks: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(news, { maxLength: 40 }), fc.boolean(), (events, isOpen) => {
      const site = admissionSite()
      site.inventory.create({ ...device, serial: 'SN-1' })
      if (isOpen) site.admission.open({ minutes: 60 }, ACTOR)
      const pledge = pledgeOf('SN-1')
      site.admission.gate.admits(pledge)
      for (const { asks, code, detail, ...event } of events) {
        if (asks) site.admission.gate.admits(pledge)
        site.admission.gate.note({ pledge, ...event, ...(code === undefined ? {} : { code }), ...(detail === undefined ? {} : { detail }) })
      }
      const found = site.admission.pledge(pledge.key)
      expect(detailShape.safeParse(found).error).toBeUndefined()
      expect(rowShape.safeParse(found.pledge).error).toBeUndefined()
      for (const { steps } of found.attempts) {
        expect(new Set(steps.map(({ step }) => step)).size).toBe(steps.length)
        expect(steps.map(({ number }) => number)).toEqual(steps.map(({ number }) => number).toSorted((a, b) => a - b))
        for (const { startedAt, endedAt } of steps) expect(endedAt ?? startedAt).toBeGreaterThanOrEqual(startedAt)
      }
      site.admission.close()
    }),
    { numRuns: 300 },
  )
})
