// Any interleaving of maintenance, undo, faults and restarts ends with devices that hold exactly what the project wants, and an empty plan.
// draft-ietf-core-groupcomm-bis §2.2.4.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import '../support/property-seed.ts'
import { AppError } from '#main/base/index.ts'
import type { MaintenanceOperation } from '#contract/model.ts'
import type { Fate } from '../site/groups/doubles.ts'
import { addressOf, createCare, furnish, type Care } from '../site/groups/maintenance/bench.ts'

const LAMPS = 3

type Step =
  | {
      readonly kind: 'operation'
      readonly what: MaintenanceOperation['kind']
      readonly group: number
      readonly other: number
      readonly picks: readonly number[]
      readonly name: string
      readonly fates: readonly Fate[]
      readonly waits: boolean
    }
  | { readonly kind: 'undo' | 'redo' | 'apply' | 'retry' | 'restart' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('operation' as const),
      what: fc.constantFrom(
        'members' as const,
        'rename' as const,
        'move' as const,
        'uri' as const,
        'split' as const,
        'merge' as const,
        'retire' as const,
      ),
      group: fc.nat(5),
      other: fc.nat(5),
      picks: fc.array(fc.nat(LAMPS), { minLength: 1, maxLength: 3 }),
      name: fc.constantFrom('hall', 'stairs', 'window', 'foyer', 'desk'),
      fates: fc.array(fc.constantFrom<Fate>('ok', 'ok', 'lost', 'answer-lost', 'refused'), { minLength: 1, maxLength: 6 }),
      // Whether the job comes to its end before the next step, or is in flight still.
      waits: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('undo' as const, 'redo' as const, 'apply' as const, 'retry' as const, 'restart' as const),
    }),
  },
)

function operationOf(
  care: Care,
  ids: readonly string[],
  { what, group, other, picks, name }: Extract<Step, { kind: 'operation' }>,
): MaintenanceOperation | undefined {
  const rows = care.project.groups.applicationFeed.rows()
  const groupId = rows[group % Math.max(1, rows.length)]?.id
  const otherId = rows[other % Math.max(1, rows.length)]?.id
  if (groupId === undefined || otherId === undefined) return undefined
  const picked = [...new Set(picks.map((pick) => ids[pick % ids.length]!))]
  switch (what) {
    case 'security':
    case 'rekey':
    case 'replace':
      return undefined
    case 'members':
      return { kind: 'members', groupId, add: picked.slice(0, 1), remove: picked.slice(1) }
    case 'rename':
      return { kind: 'rename', groupId, name }
    case 'move':
      return { kind: 'move', groupId }
    case 'uri':
      return { kind: 'uri', groupId, name, coapGroupId: rows.find(({ id }) => id === otherId)!.coapGroupId }
    case 'split':
      return { kind: 'split', groupId, name, members: picked, sameCoapGroup: picks.length % 2 === 0 }
    case 'merge':
      return { kind: 'merge', into: groupId, groupIds: [otherId] }
    case 'retire':
      return { kind: 'retire', groupId }
  }
}

async function quiet({ jobs }: Care): Promise<void> {
  await Promise.all(jobs.feed.rows().flatMap(({ id, finishedAt }) => (finishedAt === null ? [jobs.finished(id)] : [])))
}

async function applyAll(care: Care): Promise<void> {
  const queued = care.jobs.queued('apply')
  const items = care.project.groups.applyItems(undefined, (id) => queued.has(id))
  if (items.length > 0) await care.jobs.finished(care.jobs.start('apply', 'apply', items))
}

/** What a person is told may happen; a defect may not. */
function tolerate(thrown: unknown): void {
  if (!(thrown instanceof AppError) || thrown.code === 'internal') throw thrown
}

async function play(care: Care, ids: readonly string[], one: Step): Promise<Care> {
  const { history } = care.project
  try {
    switch (one.kind) {
      case 'operation': {
        const operation = operationOf(care, ids, one)
        if (operation === undefined) return care
        ids.forEach((_, index) => {
          let turn = index
          care.project.fake(addressOf(index)).fate = () => one.fates[turn++ % one.fates.length]!
        })
        const job = care.run(operation)
        if (one.waits) await job
        else job.catch(() => undefined)
        break
      }
      case 'undo':
        history.undo()
        break
      case 'redo':
        history.redo()
        break
      case 'apply':
        await applyAll(care)
        break
      case 'retry': {
        const failed = care.jobs.feed.rows().findLast(({ counts, finishedAt }) => counts.failed > 0 && finishedAt !== null)
        if (failed !== undefined) await care.retry(failed.id)
        break
      }
      case 'restart': {
        const { path } = care.project.file
        await care.close()
        return createCare(care.world, path)
      }
    }
  } catch (thrown) {
    tolerate(thrown)
  }
  return care
}

describe('maintenance', () => {
  it('converges from any interleaving of operations in flight, undo, failures and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        let care = createCare()
        const ids = furnish(care, LAMPS)
        care.project.groups.createApplication({ name: 'hall', members: ids.slice(0, 3) })
        care.project.groups.createApplication({ name: 'stairs', members: ids.slice(2) })
        await applyAll(care)
        for (const one of steps) care = await play(care, ids, one)
        await quiet(care)
        ids.forEach((_, index) => (care.project.fake(addressOf(index)).fate = () => 'ok'))
        for (let round = 0; round < 4 && care.project.groups.planFeed.size > 0; round++) await applyAll(care)
        expect(care.project.groups.planFeed.rows()).toEqual([])
        expect(care.project.groups.applyItems()).toEqual([])
        expect(care.maintenance.feed.rows()).toEqual([])
        const { book } = care.project.groups
        for (const [index, id] of ids.entries()) {
          const held = [...care.project.fake(addressOf(index)).table.values()]
            .map(({ name, address, port }) => `${name} ${address.toLowerCase()} ${port}`)
            .sort()
          const wanted = book.cellsOfDevice(id).map(({ groupId }) => {
            const { name, address, port } = book.target(groupId)!
            return `${name} ${address} ${port}`
          })
          expect(held).toEqual(wanted.sort())
        }
        await care.close()
      }),
      { numRuns: 60 },
    )
  }, 240_000)
})
