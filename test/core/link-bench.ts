// A program with a site on a network, and a simulated dongle with its mesh at a serial port of this computer's.
import { onTestFinished } from 'vitest'
import { seededRandom, silentLogger, systemClock } from '#main/base/index.ts'
import type { Clock } from '#main/base/index.ts'
import type { ProgramOptions } from '#main/ipc/index.ts'
import { createDongleSite } from '#main/simulator/index.ts'
import type { DongleSite, DongleSiteOptions } from '#main/simulator/index.ts'
import type { LinkRow } from '#contract/model.ts'
import { MapMemory } from '../simulator/harness.ts'
import { testProgram } from '../support/program.ts'
import type { TestProgram } from '../support/program.ts'
import { temporaryFolder } from '../support/site-file.ts'

export interface LinkBench extends TestProgram {
  readonly mesh: DongleSite
  readonly home: string
  /** Gives the site the dongle, and waits until it is up. */
  readonly plugIn: () => Promise<string>
  readonly row: (id: string) => LinkRow
  readonly state: (id: string, wanted: LinkRow['state']) => Promise<LinkRow>
}

const details = { name: 'Harbour House', organisation: '', address: '', operator: '' }

export function meshOf(options: Partial<DongleSiteOptions> = {}, clock: Clock = systemClock): DongleSite {
  const mesh = createDongleSite({
    devices: 12,
    lossPercent: 0,
    seed: 7,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    memory: new MapMemory(),
    binding: 'memory',
    path: '/dev/ttyACM0',
    ...options,
  })
  mesh.start()
  onTestFinished(() => mesh.close())
  return mesh
}

export async function linkBench(options: Partial<DongleSiteOptions> = {}, more: Partial<ProgramOptions> = {}): Promise<LinkBench> {
  const mesh = meshOf(options)
  const home = temporaryFolder()
  const { program, session } = testProgram(home, { serial: { binding: mesh.port.binding }, advertise: false, ...more })
  onTestFinished(() => program.close())
  await session.call('site.create', { kind: 'network', details, network: { bindAddress: '::1', coapPort: 0 } })
  const row = (id: string): LinkRow => {
    const found = session.rows('links').find((each) => each.id === id)
    if (found === undefined) throw new TypeError('no such dongle')
    return found
  }
  const state = (id: string, wanted: LinkRow['state']): Promise<LinkRow> =>
    session.when('links', (each) => each.id === id && each.state === wanted)
  return {
    program,
    session,
    mesh,
    home,
    row,
    state,
    async plugIn() {
      const { id } = await session.call('link.add', { path: mesh.port.path })
      await state(id, 'up')
      return id
    },
  }
}
