// The admission window: a countdown by both clocks that survives a restart.
import { describe, expect, test } from 'vitest'
import { ACTOR, admissionSite, device, join, pledgeOf } from './site.ts'

const MINUTE_MS = 60_000

describe('the window', () => {
  test('closes by itself, and says so in row and audit', async () => {
    const site = admissionSite()
    const { admission, clock, audit } = site
    expect(admission.feed.get('admission')).toMatchObject({ window: 'closed', closesAt: null })
    const { closesAt } = admission.open({ minutes: 10 }, ACTOR)
    expect(closesAt).toBe(clock.now() + 10 * MINUTE_MS)
    expect(admission.feed.get('admission')).toMatchObject({ window: 'open', closesAt })
    await clock.advance(10 * MINUTE_MS - 1)
    expect(admission.feed.get('admission')).toMatchObject({ window: 'open' })
    await clock.advance(1)
    expect(admission.feed.get('admission')).toMatchObject({ window: 'closed', openedAt: null, closesAt: null })
    expect(audit).toEqual([
      { actor: ACTOR, action: 'admission.open', details: { minutes: 10, closesAt } },
      { actor: 'clock', action: 'admission.close', details: {} },
    ])
  })

  test('lasts as long as the policy says where nobody says otherwise, is moved by opening it again, and shut at once', async () => {
    const { admission, clock } = admissionSite()
    admission.setPolicy({ windowMinutes: 3 }, ACTOR)
    const openedAt = clock.now()
    expect(admission.open({}, ACTOR).closesAt).toBe(openedAt + 3 * MINUTE_MS)
    await clock.advance(2 * MINUTE_MS)
    const { closesAt } = admission.open({ minutes: 5 }, ACTOR)
    expect(admission.feed.get('admission')).toMatchObject({ openedAt, closesAt })
    await clock.advance(4 * MINUTE_MS)
    expect(admission.feed.get('admission')).toMatchObject({ window: 'open' })
    admission.shut(ACTOR)
    expect(admission.feed.get('admission')).toMatchObject({ window: 'closed' })
  })

  test('survives a restart with the time that is left', async () => {
    const site = admissionSite()
    site.inventory.create({ ...device, serial: 'SN-1' })
    site.admission.open({ minutes: 10 }, ACTOR)
    await site.clock.advance(4 * MINUTE_MS)
    const again = site.reopen('crashed')
    expect(again.admission.feed.get('admission')).toMatchObject({ window: 'open' })
    expect(join(again, pledgeOf('SN-1'))).toBe('joined')
    await again.clock.advance(6 * MINUTE_MS)
    expect(again.admission.feed.get('admission')).toMatchObject({ window: 'closed' })
  })

  test('is closed when the program starts after its end, or with a clock that was set back before its beginning', async () => {
    const site = admissionSite()
    site.admission.open({ minutes: 10 }, ACTOR)
    site.admission.close()
    site.clock.jumpWallClock(10 * MINUTE_MS)
    const late = site.reopen()
    expect(late.admission.feed.get('admission')).toMatchObject({ window: 'closed' })
    late.admission.open({ minutes: 10 }, ACTOR)
    late.admission.close()
    site.clock.jumpWallClock(-60 * MINUTE_MS)
    expect(late.reopen().admission.feed.get('admission')).toMatchObject({ window: 'closed' })
    await Promise.resolve()
  })

  test('a wall clock that jumps forward closes it, one that jumps back keeps it open no longer', async () => {
    const forward = admissionSite()
    forward.inventory.create({ ...device, serial: 'SN-1' })
    forward.admission.open({ minutes: 10 }, ACTOR)
    forward.clock.jumpWallClock(11 * MINUTE_MS)
    expect(join(forward, pledgeOf('SN-1'))).toBe('join.window-closed')
    const back = admissionSite()
    back.inventory.create({ ...device, serial: 'SN-1' })
    back.admission.open({ minutes: 10 }, ACTOR)
    back.clock.jumpWallClock(-60 * MINUTE_MS)
    await back.clock.advance(10 * MINUTE_MS)
    expect(join(back, pledgeOf('SN-1'))).toBe('join.window-closed')
    await back.clock.advance(2000)
    expect(back.admission.feed.get('admission')).toMatchObject({ window: 'closed' })
  })
})
