// groupwright demo: the main job from an empty folder to the hand-over, on a simulated office floor.
import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { CommandContext } from '../context.ts'
import { openProgram } from '../open.ts'
import { EXIT } from '../output.ts'
import { progressBar } from '../progress-bar.ts'
import type { Session } from '../session.ts'
import { followJob, heardOf, runTest } from './effects.ts'
import { createAt } from './site.ts'

/** Rounds of "retry failed" before the demo gives up on a lossy radio. */
const MOST_RETRIES = 5

export async function demo({ options, output }: CommandContext): Promise<number> {
  const folder = resolve(options.out ?? 'demo-output')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'demo.site')
  for (const suffix of ['', '-wal', '-shm', '.lock']) rmSync(`${path}${suffix}`, { force: true })
  const exports = join(folder, 'hand-over')
  const { program, session } = openProgram({ ...options, site: path, exports })
  try {
    await createAt(session, path, { demo: options.devices ?? 60, loss: options.loss ?? 1, seed: options.seed ?? 1 })
    await importList(session)
    await findDevices(session)
    const groups = await makeGroups(session)
    const applied = await apply(session)
    const proven = await testAll(session)
    const files = await session.call('handover.export', { formats: ['json', 'yaml', 'csv', 'report-html', 'json-schema'] })
    const rows = session.rows('applicationGroups')
    const confirmed = rows.filter((group) => group.members > 0 && group.confirmed === group.members).length
    output.value(
      { folder, groups, confirmed, proven, files: files.map((file) => program.exportPath(file.handle)) },
      `\n${confirmed} of ${groups} groups confirmed, ${proven} proven by a test\nHand-over files in ${exports}`,
    )
    return applied && confirmed === groups && proven === groups ? EXIT.ok : EXIT.incomplete
  } finally {
    await program.close()
  }
}

async function importList(session: Session): Promise<void> {
  const bar = progressBar('Import')
  const { text } = await session.call('demo.deviceList', {})
  const result = await session.call('devices.importApply', { text })
  bar.finish(`${result.created} devices planned`)
}

/** Discovers until everybody planned was heard; registrations at the directory count as well. */
async function findDevices(session: Session): Promise<void> {
  const bar = progressBar('Discover')
  const total = session.rows('devices').length
  const seen = (): number => session.rows('devices').filter((device) => device.lastHeardAt !== null && device.profileId !== null).length
  const end = session.follow('devices', () => bar.update(seen(), total))
  for (let round = 0; round < MOST_RETRIES && seen() < total; round++) {
    await session.call('discovery.start', { seconds: 4 })
    await session.when('discovery', (row) => row.state === 'idle')
  }
  end()
  bar.finish(`${seen()} of ${total} found`)
}

async function makeGroups(session: Session): Promise<number> {
  const bar = progressBar('Group')
  const result = await session.call('groups.fromRooms', { types: ['luminaire', 'blind', 'thermostat'] })
  bar.finish(`${result.groups} groups, ${result.memberships} memberships`)
  return result.groups
}

async function apply(session: Session): Promise<boolean> {
  const { jobId } = await session.call('apply.start', {})
  let job = await followJob(session, jobId, 'Apply')
  for (let round = 0; round < MOST_RETRIES && job.counts.failed > 0; round++) {
    const retry = await session.call('jobs.retryFailed', { jobId: job.id })
    job = await followJob(session, retry.jobId, 'Retry')
  }
  return job.counts.failed === 0
}

/** Tests every group with the first action that all its members have; a group that fails gets further tries. */
async function testAll(session: Session): Promise<number> {
  const bar = progressBar('Test')
  const groups = session.rows('applicationGroups').filter((group) => group.members > 0)
  let proven = 0
  for (const [index, group] of groups.entries()) {
    const [action] = await session.call('test.actions', { groupId: group.id })
    for (let round = 0; action !== undefined && round < MOST_RETRIES; round++) {
      const run = await runTest(session, group.id, action.id, 1)
      if (heardOf(run) < run.members.length) continue
      proven++
      break
    }
    bar.update(index + 1, groups.length, group.name)
  }
  bar.finish(`${proven} of ${groups.length} groups proven`)
  return proven
}
