// Drift, what is there, and other exports over the contract, on a demo site with devices that answer.
import { readFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { DeviceId } from '#main/base/index.ts'
import { createCore, type Core } from '#main/core.ts'
import type { GroupTableEntry } from '#main/site/devices/index.ts'
import { testOptions } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

const details = { name: 'Office 2.14', organisation: '', address: '', operator: '' }
const DEVICES = 4
const TABLES = { servers: false, directory: false, tables: true, directories: [], types: [] }
/** Real timers on a machine that may be busy. */
const PATIENT = 90_000

function start(home = temporaryFolder()): Core {
  const core = createCore(testOptions(home))
  onTestFinished(() => core.close())
  return core
}

async function demoSite(): Promise<{ readonly core: Core; readonly ids: readonly DeviceId[] }> {
  const core = start()
  await core.createSite({ kind: 'demo', details, demo: { devices: DEVICES, lossPercent: 0, seed: 4 } })
  const { discovery, inventory } = core.site()
  await expect
    .poll(() => inventory.all().filter(({ profileId }) => profileId !== null).length, { timeout: 40_000, interval: 250 })
    .toBe(DEVICES)
  await discovery.idle()
  return { core, ids: inventory.all().map(({ id }) => id) }
}

/** Somebody else changes a device's group table. */
async function tamper(core: Core, id: DeviceId, { add, remove }: { add?: GroupTableEntry; remove?: GroupTableEntry }): Promise<void> {
  const { contact, profile } = core.site().inventory.contact(id)
  if (add !== undefined) await profile.writeMembership(contact, add)
  if (remove !== undefined) await profile.removeMembership(contact, remove)
}

async function job(core: Core, { jobId }: { readonly jobId: string }): Promise<void> {
  const row = await core.site().jobs.finished(jobId)
  expect(row.counts.failed).toBe(0)
}

async function applyAll(core: Core): Promise<void> {
  const { jobs, groups } = core.site()
  await job(core, { jobId: jobs.start('apply', 'apply', groups.applyItems()) })
}

describe('drift over the contract', () => {
  it('leaves devices alone in a copy that another program has taken over', async () => {
    const core = start()
    await core.createSite({ kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
    const { survey, writer } = core.site()
    survey.setWatch({ on: true })
    expect(survey.feed.get('survey')?.watching).toBe('quiet')
    writer.learn({ epoch: 99, holder: 'another program' })
    survey.setWatch({ on: true })
    expect(survey.feed.get('survey')?.watching).toBe('busy')
  })

  it(
    'is found by reading the devices, repaired by one job, and what is foreign is adopted or removed',
    async () => {
      const { core, ids } = await demoSite()
      const { survey, groups } = core.site()
      groups.createApplication({ name: 'hall', members: ids })
      await applyAll(core)
      expect(core.feeds.drift.rows().map(({ state, means }) => `${state} ${means ?? ''}`)).toEqual(ids.map(() => 'as-applied job'))
      const [first = '', second = ''] = ids
      const held = groups.book.cellsOfDevice(first)[0]!.applied!
      await tamper(core, first, { remove: held })
      const stranger = { name: 'old-wing', address: 'ff35:30:fd00::1:77', port: 5683 }
      await tamper(core, second, { add: stranger })
      await tamper(core, second, { add: { ...stranger, name: 'odd' } })
      await job(core, survey.readDevices({}))
      expect(core.feeds.drift.get(first)?.findings.map(({ kind }) => kind)).toEqual(['reset', 'missing'])
      expect(
        core.feeds.drift
          .get(second)
          ?.findings.map(({ kind, groupName }) => `${kind} ${groupName}`)
          .sort(),
      ).toEqual(['foreign odd', 'foreign old-wing'])
      await job(core, survey.repair({}))
      await job(core, survey.removeForeign({ entries: [{ deviceId: second, name: 'odd' }] }))
      expect(survey.adoptEntries([{ deviceId: second, name: 'old-wing' }])).toEqual({ groups: 1, memberships: 1 })
      await job(core, survey.readDevices({}))
      expect(core.feeds.drift.rows().flatMap(({ findings }) => findings)).toEqual([])
      expect(groups.planFeed.size).toBe(0)
      expect(() => survey.repair({})).toThrow(expect.objectContaining({ code: 'job.nothing-to-do' }))
    },
    PATIENT,
  )

  it(
    'stays known over a restart, with the time of the reading; the watch is remembered too',
    async () => {
      const { core, ids } = await demoSite()
      core.site().groups.createApplication({ name: 'hall', members: ids.slice(0, 1) })
      await applyAll(core)
      core.site().survey.setWatch({ on: true, readsPerMinute: 12 })
      const before = core.feeds.drift.get(ids[0]!)!
      const { path } = core.site().file
      await core.closeSite()
      await core.openSiteFile(path)
      expect(core.feeds.drift.get(ids[0]!)).toMatchObject({ readAt: before.readAt, entries: 1, state: 'as-applied', watch: 'poll' })
      expect(core.feeds.survey.get('survey')?.watch).toEqual({ on: true, readsPerMinute: 12, observations: 32 })
    },
    PATIENT,
  )
})

describe('what is there', () => {
  it(
    'is read from the devices of an installation that the project knows nothing of, adopted, and leaves nothing to apply',
    async () => {
      const { core, ids } = await demoSite()
      const entry = { name: 'Flur', address: 'ff35:30:fd00::1:5', port: 61_616 }
      for (const id of ids.slice(0, 3)) await tamper(core, id, { add: entry })
      const { survey, groups } = core.site()
      survey.read(TABLES)
      await survey.idle()
      expect(survey.foundPage({ offset: 0, limit: 10 })).toMatchObject({
        total: 1,
        rows: [{ ...entry, verdict: 'new', memberCount: 3, strangers: 0, sources: ['table'] }],
      })
      const adopted = core.site().history.action({ op: 'survey.adopt', actor: 'M. Lindqvist' }, () => survey.adopt())
      expect(adopted).toEqual({ groups: 1, memberships: 3, planned: 0, strangers: 0 })
      expect(groups.planFeed.rows()).toEqual([])
      expect(core.feeds.applicationGroups.rows()).toMatchObject([{ name: 'Flur', members: 3, confirmed: 3 }])
      // One edit: undone, nothing of it is left, and nothing is planned for the devices, which have what they had.
      const { history } = core.site()
      history.undo()
      expect(core.feeds.applicationGroups.size + core.feeds.coapGroups.size + core.feeds.plan.size).toBe(0)
      expect(core.feeds.drift.get(ids[0]!)?.findings.map(({ kind }) => kind)).toEqual(['foreign'])
      history.redo()
      expect(core.feeds.applicationGroups.rows()).toMatchObject([{ name: 'Flur', members: 3, confirmed: 3 }])
    },
    PATIENT,
  )

  it(
    'of another directory: groups that another program registered there, not those of this project',
    async () => {
      const { core } = await demoSite()
      const { survey, directory, groups } = core.site()
      groups.createApplication({ name: 'own' })
      directory.registerText({
        endpointName: 'lights',
        base: 'coap://[ff35:30:2001:db8:f1::8000:1]',
        attributes: [{ name: 'et', value: 'core.rd-group' }],
        links: '</light>;rt="tag:example.com,2020:light"',
      })
      survey.read({ ...TABLES, tables: false, directory: true })
      await survey.idle()
      // Made by hand in this program, it has no source either: the project does not find itself.
      expect(survey.foundPage({ offset: 0, limit: 10 }).rows.map(({ name }) => name)).toEqual([])
      const [own] = core.site().network.listening.filter(({ scheme, address }) => scheme === 'coap' && address === '::1')
      survey.read({ ...TABLES, tables: false, directories: [`[::1]:${own!.port}`] })
      await survey.idle()
      expect(survey.foundPage({ offset: 0, limit: 10 }).rows.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
        'lights new',
        'own known',
      ])
    },
    PATIENT,
  )
})

describe('another export', () => {
  it(
    'of the same site has no differences; what it has more or different is taken over as chosen',
    async () => {
      const { core, ids } = await demoSite()
      const { survey, groups, exchange } = core.site()
      const floor = core.site().inventory.createRoom({ parentId: null, kind: 'floor', name: '2' })
      groups.createApplication({ name: 'hall', members: ids, roomId: floor })
      const rows = await exchange.export(['json'], { locale: 'en' })
      const text = readFileSync(core.exportPath(rows[0]!.handle)!, 'utf8')
      expect(survey.diff({ text })).toMatchObject({ site: details.name, total: 0 })
      groups.removeApplication(groups.applicationFeed.rows()[0]!.id)
      core.site().inventory.update([ids[0]!], { name: 'Renamed here' })
      const { differences } = survey.diff({ text })
      expect(differences.map(({ kind, change }) => `${kind} ${change}`).sort()).toEqual(
        ['device changed', 'group added', ...ids.map(() => 'membership added')].sort(),
      )
      expect(survey.take({ text, ids: differences.map(({ id }) => id) })).toMatchObject({ taken: 2 + DEVICES, left: [] })
      expect(survey.diff({ text }).total).toBe(0)
      expect(() => survey.diff({ text: '{' })).toThrow(expect.objectContaining({ code: 'import.unreadable' }))
    },
    PATIENT,
  )
})
