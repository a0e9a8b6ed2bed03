// Random edits, faults and restarts, and what the devices and the feeds then show.
import fc from 'fast-check'
import { AppError, seededRandom, silentLogger } from '#main/base/index.ts'
import { createGroups, type GroupStore } from '#main/site/groups/index.ts'
import { apply, runJob, type Bench, type Fate } from './doubles.ts'

export const DEVICES = 4
const NAMES = ['a', 'b', 'c', 'd']
export const ADDRESSES = ['ff05::db8:1', 'ff05::db8:2', 'ff05::db8:3']

export type Step =
  | { readonly kind: 'create'; readonly name: string; readonly members: readonly number[] }
  | { readonly kind: 'rename'; readonly group: number; readonly name: string }
  | { readonly kind: 'move'; readonly group: number; readonly port: number }
  | { readonly kind: 'relocate'; readonly group: number; readonly address: string }
  | { readonly kind: 'set'; readonly group: number; readonly device: number; readonly desired: boolean }
  | { readonly kind: 'remove'; readonly group: number }
  | { readonly kind: 'apply'; readonly fates: readonly Fate[] }
  | { readonly kind: 'verify'; readonly fates: readonly Fate[] }
  | { readonly kind: 'restart' }

const group = fc.nat({ max: 5 })
const device = fc.integer({ min: 1, max: DEVICES })
const fates = fc.array(fc.constantFrom<Fate>('ok', 'ok', 'ok', 'lost', 'answer-lost', 'refused'), { minLength: 1, maxLength: 12 })
export const steps: ReadonlyArray<fc.Arbitrary<Step>> = [
  fc.record({ kind: fc.constant('create' as const), name: fc.constantFrom(...NAMES), members: fc.uniqueArray(device) }),
  fc.record({ kind: fc.constant('rename' as const), group, name: fc.constantFrom(...NAMES) }),
  fc.record({ kind: fc.constant('move' as const), group, port: fc.integer({ min: 61_616, max: 61_618 }) }),
  fc.record({ kind: fc.constant('set' as const), group, device, desired: fc.boolean() }),
  fc.record({ kind: fc.constant('remove' as const), group }),
  fc.record({ kind: fc.constant('apply' as const), fates }),
  fc.record({ kind: fc.constant('verify' as const), fates }),
  fc.record({ kind: fc.constant('restart' as const) }),
]
export const step = fc.oneof(...steps)
export const relocate = fc.record({ kind: fc.constant('relocate' as const), group, address: fc.constantFrom(...ADDRESSES) })

/** Refusals by the rules of the engine are part of the game; anything else is not. */
function tolerant(work: () => void): void {
  try {
    work()
  } catch (thrown) {
    if (!(thrown instanceof AppError) || !thrown.code.startsWith('group.')) throw thrown
  }
}

export function withFates(bench: Bench<GroupStore>, script: readonly Fate[]): void {
  for (let number = 1; number <= DEVICES; number++) {
    let turn = number
    bench.devices.fake(`d${number}`).fate = () => script[turn++ % script.length] ?? 'ok'
  }
}

export async function play<Store extends GroupStore>(bench: Bench<Store>, step: Step): Promise<Bench<Store>> {
  const rows = bench.engine.applicationFeed.rows()
  const row = 'group' in step ? rows[step.group % Math.max(1, rows.length)] : undefined
  switch (step.kind) {
    case 'create':
      tolerant(() => bench.engine.createApplication({ name: step.name, members: step.members.map((number) => `d${number}`) }))
      break
    case 'rename':
      if (row !== undefined) tolerant(() => bench.engine.updateApplication(row.id, { name: step.name }))
      break
    case 'move':
      if (row !== undefined) tolerant(() => bench.engine.updateCoap(row.coapGroupId, { port: step.port }))
      break
    case 'relocate':
      if (row !== undefined) tolerant(() => bench.engine.updateCoap(row.coapGroupId, { address: step.address }))
      break
    case 'set':
      if (row !== undefined)
        tolerant(() => bench.engine.setMemberships([{ deviceId: `d${step.device}`, groupId: row.id, desired: step.desired }]))
      break
    case 'remove':
      if (row !== undefined) tolerant(() => bench.engine.removeApplication(row.id))
      break
    case 'apply':
    case 'verify':
      withFates(bench, step.fates)
      if (step.kind === 'apply') await apply(bench)
      else await runJob(bench.engine, 'verify', bench.engine.identifyItems(['d1', 'd2', 'd3', 'd4']))
      break
    case 'restart': {
      bench.engine.close()
      const { store, devices, clock } = bench
      const engine = createGroups({
        store,
        devices,
        clock,
        random: seededRandom(3),
        logger: silentLogger,
        allocation: { prefixId: 'site-1' },
      })
      return { ...bench, engine }
    }
  }
  return bench
}

export function desiredTables(bench: Bench<GroupStore>): Record<string, string[]> {
  const tables: Record<string, string[]> = {}
  for (let number = 1; number <= DEVICES; number++) {
    const cells = bench.engine.book.cellsOfDevice(`d${number}`).filter((cell) => cell.desired)
    tables[`d${number}`] = cells
      .map((cell) => bench.engine.book.target(cell.groupId)!)
      .map((target) => `${target.name} ${target.address} ${target.port}`)
      .sort()
  }
  return tables
}

export function actualTables(bench: Bench<GroupStore>): Record<string, string[]> {
  const tables: Record<string, string[]> = {}
  for (let number = 1; number <= DEVICES; number++) {
    const entries = [...bench.devices.fake(`d${number}`).table.values()]
    tables[`d${number}`] = entries.map((entry) => `${entry.name} ${entry.address.toLowerCase()} ${entry.port}`).sort()
  }
  return tables
}

/** What the feeds say, for comparison with an engine that starts from the store. */
export function shown(bench: Pick<Bench<GroupStore>, 'engine'>): unknown {
  const { applicationFeed, coapFeed, membershipFeed, planFeed } = bench.engine
  const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort()
  return [applicationFeed, coapFeed, membershipFeed, planFeed].map((feed) => sorted(feed.rows()))
}
