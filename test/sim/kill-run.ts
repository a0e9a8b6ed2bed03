// An apply job whose process is killed again and again (kill -9) at random times, against devices on real sockets that count what they are asked.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '#main/base/index.ts'
import type { DeviceType } from '#contract/model.ts'
import { startFarm } from '../support/farm.ts'
import { testProgram } from '../support/program.ts'
import type { TestProgram } from '../support/program.ts'

export interface KillRun {
  readonly devices: number
  readonly rooms: number
  readonly mostKills: number
  /** Each process lives at most so long after its job has begun. */
  readonly killWithinMs: number
  /** How long a device takes for an answer: a kill is to find requests under way. */
  readonly deviceDelayMs: number
  readonly seed: number
}

export interface KillOutcome {
  readonly kills: number
  readonly groups: number
  readonly memberships: number
  readonly unconfirmed: number
  /** Plan lines and job items that are left. */
  readonly left: number
  readonly failedItems: number
  /** Group entries that devices were told to write once, and those written more often or deleted. */
  readonly writtenOnce: number
  readonly writtenOtherwise: number
  close(): Promise<void>
}

const TYPES: readonly DeviceType[] = ['luminaire', 'blind', 'thermostat', 'switch', 'presence-sensor']

export async function runWithKills(run: KillRun): Promise<KillOutcome> {
  const home = mkdtempSync(join(tmpdir(), 'groupwright-kill-'))
  const site = join(home, 'kill.site')
  const { farm, groups } = await commission(home, run)
  const random = seededRandom(run.seed)
  let kills = 0
  while (kills < run.mostKills && (await workAndKill(home, site, random.below(run.killWithinMs)))) kills++

  const { program, session } = testProgram(home)
  await program.openSiteFile(site)
  const job = await session.when('jobs', (row) => row.kind === 'apply' && row.state === 'done')
  const cells = session.rows('memberships')
  const served = Object.values(await farm.counts()).flatMap((each) => Object.values(each))
  const once = served.filter(({ PUT, DELETE }) => PUT === 1 && DELETE === 0).length
  return {
    kills,
    groups,
    memberships: cells.length,
    unconfirmed: cells.filter((cell) => cell.outcome !== 'confirmed').length,
    left: session.rows('plan').length + job.counts.pending + job.counts.running,
    failedItems: job.counts.failed + job.counts.skipped,
    writtenOnce: once,
    writtenOtherwise: served.length - once,
    async close() {
      farm.close()
      await program.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** A site whose devices are found, in rooms and planned into groups; nothing is applied yet. */
async function commission(
  home: string,
  { devices, rooms, deviceDelayMs }: KillRun,
): Promise<{ farm: Awaited<ReturnType<typeof startFarm>>; groups: number }> {
  const { program, session } = testProgram(home)
  const details = { name: 'kill', organisation: '', address: '', operator: '' }
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  const rdPort = session.rows('session')[0]?.network.listening[0]?.port ?? 0
  const farm = await startFarm({ devices, rdPort, delayMs: deviceDelayMs })
  await found(session, devices)
  const ids = session.rows('devices').map((device) => device.id)
  for (let room = 0; room < rooms; room++) {
    const { id: roomId } = await session.call('rooms.create', { parentId: null, kind: 'room', name: `2.${room}` })
    const there = ids.filter((_, index) => index % rooms === room)
    if (there.length > 0) await session.call('devices.update', { ids: there, patch: { roomId } })
  }
  const made = await session.call('groups.fromRooms', { types: [...TYPES] })
  await program.close()
  return { farm, groups: made.groups }
}

function found(session: TestProgram['session'], count: number): Promise<void> {
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
