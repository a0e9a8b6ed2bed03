// The order in which plan lines are worked on: devices in turn, so that work spreads over the network; on each device removals
// first, so that its group table has room for what comes.
import type { KeyedFeed } from '#main/base/index.ts'
import type { PlanLine } from '#contract/model.ts'

const RANK: Readonly<Record<PlanLine['change'], number>> = { remove: 0, update: 1, add: 2 }

/** The given lines, or all that are not blocked, as items of a job; without those that another job has already. */
export function orderedLines(
  plan: KeyedFeed<PlanLine>,
  lineIds?: readonly string[],
  isQueued: (lineId: string) => boolean = () => false,
): ReadonlyArray<{ subject: string; label: string }> {
  const wanted = lineIds === undefined ? plan.rows().filter((line) => line.blocked === null) : knownLines(plan, lineIds)
  const lines = wanted.filter((line) => !isQueued(line.id))
  const byDevice = Map.groupBy(lines, (line) => line.deviceId)
  const turns = [...byDevice.values()].flatMap((ofDevice) =>
    ofDevice.toSorted((a, b) => RANK[a.change] - RANK[b.change]).map((line, turn) => ({ line, turn })),
  )
  return turns.sort((a, b) => a.turn - b.turn).map(({ line }) => ({ subject: line.id, label: `${line.deviceName} · ${line.groupName}` }))
}

function knownLines(plan: KeyedFeed<PlanLine>, lineIds: readonly string[]): readonly PlanLine[] {
  return [...new Set(lineIds)].flatMap((id) => plan.get(id) ?? [])
}
