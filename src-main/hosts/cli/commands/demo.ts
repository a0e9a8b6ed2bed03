// groupwright demo: the main job from an empty folder to the hand-over, on a simulated office floor.
import { mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { AppError, delay, systemClock } from '#main/base/index.ts'
import type { CommandContext } from '../context.ts'
import { openProgram } from '../open.ts'
import { EXIT } from '../output.ts'
import { progressBar } from '../progress-bar.ts'
import type { Session } from '../session.ts'
import { followJob, heardOf, runTest } from './effects.ts'
import { createAt } from './site.ts'

/** Rounds of "retry failed" before the demo gives up on a lossy radio. */
const MOST_RETRIES = 5
/** How long devices may take to get certificates; a shared channel of 250 kbit/s carries one in some seconds. */
const ADMISSION_MS_A_DEVICE = 5000
const SHORTEST_ADMISSION_MS = 20_000
const AS_THEY_REGISTER = 'as they register: this dongle carries no multicast'
const ONE_BY_ONE = ', their members one by one: this dongle carries no multicast'

export async function demo({ options, output }: CommandContext): Promise<number> {
  const folder = resolve(options.out ?? 'demo-output')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'demo.site')
  for (const suffix of ['', '-wal', '-shm', '.lock']) rmSync(`${path}${suffix}`, { force: true })
  const exports = join(folder, 'hand-over')
  const { program, session } = openProgram({ ...options, joining: options.joining ?? 'proxy', site: path, exports })
  try {
    await createAt(session, path, { demo: options.devices ?? 60, loss: options.loss ?? 1, seed: options.seed ?? 1 })
    const failure = session.rows('session')[0]?.network.failure
    // Without socat there is no pseudo terminal, and nothing of what follows can work.
    if (failure?.code === 'link.open-failed') throw new AppError('link.open-failed', failure.message)
    await importList(session)
    await findDevices(session)
    const certified = await admitAll(session)
    const groups = await makeGroups(session)
    const applied = await apply(session)
    const proven = await testAll(session)
    const files = await session.call('handover.export', { formats: ['json', 'yaml', 'csv', 'report-html', 'json-schema'] })
    const rows = session.rows('applicationGroups')
    const confirmed = rows.filter((group) => group.members > 0 && group.confirmed === group.members).length
    output.value(
      { folder, certified, groups, confirmed, proven, files: files.map((file) => program.exportPath(file.handle)) },
      `\n${certified} devices have a certificate of the site\n${confirmed} of ${groups} groups confirmed, ${proven} proven by a test\nHand-over files in ${exports}`,
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
  const isUnicastOnly = (): boolean => session.rows('discovery')[0]?.unicastOnly === true
  const end = session.follow('devices', () => bar.update(seen(), total, isUnicastOnly() ? AS_THEY_REGISTER : ''))
  for (let round = 0; round < MOST_RETRIES && seen() < total; round++) {
    await session.call('discovery.start', { seconds: 4 })
    await session.when('discovery', (row) => row.state === 'idle')
  }
  end()
  bar.finish(`${seen()} of ${total} found${isUnicastOnly() ? ` ${AS_THEY_REGISTER}` : ''}`)
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

/** An authority of the site's own, and the window open: listed devices join by themselves, over the simulated radio, to their keys for groups. */
async function admitAll(session: Session): Promise<number> {
  const bar = progressBar('Admit')
  const total = session.rows('devices').filter(({ eui64 }) => eui64 !== null).length
  const [authority] = session.rows('ra')
  if (authority === undefined || authority.state === 'locked') {
    bar.finish('the keys of the site cannot be opened: no certificates')
    return 0
  }
  await session.call('admission.open', {})
  if (authority.state === 'none') await session.call('ra.createRoot', { subject: 'CN=Demo CA, O=Groupwright demo' })
  const enrolled = (): number => session.rows('ra')[0]?.devicesEnrolled ?? 0
  const secured = (): number => session.rows('security')[0]?.enrolled ?? 0
  const end = session.follow('ra', () => bar.update(enrolled(), total))
  const done = new AbortController()
  const patience = delay(systemClock, ADMISSION_MS_A_DEVICE * total + SHORTEST_ADMISSION_MS, done.signal).catch(() => undefined)
  const all = Promise.all([
    session.when('ra', ({ devicesEnrolled }) => devicesEnrolled >= total),
    session.when('security', (row) => row.enrolled >= total),
  ])
  await Promise.race([all, patience])
  done.abort()
  end()
  bar.finish(`${enrolled()} of ${total} devices enrolled, ${secured()} ready for protected groups`)
  return enrolled()
}

/** Tests every group with the first action that all its members have; a group that fails gets further tries. */
async function testAll(session: Session): Promise<number> {
  const bar = progressBar('Test')
  const groups = session.rows('applicationGroups').filter((group) => group.members > 0)
  let proven = 0
  let unicastOnly = false
  for (const [index, group] of groups.entries()) {
    const [action] = await session.call('test.actions', { groupId: group.id })
    for (let round = 0; action !== undefined && round < MOST_RETRIES; round++) {
      const run = await runTest(session, group.id, action.id, 1)
      unicastOnly ||= run.unicastOnly === true
      if (heardOf(run) < run.members.length) continue
      proven++
      break
    }
    bar.update(index + 1, groups.length, group.name)
  }
  bar.finish(`${proven} of ${groups.length} groups proven${unicastOnly ? ONE_BY_ONE : ''}`)
  return proven
}
