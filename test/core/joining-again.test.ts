// Devices that join anew and devices that take the place of others: what was certified before is revoked (RFC 5280 §5.3.1), and the maker is asked to whom
// it has given a device (RFC 8995 §5.8).
import { describe, expect, it } from 'vitest'
import type { RaCertificateRow } from '#contract/model.ts'
import type { TestProgram } from '../support/program.ts'
import { maker, openLink, plan, start } from './joining-harness.ts'

async function certificatesOf({ session }: TestProgram): Promise<ReadonlyArray<Pick<RaCertificateRow, 'state' | 'reason' | 'serial'>>> {
  const rows = await session.call('ra.certificates', { offset: 0, limit: 50 })
  return rows.filter(({ subject }) => !subject.includes('registrar'))
}

describe('a device that joins anew', () => {
  it('has its old certificate revoked as superseded once it works with the new one, and the maker’s log is there', async () => {
    const started = await start(['LW-0101'])
    const { session } = started
    await plan(started, 'LW-0101')
    await session.call('admission.open', {})
    const pledge = await openLink(started)
    const birth = maker.device('serialNumber=LW-0101, O=Lumen Works')
    await pledge(birth).join()
    await session.when('pledges', ({ state }) => state === 'enrolled')
    expect(await certificatesOf(started)).toMatchObject([{ state: 'valid' }])
    const [first] = await certificatesOf(started)
    await pledge(birth).join()
    await expect
      .poll(async () => (await certificatesOf(started)).map(({ state }) => state), { timeout: 20_000 })
      .toEqual(['valid', 'revoked'])
    expect((await certificatesOf(started))[1]).toMatchObject({ serial: first?.serial, reason: 'superseded' })
    expect(session.rows('devices')[0]?.state).toBe('enrolled')
    // It has been told of: two vouchers, both to this site.
    const row = await session.when('joining', ({ makerLogVersion }) => makerLogVersion >= 2)
    expect(row.makers).toMatchObject([{ simulated: true, lastAsked: { ok: true, code: null } }])
    const [{ key } = { key: '' }] = session.rows('pledges')
    const { log } = await session.call('joining.makerLog', { key })
    expect(log).toMatchObject({ code: null, otherOwners: 0, left: { nonced: 1, nonceless: 0, arbitrary: 0 } })
    expect(log?.events).toMatchObject([{ isOurs: true, nonceless: false, assertion: 'proximity', truncated: 1 }])
  }, 90_000)
})

describe('a device that takes the place of another', () => {
  it('ends what the other was certified for, at the word of whoever says so, and that stands in the audit', async () => {
    const started = await start(['LW-0111', 'LW-0112'])
    const { session } = started
    const deviceId = await plan(started, 'LW-0111')
    await session.call('admission.open', {})
    const pledge = await openLink(started)
    await pledge(maker.device('serialNumber=LW-0111, O=Lumen Works')).join()
    await session.when('pledges', ({ state }) => state === 'enrolled')
    const [old] = await certificatesOf(started)
    const end = new AbortController()
    const spare = maker.device('serialNumber=LW-0112, O=Lumen Works')
    const knocking = pledge(spare).join(end.signal)
    knocking.catch(() => undefined)
    const waiting = await session.when('pledges', ({ serialNumber, step }) => serialNumber === 'LW-0112' && step === 'admitted')
    end.abort()
    await expect(knocking).rejects.toThrow()
    await session.call('admission.assign', { key: waiting.key, deviceId, replace: true })
    expect(await certificatesOf(started)).toMatchObject([{ serial: old?.serial, state: 'revoked', reason: 'cessationOfOperation' }])
    await session.call('admission.admit', { keys: [waiting.key] })
    await pledge(spare).join()
    await expect
      .poll(async () => (await certificatesOf(started)).map(({ state }) => state).sort(), { timeout: 20_000 })
      .toEqual(['revoked', 'valid'])
    const entries = await session.call('audit.page', { limit: 50 })
    expect(entries.some(({ action, details }) => action === 'ra.revoked' && JSON.stringify(details).includes(old?.serial ?? '-'))).toBe(
      true,
    )
  }, 90_000)
})
