// A demo site's devices get certificates of the site by CMP over the simulated radio: listed ones at once, others when somebody says so.
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Session } from '#main/hosts/cli/session.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Demo', organisation: '', address: '', operator: '' }
const DEVICES = 12
const page = { offset: 0, limit: 100 }

async function start(lossPercent: number): Promise<Session> {
  const { program, session } = testProgram(temporaryFolder())
  onTestFinished(() => program.close())
  await session.call('site.create', { kind: 'demo', details, demo: { devices: DEVICES, lossPercent, seed: 4 } })
  return session
}

describe('the devices of a demo site', () => {
  it('that are in the list get certificates with loss on the radio, each one and under its own name', async () => {
    const session = await start(5)
    await session.call('devices.importApply', { text: (await session.call('demo.deviceList', {})).text })
    await session.when('ra', ({ preRegistered }) => preRegistered === DEVICES)
    expect(session.rows('ra')[0]?.anchors).toMatchObject([{ kind: 'manufacturer', fixed: true }])
    await session.call('ra.createRoot', { subject: 'CN=Demo CA' })
    await session.when('ra', ({ devicesEnrolled }) => devicesEnrolled === DEVICES)
    const rows = (await session.call('ra.certificates', page)).filter(({ requester }) => requester.kind !== 'ra')
    const euis = session.rows('devices').map(({ eui64 }) => `CN=${eui64 ?? ''}`)
    expect(new Set(rows.filter(({ state }) => state === 'valid').map(({ subject }) => subject))).toEqual(new Set(euis))
    expect(rows.every(({ deviceId, requester }) => deviceId !== null && requester.kind === 'idevid')).toBe(true)
  }, 60_000)

  it('wait where the policy wants somebody to look, and fetch what was granted', async () => {
    const session = await start(0)
    await session.call('ra.setPolicy', { mode: 'manual', secretsApprove: null, unlistedMayWait: true })
    await session.call('ra.createRoot', { subject: 'CN=Demo CA' })
    await session.when('ra', ({ pending }) => pending === DEVICES)
    const { rows } = await session.call('ra.pending', page)
    const outcomes = await session.call('ra.approve', { ids: rows.map(({ id }) => id) })
    expect(outcomes.every(({ ok }) => ok)).toBe(true)
    // The program itself has one more.
    await session.when('ra', ({ valid }) => valid === DEVICES + 1)
    const fingerprint = session.rows('ra')[0]?.anchors[0]?.fingerprint ?? ''
    await expect(session.call('ra.distrust', { fingerprint })).rejects.toMatchObject({ code: 'ra.state-invalid' })
  }, 60_000)
})
