// The checks over the contract: findings, remedies with undo, names and addresses of groups as the site keeps them, the directory that follows.
import { describe, expect, it, onTestFinished } from 'vitest'
import type { TestProgram } from '../support/program.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }

async function start(): Promise<TestProgram> {
  const started = testProgram(temporaryFolder(), {})
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

describe('checks over the contract', () => {
  it('are followed and asked for; a remedy is one edit that undo takes back; problems have it once', async () => {
    const { session } = await start()
    const { id } = await session.call('groups.createApplication', { name: 'a' })
    const finding = await session.when('findings', (row) => row.subject.id === id)
    expect(finding).toMatchObject({ rule: 'group-without-members', severity: 'warning', remedies: [{ id: 'remove-group' }] })
    await session.when('problems', (row) => row.subject.id === id && row.finding?.id === finding.id)
    expect(session.rows('problems').filter((row) => row.subject.id === id)).toHaveLength(1)
    expect(await session.call('rules.remedy', { findingId: finding.id, remedyId: 'remove-group' })).toEqual({ jobId: null })
    expect(await session.call('rules.check', {})).toEqual([])
    const { entries } = await session.call('history.list', { offset: 0, limit: 1 })
    expect(entries[0]).toMatchObject({ op: 'rules.remedy' })
    await session.call('history.undo', {})
    expect(await session.call('rules.check', {})).toMatchObject([{ id: finding.id }])
    expect(await codeOf(session.call('rules.remedy', { findingId: 'x', remedyId: 'rekey' }))).toBe('rules.not-found')
  })

  it('names of groups: kept with the site, shown in URIs, and registered at the directory (RFC 9176 Appendix A)', async () => {
    const { session } = await start()
    const { id } = await session.call('groups.createApplication', { name: 'a' })
    await session.call('naming.set', { method: 'query-parameter' })
    const row = await session.when('applicationGroups', (group) => group.id === id && group.uri.endsWith('?gp=a'))
    const links = async (): Promise<readonly string[]> =>
      (await session.call('rd.list', { offset: 0, limit: 10, kind: 'groups' })).rows.map((each) => each.links)
    expect(await links()).toEqual([expect.stringContaining('</?gp=a>')])
    await session.call('naming.set', { method: 'path', delimiter: 'g' })
    expect(await links()).toEqual([expect.stringContaining('</g/a>')])
    expect(await session.when('applicationGroups', (group) => group.id === id && group.uri.endsWith('/g/a'))).toBeDefined()
    await session.call('naming.set', { hasDns: true })
    expect(session.rows('groupSettings')).toMatchObject([{ naming: { method: 'path', delimiter: 'g', hasDns: true } }])
    expect(await codeOf(session.call('naming.set', { method: 'host-label' }))).toBe('input.invalid')
    const previews = await session.call('naming.preview', { groupId: row.id, methods: ['path', 'query', 'none'] })
    expect(previews.map(({ wireName }) => wireName)).toEqual(['a', 'a', ''])
    await session.call('site.close', {})
    const [recent] = await session.call('site.recent', {})
    await session.call('site.open', { handle: recent!.handle })
    expect(session.rows('groupSettings')).toMatchObject([{ naming: { method: 'path', delimiter: 'g' } }])
  })

  it('addresses of new groups follow the policy of the site; what makes none is refused', async () => {
    const { session } = await start()
    expect(session.rows('groupSettings')).toMatchObject([{ allocation: { policy: 'prefix' }, scope: 'site-local', held: [] }])
    expect(await codeOf(session.call('allocation.set', { policy: 'list', list: ['fd00::1'] }))).toBe('group.address-invalid')
    await session.call('allocation.set', { policy: 'list', list: ['ff35::8000:7'], port: 5690 })
    const { id } = await session.call('groups.createApplication', { name: 'a' })
    const row = await session.when('applicationGroups', (group) => group.id === id)
    expect(session.rows('coapGroups')).toMatchObject([{ id: row.coapGroupId, address: 'ff35::8000:7', port: 5690 }])
    expect((await session.call('rules.check', {})).map(({ rule }) => rule)).toContain('addresses-used-up')
    await session.call('allocation.set', { port: 5691 })
    expect(session.rows('groupSettings')).toMatchObject([{ allocation: { policy: 'list', list: ['ff35::8000:7'], port: 5691 } }])
    await session.call('allocation.release', { addresses: ['ff35::8000:7'] })
  })
})
