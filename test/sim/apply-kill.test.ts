// kill -9 in the middle of an apply job, again and again: reopening goes on, nothing is lost, nothing is done twice.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { seededRandom } from '#main/base/index.ts'
import { startFarm } from '../support/farm.ts'
import { testProgram } from '../support/program.ts'

const DEVICES = 200
/** The last process is left alone; on a fast machine the work may be done before so many kills. */
const MOST_KILLS = 12
const FEWEST_KILLS = 4
const KILL_WITHIN_MS = 400
/** Slow enough that a kill finds requests under way. */
const DEVICE_DELAY_MS = 40

it(`finishes an apply to ${DEVICES} devices through many kills with every membership written exactly once`, async () => {
  const home = mkdtempSync(join(tmpdir(), 'groupwright-kill-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const site = join(home, 'kill.site')
  const farm = await commission(home, site)

  const random = seededRandom(20)
  let kills = 0
  while (kills < MOST_KILLS && (await workAndKill(home, site, random.below(KILL_WITHIN_MS)))) kills++
  expect(kills).toBeGreaterThanOrEqual(FEWEST_KILLS)

  const { program, session } = testProgram(home)
  onTestFinished(() => program.close())
  await program.openSiteFile(site)
  const job = await session.when('jobs', (row) => row.kind === 'apply' && row.state === 'done')
  expect([job.counts.failed, job.counts.pending, job.counts.running, job.counts.skipped]).toEqual([0, 0, 0, 0])
  const cells = session.rows('memberships')
  expect(cells.filter((cell) => cell.outcome !== 'confirmed')).toEqual([])
  expect(session.rows('plan')).toEqual([])

  const served = Object.values(await farm.counts()).flatMap((groups) => Object.values(groups))
  expect(served).toHaveLength(cells.length)
  expect(served.filter(({ PUT, DELETE }) => PUT !== 1 || DELETE !== 0)).toEqual([])
}, 120_000)

/** A site whose devices are found, in rooms and planned into groups; nothing is applied yet. */
async function commission(home: string, site: string): Promise<Awaited<ReturnType<typeof startFarm>>> {
  const { program, session } = testProgram(home)
  const details = { name: 'kill', organisation: '', address: '', operator: '' }
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  expect(session.rows('session')[0]?.site?.fileName).toBe('kill.site')
  expect(site).toBe(join(home, 'kill.site'))
  const rdPort = session.rows('session')[0]?.network.listening[0]?.port ?? 0
  const farm = await startFarm({ devices: DEVICES, rdPort, delayMs: DEVICE_DELAY_MS })
  await found(session, DEVICES)
  const { id: roomId } = await session.call('rooms.create', { parentId: null, kind: 'room', name: '2.14' })
  await session.call('devices.update', { ids: session.rows('devices').map((device) => device.id), patch: { roomId } })
  const made = await session.call('groups.fromRooms', { types: ['luminaire', 'blind', 'thermostat', 'switch', 'presence-sensor'] })
  expect(made.memberships).toBe(DEVICES)
  await program.close()
  return farm
}

function found(session: ReturnType<typeof testProgram>['session'], count: number): Promise<void> {
  return new Promise((resolve) => {
    const known = new Set<string>()
    const end = session.follow('devices', (rows) => {
      for (const row of rows) if (row.profileId !== null) known.add(row.id)
      if (known.size < count) return
      queueMicrotask(() => end())
      resolve()
    })
  })
}

/** Lets a process work and kills it after some milliseconds; false when it was done before. */
async function workAndKill(home: string, site: string, afterMs: number): Promise<boolean> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'apply-child.ts'), home, site], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const exited = once(child, 'exit')
  await once(lines, 'line')
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
  const [, signal] = (await exited) as [number | null, string | null]
  clearTimeout(timer)
  return signal === 'SIGKILL'
}
