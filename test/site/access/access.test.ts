// Roles on a shared laptop: what a PIN keeps from whom, and what wrong ones cost.
import { describe, expect, it } from 'vitest'
import { AppError, systemRandom } from '#main/base/index.ts'
import { createAccess } from '#main/site/access/index.ts'
import type { Access, AccessRecord } from '#main/site/access/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const QUICK = { n: 16, r: 1, p: 1 }

interface Desk {
  readonly access: Access
  readonly clock: VirtualClock
  readonly kept: () => AccessRecord | undefined
  readonly restart: () => Access
}

function desk(): Desk {
  const clock = new VirtualClock()
  let kept: AccessRecord | undefined
  const open = (): Access =>
    createAccess({
      store: {
        load: () => kept,
        save: (record) => {
          kept = structuredClone(record)
        },
      },
      clock,
      random: systemRandom,
      cost: QUICK,
    })
  return { access: open(), clock, kept: () => kept, restart: open }
}

function held(access: Access): readonly string[] {
  return (access.feed.get('access')?.roles ?? []).filter((each) => each.held).map(({ role }) => role)
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (thrown) {
    return thrown instanceof AppError ? thrown.code : 'other'
  }
}

describe('roles', () => {
  it('are all open at a site without PINs', () => {
    const { access } = desk()
    expect(['viewer', 'installer', 'engineer', 'operator'].every((role) => access.holds(role as 'viewer'))).toBe(true)
    expect(access.feed.get('access')).toMatchObject({ person: '', locksAt: null, retryAt: null })
  })

  it('stay with who set their PIN until they are laid down, and come back by PIN alone', async () => {
    const { access, kept } = desk()
    await access.setPin('engineer', 'bright-4711')
    expect(held(access)).toEqual(['installer', 'engineer', 'operator'])
    access.lock()
    expect(held(access)).toEqual(['installer', 'operator'])
    expect(await codeOf(access.unlock('engineer', 'bright-4712', 'Eve'))).toBe('access.pin-wrong')
    expect(access.person).toBeUndefined()
    await access.unlock('engineer', 'bright-4711', 'Anna')
    expect([held(access), access.person]).toEqual([['installer', 'engineer', 'operator'], 'Anna'])
    expect(JSON.stringify(kept())).not.toContain('bright')
  })

  it('are laid down after a while without work, and kept by work', async () => {
    const { access, clock } = desk()
    await access.setPin('engineer', '1234')
    await clock.advance(19 * 60_000)
    access.touch()
    await clock.advance(19 * 60_000)
    expect(access.holds('engineer')).toBe(true)
    await clock.advance(61_000)
    expect([access.holds('engineer'), access.feed.get('access')?.locksAt]).toEqual([false, null])
  })

  it('nest: an engineer is an installer, an operator is neither', async () => {
    const { access } = desk()
    await access.setPin('engineer', 'eeee')
    await access.setPin('installer', 'iiii')
    await access.setPin('operator', 'oooo')
    access.lock()
    expect([held(access), access.holds('viewer')]).toEqual([[], true])
    await access.unlock('operator', 'oooo', '')
    expect(held(access)).toEqual(['operator'])
    access.lock()
    await access.unlock('engineer', 'eeee', '')
    expect(held(access)).toEqual(['installer', 'engineer'])
  })

  it('let nobody change the PIN of a role that he has not', async () => {
    const { access } = desk()
    await access.setPin('engineer', 'eeee')
    access.lock()
    expect(await codeOf(access.setPin('engineer', null))).toBe('access.role-needed')
    expect(await codeOf(access.setPin('engineer', 'mine'))).toBe('access.role-needed')
    expect(await codeOf(access.unlock('installer', 'eeee', ''))).toBe('access.no-pin')
  })

  it('keep no installer out whom an open engineer would let in', async () => {
    const { access } = desk()
    expect(await codeOf(access.setPin('installer', 'iiii'))).toBe('access.engineer-first')
    await access.setPin('engineer', 'eeee')
    await access.setPin('installer', 'iiii')
    expect(await codeOf(access.setPin('engineer', null))).toBe('access.engineer-first')
    await access.setPin('installer', null)
    await access.setPin('engineer', null)
    expect(access.feed.get('access')?.roles.some(({ hasPin }) => hasPin)).toBe(false)
  })
})

describe('wrong PINs', () => {
  it('make everybody wait, twice as long each time, and a right one forgives them', async () => {
    const { access, clock } = desk()
    await access.setPin('engineer', '1234')
    access.lock()
    for (let guess = 0; guess < 3; guess++) expect(await codeOf(access.unlock('engineer', `000${guess}`, ''))).toBe('access.pin-wrong')
    expect(await codeOf(access.unlock('engineer', '1234', ''))).toBe('access.wait')
    await clock.advance(5_000)
    expect(await codeOf(access.unlock('engineer', '0004', ''))).toBe('access.pin-wrong')
    await clock.advance(9_000)
    expect(await codeOf(access.unlock('engineer', '1234', ''))).toBe('access.wait')
    await clock.advance(1_000)
    expect(access.feed.get('access')?.retryAt).toBeNull()
    await access.unlock('engineer', '1234', '')
    access.lock()
    expect(await codeOf(access.unlock('engineer', '0000', ''))).toBe('access.pin-wrong')
    await access.unlock('engineer', '1234', '')
  })

  it('are forgiven by the right PIN of their own role alone', async () => {
    const { access } = desk()
    await access.setPin('engineer', 'eeee')
    await access.setPin('operator', 'oooo')
    access.lock()
    const guess = (): Promise<string> => codeOf(access.unlock('engineer', '0000', ''))
    expect([await guess(), await guess()]).toEqual(['access.pin-wrong', 'access.pin-wrong'])
    await access.unlock('operator', 'oooo', '')
    expect([await guess(), await codeOf(access.unlock('operator', 'oooo', ''))]).toEqual(['access.pin-wrong', 'access.wait'])
  })

  it('are counted across restarts, and side by side', async () => {
    const { access, restart, clock } = desk()
    await access.setPin('engineer', '1234')
    access.lock()
    const guesses = await Promise.all(['0000', '0001', '0002', '0003', '1234'].map((pin) => codeOf(access.unlock('engineer', pin, ''))))
    expect(guesses).toEqual(['access.pin-wrong', 'access.pin-wrong', 'access.pin-wrong', 'access.wait', 'access.wait'])
    const again = restart()
    expect(await codeOf(again.unlock('engineer', '1234', ''))).toBe('access.wait')
    await clock.advance(5_000)
    await again.unlock('engineer', '1234', '')
  })

  it('never keep anybody out for longer than a quarter of an hour, whatever the clock says', async () => {
    const { access, restart, clock } = desk()
    await access.setPin('engineer', '1234')
    access.lock()
    for (let guess = 0; guess < 40; guess++) {
      await codeOf(access.unlock('engineer', '0000', ''))
      await clock.advance(15 * 60_000)
    }
    await codeOf(access.unlock('engineer', '0000', ''))
    clock.jumpWallClock(-86_400_000)
    const again = restart()
    await clock.advance(15 * 60_000)
    await again.unlock('engineer', '1234', '')
  })

  it('fit no damaged record', async () => {
    const { access, kept, restart } = desk()
    await access.setPin('engineer', '1234')
    const record = kept()?.pins.engineer
    if (record === undefined) throw new Error('no PIN is kept')
    for (const damaged of [
      { ...record, salt: 'zz' },
      { ...record, hash: '' },
      { ...record, hash: record.hash.slice(2) },
    ]) {
      const { fitsPin } = await import('#main/site/access/pin.ts')
      expect(await fitsPin(damaged, '1234')).toBe(false)
    }
    restart().close()
  })
})
