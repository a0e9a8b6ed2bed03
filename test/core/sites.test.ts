// The life of a site over the contract: created, worked on, closed, opened again, exported, imported; and what goes wrong.
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { TestProgram } from '../support/program.ts'
import { testProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office', organisation: 'Blue Quay', address: 'Pier 4', operator: 'M. Lind' }
const network = { kind: 'network' as const, details, network: { bindAddress: '::1', coapPort: 0 } }

function start(home = temporaryFolder()): TestProgram & { readonly home: string } {
  const started = testProgram(home)
  onTestFinished(() => started.program.close())
  return { ...started, home }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'no failure'
  } catch (thrown) {
    return (thrown as { readonly code: string }).code
  }
}

describe('sites', () => {
  it('starts without one, and says so to whoever asks for its data', async () => {
    const { session } = start()
    expect(session.rows('session')).toMatchObject([{ site: null, network: { state: 'off' } }])
    expect(await codeOf(session.call('discovery.start', {}))).toBe('site.none-open')
  })

  it('creates, changes, closes and opens again with everything in place', async () => {
    const { session, program } = start()
    const { handle } = await session.call('site.create', network)
    const { id: roomId } = await session.call('rooms.create', { parentId: null, kind: 'room', name: '2.14' })
    const { id } = await session.call('devices.create', {
      name: 'Lamp',
      type: 'luminaire',
      roomId,
      eui64: '02-00-00-ff-fe-00-00-01',
      serial: null,
    })
    await session.call('groups.createApplication', { name: '2.14-light', members: [id] })
    await session.call('site.update', { operator: 'A. Berg' })
    const before = { devices: session.rows('devices'), rooms: session.rows('rooms'), cells: session.rows('memberships') }
    expect(before.cells).toMatchObject([{ deviceId: id, desired: true, outcome: 'planned' }])
    await session.call('site.close', {})
    expect([session.rows('devices'), session.rows('rooms'), session.rows('plan')]).toEqual([[], [], []])
    await session.call('site.open', { handle })
    expect({ devices: session.rows('devices'), rooms: session.rows('rooms'), cells: session.rows('memberships') }).toEqual(before)
    expect(session.rows('session')[0]?.site?.details).toEqual({ ...details, operator: 'A. Berg' })
    expect(await session.call('site.recent', {})).toMatchObject([{ handle, name: 'Office', exists: true }])
    expect(program.busy()).toBe(false)
  })

  it('refuses a second site of the same name, and a file that another process has open', async () => {
    const first = start()
    await first.session.call('site.create', network)
    expect(await codeOf(first.session.call('site.create', network))).toBe('site.name-taken')
    await first.program.openSiteFile(join(first.home, 'Office.site'))
    const second = start(first.home)
    expect(await codeOf(second.program.openSiteFile(join(first.home, 'Office.site')))).toBe('site.locked')
  })

  it.each([
    ['text', 'store.corrupt', (path: string) => writeFileSync(path, 'not a site')],
    ['nothing', 'store.corrupt', (path: string) => truncateSync(path, 0)],
    ['half of it', 'store.corrupt', (path: string) => truncateSync(path, Math.floor(readFileSync(path).length / 2))],
  ])(
    'refuses a damaged site file that holds %s, naming it corrupt because there are backups of it, and stays usable',
    async (_, code, damage) => {
      const { session, program, home } = start()
      await session.call('site.create', network)
      await session.call('site.close', {})
      const path = join(home, 'Office.site')
      damage(path)
      expect(await codeOf(program.openSiteFile(path))).toBe(code)
      expect(session.rows('session')).toMatchObject([{ site: null }])
      await session.call('site.create', { ...network, details: { ...details, name: 'Other' } })
      expect(session.rows('session')[0]?.site?.details.name).toBe('Other')
    },
  )

  it('keeps the open site where another one cannot be opened', async () => {
    const { session, program, home } = start()
    await session.call('site.create', network)
    writeFileSync(join(home, 'Broken.site'), 'not a site')
    expect(await codeOf(program.openSiteFile(join(home, 'Broken.site')))).toBe('store.not-a-site')
    expect(session.rows('session')[0]?.site?.details.name).toBe('Office')
    await session.call('rooms.create', { parentId: null, kind: 'room', name: 'Hall' })
    expect(session.rows('rooms')).toHaveLength(1)
  })

  it('opens a site where the list of known sites cannot be written', async () => {
    const home = temporaryFolder()
    writeFileSync(join(home, 'settings'), 'a file where the folder should be')
    const { session } = start(home)
    await session.call('site.create', network)
    expect(session.rows('session')[0]?.site?.details.name).toBe('Office')
  })

  it('does not go on with interrupted jobs for those who only look', async () => {
    const { session, program, home } = start()
    await session.call('site.create', { kind: 'demo', details, demo: { devices: 60, lossPercent: 0, seed: 1 } })
    const known = new Set<string>()
    await session.when('devices', (device) => device.profileId !== null && known.add(device.id).size >= 50)
    const ids = session.rows('devices').flatMap((device) => (device.profileId === null ? [] : [device.id]))
    await session.call('groups.createApplication', { name: 'all', members: ids })
    await session.call('apply.start', {})
    await program.close()
    const looking = testProgram(home, { resumeJobs: false })
    onTestFinished(() => looking.program.close())
    await looking.program.openSiteFile(join(home, 'Office.site'))
    const [job] = looking.session.rows('jobs')
    expect(job?.counts.pending).toBeGreaterThan(0)
    expect(job?.counts.running).toBe(0)
  })

  it('works on the project where the network does not come up, and says why', async () => {
    const { session, home } = start()
    const busy = testProgram(home, { network: { bindAddress: '203.0.113.1', coapPort: 0 } })
    onTestFinished(() => busy.program.close())
    await busy.session.call('site.create', { ...network, details: { ...details, name: 'Elsewhere' } })
    expect(busy.session.rows('session')).toMatchObject([{ network: { state: 'failed', failure: { code: 'network.bind-failed' } } }])
    await busy.session.call('rooms.create', { parentId: null, kind: 'room', name: 'Hall' })
    expect(busy.session.rows('rooms')).toHaveLength(1)
    expect(session.rows('session')).toMatchObject([{ site: null }])
  })

  it('exports, imports and exports the same bytes', async () => {
    const { session, program, home } = start()
    await session.call('site.create', network)
    const { id: roomId } = await session.call('rooms.create', { parentId: null, kind: 'room', name: 'Große Halle, 1. "Süd"' })
    const { id } = await session.call('devices.create', {
      name: '=Lamp',
      type: 'luminaire',
      roomId,
      eui64: '0200000000000001',
      serial: 'S;1',
    })
    await session.call('groups.createApplication', { name: 'hall-light', members: [id] })
    const [first] = await session.call('handover.export', { formats: ['json'] })
    const text = readFileSync(program.exportPath(first?.handle ?? '') ?? '', 'utf8')
    const other = start()
    expect(other.home).not.toBe(home)
    await other.session.call('site.import', { text })
    const [second] = await other.session.call('handover.export', { formats: ['json'] })
    expect(readFileSync(other.program.exportPath(second?.handle ?? '') ?? '', 'utf8')).toBe(text)
    expect(second?.sha256).toBe(first?.sha256)
  })

  it.each([
    ['', 'import.schema-invalid'],
    ['{"format":"groupwright-site","version":99}', 'import.version-unsupported'],
    ['{"format":"groupwright-site","version":1,"site":null}', 'import.schema-invalid'],
    ['\u0000\u0001\u0002', 'import.schema-invalid'],
  ])('refuses to import %j with a code, and leaves nothing behind', async (text, code) => {
    const { session } = start()
    const got = await codeOf(session.call('site.import', { text }))
    expect([code, 'import.unreadable', 'import.empty']).toContain(got)
    expect(await session.call('site.recent', {})).toEqual([])
  })

  it('keeps preferences over a restart', async () => {
    const first = start()
    await first.session.call('preferences.set', { theme: 'dark', views: { devices: '{}' } })
    await first.session.call('preferences.set', { locale: 'de', views: { groups: '[]' } })
    await first.program.close()
    expect(start(first.home).session.rows('preferences')).toMatchObject([
      { theme: 'dark', locale: 'de', views: { devices: '{}', groups: '[]' } },
    ])
  })
})
