// Admission of an open site over the contract: decided by ops, followed by feeds, kept with the site, with secrets sealed by the program's keyring.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { testProgram, type TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }
const page = { offset: 0, limit: 100, search: '' }
const LABEL = '1PS55812-Y100+41S00015C00002D+3ZEUI:8CF681FFFE000001.P:ABCDEF.PA:994ACSECRET'

async function start(home = temporaryFolder()): Promise<TestProgram> {
  const started = testProgram(home)
  onTestFinished(() => started.program.close())
  await started.session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  return started
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no failure',
    (thrown: unknown) => (thrown as { readonly code: string }).code,
  )
}

describe('admission over the contract', () => {
  it('opens and closes the window, sets the policy, scans and lists labels; the audit tells all of it and no secret', async () => {
    const home = temporaryFolder()
    const { program, session } = await start(home)
    expect(session.rows('admission')).toMatchObject([
      { window: 'closed', policy: { mode: 'listed', windowMinutes: 15 }, secretsReady: true },
    ])
    const { closesAt } = await session.call('admission.open', { minutes: 5 })
    await session.when('admission', (row) => row.closesAt === closesAt)
    await session.call('admission.setPolicy', { mode: 'ask', unlistedMayWait: false })
    await session.call('admission.close', {})
    await session.when('admission', (row) => row.window === 'closed' && row.policy.mode === 'ask')
    const { results } = await session.call('admission.scan', { text: `${LABEL}\nKNX:S:12` })
    expect(results).toMatchObject([{ outcome: 'listed-unplanned', secretsKept: true }, { outcome: 'unreadable' }])
    expect(await session.call('admission.list', page)).toMatchObject({ total: 1, rows: [{ joined: false }] })
    await session.call('admission.deny', { subjects: ['AB-1234'], reason: 'stolen' })
    expect(await session.call('admission.denied', page)).toMatchObject({ total: 1 })
    const audit = await session.call('audit.page', { limit: 50 })
    expect(audit.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['admission.open', 'admission.setPolicy', 'admission.close', 'admission.scan', 'admission.deny']),
    )
    expect(JSON.stringify([audit, results, session.rows('admission')])).not.toContain('994ACSECRET')
    const file = session.rows('session')[0]?.site?.fileName ?? ''
    await program.close()
    // Neither in the file nor in its write-ahead log.
    expect(readFileSync(join(home, file)).includes('994ACSECRET')).toBe(false)
    expect(readFileSync(join(home, file)).includes('00015C00002D')).toBe(true)
  }, 60_000)

  it('keeps an open window and the list when the site is opened again', async () => {
    const home = temporaryFolder()
    const first = await start(home)
    const { closesAt } = await first.session.call('admission.open', { minutes: 30 })
    await first.session.call('admission.scan', { text: LABEL })
    const file = join(home, first.session.rows('session')[0]?.site?.fileName ?? '')
    await first.program.close()
    const second = testProgram(home)
    onTestFinished(() => second.program.close())
    await second.program.openSiteFile(file)
    expect(second.session.rows('admission')).toMatchObject([{ window: 'open', closesAt, counts: { listed: 1, missing: 1 } }])
  }, 60_000)

  it('refuses what cannot be done with a reason', async () => {
    const { session } = await start()
    expect(await codeOf(session.call('admission.pledge', { key: 'a'.repeat(64) }))).toBe('join.pledge-unknown')
    expect(await codeOf(session.call('admission.pledge', { key: 'not a key' }))).toBe('input.invalid')
    expect(await codeOf(session.call('admission.open', { minutes: 0 }))).toBe('input.invalid')
    expect(await codeOf(session.call('admission.scan', { text: LABEL, deviceId: 'dev-x' }))).toBe('device.not-found')
    expect(await session.call('admission.admit', { keys: ['a'.repeat(64)] })).toEqual([
      { key: 'a'.repeat(64), ok: false, code: 'join.pledge-unknown' },
    ])
    await session.call('site.close', {})
    expect(await codeOf(session.call('admission.open', {}))).toBe('site.none-open')
    expect(session.rows('admission')).toEqual([])
  }, 60_000)
})
